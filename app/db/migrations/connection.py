"""The two connections of a migration: one holds the lock, the other does the work.

Apart, because each migration commits by itself while the lock must outlast them all, and because a lock that belongs to
a transaction is the only kind that PgBouncer in transaction mode keeps.

What holds when something dies:

- The process, or its connections: the open migration is rolled back and the lock is free. PostgreSQL would still let
  the dead process's running statement finish, so whoever gets the lock next ends that connection first.
- Only the lock's connection: the migration goes on, and no other can begin, because whoever gets the lock next ends the
  connection of the one that lost it before starting its own. Two never work at once.
- A migration that runs outside a transaction (`autocommit_block`) may be left half done, so it is written to be
  repeated: an index is dropped, if it exists, before it is created concurrently (`checks.up_down_up` tries it).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final
from uuid import uuid4

import asyncpg
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.core.settings import PostgresAddress, PostgresSettings
from app.db import driver
from app.db.driver import milliseconds, tls_context
from app.db.migrations.errors import DRIVER_ERRORS, MigrationError, explaining, unreachable

_KEY: Final = 0x7472656C6C6973  # "trellis"; advisory locks are counted per database
_WORKER: Final = "trellis migration"
_POLL: Final = 0.05  # seconds
_END_WITHIN: Final = 5.0  # seconds


async def connect(
    address: PostgresAddress, settings: PostgresSettings, name: str = "trellis migration check"
) -> asyncpg.Connection:
    """A bare connection with the time-outs of migrations, shown in pg_stat_activity by `name`.

    Raises:
        MigrationError: the database cannot be reached.
    """
    try:
        return await driver.connect(
            address,
            settings,
            tls=tls_context(settings),
            statement_timeout=settings.migration_statement_timeout,
            application_name=name,
            limits={
                "statement_timeout": milliseconds(settings.migration_statement_timeout),
                # Outside transactions only: a concurrent index waits for every older transaction, and nobody for it.
                "lock_timeout": "0",
            },
        )
    except driver.CONNECT_ERRORS as error:
        raise unreachable(error, address) from error


async def ask(guard: asyncpg.Connection, query: str, *arguments: object) -> list[asyncpg.Record]:
    """What `query` answers; afterwards `guard` holds no snapshot, even if it is in a transaction."""
    answer = await guard.fetch(query, *arguments)
    if guard.is_in_transaction():
        # PostgreSQL keeps the cursor of the answer, and with it the snapshot, until another statement takes its place.
        # One of the simple protocol keeps none itself.
        await guard.execute("SELECT 1")
    return answer


@asynccontextmanager
async def working_connection(address: PostgresAddress, settings: PostgresSettings) -> AsyncIterator[AsyncConnection]:
    """A connection for migrations: each of its transactions has their time-outs.

    Raises:
        MigrationError: the database cannot be reached.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect(address, settings, _WORKER),
        poolclass=NullPool,
        hide_parameters=True,
        # Behind PgBouncer several clients share a server connection, so the names must differ.
        connect_args={"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: f"m{uuid4().hex}"},
    )
    statement = milliseconds(settings.migration_statement_timeout)
    limits = {
        "lock_timeout": milliseconds(settings.migration_lock_timeout),
        "statement_timeout": statement,
        # Between two statements a migration may compute, but one that hangs must not hold its locks for ever.
        "idle_in_transaction_session_timeout": statement,
    }
    in_transaction = "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in limits.items())

    @event.listens_for(engine.sync_engine, "begin")
    def limit(connection: Connection) -> None:
        connection.exec_driver_sql(in_transaction)

    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        with explaining(address, "Connecting"):
            connection = await stack.enter_async_context(engine.connect())
        yield connection


@asynccontextmanager
async def guard_connection(address: PostgresAddress, settings: PostgresSettings) -> AsyncIterator[asyncpg.Connection]:
    """The connection that can hold the lock.

    Raises:
        MigrationError: the database cannot be reached.
    """
    guard = await connect(address, settings, "trellis migration lock")
    try:
        yield guard
    finally:
        with suppress(*DRIVER_ERRORS):
            await guard.close(timeout=settings.connect_timeout)


@asynccontextmanager
async def locked(
    guard: asyncpg.Connection, address: PostgresAddress, settings: PostgresSettings
) -> AsyncIterator[AsyncConnection]:
    """The only connection that migrates this database, while `guard` holds the lock.

    Raises:
        MigrationError: another instance held the lock for longer than `migration_wait`.
    """
    with explaining(address, "Taking the migration lock"):
        transaction = await _take_lock(guard, address, settings)
        await guard.execute(
            "SELECT set_config(name, '0', true) FROM pg_settings "
            "WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')"
        )
        await _end_predecessors(guard)
    try:
        async with working_connection(address, settings) as connection:
            with explaining(address, "Keeping the migration lock"):
                # If the lock was lost until here, its next holder may have looked before this connection was there.
                await guard.execute("SELECT 1")
            yield connection
    finally:
        with suppress(*DRIVER_ERRORS):
            await transaction.rollback()


async def _take_lock(
    guard: asyncpg.Connection, address: PostgresAddress, settings: PostgresSettings
) -> asyncpg.transaction.Transaction:
    """The transaction that holds it.

    The lock is asked for again and again rather than waited for: a waiting statement holds a snapshot, a concurrent
    index waits for all snapshots, and so the one that migrates would wait for those that wait for it. For the same
    reason the transaction is read committed: any other would hold a snapshot all the time.
    """
    deadline = time.monotonic() + settings.migration_wait
    while True:
        transaction = guard.transaction(isolation="read_committed")
        await transaction.start()
        [[is_ours]] = await ask(guard, "SELECT pg_try_advisory_xact_lock($1)", _KEY)
        if is_ours:
            return transaction
        await transaction.rollback()
        if time.monotonic() > deadline:
            raise MigrationError(
                f"Another instance has been migrating {address} for longer than {settings.migration_wait:g} s. "
                "See whether it makes progress; then start this one again, or raise POSTGRES_MIGRATION_WAIT."
            )
        await asyncio.sleep(_POLL)


async def _end_predecessors(guard: asyncpg.Connection) -> None:
    # In the select list, which is calculated for rows that passed the filter: among the conditions, PostgreSQL might
    # calculate it first, and end every connection that there is.
    ended = await ask(
        guard,
        "SELECT pg_terminate_backend(pid, $1) AS done FROM pg_stat_activity "
        "WHERE application_name = $2 AND datname = current_database() AND usename = current_user",
        round(_END_WITHIN * 1000),
        _WORKER,
    )
    if not all(row["done"] for row in ended):
        raise MigrationError(
            f"An earlier migration still runs and does not end within {_END_WITHIN:g} s. "
            f"""Find it in pg_stat_activity (application_name "{_WORKER}") and end it, then run this again."""
        )
