"""What others say: the standard library's loggers, warnings, and errors that nobody caught."""

import asyncio
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, TextIO

import structlog

from app.core.logging.processors import short_path

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
# Uvicorn says everything twice, once with the terminal's colours.
_LEFT_OUT: Final = _STANDARD | {"color_message"}

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

Say = Callable[[str, str, Mapping[str, object]], None]
"""Takes level, logger and the rest of a line."""


class Bridge(logging.Handler):
    """Gives each record to `say`. Known by its class, so that configuring again leaves the handlers of others alone."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        line: dict[str, object] = {key: value for key, value in vars(record).items() if key not in _LEFT_OUT}
        try:
            line["event"] = record.getMessage()
        except (TypeError, ValueError, KeyError):  # the arguments do not fit: said without them, rather than not
            line["event"] = str(record.msg)
            line["args"] = record.args
        line["callsite"] = f"{short_path(record.pathname)}:{record.lineno}"
        if record.exc_info:
            line["exc_info"] = record.exc_info
        if record.stack_info:
            line["stack"] = record.stack_info
        self._say(record.levelname.lower(), record.name, line)


def take_over(bridge: Bridge) -> None:
    """Sends to `bridge` what the loggers of libraries say, warnings, and what ends a thread or the process.

    A hook that somebody else has set, such as a test runner, stays.
    """
    root = logging.getLogger()
    root.handlers = [other for other in root.handlers if not isinstance(other, Bridge)] + [bridge]
    # uvicorn brings handlers of its own, and its access line says less than ours.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"
    # Below WARNING these narrate every socket, statement and step of a migration.
    for name in ("alembic", "asyncio", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns of the Ctrl-C that it was waiting for.
    logging.getLogger("watchfiles").setLevel(logging.ERROR)
    warnings.showwarning = _say_warning
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _say_uncaught
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _say_unraisable
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _say_thread_died


def say_task_failed(_loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
    """For the event loop. Its own handler writes the whole task, with the arguments that it was given."""
    task = context.get("task") or context.get("future")
    name = task.get_name() if isinstance(task, asyncio.Task) else None
    _log.error("unhandled_error", reason=context.get("message"), task=name, exc_info=context.get("exception"))


def _say_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if file is not None:
        file.write(warnings.formatwarning(message, category, filename, lineno, line))
        return
    callsite = f"{short_path(filename)}:{lineno}"
    _log.warning(str(message), logger="py.warnings", category=category.__name__, callsite=callsite)


def _say_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        _log.critical("unhandled_error", exc_info=error)


def _say_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    _log.error("unhandled_error", reason=unraisable.err_msg, exc_info=unraisable.exc_value)


def _say_thread_died(arguments: threading.ExceptHookArgs) -> None:
    if not issubclass(arguments.exc_type, SystemExit):
        name = arguments.thread.name if arguments.thread else None
        _log.error("unhandled_error", thread=name, exc_info=arguments.exc_value)
