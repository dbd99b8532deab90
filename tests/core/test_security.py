"""Permissions are stated where they are needed."""

from fastapi.routing import APIRoute

from app.core.http.routing import ApiRouter
from app.core.security import Permission, permissions_of, require


class PlantedPermission(Permission):
    READ = "planted:read"


def test_a_route_tells_what_it_needs() -> None:
    router = ApiRouter(prefix="/planted", tag="planted")

    @router.get("", dependencies=[require(PlantedPermission.READ)])
    async def closed() -> None: ...

    @router.get("/open")
    async def opened() -> None: ...

    first, second = (route for route in router.routes if isinstance(route, APIRoute))
    assert permissions_of(first) == (PlantedPermission.READ,)
    assert permissions_of(second) == ()
