"""What holds for the list of any repository."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

from app.db.listing import Condition, ListRequest, Operator, Parameter, SortKey
from app.db.model import Model
from app.db.repository import Page, Repository
from app.db.sessions import Database

M = TypeVar("M", bound=Model)


async def assert_every_filter_works(database: Database, repository: type[Repository[M]], row: M) -> None:
    """Each filter that `repository` declares keeps or leaves out `row`, the only one, as its name says."""
    for name, parameter in repository.listing.parameters.items():
        value = getattr(row, parameter.column.key)
        if value is None and parameter.operator is not Operator.IS_NULL:
            continue
        page = await _page(database, repository, ListRequest(conditions=(Condition(name, _given(parameter, value)),)))
        left_out = parameter.operator in {Operator.NE, Operator.LT, Operator.GT}
        assert [found.id for found in page.items] == ([] if left_out else [row.id]), name


async def assert_every_sort_works(database: Database, repository: type[Repository[M]], rows: Sequence[M]) -> None:
    """Each sort that `repository` declares brings `rows`, all that there are, into its order."""
    for name in repository.listing.sorts:
        for descending in (False, True):
            request = ListRequest(order=(SortKey(name, descending=descending),), counted=True)
            page = await _page(database, repository, request)
            assert page.total == len(rows)
            assert {row.id for row in page.items} == {row.id for row in rows}
            # How texts are ordered, the database's collation says.
            values = [value for row in page.items if not isinstance(value := getattr(row, name), str | None)]
            ordered = values[::-1] if descending else values
            assert all(not later < earlier for earlier, later in pairwise(ordered)), name


async def _page(database: Database, repository: type[Repository[M]], request: ListRequest) -> Page[M]:
    async with database.read_session() as session:
        return await repository(session).page(request)


def _given(parameter: Parameter, value: object) -> object:
    match parameter.operator:
        case Operator.IN:
            return [value]
        case Operator.IS_NULL:
            return value is None
        case Operator.CONTAINS:
            return str(value)[:3]
    return value
