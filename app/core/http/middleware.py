"""Pure ASGI middleware: what happens to every request before and after its route."""

import asyncio
import logging
import random
import time
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

import structlog
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from app.core.errors import FieldError, Interrupted, Invalid, Malformed
from app.core.http.context import open_context
from app.core.http.problems import http_problem_response, problem_response, unhandled_response
from app.core.query_time import count_queries

_log: FilteringBoundLogger = structlog.get_logger(__name__)

# nginx's number for a client that left before its answer; it appears in the log only.
_CLIENT_LEFT: Final = 499

# An answer of the API is never a page, so a browser may do nothing with it (OWASP REST Security Cheat Sheet).
# Pages bring their own policy.
_CONTENT_SECURITY_POLICY: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)


class RequestMiddleware:
    """Gives the request its ids and its answer the security headers, writes the access line, renders what nobody did.

    Outermost, so that a 500 too carries the request id. An unhandled error ends here: the server below would only log
    it a second time.
    """

    def __init__(self, app: ASGIApp, *, debug: bool, timed: bool) -> None:
        """`timed` answers say in `Server-Timing` how long they took, which an attacker need not know."""
        self._app = app
        self._debug = debug
        self._timed = timed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        context = open_context(scope)
        ids = (
            (b"x-request-id", context.request_id.encode("ascii")),
            (b"traceresponse", context.traceresponse.encode("ascii")),
        )
        status = _CLIENT_LEFT
        sent = 0
        queries = count_queries()

        async def send_with_headers(message: Message) -> None:
            nonlocal status, sent
            sent += len(message.get("body", b""))
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), *ids, *_SECURITY_HEADERS]
                if not any(name == _CONTENT_SECURITY_POLICY[0] for name, _ in headers):
                    headers.append(_CONTENT_SECURITY_POLICY)
                if self._timed:
                    times = f"app;dur={_milliseconds(time.perf_counter() - started)}, db;dur={_milliseconds(queries.seconds)}"
                    headers.append((b"server-timing", times.encode("ascii")))
                message["headers"] = headers
            await send(message)

        with structlog.contextvars.bound_contextvars(
            request_id=context.request_id, trace_id=context.trace_id, span_id=context.span_id
        ):
            try:
                await self._app(scope, receive, send_with_headers)
            except ClientDisconnect:
                pass
            except Exception as error:  # whatever it is, the client gets an answer without internals
                response = unhandled_response(scope, error, debug=self._debug)
                if status != _CLIENT_LEFT:
                    raise  # the answer is under way: a cut connection tells the client that it is not whole
                await response(scope, receive, send_with_headers)
            finally:
                route = scope.get("route")
                _log.log(
                    logging.DEBUG if _is_probe(scope) else logging.INFO,
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    route=route.path_format if isinstance(route, APIRoute) else None,
                    status=status,
                    duration_ms=_milliseconds(time.perf_counter() - started),
                    db_ms=_milliseconds(queries.seconds),
                    db_queries=queries.count,
                    bytes=sent,
                )


class GuardMiddleware:
    """Turns away what no route could serve: a foreign Host, NUL in the address or a header, a body over the limit.

    The limit counts what arrives, so that a chunked body is cut off too. (FastAPI's own limiter answers a declared
    length in plain text, where every error of ours is a problem document.)
    """

    def __init__(self, app: ASGIApp, *, allowed_hosts: Sequence[str], max_body_bytes: int) -> None:
        self._app = app
        self._any_host = "*" in allowed_hosts
        self._hosts = frozenset(host.lower() for host in allowed_hosts if not host.startswith("*"))
        self._domains = tuple(host[1:].lower() for host in allowed_hosts if host.startswith("*."))
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        # Probes ask by the address of the instance, which no list can name.
        if not (_is_probe(scope) or self._is_for_us(headers.get(b"host", b""))):
            answer = problem_response(scope, Malformed("This service does not answer for the host that was asked for."))
        elif errors := tuple(_nul_outside_body(scope)):
            answer = problem_response(scope, Invalid(errors=errors))
        elif self._is_too_large(headers.get(b"content-length", b"")):
            answer = http_problem_response(scope, self._too_large())
        else:
            await self._app(scope, self._bounded(receive), send)
            return
        await answer(scope, receive, send)

    def _is_for_us(self, host: bytes) -> bool:
        if self._any_host:
            return True
        name = _host_name(host)
        return name in self._hosts or name.endswith(self._domains)

    def _bounded(self, receive: Receive) -> Receive:
        received = 0

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise self._too_large()
            return message

        return receive_bounded

    def _is_too_large(self, content_length: bytes) -> bool:
        # Twenty digits are past any limit, and int() would refuse thousands of them.
        return content_length.isdigit() and (len(content_length) > 20 or int(content_length) > self._max_body_bytes)  # noqa: PLR2004

    def _too_large(self) -> HTTPException:
        # The rest of the body stays unread, so the connection cannot carry another request.
        detail = f"The body is larger than {self._max_body_bytes} bytes. Send less at once."
        return HTTPException(413, detail, {"connection": "close"})


class ReplayMiddleware:
    """Runs a request again whose transaction the database undid: a deadlock, a serialisation failure, a lost connection.

    Safe, because nothing of it was committed and work leaves through the transaction only (see `Interrupted`). At most
    `attempts` in all, a little apart at random, so that two that collided do not collide again.
    """

    def __init__(self, app: ASGIApp, attempts: int = 3) -> None:
        self._app = app
        self._attempts = attempts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen: list[Message] = []
        started = False

        async def receive_and_keep() -> Message:
            message = await receive()
            seen.append(message)
            return message

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        for attempt in range(1, self._attempts + 1):
            try:
                await self._app(scope, _replaying(tuple(seen), receive_and_keep), send_and_note)
            except Interrupted as error:
                if started:
                    raise
                if attempt == self._attempts:
                    await problem_response(scope, error)(scope, receive, send)
                    return
                _log.info("request_replayed", attempt=attempt, reason=error.detail)
                await asyncio.sleep(random.uniform(0, 0.02 * attempt))  # noqa: S311  spreads load, hides nothing
            else:
                return


def _replaying(seen: tuple[Message, ...], receive: Receive) -> Receive:
    if not seen:
        return receive
    kept = iter(seen)

    async def receive_again() -> Message:
        return next(kept, None) or await receive()

    return receive_again


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)


def _is_probe(scope: Scope) -> bool:
    path: str = scope["path"]
    return path == "/health" or path.startswith("/health/")


def _host_name(host: bytes) -> str:
    """The Host header without its port; an IPv6 address keeps its brackets (RFC 9110, section 7.2)."""
    text = host.decode("latin-1").lower()
    return text[: text.find("]") + 1] if text.startswith("[") else text.partition(":")[0]


def _nul_outside_body(scope: Scope) -> Iterator[FieldError]:
    places = [f"header.{name.decode('latin-1')}" for name, value in scope["headers"] if b"\0" in value]
    if "\0" in scope["path"]:
        places.append("path")
    if b"\0" in unquote_to_bytes(scope["query_string"]):
        places.append("query")
    for place in places:
        yield FieldError(place, "NUL characters are not accepted.", "string_not_storable")
