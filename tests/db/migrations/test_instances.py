"""Several instances migrate one database, and some of them die."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from app.core.settings import PostgresAddress, PostgresSettings
from app.db.migrations import MigrationError, upgrade
from app.db.migrations.connection import connect
from tests.db.migrations.conftest import Versions, until
from tests.support.server import environment

ROOT = Path(__file__).resolve().parents[3]
# A migration stands still here until the test lets it through; no time-out of a lock ends the wait.
GATE = "DO 'BEGIN WHILE NOT EXISTS (SELECT FROM gate) LOOP PERFORM pg_sleep(0.01); END LOOP; END'"
WHO = "at-the-gate"  # the file in which the instance at the gate leaves its process id
OPEN_GATE = "INSERT INTO gate DEFAULT VALUES"
AT_THE_GATE = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'DO %' AND application_name = 'trellis migration'
"""
CREATE_INDEX = """
with op.get_context().autocommit_block():
    op.drop_index("ix_things_id", postgresql_concurrently=True, if_exists=True)
    op.create_index("ix_things_id", "things", ["id"], postgresql_concurrently=True)
"""
DROPPING = "SELECT FROM pg_stat_activity WHERE query LIKE '%DROP INDEX CONCURRENTLY%' AND pid <> pg_backend_pid()"
VALID_INDEX = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_things_id'::regclass"


@asynccontextmanager
async def instances(count: int, address: PostgresAddress, versions: Versions) -> AsyncIterator[list[Process]]:
    """Processes that begin to migrate at the same moment."""
    assert address.password is not None
    url = f"postgresql://{address.user}:{address.password.get_secret_value()}@{address.host}:{address.port}/"
    command = [sys.executable, "-m", "tests.db.migrations.instance", url + address.database, str(versions.folder)]
    processes = [
        await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment(address), stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"\n")
        yield processes
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def outcome(process: Process) -> list[str]:
    """What it applied; it must have succeeded."""
    said, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    return said.decode().split()


@pytest.fixture
async def gated(versions: Versions, look: asyncpg.Connection) -> Versions:
    await look.execute("CREATE TABLE gate ()")
    versions.add("aaaa", 'op.execute("CREATE TABLE things (id int)")')
    versions.add(
        "bbbb",
        f"""
        op.execute("CREATE TABLE more (id int)")
        op.execute("INSERT INTO things VALUES (1)")
        import os, pathlib
        pathlib.Path({str(versions.folder / WHO)!r}).write_text(str(os.getpid()))
        op.execute("{GATE}")
        op.execute("INSERT INTO things VALUES (2)")
        """,
    )
    versions.add("cccc", CREATE_INDEX)
    return versions


async def test_eight_at_once_migrate_once(empty: PostgresAddress, versions: Versions, look: asyncpg.Connection) -> None:
    versions.add("aaaa", 'op.execute("CREATE TABLE things (id int)")')
    versions.add("bbbb", 'op.execute("INSERT INTO things VALUES (1)"); op.execute("SELECT pg_sleep(0.5)")')
    # Would wait for ever for instances that waited inside a statement.
    versions.add("cccc", CREATE_INDEX)
    async with instances(8, empty, versions) as processes:
        applied = await asyncio.gather(*map(outcome, processes))
    assert sorted(applied) == [*[[]] * 7, ["aaaa", "bbbb", "cccc"]]
    assert await look.fetchval("SELECT count(*) FROM things") == 1
    assert await look.fetchval(VALID_INDEX)


# charter 75
async def test_one_of_eight_is_killed_and_the_others_finish(
    empty: PostgresAddress, gated: Versions, look: asyncpg.Connection
) -> None:
    async with instances(8, empty, gated) as processes:
        await until(lambda: has_rows(look, AT_THE_GATE))
        [(orphan,)] = await look.fetch(AT_THE_GATE)
        who = int((gated.folder / WHO).read_text())
        [killed] = [process for process in processes if process.pid == who]
        killed.kill()
        await killed.wait()
        await until(lambda: has_rows(look, f"{AT_THE_GATE} AND pid <> {orphan}"))
        # The next one is at the same place and alone, so what the killed one did there is gone.
        assert len(await look.fetch(AT_THE_GATE)) == 1
        assert await look.fetchval("SELECT version_num FROM alembic_version") == "aaaa"
        assert await look.fetchval("SELECT to_regclass('more') IS NULL AND (SELECT count(*) FROM things) = 0")
        await look.execute(OPEN_GATE)
        applied = [await outcome(process) for process in processes if process is not killed]
    assert sorted(applied) == [*[[]] * 6, ["bbbb", "cccc"]]
    assert [row["id"] for row in await look.fetch("SELECT id FROM things ORDER BY id")] == [1, 2]
    assert await look.fetchval(VALID_INDEX)


async def test_an_index_whose_builder_was_killed_is_built_anew(
    empty: PostgresAddress, postgres: PostgresSettings, versions: Versions, look: asyncpg.Connection
) -> None:
    versions.add("aaaa", 'op.execute("CREATE TABLE things (id int)")')
    await upgrade(empty, postgres, versions=versions.folder)
    versions.add("bbbb", CREATE_INDEX)
    writer = await connect(empty, postgres, "test")
    await writer.execute("BEGIN; INSERT INTO things VALUES (1)")
    async with instances(1, empty, versions) as [process]:
        # It has made the index, and waits for the writer before it fills it.
        await until(lambda: has_rows(look, "SELECT FROM pg_class WHERE relname = 'ix_things_id'"))
        process.kill()
        await process.wait()
    next_try = asyncio.create_task(upgrade(empty, postgres, versions=versions.folder))
    await until(lambda: has_rows(look, DROPPING))
    assert not await look.fetchval(VALID_INDEX)
    await writer.close()
    assert await next_try == ("bbbb",)
    assert await look.fetchval(VALID_INDEX)


async def test_who_lost_the_lock_is_ended_by_who_gets_it(
    empty: PostgresAddress, postgres: PostgresSettings, gated: Versions, look: asyncpg.Connection
) -> None:
    async def attempt() -> tuple[str, ...] | MigrationError:
        try:
            return await upgrade(empty, postgres, versions=gated.folder)
        except MigrationError as error:
            return error  # a SystemExit must not leave a task

    first = asyncio.create_task(attempt())
    await until(lambda: has_rows(look, AT_THE_GATE))
    await look.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'trellis migration lock'"
    )
    second = asyncio.create_task(attempt())
    lost = await first
    assert isinstance(lost, MigrationError)
    assert "bbbb_test.py" in str(lost)
    assert "lost the connection" in str(lost)
    await look.execute(OPEN_GATE)
    assert await second == ("bbbb", "cccc")
    assert [row["id"] for row in await look.fetch("SELECT id FROM things ORDER BY id")] == [1, 2]


async def has_rows(connection: asyncpg.Connection, query: str) -> bool:
    return bool(await connection.fetch(query))
