"""What the application holds for its routes, taken off `app.state` with its type."""

from collections.abc import Callable, Coroutine
from typing import TypeVar

from fastapi import Request

T = TypeVar("T")


def from_state(name: str, kind: type[T]) -> Callable[[Request], Coroutine[None, None, T]]:
    """A dependency that gives a route `app.state.<name>`, which `create_app` or the lifespan has set."""

    # A coroutine, because FastAPI sends a plain function to a thread, which costs more than the rest of it.
    async def take(request: Request) -> T:
        value = getattr(request.app.state, name)
        assert isinstance(value, kind)  # noqa: S101  a wrong one is a fault of the wiring
        return value

    return take
