"""Strings that PostgreSQL can hold."""

import re
from typing import Annotated, Final

from pydantic import StringConstraints

NOT_STORABLE: Final = "NUL characters and lone surrogates cannot be stored."

_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
# Control characters (Unicode category Cc) and the two separators that end a line. Not all that is invisible: names in
# Persian and many emoji need joiners.
_CONTROL: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"


def is_storable(text: str) -> bool:
    """Whether a `text` column can hold it: no U+0000, and no surrogate, which UTF-8 does not have."""
    return not _NOT_STORABLE.search(text)


# A pattern also makes Pydantic refuse lone surrogates: it cannot be matched against what is not Unicode.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""Text of any kind, line breaks included. Bound it: `Annotated[Text, Field(max_length=sizes.LONG)]`."""

Line = Annotated[str, StringConstraints(strip_whitespace=True, pattern=f"^[^{_CONTROL}]*$")]
"""One line of text, for names and titles: trimmed, without control characters."""
