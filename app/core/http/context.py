"""The ids by which a request is found again in logs, traces and answers."""

import re
import secrets
from dataclasses import dataclass

from starlette.types import Scope
from uuid_utils import uuid7

_KEY = "trellis.request"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
# W3C Trace Context level 1, section 3.2: version 00 is four fixed fields, an all-zero id is invalid.
_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """`request_id` is the caller's when well-formed, `trace_id` the one of `traceparent` (32 hex digits)."""

    request_id: str
    trace_id: str


def open_context(scope: Scope) -> RequestContext:
    """Reads the ids that came with the request, makes those that did not, and keeps them with the request."""
    request_id = trace_id = None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode("ascii")
        elif name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)):
            trace_id = match[1].decode("ascii")
    context = RequestContext(request_id or str(uuid7()), trace_id or secrets.token_hex(16))
    scope[_KEY] = context
    return context


def context_of(scope: Scope) -> RequestContext:
    """The ids of the request that `scope` belongs to."""
    context = scope[_KEY]
    assert isinstance(context, RequestContext)  # noqa: S101  open_context alone writes this key
    return context
