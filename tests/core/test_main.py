"""The factory and the lifespan."""

import httpx2
import pytest
from asyncpg import Connection
from fastapi import FastAPI

import app.modules
from app.core.module import discover
from app.core.settings import AppSettings, Environment, PostgresAddress, Settings
from app.db.sessions import Database
from app.main import create_app
from tests.conftest import settings_for
from tests.sample.note import module as note
from tests.support.postgres import connect
from tests.support.server import running
from tests.support.waiting import until


def test_the_factory_opens_nothing(settings: Settings) -> None:
    application = create_app(settings)

    assert not hasattr(application.state, "database")


def test_the_modules_are_those_of_the_application_unless_others_are_given(settings: Settings) -> None:
    assert create_app(settings).state.modules == discover(app.modules)

    application = create_app(settings, modules=[note])
    assert application.state.modules == (note,)
    paths = {path for path in application.openapi()["paths"] if path.startswith("/api/")}
    assert paths == {"/api/v1/sample-notes", "/api/v1/sample-notes/{note_id}"}


async def connections_are(bare: Connection, count: int) -> None:
    """Waits until so many others are connected to the same database."""

    async def so_many() -> bool:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        return bool(await bare.fetchval(f"SELECT count(*) FROM pg_stat_activity WHERE {others}") == count)

    await until(so_many, 5)


async def test_the_lifespan_opens_the_database_and_closes_it(own_database: PostgresAddress) -> None:
    application = create_app(settings_for(own_database))
    bare = await connect(own_database)
    async with running(application) as client:
        assert isinstance(application.state.database, Database)
        assert (await client.get("/health/ready")).status_code == 200
        await connections_are(bare, 1)

    await connections_are(bare, 0)
    await bare.close()


async def test_what_was_opened_is_closed_when_start_up_fails(own_database: PostgresAddress) -> None:
    application = create_app(settings_for(own_database))
    bare = await connect(own_database)
    try:
        async with running(application) as client:
            assert (await client.get("/health/ready")).status_code == 200
            raise InterruptedError
    except InterruptedError:
        pass

    await connections_are(bare, 0)
    await bare.close()


def named(name: str, origins: tuple[str, ...], settings: Settings) -> FastAPI:
    app = AppSettings(env=Environment.TEST, name=name, cors_origins=origins)
    return create_app(Settings(app=app, log=settings.log, postgres=settings.postgres), modules=(note,))


async def test_two_applications_with_different_settings_live_side_by_side(own_database: PostgresAddress) -> None:
    settings = settings_for(own_database)
    one, two = named("One", (), settings), named("Two", ("https://app.example.org",), settings)
    origin = {"origin": "https://app.example.org"}
    async with running(one) as first, running(two) as second:
        assert "One" in (await first.get("/")).text
        assert "Two" in (await second.get("/")).text
        assert "access-control-allow-origin" not in (await first.get("/health", headers=origin)).headers
        assert (await second.get("/health", headers=origin)).headers["access-control-allow-origin"] == origin["origin"]


class TestCors:
    """Answers to the pages of others (charter 48)."""

    async def test_only_a_listed_origin_may_read(self, own_database: PostgresAddress) -> None:
        application = named("One", ("https://app.example.org",), settings_for(own_database))
        async with running(application) as client:
            for origin in ("https://evil.example.org", "null", "https://app.example.org.evil.org"):
                headers = {"origin": origin, "access-control-request-method": "POST"}
                for response in (
                    await client.get("/health", headers=headers),
                    await client.options("/api/v1/sample-notes", headers=headers),
                ):
                    assert "access-control-allow-origin" not in response.headers

    async def test_a_developer_s_machine_is_open_but_never_with_credentials(self, client: httpx2.AsyncClient) -> None:
        response = await client.get("/health", headers={"origin": "https://any.example.org"})

        assert "access-control-allow-credentials" not in response.headers


class TestDisabledModule:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        app = AppSettings(env=Environment.TEST, disabled_modules=("sample_note",))
        return Settings(app=app, log=settings.log, postgres=settings.postgres)

    async def test_it_has_no_routes_and_is_described_nowhere(self, client: httpx2.AsyncClient) -> None:
        assert (await client.get("/api/v1/sample-notes")).status_code == 404
        assert "sample" not in (await client.get("/")).text
        assert "sample" not in (await client.get("/openapi.json")).text
