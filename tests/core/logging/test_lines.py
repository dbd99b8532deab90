"""What each line says, whoever writes it."""

import asyncio
import inspect
import json
import logging
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Literal

import pytest
import structlog

from app.core.errors import Unavailable
from app.core.logging import open_logging
from app.core.settings import LogSettings
from tests.core.logging.conftest import Configure
from tests.support.logs import Log, restored
from tests.support.server import ROOT
from tests.support.waiting import until

HERE = "tests/core/logging/test_lines.py"


def line_of(offset: int) -> int:
    """The number of the caller's line, `offset` lines further on."""
    frame = inspect.currentframe()
    assert frame
    assert frame.f_back
    return frame.f_back.f_lineno + offset


def test_a_line_says_what_happened_when_and_where(log: Log) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1", user_id="u-1", trace_id="t-1", span_id="s-1"):
        structlog.stdlib.get_logger("app.test").info("paid", amount=3)
        number = line_of(-1)

    (line,) = log.lines
    assert list(line)[:4] == ["time", "level", "logger", "event"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("time"))
    assert line == {
        "level": "info",
        "logger": "app.test",
        "event": "paid",
        "amount": 3,
        "request_id": "r-1",
        "user_id": "u-1",
        "trace_id": "t-1",
        "span_id": "s-1",
        "callsite": f"{HERE}:{number}",
        "process": os.getpid(),
    }


def test_the_standard_library_goes_the_same_way(log: Log) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        logging.getLogger("uvicorn.error").warning("bound to %s", "port", extra={"port": 1, "color_message": "x"})
        number = line_of(-1)

    (line,) = log.lines
    assert (line["event"], line["port"], line["logger"]) == ("bound to port", 1, "uvicorn.error")
    assert (line["level"], line["callsite"], line["request_id"]) == ("warning", f"{HERE}:{number}", "r-1")
    assert "color_message" not in line


@pytest.mark.parametrize("name", ["exception", "error", "info", "log"])
def test_the_place_is_that_of_the_caller_not_of_a_wrapper(log: Log, name: str) -> None:
    logger = structlog.get_logger("app.test")
    arguments = (logging.INFO, "x") if name == "log" else ("x",)
    getattr(logger.bind(a=1), name)(*arguments)
    number = line_of(-1)

    assert log.lines[0]["callsite"] == f"{HERE}:{number}"


def test_a_warning_is_a_line_with_the_place_that_is_warned_of(log: Log) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", UserWarning, stacklevel=1)
        number = line_of(-1)

    (line,) = log.lines
    assert (line["logger"], line["event"], line["category"]) == ("py.warnings", "old", "UserWarning")
    assert line["callsite"] == f"{HERE}:{number}"


def test_configuring_again_replaces_what_was(configure: Configure) -> None:
    settings = LogSettings(level="INFO", format="json")
    first, second = configure(settings), configure(settings)
    logging.getLogger("x").info("once")
    structlog.get_logger("y").info("once")

    assert first.lines == []
    assert [line["logger"] for line in second.lines] == ["x", "y"]


# charter 58
@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("value", ["a\nforged line", "\x1b[2Jcleared", "a\r\x00\x7f\x9bb", "tab\there"])
def test_control_characters_are_escaped(configure: Configure, style: Literal["json", "console"], value: str) -> None:
    log = configure(LogSettings(level="INFO", format=style))
    structlog.stdlib.get_logger().info(value, key=value, nested={value: [value]})
    logging.getLogger("other").info("%s", value)

    assert len(log.text.splitlines()) == 2
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in log.text.replace("\n", ""))


@pytest.mark.parametrize("value", ["\ud800", 2**70, float("nan"), object(), {1: {2}}, b"\xff"])
def test_no_value_breaks_the_line(log: Log, value: object) -> None:
    structlog.get_logger("x").info("odd", value=value)

    assert log.lines[0]["event"] == "odd"


def test_an_error_is_written_with_its_stack_and_cause(log: Log) -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError:
        structlog.stdlib.get_logger().exception("failed")

    exception = log.lines[0]["exception"]
    assert "KeyError: 'first'" in exception
    assert exception.endswith("ValueError: second")
    assert "test_lines.py" in exception


# charter 59
def test_what_led_to_an_error_of_ours_is_left_out(log: Log) -> None:
    try:
        try:
            raise ValueError("Key (email)=(ada@example.org) already exists.")
        except ValueError as error:
            raise Unavailable("No answer.") from error
    except Unavailable:
        structlog.stdlib.get_logger().exception("failed")

    exception = log.lines[0]["exception"]
    assert exception.endswith("Unavailable: No answer.")
    assert "ada@example.org" not in exception


# charter 58
def test_an_error_s_message_cannot_drive_the_terminal(configure: Configure) -> None:
    log = configure(LogSettings(level="INFO", format="console"))
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        structlog.stdlib.get_logger().exception("failed")

    assert "\x1b" not in log.text
    assert "\\x1b[2J" in log.text


async def test_an_error_of_a_task_that_nobody_awaits_is_written(tmp_path: Path) -> None:
    settings = LogSettings(level="ERROR", format="json", dir=tmp_path)

    async def fail(password: str) -> None:
        raise ValueError("lost")

    with restored():
        async with open_logging(settings, lambda: settings):
            forgotten = asyncio.create_task(fail("canary"), name="forgotten")
            await asyncio.wait([forgotten])
            del forgotten
            file = tmp_path / "error.log"

            async def is_written() -> bool:
                return file.exists() and file.read_text() != ""

            await until(is_written, 5)
    (line,) = [json.loads(text) for text in file.read_text().splitlines()]
    assert (line["event"], line["task"]) == ("unhandled_error", "forgotten")
    assert line["exception"].endswith("ValueError: lost")
    assert "canary" not in file.read_text()


SCRIPT = """
import logging, threading
from app.core.logging import configure_logging
from app.core.settings import LogSettings

configure_logging(LogSettings(format="json"))

class Odd:
    def __del__(self):
        raise KeyError("unraisable")

logging.getLogger("other").warning("%d of %d", "one")
thread = threading.Thread(target=lambda: [][0])
thread.start()
thread.join()
Odd()
raise ValueError("end")
"""


def test_what_nobody_caught_is_written_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert [line["event"] for line in lines] == ["%d of %d", *["unhandled_error"] * 3]
    assert [line["exception"].rpartition("\n")[2] for line in lines[1:]] == [
        "IndexError: list index out of range", "KeyError: 'unraisable'", "ValueError: end"
    ]  # fmt: skip
