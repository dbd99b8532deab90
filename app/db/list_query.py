"""What a route asks for to answer a list: the query string, read by what its repository declares.

InvoiceList = Annotated[ListQuery, Depends(list_query(InvoiceRepository))]

@router.get("")
async def list_invoices(invoices: Invoices, query: InvoiceList) -> PageRead[InvoiceRead]:
    return query.answer(await invoices.page(query.request), InvoiceRead)
"""

import re
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import GenericAlias
from typing import Annotated, Any, Final, TypeVar, get_args
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, Field, create_model
from pydantic_core import PydanticCustomError

from app.core.errors import FieldError, Invalid
from app.core.http.pages import MAX_LIMIT, Cursors, PageRead
from app.core.http.state import from_state
from app.core.types import Schema
from app.db import sizes
from app.db.listing import MAX_OFFSET, Condition, ListRequest, Operator, Pages, Parameter, SortKey, annotation_of
from app.db.model import Model
from app.db.repository import Page, Repository

M = TypeVar("M", bound=Model)
S = TypeVar("S", bound=Schema)

DEFAULT_LIMIT: Final = 20
_MAX_CURSOR: Final = 2_000
_MAX_CHOICES: Final = 100
_WHOLE: Final = re.compile(r"-?\d+", re.ASCII)

