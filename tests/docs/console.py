"""Commands as the documents show them, run in a copy of the repository."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.core.settings import PostgresAddress
from tests.docs.markdown import Block
from tests.support.copies import Copy
from tests.support.server import answers, free_port
from tests.support.waiting import eventually

_PROMPT: Final = "$ "
_ANY: Final = "…"
_PORT: Final = 8000  # the one that the documents show
_DEADLINE: Final = 60.0  # seconds for one command
_SERVES: Final = re.compile(r"make (dev|serve)\b.*|.* -m app (dev|serve)\b.*")
_STOPPED: Final = {0, -signal.SIGINT, 128 + signal.SIGINT}


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, the exit status that it must have, and what the document shows of its output."""

    line: str
    status: int
    shown: tuple[str, ...]


def commands(block: Block) -> Iterator[Command]:
    """The commands in a `console` block; its option `exit` is the status of the last one."""
    lines: list[str] = []
    shown: list[list[str]] = []
    for line in block.text.splitlines():
        if line.startswith(_PROMPT):
            lines.append(line.removeprefix(_PROMPT))
            shown.append([])
        elif not lines:
            raise ValueError(f"{block.place} shows output before its first command.")
        else:
            shown[-1].append(line)
    for number, (line, output) in enumerate(zip(lines, shown, strict=True), start=1):
        status = int(block.options.get("exit", 0)) if number == len(lines) else 0
        yield Command(line, status, tuple(output))


def matches(shown: Sequence[str], said: str) -> bool:
    """Whether `said` is what is shown, where `…` stands for anything in its line, and alone for any lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == _ANY else ".*".join(map(re.escape, line.rstrip().split(_ANY))) + r"\n"
        for line in shown
    )
    return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in said.splitlines())) is not None


class Shell:
    """Runs commands in a copy of the repository, on a database and a port of their own."""

    def __init__(self, folder: Path, address: PostgresAddress) -> None:
        copy = Copy(folder, address)
        self._folder = copy.folder
        self._port = free_port()
        self._environ = copy.typed() | {"PORT": str(self._port)}

    def run(self, command: Command) -> str:
        """What the command said; a server is stopped with Ctrl-C as soon as it is ready.

        Raises:
            AssertionError: its exit status is another than the document says.
        """
        line = re.sub(r"\bPORT=\d+", f"PORT={self._port}", command.line)
        with (self._folder.parent / "output").open("w+b") as output:
            process = subprocess.Popen(  # noqa: S602  the documents are ours, and a shell is what they show
                line, shell=True, cwd=self._folder, env=self._environ, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                if _SERVES.fullmatch(line) and command.status == 0:
                    ready = f"http://127.0.0.1:{self._port}/health/ready"
                    eventually(lambda: answers(ready) or process.poll() is not None, _DEADLINE)
                    expected = set[int]()
                    if process.poll() is None:
                        expected = _STOPPED
                        os.killpg(process.pid, signal.SIGINT)
                else:
                    expected = {command.status}
                process.wait(_DEADLINE)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            output.seek(0)
            said = output.read().decode().replace(str(self._port), str(_PORT))
        assert process.returncode in expected, f"$ {line}\nended with {process.returncode}:\n{said}"
        return said
