"""Who may do what: the permissions that modules declare, and the routes that need them."""

from enum import StrEnum

from fastapi import Depends
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute


class Permission(StrEnum):
    """Base of a module's permissions, each named `<module>:<verb>`."""


class Requirement:
    """States on a route which permission it needs; the API's description and the module's page tell it.

    Callers have no identity as long as no module supplies one, so that nobody is turned away yet.
    """

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self) -> None:
        """What FastAPI calls before the route."""


def require(permission: Permission) -> Dependency:
    """For a route's `dependencies`: it needs `permission`."""
    dependency = Depends(Requirement(permission))
    assert isinstance(dependency, Dependency)  # noqa: S101  FastAPI declares less than it returns
    return dependency


def permissions_of(route: APIRoute) -> tuple[Permission, ...]:
    """What `route` states that it needs."""
    stated = (dependency.dependency for dependency in route.dependencies)
    return tuple(requirement.permission for requirement in stated if isinstance(requirement, Requirement))
