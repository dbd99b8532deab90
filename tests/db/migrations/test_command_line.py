"""Alembic's own command line on this project."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import asyncpg

from app.core.settings import PostgresAddress, PostgresSettings
from app.db.migrations import upgrade
from app.db.migrations.connection import locked
from app.db.migrations.history import History
from tests.support.server import environment

ROOT = Path(__file__).resolve().parents[3]


def alembic(address: PostgresAddress, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    password = address.password.get_secret_value() if address.password else ""
    url = f"postgresql://{address.user}:{password}@{address.host}:{address.port}/{address.database}"
    return subprocess.run(
        [sys.executable, "-m", "alembic", "--config", str(ROOT / "alembic.ini"), *arguments],
        env=environment(None) | {"DATABASE_URL": url, "POSTGRES_CONNECT_TIMEOUT": "10"} | variables,
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
    )


async def test_upgrades_and_downgrades(empty: PostgresAddress, look: asyncpg.Connection) -> None:
    done = alembic(empty, "upgrade", "head")
    assert done.returncode == 0, done.stderr
    assert await look.fetchval("SELECT version_num FROM alembic_version") == History().head
    done = alembic(empty, "downgrade", "base")
    assert done.returncode == 0, done.stderr
    left = await look.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert [row["tablename"] for row in left] == ["alembic_version"]


def test_prints_sql_without_a_database(server_address: PostgresAddress) -> None:
    done = alembic(replace(server_address, port=1), "upgrade", "head", "--sql")
    assert done.returncode == 0, done.stderr
    assert f"'{History().head}'" in done.stdout


async def test_sees_no_change_to_write(empty: PostgresAddress, postgres: PostgresSettings) -> None:
    await upgrade(empty, postgres)
    done = alembic(empty, "check")
    assert done.returncode == 0, done.stderr
    assert "No new upgrade operations detected" in done.stdout


async def test_waits_for_the_migration_lock(
    empty: PostgresAddress, postgres: PostgresSettings, look: asyncpg.Connection
) -> None:
    async with locked(look, empty, postgres):
        done = alembic(empty, "upgrade", "head", POSTGRES_MIGRATION_WAIT="0.1")
    assert done.returncode == 1
    assert "Another instance has been migrating" in done.stderr
    assert "Traceback" not in done.stderr
