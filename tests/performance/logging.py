"""What logging costs: the caller of a line, and many processes that write to one folder.

`python -m tests.performance.logging` fails when a call costs more than 30 µs at the median, when the processes write
fewer than 50,000 lines a second in all, and when a line is lost, torn or written twice.
"""

import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import structlog
import typer
from structlog.typing import FilteringBoundLogger

from app.core.logging import configure_logging
from app.core.settings import LogSettings
from tests.support.logs import lines_in, restored

MOST_MICROSECONDS: Final = 30.0
LEAST_LINES: Final = 50_000  # a second, of all processes
_AT_ONCE: Final = 100  # lines of an event loop that is busy, before it comes to rest
_BATCHES: Final = 200
_REST: Final = 0.002  # seconds

_log: FilteringBoundLogger = structlog.get_logger(__name__)


def log_request(number: int) -> None:
    """A line like the access line of a request."""
    _log.info(
        "request", method="GET", path="/api/v1/sample-notes", route="/api/v1/sample-notes", status=200,
        duration_ms=1.25, db_ms=0.5, db_queries=1, bytes=1234, number=number,
    )  # fmt: skip


def call_cost(folder: Path) -> float:
    """Median microseconds that a call takes from its caller, with files and stream as in production."""
    costs = []
    with restored(), Path(os.devnull).open("wb") as stream:
        opened = configure_logging(LogSettings(level="INFO", format="json", dir=folder), stream.fileno())
        opened.writer.start()
        with structlog.contextvars.bound_contextvars(request_id="0" * 36, trace_id="0" * 32):
            for _ in range(_BATCHES):
                started = time.perf_counter()
                for number in range(_AT_ONCE):
                    log_request(number)
                costs.append((time.perf_counter() - started) / _AT_ONCE * 1e6)
                time.sleep(_REST)
        opened.writer.close(10)
    return median(costs)


def throughput(folder: Path, processes: int, lines: int, max_bytes: int) -> float:
    """Lines a second from the first to the last, of `processes` that write `lines` each into one folder.

    Raises:
        AssertionError: a line is missing or there twice.
        ValueError: one is torn.
    """
    command = [sys.executable, "-m", "tests.performance.logging", "--folder", str(folder), "--lines", str(lines)]
    writers = [subprocess.Popen([*command, "--max-bytes", str(max_bytes)]) for _ in range(processes)]
    assert [writer.wait() for writer in writers] == [0] * processes
    written = lines_in(folder)
    expected = {(writer.pid, number) for writer in writers for number in range(lines)}
    found = {(line["process"], line.get("number")) for line in written}
    assert found == expected, f"{len(expected - found)} lines are lost"
    assert len(written) == len(expected), f"{len(written) - len(expected)} lines are there twice"
    times = [datetime.fromisoformat(line["time"]) for line in written]
    return len(written) / (max(times) - min(times)).total_seconds()


def _write(folder: Path, lines: int, max_bytes: int) -> None:
    settings = LogSettings(level="INFO", format="json", dir=folder, file_max_bytes=max_bytes)
    with Path(os.devnull).open("wb") as stream:
        opened = configure_logging(settings, stream.fileno())
        opened.writer.start()
        for number in range(lines):
            log_request(number)
        opened.writer.close(60)


def main(
    lines: Annotated[int, typer.Option(help="Lines of each process.")] = 100_000,
    processes: Annotated[int, typer.Option(help="Processes that write at once.")] = 4,
    max_bytes: Annotated[int, typer.Option(help="Size at which files are rotated.")] = 10 * 1024 * 1024,
    folder: Annotated[Path | None, typer.Option(help="For one of the processes: where it writes.")] = None,
) -> None:
    """Measure what logging costs."""
    if folder is not None:
        _write(folder, lines, max_bytes)
        return
    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        cost = call_cost(Path(first))
        typer.echo(f"a call: {cost:.1f} µs at the median")
        rate = throughput(Path(second), processes, lines, max_bytes)
        rotated = len(list(Path(second).glob("app-*")))
    typer.echo(f"{processes} processes: {rate:,.0f} lines/s, {rotated} files rotated, none lost, torn or twice")
    if cost > MOST_MICROSECONDS or rate < LEAST_LINES:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
