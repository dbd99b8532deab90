"""The keeper: runs the server of one directory for as long as anybody holds a lease on it.

    python -m app.db.embedded DIRECTORY LOCK_DESCRIPTOR [NAME=VALUE …]

Started by `lease`. It says "ready" or what is wrong on standard output, closes that, and goes on by itself.
"""

import fcntl
import os
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO

from app.db.embedded.errors import EmbeddedPostgresError
from app.db.embedded.leasing import READY
from app.db.embedded.server import PostgresServer


def main(directory: Path, lock: int, *settings: str) -> None:
    # The client waits for the process it started; the keeper outlives it.
    if os.fork() != 0:
        os._exit(0)
    with open(lock, "ab") as handed_over, (directory / "lease").open("ab") as leases:
        server = PostgresServer(directory, dict(setting.split("=", 1) for setting in settings), lock=handed_over)
        try:
            server.start()
        except EmbeddedPostgresError as fault:
            _say(str(fault))
            return
        _say(READY)
        Thread(target=_stop_when_unused, args=(server, leases), daemon=True).start()
        server.wait()
        # Also when it died by itself: takes the note of its port away, so that the next client starts another keeper.
        server.stop()


def _say(text: str) -> None:
    # The client that started this may be gone while others wait for the server.
    with suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), text.encode())
    # A client reads up to the end of the stream.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _stop_when_unused(server: PostgresServer, leases: IO[bytes]) -> None:
    # Granted when the last client is gone, and held until this process ends: a new client waits for that.
    fcntl.flock(leases, fcntl.LOCK_EX)
    server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
