"""What the process logs, as a test reads it."""

import gzip
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from app.core.logging import configure_logging
from app.core.logging.setup import Logging
from app.core.settings import LogSettings


@dataclass
class Log:
    """Logging as configured with `settings`, to the file `path`; `opened` is closed by those who open it."""

    path: Path
    opened: Logging

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@contextmanager
def logged(settings: LogSettings, path: Path) -> Iterator[Log]:
    """Configures logging to `path`, and puts back what was before."""
    with restored(), path.open("ab") as stream:
        yield Log(path, configure_logging(settings, stream.fileno()))


@contextmanager
def restored() -> Iterator[None]:
    """Puts back, after the block, what configuring changes in the process."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configuration = structlog.get_config()
    hooks = sys.excepthook, sys.unraisablehook, warnings.showwarning
    try:
        yield
    finally:
        root.handlers, root.level = handlers, level
        structlog.configure(**configuration)
        sys.excepthook, sys.unraisablehook, warnings.showwarning = hooks


def lines_in(folder: Path, name: str = "app") -> list[dict[str, Any]]:
    """The lines of the log file `name` in `folder` and of all that were rotated, oldest file first.

    Raises:
        ValueError: one of them is torn.
    """
    rotated = sorted(folder.glob(f"{name}-*"))
    packed = {path.name.removesuffix(".gz") for path in rotated if path.suffix == ".gz"}
    texts = [
        gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in rotated
        if path.suffix == ".gz" or path.name not in packed
    ]
    current = folder / f"{name}.log"
    texts.append(current.read_bytes() if current.exists() else b"")
    return [json.loads(line) for text in texts for line in text.splitlines()]


def is_packed(folder: Path) -> bool:
    """Whether everything that was rotated is compressed."""
    return not any(path.suffix == ".log" for path in folder.glob("*-*")) and not any(
        path.name.startswith(".") and path.suffix == ".gz" for path in folder.iterdir()
    )
