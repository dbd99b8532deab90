"""The revisions on disk, which are one line from the first to the head."""

import re
import warnings
from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError

from app.db.migrations.errors import MigrationError

_ROOT: Final = Path(__file__).resolve().parents[3]
VERSIONS: Final = _ROOT / "alembic" / "versions"
_NUMBER: Final = re.compile(r"\d{4}_")


class SeveralHeads(MigrationError):
    """Two revisions follow the same one; `heads` are the ends of the branches."""

    def __init__(self, heads: tuple[str, ...]) -> None:
        super().__init__(
            f"The migrations branch: {' and '.join(heads)} both want to be the newest. "
            "Put one branch behind the other with: make rebase"
        )
        self.heads = heads


def numbered(number: int, name: str) -> str:
    """The name of the file of the migration that is `number` in the line, so that a listing shows their order."""
    return f"{number:04}_{name}"


def alembic_config(versions: Path = VERSIONS) -> Config:
    config = Config(_ROOT / "alembic.ini")
    config.set_main_option("version_locations", str(versions).replace("%", "%%"))
    return config


def read_scripts(versions: Path = VERSIONS) -> ScriptDirectory:
    """Every revision in `versions`, whatever shape their history has.

    Raises:
        MigrationError: a revision follows one that is not there, two have one id, or they go in a circle.
    """
    scripts = ScriptDirectory.from_config(alembic_config(versions))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # alembic only warns of a hole in the history
            scripts.get_heads()
    except (CommandError, RevisionError, UserWarning) as error:
        raise MigrationError(
            f"The migrations in {versions} do not fit together: {error}. Mend down_revision."
        ) from error
    return scripts


class History:
    """One line of revisions, oldest first.

    Raises:
        SeveralHeads: it branches.
        MigrationError: it is otherwise not one line.
    """

    def __init__(self, versions: Path = VERSIONS) -> None:
        self.scripts = read_scripts(versions)
        heads = tuple(sorted(self.scripts.get_heads()))
        if len(heads) > 1:
            raise SeveralHeads(heads)
        line: list[Script] = []
        below: str | None = heads[0] if heads else None
        while below is not None:
            script = self.scripts.get_revision(below)
            if not isinstance(script.down_revision, str | None):
                raise MigrationError(
                    f"{Path(script.path).name} merges two branches, but the migrations are one line. "
                    "Delete it and put one branch behind the other with: make rebase"
                )
            line.append(script)
            below = script.down_revision
        self.line = tuple(reversed(line))

    @property
    def head(self) -> str | None:
        return self.line[-1].revision if self.line else None

    def renumber(self) -> None:
        """Lets the names of files begin with their places in the line, where they begin with another number."""
        for number, script in enumerate(self.line, start=1):
            file = Path(script.path)
            if _NUMBER.match(file.name):
                file.rename(file.with_name(numbered(number, _NUMBER.sub("", file.name))))

    def reach(self, stored: tuple[str, ...]) -> int:
        """How many revisions a database has whose version table holds `stored`.

        Raises:
            MigrationError: it was migrated by other code than this.
        """
        if not stored:
            return 0
        for number, script in enumerate(self.line, start=1):
            if stored == (script.revision,):
                return number
        raise MigrationError(
            f"The database is at revision {', '.join(stored)}, which this code does not have: newer code or another "
            "branch migrated it. Run that code, or take the revision back with it (downgrade) first."
        )

    def count_to(self, target: str) -> int:
        """How many revisions lead to `target`: an id or its beginning, or "head".

        Raises:
            MigrationError: there is no such revision, or several begin like this.
        """
        if target == "head":
            return len(self.line)
        matches = [number for number, script in enumerate(self.line, start=1) if script.revision.startswith(target)]
        if len(matches) != 1 or not target:
            found = "several revisions begin" if matches else "no revision begins"
            raise MigrationError(f'In the migrations {found} with "{target}". Name one of them, or "head".')
        return matches[0]
