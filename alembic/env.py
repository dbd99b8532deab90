"""What the command line `alembic` runs: it finds the tables of every module and hands over."""

import app.modules
from app.core.logging import configure_logging
from app.core.module import discover, settings_areas
from app.core.settings import load_settings
from app.db.migrations.environment import run_command
from app.db.model import metadata

settings = load_settings(settings_areas(discover(app.modules)))
configure_logging(settings.log)
run_command(settings.postgres, metadata)
