"""`python -m app.scaffold.complete MESSAGE [REASON]`, run in a copy of the project whose modules have changed.

Writes the migration that follows from the change, tries it in an empty database, and brings the documents up to date.
REASON says why tables may be dropped. Prints the name of the migration; ends with status 1 and the faults.
"""

import asyncio
import sys
from pathlib import Path

import app.modules
from app import documents
from app.canvas import collect
from app.core.canvas import circles
from app.core.module import discover, settings_areas
from app.core.settings import load_settings
from app.db import migrations
from app.db.indexes import unindexed_sorts
from app.db.local import database_address
from app.db.model import metadata


def complete(message: str, reason: str | None) -> list[str]:
    """The faults that were found, none when all is well."""
    modules = discover(app.modules)
    settings = load_settings(settings_areas(modules))
    with database_address(settings.postgres) as address:
        file = asyncio.run(migrations.revision(message, address, settings.postgres, metadata))
        if reason is not None:
            _state_reason(file, reason)
        faults = [*asyncio.run(migrations.check(address, settings.postgres, metadata)), *unindexed_sorts()]
    canvases = collect(app.modules, modules)
    for written in (documents.contracts(modules), documents.pages(canvases)):
        list(written.write())
    print(file.name)  # noqa: T201  for the process that started this one
    return [str(fault) for fault in (*faults, *circles(canvases))]


def _state_reason(file: Path, reason: str) -> None:
    source = file.read_text(encoding="utf-8")
    head = "def upgrade() -> None:\n"
    file.write_text(source.replace(head, f"{head}    # squawk: ban-drop-table, because {reason}\n"), encoding="utf-8")


if __name__ == "__main__":
    if found := complete(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None):  # noqa: PLR2004
        sys.exit("\n".join(found))
