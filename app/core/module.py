"""The manifest by which a feature declares itself, and how manifests are found.

Adding a folder under `app/modules` with a `module` in its `__init__.py` is all that it takes; deleting the folder is
all that it takes to remove the feature.
"""

import importlib
import pkgutil
from collections import Counter
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from app.core.errors import AppError
from app.core.health import HealthCheck
from app.core.http.routing import ApiRouter
from app.core.settings import Area
from app.core.startup import StartupRefused

if TYPE_CHECKING:  # only a command line needs Typer, and servers start without it
    from typer import Typer


@dataclass(frozen=True, slots=True)
class Module:
    """Everything that the platform needs to know of a feature.

    `routers` are mounted under `/api/<version>`, each router naming its version. `errors` lists the errors that stand
    for a database constraint. `settings` is filled from the environment like the platform's own. `health_checks` join
    `/health/ready`. `commands` appear under `python -m app <name>`.
    """

    name: str
    summary: str
    routers: tuple[ApiRouter, ...] = ()
    errors: tuple[type[AppError], ...] = ()
    settings: type[Area] | None = None
    health_checks: tuple[HealthCheck, ...] = ()
    commands: "Typer | None" = None


class BrokenModule(StartupRefused):
    """A folder under `app/modules` that cannot be used; the message names it and the fault."""


def discover(package: ModuleType) -> tuple[Module, ...]:
    """The manifests of every package below `package`, by name.

    Raises:
        BrokenModule: a package fails to import, exports no manifest, or claims what another has.
    """
    modules = sorted(
        (_load(f"{package.__name__}.{entry.name}") for entry in pkgutil.iter_modules(package.__path__)),
        key=lambda module: module.name,
    )
    claims = (
        ("name", [module.name for module in modules]),
        ("route prefix", [router.path for module in modules for router in module.routers]),
        ("constraint", [error.constraint for module in modules for error in module.errors]),
    )
    for what, claimed in claims:
        for value, count in Counter(claimed).items():
            if count > 1:
                raise BrokenModule(f"The {what} {value!r} is declared {count} times. Rename all but one.")
    return tuple(modules)


def _load(path: str) -> Module:
    folder = path.replace(".", "/")
    try:
        package = importlib.import_module(path)
    except Exception as fault:
        raise BrokenModule(
            f"The module {folder} cannot be imported: {type(fault).__name__}: {fault}. Mend it or delete the folder."
        ) from fault
    manifest = getattr(package, "module", None)
    # The submodule `module.py` shows up under the same name when the package forgets to export its manifest.
    if not isinstance(manifest, Module):
        raise BrokenModule(
            f"{folder}/__init__.py exports no `module`. Declare `module = Module(name=…, …)` in {folder}/module.py and "
            f"export it, or delete the folder."
        )
    return manifest
