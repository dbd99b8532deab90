"""The router that every module uses: versioned, strict about bodies, its routes documented with their errors."""

from collections.abc import Callable, Coroutine
from enum import StrEnum

from fastapi import APIRouter, Request, Response
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from app.core.http.json_body import parse_json


class ApiVersion(StrEnum):
    """A generation of the API, mounted at `/api/<version>`.

    A breaking change goes into a new member: the module adds a second router with that version beside its first, and
    both serve until the first is removed.
    """

    V1 = "v1"


class _JsonRequest(Request):
    """A request whose body was read by `parse_json`; FastAPI would read it with the standard library's defaults."""

    _value: object = None

    async def read(self) -> None:
        if body := await self.body():
            if not _is_json(self.headers.get("content-type", "")):
                raise HTTPException(415, "Send the body as JSON, with `Content-Type: application/json`.")
            self._value = parse_json(body)

    async def json(self) -> object:
        return self._value


class _StrictRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[None, None, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None or isinstance(self.body_field.field_info, Form):
            return handle

        async def handle_json(request: Request) -> Response:
            strict = _JsonRequest(request.scope, request.receive)
            await strict.read()
            return await handle(strict)

        return handle_json


class ApiRouter(APIRouter):
    """Routes of one module in one version of the API, under `/api/<version><prefix>`."""

    def __init__(self, *, prefix: str, tag: str, version: ApiVersion = ApiVersion.V1) -> None:
        self.version = version
        self.path = f"/api/{version}{prefix}"
        super().__init__(prefix=self.path, tags=[tag], route_class=_StrictRoute)


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))
