"""Notes that come and go while somebody reads the list of them."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Final, Self

from app.core.processes import end_with_parent
from app.core.settings import PostgresAddress
from app.db.model import new_key
from tests.support.postgres import connect

# Some 500 a second. If it grew faster than it is read, a list in the order of creation would never end.
_PAUSE: Final = 0.001  # seconds
# The new row keeps all that a list is sorted by, but its key: it comes where the other was, and at the end by key.
_REPLACE: Final = """
    WITH gone AS (DELETE FROM sample_notes WHERE id = $1 RETURNING *)
    INSERT INTO sample_notes (id, title, body, done, due, created_at, updated_at, version)
    SELECT $2, title, body, done, due, created_at, updated_at, version FROM gone
"""


class Churn:
    """A process that replaces one note after another as long as the block runs: those of `leaving`, then its own."""

    def __init__(self, address: PostgresAddress, leaving: Sequence[str]) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(address, leaving, theirs))
        self._theirs = theirs
        self.replaced = 0

    def __enter__(self) -> Self:
        self._process.start()
        # Held by the other process alone, so that its end is noticed here.
        self._theirs.close()
        self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends the process and tells in `replaced` how many notes it replaced.

        Raises:
            EOFError: the process ended before it was told to.
        """
        try:
            self._pipe.send(None)
            self.replaced = self._pipe.recv()
        finally:
            self._process.join()


def _run(address: PostgresAddress, leaving: Iterable[str], pipe: "Connection[int | None, None]") -> None:
    end_with_parent()
    pipe.send(asyncio.run(_replace(address, deque(leaving), pipe)))


async def _replace(address: PostgresAddress, leaving: deque[str], pipe: "Connection[int | None, None]") -> int:
    connection = await connect(address)
    replaced = 0
    pipe.send(None)
    while replaced == 0 or not pipe.poll():
        key = str(new_key())
        await connection.execute(_REPLACE, leaving.popleft(), key)
        leaving.append(key)
        replaced += 1
        await asyncio.sleep(_PAUSE)
    await connection.close()
    return replaced
