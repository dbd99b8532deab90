"""The base types of every field: what they accept can be stored by PostgreSQL and given back as JSON."""

from app.core.types.email import EmailAddress
from app.core.types.numbers import Bool, Digits, Float, Int32, Int64
from app.core.types.schema import Schema
from app.core.types.text import Line, Text
from app.core.types.time import Date, DateTime
from app.core.types.web import Currency, JsonObject, Url

__all__ = [
    "Bool",
    "Currency",
    "Date",
    "DateTime",
    "Digits",
    "EmailAddress",
    "Float",
    "Int32",
    "Int64",
    "JsonObject",
    "Line",
    "Schema",
    "Text",
    "Url",
]
