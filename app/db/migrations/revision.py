"""Writes the next migration from what the models say and the migrations so far do not."""

import hashlib
import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Final

from alembic.autogenerate import RevisionContext, render_python_code
from alembic.operations.ops import DropTableOp, UpgradeOps
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import Connection, MetaData

from app.core.settings import PostgresAddress, PostgresSettings
from app.db.migrations.connection import working_connection
from app.db.migrations.environment import run, with_alembic
from app.db.migrations.errors import MigrationError
from app.db.migrations.history import VERSIONS, History, alembic_config, numbered
from app.db.migrations.runner import apply
from app.db.migrations.scratch import scratch_database

_ID_DIGITS: Final = 12


async def revision(
    message: str,
    address: PostgresAddress,
    settings: PostgresSettings,
    metadata: MetaData,
    *,
    versions: Path = VERSIONS,
) -> Path:
    """Writes a migration to `metadata` and returns its file; where nothing differs, one to be filled in by hand.

    The same change under the same message after the same migrations is written with the same name, id and bytes.

    It compares with an empty database on the server of `address` that it migrates to the head, so that what somebody
    did to their own database leaves no trace.

    Raises:
        MigrationError: the migrations branch or fail, or the server gives no scratch database.
    """
    history = History(versions)
    async with scratch_database(address, settings) as scratch, working_connection(scratch, settings) as connection:
        await apply(connection, scratch, history, history.line)
        return await with_alembic(connection, lambda sync: _write(sync, message, metadata, history, versions))


def _write(connection: Connection, message: str, metadata: MetaData, history: History, versions: Path) -> Path:
    config = alembic_config(versions)
    writing = RevisionContext(
        config,
        history.scripts,
        {
            "message": message,
            "autogenerate": True,
            "sql": False,
            "head": "head",
            "splice": False,
            "branch_label": None,
            "version_path": None,
            "rev_id": None,
            "depends_on": None,
        },
    )

    def compare(current: tuple[str, ...], context: MigrationContext) -> Sequence[RevisionStep]:
        writing.run_autogenerate(current, context)
        (migration,) = writing.generated_revisions
        assert migration.upgrade_ops is not None  # noqa: S101  what autogenerate fills
        _leave_out_indexes_of_dropped_tables(migration.upgrade_ops)
        work = "\n".join((history.head or "", message, render_python_code(migration.upgrade_ops)))
        migration.rev_id = hashlib.sha256(work.encode()).hexdigest()[:_ID_DIGITS]
        return ()

    with EnvironmentContext(
        config, history.scripts, fn=compare, template_args=writing.template_args, revision_context=writing
    ):
        run(connection, metadata)
    with redirect_stdout(io.StringIO()):  # Alembic tells its progress; ours is told by whoever called
        script = next(writing.generate_scripts(), None)
    if script is not None:
        file = Path(script.path)
        return file.rename(file.with_name(numbered(len(history.line) + 1, file.name)))
    raise MigrationError(f"Alembic wrote no migration into {versions}. See that the folder can be written.")


def _leave_out_indexes_of_dropped_tables(upgrade: UpgradeOps) -> None:
    """They go with their table, which is locked for a moment only; dropped before it they would be two locks more."""
    dropped = {step.table_name for step in upgrade.ops if isinstance(step, DropTableOp)}
    upgrade.ops = [
        step
        for step in upgrade.ops
        if isinstance(step, DropTableOp) or getattr(step, "table_name", None) not in dropped
    ]
