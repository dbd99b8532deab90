"""The application with the sample module beside its own, and what that needs of a database."""

from fastapi import FastAPI

import app.main
import app.modules
from app.core.module import Module, discover
from app.core.settings import PostgresAddress, PostgresSettings, Settings
from app.db.engine import open_engine
from tests.sample.note import module
from tests.sample.note.models import Note


def modules() -> tuple[Module, ...]:
    return (*discover(app.modules), module)


def create_app(settings: Settings | None = None) -> FastAPI:
    return app.main.create_app(settings, modules=modules())


async def create_table(address: PostgresAddress) -> None:
    """Creates the sample's table, of which the migrations know nothing."""
    engine = open_engine(address, PostgresSettings(), {})
    async with engine.begin() as connection:
        await connection.run_sync(Note.__table__.create)
    await engine.dispose()
