"""The server of a developer's machine: database, migrations, reload, and nothing left behind."""

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import uvicorn
import watchfiles

from app.core.processes import end_with_parent
from app.core.startup import StartupRefused

_ROOT: Final = Path(__file__).resolve().parent.parent
_WATCHED: Final = tuple(_ROOT / name for name in ("app", "templates", "static", "alembic"))


def listen(port: int) -> socket.socket:
    """A socket on the loopback address, held over reloads so that a request meanwhile waits and is not refused.

    Raises:
        StartupRefused: the port is taken, or not ours to take.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise StartupRefused(
            f"Port {port} cannot be used ({os.strerror(error.errno or 0)}). "
            f"Stop what uses it, or choose another: make dev PORT={port + 1}"
        ) from None
    return listener


def run_with_reload(listener: socket.socket) -> None:
    """Serves until Ctrl-C, in a child process that is replaced when a source file changes."""
    watchfiles.run_process(
        *(path for path in _WATCHED if path.exists()),
        target=_serve,
        args=(listener,),
        watch_filter=watchfiles.DefaultFilter(),
    )


def stop_with_parent(interval: float = 0.5) -> None:
    """Ends this process in good order once the one that started it is gone, looking every `interval` seconds.

    `make` killed with -9 cannot pass that on; without this the server would outlive it and hold the port.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(interval)
        # Not SIGINT, which a shell lets its background jobs ignore.
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _serve(listener: socket.socket) -> None:
    # A terminal sends Ctrl-C to its whole session, and the supervisor passes it on: twice would mean "at once".
    os.setsid()
    end_with_parent()
    config = uvicorn.Config("app.main:create_app", factory=True, log_config=None, access_log=False, server_header=False)
    # uvicorn raises the signal again once it has stopped in good order.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])
