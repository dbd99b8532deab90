"""The forms of a module's name, and the names that a module or a field cannot have."""

import ast
from collections.abc import Iterator

import pytest

from app.scaffold import ScaffoldError
from app.scaffold.columns import Relation
from app.scaffold.fields import parse_fields
from app.scaffold.kinds import columns_of
from app.scaffold.names import names_of, plural_of, refuse_field_name
from app.scaffold.render import write_files

OF_A_MODULE = ("", "Create", "Change", "Read", "List", "Repository", "Service", "Permission", "NotFound", "Created")


@pytest.mark.parametrize(
    ("noun", "plural"),
    [
        ("invoice", "invoices"),
        ("order_line", "order_lines"),
        ("category", "categories"),
        ("day", "days"),
        ("address", "addresses"),
        ("box", "boxes"),
        ("branch", "branches"),
        ("wish", "wishes"),
    ],
)
def test_a_plural_is_the_regular_one(noun: str, plural: str) -> None:
    assert plural_of(noun) == plural
    assert names_of(noun, None).plural == plural


def test_a_name_has_a_form_for_each_place() -> None:
    names = names_of("order_line", None)

    assert (names.kind, names.kinds, names.label, names.labels) == (
        "OrderLine", "OrderLines", "order line", "order lines"
    )  # fmt: skip
    assert (names.article, names.path) == ("an", "/order-lines")
    assert names_of("person", "people").path == "/people"


@pytest.mark.parametrize(
    "name", ["Invoice", "order-line", "order__line", "_order", "order_", "2nd", "", "ördér", "a b"]
)
def test_what_is_no_word_is_no_name(name: str) -> None:
    with pytest.raises(ScaffoldError, match="small letters, such as order_line"):
        names_of(name, None)
    with pytest.raises(ScaffoldError, match="small letters, such as due_date"):
        refuse_field_name(name)


@pytest.mark.parametrize("name", ["class", "import", "event", "field", "index", "model", "tests", "list", "id", "hash"])
def test_a_word_of_python_or_of_the_platform_is_no_module(name: str) -> None:
    with pytest.raises(ScaffoldError, match="Give the module another name"):
        names_of(name, None)


@pytest.mark.parametrize(
    "kind", ["str", "text", "int", "bool", "decimal", "float", "date", "datetime", "uuid", "enum", "json", "email",
             "url", "money", "currency"],
)  # fmt: skip
def test_a_module_is_not_called_like_a_type_of_field(kind: str) -> None:
    with pytest.raises(ScaffoldError, match="another name"):
        names_of(kind, None)


@pytest.mark.parametrize(
    "name", ["class_x", "status", "order", "group", "select", "table", "data", "address", "match", "case", "user"]
)
def test_a_word_of_sql_can_be_a_module(name: str) -> None:
    assert names_of(name, None).name == name


def test_the_plural_differs_from_the_name() -> None:
    with pytest.raises(ScaffoldError, match=r"State another: plural=…"):
        names_of("sheep", "sheep")
    assert names_of("news", None).plural == "newses"


@pytest.mark.parametrize(
    "name",
    ["id", "created_at", "updated_at", "version", "metadata", "copy", "json", "limit", "sort", "cursor", "count", "date",
     "sizes", "model_x", "class", "cls", "self", "l"],
)  # fmt: skip
def test_a_field_does_not_hide_what_a_model_or_a_list_has(name: str) -> None:
    with pytest.raises(ScaffoldError, match=r"which means something else already\. Rename it"):
        refuse_field_name(name)


@pytest.mark.parametrize("name", ["uow", "session", "status", "router", "total", "items", "order", "type", "match"])
def test_a_field_may_have_the_name_of_what_only_functions_know(name: str) -> None:
    refuse_field_name(name)


def possible(name: str, plural: str | None) -> bool:
    try:
        names_of(name, plural)
    except ScaffoldError:
        return False
    return True


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.decorator_list, node.returns = [], None
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    argument.annotation = None
            yield node


def names_in(tree: ast.AST) -> set[str]:
    return {node.id if isinstance(node, ast.Name) else node.arg for node in ast.walk(tree)
            if isinstance(node, ast.Name | ast.arg)}  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[ast.Module]:
    """The files of a module that has all that a module can have, named like nothing else."""
    folder = tmp_path_factory.mktemp("written")
    fields = "code:str:unique text:str? size:int:index status:enum(a,b) total:money? owner:owl"
    names = names_of("zebra", None)
    columns = columns_of(parse_fields(fields), names, {"owl": Relation("owl", "owls")})
    write_files(names, "The zebras.", columns, folder)
    return [ast.parse(file.read_text(encoding="utf-8")) for file in folder.rglob("*.py")]


def test_no_module_is_called_like_a_variable_beside_its_own(written: list[ast.Module]) -> None:
    beside = {
        name
        for tree in written
        for function in functions(tree)
        for used in [names_in(function)]
        if used & {"zebra", "zebras"}
        for name in used
        if name.islower() and "zebra" not in name and name.isidentifier() and not name.startswith(("_", "assert_"))
    }

    assert {"new", "changes", "client", "response"} <= beside
    assert {name for name in beside if possible(name, None) or possible("zebra", name)} == set()


def test_no_module_has_a_class_of_a_name_that_its_files_import(written: list[ast.Module]) -> None:
    imported = {
        alias.name
        for tree in written
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name[0].isupper() and not alias.name.isupper() and "Zebra" not in alias.name
    }

    assert {"Repository", "PageRead", "Sample"} <= imported
    stems = {name.removesuffix(what) for name in imported for what in OF_A_MODULE if name.endswith(what)}
    assert {stem for stem in stems if stem[1:].islower() and possible(stem.lower(), None)} == set()
