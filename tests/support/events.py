"""Events as a test hears them."""

from app.core.messages import Event, Handler
from app.db.sessions import UnitOfWork


class Listener:
    """Its `handler`, given to a Database, hears every event; `heard` are those so far."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.handler: Handler[UnitOfWork, Event] = Handler(Event, self._hear)

    async def _hear(self, _uow: UnitOfWork, event: Event) -> None:
        self.heard.append(event)
