"""Whether the instance can serve."""

import asyncio
import time

import httpx2
import pytest
from fastapi import FastAPI

from app.core.errors import Unavailable
from app.core.health import Health, HealthCheck
from app.core.settings import AppSettings, Environment, Settings


async def up() -> None: ...


async def refused() -> None:
    raise Unavailable("It does not answer.")


async def broken() -> None:
    raise ValueError("postgresql://user:hunter2@host")


async def hanging() -> None:
    await asyncio.Event().wait()


def install(application: FastAPI, *checks: HealthCheck, deadline: float = 1.0) -> Health:
    health = Health(checks, deadline)
    application.state.health = health
    return health


@pytest.mark.parametrize("path", ["/health", "/health/live"])
async def test_a_process_that_answers_is_alive_whatever_is_down(
    application: FastAPI, client: httpx2.AsyncClient, path: str
) -> None:
    install(application, HealthCheck("database", refused))

    response = await client.get(path)

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_every_part_is_listed_with_its_latency(client: httpx2.AsyncClient) -> None:
    readiness = (await client.get("/health/ready")).json()

    assert readiness["status"] == "ready"
    (part,) = readiness["parts"]
    assert part.pop("latency_ms") > 0
    assert part == {"name": "database", "required": True, "healthy": True, "detail": ""}


async def test_without_a_required_part_it_is_not_ready(application: FastAPI, client: httpx2.AsyncClient) -> None:
    install(application, HealthCheck("a", up), HealthCheck("b", refused))

    response = await client.get("/health/ready")

    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["status"] == "not ready"
    assert [(part["healthy"], part["detail"]) for part in response.json()["parts"]] == [
        (True, ""),
        (False, "It does not answer."),
    ]


async def test_without_any_other_part_it_is_degraded(application: FastAPI, client: httpx2.AsyncClient) -> None:
    install(application, HealthCheck("a", up), HealthCheck("b", refused, required=False))

    response = await client.get("/health/ready")

    assert (response.status_code, response.json()["status"]) == (200, "degraded")


async def test_while_draining_it_is_not_ready(application: FastAPI, client: httpx2.AsyncClient) -> None:
    install(application, HealthCheck("a", up)).drain()

    response = await client.get("/health/ready")

    assert (response.status_code, response.json()["status"]) == (503, "draining")


async def test_an_unforeseen_failure_tells_its_kind_only(application: FastAPI, client: httpx2.AsyncClient) -> None:
    install(application, HealthCheck("a", broken))

    response = await client.get("/health/ready")

    assert "ValueError" in response.json()["parts"][0]["detail"]
    assert "hunter2" not in response.text


async def test_a_part_that_hangs_is_down_by_the_deadline(application: FastAPI, client: httpx2.AsyncClient) -> None:
    install(application, *(HealthCheck(str(number), hanging) for number in range(10)), deadline=0.05)
    started = time.monotonic()

    response = await client.get("/health/ready")

    assert time.monotonic() - started < 0.4
    assert {part["detail"] for part in response.json()["parts"]} == {"no answer within 0.05 s"}


async def test_the_figures_of_the_process_are_not_for_everybody(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/health/detail")).status_code == 403


class TestLocal:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return Settings(app=AppSettings(env=Environment.LOCAL), log=settings.log, postgres=settings.postgres)

    async def test_they_are_shown_on_a_developer_s_machine(self, client: httpx2.AsyncClient) -> None:
        process = (await client.get("/health/detail")).json()["process"]

        assert process["memory_resident"] > 10_000_000
        assert process["uptime"] > 0
        assert process["cpu_percent"] > 0
        assert process["threads"] >= 1
