from uuid import UUID

from app.core.messages import Event


class UserCreated(Event):
    user_id: UUID


class UserChanged(Event):
    user_id: UUID


class UserDeleted(Event):
    user_id: UUID
