"""Fills a database with sample rows, which the factories of the modules make."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import Column, select
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from app.core.settings import PostgresAddress, PostgresSettings
from app.core.startup import StartupRefused
from app.db.factories import MAKERS, Factory, Row, Share, make_rows, row_makers, stored_columns
from app.db.migrations.connection import connect
from app.db.migrations.errors import DRIVER_ERRORS, explaining
from app.db.samples import MissingKey

_SHARE: Final = 1_000  # rows made and stored at once; more of them save no time and take memory in each process
_AHEAD: Final = MAKERS + 1  # shares in the making, so that neither side waits and memory does not grow
_REFERRED_TO: Final = 10_000  # rows of another table, the newest, among which references are spread
_LOCK: Final = 0x7365656473  # "seeds"; advisory locks are counted per database
# Outlives deleted rows, so that what is unique stays so however often somebody seeds.
_SERIALS: Final = "sample_serials"

_DIALECT: Final = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


class SeedError(StartupRefused):
    """The database cannot be filled; the message says why and what to do next."""


async def seed(
    address: PostgresAddress,
    settings: PostgresSettings,
    factories: Sequence[Factory],
    rows: int,
    report: Callable[[str, int], None],
    *,
    randomness: int = 0,
) -> None:
    """Stores `rows` rows of each factory in one transaction; the same `randomness` makes the same values.

    `report` is called with the table and the number of rows, each time that some were written.

    Raises:
        SeedError: somebody else is seeding, or there is nothing that a row could refer to.
        MigrationError: the database cannot be reached or refuses a row.
    """
    database = await connect(address, settings, "trellis seed")
    try:
        with explaining(address, "Seeding"), row_makers() as makers:
            async with database.transaction():
                await _enter(database, address)
                for factory in factories:
                    shares = await _shares(database, factory, rows, randomness)
                    with explaining(address, f"Seeding {factory.table.name}"):
                        async for made in _made(shares, makers):
                            await _store(database, factory, made)
                            report(factory.table.name, len(made))
            for factory in factories:
                await database.execute(f"ANALYZE {_quoted(factory.table.name)}")
    except MissingKey as missing:
        raise SeedError(f"Nothing was stored. {missing}") from None
    except BrokenProcessPool:
        raise SeedError(
            "Nothing was stored: a process that makes rows was killed. See that there is memory, then run this again."
        ) from None
    finally:
        with suppress(*DRIVER_ERRORS):
            await database.close(timeout=settings.connect_timeout)


async def _enter(database: asyncpg.Connection, address: PostgresAddress) -> None:
    if not await database.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
        raise SeedError(f"Somebody else is seeding {address}. Wait until that has ended, then run this again.")
    await database.execute(f"CREATE SEQUENCE IF NOT EXISTS {_SERIALS}")


async def _shares(database: asyncpg.Connection, factory: Factory, rows: int, randomness: int) -> list[Share]:
    table = factory.table
    serial = await database.fetchval(f"SELECT nextval('{_SERIALS}')")
    await database.execute(f"SELECT setval('{_SERIALS}', {serial + rows - 1})")
    keys = {key.column.table.name: await _newest(database, key.column) for key in table.foreign_keys}
    return [
        Share(factory, min(_SHARE, rows - start), f"{randomness} {table.name} {start}", serial + start, keys)
        for start in range(0, rows, _SHARE)
    ]


async def _newest(database: asyncpg.Connection, key: Column[UUID]) -> list[UUID]:
    query = select(key).order_by(key.desc()).compile(dialect=_DIALECT)
    return [row[0] for row in await database.fetch(f"{query} LIMIT {_REFERRED_TO}")]


async def _made(shares: Sequence[Share], makers: Executor) -> AsyncIterator[list[Row]]:
    """The rows of each share, in order."""
    if len(shares) == 1:  # made before a process would have started
        yield make_rows(shares[0])
        return
    loop = asyncio.get_running_loop()
    making: deque[asyncio.Future[list[Row]]] = deque()
    for share in shares:
        making.append(loop.run_in_executor(makers, make_rows, share))
        if len(making) == _AHEAD:
            yield await making.popleft()
    while making:
        yield await making.popleft()


async def _store(database: asyncpg.Connection, factory: Factory, rows: Sequence[Row]) -> None:
    columns = [column.name for column in stored_columns(factory.table)]
    await database.copy_records_to_table(factory.table.name, records=rows, columns=columns)


def _quoted(name: str) -> str:
    return _DIALECT.identifier_preparer.quote(name)
