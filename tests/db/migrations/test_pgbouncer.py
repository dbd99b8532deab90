"""Several instances migrate through PgBouncer in transaction mode, which knows no session."""

import asyncio
from dataclasses import replace
from pathlib import Path

import asyncpg

from app.core.settings import PostgresAddress, PostgresSettings
from app.db.migrations import downgrade, status, upgrade
from tests.db.migrations.conftest import Versions
from tests.support.pgbouncer import needs_pgbouncer, pgbouncer

pytestmark = needs_pgbouncer


async def test_migrates_once(
    empty: PostgresAddress, versions: Versions, look: asyncpg.Connection, tmp_path: Path
) -> None:
    versions.add("aaaa", "op.execute(\"CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS lock\")")
    versions.add(
        "bbbb",
        """
        with op.get_context().autocommit_block():
            op.drop_index("ix", table_name="seen", postgresql_concurrently=True, if_exists=True)
            op.create_index("ix", "seen", ["lock"], postgresql_concurrently=True)
        """,
    )
    versions.add("cccc", "op.execute('INSERT INTO seen SELECT 1')")
    with pgbouncer(empty, tmp_path) as pooler:
        settings = PostgresSettings(connect_timeout=10, migration_lock_timeout=3, pgbouncer=True)
        address = replace(pooler.address, database=empty.database)
        applied = await asyncio.gather(*(upgrade(address, settings, versions=versions.folder) for _ in range(4)))
        assert sorted(applied) == [(), (), (), ("aaaa", "bbbb", "cccc")]
        assert [row["lock"] for row in await look.fetch("SELECT lock FROM seen")] == ["3s", "1"]
        assert await downgrade(address, settings, versions=versions.folder) == ("cccc",)
        assert (await status(address, settings, versions=versions.folder)).pending == ("cccc",)
