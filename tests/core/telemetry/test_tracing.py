"""What is traced, and what arrives at a real receiver."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx2
import pytest
import structlog
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from sqlalchemy import text
from starlette.types import Message

from app.core.http.routing import ApiRouter
from app.core.settings import PostgresAddress
from app.db.depends import Reads
from tests.core.telemetry.traced import traced
from tests.support.otlp import CLIENT, ERROR, SERVER, Receiver, grpc_receiver, http_receiver
from tests.support.server import ROOT, environment, running

NOTES = "/api/v1/sample-notes"
CALLER = f"00-{'a1' * 16}-{'b2' * 8}"
CANARY = "canary-4c1d"


def failing(application: FastAPI) -> FastAPI:
    """`application` with routes that fail in every way."""
    router = ApiRouter(prefix="/failing", tag="failing")

    @router.get("/code/{value}")
    async def fail_in_code(value: str) -> None:
        try:
            int(value)
        except ValueError as error:
            raise RuntimeError(f"cannot read {value}") from error

    @router.get("/statement")
    async def fail_in_a_statement(session: Reads) -> None:
        await (await session.connection()).execute(text(f"SELECT '{CANARY}'::integer, 'it''s' -- {CANARY}"))

    application.include_router(router)
    return application


def servers(receiver: Receiver) -> list[str]:
    return [span.name for span in receiver.of(SERVER)]


class TestRequest:
    async def test_it_has_one_span_named_by_its_route(self, own_database: PostgresAddress, receiver: Receiver) -> None:
        async with running(traced(own_database, receiver.url)) as client:
            assert (await client.get(f"{NOTES}/{uuid4()}")).status_code == 404

        (span,) = receiver.of(SERVER)
        assert span.name == f"GET {NOTES}/{{note_id}}"
        assert span.attributes["http.route"] == f"{NOTES}/{{note_id}}"
        assert span.attributes["http.request.method"] == "GET"
        assert span.attributes["http.response.status_code"] == "404"
        assert span.attributes["url.path"].startswith(f"{NOTES}/")
        assert span.parent_id == ""
        assert span.status != ERROR
        assert (span.resource["service.name"], span.resource["deployment.environment.name"]) == ("trellis", "test")

    async def test_its_statements_are_inside_it(self, own_database: PostgresAddress, receiver: Receiver) -> None:
        async with running(traced(own_database, receiver.url)) as client:
            created = await client.post(NOTES, json={"title": "one", "body": CANARY})
            read = await client.get(created.headers["location"])

        assert (created.status_code, read.status_code) == (201, 200)
        # Not more: neither for connecting nor for BEGIN and COMMIT, and none for what start-up asks.
        assert Counter(span.name for span in receiver.spans) == {
            f"POST {NOTES}": 1,
            f"GET {NOTES}/{{note_id}}": 1,
            "INSERT": 1,
            "SELECT": 1,
        }
        request = {span.span_id: span for span in receiver.of(SERVER)}
        for statement in receiver.of(CLIENT):
            assert statement.trace_id == request[statement.parent_id].trace_id
            assert statement.attributes["db.system.name"] == "postgresql"
            assert statement.attributes["db.namespace"] == own_database.database
            assert "sample_notes" in statement.attributes["db.query.text"]
        assert CANARY not in receiver.text

    @pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/static/trellis.css"])
    async def test_probes_and_files_have_none(
        self, own_database: PostgresAddress, receiver: Receiver, path: str
    ) -> None:
        async with running(traced(own_database, receiver.url)) as client:
            assert (await client.get(path, headers={"traceparent": f"{CALLER}-01"})).status_code == 200

        assert receiver.spans == []

    async def test_one_that_no_route_serves_is_named_by_its_method(
        self, own_database: PostgresAddress, receiver: Receiver
    ) -> None:
        async with running(traced(own_database, receiver.url)) as client:
            await client.get(f"/{CANARY}?{CANARY}", headers=[(b"user-agent", b"\xff\\x"), (b"host", b"\xff\\x")])

        (span,) = receiver.spans
        assert span.name == "GET"
        assert "http.route" not in span.attributes

    async def test_one_that_cannot_be_decoded_is_answered_all_the_same(
        self, own_database: PostgresAddress, receiver: Receiver
    ) -> None:
        application = traced(own_database, receiver.url)
        answered = []
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": NOTES, "raw_path": NOTES.encode(), "query_string": b"a=\xff", "root_path": "",
            "headers": [(b"host", b"\xff\\x"), (b"tracestate", b"\xff\\x"), (b"traceparent", f"{CALLER}-01".encode())],
            "client": ("10.1.2.3", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, object]) -> None:
            answered.append(message.get("status"))

        async with running(application):
            await application(scope, receive, send)  # type: ignore[arg-type]

        assert answered[0] in {200, 422}
        (span,) = receiver.of(SERVER)
        assert span.parent_id == "b2" * 8
        assert "10.1.2.3" not in receiver.text


async def test_a_statement_outside_a_trace_starts_none(own_database: PostgresAddress, receiver: Receiver) -> None:
    application = traced(own_database, receiver.url)
    async with running(application) as client:
        await application.state.database.ping()
        await client.get("/nope")

    assert [span.name for span in receiver.spans] == ["GET"]


async def test_what_start_up_begins_can_be_traced(own_database: PostgresAddress, receiver: Receiver) -> None:
    application = traced(own_database, receiver.url)
    lifespan = application.router.lifespan_context
    enabled: list[bool] = []

    @asynccontextmanager
    async def noting(app: FastAPI) -> AsyncIterator[None]:
        enabled.append(is_instrumentation_enabled())
        async with lifespan(app):
            yield

    async def send(message: Message) -> None:
        pass

    messages = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))

    async def receive() -> Message:
        return next(messages)

    application.router.lifespan_context = noting
    await application({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)

    assert enabled == [True]


class TestIds:
    async def test_lines_answer_and_span_share_them(self, own_database: PostgresAddress, receiver: Receiver) -> None:
        application = failing(traced(own_database, receiver.url))
        async with running(application) as client:
            with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
                answer = await client.get("/api/v1/failing/code/x", headers={"x-request-id": "my-request-1"})

        (span,) = receiver.of(SERVER)
        problem = answer.json()
        assert problem["trace_id"] == span.trace_id
        assert answer.headers["traceresponse"] == f"00-{span.trace_id}-{span.span_id}-01"
        assert span.attributes["http.request.header.x-request-id"] == "my-request-1"
        told = {line["event"]: (line["trace_id"], line["span_id"]) for line in lines if "trace_id" in line}
        assert told == dict.fromkeys(("unhandled_error", "request"), (span.trace_id, span.span_id))

    @pytest.mark.parametrize(
        "malformed", ["", "00", f"{CALLER}-1", f"01{CALLER[2:]}-01", f"00-{'0' * 32}-{'b2' * 8}-01"]
    )
    async def test_a_malformed_traceparent_is_ignored(
        self, own_database: PostgresAddress, receiver: Receiver, malformed: str
    ) -> None:
        async with running(traced(own_database, receiver.url)) as client:
            problem = (await client.get("/nope", headers={"traceparent": malformed})).json()

        (span,) = receiver.of(SERVER)
        assert span.parent_id == ""
        assert span.trace_id == problem["trace_id"]
        assert span.trace_id not in {"a1" * 16, "0" * 32}

    async def test_the_caller_s_trace_is_continued(self, own_database: PostgresAddress, receiver: Receiver) -> None:
        async with running(traced(own_database, receiver.url, traces_sampler="parentbased_always_off")) as client:
            problem = (await client.get("/nope", headers={"traceparent": f"{CALLER}-01"})).json()

        (span,) = receiver.of(SERVER)
        assert (span.trace_id, span.parent_id) == ("a1" * 16, "b2" * 8)
        assert problem["trace_id"] == "a1" * 16

    @pytest.mark.parametrize(
        ("sampler", "flags"), [("parentbased_always_on", "00"), ("parentbased_always_off", None), ("always_off", "01")]
    )
    async def test_what_is_not_sampled_has_ids_and_no_span(
        self, own_database: PostgresAddress, receiver: Receiver, sampler: str, flags: str | None
    ) -> None:
        headers = {"traceparent": f"{CALLER}-{flags}"} if flags else {}
        async with running(traced(own_database, receiver.url, traces_sampler=sampler)) as client:
            assert (await client.get(NOTES, headers=headers)).status_code == 200
            answer = await client.get("/nope", headers=headers)

        assert receiver.spans == []
        trace_id = answer.json()["trace_id"]
        assert answer.headers["traceresponse"].startswith(f"00-{trace_id}-")
        assert answer.headers["traceresponse"].endswith("-00")
        assert flags is None or trace_id == "a1" * 16

    async def test_a_share_is_sampled_by_the_trace_id(self, own_database: PostgresAddress, receiver: Receiver) -> None:
        application = traced(
            own_database, receiver.url, traces_sampler="parentbased_traceidratio", traces_sampler_arg=0.5
        )
        async with running(application) as client:
            answers = [await client.get("/nope") for _ in range(40)]

        # The lowest half of the last eight bytes: what every SDK decides for the same id.
        low = {answer.json()["trace_id"] for answer in answers if int(answer.json()["trace_id"][16:], 16) < 2**63}
        assert {span.trace_id for span in receiver.spans} == low
        assert 0 < len(low) < 40


class TestError:
    async def test_it_is_recorded_once_and_without_values(
        self, own_database: PostgresAddress, receiver: Receiver
    ) -> None:
        async with running(failing(traced(own_database, receiver.url))) as client:
            answer = await client.get(f"/api/v1/failing/code/{'x'}{CANARY}", headers={"authorization": CANARY})

        assert answer.status_code == 500
        (span,) = receiver.of(SERVER)
        assert span.status == ERROR
        (event,) = span.events
        assert event["exception.type"] == "RuntimeError"
        assert "fail_in_code" in event["exception.stacktrace"]
        assert "ValueError" in event["exception.stacktrace"]
        # The address is told, and nothing of it elsewhere.
        assert receiver.text.count(CANARY) == 1

    async def test_a_statement_that_fails_tells_what_it_was_without_values(
        self, own_database: PostgresAddress, receiver: Receiver
    ) -> None:
        async with running(failing(traced(own_database, receiver.url))) as client:
            assert (await client.get("/api/v1/failing/statement")).status_code >= 400

        (statement,) = receiver.of(CLIENT)
        assert statement.status == ERROR
        assert statement.attributes["db.query.text"] == "SELECT ?::integer, ? ?"
        assert statement.trace_id == receiver.of(SERVER)[0].trace_id
        assert CANARY not in receiver.text

    # charter 59
    async def test_no_secret_gets_into_a_span_whatever_goes_wrong(
        self, own_database: PostgresAddress, receiver: Receiver
    ) -> None:
        headers = dict.fromkeys(("authorization", "cookie", "x-api-key", "user-agent", "referer"), CANARY)
        async with running(traced(own_database, receiver.url)) as client:
            title = f"{CANARY} taken"
            for _ in range(2):
                await client.post(NOTES, json={"title": title}, headers=headers)
            await client.post(NOTES, json={"title": 1, "password": CANARY}, headers=headers)
            await client.post(NOTES, content=f'{{"{CANARY}', headers=headers | {"content-type": "application/json"})
            await client.get(NOTES, params={"token": CANARY, "title__eq": CANARY, "cursor": CANARY}, headers=headers)
            await client.get(NOTES, params={"title__eq": CANARY}, headers=headers)

        assert len(receiver.of(SERVER)) == 6
        assert {span.attributes["http.response.status_code"] for span in receiver.of(SERVER)} >= {"201", "409", "422"}
        assert any(span.status == ERROR for span in receiver.of(CLIENT))
        assert CANARY not in receiver.text


class TestDelivery:
    async def test_over_http(self, own_database: PostgresAddress) -> None:
        with http_receiver() as receiver:
            application = traced(
                own_database,
                receiver.url,
                exporter_otlp_protocol="http/protobuf",
                exporter_otlp_headers=f"X-Token={CANARY}%20two",
                exporter_otlp_compression="gzip",
                resource_attributes="team=red, place=a%2Cb",
            )
            async with running(application) as client:
                await client.get("/nope")

        (span,) = receiver.of(SERVER)
        assert (receiver.headers[0]["path"], receiver.headers[0]["x-token"]) == ("/v1/traces", f"{CANARY} two")
        assert (span.resource["team"], span.resource["place"]) == ("red", "a,b")

    async def test_over_grpc_with_headers(self, own_database: PostgresAddress, receiver: Receiver) -> None:
        async with running(traced(own_database, receiver.url, exporter_otlp_headers="X-Token=t,B=c")) as client:
            await client.get("/nope")

        assert (receiver.headers[0]["x-token"], receiver.headers[0]["b"]) == ("t", "c")

    async def test_two_applications_send_to_their_own(self, own_database: PostgresAddress, receiver: Receiver) -> None:
        before = trace.get_tracer_provider()
        with grpc_receiver() as second:
            one, two = traced(own_database, receiver.url, service_name="one"), traced(own_database, second.url)
            async with running(one) as first_client, running(two) as second_client:
                await first_client.get(NOTES)
                await second_client.get(NOTES)

        assert Counter(span.name for span in receiver.spans) == Counter(span.name for span in second.spans)
        assert len(receiver.of(SERVER)) == 1
        assert {span.resource["service.name"] for span in receiver.spans} == {"one"}
        assert {span.resource["service.name"] for span in second.spans} == {"trellis"}
        assert trace.get_tracer_provider() is before

    async def test_an_application_that_is_started_again_sends_again(
        self, own_database: PostgresAddress, receiver: Receiver
    ) -> None:
        application = traced(own_database, receiver.url)
        for _ in range(2):
            async with running(application) as client:
                await client.get("/nope")

        assert servers(receiver) == ["GET", "GET"]


class TestLinks:
    async def test_problems_and_the_page_link_to_the_trace(
        self, own_database: PostgresAddress, receiver: Receiver
    ) -> None:
        application = traced(own_database, receiver.url, trace_url="http://ui.test/trace/{trace_id}")
        async with running(application) as client:
            problem = (await client.get("/nope")).json()
            page = await client.get("/")

        assert problem["trace_url"] == f"http://ui.test/trace/{problem['trace_id']}"
        assert f"http://ui.test/trace/{page.headers['traceresponse'].split('-')[1]}" in page.text

    async def test_there_is_none_where_nothing_is_traced(self, client: httpx2.AsyncClient) -> None:
        assert "trace_url" not in (await client.get("/nope")).json()


# What FastAPI itself loads is OpenTelemetry's interface, without anything behind it.
LOADED = """
import asyncio, json, sys
from app.core.settings import load_settings
from app.main import create_app

async def main():
    application = create_app()
    async with application.router.lifespan_context(application):
        pass

asyncio.run(main())
heavy = ("opentelemetry.sdk", "opentelemetry.instrumentation", "opentelemetry.exporter", "grpc", "app.core.telemetry")
print(json.dumps([name for name in sys.modules if name.startswith(heavy)]))
"""


def test_where_it_is_off_nothing_of_it_is_loaded(worker_database: PostgresAddress) -> None:
    assert loaded(worker_database, {}) == []
    assert "opentelemetry.sdk.trace" in loaded(worker_database, {"OTEL_ENABLED": "true"})


def loaded(address: PostgresAddress, environ: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=ROOT, env=environment(address) | environ, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    names: list[str] = json.loads(done.stdout)
    return names
