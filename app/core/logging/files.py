"""A log file that many processes write: rotated by size and by day, compressed, and kept for a time."""

import fcntl
import gzip
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

_DAY: Final = 86_400  # seconds
_TAIL: Final = 1024 * 1024  # bytes: no line is longer
_GZIP_LEVEL: Final = 3  # half the time of the usual 6, for some more space
_STAMP: Final = "%Y%m%dT%H%M%S.%fZ"


class RotatingFile:
    """Lines in `path`; what was rotated stands beside it as `app-20261120T204512.123456Z.log.gz`, after its last line.

    A file holds lines of one day (UTC) only, so that none outlives `keep`. Each batch takes the lock and
    opens the file by its name, so that no line goes into one that another process rotated. In between both are closed:
    a forked child shares neither.
    """

    def __init__(self, path: Path, *, max_bytes: int, keep: timedelta) -> None:
        self._path = path
        self._lock = path.with_name(f".{path.stem}.lock")
        self._max_bytes = max_bytes
        self._keep = keep
        self._tidying: threading.Thread | None = None

    def write(self, lines: Sequence[bytes]) -> int:
        """How many of `lines` were written, from the first on; on a full disk no part of one stays behind."""
        done = 0
        try:
            while done < len(lines):
                with self._locked():
                    count = self._append(lines[done:] if done else lines)
                if not count:
                    break
                done += count
        except OSError:
            pass
        return done

    def tidy(self) -> None:
        """Compresses and removes what is due, in a thread of its own: neither lines nor start-up wait for it."""
        self._tidying = threading.Thread(target=self._tidy, name="log-tidy", daemon=True)
        self._tidying.start()

    def close(self, seconds: float) -> None:
        """Waits for what is being compressed; what is left undone, the next process finds and does."""
        if self._tidying is not None:
            self._tidying.join(seconds)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._lock, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _append(self, lines: Sequence[bytes]) -> int:
        """Writes what fits into this file, at least one line into an empty one."""
        descriptor = self._open()
        try:
            status = os.fstat(descriptor)
            fitting = _fitting(lines, self._max_bytes - status.st_size)
            if status.st_size and (fitting == 0 or _is_of_another_day(status)):
                self._rotate(status.st_mtime)
                self.tidy()
                os.close(descriptor)
                descriptor = self._open()
                fitting = _fitting(lines, self._max_bytes)
            data = b"".join(lines[: max(1, fitting)])
            return _append_whole_lines(descriptor, data)
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _rotate(self, last_written: float) -> None:
        moment = datetime.fromtimestamp(last_written, UTC)
        while (target := self._named(moment)).exists() or Path(f"{target}.gz").exists():
            moment += timedelta(microseconds=1)
        self._path.rename(target)

    def _named(self, moment: datetime) -> Path:
        return self._path.with_name(f"{self._path.stem}-{moment.strftime(_STAMP)}{self._path.suffix}")

    def _tidy(self) -> None:
        # A full disk or a missing right: what is left is tried again after the next rotation.
        with suppress(OSError):
            with self._locked():
                status = self._path.stat() if self._path.exists() else None
                if status and status.st_size and _is_of_another_day(status):
                    self._rotate(status.st_mtime)
            oldest = self._named(datetime.now(UTC) - self._keep).name
            for path in self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}*"):
                if path.name < oldest:
                    path.unlink(missing_ok=True)
                elif path.suffix == self._path.suffix:
                    _compress(path)


def _is_of_another_day(status: os.stat_result) -> bool:
    return status.st_mtime // _DAY != time.time() // _DAY


def _fitting(lines: Sequence[bytes], room: int) -> int:
    """How many of `lines`, from the first on, fit into `room` bytes."""
    if sum(map(len, lines)) <= room:
        return len(lines)
    for number, line in enumerate(lines):
        room -= len(line)
        if room < 0:
            return number
    return len(lines)


def _append_whole_lines(descriptor: int, data: bytes) -> int:
    """How many lines of `data` are in the file now. A disk that fills up in the middle of one gets it back."""
    size = _mended(descriptor)
    try:
        written = os.write(descriptor, data)
    except OSError:
        written = 0
    if written == len(data):
        return data.count(b"\n")
    whole = data.rfind(b"\n", 0, written) + 1
    os.ftruncate(descriptor, size + whole)
    return data.count(b"\n", 0, whole)


def _mended(descriptor: int) -> int:
    """The size of the file, without the part of a line that a process left when it was killed."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        start = max(0, size - _TAIL)
        size = start + os.pread(descriptor, _TAIL, start).rfind(b"\n") + 1
        os.ftruncate(descriptor, size)
    return size


def _compress(path: Path) -> None:
    """Puts `path.gz` in its place, unless another process is at it. One that dies leaves it to the next."""
    with suppress(FileNotFoundError), path.open("rb") as source:
        try:
            fcntl.flock(source, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if not path.exists():
            return
        part = path.with_name(f".{path.name}.gz")
        with gzip.open(part, "wb", _GZIP_LEVEL) as packed:
            shutil.copyfileobj(source, packed, 256 * 1024)
        part.rename(f"{path}.gz")
        path.unlink()
