"""`python -m app seed` as a developer types it."""

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from pydantic import SecretStr

from app.core.settings import PostgresAddress
from app.modules.user.schemas import UserCreate
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


@contextmanager
def started(address: PostgresAddress, rows: int, output: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "seed", str(rows)],
        cwd=ROOT, env=environment(address), stdout=output, stderr=output,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait(15)


async def count(address: PostgresAddress) -> int:
    connection = await connect(address)
    try:
        found: int = await connection.fetchval("SELECT count(*) FROM users")
        return found
    finally:
        await connection.close()


async def test_an_empty_database_is_migrated_and_filled_and_filled_again(server: TestServer) -> None:
    address = await create_database(server, "seeded")
    try:
        first = run(address, "30")
        second = run(address, "30")

        assert (first.returncode, first.stderr) == (0, "")
        assert first.stdout.startswith("applied ")
        assert second.stdout == "users: 30 more rows\n"
        assert await count(address) == 60
    finally:
        await drop_database(server, address)


async def test_each_user_is_one_that_the_api_would_take(own_database: PostgresAddress) -> None:
    assert run(own_database, "200", "--seed", "7").returncode == 0

    connection = await connect(own_database)
    for user in await connection.fetch("SELECT email, username, full_name FROM users"):
        assert UserCreate.model_validate(dict(user)).model_dump() == dict(user)
    await connection.close()


def test_it_is_refused_in_prod() -> None:
    nowhere = PostgresAddress("127.0.0.1", 1, "nobody", SecretStr("canary-0123456789"), "nothing")

    result = run(nowhere, "1", **PROD)

    assert result.returncode == 1
    assert result.stderr == "Sample data has no place in prod. Seed another database, and state its APP_ENV.\n"


@pytest.mark.parametrize("rows", ["0", "-1", "many"])
def test_what_is_no_number_of_rows_is_refused(own_database: PostgresAddress, rows: str) -> None:
    assert run(own_database, "--", rows).returncode == 2


def test_a_terminal_shows_how_far_it_is(own_database: PostgresAddress) -> None:
    ours, theirs = pty.openpty()
    with started(own_database, 30, theirs) as process:
        process.wait(60)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    os.close(theirs)

    assert "30/30" in shown
    assert shown.endswith("users: 30 more rows\r\n")


async def test_killed_half_way_it_leaves_neither_rows_nor_processes(own_database: PostgresAddress) -> None:
    with started(own_database, 10_000_000) as process:
        parent = psutil.Process(process.pid)
        await asyncio.to_thread(eventually, lambda: len(parent.children()) > 2 or process.poll() is not None, 30)
        makers = parent.children()
        process.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, makers, 10)

    assert len(makers) > 2
    assert alive == []
    assert await count(own_database) == 0
