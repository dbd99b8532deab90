"""The ids by which a request is found again in logs, traces and answers."""

import re
import secrets
from dataclasses import dataclass, replace

from starlette.types import Scope
from uuid_utils import uuid7

_KEY = "trellis.request"
_ERROR = "trellis.error"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
# W3C Trace Context level 1, section 3.2: version 00 is four fixed fields, an all-zero id is invalid.
_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """`request_id` is the caller's when well-formed, `trace_id` (32 hex digits) the one of `traceparent`.

    `span_id` (16 hex digits) is this request's own part of the trace, `parent_id` the caller's. `trace_url` is where the
    trace can be looked at, for those who may know.
    """

    request_id: str
    trace_id: str
    span_id: str
    parent_id: str | None
    is_sampled_by_caller: bool
    is_traced: bool = False
    trace_url: str | None = None

    @property
    def traceresponse(self) -> str:
        """What the answer says of the trace, in the form of `traceparent` (W3C Trace Context level 2, draft)."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.is_traced else '00'}"


def open_context(scope: Scope) -> RequestContext:
    """Reads the ids that came with the request, makes those that did not, and keeps them with the request."""
    if _KEY in scope:
        return context_of(scope)
    request_id = trace_id = parent_id = None
    is_sampled = False
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode("ascii")
        elif name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)):
            trace_id, parent_id = match[1].decode("ascii"), match[2].decode("ascii")
            is_sampled = int(match[3], 16) & 1 == 1
    context = RequestContext(
        request_id or str(uuid7()), trace_id or secrets.token_hex(16), secrets.token_hex(8), parent_id, is_sampled
    )
    scope[_KEY] = context
    return context


def context_of(scope: Scope) -> RequestContext:
    """The ids of the request that `scope` belongs to."""
    context = scope[_KEY]
    assert isinstance(context, RequestContext)  # noqa: S101  this module alone writes this key
    return context


def trace_request(scope: Scope, trace_url: str | None) -> RequestContext:
    """Notes that the request is traced, to be looked at under `trace_url`, in which {trace_id} stands for its id."""
    context = context_of(scope)
    url = trace_url.replace("{trace_id}", context.trace_id) if trace_url else None
    scope[_KEY] = context = replace(context, is_traced=True, trace_url=url)
    return context


def keep_error(scope: Scope, error: Exception) -> None:
    """Keeps what nobody handled, for the trace."""
    scope[_ERROR] = error


def error_of(scope: Scope) -> Exception | None:
    """What nobody handled, if so."""
    error = scope.get(_ERROR)
    assert error is None or isinstance(error, Exception)  # noqa: S101  this module alone writes this key
    return error
