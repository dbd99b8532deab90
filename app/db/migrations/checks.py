"""Whether the migrations are one line, can be taken back, lead to what the models say, and harm nobody on the way."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg
from alembic.script import Script
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.settings import PostgresAddress, PostgresSettings
from app.db.migrations.connection import connect, working_connection
from app.db.migrations.errors import MigrationError, explaining
from app.db.migrations.findings import Finding
from app.db.migrations.history import VERSIONS, History, SeveralHeads
from app.db.migrations.lint import Statement, lint, recording
from app.db.migrations.runner import apply, take_back
from app.db.migrations.scratch import scratch_database
from app.db.migrations.snapshot import DECLARABLE, Snapshot, differences, take_snapshot

_DECLARED_SCHEMA: Final = "declared"
_SINGLE_HEAD: Final = "single-head"
_FAILS: Final = "migration-fails"
_KEEPS_REMAINS: Final = re.compile(r"\bINDEX\s+CONCURRENTLY\s+IF\s+NOT\s+EXISTS\b", re.IGNORECASE)


async def check(
    address: PostgresAddress, settings: PostgresSettings, metadata: MetaData, *, versions: Path = VERSIONS
) -> list[Finding]:
    """Everything at once, in an empty database that it makes on the server of `address` and drops again.

    Raises:
        MigrationError: the migrations are no history at all, one of them fails, or the server gives no scratch database.
    """
    if found := single_head(versions):
        return found  # what has no order cannot be run
    async with scratch_database(address, settings) as scratch:
        found += await up_down_up(scratch, settings, versions)
        if _FAILS not in {finding.rule for finding in found}:
            found += await drift(scratch, settings, metadata)
    return found


def single_head(versions: Path = VERSIONS) -> list[Finding]:
    """One finding when two migrations follow the same one."""
    try:
        History(versions)
    except SeveralHeads as error:
        what = f"The migrations branch into {' and '.join(error.heads)}."
        return [Finding(_SINGLE_HEAD, what, "Put one branch behind the other with: make rebase")]
    return []


async def up_down_up(address: PostgresAddress, settings: PostgresSettings, versions: Path = VERSIONS) -> list[Finding]:
    """Applies each migration, takes it back and applies it again; the empty database at `address` ends at the head.

    What leaves the transaction (`autocommit_block`) is also applied twice, because a kill may leave it done and not noted.

    A finding says that a migration would harm who uses the database (see `lint`), that taking back did not restore the
    schema, or that applying again made another one. One that fails is the last finding.
    """
    history = History(versions)
    found: list[Finding] = []
    look = await connect(address, settings)
    try:
        async with working_connection(address, settings) as connection:
            for script in history.line:
                file = Path(script.path)
                doing = "upgrade()"
                try:
                    before = await take_snapshot(look)
                    with recording(await _synchronous(connection)) as statements:
                        await apply(connection, address, history, [script])
                    found += lint(file, statements)
                    after = await take_snapshot(look)
                    if any(statement.alone for statement in statements):
                        found += _taking_remains_for_whole(file, statements)
                        doing = "upgrade() again, as after a kill before it was noted,"
                        await _forget(look, script)
                        await apply(connection, address, history, [script])
                        found += _compared(file, f"{doing} differs in", after, await take_snapshot(look))
                    doing = "downgrade()"
                    await take_back(connection, address, history, [script])
                    found += _compared(file, "downgrade() does not restore", before, await take_snapshot(look))
                    doing = "upgrade() after downgrade()"
                    await apply(connection, address, history, [script])
                    found += _compared(file, "upgrade() after downgrade() differs in", after, await take_snapshot(look))
                except (Exception, MigrationError) as error:  # noqa: BLE001  a migration may raise anything
                    what = f"{doing} fails: {type(error).__name__}: {error}"
                    return [*found, Finding(_FAILS, what, "Mend it; the migrations after it were not tried.", file)]
    finally:
        await look.close()
    return found


async def _synchronous(connection: AsyncConnection) -> Connection:
    """The connection that events are listened to on."""
    return await connection.run_sync(lambda sync: sync)


async def _forget(look: asyncpg.Connection, script: Script) -> None:
    await look.execute("DELETE FROM alembic_version")
    if script.down_revision is not None:
        await look.execute("INSERT INTO alembic_version VALUES ($1)", script.down_revision)


def _taking_remains_for_whole(file: Path, statements: Sequence[Statement]) -> list[Finding]:
    return [
        Finding(
            "up-down-up",
            f"Killed while it builds an index, upgrade() would take the invalid remains for it: {statement.sql.strip()}.",
            "Drop the index first, if it exists, and create it without IF NOT EXISTS.",
            file,
        )
        for statement in statements
        if _KEEPS_REMAINS.search(statement.sql)
    ]


def _compared(file: Path, what: str, before: Snapshot, after: Snapshot) -> list[Finding]:
    return [
        Finding(
            "up-down-up",
            f"{what} {change.thing}: {_told(change.before)} became {_told(change.after)}.",
            "Let downgrade() undo exactly what upgrade() does.",
            file,
        )
        for change in differences(before, after)
    ]


async def drift(address: PostgresAddress, settings: PostgresSettings, metadata: MetaData) -> list[Finding]:
    """Where the migrated database at `address` differs from what `metadata` would create.

    PostgreSQL itself creates both and tells both, so that types, defaults, the text of checks, names and options are
    compared exactly. What models cannot declare (functions, triggers, views) is the migrations' alone.

    Raises:
        MigrationError: the database cannot create what `metadata` says.
    """
    async with working_connection(address, settings) as connection:
        with explaining(address, "Creating the models' tables"):
            await connection.execute(text(f"CREATE SCHEMA {_DECLARED_SCHEMA}"))
            await connection.execute(text(f"SET LOCAL search_path = {_DECLARED_SCHEMA}, public"))
            await connection.run_sync(metadata.create_all, checkfirst=False)
            await connection.commit()
    look = await connect(address, settings)
    try:
        migrated, declared = await take_snapshot(look), await take_snapshot(look, _DECLARED_SCHEMA)
    finally:
        await look.execute(f"DROP SCHEMA {_DECLARED_SCHEMA} CASCADE")
        await look.close()
    return [
        Finding(
            "drift",
            f"{change.thing}: {_told(change.before)} by the migrations, {_told(change.after)} by the models.",
            "Write the migration that is missing with make migration, or correct the model.",
        )
        for change in differences(migrated, declared)
        if change.thing.kind in DECLARABLE
    ]


def _told(definition: str | None) -> str:
    return "absent" if definition is None else f"({definition})" if definition else "present"
