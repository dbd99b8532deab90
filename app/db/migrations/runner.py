"""Applies migrations, takes them back, and says where a database stands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.settings import PostgresAddress, PostgresSettings
from app.db.migrations.connection import ask, guard_connection, locked
from app.db.migrations.environment import run, with_alembic
from app.db.migrations.errors import DRIVER_ERRORS, MigrationError, explained, explaining
from app.db.migrations.history import VERSIONS, History, alembic_config
from app.db.model import metadata


@dataclass(frozen=True, slots=True)
class Status:
    """Where a database stands: revision ids, None for none, `pending` in the order in which they will run."""

    current: str | None
    head: str | None
    pending: tuple[str, ...]


async def status(address: PostgresAddress, settings: PostgresSettings, *, versions: Path = VERSIONS) -> Status:
    """Reads without waiting for a migration that is running.

    Raises:
        MigrationError: the database cannot be reached or was migrated by other code.
    """
    history = History(versions)
    async with guard_connection(address, settings) as guard:
        done = await _count_applied(guard, address, history)
    ids = [script.revision for script in history.line]
    return Status(ids[done - 1] if done else None, history.head, tuple(ids[done:]))


async def upgrade(
    address: PostgresAddress, settings: PostgresSettings, target: str = "head", *, versions: Path = VERSIONS
) -> tuple[str, ...]:
    """Applies what is missing up to `target` and returns it, oldest first; costs one query when nothing is missing.

    Any number of instances may call it at once: one migrates, the others wait for it. Each migration is a transaction,
    so that whatever happens, all of it is stored or nothing.

    Raises:
        MigrationError: the database cannot be reached or was migrated by other code, the wait for another instance was
            too long, or a migration failed.
    """
    history = History(versions)
    wanted = history.count_to(target)
    async with guard_connection(address, settings) as guard:
        if await _count_applied(guard, address, history) >= wanted:
            return ()
        async with locked(guard, address, settings) as connection:
            done = await _count_applied(guard, address, history)
            return await apply(connection, address, history, history.line[done:wanted])


async def downgrade(
    address: PostgresAddress, settings: PostgresSettings, steps: int = 1, *, versions: Path = VERSIONS
) -> tuple[str, ...]:
    """Takes the newest `steps` migrations back and returns them, newest first.

    Raises:
        MigrationError: as for `upgrade`, or there are not so many.
    """
    history = History(versions)
    async with guard_connection(address, settings) as guard, locked(guard, address, settings) as connection:
        done = await _count_applied(guard, address, history)
        if not 0 < steps <= done:
            raise MigrationError(f"{address} has {done} migrations, so {steps} cannot be taken back. Ask for fewer.")
        return await take_back(connection, address, history, history.line[done - steps : done][::-1])


async def apply(
    connection: AsyncConnection, address: PostgresAddress, history: History, scripts: Sequence[Script]
) -> tuple[str, ...]:
    """Runs `scripts` in order on a connection that nobody else migrates through; returns their ids."""
    steps = [MigrationStep.upgrade_from_script(history.scripts.revision_map, script) for script in scripts]
    return await _run(connection, address, history, scripts, steps)


async def take_back(
    connection: AsyncConnection, address: PostgresAddress, history: History, scripts: Sequence[Script]
) -> tuple[str, ...]:
    """Like `apply`, the other way."""
    steps = [MigrationStep.downgrade_from_script(history.scripts.revision_map, script) for script in scripts]
    return await _run(connection, address, history, scripts, steps)


async def _run(
    connection: AsyncConnection,
    address: PostgresAddress,
    history: History,
    scripts: Sequence[Script],
    steps: Sequence[RevisionStep],
) -> tuple[str, ...]:
    done: list[str] = []

    def plan(_current: tuple[str, ...], _context: MigrationContext) -> Iterator[RevisionStep]:
        for script, step in zip(scripts, steps, strict=True):
            yield step
            done.append(script.revision)  # asked for the next one, Alembic has committed this one

    def run_plan(connection: Connection) -> None:
        with EnvironmentContext(alembic_config(), history.scripts, fn=plan):
            run(connection, metadata)

    try:
        await with_alembic(connection, run_plan)
    except (*DRIVER_ERRORS, CommandError) as error:
        raise explained(error, address, f"Migration {Path(scripts[len(done)].path).name}") from error
    return tuple(done)


async def _count_applied(guard: asyncpg.Connection, address: PostgresAddress, history: History) -> int:
    with explaining(address, "Reading the revision"):
        # Asked rather than tried: an error would end the transaction that holds the lock.
        [[exists]] = await ask(guard, "SELECT to_regclass('alembic_version') IS NOT NULL")
        rows = await ask(guard, "SELECT version_num FROM alembic_version") if exists else []
    return history.reach(tuple(row["version_num"] for row in rows))
