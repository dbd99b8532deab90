"""What shows traces on a developer's machine."""

import socket
import sys
from contextlib import closing
from pathlib import Path

import pytest

from app import trace_viewer
from app.core.settings import OtelSettings
from app.core.startup import StartupRefused
from tests.support.server import free_port, listens

# Stands for a program that takes OTLP on a port of its own.
LISTENER = """#!{python}
import signal, socket
listener = socket.create_server(("127.0.0.1", {port}))
signal.pause()
"""


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def settings(port: int) -> OtelSettings:
    return OtelSettings(exporter_otlp_endpoint=f"http://127.0.0.1:{port}")


def test_a_jaeger_on_the_path_runs_as_long_as_it_is_needed(path: Path, port: int, settings: OtelSettings) -> None:
    program(path, "jaeger", LISTENER.format(python=sys.executable, port=port))

    with trace_viewer.running(settings):
        assert listens("127.0.0.1", port)
    assert not listens("127.0.0.1", port)


def test_what_is_missing_is_said(path: Path, settings: OtelSettings) -> None:
    with pytest.raises(StartupRefused, match=r"Docker.*jaeger"), trace_viewer.running(settings):
        pass


def test_a_docker_without_an_engine_is_passed_over(path: Path, port: int, settings: OtelSettings) -> None:
    program(path, "docker", "#!/bin/sh\nexit 1\n")
    program(path, "jaeger", LISTENER.format(python=sys.executable, port=port))

    with trace_viewer.running(settings):
        assert listens("127.0.0.1", port)


def test_containers_are_started_and_stopped_where_an_engine_answers(path: Path, settings: OtelSettings) -> None:
    program(path, "docker", f'#!/bin/sh\necho "$@" >> {path}/calls\n')

    with trace_viewer.running(settings):
        pass

    services = "otel-collector jaeger"
    assert (path / "calls").read_text().splitlines()[1:] == [
        f"compose --profile observability up --detach {services}",
        f"compose --profile observability stop {services}",
    ]


def test_one_that_runs_already_is_used(path: Path, port: int, settings: OtelSettings) -> None:
    with closing(socket.create_server(("127.0.0.1", port))), trace_viewer.running(settings):
        pass


def test_a_jaeger_that_ends_at_once_is_told(path: Path, settings: OtelSettings) -> None:
    program(path, "jaeger", "#!/bin/sh\nexit 1\n")

    with pytest.raises(StartupRefused, match=r"jaeger\.log"), trace_viewer.running(settings):
        pass
