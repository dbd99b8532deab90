"""The page at `/`: what runs here, for someone who opens it in a browser."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import jinja2
import psutil
from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse

from app import __version__
from app.core.canvas import Canvas, Canvases, sections
from app.core.diagram import Diagram, lay_out
from app.core.health import Health, PartHealth
from app.core.http.context import context_of
from app.core.http.docs import OPENAPI_URL
from app.core.http.state import from_state
from app.core.module import Module
from app.core.settings import Settings

# Our pages need nothing but their own style sheet and icon.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class LinkView:
    label: str
    url: str
    description: str


@dataclass(frozen=True, slots=True)
class RootPage:
    """`inside` is whether it tells what the modules hold beside their routes; `diagram` is None where it would not help."""

    name: str
    version: str
    environment: str
    python: str
    started_at: datetime
    healthy: bool
    parts: tuple[PartHealth, ...]
    modules: tuple[Canvas, ...]
    diagram: Diagram | None
    inside: bool
    links: tuple[LinkView, ...]


def page_templates(directory: Path) -> jinja2.Environment:
    """The templates of all pages: every value is escaped, and a name that is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(directory), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.globals["static_url"] = _static_url
    return environment


_Health = Annotated[Health, Depends(from_state("health", Health))]
_Canvases = Annotated[Canvases, Depends(from_state("canvases", Canvases))]
_Modules = Annotated[tuple[Module, ...], Depends(from_state("modules", tuple))]
_Settings = Annotated[Settings, Depends(from_state("settings", Settings))]
_Templates = Annotated[jinja2.Environment, Depends(from_state("templates", jinja2.Environment))]

router = APIRouter(include_in_schema=False)


@router.get("/")
async def read_root_page(
    request: Request,
    settings: _Settings,
    modules: _Modules,
    canvases: _Canvases,
    health: _Health,
    templates: _Templates,
) -> Response:
    report = await health.examine()
    # In a thread, because the first look reads files.
    collected = await run_in_threadpool(canvases.of, modules)
    # What a module holds is for those who may read the API's documentation.
    inside = settings.app.docs
    page = RootPage(
        name=settings.app.name,
        version=__version__,
        environment=settings.app.env,
        python=platform.python_version(),
        started_at=datetime.fromtimestamp(psutil.Process().create_time(), UTC),
        healthy=report.ready,
        parts=report.parts,
        modules=collected,
        diagram=lay_out(collected) if inside and len(collected) > 1 else None,
        inside=inside,
        links=tuple(_links(docs=settings.app.docs, trace_url=context_of(request.scope).trace_url)),
    )
    html = templates.get_template("root.html").render(page=page, sections=sections)
    return HTMLResponse(html, headers={"content-security-policy": _POLICY, "cache-control": "no-store"})


def _static_url(file: str) -> str:
    """The version lets browsers keep a file until the next release."""
    return f"/static/{file}?v={__version__}"


def _links(*, docs: bool, trace_url: str | None) -> Iterator[LinkView]:
    if docs:
        yield LinkView("API documentation", "/docs", "try each route")
        yield LinkView("API reference", "/redoc", "read it as one page")
        yield LinkView("OpenAPI", OPENAPI_URL, "for programs")
    if trace_url:
        yield LinkView("Trace", trace_url, "of this very request")
    yield LinkView("Readiness", "/health/ready", "each part with its latency")
    yield LinkView("Liveness", "/health/live", "whether the process answers")
