"""Days and points in time, written as RFC 3339 has them."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


# Pydantic by itself also takes seconds since 1970, as a number or in a text, for either.
def _only_date(value: object) -> object:
    if (isinstance(value, date) and not isinstance(value, datetime)) or _matches(_DATE, value):
        return value
    raise PydanticCustomError("date", "This is not a date of the form 2026-11-20")


def _only_date_time(value: object) -> object:
    if isinstance(value, datetime) or _matches(_DATE_TIME, value):
        return value
    raise PydanticCustomError("date_time", "This is not a time with its zone, of the form 2026-11-20T17:26:39Z")


def _matches(form: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("date_time", "This time is outside the years 1 to 9999 of UTC") from None


Date = Annotated[date, BeforeValidator(_only_date)]
"""A PostgreSQL `date`."""

DateTime = Annotated[datetime, BeforeValidator(_only_date_time), AfterValidator(_in_utc)]
"""A PostgreSQL `timestamp with time zone`; what was validated is in UTC."""
