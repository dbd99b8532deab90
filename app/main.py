"""The application factory: `uvicorn --factory app.main:create_app`."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

import app.modules
from app import __version__
from app.canvas import collect
from app.core.canvas import Canvases
from app.core.http import docs, health, root_page
from app.core.http.middleware import GuardMiddleware, ReplayMiddleware, RequestMiddleware
from app.core.http.openapi import DescribedApp, operation_id
from app.core.http.pages import Cursors
from app.core.http.problems import install_error_handlers
from app.core.logging import open_logging
from app.core.module import Module, discover, settings_areas
from app.core.settings import Environment, Settings, load_settings
from app.wiring import open_resources

if TYPE_CHECKING:
    from app.core.telemetry.tracing import Tracing

_ROOT = Path(__file__).resolve().parent.parent

# Ours is in app/core/telemetry: with both, each request would have two spans, and this one tells messages of errors.
_NO_TELEMETRY: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}

PLATFORM_ROUTERS: Final = (health.router, root_page.router)


def create_app(settings: Settings | None = None, *, modules: Sequence[Module] | None = None) -> FastAPI:
    """The whole application, with nothing opened yet: that is the lifespan's work.

    When not given, `settings` are loaded from the environment, and `modules` are those of `app/modules`.

    Raises:
        StartupRefused: the settings or a module are at fault; the message lists why.
    """
    found = discover(app.modules) if modules is None else modules
    settings = settings or load_settings(settings_areas(found))
    enabled = tuple(module for module in found if module.name not in settings.app.disabled_modules)

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        async with (
            open_logging(settings.log, lambda: load_settings(settings_areas(found)).log),
            open_resources(settings, enabled, tracing) as resources,
        ):
            for field in fields(resources):
                setattr(application.state, field.name, getattr(resources, field.name))
            yield

    application = DescribedApp(
        title=settings.app.name,
        version=__version__,
        lifespan=lifespan,
        telemetry=_NO_TELEMETRY,
        openapi_url=docs.OPENAPI_URL if settings.app.docs else None,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    application.state.settings = settings
    application.state.modules = enabled
    application.state.canvases = Canvases(partial(collect, app.modules))
    application.state.templates = root_page.page_templates(_ROOT / "templates")
    application.state.cursors = Cursors(settings.app.secret_key.get_secret_value().encode())

    # The last that is added is the first that a request meets.
    application.add_middleware(ReplayMiddleware)
    application.add_middleware(
        GuardMiddleware, allowed_hosts=settings.app.allowed_hosts, max_body_bytes=settings.app.max_body_bytes
    )
    if settings.app.cors_origins:
        application.add_middleware(
            CORSMiddleware,
            allow_origins=settings.app.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Link", "Location", "X-Request-ID", "traceresponse"],
        )
    application.add_middleware(
        RequestMiddleware, debug=settings.app.debug, timed=settings.app.env is not Environment.PROD
    )
    tracing = _trace(application, settings)
    install_error_handlers(application)

    for module in enabled:
        for router in module.routers:
            application.include_router(router)
    for own in PLATFORM_ROUTERS:
        application.include_router(own)
    if settings.app.docs:
        application.include_router(docs.router)
    application.mount("/static", StaticFiles(directory=_ROOT / "static"), name="static")
    return application


def _trace(application: FastAPI, settings: Settings) -> "Tracing | None":
    if not settings.otel.enabled:
        return None
    from app.core.telemetry.tracing import Tracing  # noqa: PLC0415  where it is off, nothing of it is loaded

    tracing = Tracing(settings.otel, __version__, settings.app.env)
    tracing.instrument(application)
    return tracing
