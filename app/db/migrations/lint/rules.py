"""What each action may break, and what to do instead."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from app.db.migrations.lint.actions import (
    AddColumn,
    AddConstraint,
    ChangeRows,
    ChangeType,
    CreateIndex,
    CreateTable,
    Drop,
    DropIndex,
    DropTable,
    EndTransaction,
    Harmless,
    LockTable,
    Rename,
    SetNotNull,
    Step,
    Unreadable,
    ValidateConstraint,
)
from app.db.migrations.lint.sql import requires_value

Marker = Literal["contract", "locks"]

_IN_BLOCK = "in `with op.get_context().autocommit_block():`"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a step. A comment `# <marker>: <reason>` on it allows it; None: nothing does."""

    step: Step
    rule: str
    what: str
    mend: str
    marker: Marker | None = "locks"


@dataclass(frozen=True, slots=True)
class Constraints:
    """What all migrations together say of constraints: the checks that demand a value, and the validated names."""

    added: tuple[AddConstraint, ...]
    validated: tuple[ValidateConstraint, ...]

    @classmethod
    def of(cls, steps: Sequence[Step]) -> "Constraints":
        actions = [step.action for step in steps if not step.in_downgrade]
        return cls(
            tuple(action for action in actions if isinstance(action, AddConstraint)),
            tuple(action for action in actions if isinstance(action, ValidateConstraint)),
        )

    def is_validated(self, added: AddConstraint) -> bool:
        return any(_same(added.name, validated.name) for validated in self.validated)

    def require_value(self, table: str | None, column: str) -> bool:
        """Whether a validated check says that no row of `table` lacks `column`."""
        return any(
            added.table == table
            and (self.is_validated(added) or not added.not_valid)
            and added.condition is not None
            and requires_value(added.condition, column)
            for added in self.added
        )


def faults(steps: Sequence[Step], constraints: Constraints) -> Iterator[Fault]:
    """What is wrong with the migration that does `steps`, given the constraints of all migrations."""
    own = {step.action.table for step in steps if isinstance(step.action, CreateTable | DropTable)} - {None}
    created = {step.action.table for step in steps if isinstance(step.action, CreateTable) and not step.in_downgrade}
    added_here = [step.action for step in steps if isinstance(step.action, AddConstraint)]
    for step in steps:
        if getattr(step.action, "table", None) not in own:
            yield from _locking(step, constraints, added_here)
        if not step.in_downgrade:  # a downgrade removes what the code of its time does not use yet
            yield from _breaking(step, created)
        yield from _transaction(step)
    for in_downgrade in (False, True):
        yield from _mixing([step for step in steps if step.in_downgrade is in_downgrade])


def _locking(step: Step, constraints: Constraints, added_here: Sequence[AddConstraint]) -> Iterator[Fault]:
    """What keeps others off a table that is in use for longer than a moment."""
    match step.action:
        case CreateIndex(concurrently=False):
            yield Fault(
                step,
                "index-locks",
                "Creating an index stops all writes to the table until it is built.",
                f"Pass postgresql_concurrently=True, {_IN_BLOCK}, in a migration of its own.",
            )
        case DropIndex(concurrently=False):
            yield Fault(
                step,
                "index-locks",
                "Dropping an index waits for every query on the table and stops those that come after.",
                f"Pass postgresql_concurrently=True and if_exists=True, {_IN_BLOCK}, in a migration of its own.",
            )
        case AddColumn() as add:
            yield from _added_column(step, add)
        case ChangeType(column=column):
            yield Fault(
                step,
                "type-change",
                f"Changing the type of {column} rewrites the table, and nobody can read it meanwhile.",
                "Add a new column, fill it in batches, let the code change over, then drop the old one.",
            )
        case SetNotNull(table=table, column=column) if not constraints.require_value(table, column):
            yield Fault(
                step,
                "set-not-null",
                f"SET NOT NULL reads every row of {table}, and nobody can use it meanwhile.",
                f"First add the check `{column} IS NOT NULL` with postgresql_not_valid=True, and validate it in the next "
                "migration: PostgreSQL then reads nothing.",
            )
        case AddConstraint() as add:
            yield from _added_constraint(step, add, constraints)
        case ValidateConstraint(name=name) if any(_same(added.name, name) for added in added_here):
            yield Fault(
                step,
                "validate-apart",
                f"{name} is validated in the transaction that adds it, whose locks last until the rows are read.",
                "Move VALIDATE CONSTRAINT into the next migration.",
            )
        case LockTable(what=what):
            yield Fault(
                step,
                "locks-table",
                f"{what} keeps everybody off the table while it works.",
                "Find a way without (REINDEX and REFRESH have CONCURRENTLY), or run it in a maintenance window.",
            )


def _added_column(step: Step, add: AddColumn) -> Iterator[Fault]:
    if add.needs_value:
        yield Fault(
            step,
            "not-null-without-default",
            f"The rows that exist have no value for {add.column}, nor has what running code inserts.",
            "Give it a server_default, or add it nullable and fill it.",
            None,
        )
    if add.rewrites:
        yield Fault(
            step,
            "default-rewrites",
            f"{add.column} gets a value of its own in each row: the table is rewritten, and nobody can read it meanwhile.",
            "Add the column nullable without this default, set the default next, and fill the rows in batches.",
        )
    if add.constraint:
        yield Fault(
            step,
            "constraint-locks",
            f"The {add.constraint} of {add.column} is built while nobody can write to the table.",
            "Add the plain column here, and that in later migrations: an index concurrently, a constraint NOT VALID.",
        )


