"""What every repository can be asked, on the table of users."""

from uuid import UUID, uuid4

import pytest

from app.core.errors import Invalid, Stale
from app.core.settings import PostgresAddress, PostgresSettings
from app.db.samples import Sample
from app.db.sessions import Database, open_database
from app.modules.user.errors import EmailTaken, UserNotFound
from app.modules.user.factory import make_user
from app.modules.user.models import User
from app.modules.user.repository import UserRepository


async def stored(database: Database, *users: User) -> list[UUID]:
    async with database.unit_of_work() as uow:
        return [(await UserRepository(uow.session).add(user)).id for user in users]


async def test_rows_are_found_by_key(database: Database, sample: Sample) -> None:
    ada, ben, cyd = (make_user(sample) for _ in range(3))
    await stored(database, ada, ben, cyd)

    async with database.read_session() as session:
        users = UserRepository(session)
        found = await users.get(ada.id)
        assert found is not None
        assert found.username == ada.username
        assert await users.get(uuid4()) is None
        assert {row.id for row in await users.get_many([ada.id, ben.id, uuid4()])} == {ada.id, ben.id}
        assert await users.get_many([]) == ()
        assert await users.exists(ben.id)
        assert not await users.exists(uuid4())
        assert await users.count() == 3


async def test_a_missing_row_is_the_feature_s_own_error(database: Database) -> None:
    async with database.read_session() as session:
        with pytest.raises(UserNotFound):
            await UserRepository(session).require(uuid4())


async def test_pages_follow_the_order_of_creation(database: Database, sample: Sample) -> None:
    keys = await stored(database, *(make_user(sample) for _ in range(3)))

    async with database.read_session() as session:
        users = UserRepository(session)
        first = await users.page(2)
        second = await users.page(2, first.next_after)

    assert [row.id for row in first.items + second.items] == keys
    assert first.next_after == keys[1]
    assert second.next_after is None


async def test_an_exactly_full_page_is_the_last(database: Database, sample: Sample) -> None:
    await stored(database, make_user(sample), make_user(sample))

    async with database.read_session() as session:
        assert (await UserRepository(session).page(2)).next_after is None


async def test_a_deleted_row_is_gone(database: Database, sample: Sample) -> None:
    (key,) = await stored(database, make_user(sample))

    async with database.unit_of_work() as uow:
        users = UserRepository(uow.session)
        await users.delete(await users.require(key))

    async with database.read_session() as session:
        assert not await UserRepository(session).exists(key)


async def test_a_broken_constraint_is_raised_where_the_row_is_added(database: Database, sample: Sample) -> None:
    ada, other = make_user(sample), make_user(sample)
    await stored(database, ada)
    other.email = ada.email

    with pytest.raises(EmailTaken):
        await stored(database, other)


@pytest.mark.parametrize(("column", "value"), [("email", "Ada@example.org"), ("username", "Ada")])
async def test_the_table_itself_refuses_what_is_not_canonical(
    database: Database, sample: Sample, column: str, value: str
) -> None:
    row = make_user(sample)
    setattr(row, column, value)

    with pytest.raises(Invalid):
        async with database.unit_of_work() as uow:
            await UserRepository(uow.session).add(row)


async def test_a_row_that_another_changed_meanwhile_is_stale(own_database: PostgresAddress, sample: Sample) -> None:
    async with open_database(own_database, PostgresSettings(), {}) as database:
        (key,) = await stored(database, make_user(sample))

        with pytest.raises(Stale):
            async with database.unit_of_work() as mine:
                read_by_me = await UserRepository(mine.session).require(key)
                async with database.unit_of_work() as theirs:
                    (await UserRepository(theirs.session).require(key)).full_name = "Theirs"
                read_by_me.full_name = "Mine"

        async with database.read_session() as session:
            assert (await UserRepository(session).require(key)).full_name == "Theirs"
