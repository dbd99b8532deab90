"""Lists: every row once, in order, at any sort, whatever happens to the table meanwhile."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import permutations, product
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db.indexes import unindexed_sorts
from app.db.listing import Condition, Filter, Listing, ListRequest, Operator, Pages, SortKey
from app.db.model import Model
from app.db.repository import Repository
from app.db.sessions import Database
from tests.support.parcels import OWN, Parcel, ParcelRepository, Size, store_parcels

PAGES = Pages(Parcel, ParcelRepository.listing)


@pytest.fixture
async def parcels(connection: AsyncConnection) -> list[Parcel]:
    return await store_parcels(connection)


async def walk(database: Database, request: ListRequest, between: Callable[[], object] = lambda: None) -> list[Parcel]:
    """All rows, page by page, each position written and read as a cursor does."""
    seen: list[Parcel] = []
    after = None
    while True:
        async with database.read_session() as session:
            page = await ParcelRepository(session).page(
                ListRequest(request.limit, request.conditions, request.order, after)
            )
        assert len(page.items) <= request.limit
        seen += page.items
        if page.next_after is None:
            return seen
        after = PAGES.read_position(PAGES.write_position(page.next_after), request.order)
        between()


def in_order(rows: list[Parcel], order: tuple[SortKey, ...]) -> list[UUID]:
    """What PostgreSQL's manual says: NULL is larger than any value."""

    def of(row: Parcel, name: str) -> tuple[bool, object]:
        value = getattr(row, name)
        return value is None, 0 if value is None else value

    found = sorted(rows, key=lambda row: row.id, reverse=bool(order) and order[-1].descending)
    for key in reversed(order):
        found.sort(key=lambda row: of(row, key.name), reverse=key.descending)
    return [row.id for row in found]


ONE = [(SortKey(name, descending=down),) for name in PAGES.sort_keys for down in (False, True)]
SEVERAL = [
    tuple(SortKey(name, descending=down) for name, down in zip(names, downs, strict=True))
    for names in permutations(["size", "weight", "due"], 2)
    for downs in product([False, True], repeat=2)
] + [
    (SortKey("weight"), SortKey("due", descending=True), SortKey("size")),
    (SortKey("owner_id", descending=True), SortKey("price", descending=True), SortKey("fragile", descending=True)),
    (SortKey("size"), SortKey("id", descending=True)),
    (SortKey("id"), SortKey("size")),
]  # fmt: skip


@pytest.mark.parametrize("order", [(), *ONE, *SEVERAL], ids=str)
async def test_every_row_comes_once_and_in_order(
    database: Database, parcels: list[Parcel], order: tuple[SortKey, ...]
) -> None:
    for limit in (1, 7, 40, 100):
        seen = await walk(database, ListRequest(limit=limit, order=order))

        assert [row.id for row in seen] == in_order(parcels, order)


@pytest.mark.parametrize(
    ("parameter", "value", "holds"),
    [
        ("label", "parcel-07", lambda row: row.label == "parcel-07"),
        ("label__ne", "parcel-07", lambda row: row.label != "parcel-07"),
        ("label__in", ["parcel-07", "parcel-09", "nothing"], lambda row: row.label in {"parcel-07", "parcel-09"}),
        ("label__contains", "CEL-1", lambda row: "cel-1" in row.label),
        ("label__contains", "%", lambda _: False),
        ("label__contains", "_", lambda _: False),
        ("label__contains", "\\", lambda _: False),
        ("size", Size.LARGE, lambda row: row.size is Size.LARGE),
        ("size__in", [Size.LARGE], lambda row: row.size is Size.LARGE),
        ("weight", 1, lambda row: row.weight == 1),
        ("weight__ne", 1, lambda row: row.weight != 1),
        ("weight__lt", 2, lambda row: row.weight is not None and row.weight < 2),
        ("weight__lte", 1, lambda row: row.weight is not None and row.weight <= 1),
        ("weight__gt", 1, lambda row: row.weight is not None and row.weight > 1),
        ("weight__gte", 2, lambda row: row.weight is not None and row.weight >= 2),
        ("weight__is_null", True, lambda row: row.weight is None),
        ("weight__is_null", False, lambda row: row.weight is not None),
        ("price__gte", Decimal("1.51"), lambda row: row.price is not None and row.price > Decimal("1.50")),
        ("fragile", False, lambda row: not row.fragile),
        ("due__lt", date(2026, 2, 1), lambda row: row.due is not None and row.due.month == 1),
        ("owner_id", UUID(int=1), lambda row: row.owner_id == UUID(int=1)),
    ],
    ids=lambda value: None if callable(value) else str(value),
)
async def test_a_filter_keeps_what_it_says(
    database: Database, parcels: list[Parcel], parameter: str, value: object, holds: Callable[[Parcel], bool]
) -> None:
    request = ListRequest(limit=3, conditions=(Condition(parameter, value),), order=(SortKey("label"),))

    seen = await walk(database, request)

    assert [row.label for row in seen] == sorted(row.label for row in parcels if holds(row))


