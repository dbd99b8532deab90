"""A table with columns of many kinds, ties and NULLs, for the tests of lists."""

import random
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index, MetaData
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field, col

from app.db.listing import EQUALITY, FLAG, RANGE, TEXT, Filter, Listing
from app.db.model import Model, metadata
from app.db.repository import Repository
from app.db.sessions import Database
from app.db.types import OneOf, one_of_check

OWN = MetaData(naming_convention=metadata.naming_convention)


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Parcel(Model, table=True):
    metadata = OWN
    __tablename__ = "parcels"
    __table_args__ = (one_of_check("size", Size), Index(None, "size", "id"), Index(None, "weight", "id"))

    label: str = Field(max_length=50, unique=True)
    size: Size = Field(sa_type=OneOf(Size))
    weight: int | None = None
    price: Decimal | None = Field(default=None, max_digits=10, decimal_places=2)
    share: float = 0.0
    fragile: bool = False
    due: date | None = None
    sent_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
    owner_id: UUID | None = None


class ParcelRepository(Repository[Parcel]):
    model = Parcel
    listing = Listing(
        Filter(col(Parcel.label), TEXT),
        Filter(col(Parcel.size), EQUALITY),
        Filter(col(Parcel.weight), RANGE),
        Filter(col(Parcel.price), RANGE),
        Filter(col(Parcel.fragile), FLAG),
        Filter(col(Parcel.due), RANGE),
        Filter(col(Parcel.owner_id), EQUALITY),
        sorts=(
            *(col(Parcel.label), col(Parcel.size), col(Parcel.weight), col(Parcel.price)),
            *(col(Parcel.share), col(Parcel.fragile), col(Parcel.due), col(Parcel.sent_at), col(Parcel.owner_id)),
        ),
    )


async def store_parcels(connection: AsyncConnection) -> list[Parcel]:
    """Makes the table in the transaction of `connection`, with forty rows in it."""
    await connection.run_sync(OWN.create_all)
    chance = random.Random(7)  # noqa: S311  data, no secret
    owners = [UUID(int=number) for number in range(3)]
    rows = [
        Parcel(
            label=f"parcel-{number:02d}",
            size=chance.choice([*Size]),
            weight=chance.choice([None, 1, 2]),
            price=chance.choice([None, Decimal("1.50"), Decimal("20.00")]),
            share=chance.choice([0.1, 1 / 3]),
            fragile=chance.choice([True, False]),
            due=chance.choice([None, date(2026, 1, 31), date(2026, 11, 20)]),
            sent_at=datetime(2026, 11, chance.choice([1, 2]), 12, 0, 0, 123456, UTC),
            owner_id=chance.choice([None, *owners]),
        )
        for number in range(40)
    ]
    chance.shuffle(rows)
    async with Database(connection, connection).unit_of_work() as uow:
        for row in rows:
            await ParcelRepository(uow.session).add(row)
    return rows
