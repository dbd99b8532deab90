"""`python -m app seed` as a developer types it."""

import asyncio
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

import app.modules
from app.core.settings import PostgresAddress
from app.db.factories import find_factories
from tests.sample.application import create_table
from tests.sample.note.schemas import NoteCreate
from tests.support.copies import Copy
from tests.support.postgres import TestServer, connect, create_database, drop_database
from tests.support.server import ROOT, environment
from tests.support.waiting import eventually

PROD = {
    "APP_ENV": "prod",
    "APP_SECRET_KEY": "canary-0123456789-0123456789-0123456789",
    "APP_ALLOWED_HOSTS": "api.example.com",
    "POSTGRES_TLS": "disable",
}


def run(address: PostgresAddress, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", "seed", *arguments],
        cwd=ROOT, env=environment(address, measured=True) | environ, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


@pytest.fixture
def sample_copy(tmp_path: Path, own_database: PostgresAddress) -> Copy:
    """A copy of the application whose only module is the sample."""
    copy = Copy(tmp_path / "copy", own_database)
    for folder in (copy.folder / "app" / "modules").iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    copy.add_sample()
    return copy


@contextmanager
def started(copy: Copy, rows: int, output: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "seed", str(rows)],
        cwd=copy.folder, env=copy.environ, stdout=output, stderr=output,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait(15)


async def count(address: PostgresAddress, table: str = "sample_notes") -> int:
    connection = await connect(address)
    try:
        found: int = await connection.fetchval(f'SELECT count(*) FROM "{table}"')
        return found
    finally:
        await connection.close()


async def test_each_factory_of_the_application_fills_its_table_again_and_again(own_database: PostgresAddress) -> None:
    tables = [factory.table.name for factory in find_factories(app.modules)]

    for _ in range(2):
        result = run(own_database, "30")

        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.splitlines() == [f"{table}: 30 more rows" for table in tables]
    assert [await count(own_database, table) for table in tables] == [60 for _ in tables]


async def test_an_empty_database_is_migrated_and_filled(server: TestServer, sample_copy: Copy) -> None:
    address = await create_database(server, "seeded")
    try:
        await create_table(address)
        sample_copy.environ["POSTGRES_DB"] = address.database

        result = sample_copy.app("seed", "30")

        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith("applied ")
        assert result.stdout.endswith("\nsample_notes: 30 more rows\n")
        assert await count(address) == 30
    finally:
        await drop_database(server, address)


async def test_each_row_is_one_that_the_api_would_take(sample_copy: Copy, own_database: PostgresAddress) -> None:
    assert sample_copy.app("seed", "200", "--seed", "7").returncode == 0

    connection = await connect(own_database)
    for note in await connection.fetch("SELECT title, body, done, due FROM sample_notes"):
        assert NoteCreate.model_validate(dict(note)).model_dump() == dict(note)
    await connection.close()


def test_it_is_refused_in_prod() -> None:
    nowhere = PostgresAddress("127.0.0.1", 1, "nobody", SecretStr("canary-0123456789"), "nothing")

    result = run(nowhere, "1", **PROD)

    assert result.returncode == 1
    assert result.stderr == "Sample data has no place in prod. Seed another database, and state its APP_ENV.\n"


@pytest.mark.parametrize("rows", ["0", "-1", "many"])
def test_what_is_no_number_of_rows_is_refused(own_database: PostgresAddress, rows: str) -> None:
    assert run(own_database, "--", rows).returncode == 2


def test_a_terminal_shows_how_far_it_is(sample_copy: Copy) -> None:
    ours, theirs = pty.openpty()
    with started(sample_copy, 30, theirs) as process:
        process.wait(60)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    os.close(theirs)

    assert "30/30" in shown
    assert shown.endswith("sample_notes: 30 more rows\r\n")


async def test_killed_half_way_it_leaves_neither_rows_nor_processes(
    sample_copy: Copy, own_database: PostgresAddress
) -> None:
    with started(sample_copy, 10_000_000) as process:
        parent = psutil.Process(process.pid)
        await asyncio.to_thread(eventually, lambda: len(parent.children()) > 2 or process.poll() is not None, 30)
        makers = parent.children()
        process.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, makers, 10)

    assert len(makers) > 2
    assert alive == []
    assert await count(own_database) == 0
