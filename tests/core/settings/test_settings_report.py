"""What people are shown of the settings."""

from enum import Enum
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import AnyUrl, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from app.core.settings import (
    AppSettings,
    Area,
    Defaults,
    Environment,
    LogSettings,
    OtelSettings,
    PostgresSettings,
    Row,
    Settings,
    Words,
    defaults,
    describe,
    load_settings,
)

CANARY = "canary-7d1f-canary-7d1f-canary-7d1f"


class Colour(Enum):
    RED = "red"


class ProbeSettings(Area):
    model_config = SettingsConfigDict(env_prefix="PROBE_")
    colour: Colour = Colour.RED
    links: Words = Field((), description="Where to look.")
    broker: AnyUrl | None = None
    nested: dict[str, SecretStr] = Field(default={})


def test_each_value_with_its_source(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "APP_SECRET_KEY").write_text(CANARY)
    (tmp_path / ".env").write_text("SECRETS_DIR=secrets\nAPP_DOCS=no\nLOG_FORMAT=json")
    (tmp_path / ".env.local").write_text("LOG_FORMAT=console")
    environ = {"APP_ALLOWED_HOSTS": "a.example,b.example", "DATABASE_URL": f"postgres://u:{CANARY}@db"}
    rows = {
        row.variable: (row.value, row.source)
        for row in describe(load_settings({"probe": ProbeSettings}, environ=environ, directory=tmp_path))
    }
    expected = {
        "APP_ENV": ("local", "default"),
        "APP_DEBUG": ("true", "default for local"),
        "APP_DOCS": ("false", ".env"),
        "APP_ALLOWED_HOSTS": ("a.example, b.example", "environment"),
        "APP_SECRET_KEY": ("********", "secret file"),
        "LOG_FORMAT": ("console", ".env.local"),
        "DATABASE_URL": ("********", "environment"),
        "POSTGRES_PORT": ("5432", "default"),
        "PROBE_COLOUR": ("red", "default"),
    }
    assert {variable: rows[variable] for variable in expected} == expected
    kinds = (AppSettings, LogSettings, OtelSettings, PostgresSettings, ProbeSettings)
    assert len(rows) == sum(len(kind.model_fields) for kind in kinds)


def test_descriptions() -> None:
    rows = {row.variable: row for row in describe(Settings(modules=(ProbeSettings(links=("a",)),)))}
    assert rows["PROBE_LINKS"] == Row("PROBE_LINKS", "a", "code", "Where to look.")
    assert rows["PROBE_COLOUR"] == Row("PROBE_COLOUR", "red", "default", "")


class DefaultSettings(Area):
    model_config = SettingsConfigDict(env_prefix="DEFAULT_")
    by_environment: ClassVar[Defaults] = {Environment.PROD: {"words": ("a", "b"), "key": CANARY, "other_key": CANARY}}
    words: Words = ()
    key: SecretStr = SecretStr(CANARY)
    other_key: SecretStr | None = None
    host: str


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("words", [("", None), ("a, b", Environment.PROD)]),
        ("key", [("********", None), ("********", Environment.PROD)]),
        ("other_key", [("not set", None), ("********", Environment.PROD)]),
        ("host", [("required", None)]),
    ],
)
def test_defaults_are_told_without_secrets(field: str, expected: list[tuple[str, Environment | None]]) -> None:
    assert list(defaults(DefaultSettings, field)) == expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"amqp://u:{CANARY}@mq:5672/v", "amqp://u:********@mq:5672/v"),
        (f"redis://:{CANARY}@cache", "redis://:********@cache"),
        (f"redis://u:{CANARY}@{CANARY}@cache", "redis://u:********@cache"),
        (f"https://a.example/?user=u&api_key={CANARY}&x=1", "https://a.example/?user=u&api_key=********&x=1"),
        (f"https://a.example/?Password={CANARY}", "https://a.example/?Password=********"),
        ("https://a.example:80/x", "https://a.example:80/x"),
    ],
)
def test_passwords_in_urls_are_masked(url: str, shown: str) -> None:
    rows = {row.variable: row.value for row in describe(Settings(modules=(ProbeSettings(links=("plain", url)),)))}
    assert rows["PROBE_LINKS"] == f"plain, {shown}"


def test_no_row_holds_a_secret() -> None:  # charter 59
    settings = Settings(
        app=AppSettings(secret_key=SecretStr(CANARY)),
        postgres=PostgresSettings(
            url=SecretStr(f"postgres://u:{CANARY}@db"),
            replica_url=SecretStr(f"postgres://u:{CANARY}@db"),
            password=SecretStr(CANARY),
        ),
        modules=(ProbeSettings(broker=AnyUrl(f"amqp://u:{CANARY}@mq"), nested={"a": SecretStr(CANARY)}),),
    )
    rows = describe(settings)
    assert sum("***" in row.value for row in rows) == 6
    assert CANARY not in str(rows)
