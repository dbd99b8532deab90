"""Lists in pages: the query parameters, the signed cursor, and the answer."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import Field

from app.core.errors import Malformed
from app.core.http.state import from_state
from app.core.types import Schema

T = TypeVar("T")

MAX_LIMIT: Final = 100
_KEY_BYTES: Final = 16
_SIGNATURE_BYTES: Final = 16


class InvalidCursor(Malformed):
    code = "invalid_cursor"
    detail = "The cursor is not one that this list gave out. Start again without a cursor."


class PageRead(Schema, Generic[T]):
    items: Sequence[T]
    next_cursor: str | None = Field(description="Asks for the next page; null on the last one.")


class Cursors:
    """Makes and reads the cursors of the lists under one secret.

    A cursor is opaque to clients and bound to its list: base64url of the last key and an HMAC-SHA256 over list and key.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def write(self, path: str, key: UUID) -> str:
        return base64.urlsafe_b64encode(key.bytes + self._signature(path, key)).decode("ascii").rstrip("=")

    def read(self, path: str, cursor: str) -> UUID:
        """The key in `cursor`.

        Raises:
            InvalidCursor: it was altered, cut, or given out by another list or under another secret.
        """
        try:
            key = UUID(bytes=base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[:_KEY_BYTES])
        except ValueError:
            raise InvalidCursor from None
        # Written again and compared whole: base64 has several spellings of the same bytes, and one is given out.
        if not hmac.compare_digest(cursor.encode(), self.write(path, key).encode()):
            raise InvalidCursor
        return key

    def _signature(self, path: str, key: UUID) -> bytes:
        return hmac.digest(self._secret, path.encode() + b"\0" + key.bytes, hashlib.sha256)[:_SIGNATURE_BYTES]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page was asked for: at most `limit` items, after the one whose key is `after`."""

    limit: int
    after: UUID | None
    path: str
    cursors: Cursors

    def answer(self, items: Sequence[T], next_after: UUID | None) -> PageRead[T]:
        return PageRead[T](
            items=items, next_cursor=None if next_after is None else self.cursors.write(self.path, next_after)
        )


def _page_request(
    request: Request,
    cursors: Annotated[Cursors, Depends(from_state("cursors", Cursors))],
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at most.")] = 20,
    cursor: Annotated[
        str | None, Query(max_length=64, description="`next_cursor` of the page before; none for the first page.")
    ] = None,
) -> PageRequest:
    path = request.url.path
    return PageRequest(limit, None if cursor is None else cursors.read(path, cursor), path, cursors)


PageQuery = Annotated[PageRequest, Depends(_page_request)]
