"""The base of every repository: what all of them can be asked. A feature adds its queries, named for their meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic
from uuid import UUID

from sqlalchemy import bindparam, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar
from typing_extensions import TypeVar

from app.core.errors import NotFound
from app.db.listing import Listing, ListRequest, Pages, Position
from app.db.model import Model, SoftDelete, now

M = TypeVar("M", bound=Model)
K = TypeVar("K", default=UUID)


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Some rows of a list, in order; the next page begins after `next_after`, None at the end. `total` counts all."""

    items: tuple[M, ...]
    next_after: Position | None
    total: int | None = None


class Repository(Generic[M, K]):
    """The rows of one table, whose class is named by `model`; `not_found` is what a missing key means.

    `listing` declares by what its list can be narrowed and sorted, and `pages` are the statements that follow from it.
    Reading works on a `ReadSession` too; `add` and `delete` need the session of a unit of work. Statements without a
    shape of their own are built once for each class: building costs more than a short query runs.
    """

    model: type[M]
    not_found: type[NotFound] = NotFound
    listing: Listing = Listing()

    pages: Pages[M]
    _by_key: SelectOfScalar[M]
    _by_keys: SelectOfScalar[M]
    _count: SelectOfScalar[int]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        key = col(cls.model.id)
        cls._by_key = select(cls.model).where(key == bindparam("key"))
        cls._by_keys = select(cls.model).where(key.in_(bindparam("keys", expanding=True)))
        cls._count = select(func.count()).select_from(cls.model)
        cls.pages = Pages(cls.model, cls.listing)

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, key: K) -> M | None:
        return await self.first(self._by_key, {"key": key})

    async def require(self, key: K) -> M:
        """The row with this key.

        Raises:
            NotFound: there is none; the subclass that `not_found` names.
        """
        row = await self.get(key)
        if row is None:
            raise self.not_found
        return row

    async def get_many(self, keys: Sequence[K]) -> tuple[M, ...]:
        """The rows that exist among `keys`, in no particular order."""
        return await self.all(self._by_keys, {"keys": list(keys)})

    async def exists(self, key: K) -> bool:
        return await self.get(key) is not None

    async def count(self) -> int:
        return (await self._session.exec(self._count)).one()

    async def page(self, request: ListRequest) -> Page[M]:
        """The rows asked for. What it costs does not depend on how far into the list they lie, unless by an offset."""
        total = None
        if request.counted:
            statement, values = self.pages.count(request)
            total = (await self._session.exec(statement, params=values)).one()
        # One row more than asked for tells whether another page follows.
        wanted = request.limit + 1
        rows: tuple[M, ...] = ()
        for part, values in self.pages.statements(request):
            rows += await self.all(part, {**values, "limit": wanted - len(rows)})
            if len(rows) == wanted:
                break
        items = rows[: request.limit]
        return Page(items, self.pages.position(items[-1], request.order) if len(rows) == wanted else None, total)

    async def add(self, row: M) -> M:
        """Stores `row` at once, so that a broken constraint is raised here and not at the commit."""
        self._session.add(row)
        await self._session.flush()
        return row

    async def delete(self, row: M) -> None:
        if isinstance(row, SoftDelete):
            row.deleted_at = now()
        else:
            await self._session.delete(row)
        await self._session.flush()

    async def first(self, statement: SelectOfScalar[M], params: Mapping[str, object] | None = None) -> M | None:
        return (await self._session.exec(statement, params=params)).first()

    async def all(self, statement: SelectOfScalar[M], params: Mapping[str, object] | None = None) -> tuple[M, ...]:
        return tuple((await self._session.exec(statement, params=params)).all())
