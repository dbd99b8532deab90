"""The manifest by which a feature declares itself, and how manifests are found.

Adding a folder under `app/modules` with a `module` in its `__init__.py` is all that it takes; deleting the folder is
all that it takes to remove the feature.
"""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Final

from app.core.errors import AppError
from app.core.health import HealthCheck
from app.core.http.routing import ApiRouter
from app.core.messages import AnyHandler, Event
from app.core.security import Permission
from app.core.settings import Area
from app.core.startup import StartupRefused

if TYPE_CHECKING:  # only a command line needs Typer, and servers start without it
    from typer import Typer

PLATFORM: Final = "platform"
"""What belongs to no module goes by this name, so that none can have it."""


@dataclass(frozen=True, slots=True)
class Module:
    """Everything that the platform needs to know of a feature.

    `name` is that of its folder. `routers` are mounted under `/api/<version>`, each router naming its version.
    `permissions` are what its routes can require, `events` what it announces, `handlers` its reactions to the events of
    others. `errors` lists the errors that stand for a database constraint. `settings` is filled from the environment
    like the platform's own. `health_checks` join `/health/ready`. `commands` appear under `python -m app <name>`.
    """

    name: str
    summary: str
    routers: tuple[ApiRouter, ...] = ()
    permissions: type[Permission] | None = None
    events: tuple[type[Event], ...] = ()
    handlers: tuple[AnyHandler, ...] = ()
    errors: tuple[type[AppError], ...] = ()
    settings: type[Area] | None = None
    health_checks: tuple[HealthCheck, ...] = ()
    commands: "Typer | None" = None


class BrokenModule(StartupRefused):
    """A folder under `app/modules` that cannot be used; the message names it and the fault."""


def discover(package: ModuleType) -> tuple[Module, ...]:
    """The manifests of every package below `package`, by name.

    Raises:
        BrokenModule: a package fails to import, exports no manifest, calls itself otherwise than its folder or like
            the platform, or claims what another has.
    """
    folders = sorted(entry.name for entry in pkgutil.iter_modules(package.__path__))
    modules = tuple(_load(package, folder) for folder in folders)
    _refuse_shared("route prefix", ((module, router.path) for module in modules for router in module.routers))
    _refuse_shared("constraint", ((module, error.constraint) for module in modules for error in module.errors))
    _refuse_shared("permission", ((module, name) for module in modules for name in module.permissions or ()))
    return modules


def settings_areas(modules: Iterable[Module]) -> Mapping[str, type[Area] | None]:
    """What `load_settings` reads for `modules`, by their names."""
    return {module.name: module.settings for module in modules}


def _refuse_shared(what: str, claims: Iterable[tuple[Module, str | None]]) -> None:
    claimed = [(module.name, value) for module, value in claims if value is not None]
    for value, count in Counter(value for _, value in claimed).items():
        if count > 1:
            names = " and ".join(sorted({name for name, other in claimed if other == value}))
            raise BrokenModule(f"The {what} {value!r} is declared {count} times, by {names}. Rename all but one.")


def _load(package: ModuleType, name: str) -> Module:
    path = f"{package.__name__}.{name}"
    folder = path.replace(".", "/")
    try:
        package = importlib.import_module(path)
    except Exception as fault:
        raise BrokenModule(
            f"The module {folder} cannot be imported: {type(fault).__name__}: {str(fault).rstrip('.')}. Mend it or delete "
            f"the folder."
        ) from fault
    manifest = getattr(package, "module", None)
    # The submodule `module.py` shows up under the same name when the package forgets to export its manifest.
    if not isinstance(manifest, Module):
        raise BrokenModule(
            f"{folder}/__init__.py exports no `module`. Declare `module = Module(name=…, …)` in {folder}/module.py and "
            f"export it, or delete the folder."
        )
    if manifest.name != name:
        raise BrokenModule(
            f"The module {folder} calls itself {manifest.name!r}. Name it {name!r} in {folder}/module.py, or rename the "
            f"folder."
        )
    if name == PLATFORM:
        raise BrokenModule(f"The module {folder} has the name of what belongs to no module. Rename the folder.")
    for permission in manifest.permissions or ():
        if not permission.startswith(f"{name}:"):
            raise BrokenModule(
                f"The permission {permission.value!r} of {folder} does not begin with its module. Name it "
                f"'{name}:<verb>'."
            )
    return manifest
