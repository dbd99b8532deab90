"""The stream of the process, which nobody may be reading."""

import os
import select
import time
from collections.abc import Iterator, Sequence
from typing import Final

_PIECE: Final = min(select.PIPE_BUF, 4096) - 1  # bytes: a pipe that is ready takes so many at once, and unmixed
_PATIENCE: Final = 1.0  # seconds for one batch, with a reader that was fast enough so far


class Stream:
    """An open file descriptor: terminal, pipe or file. A pipe that nobody reads costs one wait, and then lines."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._patience = _PATIENCE
        self._torn = False
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    @property
    def is_terminal(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, lines: Sequence[bytes]) -> int:
        """How many of `lines` were written, from the first on."""
        done = 0
        deadline = time.monotonic() + self._patience
        try:
            for count, piece in _pieces(lines):
                if not self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    self._patience = 0.0
                    return done
                whole = b"\n" + piece if self._torn else piece
                self._torn = os.write(self._descriptor, whole) < len(whole) or not piece.endswith(b"\n")
                if self._torn and count:
                    return done
                done += count
        except OSError:
            return done
        self._patience = _PATIENCE
        return done


def _pieces(lines: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """As many whole lines as fit into a piece, with their number; a longer line in parts, counted with its last."""
    together: list[bytes] = []
    size = 0
    for line in lines:
        if together and size + len(line) > _PIECE:
            yield len(together), b"".join(together)
            together, size = [], 0
        start = 0
        while len(line) - start > _PIECE:
            yield 0, line[start : start + _PIECE]
            start += _PIECE
        together.append(line[start:])
        size += len(line) - start
    if together:
        yield len(together), b"".join(together)
