"""Everything that the process writes, through one chain of processors: ours, uvicorn's, SQLAlchemy's and warnings."""

import logging
import sys
import traceback
from types import TracebackType
from typing import TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from app.core.errors import AppError
from app.core.settings import LogSettings

# Control characters (Unicode category Cc): a raw one lets whoever sent the value forge lines or drive the terminal.
_ESCAPES = {code: repr(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0))}
# JSON escapes the others by itself.
_ESCAPES_IN_JSON = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}
_ESCAPES_IN_TRACEBACK = {code: text for code, text in _ESCAPES.items() if chr(code) not in "\n\t"}


class _Handler(logging.StreamHandler[TextIO]):
    """Known by its class, so that configuring again replaces it and leaves the handlers of others alone."""


def configure_logging(settings: LogSettings, stream: TextIO = sys.stderr) -> None:
    """Routes structlog and the standard library's loggers to `stream` in the format of `settings`.

    Logging belongs to the process: with several applications in one, the last that starts decides.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _drop_coloured_message,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.ExceptionRenderer(_format_exception),
    ]
    render: list[Processor]
    if settings.format == "json":
        render = [structlog.processors.JSONRenderer(serializer=_to_json)]
    else:
        console = structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="time")
        render = [_escape_control_characters, console]
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers = [other for other in root.handlers if not isinstance(other, _Handler)] + [handler]
    root.setLevel(settings.level)
    logging.captureWarnings(capture=True)
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
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _to_json(line: EventDict, **_: object) -> str:
    return orjson.dumps(line, default=repr).decode().translate(_ESCAPES_IN_JSON)


def _drop_coloured_message(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Uvicorn says everything twice, once with the terminal's colours."""
    line.pop("color_message", None)
    return line


def _escape_control_characters(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    for key, value in line.items():
        if isinstance(value, str):
            line[key] = value.translate(_ESCAPES_IN_TRACEBACK if key == "exception" else _ESCAPES)
    return line


def _format_exception(exc_info: tuple[type[BaseException], BaseException, TracebackType | None]) -> str:
    """The traceback, without what led to an AppError: the cause may be a database error that quotes stored values."""
    error: BaseException | None = exc_info[1]
    written = traceback.TracebackException.from_exception(exc_info[1])
    link: traceback.TracebackException | None = written
    while error is not None and link is not None:
        if isinstance(error, AppError):
            link.__cause__ = link.__context__ = None
        error, link = error.__cause__ or error.__context__, link.__cause__ or link.__context__
    return "".join(written.format()).rstrip("\n")
