"""Two branches of migrations made one line."""

import ast
import re
import subprocess
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final

from alembic.script import Script, ScriptDirectory

from app.db.migrations.errors import MigrationError
from app.db.migrations.history import VERSIONS, History, read_scripts

_REVISES: Final = re.compile(r"^Revises: .*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Rebase:
    """What was done: the revisions of one branch, oldest first, now follow `onto`; `file` is the one that changed."""

    moved: tuple[str, ...]
    onto: str
    skipped_by_databases: tuple[str, ...]
    file: Path
    because: str

    def __str__(self) -> str:
        return (
            f"{' and '.join(self.moved)} now {'follows' if len(self.moved) == 1 else 'follow'} {self.onto}, "
            f"because {self.because}; {self.file.name} was changed. A database that already has {self.moved[-1]} would "
            f"never get {' and '.join(self.skipped_by_databases)}: make it anew, or undo this change, take "
            f"{self.moved[0]} back there, and rebase again."
        )


@dataclass(frozen=True, slots=True)
class _Branch:
    """The revisions, oldest first, that only this head has."""

    scripts: tuple[Script, ...]

    @property
    def file(self) -> Path:
        return Path(self.scripts[0].path)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(script.revision for script in self.scripts)


def rebase(versions: Path = VERSIONS, *, base: str = "main") -> Rebase | None:
    """Puts the branch that is not in the git branch `base` yet behind the one that is; None when there is one line.

    If that does not tell them apart, the one that git does not know moves, then the one that was committed later.

    Raises:
        MigrationError: there are more than two branches, one of them is merged already, or nothing tells them apart.
    """
    scripts = read_scripts(versions)
    heads = scripts.get_heads()
    if len(heads) <= 1:
        return None
    if len(heads) > 2:  # noqa: PLR2004  a branch and another
        raise MigrationError(
            f"The migrations have {len(heads)} heads ({', '.join(heads)}), and two can be rebased at a time. "
            "Merge one branch after the other."
        )
    one, two = _branches(scripts, *heads)
    stays, moves, because = _decide(one, two, base)
    onto = stays.ids[-1]
    _rewrite(moves.file, onto)
    History(versions).renumber()
    file = Path(read_scripts(versions).get_revision(moves.ids[0]).path)
    return Rebase(moves.ids, onto, stays.ids, file, because)


def _branches(scripts: ScriptDirectory, one: str, two: str) -> tuple[_Branch, _Branch]:
    first, second = _line_down_from(scripts, one), _line_down_from(scripts, two)
    shared = {script.revision for script in first} & {script.revision for script in second}

    def own(line: list[Script]) -> _Branch:
        return _Branch(tuple(takewhile(lambda script: script.revision not in shared, line))[::-1])

    return own(first), own(second)


def _line_down_from(scripts: ScriptDirectory, head: str) -> list[Script]:
    line: list[Script] = []
    below: str | None = head
    while below is not None:
        script = scripts.get_revision(below)
        if not isinstance(script.down_revision, str | None):
            raise MigrationError(
                f"{Path(script.path).name} merges two branches, and only plain lines can be rebased. "
                "Delete it and rebase again."
            )
        line.append(script)
        below = script.down_revision
    return line


def _decide(one: _Branch, two: _Branch, base: str) -> tuple[_Branch, _Branch, str]:
    """The branch that stays, the one that moves, and why."""
    for ref in (f"origin/{base}", base):
        if (one_is_in := _is_in(one.file, ref)) != _is_in(two.file, ref):
            return (*_first(one_is_in, one, two), f"it is not in {ref} yet")
    one_added, two_added = _committed_at(one.file), _committed_at(two.file)
    if (one_added is None) != (two_added is None):
        return (*_first(two_added is None, one, two), "git does not know it yet")
    if one_added is not None and two_added is not None and one_added != two_added:
        return (*_first(one_added < two_added, one, two), "it was committed later")
    raise MigrationError(
        f"Nothing tells whether {one.file.name} or {two.file.name} came later. Let one of them follow the other's "
        f'branch: down_revision = "{two.ids[-1]}" in the former, or "{one.ids[-1]}" in the latter.'
    )


def _first(one_first: bool, one: _Branch, two: _Branch) -> tuple[_Branch, _Branch]:
    return (one, two) if one_first else (two, one)


def _is_in(file: Path, ref: str) -> bool:
    return _git(file.parent, "cat-file", "-e", f"{ref}:./{file.name}") is not None


def _committed_at(file: Path) -> int | None:
    """Seconds since 1970, or None when no branch has a commit with it."""
    times = (_git(file.parent, "log", "--all", "--diff-filter=A", "--format=%ct", "--", file.name) or "").split()
    return min(map(int, times), default=None)


def _git(folder: Path, *arguments: str) -> str | None:
    """What it printed; None when it failed, is not installed, or `folder` is in no repository."""
    try:
        command = subprocess.run(  # noqa: S603  fixed arguments and file names
            ["git", *arguments],  # noqa: S607  wherever the developer has it
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return command.stdout if command.returncode == 0 else None


def _rewrite(file: Path, onto: str) -> None:
    source = file.read_bytes().decode()
    for statement in ast.parse(source).body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id="down_revision")], value=value)
                | ast.AnnAssign(target=ast.Name(id="down_revision"), value=ast.expr() as value)
            ):
                lines = source.splitlines(keepends=True)
                line = lines[value.lineno - 1].encode()
                # The parser counts bytes; the value is one word and so on one line.
                lines[value.lineno - 1] = (
                    line[: value.col_offset] + f'"{onto}"'.encode() + line[value.end_col_offset :]
                ).decode()
                written = _REVISES.sub(f"Revises: {onto}", "".join(lines), count=1)
                file.write_bytes(written.encode())
                return
    raise MigrationError(f'{file.name} states no down_revision. Write it by hand: down_revision = "{onto}".')
