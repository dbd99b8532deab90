"""What the list of a table can be asked for, and the statements that answer it at a cost that does not grow with depth.

A page begins where the one before ended, at a position: the values of the sort keys in its last row. NULL counts as the
largest value, as PostgreSQL sorts it by itself, so that one index serves both directions.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

import orjson
import sqlalchemy as sa
from pydantic import Field, TypeAdapter
from sqlalchemy import BindParameter, Column, ColumnElement, and_, bindparam, func, or_, tuple_
from sqlalchemy.orm import Mapped, QueryableAttribute
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.core.types import Date, DateTime, Text
from app.db import sizes
from app.db.model import Model
from app.db.types import OneOf

M = TypeVar("M", bound=Model)

MAX_OFFSET: Final = 10_000
_SHAPES: Final = 256  # statements kept for each list; who asks for more shapes pays for building them


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    IN = "in"
    CONTAINS = "contains"
    IS_NULL = "is_null"


# What is usual for one column. `is_null` comes by itself where the column can be NULL.
FLAG: Final = (Operator.EQ,)
EQUALITY: Final = (Operator.EQ, Operator.NE, Operator.IN)
RANGE: Final = (*EQUALITY, Operator.LT, Operator.LTE, Operator.GT, Operator.GTE)
TEXT: Final = (*EQUALITY, Operator.CONTAINS)
# A hundred such texts would not fit into the address of a request.
LONG_TEXT: Final = (Operator.EQ, Operator.NE, Operator.CONTAINS)


class Filter:
    """A column that a list can be narrowed by, and the ways to do so: `Filter(col(Invoice.due), RANGE)`."""

    def __init__(self, column: Mapped[Any], operators: Sequence[Operator]) -> None:
        self.column = _column(column)
        self.operators = (*operators, Operator.IS_NULL) if self.column.nullable else tuple(operators)


class Listing:
    """The filters and the sort keys that a list allows; a list of few rows may allow an offset as well.

    Each sort key needs an index that begins with it, followed by `id` unless it is unique: `make check` says so. The
    key `id`, the order of creation, is always there.
    """

    def __init__(self, *filters: Filter, sorts: Sequence[Mapped[Any]] = (), offset: bool = False) -> None:
        self.parameters: Mapping[str, Parameter] = {
            parameter.name: parameter
            for each in filters
            for parameter in (Parameter(each.column, operator) for operator in each.operators)
        }
        self.sorts: Mapping[str, Column[Any]] = {column.key: column for column in map(_column, sorts)}
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter of a list."""

    column: Column[Any]
    operator: Operator

    @property
    def name(self) -> str:
        """`email` for equality, `email__contains` and the like for the other operators."""
        return self.column.key if self.operator is Operator.EQ else f"{self.column.key}__{self.operator}"


@dataclass(frozen=True, slots=True)
class Condition:
    """A parameter by its name, and what was given for it: of `in`, a sequence of values."""

    parameter: str
    value: object


@dataclass(frozen=True, slots=True)
class SortKey:
    name: str
    descending: bool = False


Position = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class ListRequest:
    """Which rows of a list are asked for: at most `limit`, those that follow `after`.

    Without `order` they come in the order of their creation. `counted` asks how many there are in all, too.
    """

    limit: int = 20
    conditions: tuple[Condition, ...] = ()
    order: tuple[SortKey, ...] = ()
    after: Position | None = None
    offset: int = 0
    counted: bool = False


class _Part(StrEnum):
    """The rows that one statement reads, by their leading sort key: an index orders each part, but not across both."""

    ALL = "all"
    VALUES = "values"
    NULLS = "nulls"


@dataclass(frozen=True, slots=True)
class _Shape:
    """All that statements differ by but values; `nulls` says of each value of the position whether it is NULL."""

    parameters: tuple[str, ...]
    order: tuple[SortKey, ...]
    part: _Part
    nulls: tuple[bool, ...] | None