def _added_constraint(step: Step, add: AddConstraint, constraints: Constraints) -> Iterator[Fault]:
    if add.kind in {"unique", "primary key"}:
        if not add.by_index:
            yield Fault(
                step,
                "unique-locks",
                f"The {add.kind} {add.name} builds its index while nobody can use the table.",
                "Create a unique index concurrently in a migration before; here execute ALTER TABLE … ADD CONSTRAINT … "
                f"{add.kind.upper()} USING INDEX ….",
            )
    elif add.kind == "exclusion":
        yield Fault(
            step,
            "unique-locks",
            f"The exclusion constraint {add.name} builds its index while nobody can use the table.",
            "PostgreSQL has no way without: do it while the table is small, or in a maintenance window.",
        )
    elif not add.not_valid:
        yield Fault(
            step,
            "constraint-locks",
            f"The {add.kind} {add.name} reads every row while nobody can write to the table.",
            "Pass postgresql_not_valid=True, and execute ALTER TABLE … VALIDATE CONSTRAINT … in the next migration.",
        )
    elif not constraints.is_validated(add) and not step.in_downgrade:
        yield Fault(
            step,
            "never-validated",
            f"The {add.kind} {add.name} is NOT VALID, and no migration validates it: rows that break it may exist.",
            "Execute ALTER TABLE … VALIDATE CONSTRAINT … in the next migration.",
            None,
        )


def _breaking(step: Step, created: set[str | None]) -> Iterator[Fault]:
    """What the code that still runs while this is deployed may use."""
    mend = "Deploy code that does without it first, then say so on this line: `# contract: <since when, and why>`."
    match step.action:
        case DropTable(table=table) if table is None or table not in created:
            yield Fault(step, "drop", f"Running code may use the table {table}.", mend, "contract")
        case Drop(table=table, what=what) if table is None or table not in created:
            yield Fault(step, "drop", f"Running code may use {what}.", mend, "contract")
        case Rename(table=table, what=what) if table is None or table not in created:
            mend = f"Add the new name beside the old, let the code change over, drop the old. {mend}"
            yield Fault(step, "rename", f"Running code knows {what} by its old name.", mend, "contract")


def _transaction(step: Step) -> Iterator[Fault]:
    """What escapes the one transaction that makes a migration whole or absent."""
    match step.action:
        case EndTransaction(what=what):
            yield Fault(
                step,
                "transaction-control",
                f"{what} ends the migration's transaction: killed after it, half of the migration stays.",
                f"Leave transactions to the runner; what cannot run in one goes {_IN_BLOCK}.",
                None,
            )
        case Unreadable(why=why):
            yield Fault(
                step,
                "unreadable",
                f"{why}, so what it locks is unknown.",
                "Write the operations or the SQL out here, or say on this line why it is safe: `# locks: <reason>`.",
            )
        case CreateIndex(concurrently=True) | DropIndex(concurrently=True) if step.block is None:
            yield Fault(
                step,
                "concurrently-in-transaction",
                "PostgreSQL refuses CONCURRENTLY inside a transaction.",
                f"Write it {_IN_BLOCK}.",
                None,
            )
        case DropIndex(concurrently=True, if_exists=False):
            yield Fault(
                step,
                "not-repeatable",
                "Killed after this, the migration runs again and finds no index to drop.",
                "Pass if_exists=True.",
                None,
            )


def _mixing(steps: Sequence[Step]) -> Iterator[Fault]:
    """What one direction of a migration does together that belongs apart."""
    blocks = [step.block for step in steps if step.block is not None]
    for step in steps:
        if blocks and step.block != blocks[0]:
            yield Fault(
                step,
                "autocommit-apart",
                "The autocommit block commits what stands around it: killed in between, half of the migration stays.",
                "Give the block a migration of its own.",
                None,
            )
        if step.block is not None:
            yield from _in_block(step, steps)
    if any(_changes_schema(step) for step in steps):
        for step in steps:
            match step.action:
                case ChangeRows(what=what, whole=True):
                    yield Fault(
                        step,
                        "rows-apart",
                        f"{what} of a whole table, in one transaction with schema changes, keeps their locks until its end.",
                        "Move it into a migration of its own, and work in batches there.",
                    )


def _in_block(step: Step, steps: Sequence[Step]) -> Iterator[Fault]:
    match step.action:
        case CreateIndex(name=name, concurrently=True):
            before = steps[: steps.index(step)]
            cleared = any(
                isinstance(other.action, DropIndex) and other.action.name == name and other.action.if_exists
                for other in before
            )
            if not cleared:
                yield Fault(
                    step,
                    "not-repeatable",
                    f"Killed while it is built, {name} stays behind invalid, and the next run finds its name taken.",
                    "Drop it first in the same block: op.drop_index(…, if_exists=True, postgresql_concurrently=True).",
                    None,
                )
        case (
            CreateIndex() | DropIndex() | ValidateConstraint() | ChangeRows() | LockTable() | Harmless() | Unreadable()
        ):
            pass  # can be repeated, or has been told already
        case _:
            yield Fault(
                step,
                "not-repeatable",
                "Killed after this, the migration runs again and finds it done.",
                "Move it out of the autocommit block, into a migration of its own.",
                None,
            )


def _changes_schema(step: Step) -> bool:
    match step.action:
        case Harmless(changes_schema=changes):
            return changes
        case ChangeRows() | Unreadable() | EndTransaction() | ValidateConstraint():
            return False
    return True


def _same(added: str | None, validated: str | None) -> bool:
    """Whether these name one constraint: `op` may be given the part that the naming convention puts at the end."""
    return added is None or validated is None or validated == added or validated.endswith(f"_{added}")
