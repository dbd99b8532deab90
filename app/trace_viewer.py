"""What shows traces on a developer's machine: collector and Jaeger in containers, or a Jaeger of the machine."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from app.core.settings import OtelSettings
from app.core.startup import StartupRefused

PAGE: Final = "http://127.0.0.1:16686"

_ROOT: Final = Path(__file__).resolve().parent.parent
_COMPOSE: Final = ("docker", "compose", "--profile", "observability")
_SERVICES: Final = ("otel-collector", "jaeger")
_LOG: Final = _ROOT / ".local" / "jaeger.log"
_LONGEST_START: Final = 20.0  # seconds


@contextmanager
def running(settings: OtelSettings) -> Iterator[None]:
    """Something that takes traces where `settings` send them, as long as the block runs; one that is there is used.

    Raises:
        StartupRefused: there is nothing that could be started, or it does not start.
    """
    if _listens(settings):
        yield
    elif _compose_answers():
        subprocess.run((*_COMPOSE, "up", "--detach", *_SERVICES), cwd=_ROOT, check=True)  # noqa: S603
        try:
            yield
        finally:
            subprocess.run((*_COMPOSE, "stop", *_SERVICES), cwd=_ROOT, check=False)  # noqa: S603
    elif program := shutil.which("jaeger"):
        with _jaeger(program, settings):
            yield
    else:
        raise StartupRefused(
            "Traces need Docker with Compose, or Jaeger: start the Docker engine, "
            "or put the program `jaeger` (https://www.jaegertracing.io/download) on the PATH."
        )


@contextmanager
def _jaeger(program: str, settings: OtelSettings) -> Iterator[None]:
    _LOG.parent.mkdir(exist_ok=True)
    with _LOG.open("wb") as log:
        # A session of its own: Ctrl-C is for the server, whose last spans it still takes.
        process = subprocess.Popen([program], stdout=log, stderr=log, start_new_session=True)  # noqa: S603
        try:
            deadline = time.monotonic() + _LONGEST_START
            while not _listens(settings):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise StartupRefused(f"Jaeger does not take traces. Its output: {_LOG.relative_to(_ROOT)}")
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait()


def _listens(settings: OtelSettings) -> bool:
    address = urlsplit(settings.endpoint)
    try:
        socket.create_connection((address.hostname or "", address.port or 80), timeout=1).close()
    except OSError:
        return False
    return True


def _compose_answers() -> bool:
    try:
        # It asks the engine, where `docker compose version` does not.
        done = subprocess.run((*_COMPOSE, "ps"), cwd=_ROOT, capture_output=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
