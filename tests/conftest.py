"""Fixtures that every test can ask for. What reaches PostgreSQL reaches a real one."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Protocol

import httpx2
import pytest
import structlog
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.core.health import Health, HealthCheck
from app.core.settings import AppSettings, Environment, LogSettings, PostgresAddress, PostgresSettings, Settings
from app.db.engine import open_engine
from app.db.migrations import upgrade
from app.db.samples import Sample
from app.db.sessions import Database
from tests.sample.application import create_app, create_table, modules
from tests.support.postgres import TestServer, create_database, drop_database, test_server
from tests.support.queries import QueryGuard, watched

_SERVER = pytest.StashKey[TestServer]()
_RUNNING = pytest.StashKey[AbstractContextManager[TestServer]]()


def pytest_configure(config: pytest.Config) -> None:
    """The process that starts the workers starts the server too, and says first of all which one it is."""
    config.pluginmanager.register(QueryGuard())
    if (workerinput := getattr(config, "workerinput", None)) is not None:
        config.stash[_SERVER] = TestServer.from_text(workerinput["postgres"])
        return
    running = test_server()
    server = running.__enter__()
    config.stash[_RUNNING], config.stash[_SERVER] = running, server
    print(f"PostgreSQL of this run: {server.kind} at {server.address}", flush=True)  # noqa: T201
    asyncio.run(_migrate_template(server))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: more workers than cores, because many tests wait for a process or a server rather than compute."""
    return 1 + (os.cpu_count() or 1)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the folders whose tests take seconds, so that none of those is left for the end; within, at random."""
    slow = ("e2e", "docs", "migrations", "db", "architecture")
    items.sort(key=lambda item: item.path.parent.name not in slow)


class _Worker(Protocol):
    """A worker as pytest-xdist, which has no types, describes it to the process that starts it."""

    config: pytest.Config
    workerinput: dict[str, str]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: _Worker) -> None:
    """Hands the server on to a worker of pytest-xdist."""
    node.workerinput["postgres"] = node.config.stash[_SERVER].to_text()


def pytest_unconfigure(config: pytest.Config) -> None:
    if (running := config.stash.get(_RUNNING, None)) is not None:
        running.__exit__(None, None, None)


async def _migrate_template(server: TestServer) -> None:
    address = await create_database(server, "template")
    await upgrade(address, PostgresSettings())
    await create_table(address)


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> TestServer:
    """The PostgreSQL server of this run."""
    return pytestconfig.stash[_SERVER]


@pytest.fixture(scope="session")
async def worker_database(server: TestServer, worker_id: str) -> PostgresAddress:
    """A migrated database that the tests of one worker share: they roll back what they do to it."""
    return await create_database(server, worker_id, server.template.database)


@pytest.fixture(scope="session")
async def worker_engine(worker_database: PostgresAddress) -> AsyncIterator[AsyncEngine]:
    constraints = {error.constraint: error for module in modules() for error in module.errors}
    engine = open_engine(worker_database, PostgresSettings(), {k: v for k, v in constraints.items() if k})
    yield engine
    await engine.dispose()


@pytest.fixture
async def connection(worker_engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction that is rolled back after the test, with all that was committed inside it."""
    async with worker_engine.connect() as connection, connection.begin() as transaction:
        yield connection
        await transaction.rollback()


@pytest.fixture
def database(connection: AsyncConnection) -> Database:
    return Database(connection, connection, [handler for module in modules() for handler in module.handlers])


@pytest.fixture
async def own_database(server: TestServer, request: pytest.FixtureRequest) -> AsyncIterator[PostgresAddress]:
    """A migrated database for this test alone, for what has to commit for real."""
    address = await create_database(server, f"own_{abs(hash(request.node.nodeid)):x}", server.template.database)
    yield address
    await drop_database(server, address)


@pytest.fixture
def sample() -> Sample:
    """Values for a module's factory: as many rows as a test makes of it differ in what is unique."""
    return Sample()


@pytest.fixture(autouse=True)
def plain_structlog() -> None:
    """Each test begins with every level and plain lines, whatever an application that started before it configured.

    structlog's own default draws tracebacks with all local variables, which takes seconds.
    """
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=structlog.PrintLoggerFactory(),
    )


@pytest.fixture
def settings() -> Settings:
    return settings_for(None)


def settings_for(address: PostgresAddress | None) -> Settings:
    """Settings of the test environment with the database at `address`."""
    postgres = PostgresSettings()
    if address is not None:
        postgres = PostgresSettings(
            host=address.host, port=address.port, user=address.user, password=address.password, db=address.database
        )
    return Settings(app=AppSettings(env=Environment.TEST), log=LogSettings(level="WARNING"), postgres=postgres)


@pytest.fixture
def application(settings: Settings, database: Database) -> FastAPI:
    """The application with the sample module, without its lifespan, on the transaction of this test."""
    application = create_app(settings)
    application.state.database = database
    application.state.health = Health([HealthCheck("database", database.ping)])
    return application


@pytest.fixture
async def client(application: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(watched(application))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
