"""What may be told of a value: secrets are masked by their key, by their type and inside texts; all of it is bounded."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from itertools import islice
from pathlib import PurePath
from typing import Final
from uuid import UUID

from pydantic import BaseModel, Secret, SecretBytes, SecretStr, ValidationError

from app.core.errors import AppError

MASK: Final = "********"
MAX_TEXT: Final = 4096  # characters of one text
MAX_ITEMS: Final = 100  # of one collection
MAX_DEPTH: Final = 6  # collections inside each other
_CUT: Final = "…"

_SECRET_KEY: Final = re.compile(
    r"passw(or)?d|passphrase|secret|token|authorization|cookie|credential|api_?key|private_?key"
    r"|(?<![^_])(pwd|csrf|xsrf|jwt|t?otp|session(_?id)?|recovery_codes?)(?![^_])"
)
_WORD_ENDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[-. ]")

# Each repetition has a bound or cannot overlap the next: what a client sends must not cost more than its length.
_PASSWORD_IN_ADDRESS: Final = re.compile(r"(://[^\s/:@]{0,256}):\S{1,512}@")
_SECRET_IN_QUERY: Final = re.compile(
    r"([?&](?:code|sig|[^\s=&?]{0,40}?(?:pass|secret|token|key|otp|session|csrf|signature)[^\s=&?]{0,40})=)[^\s&]+",
    re.IGNORECASE,
)
_SECRET_IN_TEXT: Final = re.compile(
    r"((?<!\w)(?:\w{0,40}?(?:passw(?:or)?d|secret|token|api[_-]?key)\w{0,40}=|Bearer\s))[^\s&,;)'\"]+", re.IGNORECASE
)
_PLAIN: Final = frozenset({int, float, bool, type(None), datetime, date, UUID})
_WRITTEN: Final = (PurePath, Decimal, time, timedelta)
_INSIDE: Final = (Mapping, BaseModel, list, tuple, set, frozenset)


def redact(key: str, value: object, also: frozenset[str] = frozenset()) -> object:
    """`value` as it may be told under `key`, made of what JSON knows, times and UUIDs.

    `also` are further keys to mask, in lower case. Long texts, collections and deep nesting are cut, so that a line
    costs no more than it is worth.
    """
    if value is not None and is_secret(key, also):
        return MASK
    return _text(value) if type(value) is str else _told(value, also, MAX_DEPTH)


@lru_cache(maxsize=4096)
def is_secret(key: str, also: frozenset[str] = frozenset()) -> bool:
    """Whether what stands under `key` is masked; `X-Api-Key`, `apiKey` and `api_key` are one."""
    words = _WORD_ENDS.sub("_", key[:MAX_TEXT]).lower()
    return _SECRET_KEY.search(words) is not None or words in also or key.lower() in also


def mask_text(text: str) -> str:
    """`text` without the passwords of addresses, and without what stands after `token=` and the like."""
    if "://" in text:
        text = _PASSWORD_IN_ADDRESS.sub(rf"\1:{MASK}@", text)
    if "=" in text or "earer " in text:
        text = _SECRET_IN_TEXT.sub(rf"\1{MASK}", _SECRET_IN_QUERY.sub(rf"\1{MASK}", text))
    return text


def message_of(error: BaseException) -> str:
    """The error's own words, unless it is of a kind that quotes the values that it was given."""
    if isinstance(error, ValidationError):
        faults = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ITEMS]
        return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['type']}" for fault in faults)
    # Drivers of databases put the row into their messages (PostgreSQL's DETAIL), and so do those that wrap them.
    if not isinstance(error, AppError):
        for link in (error, getattr(error, "orig", None)):
            if isinstance(sqlstate := getattr(link, "sqlstate", None), str):
                return f"SQLSTATE {sqlstate}"
    return _text(_safely(str, error))


def _told(value: object, also: frozenset[str], depth: int) -> object:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Secret | SecretStr | SecretBytes):
        return MASK
    if isinstance(value, Enum):
        return _told(value.value, also, depth)
    if isinstance(value, str):
        return _text(value)
    return (
        _told_inside(value, also, depth) if isinstance(value, _INSIDE) or is_dataclass(value) else _text(_plain(value))
    )


def _plain(value: object) -> str:
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {message_of(value)}"
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value[: MAX_TEXT + 1]).decode("utf-8", "backslashreplace")
    return _safely(str if isinstance(value, _WRITTEN) else repr, value)


def _told_inside(value: object, also: frozenset[str], depth: int) -> object:
    if not depth:
        return _CUT
    if isinstance(value, Mapping):
        return _pairs(value.items(), also, depth - 1)
    if isinstance(value, BaseModel):
        return _pairs(value, also, depth - 1)
    if isinstance(value, Collection):
        # A header, as ASGI and HTTP clients have it: its name says what the other is.
        match value:
            case (str() | bytes() as name, _) if isinstance(value, tuple):
                key = _key(name)
                return [_text(key), MASK if is_secret(key, also) else _told(value[1], also, depth - 1)]
        return [_told(item, also, depth - 1) for item in islice(value, MAX_ITEMS)]
    return _pairs(((name, getattr(value, name)) for name in _field_names(value)), also, depth - 1)


def _field_names(value: object) -> Iterator[str]:
    if is_dataclass(value):
        yield from (field.name for field in fields(value))


def _pairs(items: Iterable[tuple[object, object]], also: frozenset[str], depth: int) -> dict[str, object]:
    told: dict[str, object] = {}
    for given, value in islice(items, MAX_ITEMS):
        key = _key(given)
        told[_text(key)] = MASK if value is not None and is_secret(key, also) else _told(value, also, depth)
    return told


def _key(key: object) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else _safely(str, key)


def _text(text: str) -> str:
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}{_CUT} ({len(text) - MAX_TEXT} characters more)"
    return mask_text(text)


def _safely(write: Callable[[object], str], value: object) -> str:
    try:
        return write(value)
    except Exception as error:  # noqa: BLE001  a line about a broken object must not break the request
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"
