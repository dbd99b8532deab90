"""How Alembic is set up: the same for its command line and for our own calls."""

import asyncio
import threading
from collections.abc import Callable
from typing import Final, Literal, TypeVar

import alembic.context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeDecorator

from app.core.settings import PostgresAddress, PostgresSettings
from app.db.local import database_address
from app.db.migrations.connection import guard_connection, locked

T = TypeVar("T")

_POLL: Final = 0.05  # seconds
# `alembic.op` belongs to the process: a second migration would take it over from the first, whose statements would then
# go to the other one's database.
_in_use: Final = threading.Lock()


def configure(connection: Connection | None, metadata: MetaData) -> None:
    """Prepares the current Alembic context; without a connection it prints SQL instead of running it."""
    alembic.context.configure(
        connection=connection,
        dialect_name="postgresql",
        literal_binds=connection is None,
        target_metadata=metadata,
        # A killed migration then takes back itself and not those before it.
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=True,
        autogenerate_plugins=["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
        render_item=_render_item,
    )


def run(connection: Connection | None, metadata: MetaData) -> None:
    """Runs what the current Alembic context was made for."""
    configure(connection, metadata)
    with alembic.context.begin_transaction():
        alembic.context.run_migrations()


def run_command(settings: PostgresSettings, metadata: MetaData) -> None:
    """Runs a command of Alembic's own command line against the configured database, under the migration lock.

    Raises:
        MigrationError: the database cannot be reached or is being migrated.
    """
    if alembic.context.is_offline_mode():
        run(None, metadata)
        return
    with database_address(settings) as address:
        asyncio.run(_run_locked(address, settings, metadata))


async def with_alembic(connection: AsyncConnection, work: Callable[[Connection], T]) -> T:
    """Does `work`, which uses Alembic's contexts, when nothing else in this process does."""
    while not _in_use.acquire(blocking=False):  # noqa: ASYNC110  an Event belongs to one loop, this to the process
        await asyncio.sleep(_POLL)
    try:
        return await connection.run_sync(work)
    finally:
        _in_use.release()


async def _run_locked(address: PostgresAddress, settings: PostgresSettings, metadata: MetaData) -> None:
    async with guard_connection(address, settings) as guard, locked(guard, address, settings) as connection:
        await with_alembic(connection, lambda sync: run(sync, metadata))


def _render_item(kind: str, item: object, autogenerate: AutogenContext) -> str | Literal[False]:
    """Writes a type of ours as the one it stands on, so that a migration imports nothing that may change or leave."""
    if kind != "type" or not isinstance(item, TypeDecorator):
        return False
    plain = item.impl_instance
    if not type(plain).__module__.startswith("sqlalchemy.dialects."):
        return f"sa.{plain!r}"
    autogenerate.imports.add("from sqlalchemy.dialects import postgresql")
    # Alembic knows which of them have others inside.
    return autogenerate.migration_context.impl.render_type(plain, autogenerate) or f"postgresql.{plain!r}"
