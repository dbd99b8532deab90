"""What happens to every request before and after its route."""

import asyncio
import re
from collections.abc import AsyncIterator

import httpx2
import pytest
import structlog
from fastapi import FastAPI

from app.core.errors import Interrupted
from app.core.http.routing import ApiRouter
from app.core.settings import AppSettings, Environment, Settings

NOTES = "/api/v1/sample-notes"


@pytest.mark.parametrize(
    ("path", "status"), [("/nope", 404), ("/", 200), ("/health", 200), (NOTES, 200), ("/static/trellis.css", 200)]
)
async def test_every_answer_carries_its_request_id(client: httpx2.AsyncClient, path: str, status: int) -> None:
    response = await client.get(path)

    assert response.status_code == status
    assert len(response.headers["x-request-id"]) == 36


@pytest.mark.parametrize("request_id", ["abcd1234", "A.b_c-1234", "x" * 64])
async def test_a_well_formed_request_id_is_kept(client: httpx2.AsyncClient, request_id: str) -> None:
    response = await client.get("/health", headers={"x-request-id": request_id})

    assert response.headers["x-request-id"] == request_id


@pytest.mark.parametrize("request_id", [b"short", b"x" * 65, b"has space 1", b"<script>alert", "ümlaut-1234".encode()])
async def test_any_other_request_id_is_replaced(client: httpx2.AsyncClient, request_id: bytes) -> None:
    response = await client.get("/health", headers=[(b"x-request-id", request_id)])

    assert len(response.headers["x-request-id"]) == 36


@pytest.mark.parametrize(
    "traceparent", ["", "00-" + "0" * 32 + "-" + "b" * 16 + "-01", "01-" + "a" * 32 + "-" + "b" * 16 + "-01", "x" * 500]
)
async def test_a_malformed_traceparent_is_replaced(client: httpx2.AsyncClient, traceparent: str) -> None:
    problem = (await client.get("/nope", headers={"traceparent": traceparent})).json()

    assert len(problem["trace_id"]) == 32
    assert problem["trace_id"] not in {"0" * 32, "a" * 32}


# charter 50
async def test_a_browser_may_do_nothing_with_an_answer_of_the_api(client: httpx2.AsyncClient) -> None:
    headers = (await client.get(NOTES)).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["x-frame-options"] == "DENY"


# charter 1
@pytest.mark.parametrize(
    ("path", "headers", "field"),
    [
        ("/api/v1/sample-notes/%00", {}, "path"),
        ("/nowhere%00", {}, "path"),
        ("/api/v1/sample-notes?limit=1%00", {}, "query"),
        ("/api/v1/sample-notes?a%00=1", {}, "query"),
        ("/api/v1/sample-notes", {"x-any": "a\0b"}, "header.x-any"),
    ],
)
async def test_nul_outside_the_body_is_refused(
    client: httpx2.AsyncClient, path: str, headers: dict[str, str], field: str
) -> None:
    response = await client.get(path, headers=headers)

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


# charter 2
async def test_bad_utf8_in_an_address_is_no_error_of_ours(client: httpx2.AsyncClient) -> None:
    for path in ("/api/v1/sample-notes/%ED%A0%80", "/api/v1/sample-notes?cursor=%ED%A0%80", "/%ff"):
        assert (await client.get(path)).status_code in {400, 404, 422}


@pytest.mark.parametrize(("path", "level"), [("/health/live", "debug"), (NOTES, "info")])
async def test_one_line_is_written_for_each_request(client: httpx2.AsyncClient, path: str, level: str) -> None:
    with structlog.testing.capture_logs() as lines:
        await client.get(path)

    (line,) = [line for line in lines if line["event"] == "request"]
    assert line["duration_ms"] > 0
    assert (line["method"], line["path"], line["route"], line["status"]) == ("GET", path, path, 200)
    assert line["log_level"] == level


async def test_the_line_of_a_request_says_what_was_sent_and_what_the_database_did(client: httpx2.AsyncClient) -> None:
    with structlog.testing.capture_logs() as lines:
        listed = await client.get(NOTES)
        refused = await client.get("/nope")

    first, second = [line for line in lines if line["event"] == "request"]
    assert (first["bytes"], second["bytes"]) == (len(listed.content), len(refused.content))
    assert first["db_queries"] >= 1  # the savepoints of the test's connection count, too
    assert second["db_queries"] == 0
    assert 0 < first["db_ms"] < first["duration_ms"]
    assert second["db_ms"] == 0