class Pages(Generic[M]):
    """The statements of one list, each built once: building takes longer than a short query runs."""

    def __init__(self, model: type[M], listing: Listing) -> None:
        self.listing = listing
        self._model = model
        self._columns: Mapping[str, Column[Any]] = {**listing.sorts, "id": _column(col(model.id))}
        self._statement = lru_cache(_SHAPES)(self._build)
        self._count = lru_cache(_SHAPES)(self._build_count)

    @property
    def sort_keys(self) -> tuple[str, ...]:
        return tuple(self._columns)

    def position(self, row: M, order: tuple[SortKey, ...]) -> Position:
        """Where `row` stands in a list of this order."""
        return tuple(getattr(row, key.name) for key in _total(order))

    def write_position(self, position: Position) -> bytes:
        return orjson.dumps(position, default=str)

    def read_position(self, text: bytes, order: tuple[SortKey, ...]) -> Position:
        """What `write_position` made of a position in a list of this order."""
        adapters = (self._adapters[key.name] for key in _total(order))
        return tuple(
            adapter.validate_python(value) for adapter, value in zip(adapters, orjson.loads(text), strict=True)
        )

    def count(self, request: ListRequest) -> tuple[SelectOfScalar[int], Mapping[str, object]]:
        """The statement that counts the rows that meet the conditions, and its values."""
        return self._count(_names(request)), self._values(request)

    def statements(self, request: ListRequest) -> Iterator[tuple[SelectOfScalar[M], dict[str, object]]]:
        """The statements, each with its values but `limit`, whose rows one after another are the list from there on."""
        order, after = _total(request.order), request.after
        values: dict[str, object] = {**self._values(request), "offset": request.offset}
        nulls: tuple[bool, ...] | None = None
        if after is not None:
            nulls = tuple(value is None for value in after)
            values |= {f"after_{number}": value for number, value in enumerate(after)}
        parts = [_Part.ALL]
        if self._columns[order[0].name].nullable and not request.offset:
            parts = [_Part.NULLS, _Part.VALUES] if order[0].descending else [_Part.VALUES, _Part.NULLS]
            if nulls is not None:
                parts = parts[parts.index(_Part.NULLS if nulls[0] else _Part.VALUES) :]
        for part in parts:
            yield self._statement(_Shape(_names(request), order, part, nulls)), values
            nulls = None  # only the first part is read from the position on

    @cached_property
    def _adapters(self) -> Mapping[str, TypeAdapter[object]]:
        return {
            name: TypeAdapter[object](annotation_of(column) | None if column.nullable else annotation_of(column))
            for name, column in self._columns.items()
        }

    def _build(self, shape: _Shape) -> SelectOfScalar[M]:
        statement = select(self._model).where(*self._conditions(shape.parameters))
        keys = [_Key(self._columns[key.name], key.descending, number) for number, key in enumerate(shape.order)]
        nulls = shape.nulls
        if shape.part is _Part.VALUES:
            statement = statement.where(keys[0].column.is_not(None))
        elif shape.part is _Part.NULLS:
            statement = statement.where(keys[0].column.is_(None))
            # Among these rows the leading key decides nothing.
            keys, nulls = keys[1:], None if nulls is None else nulls[1:]
        if nulls is not None:
            lead_has_value = shape.part is _Part.VALUES or not keys[0].column.nullable
            statement = statement.where(_following(keys, nulls, lead_has_value=lead_has_value))
        return statement.order_by(*(key.ordered for key in keys)).limit(bindparam("limit")).offset(bindparam("offset"))

    def _build_count(self, parameters: tuple[str, ...]) -> SelectOfScalar[int]:
        return select(func.count()).select_from(self._model).where(*self._conditions(parameters))

    def _conditions(self, parameters: tuple[str, ...]) -> Iterator[ColumnElement[bool]]:
        return (_condition(self.listing.parameters[name]) for name in parameters)

    def _values(self, request: ListRequest) -> dict[str, object]:
        return {
            each.parameter: _value(self.listing.parameters[each.parameter], each.value) for each in request.conditions
        }


@dataclass(frozen=True, slots=True)
class _Key:
    """A sort key in a statement; `number` is its place in the position."""

    column: Column[Any]
    descending: bool
    number: int

    @property
    def bound(self) -> ColumnElement[Any]:
        return bindparam(f"after_{self.number}", type_=self.column.type)

    @property
    def ordered(self) -> ColumnElement[Any]:
        return self.column.desc() if self.descending else self.column.asc()

    def beyond(self, *, null: bool) -> ColumnElement[bool]:
        """Holds for rows whose key follows that of the position, which is NULL or not."""
        if null:
            return self.column.is_not(None) if self.descending else sa.false()
        if self.descending:
            return self.column < self.bound
        larger = self.column > self.bound
        return or_(larger, self.column.is_(None)) if self.column.nullable else larger

    def level(self, *, null: bool) -> ColumnElement[bool]:
        """Holds for rows whose key is that of the position."""
        return self.column.is_(None) if null else self.column == self.bound


