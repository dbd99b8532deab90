"""Lists in pages: the answer, and the signed cursor that leads to the next one."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from pydantic import MISSING, Field

from app.core.errors import Malformed
from app.core.types import Schema

T = TypeVar("T")

MAX_LIMIT: Final = 100
_SIGNATURE_BYTES: Final = 16


class InvalidCursor(Malformed):
    code = "invalid_cursor"
    detail = "The cursor is not one that this list gave out for this sort and these filters. Start again without it."


class PageRead(Schema, Generic[T]):
    items: Sequence[T]
    next_cursor: str | None = Field(description="Asks for the next page; null on the last one.")
    total: int | MISSING = Field(MISSING, description="How many items the whole list has, when `count=true` asks.")


class Cursors:
    """Makes and reads the cursors of the lists under one secret.

    A cursor is opaque to clients and bound to its scope (the list, its sort and its filters): base64url of an
    HMAC-SHA256 over scope and position, and the position.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def write(self, scope: str, position: bytes) -> str:
        return base64.urlsafe_b64encode(self._signature(scope, position) + position).decode("ascii").rstrip("=")

    def read(self, scope: str, cursor: str) -> bytes:
        """The position in `cursor`.

        Raises:
            InvalidCursor: it was altered, cut, or given out for another scope or under another secret.
        """
        try:
            position = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[_SIGNATURE_BYTES:]
        except ValueError:
            raise InvalidCursor from None
        # Written again and compared whole: base64 has several spellings of the same bytes, and one is given out.
        if not hmac.compare_digest(cursor.encode(), self.write(scope, position).encode()):
            raise InvalidCursor
        return position

    def _signature(self, scope: str, position: bytes) -> bytes:
        # The digest of the scope has one length, so that nothing of it can pass for a part of the position.
        scope_digest = hashlib.sha256(scope.encode()).digest()
        return hmac.digest(self._secret, scope_digest + position, hashlib.sha256)[:_SIGNATURE_BYTES]
