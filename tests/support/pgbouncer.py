"""PgBouncer in transaction mode, in front of a real server."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.core.settings import PostgresAddress
from tests.support.server import free_port, listens
from tests.support.waiting import eventually

needs_pgbouncer = pytest.mark.skipif(
    shutil.which("pgbouncer") is None, reason="no pgbouncer on the PATH (1.21 or newer: apt install pgbouncer)"
)


@dataclass
class PgBouncer:
    """A pooler with two connections to the server for all its clients; `restart` drops every client."""

    config: Path
    address: PostgresAddress
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            # It refuses to run as root; the user is ignored for everybody else.
            ["pgbouncer", "--quiet", "--user", "nobody", str(self.config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: listens(self.address.host, self.address.port), 10)

    def stop(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def restart(self) -> None:
        self.stop()
        self.start()


@contextmanager
def pgbouncer(address: PostgresAddress, folder: Path) -> Iterator[PgBouncer]:
    password = address.password.get_secret_value() if address.password else ""
    port = free_port()
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"""[databases]
{address.database} = host={address.host} port={address.port} user={address.user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_prepared_statements = 100
"""
    )
    pooler = PgBouncer(config, replace(address, host="127.0.0.1", port=port))
    pooler.start()
    try:
        yield pooler
    finally:
        pooler.stop()