async def test_an_answer_says_how_long_it_took(client: httpx2.AsyncClient) -> None:
    times = (await client.get(NOTES)).headers["server-timing"]

    assert re.fullmatch(r"app;dur=\d+\.\d+, db;dur=\d+\.\d+", times)


class TestProd:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return Settings(
            app=AppSettings(env=Environment.PROD, allowed_hosts=("test",)), log=settings.log, postgres=settings.postgres
        )

    async def test_an_answer_keeps_to_itself_how_long_it_took(self, client: httpx2.AsyncClient) -> None:
        assert "server-timing" not in (await client.get(NOTES)).headers


class TestBodyLimit:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return Settings(
            app=AppSettings(env=Environment.TEST, max_body_bytes=1000), log=settings.log, postgres=settings.postgres
        )

    # charter 7
    async def test_a_declared_body_over_the_limit_is_refused(self, client: httpx2.AsyncClient) -> None:
        response = await client.post(NOTES, content=b" " * 1001, headers={"content-type": "application/json"})

        assert response.status_code == 413
        assert response.json()["error_code"] == "content_too_large"

    # charter 7
    async def test_a_chunked_body_is_cut_off_at_the_limit(self, client: httpx2.AsyncClient) -> None:
        sent = 0

        async def chunks() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(1000):
                sent += 100
                yield b" " * 100

        response = await client.post(NOTES, content=chunks(), headers={"content-type": "application/json"})

        assert response.status_code == 413
        assert response.headers["content-type"] == "application/problem+json"
        assert sent == 1100

    async def test_a_body_at_the_limit_is_read(self, client: httpx2.AsyncClient) -> None:
        response = await client.post(NOTES, content=b"{}" + b" " * 998, headers={"content-type": "application/json"})

        assert response.status_code == 422

    @pytest.mark.parametrize("length", ["9" * 30, "1001"])
    async def test_an_absurd_length_is_refused_unread(self, client: httpx2.AsyncClient, length: str) -> None:
        response = await client.get(NOTES, headers={"content-length": length})

        assert response.status_code == 413


class TestHosts:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        allowed = ("api.example.org", "*.example.net", "[::1]")
        return Settings(
            app=AppSettings(env=Environment.TEST, allowed_hosts=allowed), log=settings.log, postgres=settings.postgres
        )

    @pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
    async def test_a_probe_may_ask_by_address(self, client: httpx2.AsyncClient, path: str) -> None:
        assert (await client.get(path, headers={"host": "10.1.2.3:8000"})).status_code == 200

    @pytest.mark.parametrize("host", ["api.example.org", "API.example.org:8000", "a.example.net", "[::1]:8000"])
    async def test_a_named_host_is_answered(self, client: httpx2.AsyncClient, host: str) -> None:
        assert (await client.get(NOTES, headers={"host": host})).status_code == 200

    @pytest.mark.parametrize(
        "host", ["example.org", "evil.org", "", "api.example.org.evil.org", "example.net", "xexample.net", "[::2]"]
    )
    async def test_any_other_host_is_not(self, client: httpx2.AsyncClient, host: str) -> None:
        response = await client.get(NOTES, headers={"host": host})

        assert response.status_code == 400
        assert response.json()["error_code"] == "malformed"


class TestReplay:
    """A request whose transaction the database undid runs again."""

    @pytest.fixture
    def attempts(self, application: FastAPI) -> list[bytes]:
        """The bodies that reached a route which succeeds on the attempt that `?on=` names."""
        router = ApiRouter(prefix="/flaky", tag="flaky")
        seen: list[bytes] = []

        @router.post("")
        async def flaky(on: int, text: dict[str, str]) -> dict[str, int]:
            seen.append(text["text"].encode())
            if len(seen) < on:
                raise Interrupted
            return {"attempts": len(seen)}

        application.include_router(router)
        return seen

    @pytest.mark.parametrize("on", [1, 2, 3])
    async def test_it_runs_again_with_its_whole_body(
        self, attempts: list[bytes], client: httpx2.AsyncClient, on: int
    ) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for part in (b'{"text":', b' "same"', b"}"):
                await asyncio.sleep(0)
                yield part

        headers = {"content-type": "application/json"}
        response = await client.post(f"/api/v1/flaky?on={on}", content=chunks(), headers=headers)

        assert response.json() == {"attempts": on}
        assert attempts == [b"same"] * on

    async def test_after_three_attempts_it_is_unavailable(
        self, attempts: list[bytes], client: httpx2.AsyncClient
    ) -> None:
        response = await client.post("/api/v1/flaky?on=4", json={"text": "same"})

        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert len(attempts) == 3
