"""Rows that a test needs before it can begin."""

from uuid import UUID

from sqlalchemy import Table

import app.modules
from app.db.factories import find_factories
from app.db.model import Model
from app.db.samples import Sample
from app.db.sessions import Database


async def sample_for(database: Database, model: type[Model]) -> Sample:
    """Values for rows of `model`, with a stored row of each table that it refers to, however far away."""
    needed = _referred_to(model.__table__)
    keys: dict[str, list[UUID]] = {}
    async with database.unit_of_work() as uow:
        for factory in find_factories(app.modules):
            if factory.table in needed:
                row = factory.make(Sample(keys=keys))
                uow.session.add(row)
                await uow.session.flush()
                keys[factory.table.name] = [row.id]
    return Sample(keys=keys)


def _referred_to(table: Table) -> set[Table]:
    near = {key.column.table for key in table.foreign_keys} - {table}
    return near.union(*(_referred_to(other) for other in near))
