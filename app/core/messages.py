"""What modules tell each other without knowing each other: events, and who reacts to them.

    class InvoicePaid(Event):
        invoice_id: UUID

A service says `uow.send(InvoicePaid(invoice_id=invoice.id))`, another module's `jobs.py` reacts, and its manifest names
the handler:

    @handles(InvoicePaid)
    async def thank(uow: UnitOfWork, event: InvoicePaid) -> None: ...
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from app.core.types import Schema

U = TypeVar("U")
E = TypeVar("E", bound="Event")


class Event(Schema):
    """Something that happened, in the past tense. It carries keys, not rows: who reacts reads what holds by then."""


@dataclass(frozen=True, slots=True)
class Handler(Generic[U, E]):
    """A reaction to `event`; it is called with the unit of work in which it shall act, and the event."""

    event: type[E]
    react: Callable[[U, E], Awaitable[None]]

    @property
    def name(self) -> str:
        return self.react.__name__

    async def __call__(self, uow: U, event: E) -> None:
        await self.react(uow, event)


# Handlers of different events stand in one list, and each is only ever given its own.
AnyHandler = Handler[Any, Any]


def handles(event: type[E]) -> Callable[[Callable[[U, E], Awaitable[None]]], Handler[U, E]]:
    """Declares a function as a reaction to `event`."""

    def declare(react: Callable[[U, E], Awaitable[None]]) -> Handler[U, E]:
        return Handler(event, react)

    return declare
