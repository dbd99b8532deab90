"""Any module can be deleted: of the platform and its tests nothing knows it by name."""

import ast
from pathlib import Path

import pytest

from tests.docs.examples import python_blocks
from tests.docs.markdown import documents, name
from tests.support.server import ROOT


def modules_in(code: str) -> set[str]:
    """The modules of the application that `code` imports anything of."""
    paths: list[str] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            paths += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            paths += [f"{node.module}.{alias.name}" for alias in node.names]
    return {path.split(".")[2] for path in paths if path.startswith("app.modules.")}


def test_the_platform_and_its_tests_import_no_module() -> None:
    found = {
        str(path.relative_to(ROOT)): modules_in(path.read_text(encoding="utf-8"))
        for folder in ("app", "alembic", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if not path.is_relative_to(ROOT / folder / "modules")
    }

    assert {path: modules for path, modules in found.items() if modules} == {}, "Use the sample: tests/sample/note."


@pytest.mark.parametrize("document", documents(), ids=name)
def test_the_documents_import_no_module(document: Path) -> None:
    assert set().union(*(modules_in(block.text) for block in python_blocks(document))) == set()


@pytest.mark.parametrize(
    "line",
    [
        "import app.modules.invoice",
        "import app.modules.invoice.models as rows",
        "from app.modules import invoice",
        "from app.modules.invoice.models import Invoice",
        "def late():\n    from app.modules.invoice import module",
    ],
)
def test_an_import_of_a_module_is_found(line: str) -> None:
    assert modules_in(f"import app.modules\nfrom app.db import model\n{line}\n") == {"invoice"}
