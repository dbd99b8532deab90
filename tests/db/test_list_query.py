"""Lists through HTTP: what can be asked for, what is refused, and where the next page is."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import httpx2
import pytest
from fastapi import Depends, FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.http.pages import PageRead
from app.core.http.routing import ApiRouter
from app.core.types import Schema
from app.db.depends import Reads
from app.db.list_query import ListQuery, list_query
from app.db.listing import Listing
from tests.support.parcels import Parcel, ParcelRepository, Size, store_parcels

PARCELS = "/api/v1/parcels"


class ParcelRead(Schema):
    id: UUID
    label: str
    size: Size
    weight: int | None
    price: Decimal | None
    sent_at: datetime


class SmallRepository(ParcelRepository):
    listing = Listing(offset=True)


router = ApiRouter(prefix="/parcels", tag="parcels")


@router.get("")
async def list_parcels(
    session: Reads, query: Annotated[ListQuery, Depends(list_query(ParcelRepository))]
) -> PageRead[ParcelRead]:
    return query.answer(await ParcelRepository(session).page(query.request), ParcelRead)


@router.get("/few")
async def list_few(
    session: Reads, query: Annotated[ListQuery, Depends(list_query(SmallRepository))]
) -> PageRead[ParcelRead]:
    return query.answer(await SmallRepository(session).page(query.request), ParcelRead)


@pytest.fixture
async def parcels(connection: AsyncConnection, application: FastAPI) -> list[Parcel]:
    application.include_router(router)
    return await store_parcels(connection)


async def test_the_whole_list_is_walked_by_its_links(client: httpx2.AsyncClient, parcels: list[Parcel]) -> None:
    url: str | None = f"{PARCELS}?sort=-weight,label&size=small&limit=3&count=true"
    seen = []
    while url:
        response = await client.get(url)
        assert response.status_code == 200, response.text
        page = response.json()
        seen += [item["label"] for item in page["items"]]
        assert page["total"] == sum(row.size is Size.SMALL for row in parcels)
        link = response.headers.get("link", "")
        assert (page["next_cursor"] is None) == (link == "")
        assert link == "" or link.endswith('>; rel="next"')
        url = link.removeprefix("<").removesuffix('>; rel="next"')

    small = sorted((row for row in parcels if row.size is Size.SMALL), key=lambda row: row.label)
    small.sort(key=lambda row: (row.weight is None, row.weight or 0), reverse=True)
    assert seen == [row.label for row in small]


async def test_the_total_is_told_when_asked_for(client: httpx2.AsyncClient, parcels: list[Parcel]) -> None:
    assert (await client.get(PARCELS)).json().keys() == {"items", "next_cursor"}
    assert (await client.get(PARCELS, params={"count": "false"})).json().keys() == {"items", "next_cursor"}
    assert (await client.get(PARCELS, params={"count": "true"})).json()["total"] == len(parcels)


@pytest.mark.parametrize(
    "query",
    [
        {"label__in": ["parcel-01", "parcel-02"]},
        {"label__contains": "CEL-0"},
        {"price__gte": "1.50", "price__lt": "20"},
        {"due__is_null": "true"},
        {"due": "2026-01-31"},
        {"owner_id": "00000000-0000-0000-0000-000000000001"},
        {"fragile": "true"},
        {"weight__ne": "1"},
    ],
    ids=str,
)
async def test_what_is_declared_can_be_asked_for(
    client: httpx2.AsyncClient, parcels: list[Parcel], query: dict[str, str | list[str]]
) -> None:
    response = await client.get(PARCELS, params={**query, "limit": "100"})

    assert response.status_code == 200, response.text
    assert 0 < len(response.json()["items"]) < len(parcels)


# charter 13
@pytest.mark.parametrize(
    ("query", "field", "allowed"),
    [
        ({"share": "1"}, "query.share", "This list has no such parameter. It has: limit, cursor, sort, count, label,"),
        ({"label__gt": "a"}, "query.label__gt", "label__contains"),
        ({"label__": "a"}, "query.label__", "label__contains"),
        ({"offset": "1"}, "query.offset", "limit, cursor, sort"),
        ({"sort": "version"}, "query.sort", "can be sorted by label, size, weight, price,"),
        ({"sort": "label;DROP TABLE users"}, "query.sort", "can be sorted by label"),
        ({"sort": ""}, "query.sort", "can be sorted by label"),
        ({"sort": "--label"}, "query.sort", "can be sorted by label"),
        ({"sort": "label,-label"}, "query.sort", "stands there twice"),
        ({"sort": "label,"}, "query.sort", "can be sorted by label"),
        ({"weight": "1.0"}, "query.weight", "not a whole number"),
        ({"weight": "1" * 5000}, "query.weight", ""),
        ({"weight": str(2**31)}, "query.weight", "less than or equal to"),
        ({"price": "NaN"}, "query.price", "finite"),
        ({"price": "1e9999"}, "query.price", "digits"),
        ({"due": "0"}, "query.due", "not a date"),
        ({"due__is_null": "1"}, "query.due__is_null", "neither true nor false"),
        ({"count": "yes"}, "query.count", "neither true nor false"),
        ({"size": "huge"}, "query.size", "'small' or 'large'"),
        ({"owner_id": "1"}, "query.owner_id", "UUID"),
        ({"label": "x" * 51}, "query.label", "at most 50"),
        ({"label__in": ["x"] * 101}, "query.label__in", "at most 100"),
    ],
    ids=str,
)
async def test_anything_else_is_refused_with_what_is_allowed(
    client: httpx2.AsyncClient, parcels: list[Parcel], query: dict[str, str | list[str]], field: str, allowed: str
) -> None:
    response = await client.get(PARCELS, params=query)

    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == field
    assert allowed in error["message"]


# charter 11
@pytest.mark.parametrize("limit", ["-1", "0", "101", "99999999999999999999", "1e3", "x", "", "1.0"])
async def test_a_limit_out_of_range_is_refused(client: httpx2.AsyncClient, parcels: list[Parcel], limit: str) -> None:
    response = await client.get(PARCELS, params={"limit": limit})

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "query.limit"


@pytest.mark.parametrize(("offset", "status"), [("0", 200), ("39", 200), ("10000", 200), ("10001", 422), ("-1", 422)])
async def test_an_offset_is_for_lists_that_allow_it(
    client: httpx2.AsyncClient, parcels: list[Parcel], offset: str, status: int
) -> None:
    response = await client.get(f"{PARCELS}/few", params={"offset": offset, "limit": "100"})

    assert response.status_code == status
    if status == 200:
        assert len(response.json()["items"]) == max(0, len(parcels) - int(offset))


async def test_after_an_offset_the_cursor_leads_on(client: httpx2.AsyncClient, parcels: list[Parcel]) -> None:
    first = await client.get(f"{PARCELS}/few", params={"offset": "5", "limit": "10"})
    second = await client.get(first.headers["link"].partition(">")[0].removeprefix("<"))
    both = await client.get(f"{PARCELS}/few", params={"offset": "5", "cursor": first.json()["next_cursor"]})

    seen = [item["id"] for page in (first, second) for item in page.json()["items"]]
    assert seen == [str(key) for key in sorted(row.id for row in parcels)[5:25]]
    assert both.status_code == 422
    assert both.json()["errors"][0]["field"] == "query.offset"


# charter 12
async def test_a_cursor_serves_the_list_that_gave_it_out_and_no_other(
    client: httpx2.AsyncClient, parcels: list[Parcel]
) -> None:
    asked = {"sort": "weight", "size": "small", "limit": "2"}
    cursor = (await client.get(PARCELS, params=asked)).json()["next_cursor"]

    for same in (asked, asked | {"limit": "5"}, asked | {"count": "true"}):
        assert (await client.get(PARCELS, params=same | {"cursor": cursor})).status_code == 200
    for other in (
        {"sort": "weight"},
        {"sort": "-weight", "size": "small"},
        {"size": "small"},
        {"sort": "weight", "size": "large"},
        {"sort": "weight", "size__ne": "small"},
        {"sort": "weight", "size": "small", "label__contains": "p"},
    ):
        response = await client.get(PARCELS, params={**other, "cursor": cursor})
        assert response.status_code == 400, other
        assert response.json()["error_code"] == "invalid_cursor"
    elsewhere = await client.get(f"{PARCELS}/few", params={"cursor": cursor})
    assert elsewhere.status_code == 400


# charter 12
async def test_a_cursor_that_was_not_given_out_is_refused(client: httpx2.AsyncClient, parcels: list[Parcel]) -> None:
    cursor = (await client.get(PARCELS, params={"limit": "1"})).json()["next_cursor"]

    for wrong in ("", "x", "%%%", cursor[:-4], "B" + cursor[1:], cursor[:-4] + "AAAA", cursor + "=", "é" * 20):
        response = await client.get(PARCELS, params={"cursor": wrong})
        assert response.status_code == 400, wrong
        assert response.json()["error_code"] == "invalid_cursor"


async def test_the_description_names_every_parameter_with_its_meaning(
    application: FastAPI, parcels: list[Parcel]
) -> None:
    operation = application.openapi()["paths"][PARCELS]["get"]
    described = {parameter["name"]: parameter for parameter in operation["parameters"]}

    assert {"limit", "cursor", "sort", "count", "label", "label__contains", "due__is_null", "weight__gte"} <= {
        *described
    }
    assert "offset" not in described
    assert described["label__contains"]["description"] == "Those whose `label` contains this, in upper or lower case."
    assert described["weight__gte"]["schema"]["minimum"] == -(2**31)
    assert described["due__is_null"]["schema"]["type"] == "boolean"
    assert "label|size|weight" in described["sort"]["schema"]["pattern"]
    assert "small" in json.dumps(application.openapi()["components"]["schemas"]["Size"])
