from decimal import Decimal
from enum import Enum
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import JSON, Column, Computed, Integer
from sqlmodel import Field

from tests.db.kennel.owner.models import Kennel


class Kind(Enum):
    CAT = "cat"
    DOG = "dog"


class Animal(Kennel, table=True):
    __tablename__ = "animals"

    owner_id: UUID = Field(foreign_key="owners.id")
    mother_id: UUID | None = Field(default=None, foreign_key="animals.id")
    chip: str = Field(max_length=10, unique=True)
    kind: Kind
    price: Decimal = Field(max_digits=8, decimal_places=2)
    habits: dict[str, JsonValue] = Field(sa_column=Column("habits_json", JSON, nullable=False))
    legs: int | None = Field(default=None, sa_column=Column(Integer, Computed("4")))
