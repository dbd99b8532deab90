"""Finds what a migration would do to code that runs and to the requests it serves: by Squawk, a linter for SQL.

It is given the statements that the migration really ran, so raw SQL and Alembic's operations are judged alike. What is
meant all the same is stated in the migration, with its reason:

    # squawk: ban-drop-column, because nothing has read it since version 1.4
"""

import re
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from pydantic import BaseModel, TypeAdapter
from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext

from app.db.migrations.errors import MigrationError
from app.db.migrations.findings import Finding

# Matters of taste, which the models decide; robustness against a failure half way, which the transaction gives; and a
# guarantee less, which breaks nothing that runs.
_NOT_ASKED: Final = (
    "ban-drop-constraint",
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-robust-stmts",
    "prefer-text-field",
    "require-enum-value-ordering",
)
# The runner sets both for every migration; see `connection`.
_PREAMBLE: Final = ("SET lock_timeout = '5s';", "SET statement_timeout = '60s';")
_STATED: Final = re.compile(r"^\s*#\s*squawk:\s*([a-z-]+)(,? because \S.*)?", re.MULTILINE)
_DEADLINE: Final = 30.0  # seconds

# What Squawk has no rule for: each keeps every request from the table for as long as it runs.
_WHOLE_TABLE: Final = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(LOCK\b|VACUUM\s*\(?[^;]*\bFULL\b|CLUSTER\b|TRUNCATE\b|REFRESH\s+MATERIALIZED\s+VIEW"
    r"(?!\s+CONCURRENTLY)|(?:UPDATE|DELETE)\b(?!.*\bWHERE\b))",
    re.IGNORECASE | re.DOTALL,
)


_BATCHES: Final = "Change the rows in batches, in a job after the migration; a table that is small needs a reason."


@dataclass(frozen=True, slots=True)
class Statement:
    """What was sent to the server; `alone` when it ran outside a transaction, as a concurrent index must."""

    sql: str
    alone: bool


@dataclass(frozen=True, slots=True)
class _Line:
    """A line for Squawk, and the whole statement that it is part of, on one line."""

    text: str
    statement: str = ""


class _Violation(BaseModel):
    """An entry of Squawk's JSON report; lines count from 0."""

    line: int
    message: str
    help: str | None = None
    rule_name: str


_REPORT: Final = TypeAdapter(list[_Violation])


@contextmanager
def recording(connection: Connection) -> Iterator[list[Statement]]:
    """Collects the statements that run on `connection` meanwhile."""
    statements: list[Statement] = []

    def note(
        connection: Connection,
        _cursor: DBAPICursor,
        sql: str,
        _parameters: object,
        _context: ExecutionContext | None,
        _many: bool,
    ) -> None:
        alone = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        statements.append(Statement(sql, alone))

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(connection, "before_cursor_execute", note)


def lint(file: Path, statements: Sequence[Statement]) -> list[Finding]:
    """What is wrong with the migration in `file`, which ran `statements`.

    Raises:
        MigrationError: Squawk is not installed or does not answer.
    """
    reasons = {rule: bool(reason) for rule, reason in _STATED.findall(file.read_text(encoding="utf-8"))}
    script = _script(statements)
    found = [
        Finding("no-reason", f"`# squawk: {rule}` gives no reason.", "Add one: , because …", file)
        for rule, has_reason in reasons.items()
        if not has_reason
    ]
    for violation in _squawk("\n".join(line.text for line in script)):
        if violation.rule_name not in reasons:
            what = f"{violation.message} ({script[violation.line].statement})"
            found.append(Finding(violation.rule_name, what, violation.help or "Do it in steps.", file))
    if "whole-table" not in reasons:
        found += [
            Finding(
                "whole-table", f"This locks or rewrites every row: {' '.join(statement.sql.split())}.", _BATCHES, file
            )
            for statement in statements
            if _WHOLE_TABLE.match(statement.sql)
        ]
    return found


def _script(statements: Sequence[Statement]) -> list[_Line]:
    """The statements as they were written, comments and all, within the transactions in which they ran."""
    script = [_Line(line) for line in _PREAMBLE]
    for alone, group in groupby(statements, key=lambda statement: statement.alone):
        script += [] if alone else [_Line("BEGIN;")]
        for statement in group:
            shown = " ".join(statement.sql.split())
            # The semicolon has a line of its own, since the last one of the statement may end in a comment.
            script += [_Line(line, shown) for line in (*statement.sql.split("\n"), ";")]
        script += [] if alone else [_Line("COMMIT;")]
    return script


def _squawk(script: str) -> list[_Violation]:
    program = Path(sysconfig.get_path("scripts")) / "squawk"
    command = [str(program), "--reporter", "json", "--exclude", ",".join(_NOT_ASKED), "--stdin-filepath", "migration"]
    try:
        done = subprocess.run(  # noqa: S603  a program of the locked dependencies, with fixed arguments
            command, input=script, capture_output=True, text=True, timeout=_DEADLINE, check=False
        )
        return _REPORT.validate_json(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise MigrationError(
            f"Squawk, which judges migrations, does not answer ({error}). It is a development dependency: make install"
        ) from error
