"""The application with its lifespan: in this process, or in one of its own behind a real socket."""

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from fastapi import FastAPI

from app.core.settings import PostgresAddress
from tests.support.queries import watched
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
_OWN = ("APP_", "POSTGRES_", "LOG_", "OTEL_", "DATABASE_URL", "TEST_DATABASE_URL", "SECRETS_DIR")
# Measuring the coverage of a child doubles the time that it takes to start.
_MEASURING = "COVERAGE_"


@asynccontextmanager
async def running(application: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of `application`, whose lifespan spans the block."""
    async with (
        application.router.lifespan_context(application),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(watched(application)), base_url="http://test") as client,
    ):
        yield client


@dataclass(frozen=True, slots=True)
class ServerProcess:
    process: subprocess.Popen[bytes]
    url: str
    log: Path


@contextmanager
def server_process(
    address: PostgresAddress,
    log: Path,
    *,
    factory: str = "app.main:create_app",
    environ: Mapping[str, str] | None = None,
    folder: Path = ROOT,
) -> Iterator[ServerProcess]:
    """A server of its own process on a free port of the loopback address, ended with the block.

    `folder` is the repository whose code it runs.
    """
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", factory, "--port", str(port), "--no-access-log"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(address) | {"PYTHONPATH": str(folder)} | dict(environ or {}),
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: answers(f"{url}/health/live") or process.poll() is not None, 30)
        assert process.poll() is None, log.read_text()
        yield ServerProcess(process, url, log)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


def environment(address: PostgresAddress | None, *, measured: bool = False) -> dict[str, str]:
    """The environment of a child process: this one's, without its settings, in the test environment.

    A child is not `measured` where other tests cover what it does.
    """
    left_out = _OWN if measured else (*_OWN, _MEASURING)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    kept |= {"APP_ENV": "test", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}
    if address is not None:
        kept |= {
            "POSTGRES_HOST": address.host,
            "POSTGRES_PORT": str(address.port),
            "POSTGRES_USER": address.user,
            "POSTGRES_DB": address.database,
        }
        if address.password is not None:
            kept["POSTGRES_PASSWORD"] = address.password.get_secret_value()
    return kept


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).is_success
    except httpx2.HTTPError:
        return False


def listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
