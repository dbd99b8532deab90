"""Finds the sort keys of lists that no index orders: a page of such a list reads and sorts the whole table."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Column, UniqueConstraint

from app.db.migrations.findings import Finding
from app.db.repository import Repository


def unindexed_sorts(base: type[Repository[Any]] = Repository) -> Iterator[Finding]:
    """A finding for each sort key, declared by a repository below `base`, that has no index."""
    for repository in base.__subclasses__():
        yield from unindexed_sorts(repository)
        for column in repository.listing.sorts.values():
            if not _is_ordered(column):
                model = repository.model.__name__
                yield Finding(
                    "sort-without-index",
                    f"{repository.__name__} sorts by {column.table}.{column.key}, and no index orders that.",
                    f'Add Index(None, "{column.key}", "id") to __table_args__ of {model}, then make migration; or take '
                    f"the key out of its listing.",
                    Path(inspect.getfile(repository)),
                )


def _is_ordered(column: Column[Any]) -> bool:
    """Whether an index begins with `column` and settles ties by `id`; a unique column without NULL has none."""
    keys = [column, column.table.c.id]
    whole = [index for index in column.table.indexes if index.dialect_options["postgresql"]["where"] is None]
    if any(list(index.expressions)[:2] == keys for index in whole):
        return True
    constraints = (each for each in column.table.constraints if isinstance(each, UniqueConstraint))
    unique = [*(list(each.columns) for each in constraints), *(list(each.expressions) for each in whole if each.unique)]
    return [column] in unique and not column.nullable
