"""Events reach their handlers in the transaction that sent them, or nobody."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.messages import AnyHandler, Event, handles
from app.db.sessions import Database, UnitOfWork


class Opened(Event):
    number: int


class Closed(Event):
    number: int


@pytest.fixture
async def journal(connection: AsyncConnection) -> AsyncConnection:
    """Where the handlers of these tests write."""
    await connection.execute(text("CREATE TABLE journal (entry text)"))
    return connection


async def entries(journal: AsyncConnection) -> list[str]:
    return list((await journal.execute(text("SELECT entry FROM journal"))).scalars())


async def write(uow: UnitOfWork, entry: str) -> None:
    await (await uow.session.connection()).execute(text("INSERT INTO journal VALUES (:entry)"), {"entry": entry})


@handles(Opened)
async def note(uow: UnitOfWork, event: Opened) -> None:
    await write(uow, f"opened {event.number}")


@handles(Opened)
async def close(uow: UnitOfWork, event: Opened) -> None:
    uow.send(Closed(number=event.number))


@handles(Closed)
async def note_closed(uow: UnitOfWork, event: Closed) -> None:
    await write(uow, f"closed {event.number}")


@handles(Opened)
async def fail(_uow: UnitOfWork, _event: Opened) -> None:
    raise InterruptedError


def listening(connection: AsyncConnection, *handlers: AnyHandler) -> Database:
    return Database(connection, connection, handlers)


async def test_every_handler_of_an_event_reacts_and_may_announce_more(journal: AsyncConnection) -> None:
    async with listening(journal, note, close, note_closed).unit_of_work() as uow:
        uow.send(Opened(number=1))
        assert await entries(journal) == []

    assert await entries(journal) == ["opened 1", "closed 1"]


async def test_a_handler_that_fails_undoes_the_work_that_it_reacted_to(journal: AsyncConnection) -> None:
    with pytest.raises(InterruptedError):
        async with listening(journal, note, fail).unit_of_work() as uow:
            await write(uow, "the work")
            uow.send(Opened(number=1))

    assert await entries(journal) == []


async def test_work_that_is_undone_announces_nothing(journal: AsyncConnection) -> None:
    with pytest.raises(InterruptedError):
        async with listening(journal, note).unit_of_work() as uow:
            uow.send(Opened(number=1))
            raise InterruptedError

    assert await entries(journal) == []
