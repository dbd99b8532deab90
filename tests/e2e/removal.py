"""The removal drill: modules are deleted in a copy of the repository, and the rest has to start and to pass.

`python -m tests.e2e.removal` has the copies pass everything that the repository passes, once without each module and
once without any, which takes minutes for each. `test_removal.py` asks what is quick.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import httpx2

import app.modules
from app.canvas import collect
from app.core.module import discover
from app.core.settings import PostgresAddress
from tests.support.copies import Copy
from tests.support.server import server_process

LINT: Final = "from importlinter.cli import lint_imports_command; lint_imports_command()"
# What sees the modules as a whole, in a few seconds.
QUICK: Final = (
    "tests/modules",
    "tests/core/test_main.py",
    "tests/core/test_module.py",
    "tests/core/http/test_openapi.py",
    "tests/core/http/test_root_page.py",
    "tests/architecture/test_house.py",
    "tests/architecture/test_modules.py",
    "tests/architecture/test_routes.py",
)


class Remains:
    """What is left of the platform in `copy`, of which modules were or will be removed."""

    def __init__(self, copy: Copy, address: PostgresAddress, server_url: str) -> None:
        self._copy = copy
        self._address = address
        self._server_url = server_url

    def assert_works(self, without: Iterable[str]) -> None:
        """It keeps the rules, passes the tests that are quick, and serves nothing of the modules that it is `without`.

        Raises:
            AssertionError: it does not; the message is what the command said.
        """
        self._run("-c", LINT)
        self._run("-m", "app", "check")
        tests = [path for path in QUICK if (self._copy.folder / path).exists()]
        self._run("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, TEST_DATABASE_URL=self._server_url)
        self._run("-m", "app", "migrate")
        self._assert_serves(without)

    def _assert_serves(self, without: Iterable[str]) -> None:
        log = self._copy.folder / ".local" / "server.log"
        log.parent.mkdir(exist_ok=True)
        with server_process(self._address, log, folder=self._copy.folder) as server:
            ready, page, contract = (
                httpx2.get(f"{server.url}{path}") for path in ("/health/ready", "/", "/openapi.json")
            )
            assert [answer.status_code for answer in (ready, page, contract)] == [200, 200, 200], log.read_text()
            tags = {tag for path in contract.json()["paths"].values() for each in path.values() for tag in each["tags"]}
            for name in without:
                assert name not in tags
                assert f"docs#/{name}/" not in page.text

    def _run(self, *arguments: str, **environ: str) -> None:
        ran = self._copy.python(*arguments, **environ)
        assert ran.returncode == 0, f"python {' '.join(arguments)}\n{ran.stdout}{ran.stderr}"


def needs() -> Mapping[str, set[str]]:
    """For each module of the application those that it depends on."""
    canvases = collect(app.modules, discover(app.modules))
    return {canvas.name: {other.module for other in canvas.dependencies} for canvas in canvases}


def with_dependents(name: str, needed: Mapping[str, set[str]]) -> list[str]:
    """The modules that have to go with `name`, in the order in which they can: itself last.

    Raises:
        CycleError: modules depend on each other, so that none of them can go.
    """
    gone: list[str] = []
    for module in TopologicalSorter(needed).static_order():
        if module == name or needed[module].intersection(gone):
            gone.append(module)
    return gone[::-1]


def _removals() -> Iterator[Sequence[str]]:
    """What to remove: each module with its dependents, and all of them; what comes to the same is there once."""
    needed = needs()
    everything = [*TopologicalSorter(needed).static_order()][::-1]
    removals = [with_dependents(name, needed) for name in sorted(needed)]
    yield from (gone for gone in removals if set(gone) != set(everything))
    yield everything


def _drill(gone: Sequence[str]) -> str | None:
    """What went wrong in a copy without those that are `gone`, None when all is well."""
    with tempfile.TemporaryDirectory(prefix="trellis-drill-") as folder:
        # Closed to all others, as it is made, it would be closed to PostgreSQL too, which does not run as root.
        Path(folder).chmod(0o755)
        copy = Copy(Path(folder) / "copy", None)
        # Those who run the drill may have said which server its tests are to use.
        stated = {name: value for name, value in os.environ.items() if name == "TEST_DATABASE_URL"}
        for command in (*(["module-remove", f"name={name}"] for name in gone), ["--keep-going", "test", "check"]):
            ran = subprocess.run(
                ["make", "--no-print-directory", *command],
                cwd=copy.folder, env=copy.typed() | stated, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, check=False,
            )  # fmt: skip
            if ran.returncode:
                return f"make {' '.join(command)}\n{ran.stdout}"
    return None


def main() -> int:
    """Tells how each removal went as soon as it is over; the exit status is 1 when one went wrong."""
    went_wrong = False
    for gone in _removals():
        began = time.monotonic()
        fault = _drill(gone)
        went_wrong |= fault is not None
        took = f"{time.monotonic() - began:.0f} s"
        print(f"without {', '.join(gone) or 'modules'}: {'passes' if fault is None else 'FAILS'} ({took})", flush=True)  # noqa: T201
        if fault is not None:
            print(fault, flush=True)  # noqa: T201
    return int(went_wrong)


if __name__ == "__main__":
    sys.exit(main())
