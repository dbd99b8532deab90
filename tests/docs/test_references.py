"""What the documents refer to is there."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from app.core.settings import Settings, describe
from tests.docs.markdown import anchors, block, blocks, code_spans, documents, links, name
from tests.support.server import ROOT

MAKEFILE: Final = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS: Final = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
# `tests/db/test_engine.py::test_a_deadlock_is_run_again`, `app/db/engine.py`, `docs/adr/`
PATH: Final = re.compile(r"(?P<path>[\w.-]+(/[\w.-]+)*/?)(::(?P<name>[\w.]+))?")
TOP: Final = {path.name for path in ROOT.iterdir()}
# What only a reader's own steps make.
NOT_THERE_YET: Final = {".env", ".local/", ".local/logs", ".venv/", ".venv/bin/python", "docs/modules/diagram.svg"}


def defined_in(path: Path) -> set[str]:
    """The functions and classes in a Python file, those within classes as Class.name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    outer = [node for node in tree.body if isinstance(node, kinds)]
    inner = [
        f"{node.name}.{part.name}"
        for node in outer
        if isinstance(node, ast.ClassDef)
        for part in node.body
        if isinstance(part, kinds)
    ]
    return {node.name for node in outer} | set(inner)


def is_missing(span: str) -> bool:
    """Whether `span` names a file, or something in one, that is not there; other text is not missing."""
    match = PATH.fullmatch(span)
    if match is None or "/" not in span or match["path"].split("/")[0] not in TOP or span in NOT_THERE_YET:
        return False
    path = ROOT / match["path"]
    return not path.exists() or (match["name"] is not None and match["name"] not in defined_in(path))


def target_of(document: Path, link: str) -> tuple[Path, str]:
    path, _, fragment = link.partition("#")
    return (document.parent / path).resolve() if path else document, fragment


def leads_nowhere(document: Path, link: str) -> bool:
    if link.startswith(("https://", "mailto:")):
        return False
    path, fragment = target_of(document, link)
    return not path.exists() or (fragment != "" and fragment not in anchors(path))


@pytest.mark.parametrize("document", documents(), ids=name)
def test_its_links_lead_somewhere(document: Path) -> None:
    assert [f"{line}: {link}" for line, link in links(document) if leads_nowhere(document, link)] == []


@pytest.mark.parametrize("document", documents(), ids=name)
def test_the_files_and_tests_that_it_names_exist(document: Path) -> None:
    assert [f"{line}: {span}" for line, span in code_spans(document) if is_missing(span)] == []


@pytest.mark.parametrize("document", documents(), ids=name)
def test_the_targets_of_make_that_it_names_exist(document: Path) -> None:
    said = [span for _, span in code_spans(document)]
    said += [line.removeprefix("$ ") for shown in blocks(document, "console") for line in shown.text.splitlines()]
    named = {match[1] for text in said if (match := re.match(r"make ([a-z][a-z-]*)", text))}

    assert named - TARGETS == set()


@pytest.mark.parametrize("document", documents(), ids=name)
def test_the_settings_that_it_names_exist(document: Path) -> None:
    settings = Settings()
    prefixes = tuple(area.prefix() for area in settings.areas)
    named = {span for _, span in code_spans(document) if re.fullmatch(r"[A-Z_]+", span) and span.startswith(prefixes)}

    assert named - {row.variable for row in describe(settings)} == set()


def test_what_is_not_there_is_found() -> None:
    page = ROOT / "docs" / "architecture.md"

    assert is_missing("app/db/no_such_file.py")
    assert is_missing("app/db/engine.py::no_such_function")
    assert not is_missing("app/db/engine.py::open_engine")
    assert not is_missing("either/or")
    assert leads_nowhere(page, "no_such_page.md")
    assert leads_nowhere(page, "../README.md#no-such-heading")
    assert leads_nowhere(page, "#no-such-heading")
    assert not leads_nowhere(page, "#the-layers")


def test_each_target_of_make_is_explained() -> None:
    explained = set(re.findall(r"^([a-z][a-z-]*):.*## \S", MAKEFILE, re.MULTILINE))

    assert TARGETS - explained == set()


def contracts() -> list[dict[str, Any]]:
    """Those of import-linter, as pyproject.toml has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = project["tool"]["importlinter"]["contracts"]
    return found


def test_the_layers_are_drawn_as_they_are_checked() -> None:
    layers = next(contract["layers"] for contract in contracts() if contract["id"] == "layers")
    drawn = block(ROOT / "docs" / "architecture.md", "layers")

    rows = [row for row in drawn.text.splitlines() if "app" in row]
    assert [re.findall(r"app\.\w+(?:\.\w+)*", row) for row in rows] == [layer.split(" | ") for layer in layers]


def test_each_contract_is_explained() -> None:
    spans = {span for _, span in code_spans(ROOT / "docs" / "architecture.md")}

    assert {contract["id"] for contract in contracts()} - spans == set()


def test_each_fault_of_a_migration_is_explained() -> None:
    folder = ROOT / "app" / "db" / "migrations"
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py")]
    named = {
        statement.target.id: statement.value.value
        for tree in trees
        for statement in tree.body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and isinstance(statement.value, ast.Constant)
    }
    first_arguments = [
        call.args[0]
        for tree in trees
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Finding"
    ]
    rules = {rule.value for rule in first_arguments if isinstance(rule, ast.Constant)}
    rules |= {named[rule.id] for rule in first_arguments if isinstance(rule, ast.Name)}
    spans = {span for _, span in code_spans(ROOT / "docs" / "guides" / "migrations.md")}

    assert "drift" in rules
    assert rules - spans == set()
