"""An empty database of its own for a check, on the server of another."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import asyncpg

from app.core.settings import PostgresAddress, PostgresSettings
from app.db.migrations.connection import connect
from app.db.migrations.errors import MigrationError, explaining


@asynccontextmanager
async def scratch_database(address: PostgresAddress, settings: PostgresSettings) -> AsyncIterator[PostgresAddress]:
    """An empty database on the server of `address`, dropped when the block ends.

    Raises:
        MigrationError: the server cannot be reached, or the role may not create databases.
    """
    scratch = replace(address, database=f"trellis_scratch_{uuid4().hex}")
    await _administer(address, settings, f"CREATE DATABASE {scratch.database} TEMPLATE template0")
    try:
        yield scratch
    finally:
        await _administer(address, settings, f"DROP DATABASE {scratch.database} WITH (FORCE)")


async def _administer(address: PostgresAddress, settings: PostgresSettings, statement: str) -> None:
    connection = await connect(address, settings)
    try:
        with explaining(address, "Making room for a check"):
            await connection.execute(statement)
    except MigrationError as error:
        if isinstance(error.__cause__, asyncpg.InsufficientPrivilegeError):
            raise MigrationError(
                f"The role of {address} may not create the empty database that this needs. "
                "Give it CREATEDB, or name a development server."
            ) from error
        raise
    finally:
        await connection.close()
