"""The real collector with its configuration in this repository, and the real Jaeger behind it."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import httpx2
import pytest
from pydantic import BaseModel, Field

from app.core.settings import PostgresAddress
from tests.support.server import ROOT, environment, free_port, listens, server_process
from tests.support.waiting import eventually

MISSING: Final = [program for program in ("otelcol", "jaeger") if shutil.which(program) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not on the PATH: {', '.join(MISSING)}")

NOTE: Final = {"title": "Shopping"}


class Tag(BaseModel):
    key: str
    value: object


class Reference(BaseModel):
    span_id: str = Field(alias="spanID")


class Span(BaseModel):
    span_id: str = Field(alias="spanID")
    name: str = Field(alias="operationName")
    references: list[Reference]
    tags: list[Tag]

    def tag(self, key: str) -> object:
        return next((tag.value for tag in self.tags if tag.key == key), None)


class Trace(BaseModel):
    spans: list[Span]


class Traces(BaseModel):
    """What Jaeger answers; it says `null` for none."""

    data: list[Trace] | None


@contextmanager
def program(command: Sequence[str], log: Path, port: int, environ: dict[str, str]) -> Iterator[None]:
    """`command`, from when it listens on `port` to the end of the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=os.environ | environ, stdout=output, stderr=output)
    try:
        eventually(lambda: listens("127.0.0.1", port) or process.poll() is not None, 30)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(15)


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Where the collector takes OTLP over gRPC, and where Jaeger answers."""
    ports = iter([free_port() for _ in range(8)])
    intake, page, collector = next(ports), next(ports), next(ports)
    quiet = "--set=service.telemetry.metrics.level=none"
    jaeger = [
        "jaeger",
        f"--set=receivers.otlp.protocols.grpc.endpoint=127.0.0.1:{intake}",
        f"--set=receivers.otlp.protocols.http.endpoint=127.0.0.1:{next(ports)}",
        f"--set=extensions.jaeger_query.http.endpoint=127.0.0.1:{page}",
        f"--set=extensions.jaeger_query.grpc.endpoint=127.0.0.1:{next(ports)}",
        quiet,
    ]
    otelcol = [
        "otelcol",
        f"--config={ROOT / 'otel-collector.yaml'}",
        f"--set=receivers.otlp.protocols.grpc.endpoint=127.0.0.1:{collector}",
        f"--set=receivers.otlp.protocols.http.endpoint=127.0.0.1:{next(ports)}",
        quiet,
    ]
    to_jaeger = {"JAEGER_ENDPOINT": f"127.0.0.1:{intake}"}
    with ExitStack() as stack:
        stack.enter_context(program(jaeger, tmp_path / "jaeger.log", page, {}))
        stack.enter_context(program(otelcol, tmp_path / "otelcol.log", collector, to_jaeger))
        yield f"http://127.0.0.1:{collector}", f"http://127.0.0.1:{page}"


def test_a_failing_request_is_found_with_its_statements_and_its_error(
    viewer: tuple[str, str], own_database: PostgresAddress, tmp_path: Path
) -> None:
    collector, page = viewer
    log = tmp_path / "server.log"
    environ = {
        "OTEL_ENABLED": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_TRACE_URL": f"{page}/trace/{{trace_id}}",
        "LOG_FORMAT": "json",
    }
    factory = "tests.sample.application:create_app"
    with server_process(own_database, log, factory=factory, environ=environ) as server:
        notes = f"{server.url}/api/v1/sample-notes"
        assert httpx2.post(notes, json=NOTE).status_code == 201
        problem = httpx2.post(notes, json=NOTE).json()
        trace_id = problem["trace_id"]
        eventually(lambda: spans_of(page, trace_id), 15)

    spans = spans_of(page, trace_id)
    request = next(span for span in spans if not span.references)
    assert request.name == "POST /api/v1/sample-notes"
    assert request.tag("http.response.status_code") == 409
    statements = [span for span in spans if span is not request]
    assert [statement.name for statement in statements] == ["INSERT"]
    assert all(reference.span_id == request.span_id for span in statements for reference in span.references)
    assert statements[0].tag("error") is True
    assert "INSERT INTO sample_notes" in str(statements[0].tag("db.query.text"))
    assert problem["trace_url"] == f"{page}/trace/{trace_id}"
    # The same id in the log: from any of the three to the other two.
    assert f'"trace_id":"{trace_id}"' in log.read_text()


def spans_of(page: str, trace_id: str) -> list[Span]:
    response = httpx2.get(f"{page}/api/traces/{trace_id}")
    if response.status_code == 404:
        return []
    return [span for trace in Traces.model_validate_json(response.content).data or [] for span in trace.spans]


def test_the_collector_accepts_its_configuration() -> None:
    done = subprocess.run(
        ["otelcol", "validate", f"--config={ROOT / 'otel-collector.yaml'}"],
        env=environment(None), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
