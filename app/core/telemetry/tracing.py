"""OpenTelemetry's tracing for one application: nothing of it is global but what the libraries patch themselves."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Final

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.instrumentation.sqlalchemy.version import __version__ as sqlalchemy_instrumentation
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.semconv.attributes.service_attributes import SERVICE_NAME, SERVICE_VERSION
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes
from sqlalchemy import Engine
from starlette.background import BackgroundTask
from starlette.types import ASGIApp

from app.core.settings import Environment, OtelSettings
from app.core.telemetry.delivery import Delivery
from app.core.telemetry.requests import HeadSampler, RequestIds, RequestSpan

_ENVIRONMENT: Final = "deployment.environment.name"
_LONGEST_ATTRIBUTE: Final = 8192  # characters: a path or a statement can be of any length


class Tracing:
    """The spans of one application: made as soon as it is instrumented, sent while `delivery` is open."""

    def __init__(self, settings: OtelSettings, version: str, environment: Environment) -> None:
        self._settings = settings
        self._sampler = _sampler(settings)
        self._delivery = Delivery(settings)
        self._provider = TracerProvider(
            sampler=_NoLoneCalls(self._sampler),
            resource=Resource(
                {SERVICE_VERSION: version, _ENVIRONMENT: environment.value}
                | settings.attributes
                | {SERVICE_NAME: settings.service_name}
            ),
            shutdown_on_exit=False,
            id_generator=RequestIds(),
            span_limits=SpanLimits(max_attribute_length=_LONGEST_ATTRIBUTE),
        )
        self._provider.add_span_processor(self._delivery)

    def instrument(self, application: FastAPI) -> None:
        """Traces the requests of `application`, to which no other middleware is added afterwards."""
        application.add_middleware(RequestSpan)
        run_background_task = BackgroundTask.__call__
        with _stable_conventions():
            FastAPIInstrumentor.instrument_app(
                application,
                tracer_provider=self._provider,
                meter_provider=NoOpMeterProvider(),
                excluded_urls="",
                exclude_spans=["receive", "send"],
            )
        # It patches the class, for every application in the process.
        BackgroundTask.__call__ = run_background_task  # type: ignore[method-assign]
        instrumented = application.build_middleware_stack

        def build_middleware_stack() -> ASGIApp:
            return HeadSampler(instrumented(), sampler=self._sampler, trace_url=self._settings.trace_url)

        application.build_middleware_stack = build_middleware_stack  # type: ignore[method-assign]

    def watch(self, engine: Engine) -> None:
        """Traces the statements of `engine`.

        By the class that SQLAlchemyInstrumentor uses: that one is a singleton, which patches SQLAlchemy for the whole
        process and takes engines once.
        """
        name = EngineTracer.__module__.rpartition(".")[0]
        counter = NoOpMeterProvider().get_meter(name).create_up_down_counter("unused")
        tracer = self._provider.get_tracer(name, sqlalchemy_instrumentation)
        with _stable_conventions():
            EngineTracer(tracer, engine, counter)  # type: ignore[no-untyped-call]

    def deliver(self) -> AbstractAsyncContextManager[None]:
        """Sends spans until the block ends."""
        # Delivery says once that sending fails; the exporters would on each attempt.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        return self._delivery.open()


class _NoLoneCalls(Sampler):
    """Leaves out calls to others that belong to no trace: the statements of start-up would be a trace each.

    Work outside a request is traced by a span around it, which its edge opens.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if kind is SpanKind.CLIENT and not trace.get_current_span(parent_context).get_span_context().is_valid:
            return SamplingResult(Decision.DROP)
        return self._sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return self._sampler.get_description()


def _sampler(settings: OtelSettings) -> Sampler:
    name = settings.traces_sampler
    root: Sampler
    if name.endswith("traceidratio"):
        root = TraceIdRatioBased(settings.traces_sampler_arg)
    else:
        root = ALWAYS_ON if name.endswith("always_on") else ALWAYS_OFF
    return ParentBased(root) if name.startswith("parentbased_") else root


@contextmanager
def _stable_conventions() -> Iterator[None]:
    """Attributes by the stable semantic conventions.

    The instrumentations ask for them in the environment, once in a process, and nowhere else.
    """
    name = "OTEL_SEMCONV_STABILITY_OPT_IN"
    before = os.environ.get(name)
    os.environ[name] = "http,database"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
