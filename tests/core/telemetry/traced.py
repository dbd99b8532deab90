"""Applications that send their traces to a receiver."""

from dataclasses import replace

from fastapi import FastAPI

from app.core.settings import LogSettings, OtelSettings, PostgresAddress
from tests.conftest import settings_for
from tests.sample.application import create_app


def traced(address: PostgresAddress, url: str, **otel: object) -> FastAPI:
    """The application with the sample module, on `address`, that sends spans to `url` at once; `otel` says the rest."""
    stated = {"enabled": True, "exporter_otlp_endpoint": url, "bsp_schedule_delay": 10} | otel
    log = LogSettings(level="INFO")
    return create_app(replace(settings_for(address), log=log, otel=OtelSettings.model_validate(stated)))
