from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import MISSING, Field

from app.core.types import Bool, Date, Line, Schema, Text
from app.db import sizes

Title = Annotated[Line, Field(min_length=1, max_length=sizes.SHORT)]
Body = Annotated[Text, Field(max_length=sizes.LONG)]


class NoteCreate(Schema):
    title: Annotated[Title, Field(examples=["Shopping"])]
    body: Body | None = None
    done: Bool = False
    due: Date | None = None


class NoteChange(Schema):
    """What to change; a field that is left out stays as it is."""

    title: Title | MISSING = MISSING
    body: Body | MISSING | None = MISSING
    done: Bool | MISSING = MISSING
    due: Date | MISSING | None = MISSING


class NoteRead(Schema):
    id: UUID
    title: str
    body: str | None
    done: bool
    due: date | None
    created_at: datetime
    updated_at: datetime
    version: int
