"""Opens what the application stands on, in order, and closes it in reverse."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.health import Health, HealthCheck
from app.core.module import Module
from app.core.settings import Settings
from app.db.local import database_address
from app.db.sessions import Database, open_database

if TYPE_CHECKING:
    from app.core.telemetry.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Resources:
    """What is open while the application runs; the lifespan puts each on `app.state` under its name here."""

    database: Database
    health: Health


@asynccontextmanager
async def open_resources(
    settings: Settings, modules: Sequence[Module], tracing: "Tracing | None" = None
) -> AsyncIterator[Resources]:
    """Every client of the application, open until the block ends; where there is `tracing`, it sends its spans.

    What is open already is closed again when a later one fails to open.
    """
    async with AsyncExitStack() as stack:
        if tracing:
            await stack.enter_async_context(tracing.deliver())
        constraints = {error.constraint: error for module in modules for error in module.errors if error.constraint}
        handlers = [handler for module in modules for handler in module.handlers]
        address = stack.enter_context(database_address(settings.postgres))
        watch = tracing.watch if tracing else None
        database = await stack.enter_async_context(
            open_database(address, settings.postgres, constraints, handlers, watch)
        )
        checks = [
            HealthCheck("database", database.ping),
            *(check for module in modules for check in module.health_checks),
        ]
        yield Resources(database=database, health=Health(checks))
