"""The base types of every field: what they accept can be stored by PostgreSQL and given back as JSON."""

from app.core.types.email import EmailAddress
from app.core.types.numbers import Bool, Float, Int32, Int64
from app.core.types.schema import Schema
from app.core.types.text import Line, Text

__all__ = ["Bool", "EmailAddress", "Float", "Int32", "Int64", "Line", "Schema", "Text"]
