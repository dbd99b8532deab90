"""What can go wrong with migrations, said so that whoever deploys knows what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from app.core.settings import PostgresAddress
from app.core.startup import StartupRefused

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, DBAPIError, PendingRollbackError)

_LOCK_TIMEOUT = "55P03"
_CANCELLED = "57014"
_CONNECTION_LOST = ("08", "57P")


class MigrationError(StartupRefused):
    """The schema cannot be brought to where it should be; the message says why and what to do next."""


@contextmanager
def explaining(address: PostgresAddress, doing: str) -> Iterator[None]:
    """Turns what the driver raises inside into a MigrationError; `doing` is what failed, as in "Reading …"."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise explained(error, address, doing) from error


def explained(error: Exception, address: PostgresAddress, doing: str) -> MigrationError:
    """The MigrationError for what the driver raised."""
    if isinstance(error, PendingRollbackError) and isinstance(error.__context__, DBAPIError):
        error = error.__context__  # an autocommit block could not end after its connection was lost
    if isinstance(error, DBAPIError) and isinstance(error.driver_exception, Exception):
        error = error.driver_exception
    sqlstate = (isinstance(error, asyncpg.PostgresError) and error.sqlstate) or ""
    if sqlstate == _LOCK_TIMEOUT:
        return MigrationError(
            f"{doing} on {address} waited too long for a lock that other transactions hold, and was undone. "
            "Run it again when they have ended, or raise POSTGRES_MIGRATION_LOCK_TIMEOUT."
        )
    if sqlstate == _CANCELLED or isinstance(error, TimeoutError):
        return MigrationError(
            f"{doing} on {address} had a statement that took too long, and was undone. "
            "Split the work, or raise POSTGRES_MIGRATION_STATEMENT_TIMEOUT."
        )
    if sqlstate.startswith(_CONNECTION_LOST) or isinstance(error, OSError | asyncpg.InterfaceError):
        return MigrationError(
            f"{doing} on {address} lost the connection, and was undone. "
            "See that the database answers, then run it again."
        )
    # Only the message: its detail would quote stored values.
    reason = str(error.args[0]) if error.args else type(error).__name__
    return MigrationError(f"{doing} on {address} failed and was undone: {reason}. Mend that, then run it again.")


def unreachable(error: Exception, address: PostgresAddress) -> MigrationError:
    reason = str(error) or type(error).__name__
    return MigrationError(
        f"The database {address} cannot be reached ({reason}). Start it or correct DATABASE_URL, then run this again."
    )
