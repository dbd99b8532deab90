from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response, status

from app.core.errors import InUse
from app.core.http.openapi import problems
from app.core.http.pages import PageRead
from app.core.http.routing import ApiRouter
from app.core.security import require
from app.db.depends import Reads, Uow
from app.db.list_query import ListQuery, list_query
from app.modules.user.errors import EmailTaken, UsernameTaken, UserNotFound
from app.modules.user.permissions import UserPermission
from app.modules.user.repository import UserRepository
from app.modules.user.schemas import UserChange, UserCreate, UserRead
from app.modules.user.service import UserService

router = ApiRouter(prefix="/users", tag="user")

_reads = require(UserPermission.READ)
_writes = require(UserPermission.WRITE)


async def _service(uow: Uow) -> UserService:
    return UserService(uow)


async def _repository(session: Reads) -> UserRepository:
    return UserRepository(session)


Service = Annotated[UserService, Depends(_service)]
Users = Annotated[UserRepository, Depends(_repository)]
UserList = Annotated[ListQuery, Depends(list_query(UserRepository))]


@router.post(
    "", status_code=status.HTTP_201_CREATED, dependencies=[_writes], responses=problems(EmailTaken, UsernameTaken)
)
async def create_user(new: UserCreate, users: Service, response: Response) -> UserRead:
    """Create a user."""
    user = await users.create(new)
    response.headers["location"] = f"{router.prefix}/{user.id}"
    return UserRead.model_validate(user)


@router.get("", dependencies=[_reads])
async def list_users(users: Users, query: UserList) -> PageRead[UserRead]:
    """List users, oldest first if not sorted otherwise."""
    return query.answer(await users.page(query.request), UserRead)


@router.get("/{user_id}", dependencies=[_reads], responses=problems(UserNotFound))
async def read_user(user_id: UUID, users: Users) -> UserRead:
    """Read a user."""
    return UserRead.model_validate(await users.require(user_id))


@router.patch("/{user_id}", dependencies=[_writes], responses=problems(UserNotFound, EmailTaken, UsernameTaken))
async def change_user(user_id: UUID, changes: UserChange, users: Service) -> UserRead:
    """Change a user."""
    return UserRead.model_validate(await users.change(user_id, changes))


@router.delete(
    "/{user_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[_writes],
    responses=problems(UserNotFound, InUse),
)
async def delete_user(user_id: UUID, users: Service) -> None:
    """Delete a user."""
    await users.delete(user_id)
