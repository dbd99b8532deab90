"""The rules of accounts."""

from uuid import uuid4

import pytest

from app.db.sessions import Database
from app.modules.user.errors import EmailTaken, UserNotFound
from app.modules.user.schemas import UserChange, UserCreate
from app.modules.user.service import UserService

ADA = UserCreate(email="Ada@example.org", username="ada", full_name="Ada")


async def test_a_new_user_is_active(database: Database) -> None:
    async with database.unit_of_work() as uow:
        user = await UserService(uow).create(ADA)

    assert user.is_active
    assert user.email == "ada@example.org"


async def test_an_address_belongs_to_one_user(database: Database) -> None:
    async with database.unit_of_work() as uow:
        await UserService(uow).create(ADA)

    with pytest.raises(EmailTaken):
        async with database.unit_of_work() as uow:
            await UserService(uow).create(ADA.model_copy(update={"username": "other"}))


async def test_a_change_without_fields_changes_nothing(database: Database) -> None:
    async with database.unit_of_work() as uow:
        user = await UserService(uow).create(ADA)

    async with database.unit_of_work() as uow:
        changed = await UserService(uow).change(user.id, UserChange())

    assert changed.version == 1


async def test_an_unknown_user_can_be_neither_changed_nor_deleted(database: Database) -> None:
    async with database.unit_of_work() as uow:
        service = UserService(uow)
        with pytest.raises(UserNotFound):
            await service.change(uuid4(), UserChange())
        with pytest.raises(UserNotFound):
            await service.delete(uuid4())
