"""Makes a module from its name and its fields, and removes one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import app.modules
from app.canvas import collect
from app.core.canvas import Canvas
from app.core.module import PLATFORM, discover
from app.core.settings import PostgresAddress
from app.scaffold.columns import Column, Relation
from app.scaffold.errors import ScaffoldError
from app.scaffold.fields import FieldSpec, parse_fields
from app.scaffold.kinds import columns_of
from app.scaffold.names import MAX_IDENTIFIER, Names, names_of, plural_of
from app.scaffold.render import write_files
from app.scaffold.workspace import ROOT, copy_of_project, delete, diff, exchange, new_files, run_python

_VERSIONS: Final = "alembic/versions"


@dataclass(frozen=True, slots=True)
class Change:
    """What was or would be done: files by their names from the project's root, and the diff that adds them."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    diff: tuple[str, ...]


def write_module(
    name: str,
    fields: str,
    address: PostgresAddress,
    *,
    plural: str | None = None,
    summary: str | None = None,
    dry_run: bool = False,
) -> Change:
    """Writes the module, its tests, its migration and its pages, and only those; nothing when it is a dry run.

    The migration has been run up, down and up again in an empty database on the server of `address`.

    Raises:
        ScaffoldError: a name, a type or an option cannot be used, or something is there already.
    """
    names = names_of(name, plural)
    specs = parse_fields(fields)
    canvases = collect(app.modules, discover(app.modules))
    _refuse_what_exists(names, canvases)
    _refuse_itself(names, specs)
    columns = columns_of(specs, names, _relations(canvases))
    _refuse_long_names(names, columns)
    with copy_of_project() as copy:
        write_files(names, summary or f"The {names.labels}.", columns, copy)
        migration = run_python(copy, address, "-m", "app.scaffold.complete", f"Create {names.labels}").strip()
        # The module's folder comes last: a server that watches it then finds a module that is complete.
        places = [*_places(name)[1:], f"{_VERSIONS}/{migration}", _places(name)[0]]
        added = new_files(copy, places)
        change = Change(tuple(added), (), tuple(diff(copy, added)))
        if not dry_run:
            exchange(copy, [place for place in places if (copy / place).exists()])
            _renew_diagram(copy)
    return change


def remove_module(name: str, address: PostgresAddress, *, dry_run: bool = False) -> Change:
    """Removes the module, its tests and its pages, and writes the migration that drops its tables.

    Raises:
        ScaffoldError: there is no such module, or another depends on it.
    """
    canvases = collect(app.modules, discover(app.modules))
    if name not in {canvas.name for canvas in canvases}:
        known = ", ".join(canvas.name for canvas in canvases) or "none"
        raise ScaffoldError(f"There is no module {name!r}. There are: {known}.")
    if dependents := [line for canvas in canvases for line in _dependence(canvas, name)]:
        raise ScaffoldError(
            f"Nothing was changed, because others depend on {name}: {'; '.join(dependents)}. Remove these, or what "
            f"they declare, first."
        )
    with copy_of_project() as copy:
        for place in _places(name):
            delete(copy / place)
        reason = f"the module {name} was removed"
        tables = any(canvas.tables for canvas in canvases if canvas.name == name)
        drop = f"Drop the tables of {name.replace('_', ' ')}"
        migration = run_python(copy, address, "-m", "app.scaffold.complete", drop, reason).strip() if tables else None
        added = [f"{_VERSIONS}/{migration}"] if migration else []
        removed = [place for place in _places(name) if (ROOT / place).exists()]
        change = Change(tuple(added), tuple(removed), tuple(diff(copy, added)))
        if not dry_run:
            exchange(copy, added, removed)
            _renew_diagram(copy)
    return change


def _places(name: str) -> list[str]:
    """Where the files of a module lie, its own folder first."""
    return [
        f"app/modules/{name}",
        f"tests/modules/{name}",
        f"docs/modules/{name}.md",
        f"docs/openapi/{name}.json",
        f"templates/mail/{name}",
    ]


def _relations(canvases: Sequence[Canvas]) -> Mapping[str, Relation]:
    """The modules that a field can refer to: those with one table, or with one that is named for the module."""

    def find() -> Iterator[tuple[str, Relation]]:
        for canvas in canvases:
            tables = [table.name for table in canvas.tables]
            named = [table for table in tables if table == plural_of(canvas.name)] or tables
            if len(named) == 1:
                yield canvas.name, Relation(canvas.name, named[0])

    return dict(find())


def _refuse_what_exists(names: Names, canvases: Sequence[Canvas]) -> None:
    if names.name == PLATFORM:
        raise ScaffoldError(f"{PLATFORM!r} is what the documents call the rest. Give the module another name.")
    for canvas in canvases:
        if canvas.name == names.name:
            raise ScaffoldError(f"There is a module {names.name!r} already. Give this one another name.")
        for table in canvas.tables:
            if table.name == names.plural:
                raise ScaffoldError(
                    f"There is a table {names.plural!r} already, that of the module {canvas.name}. State another "
                    f"plural: plural=…"
                )
    for place in _places(names.name):
        _forget_compiled(ROOT / place)
        if (ROOT / place).exists():
            raise ScaffoldError(
                f"{place} is there already, without a module {names.name!r}. Delete it, or rename the module."
            )


def _forget_compiled(folder: Path) -> None:
    """Deletes a folder of which Python's compiled files are all that is left."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= {"__pycache__"}:
        delete(folder)


def _refuse_itself(names: Names, specs: Sequence[FieldSpec]) -> None:
    for spec in specs:
        if spec.kind == names.name:
            raise ScaffoldError(
                f"The field {spec.name!r} would refer to the module itself, which is a circle: no first row could be "
                f"stored. Make the module without it, and add an optional key to the model."
            )


def _refuse_long_names(names: Names, columns: Sequence[Column]) -> None:
    created = ["created_at_id"]
    keys = [f"{column.name}_id" for column in columns]
    checks = [f"{column.name}_known" for column in columns if column.members]
    checks += [f"{column.name}_complete" for column in columns if column.optional and column.together == column.name]
    longest = max((f"ix_{names.plural}_{rest}" for rest in (*created, *keys, *checks)), key=len)
    if len(longest) > MAX_IDENTIFIER:
        raise ScaffoldError(
            f"{longest} would be a name in the database, and PostgreSQL keeps {MAX_IDENTIFIER} characters of it. "
            f"Shorten the name of the module or of the field."
        )


def _dependence(canvas: Canvas, name: str) -> Iterator[str]:
    """What of another module refers to the one called `name`, for people."""
    for dependency in canvas.dependencies:
        if dependency.module == name:
            by = [*dependency.foreign_keys, *(f"{file}.py" for file in dependency.imports)]
            yield f"{canvas.name} ({', '.join(by)})"


def _renew_diagram(copy: Path) -> None:
    """The picture of all modules, which git does not track, where somebody has one."""
    if (ROOT / "docs/modules/diagram.svg").exists():
        (copy / "docs/modules/diagram.svg").replace(ROOT / "docs/modules/diagram.svg")
