from typing import ClassVar

from sqlalchemy import MetaData
from sqlmodel import Field

from app.db.model import Model

metadata = MetaData()


class Kennel(Model):
    metadata: ClassVar[MetaData] = metadata


class Owner(Kennel, table=True):
    __tablename__ = "owners"

    number: int = Field(unique=True)
    email: str = Field(unique=True)
