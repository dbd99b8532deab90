"""The description of the API, whole and by module."""

import json
from typing import Any

from fastapi import FastAPI

from app.core.errors import NotFound
from app.core.http.openapi import contract, problems
from app.core.http.routing import ApiRouter
from app.core.security import Permission, require
from app.core.types import Line, Schema


class PlantedPermission(Permission):
    READ = "planted:read"
    WRITE = "planted:write"


class Inner(Schema):
    name: Line


class Outer(Schema):
    inner: Inner


class PlantedNotFound(NotFound):
    code = "planted.not_found"


router = ApiRouter(prefix="/planted", tag="planted")


@router.get("", dependencies=[require(PlantedPermission.READ)], responses=problems(PlantedNotFound))
async def read_planted() -> Outer:
    """Read it."""
    return Outer(inner=Inner(name="planted"))


@router.put("", dependencies=[require(PlantedPermission.READ), require(PlantedPermission.WRITE)])
async def write_planted(new: Inner) -> None: ...


def described() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(contract("Trellis: planted", "What was planted.", [router]))
    return document


def references(value: object) -> set[str]:
    """The components that a part of the document refers to."""
    if isinstance(value, dict):
        own = {value["$ref"].rpartition("/")[2]} if isinstance(value.get("$ref"), str) else set[str]()
        return own.union(*map(references, value.values()))
    return set[str]().union(*map(references, value)) if isinstance(value, list) else set()


def test_a_module_s_contract_holds_its_routes_and_what_they_reach() -> None:
    document = described()

    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Trellis: planted"
    assert document["info"]["description"] == "What was planted."
    assert list(document["paths"]) == ["/api/v1/planted"]
    components = set(document["components"]["schemas"])
    assert components == {"Inner", "Outer", "Problem", "ProblemField"}
    assert references(document) == components


def test_its_operations_are_those_of_the_whole(application: FastAPI) -> None:
    application.include_router(router)

    assert application.openapi()["paths"]["/api/v1/planted"] == described()["paths"]["/api/v1/planted"]


def test_an_operation_says_which_permission_it_needs() -> None:
    operations = described()["paths"]["/api/v1/planted"]

    assert operations["get"]["description"] == "Read it.\n\nNeeds `planted:read`."
    assert operations["put"]["description"] == "Needs `planted:read` and `planted:write`."
