"""The page at `/`: what runs here, for someone who opens it in a browser."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import jinja2
import psutil
from fastapi import APIRouter, Depends, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute

from app import __version__
from app.core.health import Health, PartHealth
from app.core.http.docs import OPENAPI_URL
from app.core.http.state import from_state
from app.core.module import Module
from app.core.settings import Settings

# Our pages need nothing but their own style sheet and icon.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class RouteView:
    """`docs_url` is where the documentation shows the route; None while it is hidden."""

    method: str
    path: str
    summary: str
    docs_url: str | None


@dataclass(frozen=True, slots=True)
class ModuleView:
    name: str
    summary: str
    routes: tuple[RouteView, ...]


@dataclass(frozen=True, slots=True)
class LinkView:
    label: str
    url: str
    description: str


@dataclass(frozen=True, slots=True)
class RootPage:
    name: str
    version: str
    environment: str
    python: str
    started_at: datetime
    healthy: bool
    parts: tuple[PartHealth, ...]
    modules: tuple[ModuleView, ...]
    links: tuple[LinkView, ...]


def page_templates(directory: Path) -> jinja2.Environment:
    """The templates of all pages: every value is escaped, and a name that is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(directory), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.globals["static_url"] = _static_url
    return environment


_Health = Annotated[Health, Depends(from_state("health", Health))]
_Modules = Annotated[tuple[Module, ...], Depends(from_state("modules", tuple))]
_Settings = Annotated[Settings, Depends(from_state("settings", Settings))]
_Templates = Annotated[jinja2.Environment, Depends(from_state("templates", jinja2.Environment))]

router = APIRouter(include_in_schema=False)


@router.get("/")
async def read_root_page(settings: _Settings, modules: _Modules, health: _Health, templates: _Templates) -> Response:
    report = await health.examine()
    page = RootPage(
        name=settings.app.name,
        version=__version__,
        environment=settings.app.env,
        python=platform.python_version(),
        started_at=datetime.fromtimestamp(psutil.Process().create_time(), UTC),
        healthy=report.ready,
        parts=report.parts,
        modules=tuple(
            ModuleView(module.name, module.summary, tuple(_routes(module, docs=settings.app.docs)))
            for module in modules
        ),
        links=tuple(_links(docs=settings.app.docs)),
    )
    html = templates.get_template("root.html").render(page=page)
    return HTMLResponse(html, headers={"content-security-policy": _POLICY, "cache-control": "no-store"})


def _static_url(file: str) -> str:
    """The version lets browsers keep a file until the next release."""
    return f"/static/{file}?v={__version__}"


def _routes(module: Module, *, docs: bool) -> Iterator[RouteView]:
    for router_ in module.routers:
        for route in router_.routes:
            if isinstance(route, APIRoute):
                for method in sorted(route.methods or ()):
                    docs_url = f"/docs#/{route.tags[0]}/{route.name}" if docs else None
                    yield RouteView(method, route.path, route.summary or _first_line(route), docs_url)


def _first_line(route: APIRoute) -> str:
    return route.description.partition("\n")[0]


def _links(*, docs: bool) -> Iterator[LinkView]:
    if docs:
        yield LinkView("API documentation", "/docs", "try each route")
        yield LinkView("API reference", "/redoc", "read it as one page")
        yield LinkView("OpenAPI", OPENAPI_URL, "for programs")
    yield LinkView("Readiness", "/health/ready", "each part with its latency")
    yield LinkView("Liveness", "/health/live", "whether the process answers")
