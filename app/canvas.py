"""Collects what each module consists of: from its manifest, its tables, and what its files import of others."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from fastapi.routing import APIRoute

from app.core.canvas import Canvas, Check, Command, Dependency, ForeignKey, Reaction, Route, Setting, Table
from app.core.module import Module
from app.core.security import permissions_of
from app.core.settings import Area, defaults
from app.db.model import Model

if TYPE_CHECKING:  # only a module with commands needs Typer, and servers start without it
    from typer import Typer


def collect(package: ModuleType, modules: Iterable[Module]) -> tuple[Canvas, ...]:
    """The canvas of each of `modules`, whose folders lie in `package`. Reads their source files."""
    tables = _tables(package)
    return tuple(_canvas(package, module, tables.get(module.name, ())) for module in modules)


def _canvas(package: ModuleType, module: Module, tables: Sequence[Table]) -> Canvas:
    return Canvas(
        name=module.name,
        summary=module.summary,
        dependencies=tuple(_dependencies(module.name, tables, _imports(package, module.name))),
        routes=tuple(_routes(module)),
        tables=tuple(tables),
        events=tuple(event.__name__ for event in module.events),
        reactions=tuple(
            Reaction(handler.event.__name__, _owner(package, handler.event), handler.name)
            for handler in module.handlers
        ),
        permissions=tuple(permission.value for permission in module.permissions or ()),
        settings=tuple(_settings(module.settings)),
        commands=tuple(_commands(module.name, module.commands)),
        checks=tuple(Check(check.name, check.required) for check in module.health_checks),
    )


def _dependencies(name: str, tables: Iterable[Table], imports: Iterable[tuple[str, str]]) -> Iterator[Dependency]:
    keys = {(key.module, key.column) for table in tables for key in table.foreign_keys if key.module is not None}
    faces = set(imports)
    for neighbour in sorted({other for other, _ in keys | faces} - {name}):
        yield Dependency(
            neighbour,
            foreign_keys=tuple(sorted(column for other, column in keys if other == neighbour)),
            imports=tuple(sorted(file for other, file in faces if other == neighbour)),
        )


def _routes(module: Module) -> Iterator[Route]:
    for router in module.routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                summary = route.summary or route.description.partition("\n")[0]
                permissions = tuple(permission.value for permission in permissions_of(route))
                anchor = f"{route.tags[0]}/{route.name}"
                for method in sorted(route.methods or ()):
                    yield Route(method, route.path, summary, permissions, anchor)


def _tables(package: ModuleType) -> dict[str, list[Table]]:
    """The tables of each module by its name, those of one module by theirs."""
    mapped = {
        model.__table__.fullname: (module, model)
        for model in _models(Model)
        if (module := _owner(package, model)) is not None and hasattr(model, "__table__")
    }
    found: defaultdict[str, list[Table]] = defaultdict(list)
    for name, (module, model) in sorted(mapped.items()):
        keys = [
            ForeignKey(f"{name}.{key.parent.name}", key.target_fullname, owner[0] if owner else None)
            for key in model.__table__.foreign_keys
            for owner in [mapped.get(key.target_fullname.rpartition(".")[0])]
        ]
        columns = tuple(column.name for column in model.__table__.columns)
        found[module].append(Table(name, columns, tuple(sorted(keys, key=lambda key: (key.column, key.target)))))
    return found


def _models(base: type[Model]) -> Iterator[type[Model]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


def _owner(package: ModuleType, defined: type) -> str | None:
    """The module in whose folder the class is defined; None when it is elsewhere."""
    return next(iter(_below(package, defined.__module__)), None)


def _imports(package: ModuleType, name: str) -> Iterator[tuple[str, str]]:
    """The modules that the files of one import, itself among them, each with the file of theirs."""
    for folder in package.__path__:
        for file in Path(folder, name).rglob("*.py"):
            for imported in _imported(ast.parse(file.read_text(encoding="utf-8"))):
                match _below(package, imported):
                    case [module, inside, *_]:
                        yield module, inside


def _imported(tree: ast.Module) -> Iterator[str]:
    """Full names; that parents are imported relatively, the linter forbids."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _below(package: ModuleType, name: str) -> list[str]:
    """The steps that lead from `package` to `name`; none when it is elsewhere."""
    return name.removeprefix(f"{package.__name__}.").split(".") if name.startswith(f"{package.__name__}.") else []


def _settings(area: type[Area] | None) -> Iterator[Setting]:
    if area is not None:
        for name, field in area.model_fields.items():
            stated = (
                (text or "empty") + (f" in {environment}" if environment else "")
                for text, environment in defaults(area, name)
            )
            yield Setting(area.variable(name), "; ".join(stated), field.description or "")


def _commands(name: str, commands: "Typer | None") -> Iterator[Command]:
    if commands is not None:
        from typer.main import get_group  # noqa: PLC0415

        for command, declared in sorted(get_group(commands).commands.items()):
            yield Command(f"{name} {command}", (declared.help or "").partition("\n")[0])
