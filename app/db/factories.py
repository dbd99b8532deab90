"""The factories of the modules: how they are found, and how rows are made of them, in any process."""

import importlib.util
import os
import pkgutil
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from operator import attrgetter
from types import ModuleType
from typing import Final, get_type_hints
from uuid import UUID

from sqlalchemy import Column, Table, inspect
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.schema import sort_tables

from app.core.processes import end_with_parent
from app.core.startup import StartupRefused
from app.db.model import Model
from app.db.samples import Sample

MAKERS: Final = min(2, os.cpu_count() or 1)
"""The processes that make rows at once; PostgreSQL needs a processor too."""

Row = tuple[object, ...]
"""The values of a row, in the order of `stored_columns` and in the form that the driver takes."""

_DIALECT: Final = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


class BrokenFactory(StartupRefused):
    """A `factory.py` that cannot be used; the message names it and the fault."""


@dataclass(frozen=True, slots=True)
class Factory:
    """A function of a module's `factory.py`, and the model that it makes."""

    make: Callable[[Sample], Model]
    model: type[Model]

    @property
    def table(self) -> Table:
        return self.model.__table__


@dataclass(frozen=True, slots=True)
class Share:
    """Consecutive rows of one table: how many, and what a Sample for them takes."""

    factory: Factory
    rows: int
    seed: str
    serial: int
    keys: Mapping[str, Sequence[UUID]]


def find_factories(package: ModuleType) -> list[Factory]:
    """The factories of every module below `package`, those first whose rows others refer to.

    Raises:
        BrokenFactory: a `factory.py` names no factories, or one does not say what it makes.
    """
    found = [
        _factory(file, make)
        for folder in pkgutil.iter_modules(package.__path__)
        if (file := _factory_file(f"{package.__name__}.{folder.name}"))
        for make in _declared(file)
    ]
    order = sort_tables([factory.table for factory in found])
    return sorted(found, key=lambda factory: order.index(factory.table))


def make_rows(share: Share) -> list[Row]:
    """The rows of `share`.

    Raises:
        MissingKey: there is no row that one of them could refer to.
    """
    factory = share.factory
    row_of = _reader(factory.model)
    made: list[Row] = []
    # A row may refer to those of its own table that were made before it.
    siblings = list(share.keys.get(factory.table.name, ()))
    sample = Sample(share.seed, serial=share.serial, keys={**share.keys, factory.table.name: siblings})
    for row in sample.rows(factory.make, share.rows):
        siblings.append(row.id)
        made.append(row_of(row))
    return made


def row_makers() -> ProcessPoolExecutor:
    """Processes for `make_rows`, each started when it is needed.

    Spawned, not forked: a fork would take the connection along, and the lease of the embedded server.
    """
    return ProcessPoolExecutor(MAKERS, get_context("spawn"), _prepare_maker)


def stored_columns(table: Table) -> list[Column[object]]:
    """All that are stored as given: not those that PostgreSQL computes."""
    return [column for column in table.columns if column.computed is None]


def _prepare_maker() -> None:
    # A terminal sends Ctrl-C to all processes of a command: the one that was started ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def _factory_file(module: str) -> ModuleType | None:
    path = f"{module}.factory"
    return importlib.import_module(path) if importlib.util.find_spec(path) else None


def _declared(file: ModuleType) -> Sequence[Callable[[Sample], Model]]:
    declared: Sequence[Callable[[Sample], Model]] | None = getattr(file, "factories", None)
    if declared is None:
        raise BrokenFactory(f"{file.__name__} declares no `factories`. Name its functions: factories = (make_…,)")
    return declared


def _factory(file: ModuleType, make: Callable[[Sample], Model]) -> Factory:
    model = get_type_hints(make).get("return")
    if not (isinstance(model, type) and issubclass(model, Model)):
        raise BrokenFactory(
            f"{make.__name__} of {file.__name__} does not say which model it makes. "
            f"Annotate it: def {make.__name__}(sample: Sample) -> …"
        )
    return Factory(make, model)


def _reader(model: type[Model]) -> Callable[[Model], Row]:
    columns = stored_columns(model.__table__)
    mapper = inspect(model)
    values: Callable[[Model], Row] = attrgetter(*(mapper.get_property_by_column(column).key for column in columns))
    converters = [column.type.dialect_impl(_DIALECT).bind_processor(_DIALECT) for column in columns]
    if not any(converters):
        return values
    return lambda row: tuple(
        convert(value) if convert else value for convert, value in zip(converters, values(row), strict=True)
    )
