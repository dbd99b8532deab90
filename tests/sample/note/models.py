from datetime import date

from sqlalchemy import Index, MetaData
from sqlmodel import Field

from app.db import sizes
from app.db.model import Model


class Note(Model, table=True):
    __tablename__ = "sample_notes"
    __table_args__ = (Index(None, "created_at", "id"), Index(None, "due", "id"))
    # Its own: the application's says what the migrations have to create.
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)

    title: str = Field(max_length=sizes.SHORT, unique=True)
    body: str | None = Field(default=None, max_length=sizes.LONG)
    done: bool = False
    due: date | None = None
