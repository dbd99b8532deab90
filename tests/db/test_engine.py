"""A database that is slow, frozen, locked, gone or back: what the application answers meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.core.errors import Conflict, Interrupted, Invalid, Unavailable
from app.core.http.routing import ApiRouter
from app.core.settings import PostgresAddress, PostgresSettings, Settings
from app.db.depends import Reads, Uow
from app.db.embedded import PostgresServer
from app.db.errors import DatabaseUnreachable
from app.db.sessions import CommitUnknown, open_database
from app.main import create_app
from tests.conftest import settings_for
from tests.support.postgres import connect
from tests.support.server import running


@pytest.fixture
async def bare(own_database: PostgresAddress) -> AsyncIterator[asyncpg.Connection]:
    """A connection beside the application's."""
    connection = await connect(own_database)
    yield connection
    await connection.close()


def sql_routes(application: FastAPI) -> FastAPI:
    """`application` with routes that run the SQL they are given, in each kind of session."""
    router = ApiRouter(prefix="/sql", tag="sql")

    @router.get("/read")
    async def read(session: Reads, statement: str) -> list[str]:
        return [str(value) for value in (await (await session.connection()).execute(text(statement))).scalars()]

    @router.post("/write")
    async def write(uow: Uow, statement: str) -> str:
        return str((await (await uow.session.connection()).execute(text(statement))).scalar_one_or_none())

    @router.post("/idle")
    async def idle(uow: Uow, seconds: float) -> str:
        await (await uow.session.connection()).execute(text("SELECT 1"))
        await asyncio.sleep(seconds)
        return str((await (await uow.session.connection()).execute(text("SELECT 1"))).scalar_one())

    application.include_router(router)
    return application


@pytest.fixture
async def client(own_database: PostgresAddress) -> AsyncIterator[httpx2.AsyncClient]:
    """The application on its own pool, with short deadlines."""
    async with running(sql_routes(create_app(impatient(own_database)))) as client:
        yield client


def impatient(address: PostgresAddress) -> Settings:
    """Settings whose deadlines are a tenth of the default ones, in a pool of two."""
    given = settings_for(address)
    changes = {
        "pool_size": 2,
        "pool_max_overflow": 0,
        "pool_timeout": 0.2,
        "statement_timeout": 0.3,
        "lock_timeout": 0.2,
        "idle_in_transaction_timeout": 0.2,
    }
    return Settings(app=given.app, log=given.log, postgres=given.postgres.model_copy(update=changes))


async def run(client: httpx2.AsyncClient, statement: str, kind: str = "write") -> httpx2.Response:
    method = "GET" if kind == "read" else "POST"
    return await client.request(method, f"/api/v1/sql/{kind}", params={"statement": statement})


@pytest.mark.parametrize("kind", ["read", "write"])
async def test_a_connection_killed_between_two_requests_costs_none(
    client: httpx2.AsyncClient, bare: asyncpg.Connection, kind: str
) -> None:
    for _ in range(5):
        backend = (await run(client, "SELECT pg_backend_pid()", kind)).json()
        backend = int(backend[0] if isinstance(backend, list) else backend)
        assert await bare.fetchval("SELECT pg_terminate_backend($1, 2000)", backend)

        response = await run(client, "SELECT 1", kind)
        assert response.status_code == 200, response.text


async def test_a_connection_killed_before_the_client_hears_of_it_costs_none(
    client: httpx2.AsyncClient, bare: asyncpg.Connection
) -> None:
    backend = int((await run(client, "SELECT pg_backend_pid()")).json())
    # The event loop has no chance to read the server's goodbye between these two.
    killed, response = await asyncio.gather(
        bare.fetchval("SELECT pg_terminate_backend($1)", backend), run(client, "SELECT 1")
    )
    assert killed
    assert response.status_code == 200