async def test_filters_hold_together_and_are_counted(database: Database, parcels: list[Parcel]) -> None:
    conditions = (Condition("size", Size.SMALL), Condition("weight__is_null", value=True))
    expected = [row for row in parcels if row.size is Size.SMALL and row.weight is None]

    async with database.read_session() as session:
        page = await ParcelRepository(session).page(ListRequest(limit=1, conditions=conditions, counted=True))

    assert 1 < len(expected) < len(parcels)
    assert page.total == len(expected)
    assert len(page.items) == 1


async def test_an_offset_leaves_out_the_first_rows(database: Database, parcels: list[Parcel]) -> None:
    order = (SortKey("weight", descending=True),)

    async with database.read_session() as session:
        page = await ParcelRepository(session).page(ListRequest(limit=10, order=order, offset=25))

    assert [row.id for row in page.items] == in_order(parcels, order)[25:35]


@pytest.mark.parametrize("order", [(SortKey("weight"),), (SortKey("size", descending=True), SortKey("due"))], ids=str)
async def test_rows_that_stay_come_once_while_others_come_and_go(
    database: Database, parcels: list[Parcel], order: tuple[SortKey, ...]
) -> None:
    chance = random.Random(11)  # noqa: S311  data, no secret
    leaving = chance.sample(parcels, 10)
    staying = [row for row in parcels if row not in leaving]
    after, seen = None, []
    for number in range(100):
        async with database.unit_of_work() as uow:
            repository = ParcelRepository(uow.session)
            page = await repository.page(ListRequest(limit=2, order=order, after=after))
            seen += [row.id for row in page.items]
            if leaving:
                await repository.delete(await repository.require(leaving.pop().id))
            await repository.add(
                Parcel(
                    label=f"new-{number}",
                    size=chance.choice([*Size]),
                    weight=chance.choice([None, 1, 2]),
                    sent_at=datetime.now(UTC),
                )
            )
        after = page.next_after
        if after is None:
            break

    assert [key for key in seen if key in {row.id for row in staying}] == in_order(staying, order)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("key", ["weight", "-weight", "sent_at", "label,size", "-sent_at,due"])
async def test_an_index_is_entered_where_the_page_begins(connection: AsyncConnection, key: str) -> None:
    """What makes the last page cost as much as the first: no row before the page is read, none of it is sorted anew."""
    await connection.run_sync(OWN.create_all)
    await connection.execute(sa.text("CREATE INDEX ON parcels (sent_at, id)"))
    await connection.execute(
        sa.text(
            "INSERT INTO parcels (id, label, size, weight, share, fragile, sent_at) SELECT gen_random_uuid(), "
            "'p' || n, 'small', CASE WHEN n % 2 = 0 THEN n END, 0, false, timestamptz '2026-01-01' + n * interval '1 s' "
            "FROM generate_series(1, 5000) n"
        )
    )
    await connection.execute(sa.text("ANALYZE parcels"))
    order = tuple(SortKey(word.removeprefix("-"), descending=word.startswith("-")) for word in key.split(","))
    kinds = {"weight": 2500, "sent_at": datetime(2026, 1, 1, 0, 50, tzinfo=UTC), "label": "p3", "size": "small"}
    after = (*(kinds.get(each.name) for each in order), UUID(int=1))
    statement, values = next(PAGES.statements(ListRequest(order=order, after=after)))
    seen: list[str] = []

    def explain(sync: sa.Connection) -> None:
        compiled = statement.compile(dialect=sync.dialect, compile_kwargs={"render_postcompile": True})
        plan = sync.exec_driver_sql(
            f"EXPLAIN (ANALYZE, TIMING off) {compiled}",
            tuple(compiled.construct_params({**values, "limit": 21})[name] for name in compiled.positiontup or ()),
        )
        seen.extend(row[0] for row in plan)

    await connection.run_sync(explain)
    plan = "\n".join(seen)
    assert "Index Cond" in plan, plan
    assert "Seq Scan" not in plan, plan


def test_a_sort_key_without_an_index_is_found() -> None:
    found = {finding.what: str(finding) for finding in unindexed_sorts() if "Parcel" in finding.what}

    assert {what.split()[3] for what in found} == {
        *("parcels.price,", "parcels.share,", "parcels.fragile,", "parcels.due,", "parcels.sent_at,"),
        "parcels.owner_id,",
    }
    for finding in found.values():
        assert finding.startswith("parcels.py: ParcelRepository sorts by parcels.")
        assert "to __table_args__ of Parcel, then make migration" in finding


def test_a_column_that_cannot_be_compared_is_refused() -> None:
    class Blob(Model, table=True):
        metadata = MetaData()
        __tablename__ = "blobs"
        content: bytes

    with pytest.raises(TypeError, match=r"A list cannot be narrowed or sorted by blobs\.content"):
        from app.db.list_query import list_query  # noqa: PLC0415

        class BlobRepository(Repository[Blob]):
            model = Blob
            listing = Listing(Filter(col(Blob.content), (Operator.EQ,)))

        list_query(BlobRepository)
