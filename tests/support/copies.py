"""Copies of the repository, in which a test changes what it likes."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from app.core.settings import PostgresAddress
from tests.support.server import ROOT, environment

_NOT_COPIED: Final = shutil.ignore_patterns(
    ".git", ".local", ".venv", ".env", ".env.[!e]*", ".*_cache", ".hypothesis", ".coverage*"
)
_SAMPLE: Final = "tests/sample/note"


class Copy:
    """A copy of the repository, and commands that run in it on the database at `address`.

    It has an environment made of links to this one's files, so that nothing is installed.
    """

    def __init__(self, folder: Path, address: PostgresAddress | None) -> None:
        shutil.copytree(ROOT, folder, ignore=_NOT_COPIED)
        # Not tracked: somebody may have one, and another one none.
        (folder / "docs" / "modules" / "diagram.svg").unlink(missing_ok=True)
        (folder / ".venv").mkdir()
        for entry in Path(sys.prefix).iterdir():
            (folder / ".venv" / entry.name).symlink_to(entry)
        # Newer than the locks, which tells make that all is installed.
        (folder / ".venv" / "installed").unlink(missing_ok=True)
        (folder / ".venv" / "installed").touch()
        self.folder = folder
        self.environ = environment(address) | {"PYTHONPATH": str(folder)}

    def typed(self) -> dict[str, str]:
        """The environment of what a developer types in it, where nothing is stated but the database."""
        ours = ("APP_ENV", "COV_CORE_", "COVERAGE_", "MAKE", "MFLAGS", "PYTHONPATH")
        return {name: value for name, value in self.environ.items() if not name.startswith(ours)}

    def app(self, *command: str) -> subprocess.CompletedProcess[str]:
        """`python -m app …`, as it ended."""
        return self.python("-m", "app", *command)

    def python(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder, env=self.environ | environ, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def add_sample(self) -> None:
        """Makes the sample of the tests one of its modules, `sample_note`, whose table every test's database has."""
        folder = self.folder / "app" / "modules" / "sample_note"
        folder.mkdir()
        for file in (ROOT / _SAMPLE).glob("*.py"):
            text = file.read_text(encoding="utf-8").replace(_SAMPLE.replace("/", "."), "app.modules.sample_note")
            (folder / file.name).write_text(text, encoding="utf-8")
