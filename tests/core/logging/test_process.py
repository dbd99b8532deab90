"""The logs of a process that serves."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx2

from app.core.settings import PostgresAddress
from tests.support.logs import lines_in
from tests.support.server import ROOT, environment, server_process
from tests.support.waiting import eventually

NOWHERE = PostgresAddress("127.0.0.1", 1, "nobody", None, "none")


def test_the_level_changes_while_it_runs_and_the_end_loses_nothing(tmp_path: Path) -> None:
    stated = tmp_path / "secrets" / "LOG_LEVEL"
    stated.parent.mkdir()
    stated.write_text("WARNING")
    folder = tmp_path / "logs"
    environ = {"SECRETS_DIR": str(stated.parent), "LOG_DIR": str(folder), "LOG_FORMAT": "json"}
    with server_process(NOWHERE, tmp_path / "output", environ=environ) as server:
        httpx2.get(f"{server.url}/quiet")
        stated.write_text("DEBUG")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: "log_level_changed" in (folder / "app.log").read_text())
        stated.write_text("loud")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: "log_level_kept" in (folder / "app.log").read_text())
        httpx2.get(f"{server.url}/told")
        httpx2.get(f"{server.url}/health/live")

    lines = lines_in(folder)
    assert [line["path"] for line in lines if line["event"] == "request"] == ["/told", "/health/live"]
    (changed,) = [line for line in lines if line["event"] == "log_level_changed"]
    assert (changed["before"], changed["now"]) == ("WARNING", "DEBUG")
    assert lines[-1]["event"].startswith("Finished server process")
    shown = (tmp_path / "output").read_text().splitlines()
    assert [json.loads(line) for line in shown[-len(lines) :]] == lines


FULL = """
import asyncio, logging, resource, sys
from pathlib import Path
from app.core.settings import AppSettings, Environment, LogSettings, PostgresSettings, Settings
from app.main import create_app
from tests.support.server import running
from tests.support.waiting import eventually

folder, stream = map(Path, sys.argv[1:])
logging.getLogger("httpx2").setLevel(logging.WARNING)

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def main():
    log = LogSettings(level="INFO", format="json", dir=folder)
    database = PostgresSettings(host="127.0.0.1", port=1)
    async with running(create_app(Settings(app=AppSettings(env=Environment.TEST), log=log, postgres=database))) as client:
        limit(5000)
        for number in range(100):
            assert (await client.get(f"/full/{number}")).status_code == 404
        # The terminal has room, and gets each line after the files.
        eventually(lambda: "/full/99" in stream.read_text())
        limit(resource.RLIM_INFINITY)
        for number in range(10):
            assert (await client.get(f"/fine/{number}")).status_code == 404

asyncio.run(main())
"""


# charter 84
def test_requests_succeed_while_the_disk_is_full_and_what_was_lost_is_told(tmp_path: Path) -> None:
    reader, end = os.pipe()
    stream = tmp_path / "stream"
    process = subprocess.Popen(
        [sys.executable, "-c", FULL, str(tmp_path / "logs"), str(stream)],
        cwd=ROOT, env=environment(None), stderr=end,
    )  # fmt: skip
    os.close(end)
    with os.fdopen(reader, "rb", buffering=0) as said, stream.open("wb", buffering=0) as kept:
        while part := said.read(65_536):
            kept.write(part)
    assert process.wait(30) == 0, stream.read_text()

    lines = lines_in(tmp_path / "logs")
    requests = [line["path"] for line in lines if line["event"] == "request"]
    (told,) = [line for line in lines if line["event"] == "log_lines_lost"]
    assert told["count"] > 0
    assert len(requests) + told["count"] == 110
    assert requests[0] == "/full/0"
    assert requests[-10:] == [f"/fine/{number}" for number in range(10)]