def annotation_of(column: Column[Any]) -> Any:
    """The type as which values for `column` are read.

    Raises:
        TypeError: a list cannot be narrowed or sorted by a column of this kind.
    """
    if isinstance(column.type, OneOf):
        return column.type.kind
    kind = column.type.impl_instance if isinstance(column.type, sa.TypeDecorator) else column.type
    for known, annotation in _ANNOTATIONS:
        if isinstance(kind, known):
            return annotation(kind)
    raise TypeError(f"A list cannot be narrowed or sorted by {column}, which is of type {kind!r}. Leave it out.")


def _exact(kind: sa.Numeric[Any]) -> Any:
    return Annotated[Decimal, Field(max_digits=kind.precision, decimal_places=kind.scale, allow_inf_nan=False)]


# In SQLAlchemy a Float is a Numeric, and a BigInteger an Integer.
_ANNOTATIONS: Final[Sequence[tuple[type[Any], Callable[[Any], Any]]]] = (
    (sa.String, lambda kind: Annotated[Text, Field(max_length=kind.length or sizes.LONG)]),
    (sa.Boolean, lambda _: bool),
    (sa.BigInteger, lambda _: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]),
    (sa.Integer, lambda _: Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]),
    (sa.Float, lambda _: Annotated[float, Field(allow_inf_nan=False)]),
    (sa.Numeric, _exact),
    (sa.DateTime, lambda _: DateTime),
    (sa.Date, lambda _: Date),
    (sa.Uuid, lambda _: UUID),
)


def _column(attribute: Mapped[Any]) -> Column[Any]:
    assert isinstance(attribute, QueryableAttribute)  # noqa: S101  what `col` has looked at
    column: Column[Any] = attribute.property.columns[0]
    return column


def _total(order: tuple[SortKey, ...]) -> tuple[SortKey, ...]:
    """`order` with the key that settles ties; in the direction of the last one, so that an index has both."""
    if any(key.name == "id" for key in order):
        return order
    return (*order, SortKey("id", descending=bool(order) and order[-1].descending))


def _names(request: ListRequest) -> tuple[str, ...]:
    return tuple(condition.parameter for condition in request.conditions)


def _following(keys: Sequence[_Key], nulls: Sequence[bool], *, lead_has_value: bool) -> ColumnElement[bool]:
    """Holds for the rows after the position; `lead_has_value` says that the leading key is NULL in none of them."""
    lead = keys[0]
    one_way = len({key.descending for key in keys}) == 1
    if lead_has_value and one_way and not any(key.column.nullable for key in keys[1:]):
        row, position = tuple_(*(key.column for key in keys)), tuple_(*(key.bound for key in keys))
        return row < position if lead.descending else row > position
    steps = []
    level: list[ColumnElement[bool]] = []
    for key, null in zip(keys, nulls, strict=True):
        steps.append(and_(*level, key.beyond(null=null)))
        level.append(key.level(null=null))
    if not lead_has_value:
        return or_(*steps)
    # It follows from the others and is said again, because an index can be entered at a bound but not at an OR.
    return and_(lead.column <= lead.bound if lead.descending else lead.column >= lead.bound, or_(*steps))


def _condition(parameter: Parameter) -> ColumnElement[bool]:
    kind = sa.Boolean() if parameter.operator is Operator.IS_NULL else parameter.column.type
    given = bindparam(parameter.name, type_=kind, expanding=parameter.operator is Operator.IN)
    return _CONDITIONS[parameter.operator](parameter.column, given)


_CONDITIONS: Final[Mapping[Operator, Callable[[Column[Any], BindParameter[Any]], ColumnElement[bool]]]] = {
    Operator.EQ: lambda column, given: column == given,
    Operator.NE: lambda column, given: column.is_distinct_from(given),
    Operator.LT: lambda column, given: column < given,
    Operator.LTE: lambda column, given: column <= given,
    Operator.GT: lambda column, given: column > given,
    Operator.GTE: lambda column, given: column >= given,
    Operator.IN: lambda column, given: column.in_(given),
    Operator.CONTAINS: lambda column, given: column.ilike(given),
    Operator.IS_NULL: lambda column, given: column.is_(None) == given,
}


def _value(parameter: Parameter, given: object) -> object:
    if parameter.operator is not Operator.CONTAINS:
        return given
    escaped = str(given).replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"
