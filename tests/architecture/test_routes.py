"""What holds for every route of every module."""

import re
from collections.abc import Iterator
from inspect import isasyncgenfunction, iscoroutinefunction, isroutine
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

import pytest
from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel

from app.core.http.routing import ApiRouter
from app.core.security import Permission, require
from app.core.types import Line
from tests.conftest import settings_for
from tests.sample.application import create_app


class PlantedPermission(Permission):
    READ = "planted:read"


API = re.compile(r"/api/v\d+/[a-z-]+(/.*)?")
"""Where the routes of modules are."""


@pytest.fixture
def application() -> FastAPI:
    return create_app(settings_for(None))


def api_routes(application: FastAPI) -> Iterator[APIRoute]:
    for context in iter_route_contexts(application.routes):
        if isinstance(context.route, APIRoute) and context.route.path.startswith("/api/"):
            yield context.route


def unbounded(annotation: object, metadata: tuple[object, ...] = ()) -> bool:
    """Whether a value of this type can hold what PostgreSQL cannot: a bare str, int, float or bool says nothing of it."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return unbounded(inner, (*metadata, *more))
    if annotation in {str, int, float, bool}:
        return not metadata
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(unbounded(field.annotation, tuple(field.metadata)) for field in annotation.model_fields.values())
    # What is said of `str | None` is said of the str; what is said of a list is not said of its items.
    inherited = metadata if get_origin(annotation) in {Union, UnionType} else ()
    return any(unbounded(argument, inherited) for argument in get_args(annotation))


def unbounded_inputs(route: APIRoute) -> list[str]:
    return [
        field.name
        for dependant in with_dependencies(route.dependant)
        for field in (*dependant.path_params, *dependant.query_params, *dependant.header_params, *dependant.body_params)
        if unbounded(field.field_info.annotation, tuple(field.field_info.metadata))
    ]


def with_dependencies(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for dependency in dependant.dependencies:
        yield from with_dependencies(dependency)


def test_every_route_is_under_its_version_and_module(application: FastAPI) -> None:
    paths = [route.path for route in api_routes(application)]

    assert paths
    assert [path for path in paths if not API.fullmatch(path)] == []


def test_every_input_is_of_a_base_type(application: FastAPI) -> None:
    assert {route.name: unbounded_inputs(route) for route in api_routes(application) if unbounded_inputs(route)} == {}


def test_a_bare_type_is_found() -> None:
    class Bare(BaseModel):
        fine: Line
        wrong: list[str | None]

    class Fine(BaseModel):
        name: Line | None

    def asking(query: str | None = None) -> None: ...

    router = ApiRouter(prefix="/planted", tag="planted")

    @router.post("/{key}")
    async def planted(key: str, number: int, body: Bare, _: Annotated[None, Depends(asking)]) -> None: ...

    @router.put("")
    async def other(body: Fine) -> None: ...

    first, second = (route for route in router.routes if isinstance(route, APIRoute))
    assert unbounded_inputs(first) == ["key", "number", "body", "query"]
    assert unbounded_inputs(second) == []


def in_threads(route: APIRoute) -> list[str]:
    """What of a route FastAPI would send to a thread of its pool: every plain function."""
    calls = (dependant.call for dependant in with_dependencies(route.dependant))
    # Of an object that is called, what decides is its `__call__`.
    functions = [call if isroutine(call) else type(call).__call__ for call in calls if call is not None]
    return [
        function.__name__
        for function in functions
        if not (iscoroutinefunction(function) or isasyncgenfunction(function))
    ]


def test_nothing_of_a_route_runs_in_a_thread(application: FastAPI) -> None:
    assert {route.name: in_threads(route) for route in api_routes(application) if in_threads(route)} == {}


def test_what_runs_in_a_thread_is_found() -> None:
    def plain() -> None: ...

    async def quick() -> None: ...

    router = ApiRouter(prefix="/planted", tag="planted")

    @router.get("")
    def slow(_: Annotated[None, Depends(plain)]) -> None: ...

    @router.put("", dependencies=[require(PlantedPermission.READ)])
    async def fast(_: Annotated[None, Depends(quick)]) -> None: ...

    first, second = (route for route in router.routes if isinstance(route, APIRoute))
    assert in_threads(first) == ["slow", "plain"]
    assert in_threads(second) == []


def test_every_operation_names_the_problems_that_any_request_can_meet(application: FastAPI) -> None:
    for path, operations in application.openapi()["paths"].items():
        for method, operation in operations.items():
            statuses = set(operation["responses"])
            assert {"400", "413", "422", "500", "503"} <= statuses, (method, path)
            assert ("415" in statuses) == ("requestBody" in operation), (method, path)


def test_operation_ids_are_unique(application: FastAPI) -> None:
    ids = [operation["operationId"] for path in application.openapi()["paths"].values() for operation in path.values()]

    assert len(ids) == len(set(ids))
