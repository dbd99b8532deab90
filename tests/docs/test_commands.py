"""Every command in the documents does what they say it does."""

import re
from pathlib import Path
from typing import Final

import pytest

import app.modules
from app.canvas import collect
from app.core.module import discover
from app.core.settings import PostgresAddress
from tests.docs.console import Command, Shell, commands, matches
from tests.docs.markdown import Block, blocks, documents, name

NOT_RUN: Final = {
    r"make test.*": "would run this test, and that one the next",
    r"make bench-.*": "takes minutes, and what it says depends on the machine",
    r"make check": "takes longer than all of this, and is run as it is before each commit and by CI",
}
"""Commands that are shown and not run, each with the reason."""

WITH_COMMANDS: Final = [document for document in documents() if blocks(document, "console")]


MADE: Final = re.compile(r"make module name=(\w+)")


def is_run(line: str) -> bool:
    return not any(re.fullmatch(pattern, line) for pattern in NOT_RUN)


def commands_of(document: Path) -> list[tuple[Block, Command]]:
    return [(block, command) for block in blocks(document, "console") for command in commands(block)]


def in_the_way(document: Path) -> list[str]:
    """The modules that have the names of those which `document` makes, each after all that depend on it."""
    made = {match[1] for _, command in commands_of(document) if (match := MADE.match(command.line))}
    canvases = collect(app.modules, discover(app.modules))
    order: list[str] = []

    def take(name: str) -> None:
        for canvas in canvases:
            if name in {dependency.module for dependency in canvas.dependencies}:
                take(canvas.name)
        if name not in order:
            order.append(name)

    for canvas in canvases:
        if canvas.name in made:
            take(canvas.name)
    return order


# A document's commands run one after another in one copy, as somebody would who reads it from top to bottom.
@pytest.mark.drill
@pytest.mark.parametrize("document", WITH_COMMANDS, ids=name)
def test_its_commands_do_what_it_says(document: Path, own_database: PostgresAddress, tmp_path: Path) -> None:
    shell = Shell(tmp_path / "clone", own_database)
    for module in in_the_way(document):
        shell.run(Command(f"make module-remove name={module}", 0, ()))
    for block, command in commands_of(document):
        if is_run(command.line):
            said = shell.run(command)
            assert not command.shown or matches(command.shown, said), f"{block.place}: $ {command.line}\n{said}"


def test_what_is_not_run_is_still_shown() -> None:
    shown = [command.line for document in WITH_COMMANDS for _, command in commands_of(document)]

    assert [pattern for pattern in NOT_RUN if not any(re.fullmatch(pattern, line) for line in shown)] == []


def test_a_command_stands_in_a_block_that_is_run() -> None:
    others = [
        block.place
        for document in documents()
        for block in blocks(document)
        if block.language in {"", "bash", "sh", "shell", "zsh"}
        or (block.language != "console" and re.search(r"^\$ ", block.text, re.MULTILINE))
    ]

    assert others == []


@pytest.mark.parametrize(
    ("shown", "said", "expected"),
    [
        (["a"], "a\n", True),
        (["a"], "b\n", False),
        (["a"], "a\nb\n", False),
        (["a … c"], "a b c  \n", True),
        (["a … c"], "a\nc\n", False),
        (["a", "…"], "a\nb\nc\n", True),
        (["a", "…"], "a\n", True),
        (["…", "c"], "a\nb\n", False),
        (["(a) [b]"], "(a) [b]\n", True),
    ],
)
def test_the_ellipsis_stands_for_what_differs(shown: list[str], said: str, expected: bool) -> None:
    assert matches(shown, said) is expected
