"""What a database error means, by its SQLSTATE (PostgreSQL manual, appendix A): the one place that knows."""

from collections.abc import Mapping

import asyncpg

from app.core.errors import AppError, Conflict, Interrupted, InUse, Invalid, Unavailable


class ConnectionLost(Interrupted):
    """The server went away. Before a commit nothing is stored; during one nobody knows (see `UnitOfWork`)."""

    detail = "The connection to the database was lost. Try again shortly."


class DatabaseUnreachable(Unavailable):
    detail = "The database cannot be reached. Try again shortly."


class DatabaseBusy(Unavailable):
    """A deadline passed: for a connection from the pool, for a lock, or for the statement itself."""

    detail = "The database is too busy to answer in time. Try again shortly."


class DatabaseFault(AppError):
    """A statement that is wrong in itself. `sqlstate` and `reason` are for the log."""

    def __init__(self, sqlstate: str | None, reason: str) -> None:
        super().__init__()
        self.sqlstate = sqlstate
        self.reason = reason

    def __str__(self) -> str:
        return f"SQLSTATE {self.sqlstate}: {self.reason}"


_TOO_LARGE = "The database cannot hold one of the values: it is too large, too long or not of its column's kind."
_MISSING = "A value that is required is missing."
_RULE_BROKEN = "The values break a rule of the stored data."
_REFERENCE = "The change refers to something that does not exist."
_UNDONE = "The database undid the work in favour of another that touched the same rows. Try again shortly."
_READ_ONLY = "The database accepts no changes right now. Try again shortly."

# Up to version 17 PostgreSQL has one code for both ends of a reference; a constraint's own error is about the near one.
_FOREIGN_KEY = "23503"
_RESTRICT = "23001"

# Longest prefix first: a whole SQLSTATE before its class.
_MEANINGS: Mapping[str, tuple[type[AppError], str]] = {
    "22": (Invalid, _TOO_LARGE),  # data exception; also what the driver itself raises when it cannot encode a value
    "54000": (Invalid, _TOO_LARGE),  # program limit exceeded, e.g. a value too large for its index
    "23502": (Invalid, _MISSING),  # not-null violation
    "23514": (Invalid, _RULE_BROKEN),  # check violation
    "23503": (Conflict, _REFERENCE),  # foreign-key violation
    "23001": (InUse, InUse.detail),  # restrict violation, which PostgreSQL 18 tells from the one above
    "23": (Conflict, Conflict.detail),  # unique, exclusion
    "40001": (Interrupted, _UNDONE),  # serialisation failure
    "40P01": (Interrupted, _UNDONE),  # deadlock detected
    "08": (ConnectionLost, ConnectionLost.detail),
    "57P01": (ConnectionLost, ConnectionLost.detail),  # admin shutdown
    "57P02": (ConnectionLost, ConnectionLost.detail),  # crash shutdown
    "57P05": (ConnectionLost, ConnectionLost.detail),  # idle session timeout
    "25P03": (DatabaseBusy, DatabaseBusy.detail),  # idle in transaction timeout
    "25006": (DatabaseUnreachable, _READ_ONLY),  # the primary became a standby
    "57P": (DatabaseUnreachable, DatabaseUnreachable.detail),  # cannot connect now
    "53": (DatabaseUnreachable, DatabaseUnreachable.detail),  # too many connections, disk full, out of memory
    "28": (DatabaseUnreachable, DatabaseUnreachable.detail),  # password or role refused
    "3D000": (DatabaseUnreachable, DatabaseUnreachable.detail),  # no such database
    "57014": (DatabaseBusy, DatabaseBusy.detail),  # statement timeout
    "55P03": (DatabaseBusy, DatabaseBusy.detail),  # lock timeout
}


def translate(error: BaseException, constraints: Mapping[str, type[AppError]]) -> AppError | None:
    """The error that a driver's exception means; `constraints` names those that stand for one. None: not its word."""
    if isinstance(error, asyncpg.PostgresError):
        return _by_sqlstate(error, constraints)
    if isinstance(error, TimeoutError):
        return DatabaseBusy()
    # The driver's protocol meets the server's goodbye in the middle of something else.
    if isinstance(error, OSError | asyncpg.InternalClientError):
        return ConnectionLost()
    # It has no class of its own for this one, and the others of its kind are mistakes of ours.
    if isinstance(error, asyncpg.InterfaceError) and "closed" in str(error):
        return ConnectionLost()
    return None


def _by_sqlstate(error: asyncpg.PostgresError, constraints: Mapping[str, type[AppError]]) -> AppError:
    sqlstate = error.sqlstate or ""
    if sqlstate == _FOREIGN_KEY and "still referenced" in (error.detail or ""):
        sqlstate = _RESTRICT
    if sqlstate.startswith("23") and sqlstate != _RESTRICT and (named := constraints.get(error.constraint_name or "")):
        return named()
    for length in (5, 3, 2):
        if meaning := _MEANINGS.get(sqlstate[:length]):
            kind, detail = meaning
            return kind(detail)
    return DatabaseFault(sqlstate, error.args[0] if error.args else "")
