"""Settings of telemetry: whether traces leave the process, which, and where to.

The names are those of the OpenTelemetry specification, where it has one.
"""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, FilePath, SecretStr
from pydantic_settings import SettingsConfigDict

from app.core.settings.base import Area, Defaults, Environment, Objection, Words

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")


def _pairs(words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Names and values of `name=value`, percent-decoded."""
    for word in words:
        name, _, value = word.partition("=")
        yield unquote(name.strip()), unquote(value.strip())


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word.strip())


def _attributes(words: tuple[str, ...]) -> tuple[str, ...]:
    if not all("=" in word and name for word, (name, _) in zip(words, _pairs(words), strict=True)):
        raise ValueError("name=value pairs separated by commas, special characters percent-encoded")
    return words


def _headers(text: SecretStr) -> SecretStr:
    words = _words(text.get_secret_value())
    for word, (name, value) in zip(words, _pairs(words), strict=True):
        if "=" not in word or not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError("name=value pairs separated by commas, special characters percent-encoded")
    return text


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _endpoint(url: str) -> str:
    if not _is_http(url) or any(mark in url for mark in "@?#"):
        raise ValueError("http://host:port or https://host:port; credentials go into OTEL_EXPORTER_OTLP_HEADERS")
    return url


def _trace_url(url: str) -> str:
    if not _is_http(url) or "{trace_id}" not in url:
        raise ValueError("an address with {trace_id} in it, e.g. http://127.0.0.1:16686/trace/{trace_id}")
    return url


_RATIO_SAMPLERS = frozenset({"traceidratio", "parentbased_traceidratio"})


class OtelSettings(Area):
    model_config = SettingsConfigDict(env_prefix="OTEL_")
    by_environment: ClassVar[Defaults] = {
        Environment.LOCAL: {"trace_url": "http://127.0.0.1:16686/trace/{trace_id}"},
    }

    # Those of the specification that are like one of ours: of logs and metrics, and of programs beside this one. Not those
    # for traces alone (OTEL_EXPORTER_OTLP_TRACES_*), because leaving them out would send traces to another place.
    foreign: ClassVar[frozenset[str]] = frozenset(
        {
            "OTEL_BLRP_EXPORT_TIMEOUT",
            "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
            "OTEL_BLRP_MAX_QUEUE_SIZE",
            "OTEL_BLRP_SCHEDULE_DELAY",
            "OTEL_BSP_EXPORT_TIMEOUT",
            "OTEL_EXPORTER_OTLP_INSECURE",
            "OTEL_TRACES_EXPORTER",
            *(
                f"OTEL_EXPORTER_OTLP_{signal}_{what}"
                for signal in ("LOGS", "METRICS")
                for what in ("CERTIFICATE", "COMPRESSION", "ENDPOINT", "HEADERS", "PROTOCOL", "TIMEOUT")
            ),
        }
    )

    enabled: bool = Field(default=False, description="Whether traces are made and sent.")
    service_name: str = Field("trellis", min_length=1, description="The name under which the traces are found.")
    resource_attributes: Annotated[Words, AfterValidator(_attributes)] = Field(
        (), description="More about this instance: name=value pairs, separated by commas."
    )
    exporter_otlp_endpoint: Annotated[str, AfterValidator(_endpoint)] | None = Field(
        None,
        description="Where the collector is; not set means port 4317 (grpc) or 4318 (http/protobuf) of this machine.",
    )
    exporter_otlp_protocol: Literal["grpc", "http/protobuf"] = Field(
        "grpc", description="How the collector is spoken to: grpc or http/protobuf."
    )
    exporter_otlp_headers: Annotated[SecretStr, AfterValidator(_headers)] | None = Field(
        None, description="Headers that the collector asks for, such as a token: name=value pairs, separated by commas."
    )
    exporter_otlp_certificate: FilePath | None = Field(
        None, description="Certificates (PEM) that an https endpoint is trusted by in place of the system's."
    )
    exporter_otlp_compression: Literal["none", "gzip"] = Field("none", description="none or gzip.")
    exporter_otlp_timeout: float = Field(
        10.0, gt=0, le=600, description="Longest time for sending a batch, with its retries, in seconds."
    )
    traces_sampler: Literal[
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ] = Field("parentbased_always_on", description="Which requests are traced; parentbased_* follow the caller first.")
    traces_sampler_arg: float = Field(
        1.0, ge=0, le=1, description="The share of requests that the samplers named *traceidratio trace, from 0 to 1."
    )
    bsp_max_queue_size: int = Field(
        2048, ge=1, le=1_000_000, description="Spans that may wait for being sent; what is more is dropped and counted."
    )
    bsp_max_export_batch_size: int = Field(512, ge=1, le=100_000, description="Spans that are sent at once.")
    bsp_schedule_delay: int = Field(
        5000, ge=1, le=600_000, description="Longest time that a span waits for others, in milliseconds."
    )
    stop_seconds: float = Field(
        3.0, ge=0, le=60, description="Longest wait for the last spans to be sent when it stops, in seconds."
    )
    trace_url: Annotated[str, AfterValidator(_trace_url)] | None = Field(
        None, description="Where a trace can be looked at; pages and problem answers then link to it by {trace_id}."
    )

    @property
    def endpoint(self) -> str:
        port = 4317 if self.exporter_otlp_protocol == "grpc" else 4318
        return self.exporter_otlp_endpoint or f"http://localhost:{port}"

    @property
    def headers(self) -> dict[str, str]:
        """By names in lower case, as gRPC wants them."""
        text = self.exporter_otlp_headers.get_secret_value() if self.exporter_otlp_headers else ""
        return {name.lower(): value for name, value in _pairs(_words(text))}

    @property
    def attributes(self) -> dict[str, str]:
        return dict(_pairs(self.resource_attributes))

    def objections(self, environment: Environment) -> Iterator[Objection]:  # noqa: ARG002  the same in each
        if "traces_sampler_arg" in self.model_fields_set and self.traces_sampler not in _RATIO_SAMPLERS:
            mend = "Set OTEL_TRACES_SAMPLER=parentbased_traceidratio, or remove the share."
            yield Objection(("traces_sampler_arg", "traces_sampler"), "a sampler that takes a share", mend)
        if self.bsp_max_export_batch_size > self.bsp_max_queue_size:
            yield Objection(
                ("bsp_max_export_batch_size", "bsp_max_queue_size"), "batches that fit in the queue", "Correct one."
            )
