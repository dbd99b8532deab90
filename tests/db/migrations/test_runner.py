"""Applying migrations, taking them back, and what is said when that cannot be."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from app.core.settings import PostgresAddress, PostgresSettings
from app.core.startup import StartupRefused
from app.db.migrations import MigrationError, Status, downgrade, status, upgrade
from app.db.migrations.connection import connect, locked
from app.db.migrations.scratch import scratch_database
from tests.db.migrations.conftest import Versions

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def two(versions: Versions) -> Versions:
    versions.add("aaaa", 'op.execute("CREATE TABLE one (id int)")', 'op.execute("DROP TABLE one")')
    versions.add("bbbb", 'op.execute("CREATE TABLE two (id int)")', 'op.execute("DROP TABLE two")')
    return versions


async def tables(look: asyncpg.Connection) -> set[str]:
    rows = await look.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    return {row["relname"] for row in rows} - {"alembic_version"}


async def test_applies_what_is_missing_and_takes_it_back(
    empty: PostgresAddress, postgres: PostgresSettings, two: Versions, look: asyncpg.Connection
) -> None:
    assert await status(empty, postgres, versions=two.folder) == Status(None, "bbbb", ("aaaa", "bbbb"))
    assert await upgrade(empty, postgres, "aa", versions=two.folder) == ("aaaa",)
    assert await tables(look) == {"one"}
    assert await upgrade(empty, postgres, versions=two.folder) == ("bbbb",)
    assert await status(empty, postgres, versions=two.folder) == Status("bbbb", "bbbb", ())
    assert await upgrade(empty, postgres, "aaaa", versions=two.folder) == ()
    assert await downgrade(empty, postgres, versions=two.folder) == ("bbbb",)
    assert await tables(look) == {"one"}
    assert await upgrade(empty, postgres, versions=two.folder) == ("bbbb",)
    assert await downgrade(empty, postgres, 2, versions=two.folder) == ("bbbb", "aaaa")
    assert await tables(look) == set()


@pytest.mark.parametrize("steps", [0, 3])
async def test_refuses_to_take_back_what_is_not_there(
    empty: PostgresAddress, postgres: PostgresSettings, two: Versions, steps: int
) -> None:
    await upgrade(empty, postgres, versions=two.folder)
    with pytest.raises(MigrationError, match=f"has 2 migrations, so {steps} cannot be taken back"):
        await downgrade(empty, postgres, steps, versions=two.folder)


async def test_at_the_head_takes_no_lock(
    empty: PostgresAddress, postgres: PostgresSettings, two: Versions, look: asyncpg.Connection
) -> None:
    await upgrade(empty, postgres, versions=two.folder)
    async with locked(look, empty, postgres):
        assert await upgrade(empty, postgres, versions=two.folder) == ()
        assert (await status(empty, postgres, versions=two.folder)).pending == ()


async def test_waits_no_longer_than_allowed(empty: PostgresAddress, two: Versions, look: asyncpg.Connection) -> None:
    impatient = PostgresSettings(migration_wait=0.2)
    async with locked(look, empty, impatient):
        with pytest.raises(MigrationError, match=r"Another instance .* longer than 0.2 s.*POSTGRES_MIGRATION_WAIT"):
            await upgrade(empty, impatient, versions=two.folder)


async def test_refuses_a_database_that_is_ahead(
    empty: PostgresAddress, postgres: PostgresSettings, two: Versions
) -> None:
    await upgrade(empty, postgres, versions=two.folder)
    (two.folder / "bbbb_test.py").unlink()
    for call in (upgrade, status, downgrade):
        with pytest.raises(MigrationError, match="at revision bbbb, which this code does not have"):
            await call(empty, postgres, versions=two.folder)


@pytest.mark.parametrize(
    "nowhere",
    [
        lambda address: replace(address, port=1),
        lambda address: replace(address, database="absent"),
        lambda address: replace(address, user="stranger", password=SecretStr("canary-password")),
    ],
)
async def test_says_which_database_cannot_be_reached(
    empty: PostgresAddress,
    postgres: PostgresSettings,
    two: Versions,
    nowhere: Callable[[PostgresAddress], PostgresAddress],
) -> None:
    address = nowhere(empty)
    with pytest.raises(MigrationError, match=re.escape(f"The database {address} cannot be reached")) as raised:
        await upgrade(address, postgres, versions=two.folder)
    assert "canary-password" not in str(raised.value)
    assert isinstance(raised.value, StartupRefused)


async def test_stores_all_of_a_migration_or_nothing(
    empty: PostgresAddress, postgres: PostgresSettings, two: Versions, look: asyncpg.Connection
) -> None:
    broken = two.add("cccc", 'op.execute("CREATE TABLE half (id int)"); op.execute("SELECT * FROM absent")')
    with pytest.raises(MigrationError, match=r'cccc_test\.py .*relation "absent" does not exist'):
        await upgrade(empty, postgres, versions=two.folder)
    assert await tables(look) == {"one", "two"}
    assert await status(empty, postgres, versions=two.folder) == Status("bbbb", "cccc", ("cccc",))
    broken.unlink()
    two.add("cccc", 'op.execute("CREATE TABLE half (id int)")', after="bbbb")
    assert await upgrade(empty, postgres, versions=two.folder) == ("cccc",)


async def test_tells_no_stored_values(empty: PostgresAddress, postgres: PostgresSettings, versions: Versions) -> None:
    versions.add(
        "aaaa",
        """
        op.execute("CREATE TABLE people (email text)")
        op.execute("INSERT INTO people VALUES ('canary@example.com'), ('canary@example.com')")
        op.execute("CREATE UNIQUE INDEX ix ON people (email)")
        """,
    )
    with pytest.raises(MigrationError, match='could not create unique index "ix"') as raised:
        await upgrade(empty, postgres, versions=versions.folder)
    assert "canary" not in str(raised.value)


async def test_waits_shortly_for_locks(empty: PostgresAddress, two: Versions, look: asyncpg.Connection) -> None:
    settings = PostgresSettings(migration_lock_timeout=0.1)
    await upgrade(empty, settings, versions=two.folder)
    two.add("cccc", 'op.execute("ALTER TABLE one ADD x int")')
    async with look.transaction():
        await look.execute("LOCK TABLE one IN ACCESS SHARE MODE")
        with pytest.raises(MigrationError, match=r"cccc.* waited too long for a lock.*POSTGRES_MIGRATION_LOCK_TIMEOUT"):
            await upgrade(empty, settings, versions=two.folder)


@pytest.mark.parametrize("code", ['op.execute("SELECT pg_sleep(9)")', "{block}: op.execute('SELECT pg_sleep(9)')"])
async def test_ends_long_statements(empty: PostgresAddress, versions: Versions, code: str) -> None:
    settings = PostgresSettings(migration_statement_timeout=0.1)
    versions.add("aaaa", code.format(block="with op.get_context().autocommit_block()"))
    with pytest.raises(MigrationError, match=r"aaaa.* took too long.*POSTGRES_MIGRATION_STATEMENT_TIMEOUT"):
        await upgrade(empty, settings, versions=versions.folder)


@pytest.mark.parametrize("pgbouncer", [False, True])
async def test_sets_its_own_time_outs(
    empty: PostgresAddress, versions: Versions, look: asyncpg.Connection, pgbouncer: bool
) -> None:
    settings = PostgresSettings(migration_lock_timeout=3, migration_statement_timeout=40, pgbouncer=pgbouncer)
    keep = "INSERT INTO seen SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
    versions.add("aaaa", 'op.execute("CREATE TABLE seen (lock text, statement text)")')
    versions.add("bbbb", f'op.execute("{keep}")')
    versions.add("cccc", f'with op.get_context().autocommit_block(): op.execute("{keep}")')
    versions.add("dddd", f'op.execute("{keep}")')
    await upgrade(empty, settings, versions=versions.folder)
    limited, outside = ("3s", "40s"), ("0", "0") if pgbouncer else ("0", "40s")
    assert [tuple(row) for row in await look.fetch("SELECT * FROM seen")] == [limited, outside, limited]


async def test_two_databases_at_once_do_not_mix(
    empty: PostgresAddress, server_address: PostgresAddress, postgres: PostgresSettings, tmp_path: Path
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        steps = ["op.execute('SELECT pg_sleep(0.02)')"] * 5
        Versions(folder).add("aaaa", "\n".join([*steps, f"op.execute('CREATE TABLE {folder.name} ()')"]))
    async with scratch_database(server_address, postgres) as other:
        await asyncio.gather(
            upgrade(empty, postgres, versions=folders[0]), upgrade(other, postgres, versions=folders[1])
        )
        for address, expected in ((empty, "one"), (other, "two")):
            connection = await connect(address, postgres)
            assert await tables(connection) == {expected}
            await connection.close()


async def test_refuses_a_broken_history(empty: PostgresAddress, postgres: PostgresSettings, two: Versions) -> None:
    with pytest.raises(MigrationError, match='no revision begins with "zz"'):
        await upgrade(empty, postgres, "zz", versions=two.folder)
    two.add("cccc", after="absent")
    with pytest.raises(MigrationError, match=r"do not fit together: .*absent"):
        await upgrade(empty, postgres, versions=two.folder)


def test_the_application_does_not_load_alembic() -> None:
    code = "import app.main, sys; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
