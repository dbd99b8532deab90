"""A module's canvas: what it offers, holds and needs, at a glance; as values, and as a page in Markdown."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from app.core.module import Module


@dataclass(frozen=True, slots=True)
class Route:
    """`anchor` is where the interactive documentation shows it: `<tag>/<operation id>`."""

    method: str
    path: str
    summary: str
    permissions: tuple[str, ...]
    anchor: str


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """`column` and `target` as `table.column`; `module` is whose table the target is, None when no module's."""

    column: str
    target: str
    module: str | None

    def __str__(self) -> str:
        return f"{self.column.rpartition('.')[2]} → {self.target}"


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    columns: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]


@dataclass(frozen=True, slots=True)
class Reaction:
    """The function `handler` reacts to `event`, which `module` announces; None when no module does."""

    event: str
    module: str | None
    handler: str


@dataclass(frozen=True, slots=True)
class Setting:
    """`default` as people write it, with those of single environments; it holds no secret."""

    variable: str
    default: str
    description: str


@dataclass(frozen=True, slots=True)
class Command:
    """`line` is what follows `python -m app`."""

    line: str
    summary: str


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    required: bool


@dataclass(frozen=True, slots=True)
class Dependency:
    """Why a module needs `module`: its columns (`table.column`) that refer to it, and the files of it that it imports."""

    module: str
    foreign_keys: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        return (*self.foreign_keys, *(f"{name}.py" for name in self.imports))

    @property
    def by_events_only(self) -> bool:
        return not self.foreign_keys and self.imports == ("events",)


@dataclass(frozen=True, slots=True)
class Canvas:
    """What one module consists of. Nothing in it depends on a module that it does not need."""

    name: str
    summary: str
    dependencies: tuple[Dependency, ...] = ()
    routes: tuple[Route, ...] = ()
    tables: tuple[Table, ...] = ()
    events: tuple[str, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    permissions: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    commands: tuple[Command, ...] = ()
    checks: tuple[Check, ...] = ()


class Canvases:
    """The canvases of the modules that run, collected at the first look and kept: start-up does not wait for them."""

    def __init__(self, collect: Callable[[tuple[Module, ...]], tuple[Canvas, ...]]) -> None:
        self._collect = collect
        self._modules: tuple[Module, ...] = ()
        self._canvases: tuple[Canvas, ...] = ()

    def of(self, modules: tuple[Module, ...]) -> tuple[Canvas, ...]:
        """Reads source files when `modules` are other than before."""
        if modules is not self._modules:
            # In this order: another thread must not take the canvases of before for those of `modules`.
            self._canvases, self._modules = self._collect(modules), modules
        return self._canvases


@dataclass(frozen=True, slots=True)
class Cell:
    """Words of the code, or one of prose; one that names a module may lead to it."""

    words: tuple[str, ...]
    is_code: bool = True
    is_module: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of one kind, each with a cell for each word of `head`."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def sections(canvas: Canvas) -> tuple[Section, ...]:
    """What there is to tell beside the routes."""
    found = (
        Section(
            "Depends on",
            ("module", "by"),
            tuple((_module(need.module), Cell(need.reasons)) for need in canvas.dependencies),
        ),
        Section(
            "Tables",
            ("table", "columns", "refers to"),
            tuple(
                (_code(table.name), Cell(table.columns), Cell(tuple(map(str, table.foreign_keys))))
                for table in canvas.tables
            ),
        ),
        Section("Announces", ("event",), tuple((_code(event),) for event in canvas.events)),
        Section(
            "Reacts to",
            ("event", "of", "by"),
            tuple((_code(row.event), _module(row.module), _code(row.handler)) for row in canvas.reactions),
        ),
        Section("Permissions", ("permission",), tuple((_code(name),) for name in canvas.permissions)),
        Section(
            "Settings",
            ("variable", "default", "for"),
            tuple((_code(row.variable), _prose(row.default), _prose(row.description)) for row in canvas.settings),
        ),
        Section(
            "Commands",
            ("command", "for"),
            tuple((_code(f"python -m app {row.line}"), _prose(row.summary)) for row in canvas.commands),
        ),
        Section(
            "Health checks",
            ("check", "makes the instance, when it fails,"),
            tuple((_code(row.name), _prose("not ready" if row.required else "degraded")) for row in canvas.checks),
        ),
    )
    return tuple(section for section in found if section.rows)


def _code(word: str) -> Cell:
    return Cell((word,))


def _prose(text: str) -> Cell:
    return Cell((text,), is_code=False)


def _module(name: str | None) -> Cell:
    return Cell((name,), is_code=False, is_module=True) if name else _prose("the platform")


def markdown(canvas: Canvas) -> str:
    """The page of a module, as `docs/modules/<name>.md` holds it."""
    routes = Section(
        "Routes",
        ("route", "what it does", "permission"),
        tuple(
            (_code(f"{route.method} {route.path}"), _prose(route.summary), Cell(route.permissions))
            for route in canvas.routes
        ),
    )
    told = [routes, *sections(canvas)] if canvas.routes else sections(canvas)
    source = "Written from the code by `make docs-modules`: [how to read it](README.md)."
    return "\n\n".join([f"# {canvas.name}", _plain(canvas.summary), *map(_table, told), source]) + "\n"


def _table(section: Section) -> str:
    rows = [section.head, ["-"] * len(section.head), *(map(_written, row) for row in section.rows)]
    return f"## {section.title}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _written(cell: Cell) -> str:
    if cell.is_code:
        return ", ".join(f"`{_line(word).replace('`', '')}`" for word in cell.words)
    text = " ".join(map(_plain, cell.words))
    return f"[{text}]({text}.md)" if cell.is_module else text


def _plain(text: str) -> str:
    """No markup of the text takes effect."""
    return _line(text).replace("&", "&amp;").replace("<", "&lt;")


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


@dataclass(frozen=True, slots=True)
class Circle:
    """Modules whose tables refer to each other in a ring, and the foreign keys of which it consists."""

    modules: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]

    def __str__(self) -> str:
        keys = ", ".join(f"{key.column} to {key.target}" for key in self.foreign_keys)
        return (
            f"The tables of {' and '.join(self.modules)} refer to each other in a circle: {keys}. Let the foreign keys "
            f"of one module go: keep the ids in its columns without them, and react to an event when a row goes."
        )


def circles(canvases: Iterable[Canvas]) -> tuple[Circle, ...]:
    """The shortest ring of foreign keys through each module that is in one; each ring once."""
    keys = {
        canvas.name: [key for table in canvas.tables for key in table.foreign_keys if key.module != canvas.name]
        for canvas in canvases
    }
    edges = {name: {key.module for key in keys[name] if key.module is not None} for name in keys}
    rings: dict[frozenset[str], tuple[str, ...]] = {}
    for name in sorted(edges):
        if ring := _ring(name, edges):
            rings.setdefault(frozenset(ring), ring)
    return tuple(
        Circle(
            ring,
            tuple(key for one, other in pairwise((*ring, ring[0])) for key in keys[one] if key.module == other),
        )
        for ring in rings.values()
    )


def _ring(start: str, edges: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """The modules on the shortest way from `start` back to itself; empty when there is none."""
    ways: deque[tuple[str, ...]] = deque([(start,)])
    seen: set[str] = set()
    while ways:
        way = ways.popleft()
        for name in sorted(edges.get(way[-1], ())):
            if name == start:
                return way
            if name not in seen:
                seen.add(name)
                ways.append((*way, name))
    return ()
