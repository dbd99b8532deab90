"""What every repository can be asked."""

from uuid import UUID, uuid4

import pytest

from app.core.errors import Stale
from app.core.settings import PostgresAddress, PostgresSettings
from app.db.listing import ListRequest
from app.db.sessions import Database, open_database
from tests.sample.note.errors import NoteNotFound, TitleTaken
from tests.sample.note.models import Note
from tests.sample.note.repository import NoteRepository


async def stored(database: Database, *titles: str) -> list[UUID]:
    async with database.unit_of_work() as uow:
        return [(await NoteRepository(uow.session).add(Note(title=title))).id for title in titles]


async def test_rows_are_found_by_key(database: Database) -> None:
    first, second, _ = await stored(database, "first", "second", "third")

    async with database.read_session() as session:
        notes = NoteRepository(session)
        found = await notes.get(first)
        assert found is not None
        assert found.title == "first"
        assert await notes.get(uuid4()) is None
        assert {row.title for row in await notes.get_many([first, second, uuid4()])} == {"first", "second"}
        assert await notes.get_many([]) == ()
        assert await notes.exists(second)
        assert not await notes.exists(uuid4())
        assert await notes.count() == 3


async def test_a_missing_row_is_the_feature_s_own_error(database: Database) -> None:
    async with database.read_session() as session:
        with pytest.raises(NoteNotFound):
            await NoteRepository(session).require(uuid4())


async def test_pages_follow_the_order_of_creation(database: Database) -> None:
    keys = await stored(database, "first", "second", "third")

    async with database.read_session() as session:
        notes = NoteRepository(session)
        first = await notes.page(ListRequest(limit=2))
        second = await notes.page(ListRequest(limit=2, after=first.next_after))

    assert [row.id for row in first.items + second.items] == keys
    assert first.next_after == (keys[1],)
    assert second.next_after is None


async def test_an_exactly_full_page_is_the_last(database: Database) -> None:
    await stored(database, "first", "second")

    async with database.read_session() as session:
        assert (await NoteRepository(session).page(ListRequest(limit=2))).next_after is None


async def test_a_deleted_row_is_gone(database: Database) -> None:
    (key,) = await stored(database, "first")

    async with database.unit_of_work() as uow:
        notes = NoteRepository(uow.session)
        await notes.delete(await notes.require(key))

    async with database.read_session() as session:
        assert not await NoteRepository(session).exists(key)


async def test_a_broken_constraint_is_raised_where_the_row_is_added(database: Database) -> None:
    await stored(database, "first")

    with pytest.raises(TitleTaken):
        await stored(database, "first")


async def test_a_row_that_another_changed_meanwhile_is_stale(own_database: PostgresAddress) -> None:
    async with open_database(own_database, PostgresSettings(), {}) as database:
        (key,) = await stored(database, "first")

        with pytest.raises(Stale):
            async with database.unit_of_work() as mine:
                read_by_me = await NoteRepository(mine.session).require(key)
                async with database.unit_of_work() as theirs:
                    (await NoteRepository(theirs.session).require(key)).title = "Theirs"
                read_by_me.title = "Mine"

        async with database.read_session() as session:
            assert (await NoteRepository(session).require(key)).title == "Theirs"
