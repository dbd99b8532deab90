"""What the process writes."""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
import structlog

from app.core.errors import Unavailable
from app.core.logging import configure_logging
from app.core.settings import LogSettings

Configure = Callable[[Literal["json", "console"]], io.StringIO]


@pytest.fixture
def configured() -> Iterator[Configure]:
    """Configures logging to a stream of the test's, and puts back what was before."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level

    def configure(style: Literal["json", "console"]) -> io.StringIO:
        stream = io.StringIO()
        configure_logging(LogSettings(level="INFO", format=style), stream)
        return stream

    yield configure
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)


def test_a_line_says_what_happened_when_and_where(configured: Configure) -> None:
    stream = configured("json")
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.stdlib.get_logger("app.test").info("paid", amount=3)

    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {"event": "paid", "amount": 3, "level": "info", "logger": "app.test", "request_id": "r-1"}


def test_the_standard_library_and_warnings_go_the_same_way(configured: Configure) -> None:
    stream = configured("json")
    logging.getLogger("uvicorn.error").warning("bound to %s", "port", extra={"port": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", UserWarning, stacklevel=1)

    first, second = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (first["event"], first["port"], first["logger"]) == ("bound to port", 1, "uvicorn.error")
    assert second["logger"] == "py.warnings"


def test_configuring_again_replaces_what_was(configured: Configure) -> None:
    first, second = configured("json"), configured("json")
    logging.getLogger("x").info("once")

    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1


# charter 58
@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("value", ["a\nforged line", "\x1b[2Jcleared", "a\r\x00\x7f\x9bb", "tab\there"])
def test_control_characters_are_escaped(configured: Configure, style: Literal["json", "console"], value: str) -> None:
    stream = configured(style)
    structlog.stdlib.get_logger().info(value, key=value)
    logging.getLogger("other").info("%s", value)

    written = stream.getvalue()
    assert len(written.splitlines()) == 2
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in written.replace("\n", ""))


def test_an_error_is_written_with_its_stack_and_cause(configured: Configure) -> None:
    stream = configured("json")
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError:
        structlog.stdlib.get_logger().exception("failed")

    exception = json.loads(stream.getvalue())["exception"]
    assert "KeyError: 'first'" in exception
    assert exception.endswith("ValueError: second")
    assert "test_logging.py" in exception


# charter 59
def test_what_led_to_an_error_of_ours_is_left_out(configured: Configure) -> None:
    stream = configured("json")
    try:
        try:
            raise ValueError("Key (email)=(ada@example.org) already exists.")
        except ValueError as error:
            raise Unavailable("No answer.") from error
    except Unavailable:
        structlog.stdlib.get_logger().exception("failed")

    exception = json.loads(stream.getvalue())["exception"]
    assert exception.endswith("Unavailable: No answer.")
    assert "ada@example.org" not in exception


# charter 58
def test_an_error_s_message_cannot_drive_the_terminal(configured: Configure) -> None:
    stream = configured("console")
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        structlog.stdlib.get_logger().exception("failed")

    assert "\x1b" not in stream.getvalue()
    assert "\\x1b[2J" in stream.getvalue()
