"""Brings the schema to where the code expects it, and keeps the migrations such that this harms nobody.

It imports Alembic, so an application that serves requests leaves it alone.
"""

from app.db.migrations.checks import check
from app.db.migrations.errors import MigrationError
from app.db.migrations.findings import Finding
from app.db.migrations.rebase import Rebase, rebase
from app.db.migrations.revision import revision
from app.db.migrations.runner import Status, downgrade, status, upgrade

__all__ = [
    "Finding",
    "MigrationError",
    "Rebase",
    "Status",
    "check",
    "downgrade",
    "rebase",
    "revision",
    "status",
    "upgrade",
]
