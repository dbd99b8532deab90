"""A bare connection to PostgreSQL, as both the engine and the migrations open theirs."""

import ssl
from collections.abc import Mapping
from typing import Final

import asyncpg

from app.core.settings import PostgresAddress, PostgresSettings

# What opening one may raise: asyncpg passes the operating system's errors on as they are.
CONNECT_ERRORS: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

# The server ends a slow statement itself and keeps the connection clean; the client's own deadline is for a server
# that has stopped answering, and therefore a little later.
_CLIENT_GRACE: Final = 0.25  # seconds


async def connect(
    address: PostgresAddress,
    settings: PostgresSettings,
    *,
    tls: ssl.SSLContext | bool,
    statement_timeout: float,
    application_name: str,
    limits: Mapping[str, str],
) -> asyncpg.Connection:
    """A connection to `address`, on which no statement is waited for much longer than `statement_timeout` (seconds).

    `limits` are settings of the session by their PostgreSQL names.

    Raises:
        One of CONNECT_ERRORS: it cannot be had.
    """
    return await asyncpg.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        password=address.password.get_secret_value() if address.password else None,
        database=address.database,
        ssl=tls,
        timeout=settings.connect_timeout,
        command_timeout=statement_timeout + _CLIENT_GRACE,
        statement_cache_size=0,  # SQLAlchemy keeps its own prepared statements
        # A pooler in transaction mode refuses settings of the session: there each transaction brings its own.
        server_settings={"application_name": application_name} | ({} if settings.pgbouncer else dict(limits)),
    )


def tls_context(settings: PostgresSettings) -> ssl.SSLContext | bool:
    if settings.tls in {None, "disable"}:
        return False
    context = ssl.create_default_context(cafile=settings.tls_ca_file)
    if settings.tls == "require":  # encrypted, but whoever answers is believed (libpq's meaning of the word)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def milliseconds(seconds: float) -> str:
    """As PostgreSQL takes its time-outs."""
    return str(round(seconds * 1000))
