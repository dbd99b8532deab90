"""Behind PgBouncer in transaction mode, where each transaction may meet another server connection."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.core.http.routing import ApiRouter
from app.core.settings import PostgresAddress, Settings
from app.db.depends import Reads, Uow
from tests.conftest import settings_for
from tests.sample.application import create_app
from tests.support.pgbouncer import PgBouncer, needs_pgbouncer, pgbouncer
from tests.support.server import running

pytestmark = needs_pgbouncer


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
    created = await client.post("/api/v1/sample-notes", json={"title": f"Note {number}"})
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
