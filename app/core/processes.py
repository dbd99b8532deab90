"""Processes that work for another and leave with it."""

import os
import signal
import threading
from multiprocessing import connection, parent_process


def end_with_parent() -> None:
    """Ends this process as SIGTERM does when the one that started it, through multiprocessing, is gone.

    A process that was killed cannot stop its children.
    """
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = parent_process()
    assert parent is not None  # noqa: S101  multiprocessing started this process
    connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
