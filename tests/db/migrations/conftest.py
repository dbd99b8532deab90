"""An empty database, and migrations written for one test."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from textwrap import dedent, indent

import asyncpg
import pytest

from app.core.settings import PostgresAddress, PostgresSettings
from app.db.migrations.connection import connect
from app.db.migrations.scratch import scratch_database
from tests.support.postgres import TestServer

_DEADLINE = 10.0  # seconds


class Versions:
    """A folder of migrations, each following the one before unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last: str | None = None

    def add(
        self,
        revision: str,
        upgrade: str = "pass",
        downgrade: str = "pass",
        *,
        after: str | None = "the last",
        name: str | None = None,
    ) -> Path:
        follows = self._last if after == "the last" else after
        file = self.folder / (name or f"{revision}_test.py")
        body = "\n\n".join(
            f"def {name}() -> None:\n{indent(dedent(code).strip(), '    ')}\n"
            for name, code in (("upgrade", upgrade), ("downgrade", downgrade))
        )
        file.write_text(
            f'"""{revision}\n\nRevision: {revision}\nRevises: {follows or "nothing"}\n"""\n\n'
            f"import sqlalchemy as sa\nfrom alembic import op\n\n"
            f"revision: str = {revision!r}\ndown_revision: str | None = {follows!r}\n\n\n{body}"
        )
        self._last = revision
        return file


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    folder = tmp_path / "versions"
    folder.mkdir()
    return Versions(folder)


@pytest.fixture(scope="session")
def server_address(server: TestServer) -> PostgresAddress:
    return server.address


@pytest.fixture(scope="session")
def postgres() -> PostgresSettings:
    return PostgresSettings(connect_timeout=10)


@pytest.fixture(scope="session")
async def _own_database(server_address: PostgresAddress, postgres: PostgresSettings) -> AsyncIterator[PostgresAddress]:
    async with scratch_database(server_address, postgres) as address:
        yield address


@pytest.fixture
async def empty(_own_database: PostgresAddress, postgres: PostgresSettings) -> PostgresAddress:
    """Emptied rather than made anew, which would take a hundred times as long."""
    connection = await connect(_own_database, postgres, "test")
    # A test that failed half way may have left connections that hold on to its tables.
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    return _own_database


@pytest.fixture
async def look(empty: PostgresAddress, postgres: PostgresSettings) -> AsyncIterator[asyncpg.Connection]:
    """A connection that has nothing to do with any migration."""
    connection = await connect(empty, postgres, "test")
    yield connection
    await connection.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + _DEADLINE
    while not await condition():
        assert time.monotonic() < deadline, "did not come about"
        await asyncio.sleep(0.01)
