"""Reads what a migration file does through `op`, from its syntax tree: it is never run."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from app.db.migrations.lint.actions import (
    Action,
    AddColumn,
    AddConstraint,
    ChangeRows,
    ChangeType,
    ConstraintKind,
    CreateIndex,
    CreateTable,
    Drop,
    DropIndex,
    DropTable,
    Harmless,
    Rename,
    SetNotNull,
    Step,
    Unreadable,
)
from app.db.migrations.lint.sql import calculates_per_row, read_sql

_EXECUTES: Final = frozenset({"execute", "exec_driver_sql", "scalar", "scalars"})
_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}|%(\(\w+\))?[a-z]")
_SQL_TEXT: Final = frozenset({"text", "DDL", "literal_column", "dedent"})
_CONSTRAINTS: Final[dict[str, ConstraintKind]] = {
    "create_foreign_key": "foreign key",
    "create_check_constraint": "check",
    "create_unique_constraint": "unique",
    "create_primary_key": "primary key",
    "create_exclude_constraint": "exclusion",
}
_INLINE: Final = {"unique": "unique", "primary_key": "primary key", "index": "index"}


def read_steps(tree: ast.Module) -> list[Step]:
    """Everything that the migration in `tree` does, in the order in which it is written."""
    reader = _Reader(tree)
    reader.visit(tree)
    return reader.steps


class _Reader(ast.NodeVisitor):
    def __init__(self, tree: ast.Module) -> None:
        self.steps: list[Step] = []
        self._modules = _imported_names(tree)
        self._values = _assigned_values(tree)
        self._in_downgrade = False
        self._block: int | None = None

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outside, self._in_downgrade = self._in_downgrade, self._in_downgrade or node.name == "downgrade"
        self.generic_visit(node)
        self._in_downgrade = outside

    def visit_With(self, node: ast.With) -> None:
        outside = self._block
        if any(_last_name(item.context_expr) == "autocommit_block" for item in node.items):
            self._block = node.lineno
        self.generic_visit(node)
        self._block = outside

    def visit_Call(self, node: ast.Call) -> None:
        for action in self._read(node):
            self.steps.append(
                Step(action, node.lineno, node.end_lineno or node.lineno, self._in_downgrade, self._block)
            )
        self.generic_visit(node)

    def _read(self, call: ast.Call) -> list[Action]:
        name = self._full_name(call.func)
        if name.startswith("alembic.op."):
            operation = name.removeprefix("alembic.op.")
            return self._read_sql(call) if operation == "execute" else list(self._read_operation(operation, call))
        if name.rpartition(".")[2] in _EXECUTES and isinstance(call.func, ast.Attribute) and call.args:
            return self._read_sql(call)
        if name.rpartition(".")[2] in {"create_all", "drop_all"}:
            return [Unreadable("This follows the models, which change")]
        return []

    def _read_operation(self, operation: str, call: ast.Call) -> Iterator[Action]:  # noqa: C901  one case for each kind
        match operation:
            case "create_table":
                yield CreateTable(self._text(call, 0, "table_name"))
            case "drop_table":
                yield DropTable(self._text(call, 0, "table_name"))
            case "rename_table":
                yield Rename(self._text(call, 0, "old_table_name"), "the table")
            case "add_column":
                yield self._read_column(call)
            case "drop_column":
                yield Drop(self._text(call, 0, "table_name"), f"the column {self._text(call, 1, 'column_name')}")
            case "alter_column":
                yield from self._read_alteration(call)
            case "create_index":
                table, index = self._text(call, 1, "table_name"), self._text(call, 0, "index_name")
                yield CreateIndex(table, index, _is_true(call, "postgresql_concurrently"))
            case "drop_index":
                table, index = self._text(call, 1, "table_name"), self._text(call, 0, "index_name")
                concurrently = _is_true(call, "postgresql_concurrently")
                yield DropIndex(table, index, concurrently, _is_true(call, "if_exists"))
            case _ if kind := _CONSTRAINTS.get(operation):
                table = self._text(call, 1, "source_table" if kind == "foreign key" else "table_name")
                condition = self._text(call, 2, "condition") if kind == "check" else None
                not_valid = _is_true(call, "postgresql_not_valid")
                name = self._text(call, 0, "constraint_name")
                yield AddConstraint(table, name, kind, not_valid, condition=condition)
            case "batch_alter_table" | "run_async" | "invoke":
                yield Unreadable(f"op.{operation} hides what it does")
            case "drop_constraint" | "create_table_comment" | "drop_table_comment":
                yield Harmless(changes_schema=True)
            case "bulk_insert":
                yield Harmless(changes_schema=False)

    def _read_column(self, call: ast.Call) -> AddColumn | Unreadable:
        table, column = self._text(call, 0, "table_name"), _argument(call, 1, "column")
        if isinstance(column, ast.Name):
            column = self._values.get(column.id)
        if not isinstance(column, ast.Call) or _last_name(column.func) != "Column":
            return Unreadable("This adds a column that is not written here")
        parts = {
            self._full_name(part.func).rpartition(".")[2]: part for part in column.args if isinstance(part, ast.Call)
        }
        default = _argument(column, None, "server_default")
        computed = parts.get("Computed")
        fills_itself = "Identity" in parts or computed is not None
        constraint = next((kind for word, kind in _INLINE.items() if _is_true(column, word)), None)
        return AddColumn(
            table,
            self._text(column, 0, "name") or "?",
            needs_value=_is_false(column, "nullable") and _is_none(default) and not fills_itself,
            rewrites="Identity" in parts
            or (computed is not None and not _is_false(computed, "persisted"))
            or self._calculates_per_row(default),
            constraint="foreign key"
            if "ForeignKey" in parts
            else "check"
            if "CheckConstraint" in parts
            else constraint,
        )

    def _calculates_per_row(self, default: ast.expr | None) -> bool:
        if not isinstance(default, ast.Call):
            return False  # a plain string is a literal
        if (sql := self._sql(default)) is not None:
            return calculates_per_row(sql)
        function = self._full_name(default.func)
        return ".func." in function and calculates_per_row(f"{function.rpartition('.')[2]}()")

    def _read_alteration(self, call: ast.Call) -> Iterator[Action]:
        table, column = self._text(call, 0, "table_name"), self._text(call, 1, "column_name") or "?"
        given = {keyword.arg for keyword in call.keywords}
        if "new_column_name" in given:
            yield Rename(table, f"the column {column}")
        if "type_" in given:
            widens = _widens(_argument(call, None, "existing_type"), _argument(call, None, "type_"))
            yield Harmless(changes_schema=True) if widens else ChangeType(table, column)
        if "nullable" in given and not _is_true(call, "nullable"):
            yield SetNotNull(table, column)
        if not given & {"new_column_name", "type_", "nullable"}:
            yield Harmless(changes_schema=True)

    def _read_sql(self, call: ast.Call) -> list[Action]:
        statement = _argument(call, 0, "sqltext")
        if isinstance(statement, ast.Name):
            statement = self._values.get(statement.id, statement)
        if statement is not None and (sql := self._sql(statement)) is not None:
            return read_sql(sql)
        chain = {word for node in ast.walk(statement) if (word := _last_name(node))} if statement else set[str]()
        if verb := next(iter(chain & {"update", "delete"}), None):
            return [ChangeRows(None, verb.upper(), "where" not in chain)]
        if chain & {"select", "insert"}:
            return [Harmless(changes_schema=False)]
        return [Unreadable("This runs SQL that is not written here")]

    def _sql(self, node: ast.expr, within: frozenset[str] = frozenset()) -> str | None:  # noqa: PLR0911  likewise
        """The SQL that an expression spells, with "_" for what is only known at run time; None if it spells none.

        `within` are the names whose values are being read, so that two that stand for each other have an end.
        """
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=parts):
                return "".join(self._sql(part, within) or "_" for part in parts)
            case ast.FormattedValue(value=value):
                return self._sql(value, within)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return f"{self._sql(left, within) or '_'}{self._sql(right, within) or '_'}"
            case ast.BinOp(left=left, op=ast.Mod()) | ast.Call(func=ast.Attribute(value=left, attr="format")):
                template = self._sql(left, within)
                return None if template is None else _PLACEHOLDER.sub("_", template)
            case ast.Call(func=function, args=[argument, *_]) if _last_name(function) in _SQL_TEXT:
                return self._sql(argument, within)
            case ast.Name(id=name) if name in self._values and name not in within:
                return self._sql(self._values[name], within | {name})
        return None

    def _text(self, call: ast.Call, position: int, keyword: str) -> str | None:
        node = _argument(call, position, keyword)
        if isinstance(node, ast.Call) and self._full_name(node.func) == "alembic.op.f" and node.args:
            node = node.args[0]
        return None if node is None else self._sql(node)

    def _full_name(self, node: ast.expr) -> str:
        """The dotted name with imported names written out; what is not a name at all ends in its attribute."""
        match node:
            case ast.Name(id=name):
                return self._modules.get(name, name)
            case ast.Attribute(value=value, attr=attribute):
                return f"{self._full_name(value)}.{attribute}"
        return ""


def _imported_names(tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _assigned_values(tree: ast.Module) -> dict[str, ast.expr]:
    """What names stand for, where they are given a value once."""
    values: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                values.setdefault(name, []).append(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                values.setdefault(name, []).append(value)
    return {name: given[0] for name, given in values.items() if len(given) == 1}


def _last_name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=function):
            return _last_name(function)
    return ""


def _argument(call: ast.Call, position: int | None, keyword: str) -> ast.expr | None:
    if position is not None and position < len(call.args):
        return call.args[position]
    return next((given.value for given in call.keywords if given.arg == keyword), None)


def _is_true(call: ast.Call, keyword: str) -> bool:
    value = _argument(call, None, keyword)
    return isinstance(value, ast.Constant) and value.value is True


def _is_false(call: ast.Call, keyword: str) -> bool:
    value = _argument(call, None, keyword)
    return isinstance(value, ast.Constant) and value.value is False


def _is_none(node: ast.expr | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and node.value is None)


def _widens(old: ast.expr | None, new: ast.expr | None) -> bool:
    """Whether PostgreSQL changes a text type without reading the table: to a longer limit, or to none."""
    before, after = _text_limit(old), _text_limit(new)
    return before is not None and after is not None and after >= before


def _text_limit(node: ast.expr | None) -> float | None:
    if not isinstance(node, ast.Call) or _last_name(node.func) not in {"String", "VARCHAR", "Text", "TEXT"}:
        return None
    match _argument(node, 0, "length"):
        case None:
            return float("inf")
        case ast.Constant(value=int(length)):
            return length
    return None
