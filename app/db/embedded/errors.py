"""PostgreSQL's faults, said so that a developer knows what to do."""

import re
import shutil
from pathlib import Path

_FULL_BELOW = 1024 * 1024
_BLAMES = re.compile(r"(?:FATAL|PANIC|ERROR|error|Errno \d+)[:\]] *(.+)")
_OTHER_MAJOR = re.compile(r"initialized by PostgreSQL version (\S+),.* this version (\S+?)\.?$", re.MULTILINE)
_UNUSABLE = re.compile(
    r"Permission denied|Read-only file system|Not a directory|File exists|wrong ownership|invalid permissions"
)


class EmbeddedPostgresError(Exception):
    """There is no embedded PostgreSQL; the message says in one sentence why and what to do next."""


def explained(said: str, directory: Path) -> EmbeddedPostgresError:
    """The error for what PostgreSQL, or the operating system, said about a server in `directory`."""
    free = _free_bytes(directory)
    # A full disk swallows the log too, so PostgreSQL may have had no chance to say so.
    if "No space left on device" in said or free < _FULL_BELOW:
        return EmbeddedPostgresError(
            f"The disk that holds {directory} is too full ({free // 1024**2} MiB free): free some space and start again."
        )
    if versions := _OTHER_MAJOR.search(said):
        return EmbeddedPostgresError(
            f"{directory / 'data'} was made by PostgreSQL {versions[1]}, which PostgreSQL {versions[2]} cannot read: "
            "move that folder away and the next start makes a new one."
        )
    reason = last_words(said)
    if _UNUSABLE.search(said):
        return EmbeddedPostgresError(
            f"PostgreSQL may not use {directory} ({reason}): give that folder to the user who runs this, "
            "move the clone to where that user may enter, or set DATABASE_URL to a server."
        )
    return EmbeddedPostgresError(
        f"PostgreSQL does not start ({reason}): {directory / 'postgres.log'} tells more; "
        f"if the data is damaged, move {directory / 'data'} away and the next start makes a new one."
    )


def last_words(said: str) -> str:
    """The line that names the fault, or else the last one: a dying server says more after its fault."""
    blames: list[str] = _BLAMES.findall(said)
    lines = said.strip().splitlines()
    return blames[-1] if blames else lines[-1] if lines else "it said nothing"


def _free_bytes(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        # Not made yet, or not ours to see.
        return _free_bytes(folder.parent)
