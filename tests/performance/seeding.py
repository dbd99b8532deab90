"""What `make seed` takes: seconds, and the memory of all its processes together.

`python -m tests.performance.seeding` fails when it is more than a million rows may take.
"""

import asyncio
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Final

import psutil
import typer

from app.core.settings import PostgresAddress
from tests.support.postgres import create_database, test_server
from tests.support.server import ROOT, environment

_MOST_SECONDS: Final = 60.0
_MOST_MIB: Final = 300.0
_LOOK_EVERY: Final = 0.1  # seconds
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Seeding:
    """What it took; `mebibytes` is the peak of the resident memory, in which each process counts what they share."""

    seconds: float
    mebibytes: float

    @property
    def is_within_bounds(self) -> bool:
        return self.seconds <= _MOST_SECONDS and self.mebibytes <= _MOST_MIB


def measure(address: PostgresAddress, rows: int) -> Seeding:
    """Seeds the database at `address`, whose server does not count, and looks on.

    Raises:
        CalledProcessError: the command failed; it has said why.
    """
    command = [sys.executable, "-m", "app", "seed", str(rows)]
    began = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, env=environment(address)) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            time.sleep(_LOOK_EVERY)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Seeding(time.monotonic() - began, peak / _MIB)


def resident(pid: int) -> int:
    """The bytes in memory of a process and all that it started; of those that have just ended, none."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            total += process.memory_info().rss
    return total


def main(rows: Annotated[int, typer.Option(help="How many rows each table gets.", min=1)] = 1_000_000) -> None:
    """Measure `python -m app seed` on a database of its own."""
    with test_server() as server:
        taken = measure(asyncio.run(create_database(server, "seeding")), rows)
    typer.echo(f"seed  {rows} rows  {taken.seconds:.1f} s  {taken.mebibytes:.0f} MiB")
    if not taken.is_within_bounds:
        typer.echo(f"That is more than {_MOST_SECONDS:.0f} s or {_MOST_MIB:.0f} MiB.", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
