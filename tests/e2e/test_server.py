"""The server process on its socket."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest

from app.core.settings import PostgresAddress
from tests.support.server import ROOT, ServerProcess, answers, environment, free_port, server_process
from tests.support.waiting import eventually

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def running_server(
    worker_database: PostgresAddress, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    log = tmp_path_factory.mktemp("server") / "server.log"
    with server_process(worker_database, log, factory="tests.sample.application:create_app") as server:
        yield server


def exchange(server: ServerProcess, *parts: bytes) -> bytes:
    """Sends `parts` over one connection and returns all that comes back until the server closes it."""
    address = urlsplit(server.url)
    assert address.hostname
    with closing(socket.create_connection((address.hostname, address.port or 80), timeout=10)) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has heard enough
        received = b""
        try:
            while data := connection.recv(65536):
                received += data
        except ConnectionResetError:
            pass
        return received


HEAD = b"POST /api/v1/sample-notes HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nConnection: close\r\n"


# charter 7
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_takes_no_memory(running_server: ServerProcess, declared: bool) -> None:
    exchange(running_server, HEAD, b"Content-Length: 2\r\n\r\n{}")
    process = psutil.Process(running_server.process.pid)
    before = process.memory_info().rss
    chunk = b" " * 65536
    if declared:
        answer = exchange(running_server, HEAD, b"Content-Length: %d\r\n\r\n" % (100 * MIB), *[chunk] * 1600)
    else:
        framed = b"10000\r\n" + chunk + b"\r\n"
        answer = exchange(running_server, HEAD, b"Transfer-Encoding: chunked\r\n\r\n", *[framed] * 1600)

    # What was sent into the closed connection may have reset it before the answer was read.
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
    assert process.memory_info().rss - before < 2 * MIB
    assert answers(f"{running_server.url}/health/live")


# charter 1
def test_nul_in_a_header_is_refused_by_the_server_itself(running_server: ServerProcess) -> None:
    assert exchange(running_server, HEAD, b"X-Any: a\0b\r\nContent-Length: 2\r\n\r\n{}").startswith(b"HTTP/1.1 400 ")


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error(running_server: ServerProcess) -> None:
    address = urlsplit(running_server.url)
    assert address.hostname
    with closing(socket.create_connection((address.hostname, address.port or 80), timeout=10)) as connection:
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")

    eventually(lambda: "status=499" in running_server.log.read_text(), 5)
    assert "unhandled_error" not in running_server.log.read_text()


# charter 5
def test_a_deep_body_costs_others_nothing(running_server: ServerProcess) -> None:
    headers = {"content-type": "application/json"}
    response = httpx2.post(f"{running_server.url}/api/v1/sample-notes", content=b"[" * 200_000, headers=headers)

    assert response.status_code == 400
    assert response.elapsed.total_seconds() < 0.1


class TestServe:
    """`python -m app serve`, as in production."""

    def test_it_says_that_it_is_not_ready_before_it_stops(self, own_database: PostgresAddress, tmp_path: Path) -> None:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        environ = environment(own_database, measured=True) | {"APP_DRAIN_SECONDS": "1", "LOG_FORMAT": "json"}
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "app", "serve", "--migrate", "--port", str(port)],
                cwd=ROOT, env=environ, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            eventually(lambda: answers(f"{url}/health/ready"), 30)
            process.send_signal(signal.SIGTERM)
            eventually(lambda: httpx2.get(f"{url}/health/ready").status_code == 503, 5)
            assert httpx2.get(f"{url}/health/ready").json()["status"] == "draining"
            assert httpx2.get(f"{url}/").status_code == 200
            assert process.wait(15) == 0
        finally:
            process.kill()
        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
        assert any(line["event"] == "request" and line["path"] == "/" for line in lines)

    def test_it_can_be_stopped_while_it_waits_to_migrate(self, own_database: PostgresAddress) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            environ = environment(own_database) | {
                "POSTGRES_PORT": str(silent.getsockname()[1]),
                "POSTGRES_HOST": "127.0.0.1",
                "POSTGRES_CONNECT_TIMEOUT": "60",
            }
            process = subprocess.Popen(
                [sys.executable, "-m", "app", "serve", "--migrate"],
                cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                silent.settimeout(30)
                connection, _ = silent.accept()
                with connection:
                    process.send_signal(signal.SIGTERM)
                    assert process.wait(5) == 0
            finally:
                process.kill()
