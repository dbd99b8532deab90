"""The two middlewares around the instrumentation of FastAPI: one in front of it, one behind.

Between them the instrumentation sees a scope of its own: the path and the caller's trace, and nothing else that came
with the request. So no query, header or address can get into a span, and none that is malformed can break it; and no
route is looked for twice, because the router's finding is added behind.
"""

from contextvars import ContextVar
from typing import Final

from fastapi.routing import APIRoute
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.semconv.attributes.http_attributes import HTTP_REQUEST_HEADER_TEMPLATE, HTTP_ROUTE
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.http.context import RequestContext, context_of, error_of, open_context, trace_request
from app.core.telemetry.redaction import record_error

_REQUEST: Final = "trellis.traced_scope"
_REQUEST_ID: Final = f"{HTTP_REQUEST_HEADER_TEMPLATE}.x-request-id"

_current: ContextVar[RequestContext | None] = ContextVar("traced_request", default=None)


class _NoRoutes:
    """In place of the application, whose routes the instrumentation would match one by one."""

    routes = ()


class RequestIds(RandomIdGenerator):
    """Gives the span of a request the ids that its answer and its log lines have, and random ones to every other."""

    def generate_trace_id(self) -> int:
        request = _current.get()
        return int(request.trace_id, 16) if request else super().generate_trace_id()

    def generate_span_id(self) -> int:
        request = _current.get()
        if request is None or trace.get_current_span() is not trace.INVALID_SPAN:
            return super().generate_span_id()
        return int(request.span_id, 16)


class HeadSampler:
    """In front: decides whether a request is traced, before anything is spent on it.

    One that is not passes with all instrumentation switched off, that of its statements included.
    """

    def __init__(self, app: ASGIApp, *, sampler: Sampler, trace_url: str | None) -> None:
        self._app = app
        self._sampler = sampler
        self._trace_url = trace_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            # A task that start-up begins inherits its context, and may be traced.
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http" or _is_untold(scope["path"]) or not self._samples(open_context(scope)):
            with suppress_instrumentation():
                await self._app(scope, receive, send)
            return
        request = trace_request(scope, self._trace_url)
        token = _current.set(request)
        try:
            await self._app(_recorded(scope, request), receive, send)
        finally:
            _current.reset(token)

    def _samples(self, request: RequestContext) -> bool:
        trace_id = int(request.trace_id, 16)
        parent: Context | None = None
        if request.parent_id is not None:
            flags = TraceFlags(TraceFlags.SAMPLED if request.is_sampled_by_caller else TraceFlags.DEFAULT)
            caller = SpanContext(trace_id, int(request.parent_id, 16), is_remote=True, trace_flags=flags)
            parent = trace.set_span_in_context(NonRecordingSpan(caller), Context())
        return self._sampler.should_sample(parent, trace_id, "", SpanKind.SERVER).decision is Decision.RECORD_AND_SAMPLE


class RequestSpan:
    """Behind: gives the application the request itself again, and the span what the application finds out about it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request: Scope | None = scope.get(_REQUEST)
        if request is None:
            await self._app(scope, receive, send)
            return
        span = trace.get_current_span()

        async def send_described(message: Message) -> None:
            # Before it is sent: with the last byte of the answer the span ends.
            if message["type"] == "http.response.start":
                _describe(span, request)
            await send(message)

        try:
            await self._app(request, receive, send_described)
        except Exception as error:
            record_error(span, error)
            # The instrumentation would record it once more, with its message.
            span.end()
            raise
        finally:
            if span.is_recording():  # the client left before its answer
                _describe(span, request)


def _describe(span: Span, scope: Scope) -> None:
    span.set_attribute(_REQUEST_ID, [context_of(scope).request_id])
    route = scope.get("route")
    if isinstance(route, APIRoute):
        span.update_name(f"{scope['method']} {route.path_format}")
        span.set_attribute(HTTP_ROUTE, route.path_format)
    if (error := error_of(scope)) is not None:
        record_error(span, error)


def _recorded(scope: Scope, request: RequestContext) -> Scope:
    """What the instrumentation sees of a request."""
    headers: list[tuple[bytes, bytes]] = []
    if request.parent_id is not None:
        flags = "01" if request.is_sampled_by_caller else "00"
        headers = [(b"traceparent", f"00-{request.trace_id}-{request.parent_id}-{flags}".encode("ascii"))]
        headers += [header for header in scope["headers"] if header[0] == b"tracestate" and header[1].isascii()]
    return {**scope, "app": _NoRoutes, "headers": headers, "query_string": b"", "client": None, _REQUEST: scope}


def _is_untold(path: str) -> bool:
    """Probes and files: they come by the thousand and tell nothing."""
    return path == "/health" or path.startswith(("/health/", "/static/"))
