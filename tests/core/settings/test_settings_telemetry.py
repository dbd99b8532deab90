"""Settings of telemetry: the names and forms that OpenTelemetry defines."""

from pathlib import Path

import pytest

from app.core.settings import Environment, OtelSettings, SettingsError, describe, load_settings

CANARY = "canary-7d1f-canary-7d1f"


def load(tmp_path: Path, **environ: str) -> OtelSettings:
    return load_settings(environ=environ, directory=tmp_path).otel


def test_it_is_off_in_every_environment_until_it_is_switched_on(tmp_path: Path) -> None:
    for environment in Environment:
        assert "enabled" not in OtelSettings.by_environment.get(environment, {})
    assert load(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4317").enabled is False
    assert load(tmp_path, OTEL_ENABLED="true").enabled is True


def test_only_a_developer_s_machine_knows_where_traces_are_looked_at(tmp_path: Path) -> None:
    assert load(tmp_path).trace_url == "http://127.0.0.1:16686/trace/{trace_id}"
    assert load(tmp_path, APP_ENV="dev", DATABASE_URL="postgres://db").trace_url is None


@pytest.mark.parametrize(
    ("environ", "endpoint"),
    [
        ({}, "http://localhost:4317"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "http://localhost:4318"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.test:1234"}, "https://collector.test:1234"),
    ],
)
def test_the_endpoint_goes_with_the_protocol(tmp_path: Path, environ: dict[str, str], endpoint: str) -> None:
    assert load(tmp_path, **environ).endpoint == endpoint


def test_pairs_are_percent_decoded(tmp_path: Path) -> None:
    otel = load(
        tmp_path,
        OTEL_EXPORTER_OTLP_HEADERS="Authorization=Basic%20YTpi==, x-b = c,",
        OTEL_RESOURCE_ATTRIBUTES="team=red,place=a%2Cb",
    )

    assert otel.headers == {"authorization": "Basic YTpi==", "x-b": "c"}
    assert otel.attributes == {"team": "red", "place": "a,b"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://user:{CANARY}@collector:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:99999"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", CANARY),
        ("OTEL_EXPORTER_OTLP_HEADERS", f"a b={CANARY}"),
        ("OTEL_EXPORTER_OTLP_HEADERS", f"a={CANARY}%0D%0Ab: c"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.1"),  # of a sampler that takes none
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),  # less than a batch
        ("OTEL_TRACE_URL", "http://jaeger/trace"),
        ("OTEL_TRACE_URL", "javascript:alert({trace_id})"),
    ],
)
def test_what_could_not_work_is_refused(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, **{name: text})

    (fault,) = refused.value.faults
    assert name in fault.where
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize("name", [*sorted(OtelSettings.foreign), "OTEL_METRICS_EXPORTER", "OTEL_PROPAGATORS"])
def test_what_others_read_is_left_to_them(tmp_path: Path, name: str) -> None:
    load(tmp_path, **{name: "anything"})


def test_an_endpoint_for_traces_alone_is_refused_rather_than_passed_over(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Did you mean OTEL_EXPORTER_OTLP_ENDPOINT"):
        load(tmp_path, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://collector:4317")


def test_headers_are_secret(tmp_path: Path) -> None:
    settings = load_settings(environ={"OTEL_EXPORTER_OTLP_HEADERS": f"a={CANARY}"}, directory=tmp_path)

    assert CANARY not in f"{settings!r} {describe(settings)}"
