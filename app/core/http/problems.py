"""Every error as a problem document (RFC 9457), by one renderer."""

from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope
from structlog.typing import FilteringBoundLogger

from app.core.errors import (
    AppError,
    Conflict,
    FieldError,
    Forbidden,
    Interrupted,
    Invalid,
    Malformed,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from app.core.http.context import context_of, keep_error

_log: FilteringBoundLogger = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

_STATUS: dict[type[AppError], HTTPStatus] = {
    Malformed: HTTPStatus.BAD_REQUEST,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    AppError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

# What the framework refuses by itself; the names of the standard library differ between versions of Python.
_HTTP_ERRORS: dict[int, tuple[str, str, str | None]] = {
    404: (NotFound.code, NotFound.title, NotFound.detail),
    405: ("method_not_allowed", "Method not allowed", "This address does not accept the method. See `Allow`."),
    413: ("content_too_large", "Body too large", None),
    415: ("unsupported_media_type", "Unsupported media type", None),
}


class ProblemField(BaseModel):
    """One value that was refused: where it stood (`body.email`) and what is expected there."""

    field: str
    message: str
    type: str


class Problem(BaseModel):
    """An error, as RFC 9457 describes it, with the ids to quote when asking for help."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(examples=["tag:trellis,2026:not_found"])
    title: str
    status: int = Field(examples=[404])
    detail: str
    instance: str = Field(description="The path that was asked for.")
    error_code: str = Field(description="Stable, for programs.", examples=["not_found"])
    timestamp: datetime
    request_id: str
    trace_id: str
    trace_url: str | None = Field(default=None, description="Where the trace is shown, on a developer's machine.")
    errors: list[ProblemField] = Field(default=[], description="With status 422: each value that was refused.")


def status_of(error: type[AppError]) -> HTTPStatus:
    """The status of the nearest class in the hierarchy that has one."""
    return next(_STATUS[ancestor] for ancestor in error.__mro__ if ancestor in _STATUS)


def problem_response(scope: Scope, error: AppError) -> Response:
    """The answer for `error`; one that is our own fault is logged with its stack, and told without internals."""
    status = int(status_of(type(error)))
    headers = {}
    if isinstance(error, RateLimited | Unavailable):
        headers["retry-after"] = str(error.retry_after)
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("unhandled_error", exc_info=error)
        keep_error(scope, error)
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        _log.warning("unavailable", reason=error.detail)
    errors = error.errors if isinstance(error, Invalid) else ()
    return _render(scope, status, error.code, error.title, error.detail, errors, headers)


def unhandled_response(scope: Scope, error: Exception, *, debug: bool) -> Response:
    """The answer for an error that nobody foresaw; with `debug` it names the kind of error, for the developer at hand."""
    _log.error("unhandled_error", exc_info=error)
    keep_error(scope, error)
    detail = f"{type(error).__name__}; the log has its stack under the request id." if debug else AppError.detail
    return _render(scope, int(HTTPStatus.INTERNAL_SERVER_ERROR), AppError.code, AppError.title, detail)


def http_problem_response(scope: Scope, error: HTTPException) -> Response:
    """The answer for what the framework itself refuses: an unknown path, a method, a body that is too large."""
    status = error.status_code
    code, title, detail = _HTTP_ERRORS.get(status, (f"http_{status}", HTTPStatus(status).phrase, None))
    return _render(scope, status, code, title, detail or str(error.detail), headers=dict(error.headers or {}))


def install_error_handlers(app: FastAPI) -> None:
    async def app_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, AppError)  # noqa: S101  registered for this class alone
        if isinstance(error, Interrupted):
            raise error  # ReplayMiddleware runs the request again, or renders it
        return problem_response(request.scope, error)

    async def http_exception(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  registered for this class alone
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            error.headers = {"allow": ", ".join(sorted(_methods_at(app, request.scope["path"])))}
        return http_problem_response(request.scope, error)

    async def validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class alone
        errors = tuple(
            FieldError(_path(fault["loc"]), _message(str(fault["type"]), str(fault["msg"])), str(fault["type"]))
            for fault in error.errors()
        )
        return problem_response(request.scope, Invalid(errors=errors))

    app.add_exception_handler(AppError, app_error)
    app.add_exception_handler(HTTPException, http_exception)
    app.add_exception_handler(RequestValidationError, validation_error)


def _methods_at(app: FastAPI, path: str) -> set[str]:
    """All methods of the address (RFC 9110, section 10.2.1); the router knows those of the first match only."""
    contexts = (context for context in iter_route_contexts(app.routes) if isinstance(context.original_route, Route))
    return {method for context in contexts if context.path_regex.match(path) for method in context.methods or ()}


def _render(
    scope: Scope,
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: Iterable[FieldError] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    context = context_of(scope)
    problem = Problem(
        type=f"tag:trellis,2026:{code}",
        title=title,
        status=status,
        detail=detail,
        instance=quote(scope["path"], errors="replace"),
        error_code=code,
        timestamp=datetime.now(UTC),
        request_id=context.request_id,
        trace_id=context.trace_id,
        trace_url=context.trace_url,
        errors=[ProblemField(field=error.field, message=error.message, type=error.type) for error in errors],
    )
    unused = {name for name in ("errors", "trace_url") if not getattr(problem, name)}
    body = problem.model_dump_json(exclude=unused)
    return Response(body, status, {**(headers or {}), "cache-control": "no-store"}, MEDIA_TYPE)


def _path(location: Iterable[str | int]) -> str:
    """`body.items.3.name`: a key that came from the client is cut and made printable, for it can hold anything."""
    return ".".join(str(part)[:64].encode("utf-8", "replace").decode() for part in location)


def _message(kind: str, message: str) -> str:
    # These two quote the tag they were given; every other message of Pydantic speaks of the expectation only.
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        return "The kind is not one of those that are accepted."
    return message
