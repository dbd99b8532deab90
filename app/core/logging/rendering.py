"""A line as bytes: JSON for programs, text for people. Neither lets a value forge a line or drive a terminal."""

import json
from typing import Final, NamedTuple

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

# Control characters (Unicode category Cc): a raw one lets whoever sent the value forge lines or drive the terminal.
_ESCAPES: Final = {code: repr(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0))}
# JSON escapes the others by itself.
_ESCAPES_IN_JSON: Final = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}
_ESCAPES_IN_TRACEBACK: Final = {code: text for code, text in _ESCAPES.items() if chr(code) not in "\n\t"}
_ERRORS: Final = frozenset({"error", "critical"})
# What people and programs look for first.
_FIRST: Final = ("time", "level", "logger", "event")


class Line(NamedTuple):
    """What the stream and the files take; each ends with a line feed. `is_error`: of level ERROR or above."""

    text: bytes
    json: bytes
    is_error: bool


class Renderer:
    """The last processor: what it returns, structlog gives to the logger."""

    def __init__(self, *, console: bool, colours: bool) -> None:
        self._console = structlog.dev.ConsoleRenderer(colors=colours, timestamp_key="time") if console else None

    def __call__(self, logger: WrappedLogger, level: str, line: EventDict) -> tuple[tuple[Line], dict[str, object]]:
        return (self.line(logger, level, line),), {}

    def line(self, logger: WrappedLogger, level: str, line: EventDict) -> Line:
        as_json = to_json(line)
        text = as_json
        if self._console is not None:
            text = f"{self._console(logger, level, _escaped(line))}\n".encode("utf-8", "backslashreplace")
        return Line(text, as_json, level in _ERRORS)


def to_json(line: EventDict) -> bytes:
    ordered = {key: line[key] for key in _FIRST if key in line}
    ordered.update(line)
    try:
        written = orjson.dumps(ordered, default=repr, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # a lone surrogate, or a number that no 64 bits hold: slower, and never wrong
        return json.dumps(ordered, default=str).encode() + b"\n"
    if written.isascii() and b"\x7f" not in written:
        return written
    return written.decode().translate(_ESCAPES_IN_JSON).encode()


def _escaped(line: EventDict) -> EventDict:
    return {
        key: value.translate(_ESCAPES_IN_TRACEBACK if key == "exception" else _ESCAPES)
        if isinstance(value, str)
        else value
        for key, value in line.items()
    }
