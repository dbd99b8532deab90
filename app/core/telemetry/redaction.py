"""What a span may tell: which statement ran, what kind of error it was, and never a value."""

import re
import traceback
from functools import lru_cache
from typing import Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.semconv.attributes.db_attributes import DB_QUERY_TEXT
from opentelemetry.semconv.attributes.exception_attributes import (
    EXCEPTION_MESSAGE,
    EXCEPTION_STACKTRACE,
    EXCEPTION_TYPE,
)
from opentelemetry.trace import Span
from opentelemetry.trace.status import Status, StatusCode

# Quoted names and numbered parameters come first and stay. The end of a string may have been cut off.
_LITERAL: Final = re.compile(
    r"""
    (?P<kept> "(?:[^"]|"")*(?:"|$) | \$\d+ )
    | \b[eE]'(?:[^'\\]|''|\\.)*(?:'|$)
    | '(?:[^']|'')*(?:'|$)
    | \$(?P<tag>[A-Za-z_]*)\$.*?(?:\$(?P=tag)\$|$)
    | --[^\n]*
    | /\*.*?(?:\*/|$)
    | (?<![\w$.])\d+(?:\.\d*)?(?:[eE][+-]?\d+)?
    """,
    re.DOTALL | re.VERBOSE,
)


@lru_cache(maxsize=1024)
def without_literals(statement: str) -> str:
    """`statement` with `?` for each value that was written into it, comments included."""
    return _LITERAL.sub(lambda match: match["kept"] or "?", statement)


def record_error(span: Span, error: BaseException) -> None:
    """Notes `error` and what led to it by type and place; messages quote what the client sent or a row holds."""
    span.add_event("exception", {EXCEPTION_TYPE: _type_of(error), EXCEPTION_STACKTRACE: _stack(error)})
    span.set_status(StatusCode.ERROR)


def redacted(span: ReadableSpan) -> ReadableSpan:
    """`span` as it may leave the process, whoever made it."""
    statement = (span.attributes or {}).get(DB_QUERY_TEXT)
    messages = any(EXCEPTION_MESSAGE in (event.attributes or {}) for event in span.events)
    if statement is None and span.status.description is None and not messages:
        return span
    attributes = dict(span.attributes or {})
    if isinstance(statement, str):
        attributes[DB_QUERY_TEXT] = without_literals(statement)
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=[_without_message(event) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _without_message(event: Event) -> Event:
    """`event` as it is, or without its message, and then without the stack trace as well, which ends with it."""
    attributes = event.attributes or {}
    if EXCEPTION_MESSAGE not in attributes:
        return event
    kept = {name: value for name, value in attributes.items() if name not in {EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE}}
    return Event(event.name, kept, event.timestamp)


def _stack(error: BaseException) -> str:
    """The frames of `error` and of what led to it, first cause first, as Python prints them."""
    links: list[str] = []
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        frames = "".join(traceback.format_tb(link.__traceback__))
        links.append(f"Traceback (most recent call last):\n{frames}{_type_of(link)}")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n\n".join(reversed(links))


def _type_of(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
