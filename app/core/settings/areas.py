"""Settings of the application as such and of its log; the others are in `postgres.py` and `telemetry.py`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from app.core.settings.base import Area, Defaults, Environment, Objection, Words

_PUBLIC_KEY = "this-key-is-public-and-protects-nothing"
_MIN_KEY_BYTES = 32
_MIN_KEY_CHARACTERS = 10  # different ones: with fewer it is a word written several times
_NEW_KEY = 'Set it to what this prints: python -c "import secrets; print(secrets.token_urlsafe(48))"'

_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s?#@]+")
_HOST = re.compile(r"\*|(\*\.)?[\w.-]+|\[[0-9a-fA-F:.]+\]")


def _long_enough(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value().encode()) < _MIN_KEY_BYTES:
        raise ValueError(f"{_MIN_KEY_BYTES} bytes or more")
    return key


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("origins as browsers send them, scheme://host or scheme://host:port, without a path")
    return origins


def _hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_HOST.fullmatch(host) for host in hosts):
        raise ValueError("host names, or *.domain for all below it, without scheme, port or path")
    return hosts


class AppSettings(Area):
    model_config = SettingsConfigDict(env_prefix="APP_")
    by_environment: ClassVar[Defaults] = {
        Environment.LOCAL: {"debug": True, "cors_origins": ("*",), "drain_seconds": 0},
        Environment.TEST: {"drain_seconds": 0},
        Environment.PROD: {"docs": False, "allowed_hosts": ()},
    }

    env: Environment = Field(
        Environment.LOCAL, description="Where the application runs; decides defaults and what is refused."
    )
    name: str = Field("Trellis", min_length=1, max_length=100, description="The name on pages, in mails and the API.")
    debug: bool = Field(default=False, description="Whether an answer with status 500 names the kind of error.")
    disabled_modules: Words = Field(
        (),
        validation_alias="DISABLED_MODULES",
        description="Modules that are switched off, by name, separated by commas: their routes, jobs and checks.",
    )
    docs: bool = Field(default=True, description="Whether /docs, /openapi.json and what modules hold are shown.")
    cors_origins: Annotated[Words, AfterValidator(_origins)] = Field(
        (), description="Origins whose pages may call the API, separated by commas; * for every one."
    )
    allowed_hosts: Annotated[Words, AfterValidator(_hosts)] = Field(
        ("*",), description="Hosts that requests may be addressed to, separated by commas; * for every one."
    )
    secret_key: Annotated[SecretStr, AfterValidator(_long_enough)] = Field(
        SecretStr(_PUBLIC_KEY),
        description="Signs what the application hands out, such as page cursors: random, 32 bytes or more.",
    )
    max_body_bytes: int = Field(1024 * 1024, gt=0, description="Largest body of a request, in bytes.")
    drain_seconds: float = Field(
        5.0, ge=0, le=600, description="How long it says that it is not ready before it stops, in seconds."
    )
    stop_seconds: int = Field(30, ge=1, le=600, description="Longest wait for open requests when it stops, in seconds.")

    def objections(self, environment: Environment) -> Iterator[Objection]:
        if environment is not Environment.PROD:
            return
        key = self.secret_key.get_secret_value()
        if key == _PUBLIC_KEY or len(set(key)) < _MIN_KEY_CHARACTERS:
            yield Objection(("secret_key",), "a random key of your own in prod", _NEW_KEY)
        if self.debug:
            yield Objection(("debug",), "false in prod, because details of errors help attackers", "Remove it.")
        if "*" in self.cors_origins:
            mend = "Name the origins of your pages, e.g. APP_CORS_ORIGINS=https://app.example.com, or remove it."
            yield Objection(("cors_origins",), "a list without * in prod", mend)
        if not self.allowed_hosts or "*" in self.allowed_hosts:
            mend = "Name the hosts by which the application is reached, e.g. APP_ALLOWED_HOSTS=api.example.com."
            yield Objection(("allowed_hosts",), "a list without * in prod", mend)


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class LogSettings(Area):
    model_config = SettingsConfigDict(env_prefix="LOG_")
    by_environment: ClassVar[Defaults] = {
        Environment.LOCAL: {"level": "DEBUG", "format": "console", "dir": Path(".local/logs")},
        Environment.TEST: {"format": "console"},
    }

    level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)] = Field(
        "INFO", description="Least severity that is written."
    )
    format: Literal["console", "json"] = Field("json", description="console for people, json for collectors.")
    dir: Path | None = Field(None, description="Folder for app.log and, of errors alone, error.log; none without it.")
    file_max_bytes: int = Field(10 * 1024 * 1024, gt=0, description="Size at which a log file is rotated, in bytes.")
    retention_days: int = Field(90, ge=1, le=36_500, description="How long rotated app.log files are kept, in days.")
    error_retention_days: int = Field(
        90, ge=1, le=36_500, description="How long rotated error.log files are kept, in days."
    )
    flush_seconds: float = Field(
        10.0, ge=0, le=600, description="Longest wait at the end for lines that are not written yet, in seconds."
    )
    redact: Words = Field((), description="Keys to mask beside those of secrets, separated by commas, e.g. email.")
