"""Column types: what is stored, what comes back, and what the table refuses."""

from enum import StrEnum

import pytest
from pydantic import JsonValue
from sqlalchemy import Column, MetaData, Table, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateTable

from app.core.errors import AppError
from app.db.types import OneOf, json_object, one_of_check


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


shirts = Table(
    "shirts",
    MetaData(),
    Column("order", OneOf(Size)),
    Column("label", json_object),
    one_of_check("order", Size),
)


@pytest.fixture
async def table(connection: AsyncConnection) -> AsyncConnection:
    await connection.execute(CreateTable(shirts))
    return connection


@pytest.mark.parametrize("size", [*Size, None])
async def test_a_member_comes_back_as_it_was(table: AsyncConnection, size: Size | None) -> None:
    await table.execute(insert(shirts).values(order=size))

    found = (await table.execute(select(shirts.c.order))).scalar_one()
    assert found is size
    assert (await table.execute(text('SELECT "order" FROM shirts'))).scalar_one() == (size and size.value)


async def test_a_text_that_no_member_has_is_refused(table: AsyncConnection) -> None:
    with pytest.raises(AppError):
        await table.execute(text("INSERT INTO shirts (\"order\") VALUES ('huge')"))


@pytest.mark.parametrize("label", [{}, {"a": [1, None, {"b": "ü"}]}])
async def test_an_object_comes_back_as_it_was(table: AsyncConnection, label: dict[str, JsonValue]) -> None:
    await table.execute(insert(shirts).values(label=label))

    assert (await table.execute(select(shirts.c.label))).scalar_one() == label


async def test_no_object_is_null_and_not_the_null_of_json(table: AsyncConnection) -> None:
    await table.execute(insert(shirts).values(label=None))

    assert (await table.execute(text("SELECT label IS NULL FROM shirts"))).scalar_one()
