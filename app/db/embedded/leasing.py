"""One server for all processes of a clone.

Each client holds a shared lock on the file `lease`. One keeper process (`__main__`) runs the server and waits for the
exclusive lock on it, which it gets when the last client has ended; it stops the server while it holds that lock. The
kernel drops the locks of a killed process, so nothing has to be cleaned up after one. Who finds the file `lock` free
starts the keeper and hands that lock over to it.
"""

import fcntl
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from app.db.embedded.errors import EmbeddedPostgresError, explained
from app.db.embedded.server import POLL_SECONDS, Address, PostgresServer, locked, published_address

READY = "ready"
_PATIENCE_SECONDS = PostgresServer.create_seconds + PostgresServer.start_seconds + PostgresServer.stop_seconds
_PROJECT = Path(__file__).parents[3]
# https://www.postgresql.org/docs/18/protocol-message-formats.html and errcodes-appendix.html
_PROTOCOL_3 = 196608
_CANNOT_CONNECT_NOW = b"C57P03\0"


@contextmanager
def lease(directory: Path, settings: Mapping[str, str] = {}) -> Iterator[Address]:
    """The PostgreSQL of `directory`, started if it does not run yet and kept running while the context is open.

    `settings` are PostgreSQL's own, as in `{"fsync": "off"}`. They count for the client that starts the server: who
    joins a running one gets it as it is. Takes 0.3 s, or some seconds when there is no cluster yet.

    Raises:
        EmbeddedPostgresError: the server cannot be had.
    """
    directory = directory.resolve()
    with ExitStack() as held:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            claim = held.enter_context((directory / "lease").open("ab"))
            address = _reach(directory, settings, claim)
        except OSError as fault:
            raise explained(str(fault), directory) from fault
        yield address


def _reach(directory: Path, settings: Mapping[str, str], claim: IO[bytes]) -> Address:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    # Refused while a keeper stops its server.
    while not locked(claim, fcntl.LOCK_SH):
        _pause(directory, deadline)
    while True:
        with (directory / "lock").open("ab") as lock:
            if locked(lock, fcntl.LOCK_EX):
                _start_keeper(directory, settings, lock)
        address = published_address(directory)
        # A server or a keeper that was just killed leaves its address for a moment.
        if address is not None and _accepts(address):
            return address
        _pause(directory, deadline)


def _pause(directory: Path, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise EmbeddedPostgresError(
            f"Another process has been starting or stopping the PostgreSQL of {directory} for {_PATIENCE_SECONDS:g} s: "
            f"end it and start again; {directory / 'postgres.log'} tells more."
        )
    time.sleep(POLL_SECONDS)


def _start_keeper(directory: Path, settings: Mapping[str, str], lock: IO[bytes]) -> None:
    (directory / "port").unlink(missing_ok=True)
    options = [f"{name}={value}" for name, value in settings.items()]
    with (directory / "postgres.log").open("ab") as log:
        try:
            keeper = subprocess.run(  # noqa: S603 - a command of our own
                [sys.executable, "-m", "app.db.embedded", str(directory), str(lock.fileno()), *options],
                cwd=_PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=(lock.fileno(),),
                # A Ctrl-C meant for this client must not reach the server of all.
                start_new_session=True,
                timeout=_PATIENCE_SECONDS,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        except subprocess.TimeoutExpired as fault:
            raise EmbeddedPostgresError(
                f"The process that starts PostgreSQL in {directory} hangs: end it and start again."
            ) from fault
    if keeper.stdout != READY:
        raise EmbeddedPostgresError(
            keeper.stdout
            or f"The process that starts PostgreSQL in {directory} ended early: {directory / 'postgres.log'} tells why."
        )


def _accepts(address: Address) -> bool:
    """Whether it answers the first message of a connection and does not decline because it starts or stops."""
    parameters = f"user\0{address.user}\0database\0{address.database}\0\0".encode()
    try:
        with socket.create_connection((address.host, address.port), timeout=1) as connection:
            connection.sendall(struct.pack("!II", 8 + len(parameters), _PROTOCOL_3) + parameters)
            answer = connection.recv(1024)
    except OSError:
        return False
    return answer != b"" and _CANNOT_CONNECT_NOW not in answer