# charter 70
@pytest.mark.parametrize("kind", ["read", "write"])
async def test_a_slow_statement_is_ended_and_its_connection_clean(client: httpx2.AsyncClient, kind: str) -> None:
    started = time.monotonic()
    response = await run(client, "SELECT pg_sleep(5)", kind)

    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert time.monotonic() - started < 1
    assert "pg_sleep" not in response.text
    assert (await run(client, "SELECT 1", kind)).status_code == 200


# charter 70
async def test_a_lock_that_is_not_released_is_given_up(client: httpx2.AsyncClient, bare: asyncpg.Connection) -> None:
    async with bare.transaction():
        await bare.execute("LOCK TABLE sample_notes IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        response = await run(client, "SELECT count(*) FROM sample_notes")
        assert response.status_code == 503
        assert time.monotonic() - started < 0.5

    assert (await run(client, "SELECT count(*) FROM sample_notes")).status_code == 200


# charter 70
async def test_a_transaction_that_idles_is_ended(client: httpx2.AsyncClient) -> None:
    response = await client.post("/api/v1/sql/idle", params={"seconds": 0.3})

    assert response.status_code == 503
    assert (await run(client, "SELECT 1")).status_code == 200


# charter 69
async def test_an_exhausted_pool_answers_soon_and_leaves_the_process_alive(client: httpx2.AsyncClient) -> None:
    holding = [asyncio.create_task(client.post("/api/v1/sql/idle", params={"seconds": 0.15})) for _ in range(2)]
    waiting = [asyncio.create_task(run(client, "SELECT pg_sleep(0.25)")) for _ in range(6)]
    started = time.monotonic()
    assert (await client.get("/health/live")).status_code == 200

    statuses = [(await task).status_code for task in waiting]
    assert time.monotonic() - started < 1.5
    assert 503 in statuses
    await asyncio.gather(*holding)
    assert (await run(client, "SELECT 1")).status_code == 200


async def test_a_deadlock_is_run_again(client: httpx2.AsyncClient, bare: asyncpg.Connection) -> None:
    await bare.execute("CREATE TABLE counters (id int PRIMARY KEY, n int NOT NULL); INSERT INTO counters VALUES (1, 0)")
    # The first attempt is undone; a sequence is not rolled back, so it counts the attempts.
    await bare.execute(
        "CREATE SEQUENCE attempts; CREATE FUNCTION flaky() RETURNS int LANGUAGE plpgsql AS $$ BEGIN "
        "UPDATE counters SET n = n + 1; IF nextval('attempts') < 3 THEN RAISE SQLSTATE '40P01'; END IF; RETURN 1; END $$"
    )
    response = await run(client, "SELECT flaky()")

    assert response.status_code == 200
    assert await bare.fetchval("SELECT n FROM counters") == 1
    assert await bare.fetchval("SELECT last_value FROM attempts") == 3


@pytest.mark.parametrize(
    ("sqlstate", "status"),
    [
        ("22003", 422),
        ("54000", 422),
        ("23502", 422),
        ("23514", 422),
        ("23503", 409),
        ("23001", 409),
        ("23505", 409),
        ("23P01", 409),
        ("40001", 503),
        ("40P01", 503),
        ("57014", 503),
        ("55P03", 503),
        ("53300", 503),
        ("53100", 503),
        ("57P03", 503),
        ("25006", 503),
        ("42601", 500),
        ("P0001", 500),
    ],
)
async def test_every_sqlstate_has_its_status(client: httpx2.AsyncClient, sqlstate: str, status: int) -> None:
    response = await run(client, f"DO $$ BEGIN RAISE 'the-secret-value' USING ERRCODE = '{sqlstate}'; END $$")

    assert response.status_code == status
    assert "the-secret-value" not in response.text


async def test_a_value_that_the_driver_cannot_encode_is_invalid(own_database: PostgresAddress) -> None:
    async with open_database(own_database, PostgresSettings(), {}) as database, database.read_session() as session:
        with pytest.raises(Invalid):
            await (await session.connection()).execute(text("SELECT CAST(:number AS integer)"), {"number": 2**40})


async def test_a_named_constraint_is_its_own_error(own_database: PostgresAddress) -> None:
    class PairTaken(Conflict):
        code = "pair.taken"

    async with open_database(own_database, PostgresSettings(), {"uq_pairs": PairTaken}) as database:
        with pytest.raises(PairTaken):
            async with database.unit_of_work() as uow:
                await (await uow.session.connection()).execute(
                    text("CREATE TABLE pairs (id int CONSTRAINT uq_pairs UNIQUE)")
                )
                await (await uow.session.connection()).execute(text("INSERT INTO pairs VALUES (1), (1)"))


async def test_a_server_that_is_not_there_is_unavailable(own_database: PostgresAddress) -> None:
    nowhere = PostgresAddress("127.0.0.1", 1, "nobody", None, "nothing")
    async with open_database(nowhere, PostgresSettings(), {}) as database:
        with pytest.raises(DatabaseUnreachable):
            await database.ping()
    wrong = PostgresAddress(own_database.host, own_database.port, own_database.user, own_database.password, "nothing")
    async with open_database(wrong, PostgresSettings(), {}) as database:
        with pytest.raises(Unavailable):
            await database.ping()


async def test_a_connection_lost_while_committing_is_not_run_again(
    own_database: PostgresAddress, bare: asyncpg.Connection
) -> None:
    await bare.execute(
        "CREATE TABLE pairs (id int); CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$; CREATE CONSTRAINT TRIGGER die "
        "AFTER INSERT ON pairs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()"
    )
    async with open_database(own_database, PostgresSettings(), {}) as database:
        with pytest.raises(CommitUnknown) as lost:
            async with database.unit_of_work() as uow:
                await (await uow.session.connection()).execute(text("INSERT INTO pairs VALUES (1)"))
        assert not isinstance(lost.value, Interrupted)


async def test_reads_go_to_the_replica_where_there_is_one(
    own_database: PostgresAddress, worker_database: PostgresAddress
) -> None:
    password = worker_database.password.get_secret_value() if worker_database.password else ""
    url = (
        f"postgresql://{worker_database.user}:{password}@{worker_database.host}:{worker_database.port}"
        f"/{worker_database.database}"
    )
    settings = PostgresSettings.model_validate({"host": own_database.host, "replica_url": url})
    async with open_database(own_database, settings, {}) as database:
        async with database.read_session() as session:
            assert (
                await (await session.connection()).execute(text("SELECT current_database()"))
            ).scalar_one() == worker_database.database
        async with database.unit_of_work() as uow:
            name = (await (await uow.session.connection()).execute(text("SELECT current_database()"))).scalar_one()
            assert name == own_database.database


class TestFrozen:
    """A server that has stopped answering, as a stalled disk or a suspended machine looks from outside."""

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[PostgresServer]:
        with PostgresServer(tmp_path / "postgres") as server:
            yield server
            server.thaw()

    # charter 68
    async def test_it_is_unavailable_within_three_seconds_and_recovers(self, server: PostgresServer) -> None:
        found = server.address
        settings = PostgresSettings.model_validate({"url": found.url})
        assert settings.address is not None
        application = sql_routes(create_app(settings_for(settings.address)))
        async with running(application) as client:
            assert {(await run(client, "SELECT 1", "read")).status_code for _ in range(4)} == {200}
            server.freeze()

            started = time.monotonic()
            responses = await asyncio.gather(*(run(client, "SELECT 1", kind) for kind in ("read", "write") * 40))
            assert time.monotonic() - started < 3.0
            assert {response.status_code for response in responses} == {503}
            assert (await client.get("/health/live")).status_code == 200
            assert (await client.get("/health/ready")).status_code == 503

            server.thaw()
            assert (await run(client, "SELECT 1", "read")).status_code == 200
            assert (await run(client, "SELECT 1")).status_code == 200
