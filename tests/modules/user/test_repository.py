"""What the table of users holds by itself."""

import pytest

from app.core.errors import Invalid
from app.db.sessions import Database
from app.modules.user.models import User
from app.modules.user.repository import UserRepository


@pytest.mark.parametrize(("column", "value"), [("email", "Ada@example.org"), ("username", "Ada")])
async def test_the_table_itself_refuses_what_is_not_canonical(database: Database, column: str, value: str) -> None:
    row = User(email="ada@example.org", username="ada", full_name="Ada")
    setattr(row, column, value)

    with pytest.raises(Invalid):
        async with database.unit_of_work() as uow:
            await UserRepository(uow.session).add(row)
