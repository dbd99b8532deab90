"""Column types beyond those that SQLModel knows by itself."""

import re
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from app.db import sizes

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

json_object: Final = JSONB(none_as_null=True)
"""A JSON object, in PostgreSQL's binary form."""


def one_of(kind: type[StrEnum]) -> sa.Enum:
    """The values of `kind` as text, and a constraint that keeps others out.

    Not an enum of PostgreSQL's own, of which no value can be taken away again.
    """
    return sa.Enum(
        kind,
        name=_HUMP.sub("_", kind.__name__).lower(),
        length=sizes.CODE,
        native_enum=False,
        create_constraint=True,
        values_callable=lambda members: [member.value for member in members],
    )
