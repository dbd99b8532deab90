from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import MISSING, Field, StringConstraints

from app.core.types import Bool, EmailAddress, Line, Schema
from app.db import sizes

Username = Annotated[
    str,
    StringConstraints(
        min_length=3, max_length=sizes.CODE, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", to_lower=True, ascii_only=True
    ),
]
FullName = Annotated[Line, Field(min_length=1, max_length=sizes.SHORT)]


class UserCreate(Schema):
    email: Annotated[EmailAddress, Field(examples=["ada@example.org"])]
    username: Annotated[Username, Field(examples=["ada"])]
    full_name: Annotated[FullName, Field(examples=["Ada Lovelace"])]


class UserChange(Schema):
    """What to change; a field that is left out stays as it is."""

    email: EmailAddress | MISSING = MISSING
    username: Username | MISSING = MISSING
    full_name: FullName | MISSING = MISSING
    is_active: Bool | MISSING = MISSING


class UserRead(Schema):
    id: UUID
    email: str
    username: str
    full_name: str
    is_active: bool
    created_at: datetime
    updated_at: datetime
    version: int
