"""Behind PgBouncer in transaction mode, where each transaction may meet another server connection."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.core.http.routing import ApiRouter
from app.core.settings import PostgresAddress, Settings
from app.db.depends import Reads, Uow
from app.main import create_app
from tests.conftest import settings_for
from tests.support.server import free_port, listens, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(
    shutil.which("pgbouncer") is None, reason="no pgbouncer on the PATH (1.21 or newer: apt install pgbouncer)"
)


@dataclass
class PgBouncer:
    """A pooler with two connections to the server for all its clients; `restart` drops every client."""

    config: Path
    address: PostgresAddress
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            # It refuses to run as root; the user is ignored for everybody else.
            ["pgbouncer", "--quiet", "--user", "nobody", str(self.config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: listens(self.address.host, self.address.port), 10)

    def stop(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def restart(self) -> None:
        self.stop()
        self.start()


@contextmanager
def pgbouncer(address: PostgresAddress, folder: Path) -> Iterator[PgBouncer]:
    password = address.password.get_secret_value() if address.password else ""
    port = free_port()
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"""[databases]
{address.database} = host={address.host} port={address.port} user={address.user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_prepared_statements = 100
"""
    )
    pooler = PgBouncer(config, replace(address, host="127.0.0.1", port=port))
    pooler.start()
    try:
        yield pooler
    finally:
        pooler.stop()


@pytest.fixture
def pooler(own_database: PostgresAddress, tmp_path: Path) -> Iterator[PgBouncer]:
    with pgbouncer(own_database, tmp_path) as pooler:
        yield pooler


@pytest.fixture
def application(pooler: PgBouncer) -> FastAPI:
    """The application on the pooler, with routes that say which limits hold."""
    given = settings_for(pooler.address)
    postgres = given.postgres.model_copy(update={"pgbouncer": True})
    application = create_app(Settings(app=given.app, log=given.log, postgres=postgres))
    router = ApiRouter(prefix="/limits", tag="limits")

    @router.get("/write")
    async def write(uow: Uow) -> str:
        connection = await uow.session.connection()
        return str((await connection.execute(text("SHOW statement_timeout"))).scalar_one())

    @router.get("/read")
    async def read(session: Reads) -> str:
        connection = await session.connection()
        return str((await connection.execute(text("SELECT 'read'"))).scalar_one())

    application.include_router(router)
    return application


async def use(client: httpx2.AsyncClient, number: int) -> None:
    user = {"email": f"{number}@example.org", "username": f"user{number}", "full_name": "Name"}
    created = await client.post("/api/v1/users", json=user)
    assert created.status_code == 201, created.text
    assert (await client.get(created.headers["location"])).json() == created.json()


# charter 72
async def test_more_clients_than_connections_share_them(application: FastAPI) -> None:
    async with running(application) as client:
        for round_ in range(5):
            await asyncio.gather(*(use(client, 100 * round_ + number) for number in range(20)))


# charter 72
async def test_a_restart_costs_no_request(application: FastAPI, pooler: PgBouncer) -> None:
    async with running(application) as client:
        for round_ in range(3):
            await asyncio.gather(*(use(client, 100 * round_ + number) for number in range(5)))
            await asyncio.to_thread(pooler.restart)


async def test_the_limits_hold_in_each_transaction(application: FastAPI) -> None:
    async with running(application) as client:
        assert (await client.get("/api/v1/limits/write")).json() == "2s"
        assert (await client.get("/api/v1/limits/read")).json() == "read"
