"""Waiting for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable

_PAUSE = 0.01  # seconds between two looks


def eventually(condition: Callable[[], object], seconds: float = 5) -> None:
    """Returns as soon as `condition` holds.

    Raises:
        AssertionError: it did not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(_PAUSE)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """`eventually` for a condition that has to be awaited."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(_PAUSE)
