"""The effective settings for people: what holds, where it was stated, and what it is for."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import get_args

from pydantic import SecretStr

from app.core.redaction import MASK, mask_text
from app.core.settings.base import Area, Environment
from app.core.settings.loading import Settings


@dataclass(frozen=True, slots=True)
class Row:
    """One setting; `value` holds no secret, `source` is where it was stated or which default it is."""

    variable: str
    value: str
    source: str
    description: str


def describe(settings: Settings) -> tuple[Row, ...]:
    """Every setting in effect, area by area, with secrets and passwords in URLs masked."""
    return tuple(
        Row(area.variable(name), _shown(getattr(area, name)), _source(settings, area, name), field.description or "")
        for area in settings.areas
        for name, field in type(area).model_fields.items()
    )


def defaults(area: type[Area], name: str) -> Iterator[tuple[str, Environment | None]]:
    """What the field `name` is when nobody states it, secrets masked; then what it is in single environments."""
    field = area.model_fields[name]
    secret = SecretStr in {field.annotation, *get_args(field.annotation)}
    yield "required" if field.is_required() else _shown(field.get_default(call_default_factory=True)), None
    for environment in Environment:
        if name in (values := area.by_environment.get(environment, {})):
            yield MASK if secret else _shown(values[name]), environment


def _source(settings: Settings, area: Area, name: str) -> str:
    stated_in_code = "code" if name in area.model_fields_set else "default"
    return settings.origins.get(area.variable(name), stated_in_code)


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(_shown(item) for item in value)
    text = str(value.value if isinstance(value, Enum) else value)
    return mask_text(text)
