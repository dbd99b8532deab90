"""Column types beyond those that SQLModel knows by itself."""

from enum import StrEnum
from typing import Final

from sqlalchemy import CheckConstraint, Dialect, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import PGDialect

json_object: Final = JSONB(none_as_null=True)
"""A JSON object, in PostgreSQL's binary form."""


quote_name: Final = PGDialect().identifier_preparer.quote  # type: ignore[no-untyped-call]  # of SQLAlchemy
"""A name as SQL writes it: in quotes where PostgreSQL has the word for itself, such as `order`."""


class OneOf(TypeDecorator[StrEnum]):
    """A member of `kind`, stored as its text; `one_of_check` keeps other texts out of the column.

    Not an enum of PostgreSQL's own, from which no value can be taken away again.
    """

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002
        return None if value is None else self.kind(value)


def one_of_check(column: str, kind: type[StrEnum]) -> CheckConstraint:
    """For `__table_args__`: `column` holds a member of `kind`."""
    values = ", ".join(f"'{member.value}'" for member in kind)
    return CheckConstraint(f"{quote_name(column)} IN ({values})", name=f"{column}_known")
