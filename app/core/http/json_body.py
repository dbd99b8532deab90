"""JSON bodies read strictly.

As RFC 8259 has it where the standard library is lenient, and nothing but what PostgreSQL can hold and JSON give back.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Final

from app.core.errors import FieldError, Invalid, Malformed
from app.core.types.text import NOT_STORABLE, is_storable

MAX_DEPTH: Final = 32
# `int()` refuses more digits than this (CVE-2020-10735), and no column holds as many.
_MAX_DIGITS: Final = 4300

_NOT_STORABLE: Final = FieldError("body", NOT_STORABLE, "string_not_storable")
_NOT_FINITE: Final = FieldError("body", "NaN, Infinity and numbers this large cannot be stored.", "number_not_finite")

# A string is skipped whole, so that brackets inside it do not count; an unclosed one is left to the parser.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


class _DuplicateKeyError(ValueError):
    pass


def parse_json(body: bytes) -> object:
    """The value in `body`.

    Raises:
        Malformed: bad UTF-8, a byte order mark, a syntax error, a key given twice, or more than `MAX_DEPTH` levels.
        Invalid: NUL or half of a surrogate pair in a string or key, or a number without a finite value, anywhere.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8. Encode it as UTF-8.") from None
    if "\0" in text:
        raise Invalid(errors=(_NOT_STORABLE,))
    _refuse_depth(text)
    numbers = _Numbers()
    try:
        value: object = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_float=numbers.parse_float,
            parse_constant=numbers.parse_float,
            # A body this short cannot hold an integer that is too long.
            parse_int=numbers.parse_int if len(text) > _MAX_DIGITS else None,
        )
    except _DuplicateKeyError:
        raise Malformed("An object in the body has the same key twice. Send each key once.") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"The body is not JSON: {error.msg} at character {error.pos}.") from None
    # Raw control characters are refused above, so what cannot be stored can only have come as an escape.
    if (numbers.not_finite or "\\u" in text) and (errors := tuple(_refused(value, "body"))):
        raise Invalid(errors=errors)
    return value


class _Numbers:
    """Parses numbers and remembers whether one of them has no finite value, to spare every other body the walk."""

    def __init__(self) -> None:
        self.not_finite = False

    def parse_float(self, literal: str) -> float:
        value = float(literal)
        if not math.isfinite(value):
            self.not_finite = True
        return value

    def parse_int(self, literal: str) -> float:
        return self.parse_float(literal) if len(literal) > _MAX_DIGITS else int(literal)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _DuplicateKeyError
    return members


def _refuse_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        mark = match[0]
        if mark in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise Malformed(f"The body is nested more than {MAX_DEPTH} levels deep. Flatten it.")
        elif mark in "]}":
            depth -= 1


def _refused(value: object, path: str) -> Iterator[FieldError]:
    if isinstance(value, str):
        if not is_storable(value):
            yield FieldError(path, _NOT_STORABLE.message, _NOT_STORABLE.type)
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield FieldError(path, _NOT_FINITE.message, _NOT_FINITE.type)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _refused(item, f"{path}.{position}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _refused(key, path)
            yield from _refused(item, f"{path}.{key}" if is_storable(key) else path)
