"""What can go wrong, in the domain's words.

Services raise these; `app.core.http.problems` renders them. Nothing here knows of HTTP, so that a job or a command can
raise and handle them too. A module derives its own errors and gives each a `code`:

    class EmailTaken(Conflict):
        code = "user.email_taken"
        detail = "Another user has this e-mail address."
        constraint = "uq_users_email"
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of one value: where it stood and what is expected there, never the value itself."""

    field: str
    message: str
    type: str


class AppError(Exception):
    """Base of every error that a caller may be told about.

    `code` is stable and meant for programs, `title` says the kind, `detail` what happened and what to do next.
    `constraint` names the database constraint whose violation means this error.
    """

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    detail: str = "The request could not be completed. Report the request id to whoever runs this service."
    constraint: ClassVar[str | None] = None

    def __init__(self, detail: str | None = None) -> None:
        if detail is not None:
            self.detail = detail
        super().__init__(self.detail)


class Malformed(AppError):
    """The message itself cannot be read, whatever it was meant to say."""

    code = "malformed"
    title = "Malformed request"
    detail = "The request could not be read."


class Unauthenticated(AppError):
    code = "unauthenticated"
    title = "Not signed in"
    detail = "Sign in and send the request again."


class Forbidden(AppError):
    code = "forbidden"
    title = "Not allowed"
    detail = "Your account may not do this. Ask an administrator for the permission."


class NotFound(AppError):
    code = "not_found"
    title = "Not found"
    detail = "There is nothing at this address."


class Conflict(AppError):
    code = "conflict"
    title = "Conflict"
    detail = "The change conflicts with what is stored."


class Stale(Conflict):
    """Somebody else changed the row between this request's read and its write."""

    code = "conflict.stale"
    detail = "Somebody else changed this in the meantime. Read it again and repeat the change."


class InUse(Conflict):
    code = "conflict.in_use"
    detail = "Something else refers to this, so it cannot be removed. Remove what refers to it first."


class Invalid(AppError):
    """The request was understood, but a value in it is refused."""

    code = "invalid"
    title = "Invalid value"
    detail = "The request holds values that are not accepted. See `errors`."

    def __init__(self, detail: str | None = None, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors


class RateLimited(AppError):
    """Too many requests; `retry_after` is in seconds."""

    code = "rate_limited"
    title = "Too many requests"
    detail = "Too many requests. Wait and try again."

    def __init__(self, detail: str | None = None, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(AppError):
    """Something this service depends on does not answer; `retry_after` is in seconds."""

    code = "unavailable"
    title = "Temporarily unavailable"
    detail = "The service cannot answer right now. Try again shortly."

    def __init__(self, detail: str | None = None, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Interrupted(Unavailable):
    """The transaction was undone by no fault of the request: running it again from the start is safe."""
