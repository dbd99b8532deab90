"""From the places where settings are stated to one frozen value, or to one list of everything that is wrong."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar, cast, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource

from app.core.redaction import MASK
from app.core.settings.areas import AppSettings, LogSettings
from app.core.settings.base import Area, Environment
from app.core.settings.faults import Fault, SettingsError, kind_of
from app.core.settings.postgres import PostgresSettings
from app.core.settings.sources import Source, from_dotenv, from_environment, from_secret_files
from app.core.settings.telemetry import OtelSettings

AreaT = TypeVar("AreaT", bound=Area)

_APP_ENV = AppSettings.variable("env")
_SECRETS_DIR = "SECRETS_DIR"

# How alike two names are, from 0 to 1. One slip in four letters makes 0.75, while POSTGRES_SERVICE_HOST, which
# Kubernetes sets for a service named postgres, has 0.5 in common with POSTGRES_HOST.
_TYPO = 0.75
_HINT = 0.6

# Pydantic's own messages quote no value; what a validator raises may.
_MAY_QUOTE = {"value_error", "assertion_error"}
_SHORTEST_QUOTE = 4  # characters: shorter texts turn up in any sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that an application is told from outside: made by `load_settings`, or in code from areas.

    `origins` says, by variable, where `load_settings` found what is not a plain default.
    """

    app: AppSettings = field(default_factory=AppSettings)
    log: LogSettings = field(default_factory=LogSettings)
    postgres: PostgresSettings = field(default_factory=PostgresSettings)
    otel: OtelSettings = field(default_factory=OtelSettings)
    modules: tuple[Area, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def areas(self) -> tuple[Area, ...]:
        return (self.app, self.log, self.postgres, self.otel, *self.modules)

    def area(self, kind: type[AreaT]) -> AreaT:
        """The area that a module declared, e.g. `settings.area(InvoiceSettings)`.

        Raises:
            LookupError: no area of this kind was loaded.
        """
        for area in self.areas:
            if isinstance(area, kind):
                return area
        raise LookupError(
            f"{kind.__name__} is not among the settings. Name it in its module's manifest; a test that builds "
            f"settings passes it in `modules`."
        )


def load_settings(
    modules: Mapping[str, type[Area] | None] = MappingProxyType({}),
    *,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Settings:
    """Reads the environment, secret files, `.env.<env>`, `.env` and the defaults; the first to state a value wins.

    Args:
        modules: by their names, what modules declare beside the platform's own areas. Of those that are disabled
            nothing is read.
        environ: environment variables, by default those of the process.
        directory: where the dotenv files lie, by default the working directory.

    Raises:
        SettingsError: something is wrong; it lists everything that is.
    """
    declared = {name: kind for name, kind in modules.items() if kind is not None}
    kinds: tuple[type[Area], ...] = (AppSettings, LogSettings, PostgresSettings, OtelSettings, *declared.values())
    foreign = frozenset[str]().union(*(kind.foreign for kind in kinds))
    variables = Counter(kind.variable(name) for kind in kinds for name in kind.model_fields)
    # Reversed, so that APP_MAIL_ is found before APP_.
    prefixes = sorted((kind.prefix() for kind in kinds), reverse=True)

    directory = directory or Path.cwd()
    sources = [from_environment(os.environ if environ is None else environ), from_dotenv(directory / ".env")]
    if folder := _text(_SECRETS_DIR, sources):
        sources.insert(1, from_secret_files(directory / folder, variables, tuple(prefixes)))
    environment = _environment_of(sources)
    if environment:
        sources.insert(-1, from_dotenv(directory / f".env.{environment}"))

    reading = _Reading(sources, environment or Environment.LOCAL)
    app = reading.area(AppSettings)
    settings = Settings(
        app=app,
        log=reading.area(LogSettings),
        postgres=reading.area(PostgresSettings),
        otel=reading.area(OtelSettings),
        modules=tuple(reading.area(kind) for name, kind in declared.items() if name not in app.disabled_modules),
        origins=MappingProxyType(reading.origins),
    )
    faults = [
        *(fault for source in sources for fault in source.faults),
        *(fault for source in sources for fault in _misplaced(source, variables, prefixes, foreign)),
        *(
            Fault(variable, "declared by several areas", "one", "Give all but one another prefix.")
            for variable, count in variables.items()
            if count > 1
        ),
        *_not_there(app.disabled_modules, modules),
        *reading.faults,
    ]
    if faults:
        raise SettingsError(faults)
    return settings


def _first(variable: str, sources: Iterable[Source]) -> Source | None:
    return next((source for source in sources if variable in source.texts), None)


def _text(variable: str, sources: Iterable[Source]) -> str | None:
    source = _first(variable, sources)
    return source.texts[variable] if source else None


def _environment_of(sources: Iterable[Source]) -> Environment | None:
    """None when APP_ENV names no environment, which AppSettings will complain about."""
    text = _text(_APP_ENV, sources)
    if text is None:
        return Environment.LOCAL
    return Environment(text) if text in {*Environment} else None


def _not_there(disabled: Iterable[str], modules: Collection[str]) -> Iterator[Fault]:
    for name in disabled:
        if name not in modules:
            known = f"some of {', '.join(modules)}" if modules else "nothing, because there is no module"
            yield Fault(AppSettings.variable("disabled_modules"), "a name that no module has", known, "Correct it.")


def _misplaced(
    source: Source, variables: Collection[str], prefixes: Sequence[str], foreign: Collection[str]
) -> Iterator[Fault]:
    """Names that are meant for us and that nothing reads where they are.

    In a dotenv file that is every name with a prefix of ours. In the environment and in a folder of secrets it is one
    that is nearly ours: orchestration puts foreign names there, such as POSTGRES_PORT_5432_TCP.
    """
    for name, text in source.texts.items():
        given = f"{kind_of(text)} ({source.name})"
        if name in {_APP_ENV, _SECRETS_DIR} and source.name.startswith(".env."):
            yield Fault(
                name, given, "it where it is read before this file is chosen", "Move it to .env or to the environment."
            )
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
        if prefix is None or name in variables or name in foreign:
            continue
        # Compared without the prefix, which would make any two of them look alike.
        ours = [variable.removeprefix(prefix) for variable in variables if variable.startswith(prefix)]
        close = get_close_matches(name.removeprefix(prefix), ours, cutoff=_TYPO if source.shared else _HINT)
        if close or not source.shared:
            mend = f"Did you mean {prefix}{close[0]}?" if close else "Remove it: nothing reads it."
            yield Fault(name, f"unknown, {given}", "a variable that exists", mend)


class _Reading:
    """Builds areas from the sources, and keeps what is wrong with them and where their values came from."""

    def __init__(self, sources: Sequence[Source], environment: Environment) -> None:
        self.faults: list[Fault] = []
        self.origins: dict[str, str] = {}
        self._sources = sources
        self._environment = environment

    def area(self, kind: type[AreaT]) -> AreaT:
        """An area that holds what is stated; one of plain defaults, for lack of a better, when it is refused."""
        values = self._values(kind)
        refused: set[str] = set()
        # A second time without the refused values, to learn what else is wrong.
        for _ in range(2):
            try:
                area = kind.model_validate({name: value for name, value in values.items() if name not in refused})
            except ValidationError as error:
                for details in error.errors():
                    name = str(details["loc"][0]) if details["loc"] else ""
                    if name not in refused:
                        refused.add(name)
                        self.faults.append(self._fault(kind, name, details))
            else:
                self._weigh(area, refused)
                return area
        return cast("AreaT", kind.model_construct())  # the plugin's signature forgets the type variable

    def _values(self, kind: type[Area]) -> dict[str, object]:
        values = dict(kind.by_environment.get(self._environment, {}))
        self.origins |= {kind.variable(name): f"default for {self._environment}" for name in values}
        for name in kind.model_fields:
            variable = kind.variable(name)
            if source := _first(variable, self._sources):
                values[name] = _decoded(kind, name, source.texts[variable])
                self.origins[variable] = source.name
        return values

    def _weigh(self, area: Area, refused: set[str]) -> None:
        """Adds the area's own objections, but not to values that are gone because they were refused."""
        for objection in area.objections(self._environment):
            if refused.isdisjoint(objection.fields):
                variables = [area.variable(name) for name in objection.fields]
                given = dict.fromkeys(self._given(variable) for variable in variables)
                self.faults.append(
                    Fault(" and ".join(variables), " and ".join(given), objection.expected, objection.mend)
                )

    def _fault(self, kind: type[Area], name: str, details: ErrorDetails) -> Fault:
        if not name:  # a validator of the whole area
            texts = [_text(kind.variable(field), self._sources) for field in kind.model_fields]
            where = f"{kind.prefix()}*"
            return Fault(where, "values that do not fit together", _expected(details, texts), "Correct one of them.")
        variable = kind.variable(name)
        text = _text(variable, self._sources)
        mend = "Set it" if text is None else "Correct it there"
        description = kind.model_fields[name].description or "see where it is declared."
        return Fault(variable, self._given(variable), _expected(details, [text]), f"{mend}: {description}")

    def _given(self, variable: str) -> str:
        source = _first(variable, self._sources)
        return f"{kind_of(source.texts[variable])} ({source.name})" if source else "not given"


def _decoded(kind: type[Area], name: str, text: str) -> object:
    """What pydantic shall validate: an empty text says none where none is allowed, and lists and the like are JSON."""
    declared = kind.model_fields[name]
    if not text and type(None) in get_args(declared.annotation):
        return None
    # Of this class only the rule which types are JSON is used; what it reads from the process is not.
    source = EnvSettingsSource(kind)
    with suppress(ValueError):  # a text that is no JSON is for the validators, which may read it or say what is wrong
        return source.prepare_field_value(name, declared, text, value_is_complex=False)
    return text


def _expected(details: ErrorDetails, texts: Iterable[str | None]) -> str:
    """Pydantic's message as what is expected, without the values that were given."""
    if details["type"] == "missing":
        return "a value"
    message = re.sub(r"^(\w+ should (be |have |match )?|Value error, |Assertion failed, )", "", details["msg"])
    message = message.partition(", unable to")[0].replace("Path does not point to", "the path of")
    if details["type"] in _MAY_QUOTE:
        for text in texts:
            if text and len(text) >= _SHORTEST_QUOTE:
                message = message.replace(text, MASK)
    return message
