"""The API's description: each operation with every status that it can answer."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from app import __version__
from app.core.errors import AppError
from app.core.http.problems import MEDIA_TYPE, Problem, status_of
from app.core.security import permissions_of

# OpenAPI is a document without a schema of its own in Python: FastAPI takes and gives it as plain mappings.
Responses = dict[int | str, dict[str, Any]]

_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ANY = {
    400: "The request cannot be read, or is meant for another host.",
    413: "The body is too large.",
    422: "A value is not accepted; `errors` names each.",
    500: AppError.title,
    503: "The service, or what it depends on, is overloaded or down. `Retry-After` says when to try again.",
}
_WITH_BODY = {415: "The body is not JSON."}


def problems(*errors: type[AppError]) -> Responses:
    """The `responses` of a route that can raise `errors`."""
    described: defaultdict[int | str, list[str]] = defaultdict(list)
    for error in errors:
        described[int(status_of(error))].append(f"`{error.code}`: {error.detail}")
    return {status: {"description": "\n\n".join(lines), "content": _CONTENT} for status, lines in described.items()}


def operation_id(route: APIRoute) -> str:
    """The name of the route's function, which clients that are built from the description call their own after."""
    return route.name


def contract(title: str, summary: str, routers: Iterable[APIRouter]) -> str:
    """An OpenAPI document of `routers` alone, so that no other router can change it."""
    application = DescribedApp(
        title=title, description=summary, version=__version__, generate_unique_id_function=operation_id
    )
    for router in routers:
        application.include_router(router)
    return json.dumps(application.openapi(), indent=2, ensure_ascii=False) + "\n"


class DescribedApp(FastAPI):
    """An application whose OpenAPI document tells of each operation what it needs and every problem it can answer with."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema:
            return self.openapi_schema
        document = super().openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs"), Problem=problem)
        # FastAPI's own shape of a 422, which no route of ours answers with.
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for operation in (operation for path in document["paths"].values() for operation in path.values()):
            responses = operation["responses"]
            responses.pop("422", None)
            for status, description in (_ANY | (_WITH_BODY if "requestBody" in operation else {})).items():
                responses.setdefault(str(status), {"description": description, "content": _CONTENT})
        for context in iter_route_contexts(self.routes):
            route = context.route
            if isinstance(route, APIRoute) and context.include_in_schema and (permissions := permissions_of(route)):
                needs = "Needs " + " and ".join(f"`{permission}`" for permission in permissions) + "."
                for method in route.methods or ():
                    operation = document["paths"][context.path_format][method.lower()]
                    operation["description"] = "\n\n".join(filter(None, (operation.get("description"), needs)))
        return document
