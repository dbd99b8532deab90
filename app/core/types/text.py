"""Strings that PostgreSQL can hold."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

# Control characters (Unicode category Cc) and the two separators that end a line. Not all that is invisible: names in
# Persian and many emoji need joiners.
_CONTROL: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_HAS_CONTROL = re.compile(f"[{_CONTROL}]")


def _storable(value: str) -> str:
    # Pydantic itself refuses lone surrogates; a `text` column also cannot hold U+0000.
    if "\0" in value:
        raise PydanticCustomError("string_not_storable", "NUL characters cannot be stored")
    return value


def _one_line(value: str) -> str:
    if _HAS_CONTROL.search(value):
        raise PydanticCustomError("string_not_one_line", "Line breaks and control characters are not allowed here")
    return value


# The patterns are for those who read the schema; the validators say the same in better words.
Text = Annotated[str, AfterValidator(_storable), Field(json_schema_extra={"pattern": r"^[^\x00]*$"})]
"""Text of any kind, line breaks included. Bound it: `Annotated[Text, Field(max_length=sizes.LONG)]`."""

Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    AfterValidator(_one_line),
    Field(json_schema_extra={"pattern": f"^[^{_CONTROL}]*$"}),
]
"""One line of text, for names and titles: trimmed, without control characters."""
