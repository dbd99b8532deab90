"""What every repository can be asked, on the table of users."""

from uuid import UUID, uuid4

import pytest

from app.core.errors import Invalid, Stale
from app.core.settings import PostgresAddress, PostgresSettings
from app.db.listing import ListRequest
from app.db.sessions import Database, open_database
from app.modules.user.errors import EmailTaken, UserNotFound
from app.modules.user.models import User
from app.modules.user.repository import UserRepository


def user(name: str) -> User:
    return User(email=f"{name}@example.org", username=name, full_name=name.title())


async def stored(database: Database, *names: str) -> list[UUID]:
    async with database.unit_of_work() as uow:
        return [(await UserRepository(uow.session).add(user(name))).id for name in names]


async def test_rows_are_found_by_key(database: Database) -> None:
    ada, ben, _ = await stored(database, "ada", "ben", "cyd")

    async with database.read_session() as session:
        users = UserRepository(session)
        found = await users.get(ada)
        assert found is not None
        assert found.username == "ada"
        assert await users.get(uuid4()) is None
        assert {row.username for row in await users.get_many([ada, ben, uuid4()])} == {"ada", "ben"}
        assert await users.get_many([]) == ()
        assert await users.exists(ben)
        assert not await users.exists(uuid4())
        assert await users.count() == 3


async def test_a_missing_row_is_the_feature_s_own_error(database: Database) -> None:
    async with database.read_session() as session:
        with pytest.raises(UserNotFound):
            await UserRepository(session).require(uuid4())


async def test_pages_follow_the_order_of_creation(database: Database) -> None:
    keys = await stored(database, "ada", "ben", "cyd")

    async with database.read_session() as session:
        users = UserRepository(session)
        first = await users.page(ListRequest(limit=2))
        second = await users.page(ListRequest(limit=2, after=first.next_after))

    assert [row.id for row in first.items + second.items] == keys
    assert first.next_after == (keys[1],)
    assert second.next_after is None


async def test_an_exactly_full_page_is_the_last(database: Database) -> None:
    await stored(database, "ada", "ben")

    async with database.read_session() as session:
        assert (await UserRepository(session).page(ListRequest(limit=2))).next_after is None


async def test_a_deleted_row_is_gone(database: Database) -> None:
    (key,) = await stored(database, "ada")

    async with database.unit_of_work() as uow:
        users = UserRepository(uow.session)
        await users.delete(await users.require(key))

    async with database.read_session() as session:
        assert not await UserRepository(session).exists(key)


async def test_a_broken_constraint_is_raised_where_the_row_is_added(database: Database) -> None:
    await stored(database, "ada")

    with pytest.raises(EmailTaken):
        await stored(database, "ada")


@pytest.mark.parametrize(("column", "value"), [("email", "Ada@example.org"), ("username", "Ada")])
async def test_the_table_itself_refuses_what_is_not_canonical(database: Database, column: str, value: str) -> None:
    row = user("ada")
    setattr(row, column, value)

    with pytest.raises(Invalid):
        async with database.unit_of_work() as uow:
            await UserRepository(uow.session).add(row)


async def test_a_row_that_another_changed_meanwhile_is_stale(own_database: PostgresAddress) -> None:
    async with open_database(own_database, PostgresSettings(), {}) as database:
        (key,) = await stored(database, "ada")

        with pytest.raises(Stale):
            async with database.unit_of_work() as mine:
                read_by_me = await UserRepository(mine.session).require(key)
                async with database.unit_of_work() as theirs:
                    (await UserRepository(theirs.session).require(key)).full_name = "Theirs"
                read_by_me.full_name = "Mine"

        async with database.read_session() as session:
            assert (await UserRepository(session).require(key)).full_name == "Theirs"
