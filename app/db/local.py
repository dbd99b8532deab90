"""Which database is used: the one that is configured, else one that came with the development dependencies."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from app.core.settings import PostgresAddress, PostgresSettings
from app.core.startup import StartupRefused

LOCAL_DATA: Final = Path(__file__).resolve().parents[2] / ".local" / "postgres"


class NoLocalDatabase(StartupRefused):
    """No database is configured and the embedded one cannot be had; the message says why and what to do."""


@contextmanager
def database_address(settings: PostgresSettings) -> Iterator[PostgresAddress]:
    """The configured address; without one, that of the embedded server, which runs as long as somebody is inside.

    Raises:
        NoLocalDatabase: the embedded server is not installed or cannot start.
    """
    if settings.address is not None:
        yield settings.address
    else:
        with embedded_database(LOCAL_DATA) as address:
            yield address


@contextmanager
def embedded_database(directory: Path, server_settings: Mapping[str, str] | None = None) -> Iterator[PostgresAddress]:
    """The embedded server that keeps its data in `directory`, shared with every other process that is inside.

    Raises:
        NoLocalDatabase: it is not installed or cannot start.
    """
    from app.db.embedded import EmbeddedPostgresError, lease  # noqa: PLC0415  a server in production does without it

    with ExitStack() as held:
        try:
            found = held.enter_context(lease(directory, server_settings or {}))
        except EmbeddedPostgresError as error:
            raise NoLocalDatabase(str(error)) from None
        yield PostgresAddress(found.host, found.port, found.user, SecretStr(found.password), found.database)
