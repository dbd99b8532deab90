"""What a developer's first command does, and what it leaves behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import psutil
import pytest

from app.core.settings import PostgresAddress
from app.db.migrations.history import History
from tests.support.server import ROOT, answers, environment, free_port
from tests.support.waiting import eventually

Environ = Mapping[str, str]

SHOPPING = {"title": "Shopping"}

# What makes the sample one of a clone's modules.
MANIFEST = """from tests.sample.note import module

__all__ = ["module"]
"""
MIGRATION = """from alembic import op
from tests.sample.note.models import Note

revision: str = "create_sample_notes"
down_revision: str | None = {head!r}


def upgrade() -> None:
    Note.__table__.create(op.get_bind())
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of its own, under a path with a space in it; what is compiled comes along, to start sooner."""
    clone = tmp_path / "my clone"
    clone.mkdir()
    for name in ("app", "alembic", "templates", "static"):
        shutil.copytree(ROOT / name, clone / name)
    shutil.copy(ROOT / "alembic.ini", clone)
    return clone


@pytest.fixture
def clone_with_notes(clone: Path) -> Path:
    """The clone with the sample among its modules: something to store, and to look for afterwards."""
    shutil.copytree(ROOT / "tests" / "sample", clone / "tests" / "sample")
    (clone / "app" / "modules" / "sample_note").mkdir()
    (clone / "app" / "modules" / "sample_note" / "__init__.py").write_text(MANIFEST)
    (clone / "alembic" / "versions" / "create_sample_notes.py").write_text(MIGRATION.format(head=History().head))
    return clone


class Dev:
    """`python -m app dev` in a clone."""

    def __init__(
        self, clone: Path, port: int, starter: Sequence[str], options: Sequence[str], environ: Environ
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.output = clone / "output.log"
        self._clone = clone
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*starter, sys.executable, "-m", "app", "dev", "--port", str(port), *options],
                cwd=clone,
                env={**environ, "APP_ENV": "local", "PYTHONPATH": str(clone)},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        eventually(lambda: answers(f"{self.url}/health/ready") or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.output.read_text()

    def processes(self) -> list[psutil.Process]:
        """Everything that runs in or for the clone."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if str(self._clone) in " ".join([process.cwd(), *process.cmdline()]):
                    found.append(process)
        return found

    def wait_until_gone(self, seconds: float) -> None:
        # A process that ended counts until its parent, here the test, has asked how.
        eventually(lambda: self.process.poll() is not None and not self.processes(), seconds)


@contextmanager
def dev(
    clone: Path,
    port: int | None = None,
    starter: Sequence[str] = (),
    options: Sequence[str] = (),
    environ: Environ | None = None,
) -> Iterator[Dev]:
    running = Dev(clone, port or free_port(), starter, options, environ or environment(None))
    try:
        yield running
    finally:
        for process in running.processes():
            with suppress(psutil.Error):
                process.kill()
        running.process.wait(10)


def test_it_serves_and_ctrl_c_stops_all_and_the_data_stays(clone_with_notes: Path) -> None:
    with dev(clone_with_notes) as first:
        first.wait_until_ready()
        said = first.output.read_text()
        for promised in (f"page      {first.url}/", f"docs      {first.url}/docs", "database  ", "stop      Ctrl-C"):
            assert promised in said
        assert httpx2.post(f"{first.url}/api/v1/sample-notes", json=SHOPPING).status_code == 201
        assert len(first.processes()) >= 3

        os.killpg(first.process.pid, signal.SIGINT)  # as a terminal does
        first.wait_until_gone(15)
        assert "Traceback" not in (said := first.output.read_text()), said

    with dev(clone_with_notes) as second:
        second.wait_until_ready()
        (note,) = httpx2.get(f"{second.url}/api/v1/sample-notes").json()["items"]
        assert note["title"] == SHOPPING["title"]


def test_it_ends_with_the_make_that_started_it(clone: Path) -> None:
    # As a shell starts a background job: with Ctrl-C ignored.
    starter = (
        "import signal, subprocess, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); subprocess.run(sys.argv[1:])"
    )
    with dev(clone, starter=[sys.executable, "-c", starter], options=["--stop-with-parent"]) as started:
        started.wait_until_ready()
        started.process.kill()
        started.wait_until_gone(10)


def test_killed_it_leaves_nothing_behind(clone: Path) -> None:
    with dev(clone) as killed:
        killed.wait_until_ready()
        killed.process.kill()
        killed.wait_until_gone(5)


def test_a_configured_database_is_used_and_none_started(clone: Path, own_database: PostgresAddress) -> None:
    with dev(clone, environ=environment(own_database)) as running:
        running.wait_until_ready()
        assert f"database  {own_database}" in running.output.read_text()
        assert not [process for process in running.processes() if "postgres" in process.name()]
        assert not (clone / ".local" / "postgres").exists()


def test_a_changed_file_is_served_without_a_restart(clone: Path) -> None:
    with dev(clone) as running:
        running.wait_until_ready()
        (clone / "app" / "__init__.py").write_text('__version__ = "9.9.9"\n')
        eventually(lambda: "9.9.9" in page(running.url), 20)


def page(url: str) -> str:
    try:
        return httpx2.get(url, timeout=5).text
    except httpx2.HTTPError:
        return ""


def test_two_clones_run_side_by_side(clone_with_notes: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(clone_with_notes, other)
    with dev(clone_with_notes) as one, dev(other) as two:
        one.wait_until_ready()
        two.wait_until_ready()
        assert httpx2.post(f"{one.url}/api/v1/sample-notes", json=SHOPPING).status_code == 201
        assert httpx2.get(f"{two.url}/api/v1/sample-notes").json()["items"] == []


def refusal(clone: Path, port: int) -> str:
    """What it says when it does not start."""
    with dev(clone, port) as refused:
        assert refused.process.wait(30) == 1
        said = refused.output.read_text()
        refused.wait_until_gone(5)
    assert "Traceback" not in said
    return said


def test_a_port_in_use_is_said_with_the_way_out(clone: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port} cannot be used" in refusal(clone, port)
        assert f"make dev PORT={port + 1}" in refusal(clone, port)


def test_a_broken_dotenv_is_said_with_its_line(clone: Path) -> None:
    (clone / ".env").write_text("POSTGRES_POOL_SIZE=many\nthis is no assignment\n")

    said = refusal(clone, free_port())

    assert ".env" in said
    assert "POSTGRES_POOL_SIZE" in said
    assert "many" not in said


def test_a_stale_data_directory_is_said_with_the_way_out(clone: Path) -> None:
    data = clone / ".local" / "postgres" / "data"
    data.mkdir(parents=True, mode=0o700)
    (data / "PG_VERSION").write_text("12\n")
    (data / "postgresql.conf").touch()

    said = refusal(clone, free_port())

    assert "12" in said
    assert "move" in said


def test_a_broken_module_is_said_with_its_name(clone: Path) -> None:
    (clone / "app" / "modules" / "invoice").mkdir()
    (clone / "app" / "modules" / "invoice" / "__init__.py").write_text("import nothing_of_this_name\n")

    said = refusal(clone, free_port())

    assert "app/modules/invoice" in said
    assert "nothing_of_this_name" in said
