"""Each rule of the house catches what it forbids, and says how to mend it."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
CYCLE = "No cycle between modules"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the application with two modules in place of its own, `customer` and `invoice`, that keep every rule."""
    shutil.copytree(ROOT / "app", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__", "modules"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    plant(tmp_path, "app/modules/__init__.py", "")
    for module in ("customer", "invoice"):
        for name in (
            "__init__",
            "module",
            "routes",
            "public",
            "service",
            "repository",
            "factory",
            "models",
            "schemas",
            "events",
        ):
            plant(tmp_path, f"app/modules/{module}/{name}.py", "")
    return tmp_path


def plant(house: Path, file: str, line: str) -> None:
    path = house / file
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")


def lint(house: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--no-logo"],
        cwd=house, env={"COLUMNS": "200", "PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def place(house: Path, file: str, line: str) -> str:
    """A pattern of how import-linter tells the last line of `file`; a file that has no place at all has no line."""
    module = re.escape(file.removesuffix(".py").replace("/", "."))
    number = len((house / file).read_text().splitlines())
    return rf"{module} -> \S+ \(.*\bl\.{number}\)" if line else rf"- {module}\n"


def test_the_house_keeps_its_rules(house: Path) -> None:
    plant(house, "app/modules/invoice/service.py", "from app.modules.customer import public, events")

    result = lint(house)

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "line", "rule", "mend"),
    VIOLATIONS := [
        ("app/core/errors.py", "import app.db.model", "Entry points use wiring", "Move what is needed down"),
        ("app/core/http/context.py", "import app.modules.customer.module", "Entry points use wiring", "Mechanism belongs"),
        ("app/db/model.py", "import app.modules.customer.public", "Entry points use wiring", "Mechanism belongs"),
        ("app/modules/invoice/routes.py", "import app.wiring", "Entry points use wiring", "Mechanism belongs"),
        ("app/wiring.py", "import app.main", "Entry points use wiring", "Mechanism belongs"),
        (
            "app/modules/invoice/service.py",
            "import app.modules.invoice.routes",
            "Inside a module",
            "must not know a higher one",
        ),
        (
            "app/modules/invoice/models.py",
            "import app.modules.invoice.repository",
            "Inside a module",
            "must not know a higher one",
        ),
        (
            "app/modules/invoice/factory.py",
            "import app.modules.invoice.repository",
            "Inside a module",
            "must not know a higher one",
        ),
        (
            "app/modules/invoice/service.py",
            "import app.modules.invoice.factory",
            "Nothing that serves imports a factory",
            "Tests import it",
        ),
        ("app/cli.py", "import app.modules.customer.factory", "Nothing that serves imports a factory", "finds it by"),
        ("app/modules/invoice/utils.py", "", "Inside a module", "has no place in a module"),
        (
            "app/modules/invoice/service.py",
            "import app.modules.customer.service",
            "A neighbour is known by its public face",
            "Ask the neighbour through its `public.py`",
        ),
        (
            "app/modules/invoice/models.py",
            "from app.modules.customer.models import Customer",
            "A neighbour is known by its public face",
            "Ask the neighbour through its `public.py`",
        ),
        ("app/modules/invoice/service.py", "import fastapi", "The domain knows no HTTP", "routes.py"),
        ("app/modules/invoice/models.py", "from starlette.requests import Request", "The domain knows no HTTP", "routes"),
        ("app/modules/invoice/repository.py", "import app.core.http.problems", "The domain knows no HTTP", "routes.py"),
        ("app/modules/invoice/service.py", "from sqlmodel import select", "Only models and repositories", "repository.py"),
        ("app/modules/invoice/jobs.py", "import sqlalchemy as sa", "Only models and repositories", "repository.py"),
        ("app/core/errors.py", "from http import HTTPStatus\nimport fastapi", "Errors and settings know no HTTP", "decides"),
    ],
)  # fmt: skip
def test_a_violation_is_caught_with_its_mend(house: Path, file: str, line: str, rule: str, mend: str) -> None:
    plant(house, file, line)

    result = lint(house)

    assert result.returncode == 1
    broken = [row for row in result.stdout.splitlines() if row.endswith("BROKEN")]
    assert any(row.startswith(rule) for row in broken), result.stdout
    assert mend in result.stdout
    assert re.search(place(house, file, line), result.stdout), result.stdout


def test_a_cycle_of_modules_is_caught_with_its_mend(house: Path) -> None:
    plant(house, "app/modules/invoice/service.py", "import app.modules.customer.public")
    plant(house, "app/modules/customer/service.py", "import app.modules.invoice.public")

    result = lint(house)

    assert result.returncode == 1
    assert f"{CYCLE} BROKEN" in result.stdout
    assert "let the other announce an event" in result.stdout
    assert any(
        re.search(place(house, f"app/modules/{module}/service.py", "import"), result.stdout)
        for module in ("invoice", "customer")
    ), result.stdout


def test_each_contract_has_a_violation_here() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = {contract["name"] for contract in project["tool"]["importlinter"]["contracts"]}
    broken = {CYCLE, *(rule for _, _, rule, _ in VIOLATIONS)}

    assert {name for name in names if not name.startswith(tuple(broken))} == set(), "Add one to VIOLATIONS."
    assert {rule for rule in broken if not any(name.startswith(rule) for name in names)} == set()
