"""How many queries a request has run and how long they took, for its access line."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(slots=True)
class QueryTime:
    """What has been run so far; `seconds` is what the requests waited for the database."""

    count: int = 0
    seconds: float = 0.0


# A value of the context, not of the process: tasks and threads that a request starts add to the same one.
_current: Final[ContextVar[QueryTime | None]] = ContextVar("query_time", default=None)


def count_queries() -> QueryTime:
    """From here on, the queries of this context add up in what is returned."""
    counted = QueryTime()
    _current.set(counted)
    return counted


def note_query(seconds: float) -> None:
    """Adds a query that took `seconds`; outside a request it is nobody's."""
    if (counted := _current.get()) is not None:
        counted.count += 1
        counted.seconds += seconds
