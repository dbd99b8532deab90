"""Strings that PostgreSQL can hold."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError


def _storable(value: str) -> str:
    # Pydantic itself refuses lone surrogates; a `text` column also cannot hold U+0000.
    if "\0" in value:
        raise PydanticCustomError("string_not_storable", "NUL characters cannot be stored")
    return value


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise PydanticCustomError("string_not_one_line", "Line breaks and control characters are not allowed here")
    return value


Text = Annotated[str, AfterValidator(_storable)]
"""Text of any kind, line breaks included. Bound it: `Annotated[Text, Field(max_length=sizes.LONG)]`."""

Line = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_storable), AfterValidator(_one_line)]
"""One line of text, for names and titles: trimmed, without control characters."""
