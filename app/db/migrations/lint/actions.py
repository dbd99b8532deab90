"""What a migration does to a schema, whether it says so through `op` or in SQL."""

from dataclasses import dataclass
from typing import Literal

# `table` is None where the migration does not let it be read: then it may be any table.


@dataclass(frozen=True, slots=True)
class CreateTable:
    table: str | None


@dataclass(frozen=True, slots=True)
class DropTable:
    table: str | None


@dataclass(frozen=True, slots=True)
class Drop:
    """A column, view, type or schema that running code may use."""

    table: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Rename:
    table: str | None
    what: str


@dataclass(frozen=True, slots=True)
class AddColumn:
    """`needs_value`: rows that exist have none for it. `rewrites`: each of them gets its own."""

    table: str | None
    column: str
    needs_value: bool = False
    rewrites: bool = False
    constraint: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeType:
    table: str | None
    column: str


@dataclass(frozen=True, slots=True)
class SetNotNull:
    table: str | None
    column: str


@dataclass(frozen=True, slots=True)
class CreateIndex:
    table: str | None
    name: str | None
    concurrently: bool


@dataclass(frozen=True, slots=True)
class DropIndex:
    table: str | None
    name: str | None
    concurrently: bool
    if_exists: bool


ConstraintKind = Literal["foreign key", "check", "not null", "unique", "primary key", "exclusion"]


@dataclass(frozen=True, slots=True)
class AddConstraint:
    """`by_index`: it takes over an index that is there. `condition` is a check's SQL, where it can be read."""

    table: str | None
    name: str | None
    kind: ConstraintKind
    not_valid: bool = False
    by_index: bool = False
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class ValidateConstraint:
    table: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class LockTable:
    """A statement that keeps everybody off a table while it works; `what` are its first words."""

    table: str | None
    what: str


@dataclass(frozen=True, slots=True)
class ChangeRows:
    """`whole`: nothing bounds which rows."""

    table: str | None
    what: str
    whole: bool


@dataclass(frozen=True, slots=True)
class EndTransaction:
    what: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    why: str


@dataclass(frozen=True, slots=True)
class Harmless:
    """Anything else; `changes_schema` tells DDL from queries and inserts."""

    changes_schema: bool


Action = (
    CreateTable
    | DropTable
    | Drop
    | Rename
    | AddColumn
    | ChangeType
    | SetNotNull
    | CreateIndex
    | DropIndex
    | AddConstraint
    | ValidateConstraint
    | LockTable
    | ChangeRows
    | EndTransaction
    | Unreadable
    | Harmless
)


@dataclass(frozen=True, slots=True)
class Step:
    """An action where it stands: its lines, in which function, and in which autocommit block (None: in none)."""

    action: Action
    line: int
    last_line: int
    in_downgrade: bool
    block: int | None
