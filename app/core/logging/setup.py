"""Logging as the process has it: how it is configured, and opened and closed around an application."""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from app.core.logging.bridge import Bridge, say_task_failed, take_over
from app.core.logging.files import RotatingFile
from app.core.logging.processors import add_exception, add_origin, redactor
from app.core.logging.rendering import Line, Renderer
from app.core.logging.stream import Stream
from app.core.logging.writer import LogWriter, Outlet
from app.core.settings import LogSettings, SettingsError
from app.core.startup import StartupRefused

_STDERR: Final = 2

_log: FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Logging:
    """What `configure_logging` made, for `open_logging` to open and close."""

    writer: LogWriter
    files: tuple[RotatingFile, ...]


class _Logger:
    """What structlog hands a rendered line to."""

    __slots__ = ("_write", "name")

    def __init__(self, write: Callable[[Line], None], name: str = "root") -> None:
        self._write = write
        self.name = name

    def info(self, line: Line) -> None:
        self._write(line)

    debug = warning = error = critical = info


def configure_logging(settings: LogSettings, descriptor: int = _STDERR) -> Logging:
    """Sends all that the process says to an open file `descriptor` and to the files of `settings`.

    Each line is written by its caller, as suits a command; `open_logging` is for what serves. Logging belongs to the
    process: with several applications in one, the last that starts decides.

    Raises:
        StartupRefused: the folder of the files cannot be made.
    """
    stream = Stream(descriptor)
    prepare: tuple[Processor, ...] = (
        structlog.contextvars.merge_contextvars,
        structlog.processors.StackInfoRenderer(),
        add_exception,
        redactor(settings.redact),
        add_origin,
    )
    render = Renderer(console=settings.format == "console", colours=stream.is_terminal)

    def line_of(level: str, logger: str, said: Mapping[str, object]) -> Line:
        line: EventDict = dict(said)
        source = _Logger(writer.write, logger)
        for process in prepare:
            process(source, level, line)
        return render.line(source, level, line)

    def say(level: str, logger: str, said: Mapping[str, object]) -> None:
        writer.write(line_of(level, logger, said))

    def notice(count: int, since: datetime) -> Line:
        said = {"event": "log_lines_lost", "count": count, "since": since}
        return line_of("warning", __name__, said)

    files = _files(settings)
    outlets = [Outlet(stream, lambda line: line.text, notice)]
    if files:
        everything, errors = files
        # First, because a stream may have to wait for its reader.
        outlets[:0] = [
            Outlet(everything, lambda line: line.json, notice),
            Outlet(errors, lambda line: line.json if line.is_error else None, notice),
        ]
    writer = LogWriter(outlets)
    structlog.configure(
        processors=[*prepare, render], logger_factory=partial(_Logger, writer.write), cache_logger_on_first_use=False
    )
    _set_level(settings.level)
    take_over(Bridge(say))
    return Logging(writer, files)


@asynccontextmanager
async def open_logging(settings: LogSettings, reread: Callable[[], LogSettings]) -> AsyncIterator[None]:
    """As `configure_logging`; within the block a thread writes, and nobody who logs waits for it.

    Errors of tasks that nobody awaits are written, too. On SIGHUP the level is taken from `reread` anew.
    """
    opened = configure_logging(settings)
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    if handler is None:
        loop.set_exception_handler(say_task_failed)
    opened.writer.start()
    for file in opened.files:
        file.tidy()
    try:
        with _on_hangup(loop, partial(_reread_level, reread)):
            yield
    finally:
        loop.set_exception_handler(handler)
        await asyncio.to_thread(_close, opened, settings.flush_seconds)


def _close(opened: Logging, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    opened.writer.close(seconds)
    for file in opened.files:
        file.close(max(0.0, deadline - time.monotonic()))


def _files(settings: LogSettings) -> tuple[RotatingFile, ...]:
    """Everything, and what is of level ERROR or above; none without a folder."""
    if settings.dir is None:
        return ()
    try:
        settings.dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupRefused(
            f"The folder for log files, LOG_DIR={settings.dir}, cannot be made: {(error.strerror or '').lower()}. "
            f"Name one that the process may write to, or set LOG_DIR= for none."
        ) from None
    return (
        _file(settings.dir / "app.log", settings, settings.retention_days),
        _file(settings.dir / "error.log", settings, settings.error_retention_days),
    )


def _file(path: Path, settings: LogSettings, days: int) -> RotatingFile:
    return RotatingFile(path, max_bytes=settings.file_max_bytes, keep=timedelta(days=days))


def _set_level(level: str) -> None:
    logging.getLogger().setLevel(level)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))


def _reread_level(reread: Callable[[], LogSettings]) -> None:
    before = logging.getLevelName(logging.getLogger().level)
    try:
        now = reread().level
    except SettingsError as error:
        _log.error("log_level_kept", kept=before, reason=str(error))
        return
    _set_level("INFO")  # or nobody would learn of a change to ERROR
    _log.info("log_level_changed", before=before, now=now)
    _set_level(now)


@contextmanager
def _on_hangup(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> Iterator[None]:
    """Does `work` on SIGHUP; only the main thread can ask for signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGHUP)
    loop.add_signal_handler(signal.SIGHUP, work)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, before)
