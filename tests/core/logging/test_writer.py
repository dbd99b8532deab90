"""Who logs never waits, and what is lost is told."""

import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread

import orjson
import structlog

from app.core.logging import configure_logging
from app.core.logging.rendering import Line
from app.core.logging.writer import LogWriter, Outlet
from app.core.settings import LogSettings
from tests.support.logs import restored
from tests.support.waiting import eventually


class Disk:
    """A sink that takes `room` lines and can be made to hang."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.lines: list[bytes] = []
        self.works = Event()
        self.works.set()

    def write(self, lines: Sequence[bytes]) -> int:
        self.works.wait()
        fitting = lines[: self.room]
        self.room -= len(fitting)
        self.lines += fitting
        return len(fitting)


def line(text: str) -> Line:
    return Line(text.encode(), text.encode(), is_error=False)


def writer_to(disk: Disk) -> LogWriter:
    return LogWriter([Outlet(disk, lambda line: line.json, lambda count, _since: line(f"lost {count}"))])


def test_without_a_thread_whoever_logs_writes() -> None:
    disk = Disk()
    writer = writer_to(disk)
    writer.write(line("a"))

    assert disk.lines == [b"a"]


def test_a_line_is_written_soon_and_in_order() -> None:
    disk = Disk()
    writer = writer_to(disk)
    writer.start()
    for number in range(1000):
        writer.write(line(str(number)))
    eventually(lambda: len(disk.lines) == 1000)
    writer.close(5)
    writer.write(line("after"))

    assert disk.lines == [*(b"%d" % number for number in range(1000)), b"after"]


def test_closing_writes_what_waits() -> None:
    disk = Disk()
    writer = writer_to(disk)
    writer.start()
    for number in range(100):
        writer.write(line(str(number)))
    writer.close(5)

    assert len(disk.lines) == 100


def test_a_sink_that_hangs_holds_up_neither_the_lines_nor_the_end() -> None:
    disk = Disk()
    disk.works.clear()
    writer = writer_to(disk)
    writer.start()
    started = time.perf_counter()
    for number in range(20_000):
        writer.write(line(str(number)))
    writer.close(0.1)
    writer.write(line("after"))

    assert time.perf_counter() - started < 2
    disk.works.set()


def test_lines_that_a_full_queue_dropped_are_told_when_it_is_over() -> None:
    disk = Disk()
    disk.works.clear()
    writer = writer_to(disk)
    writer.start()
    for number in range(20_000):
        writer.write(line(str(number)))
    disk.works.set()
    eventually(lambda: any(text.startswith(b"lost ") for text in disk.lines))
    writer.close(5)

    (notice,) = [text for text in disk.lines if text.startswith(b"lost ")]
    assert len(disk.lines) - 1 + int(notice.split()[1]) == 20_000
    assert int(notice.split()[1]) > 0


# charter 84
def test_lines_that_a_full_disk_refused_are_told_when_it_has_room_again() -> None:
    disk = Disk(room=3)
    writer = writer_to(disk)
    writer.start()
    for number in range(10):
        writer.write(line(str(number)))
    eventually(lambda: disk.room == 0)
    writer.close(5)
    writer.write(line("lost as well"))
    disk.room = 100
    writer.write(line("fine"))
    writer.write(line("fine again"))

    assert disk.lines[3:] == [b"lost 8", b"fine", b"fine again"]


def test_a_forked_child_writes_by_itself() -> None:
    reader, end = os.pipe()
    disk = Disk()
    writer = writer_to(disk)
    writer.start()
    with warnings.catch_warnings():
        # What Python warns of is what is tested: this process has a thread.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        writer.write(line("from the child"))
        os.write(end, b"".join(disk.lines))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(end)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b"from the child"
    writer.close(5)


def test_a_pipe_that_nobody_reads_holds_nobody_up(tmp_path: Path) -> None:
    reader, end = os.pipe()
    with restored():
        opened = configure_logging(LogSettings(level="INFO", format="json", dir=tmp_path), end)
        opened.writer.start()
        logger = structlog.get_logger("x")
        slowest = 0.0
        for number in range(3000):
            started = time.perf_counter()
            logger.info("said", number=number, padding="x" * 100)
            slowest = max(slowest, time.perf_counter() - started)
        # The files do not wait for the pipe.
        eventually(lambda: (tmp_path / "app.log").read_bytes().count(b"\n") == 3000)
        received: list[bytes] = []

        def read() -> None:
            with os.fdopen(reader, "rb") as pipe:
                received.extend(pipe)

        thread = Thread(target=read)
        thread.start()
        eventually(lambda: any(b'"log_lines_lost"' in text for text in list(received)), 10)
        opened.writer.close(5)
        os.close(end)
        thread.join(5)

    assert slowest < 1
    assert all(text.endswith(b"}\n") for text in received)
    lines = [orjson.loads(text) for text in received]
    kept = [line for line in lines if line["event"] == "said"]
    told = [line["count"] for line in lines if line["event"] == "log_lines_lost"]
    assert 3000 - len(kept) == sum(told) > 0
