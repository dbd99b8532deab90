"""Importing the application does nothing but define it."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.server import ROOT, environment

# Runs in a process of its own: notes what is opened, by whom, and which of our lines ask for the environment.
WATCH = """
import json, os, sys
seen = {"files": [], "sockets": [], "environment": []}

class Watched(type(os.environ)):
    def __getitem__(self, name):
        frame = sys._getframe(1)
        while "/os.py" in frame.f_code.co_filename or "_collections_abc" in frame.f_code.co_filename:
            frame = frame.f_back
        if frame.f_code.co_filename.startswith(ROOT + "/app/"):
            seen["environment"].append(name)
        return super().__getitem__(name)

ROOT = sys.argv[1]
os.environ.__class__ = Watched

def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        seen["files"].append(os.fsdecode(arguments[0]))
    elif event.startswith("socket."):
        seen["sockets"].append(event)

sys.addaudithook(hook)
import app.main
print(json.dumps(seen))
"""


def watch(code: str) -> dict[str, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)],
        cwd=ROOT, env=environment(None), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    seen: dict[str, list[str]] = json.loads(done.stdout)
    return seen


def outside(files: list[str]) -> list[str]:
    """What belongs neither to the application nor to Python and its libraries."""
    known = (ROOT / "app", Path(sys.prefix), Path(sys.base_prefix))
    return [file for file in files if not any(Path(file).is_relative_to(folder) for folder in known)]


def test_it_opens_nothing() -> None:
    seen = watch(WATCH)

    # psutil asks the kernel for its clock's resolution, whoever imports it.
    assert [file for file in outside(seen["files"]) if not file.startswith("/proc/")] == []
    assert seen["sockets"] == []
    assert seen["environment"] == []


def test_the_watch_sees_what_it_looks_for() -> None:
    seen = watch(
        WATCH.replace(
            "import app.main",
            "exec(compile(\"import os, socket; os.environ.get('HOME'); socket.socket(); open('/dev/null')\", "
            "ROOT + '/app/__init__.py', 'exec'))",
        )
    )

    assert outside(seen["files"]) == ["/dev/null"]
    assert seen["sockets"] == ["socket.__new__"]
    assert seen["environment"] == ["HOME"]
