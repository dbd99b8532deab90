"""The PostgreSQL of a test run: chosen once, with a migrated template that each worker clones."""

import asyncio
import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import asyncpg
from pydantic import SecretStr

from app.core.settings import PostgresAddress, PostgresSettings
from app.db.local import embedded_database

if TYPE_CHECKING:
    from testcontainers.community.postgres import PostgresContainer

_EMBEDDED_DATA: Final = Path(__file__).resolve().parents[2] / ".local" / "postgres-test"
# Tests open many small pools at once, and what they write need not survive a power cut.
_SERVER_SETTINGS: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
}
_DEADLINE: Final = 60.0  # seconds for any statement of the administration


@dataclass(frozen=True, slots=True)
class TestServer:
    """Where the run's server is, what it is, and the name that all databases of this run begin with."""

    __test__ = False

    address: PostgresAddress
    kind: str
    prefix: str

    def to_text(self) -> str:
        """For a worker process, which takes it back with `from_text`."""
        password = self.address.password.get_secret_value() if self.address.password else None
        address = self.address
        return json.dumps(
            [address.host, address.port, address.user, password, address.database, self.kind, self.prefix]
        )

    @classmethod
    def from_text(cls, text: str) -> "TestServer":
        host, port, user, password, database, kind, prefix = json.loads(text)
        secret = None if password is None else SecretStr(password)
        return cls(PostgresAddress(host, port, user, secret, database), kind, prefix)

    @property
    def url(self) -> str:
        """What TEST_DATABASE_URL says to a run of pytest that is to use this server too."""
        address = self.address
        password = address.password.get_secret_value() if address.password else ""
        account = f"{quote(address.user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{account}@{address.host}:{address.port}/{address.database}"

    @property
    def template(self) -> PostgresAddress:
        return replace(self.address, database=f"{self.prefix}_template")


@contextmanager
def test_server() -> Iterator[TestServer]:
    """The server that TEST_DATABASE_URL names, else one in a container, else the embedded one."""
    prefix = f"trellis_test_{secrets.token_hex(4)}"
    with ExitStack() as stack:
        if url := os.environ.get("TEST_DATABASE_URL"):
            address = PostgresSettings(url=SecretStr(url)).address
            kind = "TEST_DATABASE_URL"
        elif container := _container():
            stack.callback(container.stop)
            address = PostgresSettings(url=SecretStr(container.get_connection_url())).address
            kind = "testcontainers"
        else:
            address = stack.enter_context(embedded_database(_EMBEDDED_DATA, _SERVER_SETTINGS))
            kind = "embedded server"
        assert address is not None
        server = TestServer(address, kind, prefix)
        try:
            yield server
        finally:
            asyncio.run(drop_databases(server))


async def create_database(server: TestServer, name: str, template: str | None = None) -> PostgresAddress:
    """A new database, empty or as a clone of `template`, under the run's prefix."""
    database = f"{server.prefix}_{name}"
    source = f'TEMPLATE "{template}" STRATEGY file_copy' if template else "TEMPLATE template0"
    await _execute(server.address, f'CREATE DATABASE "{database}" {source}')
    return replace(server.address, database=database)


async def drop_database(server: TestServer, address: PostgresAddress) -> None:
    await _execute(server.address, f'DROP DATABASE IF EXISTS "{address.database}" WITH (FORCE)')


async def drop_databases(server: TestServer) -> None:
    """Every database of this run."""
    connection = await connect(server.address)
    try:
        names = await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE $1", f"{server.prefix}%")
        for name in names:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name["datname"]}" WITH (FORCE)')
    finally:
        await connection.close()


async def connect(address: PostgresAddress) -> asyncpg.Connection:
    """A bare connection, for looking at the database past the application."""
    return await asyncpg.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        password=address.password.get_secret_value() if address.password else None,
        database=address.database,
        timeout=_DEADLINE,
        command_timeout=_DEADLINE,
    )


async def _execute(address: PostgresAddress, statement: str) -> None:
    connection = await connect(address)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _container() -> "PostgresContainer | None":
    """A started container, or None where no engine answers or the image cannot be had (there is no network)."""
    if not _engine_listens():
        return None
    # Here, because a worker, which is given its server, would load them for nothing.
    from docker.errors import DockerException  # noqa: PLC0415
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415

    try:
        # Any guessable password would be one that the settings refuse in prod, which some tests pretend to be.
        container = PostgresContainer("postgres:18", password=secrets.token_urlsafe(24), driver=None)
        container.with_command([part for name, value in _SERVER_SETTINGS.items() for part in ("-c", f"{name}={value}")])
        container.start()
    except DockerException as error:
        print(f"The Docker engine gives no container: {str(error)[:100]}")  # noqa: T201
        return None
    return container


def _engine_listens() -> bool:
    """Asked before the client library is, which leaks its socket when nobody listens."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(host.removeprefix("unix://"))
        except OSError:
            return False
    return True
