from uuid import UUID

from app.db.sessions import UnitOfWork
from app.modules.user.events import UserChanged, UserCreated, UserDeleted
from app.modules.user.models import User
from app.modules.user.repository import UserRepository
from app.modules.user.schemas import UserChange, UserCreate


class UserService:
    """The rules of accounts. That addresses and usernames are unique, the database decides (see `errors`)."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow
        self._users = UserRepository(uow.session)

    async def create(self, new: UserCreate) -> User:
        user = await self._users.add(User(email=new.email, username=new.username, full_name=new.full_name))
        self._uow.send(UserCreated(user_id=user.id))
        return user

    async def change(self, user_id: UUID, changes: UserChange) -> User:
        user = await self._users.require(user_id)
        user.apply(changes)
        self._uow.send(UserChanged(user_id=user.id))
        return await self._users.add(user)

    async def delete(self, user_id: UUID) -> None:
        await self._users.delete(await self._users.require(user_id))
        self._uow.send(UserDeleted(user_id=user_id))
