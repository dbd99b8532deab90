"""Between those who log and where lines end: a bounded queue and one thread, so that no request waits for a disk."""

import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from app.core.logging.rendering import Line

_MAX_LINES: Final = 10_000  # waiting: some tenths of a second of a process that does nothing but log
_MAX_BYTES: Final = 8 * 1024 * 1024  # likewise
_GATHER: Final = 0.02  # seconds between two batches: one wake-up for many lines
_RETRY: Final = 1.0  # seconds between two looks whether what failed works again


class Sink(Protocol):
    def write(self, lines: Sequence[bytes]) -> int:
        """Writes `lines` and returns how many it could, from the first on; it does not raise for what the rest met."""


class Outlet:
    """A sink, what it takes of each line, and how many it lost. `notice` makes the line that tells of those."""

    def __init__(
        self, sink: Sink, take: Callable[[Line], bytes | None], notice: Callable[[int, datetime], Line]
    ) -> None:
        self._sink = sink
        self._take = take
        self._notice = notice
        # Each is counted up by one thread at a time, so that none needs a lock, which a forked child could find held.
        self._dropped = self._failed = self._told = 0
        self._since = datetime.now(UTC)

    @property
    def lost(self) -> int:
        """Lines that are gone and not told of yet."""
        return self._dropped + self._failed - self._told

    def drop(self, line: Line) -> None:
        """Counts a line that never got here."""
        if self._take(line) is not None:
            self._note_time()
            self._dropped += 1

    def write(self, lines: Sequence[Line]) -> None:
        """Passes `lines` on, behind a notice of those that were lost before."""
        texts = [text for line in lines if (text := self._take(line)) is not None]
        if lost := self.lost:
            notice = self._notice(lost, self._since)
            texts.insert(0, self._take(notice) or notice.json)
        if not texts:
            return
        written = self._sink.write(texts)
        failed = len(texts) - written
        if lost and written:
            self._told += lost
        elif lost:
            failed -= 1  # the notice is not one of them
        if failed:
            self._note_time()
            self._failed += failed

    def _note_time(self) -> None:
        if not self.lost:
            self._since = datetime.now(UTC)


class LogWriter:
    """Takes lines from any thread. Without `start`, and in a forked child, whoever logs writes; then the thread does.

    A queue that is full drops lines and counts them: a request never waits.
    """

    def __init__(self, outlets: Sequence[Outlet]) -> None:
        self._outlets = tuple(outlets)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._queue: list[Line] = []
        self._bytes = 0
        self._thread: threading.Thread | None = None
        self._pid = 0

    def write(self, line: Line) -> None:
        if self._pid != os.getpid() or not self._enqueue(line):
            self._deliver((line,))

    def start(self) -> None:
        """From now on a thread writes, until `close`."""
        self._closing.clear()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Writes what waits, for at most `seconds`; what comes later is written by its caller.

        Where that did not suffice, it is not written at all: a sink that hangs must not hold up the end.
        """
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(seconds)
            if self._thread.is_alive():
                self._outlets = ()
        with self._lock:
            self._pid = 0
        self._deliver(self._take())

    def _enqueue(self, line: Line) -> bool:
        """Whether it is the thread's now, or dropped; not, when the thread was closed in this moment."""
        size = len(line.json) + len(line.text)
        with self._lock:
            if not self._pid:
                return False
            if self._bytes + size > _MAX_BYTES or len(self._queue) >= _MAX_LINES:
                for outlet in self._outlets:
                    outlet.drop(line)
            else:
                self._queue.append(line)
                self._bytes += size
        if not self._wake.is_set():
            self._wake.set()
        return True

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(_RETRY if any(outlet.lost for outlet in self._outlets) else None)
            self._closing.wait(_GATHER)
            self._wake.clear()
            self._deliver(self._take())

    def _take(self) -> list[Line]:
        with self._lock:
            taken, self._queue, self._bytes = self._queue, [], 0
        return taken

    def _deliver(self, lines: Sequence[Line]) -> None:
        for outlet in self._outlets:
            outlet.write(lines)
