"""Who the database is, proven by its certificate."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from app.core.settings import PostgresAddress, PostgresSettings
from app.db.errors import DatabaseUnreachable
from app.db.sessions import open_database

# PostgreSQL manual, section 54.2.10: a client asks for TLS by this message, the server agrees with one byte.
SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def authority_file(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@asynccontextmanager
async def tls_in_front(address: PostgresAddress, certificate: trustme.LeafCert) -> AsyncIterator[PostgresAddress]:
    """PostgreSQL as a server with TLS looks to its clients; the embedded one is built without."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(len(SSL_REQUEST)) != SSL_REQUEST:
            writer.close()
            return
        writer.write(b"S")
        try:
            await writer.start_tls(context)
        except (ssl.SSLError, ConnectionError):
            return
        upstream_reader, upstream_writer = await asyncio.open_connection(address.host, address.port)
        await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer))

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield replace(address, host="localhost", port=server.sockets[0].getsockname()[1])


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def ping(address: PostgresAddress, settings: PostgresSettings) -> None:
    async with open_database(address, settings, {}) as database:
        await database.ping()


async def test_a_server_that_proves_who_it_is_is_believed(
    worker_database: PostgresAddress, authority: trustme.CA, authority_file: Path
) -> None:
    async with tls_in_front(worker_database, authority.issue_cert("localhost")) as address:
        await ping(address, PostgresSettings(tls="verify-full", tls_ca_file=authority_file))


async def test_a_server_of_another_name_is_not(
    worker_database: PostgresAddress, authority: trustme.CA, authority_file: Path
) -> None:
    async with tls_in_front(worker_database, authority.issue_cert("elsewhere.example.org")) as address:
        with pytest.raises(DatabaseUnreachable):
            await ping(address, PostgresSettings(tls="verify-full", tls_ca_file=authority_file))


async def test_a_server_that_nobody_vouches_for_is_not(worker_database: PostgresAddress, authority_file: Path) -> None:
    async with tls_in_front(worker_database, trustme.CA().issue_cert("localhost")) as address:
        with pytest.raises(DatabaseUnreachable):
            await ping(address, PostgresSettings(tls="verify-full", tls_ca_file=authority_file))
        # Encrypted, and nothing more.
        await ping(address, PostgresSettings(tls="require"))


async def test_a_server_without_tls_is_refused_where_tls_is_asked_for(worker_database: PostgresAddress) -> None:
    with pytest.raises(DatabaseUnreachable):
        await ping(worker_database, PostgresSettings(tls="require"))
    await ping(worker_database, PostgresSettings(tls="disable"))
