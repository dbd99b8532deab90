"""Reads `number:str:unique amount:decimal(12,2):min=0 due:date? customer:user`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from app.scaffold.errors import ScaffoldError
from app.scaffold.names import refuse_field_name

_TOKEN: Final = re.compile(r"(?:\([^()]*\)|\S)+")
_FIELD: Final = re.compile(
    r"(?P<name>\w+):(?P<kind>\w+)(?:\((?P<arguments>[^)]*)\))?(?P<optional>\?)?(?P<options>(?::.*)?)"
)
_OPTIONS: Final = {"unique": False, "index": False, "min": True, "max": True, "default": True}
"""The options, and whether each has a value."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field as it was asked for; `kind` is a type or the name of a module."""

    name: str
    kind: str
    arguments: tuple[str, ...]
    optional: bool
    options: Mapping[str, str]


def parse_fields(text: str) -> tuple[FieldSpec, ...]:
    """The fields in `text`, which are separated by blanks.

    Raises:
        ScaffoldError: one cannot be read, two have one name, or there is none.
    """
    specs = tuple(_field(token) for token in _TOKEN.findall(text))
    if not specs:
        raise ScaffoldError('A module needs a field at least: fields="name:str"')
    names = [spec.name for spec in specs]
    for name in names:
        refuse_field_name(name)
        if names.count(name) > 1:
            raise ScaffoldError(f"Two fields are called {name!r}. Rename one.")
    return specs


def _field(token: str) -> FieldSpec:
    match = _FIELD.fullmatch(token)
    if match is None:
        raise ScaffoldError(
            f"{token!r} is no field. Write name:type, name:type? or name:type:option, such as due:date?"
        )
    arguments = tuple(part.strip() for part in match["arguments"].split(",")) if match["arguments"] else ()
    return FieldSpec(match["name"], match["kind"], arguments, match["optional"] is not None, dict(_options(match)))


def _options(match: re.Match[str]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for option in match["options"].split(":")[1:]:
        word, given, value = option.partition("=")
        if word not in _OPTIONS or _OPTIONS[word] != bool(given) or (given and not value) or word in seen:
            raise ScaffoldError(
                f"{option!r} of {match['name']!r} is no option. There are: unique, index, min=…, max=…, default=…, "
                f"each once."
            )
        seen.add(word)
        yield word, value
