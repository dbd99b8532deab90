"""What every area of settings has in common; the platform's own areas are in `areas.py`, `postgres.py` and `telemetry.py`.

A module declares an area the same way and names it in its manifest:

    class InvoiceSettings(Area):
        model_config = SettingsConfigDict(env_prefix="INVOICE_")
        by_environment: ClassVar[Defaults] = {Environment.PROD: {"due_days": 30}}

        due_days: int = Field(14, ge=1, description="Days until an invoice is due.")
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

_PREFIX = re.compile(r"[A-Z][A-Z0-9_]*_")


class Environment(StrEnum):
    LOCAL = "local"
    DEV = "dev"
    TEST = "test"
    UAT = "uat"
    STAGING = "staging"
    PROD = "prod"


def _split_on_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(word for part in value.split(",") if (word := part.strip()))
    return value


# NoDecode: a list of words is written `a, b` in a variable, where pydantic-settings by itself asks for JSON.
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_on_commas)]

Defaults = Mapping[Environment, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Objection:
    """Why `fields`, each of which is valid by itself, are refused. Its words go to logs: they never hold a value."""

    fields: tuple[str, ...]
    expected: str
    mend: str


class Area(BaseSettings):
    """Base of every group of settings: frozen, typed, with an environment prefix of its own.

    An area built in code holds what the code states, and the plain defaults. Environment variables, files and
    `by_environment` reach it through `load_settings` only. In a variable, `Words` are separated by commas and other
    types without a plain text form are written as JSON. A value that can hold a credential, such as a URL with a
    password, is declared SecretStr.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        allow_inf_nan=False,
        validate_by_name=True,
        loc_by_alias=False,
        # A ValidationError that escapes into a log must not carry a password there.
        hide_input_in_errors=True,
    )

    by_environment: ClassVar[Defaults] = {}
    """Defaults, by field, that hold in one environment only."""

    foreign: ClassVar[frozenset[str]] = frozenset()
    """Variables with this prefix that others read, so that none is taken for a misspelt one of ours."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not _PREFIX.fullmatch(cls.prefix()):
            raise TypeError(f'{cls.__name__} needs a prefix: model_config = SettingsConfigDict(env_prefix="INVOICE_").')
        for environment, defaults in cls.by_environment.items():
            for name in defaults.keys() - cls.model_fields.keys():
                raise TypeError(f"{cls.__name__}.by_environment[{environment!s}] names {name!r}, which is no field.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leaves the process environment out, so that two applications in one process cannot share it by accident."""
        return (init_settings,)

    @classmethod
    def prefix(cls) -> str:
        return cls.model_config.get("env_prefix", "")

    @classmethod
    def variable(cls, field: str) -> str:
        """The name by which `field` is stated outside the code."""
        alias = cls.model_fields[field].validation_alias
        return alias if isinstance(alias, str) else cls.prefix() + field.upper()

    def objections(self, environment: Environment) -> Iterator[Objection]:  # noqa: ARG002  for those that override it
        """What `load_settings` refuses although each value is valid: contradictions, and known-weak values in prod.

        Not a validator, so that everything is told at once and tests can build any combination.
        """
        yield from ()
