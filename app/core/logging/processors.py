"""What each line gets, whoever writes it: origin, time, process, the stack of its error; and what it loses, secrets."""

import os
import sys
import traceback
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Final

from structlog.typing import EventDict, Processor, WrappedLogger

from app.core.errors import AppError
from app.core.redaction import MAX_TEXT, mask_text, message_of, redact

_ROOT: Final = f"{Path(__file__).resolve().parents[3]}{os.sep}"
_WRITERS: Final = ("structlog", "app.core.logging")
_STACKS: Final = frozenset({"exception", "stack"})
_MAX_STACK: Final = 8 * MAX_TEXT  # characters: the end of a traceback says most, so the start is cut


def add_origin(logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
    """Time, level, process, logger and the place in the code; the last two are left as they are where they are known."""
    if "callsite" not in line:
        frame = _caller()
        line["callsite"] = f"{short_path(frame.f_code.co_filename)}:{frame.f_lineno}"
    if "logger" not in line:
        line["logger"] = logger.name
    line["level"] = method
    line["time"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line["process"] = os.getpid()
    return line


def add_exception(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """The traceback of `exc_info`, as `exception`."""
    given = line.pop("exc_info", None)
    if given:
        error = (
            given if isinstance(given, BaseException) else (given if isinstance(given, tuple) else sys.exc_info())[1]
        )
        if error is not None:
            line["exception"] = written(error)
    return line


def redactor(words: tuple[str, ...]) -> Processor:
    """Masks what must not be told; `words` are keys beside those that are always masked."""
    also = frozenset(word.lower() for word in words)

    def mask(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        for key, value in line.items():
            if key not in _STACKS:
                line[key] = redact(key, value, also)
        return line

    return mask


def written(error: BaseException) -> str:
    """The traceback without the values of variables, without what led to an AppError, and without quoted values.

    The cause of an AppError may be a database error, which quotes what is stored.
    """
    whole = traceback.TracebackException.from_exception(error)
    links: list[tuple[traceback.TracebackException | None, BaseException | None]] = [(whole, error)]
    while links:
        link, cause = links.pop()
        if link is None or cause is None:
            continue
        link._str = message_of(cause)  # type: ignore[attr-defined]  # noqa: SLF001  it has no public way in
        if isinstance(cause, AppError):
            link.__cause__ = link.__context__ = None
        links += (link.__cause__, cause.__cause__), (link.__context__, cause.__context__)
        if isinstance(cause, BaseExceptionGroup):
            links += zip(link.exceptions or (), cause.exceptions, strict=False)
    text = mask_text("".join(whole.format()).rstrip("\n"))
    return text if len(text) <= _MAX_STACK else f"…{text[-_MAX_STACK:]}"


@lru_cache(maxsize=1024)
def short_path(path: str) -> str:
    """From the root of the project, or of the folder of libraries."""
    if path.startswith(_ROOT) and "site-packages" not in path:
        return path.removeprefix(_ROOT)
    return path.rpartition("site-packages" + os.sep)[2]


def _caller() -> FrameType:
    """The frame that called a logger's method. Counted in names, because structlog's own frames differ in number."""
    frame: FrameType = sys._getframe(2)  # noqa: SLF001  the documented way to look at one's callers without a traceback
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_WRITERS):
        frame = frame.f_back
    return frame
