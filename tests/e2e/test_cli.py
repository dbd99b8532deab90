"""`python -m app …` as an operator types it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from app.core.settings import PostgresAddress
from tests.support.copies import Copy
from tests.support.server import ROOT, environment

SECRET = "canary-0123456789-0123456789-0123456789"


class Cli:
    """Runs commands in this process, in an environment of the test's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        monkeypatch.chdir(folder)  # where no `.env` of a developer lies
        for name in os.environ.keys() - environment(None).keys():
            monkeypatch.delenv(name)
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str, address: PostgresAddress | None = None, **environ: str) -> Result:
        for name, value in (environment(address) | environ).items():
            self._monkeypatch.setenv(name, value)
        return CliRunner().invoke(cli, arguments)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    return Cli(monkeypatch, tmp_path)


def test_settings_are_printed_with_their_source_and_without_secrets(run: Cli, own_database: PostgresAddress) -> None:
    result = run("settings", address=own_database, APP_SECRET_KEY=SECRET)

    assert result.exit_code == 0, result.output
    lines = {line.split()[0]: line for line in result.output.splitlines()}
    assert "environment" in lines["POSTGRES_HOST"]
    assert "default" in lines["POSTGRES_POOL_SIZE"]
    assert "environment" in lines["APP_SECRET_KEY"]
    assert SECRET not in result.output


def test_production_with_the_defaults_says_every_reason_at_once() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "app", "serve"],
        cwd=ROOT, env=environment(None) | {"APP_ENV": "prod"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    for variable in ("APP_SECRET_KEY", "APP_ALLOWED_HOSTS", "DATABASE_URL", "POSTGRES_TLS"):
        assert variable in result.stderr


def test_migrations_go_up_and_down_and_up(run: Cli, own_database: PostgresAddress) -> None:
    assert run("migrate", address=own_database).stdout == ""
    assert "took back" in run("rollback", address=own_database).stdout
    assert "applied" in run("migrate", address=own_database).stdout


def test_the_doctor_finds_a_healthy_machine_healthy(run: Cli, own_database: PostgresAddress) -> None:
    result = run("doctor", "--port", "0", address=own_database)

    assert result.exit_code == 0, result.output
    assert "BAD" not in result.output


def test_the_doctor_names_each_fault_with_its_mend(run: Cli) -> None:
    nowhere = PostgresAddress("127.0.0.1", 1, "nobody", None, "nothing")
    result = run("doctor", "--port", "1", address=nowhere, POSTGRES_POOL_SIZE="many")
    assert result.exit_code == 1
    assert "POSTGRES_POOL_SIZE" in result.output

    result = run("doctor", "--port", "0", address=nowhere, POSTGRES_POOL_SIZE="20")
    assert result.exit_code == 1
    assert "BAD  the database nobody@127.0.0.1:1/nothing cannot be used" in result.output


@pytest.fixture
def copy(tmp_path: Path, own_database: PostgresAddress) -> Copy:
    """With the sample among the modules, and the documents that are written from them."""
    copy = Copy(tmp_path / "copy", own_database)
    copy.add_sample()
    for written in ("openapi", "docs-modules"):
        copy.app(written)
    return copy


def test_the_contract_is_checked(copy: Copy) -> None:
    folder = copy.folder / "docs" / "openapi"
    (folder / "sample_note.json").write_text("{}")
    (folder / "platform.json").unlink()
    (folder / "gone.json").write_text("{}")

    result = copy.app("check")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "docs/openapi/gone.json: belongs to no module. Delete it with: make openapi",
        "docs/openapi/platform.json: is missing. Write it with: make openapi",
        "docs/openapi/sample_note.json: differs from the code. Write it again with: make openapi",
    ]

    assert copy.app("openapi").stdout.splitlines() == [
        "Deleted docs/openapi/gone.json.", "Wrote docs/openapi/platform.json.", "Wrote docs/openapi/sample_note.json."
    ]  # fmt: skip
    assert copy.app("check").returncode == 0


def test_the_pages_of_modules_are_checked(copy: Copy) -> None:
    folder = copy.folder / "docs" / "modules"
    written = sorted(file.name for file in folder.iterdir())
    (folder / "sample_note.md").write_text("# another\n")
    (folder / "gone.md").write_text("# gone\n")
    (folder / "diagram.svg").write_text("<svg/>")

    result = copy.app("check")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "docs/modules/diagram.svg: differs from the code. Write it again with: make docs-modules",
        "docs/modules/gone.md: belongs to no module. Delete it with: make docs-modules",
        "docs/modules/sample_note.md: differs from the code. Write it again with: make docs-modules",
    ]

    copy.app("docs-modules")
    assert sorted(file.name for file in folder.iterdir()) == written
    assert copy.app("docs-modules").stdout == "All of them are current.\n"
    (folder / "sample_note.md").unlink()
    assert copy.app("check").stderr == "docs/modules/sample_note.md: is missing. Write it with: make docs-modules\n"


def test_tables_that_refer_to_each_other_in_a_circle_are_checked(copy: Copy) -> None:
    for name, other in (("hen", "egg"), ("egg", "hen")):
        folder = copy.folder / "app" / "modules" / name
        folder.mkdir()
        (folder / "__init__.py").write_text(
            f"from app.core.module import Module\nfrom app.modules.{name} import models\n"
            f"module = Module(name={name!r}, summary='')\n"
        )
        (folder / "models.py").write_text(
            "from uuid import UUID\nfrom sqlmodel import Field\nfrom app.db.model import Model\n"
            f"class {name.title()}(Model, table=True):\n    __tablename__ = '{name}s'\n"
            f"    {other}_id: UUID = Field(foreign_key='{other}s.id')\n"
        )

    result = copy.app("check")

    assert result.returncode == 1
    assert (
        "egg and hen refer to each other in a circle: eggs.hen_id to hens.id, hens.egg_id to eggs.id." in result.stderr
    )


def test_what_is_committed_passes_the_check(own_database: PostgresAddress) -> None:
    # In a process of its own: this one knows the repositories of other tests too.
    result = subprocess.run(
        [sys.executable, "-m", "app", "check"],
        cwd=ROOT, env=environment(own_database, measured=True), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stderr