_MEANINGS: Final = {
    Operator.EQ: "Those whose `{field}` is this.",
    Operator.NE: "Those whose `{field}` is not this.",
    Operator.LT: "Those whose `{field}` is less than this.",
    Operator.LTE: "Those whose `{field}` is this or less.",
    Operator.GT: "Those whose `{field}` is more than this.",
    Operator.GTE: "Those whose `{field}` is this or more.",
    Operator.IN: "Those whose `{field}` is one of these; the parameter is repeated for each.",
    Operator.CONTAINS: "Those whose `{field}` contains this, in upper or lower case.",
    Operator.IS_NULL: "Those that have no `{field}`, or with `false` those that have one.",
}
# What says where a page begins differs from page to page; what says how much of the list is told may.
_PLACES: Final = {"cursor", "offset"}
_OUT_OF_SCOPE: Final = {*_PLACES, "limit", "count"}
_NO_CONDITIONS: Final = {*_OUT_OF_SCOPE, "sort"}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a client asks of a list, and how it is answered."""

    request: ListRequest
    pages: Pages[Any]
    scope: str
    http: Request
    response: Response
    cursors: Cursors

    def answer(self, page: Page[M], schema: type[S]) -> PageRead[S]:
        """The page as the client sees it, its rows as `schema`; a `Link` header leads to the next one (RFC 8288)."""
        items = [schema.model_validate(row) for row in page.items]
        cursor = None
        if page.next_after is not None:
            cursor = self.cursors.write(self.scope, self.pages.write_position(page.next_after))
            same = [(name, text) for name, text in self.http.query_params.multi_items() if name not in _PLACES]
            following = f"{self.http.url.path}?{urlencode([*same, ('cursor', cursor)])}"
            self.response.headers["link"] = f'<{following}>; rel="next"'
        if page.total is None:
            return PageRead[S](items=items, next_cursor=cursor)
        return PageRead[S](items=items, next_cursor=cursor, total=page.total)


def list_query(repository: type[Repository[M]]) -> Callable[..., Coroutine[None, None, ListQuery]]:
    """A dependency that reads the query string of a list of `repository`'s rows.

    It raises Invalid for a parameter or a sort key that the list does not have, and InvalidCursor.
    """
    pages = repository.pages
    parameters = create_model("ListParameters", **dict(_fields(pages)))

    async def read(
        request: Request,
        response: Response,
        cursors: Annotated[Cursors, Depends(from_state("cursors", Cursors))],
        query: BaseModel,
    ) -> ListQuery:
        given = request.query_params
        _refuse_unknown(given.keys(), parameters.model_fields)
        values: dict[str, Any] = {name: getattr(query, name) for name in given}
        order = _order(values["sort"], pages.sort_keys) if "sort" in values else ()
        stated = sorted((name, text) for name, text in given.multi_items() if name not in _OUT_OF_SCOPE)
        scope = f"{request.url.path}?{urlencode(stated)}"
        after = None
        if "cursor" in values:
            if "offset" in values:
                raise _invalid("offset", "A cursor says already where the page begins. Send one of the two.")
            after = pages.read_position(cursors.read(scope, values["cursor"]), order)
        asked = ListRequest(
            limit=values.get("limit", DEFAULT_LIMIT),
            # In one order, so that one statement serves whatever order the client wrote them in.
            conditions=tuple(Condition(name, values[name]) for name in sorted(values.keys() - _NO_CONDITIONS)),
            order=order,
            after=after,
            offset=values.get("offset", 0),
            counted=values.get("count", False),
        )
        return ListQuery(asked, pages, scope, request, response, cursors)

    # From the annotation FastAPI takes what it reads and what it describes.
    read.__annotations__["query"] = Annotated[parameters, Query()]
    return read


def _fields(pages: Pages[M]) -> Iterator[tuple[str, Any]]:
    """The parameters by name, each as Pydantic has a field: its type and its default."""
    keys = "|".join(pages.sort_keys)
    pattern = f"^-?({keys})(,-?({keys}))*$"
    named = ", ".join(f"`{key}`" for key in pages.sort_keys)
    yield "limit", _field(_whole(1, MAX_LIMIT), "How many items at most.", DEFAULT_LIMIT)
    yield (
        "cursor",
        _field(
            Annotated[str, Field(max_length=_MAX_CURSOR)],
            "`next_cursor` of the page before, for the same sort and filters; left out for the first page.",
        ),
    )
    yield (
        "sort",
        _field(
            Annotated[str, Field(max_length=sizes.MEDIUM, json_schema_extra={"pattern": pattern})],
            f"Keys to sort by, separated by commas, each with - in front for descending: {named}. "
            f"Items that are equal in all of them, or all when it is left out, come in the order of their creation.",
        ),
    )
    yield "count", _field(_FLAG, "Whether to count the items of the whole list as well, which takes longer.", False)
    if pages.listing.offset:
        yield "offset", _field(_whole(0, MAX_OFFSET), "How many items to leave out at the start, in place of a cursor.")
    for name, parameter in pages.listing.parameters.items():
        yield name, _field(_kind(parameter), _MEANINGS[parameter.operator].format(field=parameter.column.key))


def _field(kind: Any, description: str, default: object = None) -> tuple[Any, Any]:
    return (kind, Field(default, description=description))


def _kind(parameter: Parameter) -> Any:
    if parameter.operator is Operator.IS_NULL:
        return _FLAG
    kind = annotation_of(parameter.column)
    if kind is bool:
        kind = _FLAG
    elif get_args(kind)[:1] == (int,):
        kind = Annotated[kind, BeforeValidator(_only_whole)]
    return (
        Annotated[GenericAlias(list, (kind,)), Field(max_length=_MAX_CHOICES)]
        if parameter.operator is Operator.IN
        else kind
    )


def _whole(least: int, most: int) -> Any:
    return Annotated[int, Field(ge=least, le=most), BeforeValidator(_only_whole)]


# Pydantic by itself reads 1.0 as a whole number, and yes, on and 1 as true.
def _only_whole(value: object) -> object:
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise PydanticCustomError("int_parsing", "This is not a whole number")
    return value


def _only_flag(value: object) -> object:
    if isinstance(value, str) and value not in {"true", "false"}:
        raise PydanticCustomError("bool_parsing", "This is neither true nor false")
    return value


_FLAG: Final = Annotated[bool, BeforeValidator(_only_flag)]


def _refuse_unknown(given: Iterable[str], known: Collection[str]) -> None:
    if unknown := sorted(set(given) - set(known)):
        message = f"This list has no such parameter. It has: {', '.join(known)}."
        raise Invalid(errors=tuple(FieldError(f"query.{name}", message, "unknown_parameter") for name in unknown))


def _order(text: str, allowed: Sequence[str]) -> tuple[SortKey, ...]:
    keys = tuple(SortKey(word.removeprefix("-"), descending=word.startswith("-")) for word in text.split(","))
    names = [key.name for key in keys]
    if not set(names) <= set(allowed):
        raise _invalid("sort", f"This list can be sorted by {', '.join(allowed)}, each with - in front for descending.")
    if len(set(names)) < len(names):
        raise _invalid("sort", "A key stands there twice. Name each once.")
    return keys


def _invalid(parameter: str, message: str) -> Invalid:
    return Invalid(errors=(FieldError(f"query.{parameter}", message, "value_error"),))
