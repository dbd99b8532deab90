"""Every error is a problem document, and tells nothing that it should not."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import Field

from app.core.errors import (
    AppError,
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from app.core.http.routing import ApiRouter
from app.core.settings import AppSettings, Environment, Settings
from app.core.types import Schema

NOTES = "/api/v1/sample-notes"


class TeapotError(Conflict):
    code = "kitchen.teapot"
    detail = "It is a teapot."


@pytest.fixture
def failing(application: FastAPI) -> FastAPI:
    """The application with a route that raises what `?kind=` names."""
    router = ApiRouter(prefix="/failing", tag="failing")
    errors: dict[str, Exception] = {
        "400": Malformed(),
        "401": Unauthenticated(),
        "403": Forbidden(),
        "404": NotFound("No such pot."),
        "409": TeapotError(),
        "429": RateLimited(retry_after=7),
        "500": AppError(),
        "503": Unavailable(retry_after=3),
        "unforeseen": ValueError("password=hunter2"),
    }

    @router.get("")
    async def fail(kind: str) -> None:
        raise errors[kind]

    application.include_router(router)
    return application


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 503])
async def test_each_error_has_its_status(failing: FastAPI, client: httpx2.AsyncClient, status: int) -> None:
    response = await client.get(f"/api/v1/failing?kind={status}")

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["status"] == status


async def test_a_problem_holds_what_is_needed_to_find_it_again(failing: FastAPI, client: httpx2.AsyncClient) -> None:
    response = await client.get(
        "/api/v1/failing?kind=409",
        headers={"x-request-id": "my-request-1", "traceparent": f"00-{'a1' * 16}-{'b2' * 8}-01"},
    )

    problem = response.json()
    assert abs(datetime.now(UTC) - datetime.fromisoformat(problem.pop("timestamp"))) < timedelta(minutes=1)
    assert problem == {
        "type": "tag:trellis,2026:kitchen.teapot",
        "title": "Conflict",
        "status": 409,
        "detail": "It is a teapot.",
        "instance": "/api/v1/failing",
        "error_code": "kitchen.teapot",
        "request_id": "my-request-1",
        "trace_id": "a1" * 16,
    }
    assert response.headers["x-request-id"] == "my-request-1"


@pytest.mark.parametrize(
    ("status", "header", "value"),
    [(401, "www-authenticate", "Bearer"), (429, "retry-after", "7"), (503, "retry-after", "3")],
)
async def test_an_error_tells_how_to_go_on(
    failing: FastAPI, client: httpx2.AsyncClient, status: int, header: str, value: str
) -> None:
    assert (await client.get(f"/api/v1/failing?kind={status}")).headers[header] == value


# charter 60
async def test_an_unforeseen_error_tells_its_ids_only(
    failing: FastAPI, client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    response = await client.get("/api/v1/failing?kind=unforeseen")

    assert response.status_code == 500
    problem = response.json()
    assert problem["error_code"] == "internal"
    assert problem["request_id"] == response.headers["x-request-id"]
    assert "hunter2" not in response.text
    assert "ValueError" not in response.text
    assert "Traceback" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", NOTES, "GET, POST"),
        ("POST", f"{NOTES}/01a1f9eb-7f07-7170-b3fb-1f2132f4677d", "DELETE, GET, PATCH"),
        ("DELETE", "/health", "GET"),
        ("POST", "/", "GET"),
    ],
)
async def test_a_wrong_method_is_told_every_right_one(
    client: httpx2.AsyncClient, method: str, path: str, allow: str
) -> None:
    response = await client.request(method, path)

    assert response.status_code == 405
    assert response.headers["allow"] == allow
    assert response.json()["error_code"] == "method_not_allowed"


class Cat(Schema):
    kind: Literal["cat"]


class Dog(Schema):
    kind: Literal["dog"]


async def test_a_wrong_kind_is_not_repeated(application: FastAPI, client: httpx2.AsyncClient) -> None:
    router = ApiRouter(prefix="/animals", tag="animals")

    @router.post("")
    async def keep(animal: Annotated[Cat | Dog, Field(discriminator="kind")]) -> None: ...

    application.include_router(router)
    response = await client.post("/api/v1/animals", json={"kind": "hunter2"})

    assert response.status_code == 422
    assert response.json()["errors"][0]["message"] == "The kind is not one of those that are accepted."
    assert "hunter2" not in response.text


class TestDebug:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        app = AppSettings(env=Environment.LOCAL, debug=True)
        return Settings(app=app, log=settings.log, postgres=settings.postgres)

    @pytest.mark.usefixtures("failing")
    async def test_a_developer_is_told_what_was_raised_and_no_more(self, client: httpx2.AsyncClient) -> None:
        problem = (await client.get("/api/v1/failing?kind=unforeseen")).json()

        assert problem["status"] == 500
        assert problem["detail"] == "ValueError; the log has its stack under the request id."
