"""The project's Markdown files, read as far as what they promise can be checked."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.support.server import ROOT

_FENCE: Final = re.compile(r" *(?P<fence>`{3,}|~{3,})(?P<info>.*)")
_HEADING: Final = re.compile(r"#{1,6} +(?P<text>.+)")
_LINK: Final = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_CODE: Final = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its text, and the first line of it, counted from 1.

    What follows the language on the opening fence are options: `console exit=1` has the option exit, `python refused`
    the option refused with an empty value.
    """

    document: Path
    line: int
    language: str
    options: Mapping[str, str]
    text: str

    @property
    def place(self) -> str:
        return f"{name(self.document)}:{self.line}"


def documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def blocks(document: Path, *languages: str) -> list[Block]:
    """The fenced blocks in one of `languages`, in order; all of them when none is named."""
    return [block for block in _read(document)[1] if not languages or block.language in languages]


def block(document: Path, option: str) -> Block:
    """The one block with `option`, e.g. of "```text tree"."""
    (found,) = (block for block in blocks(document) if option in block.options)
    return found


def prose(document: Path) -> list[tuple[int, str]]:
    """The lines outside fenced blocks, each with its number."""
    return _read(document)[0]


def links(document: Path) -> Iterator[tuple[int, str]]:
    """The targets of links, each with its line."""
    for number, line in prose(document):
        for match in _LINK.finditer(_CODE.sub("", line)):
            yield number, match["target"]


def code_spans(document: Path) -> Iterator[tuple[int, str]]:
    """What stands between backticks in the text, each with its line."""
    for number, line in prose(document):
        for match in _CODE.finditer(line):
            yield number, match[1]


def anchors(document: Path) -> set[str]:
    """The fragments by which GitHub links to the headings of `document`."""
    headings = [match["text"] for _, line in prose(document) if (match := _HEADING.fullmatch(line))]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def _read(document: Path) -> tuple[list[tuple[int, str]], list[Block]]:
    outside: list[tuple[int, str]] = []
    found: list[Block] = []
    lines = iter(enumerate(document.read_text(encoding="utf-8").splitlines(), start=1))
    for number, line in lines:
        if (opening := _FENCE.fullmatch(line)) is None:
            outside.append((number, line))
            continue
        inside: list[str] = []
        for _, content in lines:
            if content.strip() == opening["fence"]:
                break
            inside.append(content)
        else:
            raise ValueError(f"{name(document)}:{number} opens a block that nothing closes.")
        language, *options = opening["info"].split() or [""]
        named = dict(option.partition("=")[::2] for option in options)
        found.append(Block(document, number + 1, language, named, "".join(f"{text}\n" for text in inside)))
    return outside, found
