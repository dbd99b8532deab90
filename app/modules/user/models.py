from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field

from app.core.types import email
from app.db import sizes
from app.db.model import Model


class User(Model, table=True):
    __tablename__ = "users"
    # The types of `schemas.py` bring both into their canonical form; these keep any other way in from undoing it.
    __table_args__ = (
        CheckConstraint('email = lower(email COLLATE "C")', name="email_canonical"),
        CheckConstraint('username = lower(username COLLATE "C")', name="username_canonical"),
        Index(None, "created_at", "id"),
    )

    email: str = Field(max_length=email.MAX_LENGTH, unique=True)
    username: str = Field(max_length=sizes.CODE, unique=True)
    full_name: str = Field(max_length=sizes.SHORT)
    is_active: bool = True
