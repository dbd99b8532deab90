"""A copy of the project in which a module is made or removed before anything of it is seen in the project itself."""

import difflib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.core.settings import PostgresAddress
from app.scaffold.errors import ScaffoldError

ROOT: Final = Path(__file__).resolve().parents[2]
_COPIED: Final = ("app", "alembic", "docs", "static", "templates", "alembic.ini", "pyproject.toml")
_DEADLINE: Final = 120.0  # seconds


@contextmanager
def copy_of_project() -> Iterator[Path]:
    """A copy of what the application consists of, on the project's own file system; gone after the block.

    Raises:
        ScaffoldError: a file cannot be read or written, or a program takes too long, here or in the block.
    """
    try:
        (ROOT / ".local").mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="scaffold-", dir=ROOT / ".local") as folder:
            copy = Path(folder)
            for name in _COPIED:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / name, copy)
            for stated in ROOT.glob(".env*"):
                shutil.copy(stated, copy)
            yield copy
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise ScaffoldError(f"Nothing was changed. {fault}. Mend this, and run the command again.") from fault


def run_python(copy: Path, address: PostgresAddress, *arguments: str) -> str:
    """What Python says that runs the copy's code, with the database server at `address`.

    Raises:
        ScaffoldError: it fails; the message is its own.
    """
    environ = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "PYTHONPATH"}}
    environ |= _stated(address) | {"PYTHONDONTWRITEBYTECODE": "1"}
    if folder := environ.get("SECRETS_DIR"):
        environ["SECRETS_DIR"] = str(Path(folder).absolute())
    done = subprocess.run(  # noqa: S603  the interpreter that runs us
        [sys.executable, *arguments],
        cwd=copy,
        env=environ,
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
        check=False,
    )
    if done.returncode:
        raise ScaffoldError(f"Nothing was changed. {(done.stderr or done.stdout).strip()}")
    return done.stdout


def new_files(copy: Path, places: Sequence[str]) -> list[str]:
    """The files below `places`, folders or files, that the copy has and the project has not."""
    found = (
        path for place in places for path in ([copy / place] if (copy / place).is_file() else (copy / place).rglob("*"))
    )
    names = (path.relative_to(copy).as_posix() for path in found if path.is_file())
    return sorted(name for name in names if not (ROOT / name).exists())


def diff(copy: Path, files: Sequence[str]) -> Iterator[str]:
    """The lines of a unified diff that adds `files`."""
    for name in files:
        lines = (copy / name).read_text(encoding="utf-8").splitlines()
        yield from difflib.unified_diff([], lines, "/dev/null", f"b/{name}", lineterm="")


def exchange(copy: Path, added: Sequence[str], removed: Sequence[str] = ()) -> None:
    """Moves `removed`, folders or files, out of the project, and `added` out of the copy into it: all or none.

    None of `added` is in the project, none of `removed` in the copy. What was moved goes back when something fails. The
    first to be removed and the last to be added is best what the others belong to.
    """
    moves = [(ROOT / place, copy / place) for place in removed] + [(copy / place, ROOT / place) for place in added]
    moved: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            moved.append((source, target))
    except BaseException:
        for source, target in reversed(moved):
            target.rename(source)
        raise


def delete(path: Path) -> None:
    """Deletes a folder or a file that may be absent."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _stated(address: PostgresAddress) -> dict[str, str]:
    stated = {
        "POSTGRES_HOST": address.host,
        "POSTGRES_PORT": str(address.port),
        "POSTGRES_USER": address.user,
        "POSTGRES_DB": address.database,
    }
    if address.password is not None:
        stated["POSTGRES_PASSWORD"] = address.password.get_secret_value()
    return stated
