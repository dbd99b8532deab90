"""A collector that is absent, hangs or refuses costs spans, and nothing else (charter 83)."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.core.settings import PostgresAddress
from tests.core.telemetry.traced import traced
from tests.support.server import free_port, running, server_process
from tests.support.waiting import eventually, until


@contextmanager
def absent() -> Iterator[str]:
    yield f"http://127.0.0.1:{free_port()}"


@contextmanager
def hung() -> Iterator[str]:
    """Takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def refusing() -> Iterator[str]:
    """Answers 503 to everything, late."""
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            released.wait(1)
            self.send_response(503)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the signature is the library's
            pass

    with served(Handler) as url:
        yield url
        released.set()


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


# charter 83
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("collector", [absent, hung, refusing])
async def test_requests_go_on_and_the_end_comes_in_time(
    own_database: PostgresAddress, collector: Callable[[], AbstractContextManager[str]], protocol: str
) -> None:
    with collector() as url:
        application = traced(
            own_database,
            url,
            exporter_otlp_protocol=protocol,
            bsp_max_queue_size=20,
            bsp_max_export_batch_size=10,
            stop_seconds=0.5,
        )
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(running(application))
            with structlog.testing.capture_logs() as lines:
                for _ in range(50):
                    assert (await client.get("/nope")).status_code == 404
                stopping = time.monotonic()
                await stack.aclose()

    assert time.monotonic() - stopping < 3
    (told,) = [line for line in lines if line["event"] == "traces_lost"]
    assert told["spans"] == 50


async def test_what_finds_the_queue_full_is_dropped(own_database: PostgresAddress) -> None:
    arrived: list[int] = []
    answering = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            request = ExportTraceServiceRequest.FromString(body)
            arrived.extend(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)
            answering.wait(30)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the signature is the library's
            pass

    with served(Handler) as url:
        protocol = "http/protobuf"
        application = traced(
            own_database, url, exporter_otlp_protocol=protocol, bsp_max_queue_size=20, bsp_max_export_batch_size=10
        )
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(running(application))
            with structlog.testing.capture_logs() as lines:
                for _ in range(50):
                    await client.get("/nope")
                answering.set()
                await stack.aclose()

    (told,) = [line for line in lines if line["event"] == "traces_lost"]
    assert (sum(arrived), told["spans"]) == (20, 30)


async def test_the_loop_is_not_held_up_by_a_collector_that_hangs(own_database: PostgresAddress) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    with hung() as url:
        application = traced(own_database, url, stop_seconds=0.5)
        async with running(application) as client:
            await client.get("/nope")
            watching = asyncio.create_task(watch())
        watching.cancel()

    assert 0 < longest < 0.3


@contextmanager
def moody(accepting: threading.Event) -> Iterator[str]:
    """Refuses for good until it is `accepting`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200 if accepting.is_set() else 400)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the signature is the library's
            pass

    with served(Handler) as url:
        yield url


async def test_what_was_lost_is_told_when_sending_works_again(own_database: PostgresAddress) -> None:
    accepting = threading.Event()
    with moody(accepting) as url:
        async with running(traced(own_database, url, exporter_otlp_protocol="http/protobuf")) as client:
            with structlog.testing.capture_logs() as lines:

                async def told(event: str) -> bool:
                    return event in [line["event"] for line in lines]

                await client.get("/nope")
                await until(partial(told, "traces_not_delivered"), 5)
                accepting.set()
                await client.get("/nope")
                await until(partial(told, "traces_delivered_again"), 5)

    (again,) = [line for line in lines if line["event"] == "traces_delivered_again"]
    assert again["spans_lost"] == 1


def test_no_thread_is_left_behind(own_database: PostgresAddress) -> None:
    async def serve(url: str) -> None:
        async with running(traced(own_database, url, stop_seconds=0.2)) as client:
            await client.get("/nope")

    with hung() as url:
        before = set(threading.enumerate())
        asyncio.run(serve(url))

        eventually(lambda: not [thread for thread in set(threading.enumerate()) - before if "Otel" in thread.name])


# charter 83
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_process_ends_in_time_although_its_collector_hangs(
    worker_database: PostgresAddress, tmp_path: Path, protocol: str
) -> None:
    with hung() as url:
        environ = {
            "OTEL_ENABLED": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_BSP_SCHEDULE_DELAY": "10",
        }
        with server_process(worker_database, tmp_path / "server.log", environ=environ) as server:
            assert httpx2.get(f"{server.url}/nope").status_code == 404
            server.process.terminate()
            server.process.wait(5)

    assert "traces_lost" in server.log.read_text()
