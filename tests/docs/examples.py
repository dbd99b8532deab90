"""Examples in the documents: Python that is run, requests that are sent."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.docs.markdown import Block, blocks

_ANY: Final = "…"
_STATUS_LINE: Final = re.compile(r"HTTP/1\.1 (\d{3})")
MIGRATION_OPTIONS: Final = {"accepted", "refused"}
"""Options of the `python` blocks that are bodies of a migration: they are read by the linter and never run."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, and what the document shows of its answer."""

    place: str
    method: str
    path: str
    headers: dict[str, str]
    body: str
    answer: Answer


def python_blocks(document: Path) -> list[Block]:
    """Those that stand for themselves, each building on those before it."""
    return [block for block in blocks(document, "python") if not MIGRATION_OPTIONS & block.options.keys()]


def names_in(document: Path) -> dict[str, object]:
    """What the Python blocks of `document`, run one after another, define."""
    names: dict[str, object] = {"__name__": document.stem}
    for block in python_blocks(document):
        # Moved down to where it stands, so that a traceback names the document's own line.
        code = compile("\n" * (block.line - 1) + block.text, document, "exec", dont_inherit=True)
        exec(code, names)  # noqa: S102  our own documents
    return names


def exchanges(document: Path) -> Iterator[Exchange]:
    """The pairs of `http` blocks: a request, and the answer to it."""
    requests = blocks(document, "http")
    for asked, answered in zip(requests[::2], requests[1::2], strict=True):
        line, headers, body = _parts(asked)
        method, path = line.split()
        status_line, answer_headers, answer_body = _parts(answered)
        if (status := _STATUS_LINE.fullmatch(status_line)) is None:
            raise ValueError(f"{answered.place} is not an answer to {asked.place}.")
        yield Exchange(asked.place, method, path, headers, body, Answer(int(status[1]), answer_headers, answer_body))


def differences(shown: Answer, status: int, headers: dict[str, str], body: str) -> list[str]:
    """In what an answer is not as shown; `…` stands for anything within a text."""
    found = [] if status == shown.status else [f"status {status}"]
    found += [
        f"{header}: {headers.get(header)}"
        for header, value in shown.headers.items()
        if not _alike(value, headers.get(header, ""))
    ]
    if shown.body:
        given, expected = json.loads(body), json.loads(shown.body)
        found += [] if _alike(expected, given) and list(given) == list(expected) else [json.dumps(given, indent=2)]
    return found


def _alike(shown: object, given: object) -> bool:
    match shown, given:
        case str(), str():
            return re.fullmatch(".*".join(map(re.escape, shown.split(_ANY))), given, re.DOTALL) is not None
        case dict(), dict():
            return shown.keys() == given.keys() and all(_alike(value, given[key]) for key, value in shown.items())
        case list(), list():
            return len(shown) == len(given) and all(map(_alike, shown, given))
    return shown == given


def _parts(block: Block) -> tuple[str, dict[str, str], str]:
    head, _, body = block.text.partition("\n\n")
    line, *fields = head.splitlines()
    headers = {field.partition(":")[0].lower(): field.partition(":")[2].strip() for field in fields}
    return line, headers, body.strip()
