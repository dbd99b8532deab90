"""Watches every statement that a test runs in this process, and fails the test for what no assertion looks for.

For a statement that is repeated, as a query for each row is (N+1), and for a module that reads or writes the tables of
another.
"""

import inspect
import re
from collections import Counter
from collections.abc import Generator, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Final
from weakref import WeakSet

import greenlet  # type: ignore[import-untyped]  # comes with sqlalchemy[asyncio]
import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, Engine, Table, event
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext
from sqlalchemy.orm import Session, SessionTransaction
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.db.model import Model
from tests.support.sql import tables_of

MAX_RUNS: Final = 5
"""How often one statement may run in one request. A rule that asks one thing of a few places stays below it, and a test
needs no more than six rows to show a query for each."""

_ROOT: Final = Path(__file__).resolve().parents[2]
# `tests/sample` holds modules that are there for the tests of what all modules share.
_MODULE: Final = re.compile(r"(app/modules|tests/sample)/\w+(?=/)")
# All that is written to a session since the last flush is sent by the next one, whoever asks for it.
_FLUSH: Final = Session.flush.__code__


@dataclass(frozen=True, slots=True)
class _Source:
    """A file of ours, from the root; `module` is the folder of the module that it belongs to."""

    path: str
    module: str | None


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of ours that runs a statement, itself or by writing out what is pending in the session."""

    source: _Source
    number: int
    flushes: bool

    def __str__(self) -> str:
        return f"{self.source.path}:{self.number}"


@dataclass(eq=False, slots=True)
class _Work:
    """An attempt at a request, or a session outside of one: how often it ran each statement, and the lines that did too often."""

    name: str
    runs: Counter[str] = field(default_factory=Counter)
    lines: dict[str, _Line | None] = field(default_factory=dict)


_request: ContextVar[_Work | None] = ContextVar("_request", default=None)


class _RequestWatch:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = _request.set(_Work(f"{scope['method']} {scope['path']}"))
        try:
            await self._app(scope, receive, send)
        finally:
            _request.reset(token)


_WATCH: Final = Middleware(_RequestWatch)


def watched(application: FastAPI) -> FastAPI:
    """`application`, whose requests are known by their statements.

    Innermost, so that a request that is run again is counted afresh.
    """
    if _WATCH not in application.user_middleware:
        application.user_middleware.append(_WATCH)
    return application


class QueryGuard:
    """The plugin of pytest that watches. A mark lifts the first rule from a test: `repeats_statements("reason")`."""

    def __init__(self) -> None:
        self._listeners = (
            (Engine, "before_cursor_execute", self._note_statement),
            (Session, "after_begin", self._open_work),
            (Session, "transient_to_pending", self._note_new_row),
        )
        self._forget()

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line(
            "markers", f"repeats_statements(reason): a request of this test runs a statement more than {MAX_RUNS} times"
        )
        for target, name, listener in self._listeners:
            event.listen(target, name, listener)

    def pytest_unconfigure(self) -> None:
        for target, name, listener in self._listeners:
            event.remove(target, name, listener)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self._forget()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        mark = item.get_closest_marker("repeats_statements")
        if mark is not None and not any(isinstance(reason, str) and reason.strip() for reason in mark.args):
            pytest.fail('Say why it repeats statements: @pytest.mark.repeats_statements("reason").', pytrace=False)
        # What fixtures put into the database, row by row or not, is no behaviour of the application.
        self._repeating.clear()
        yield
        found = [*self._foreign(), *(self._repeated() if mark is None else ())]
        if found:
            pytest.fail("\n\n".join(found), pytrace=False)

    def _forget(self) -> None:
        self._works: dict[Connection, tuple[Session, _Work]] = {}
        self._repeating: list[_Work] = []
        self._ran: dict[tuple[str, str], _Line] = {}
        self._added: dict[tuple[str, type[object]], _Line] = {}
        self._seen: WeakSet[ExecutionContext] = WeakSet()

    def _open_work(self, session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
        # A savepoint begins anew within the same work.
        if connection not in self._works or self._works[connection][0] is not session:
            self._works[connection] = (session, _Work("one session outside a request"))

    def _note_statement(
        self,
        connection: Connection,
        _cursor: DBAPICursor,
        statement: str,
        _parameters: object,
        context: ExecutionContext | None,
        _executemany: bool,
    ) -> None:
        # Many rows in one statement are sent in batches of one context.
        if context is not None:
            if context in self._seen:
                return
            self._seen.add(context)
        line = _line(inspect.currentframe())
        if line is not None and line.source.module is not None and not line.flushes:
            self._ran.setdefault((line.source.module, statement), line)
        work = _request.get() or self._works.get(connection, (None, None))[1]
        if work is None:
            return
        work.runs[statement] += 1
        if work.runs[statement] == MAX_RUNS + 1:
            if not work.lines:
                self._repeating.append(work)
            work.lines[statement] = line

    def _note_new_row(self, _session: Session, row: object) -> None:
        # Its INSERT is a flush's, which says nothing of who wanted it.
        line = _line(inspect.currentframe())
        if line is not None and line.source.module is not None:
            self._added.setdefault((line.source.module, type(row)), line)

    def _repeated(self) -> Iterator[str]:
        for work in self._repeating:
            for statement, line in work.lines.items():
                yield (
                    f"{line or 'A line that is not ours'} ran a statement {work.runs[statement]} times in {work.name}; "
                    f"more than {MAX_RUNS} is one query for each row (N+1).\n{_indented(statement)}\n"
                    "Read all rows at once, by `get_many`, a join or eager loading, and write them by one statement. "
                    'A test that means to repeat it is marked: @pytest.mark.repeats_statements("reason").'
                )

    def _foreign(self) -> Iterator[str]:
        owners = _owners()
        for (module, statement), line in self._ran.items():
            tables = tables_of(statement)
            if tables is None:
                # A statement that nobody can read may still do harm: a name in it is taken for the table.
                words = set(re.findall(r"\w+", statement.lower()))
                tables = frozenset(table for table in owners if table.split(".")[1].lower() in words)
            for table in sorted(tables):
                if (owner := owners.get(table, module)) != module:
                    yield _trespass(line, table, owner, statement)
        for (module, kind), line in self._added.items():
            if (stored := _table_of(kind)) and (owner := owners.get(stored, module)) != module:
                yield _trespass(line, stored, owner, f"session.add({kind.__name__}(…))")


def _trespass(line: _Line, table: str, owner: str, statement: str) -> str:
    return (
        f"{line} touches {table.removeprefix('public.')}, which belongs to {owner}.\n{_indented(statement)}\n"
        f"A module reads and writes its own tables only. Ask it through {owner}/public.py, or react to its events."
    )


def _indented(statement: str) -> str:
    return "\n".join(f"    {row}" for row in statement.strip().splitlines())


def _owners() -> dict[str, str]:
    """The tables that are a module's, each with the folder of the module whose class is mapped to it."""
    found = {}
    kinds: list[type[Model]] = [Model]
    for kind in kinds:
        kinds += kind.__subclasses__()
        if (table := _table_of(kind)) and (module := _module_of(kind.__module__.replace(".", "/"))):
            found[table] = module
    return found


def _table_of(kind: type[object]) -> str | None:
    table = getattr(kind, "__table__", None)
    return f"{table.schema or 'public'}.{table.name}" if isinstance(table, Table) else None


def _module_of(path: str) -> str | None:
    match = _MODULE.match(path)
    return match[0] if match else None


def _line(frame: FrameType | None) -> _Line | None:
    """The innermost line of a module or of a test, else of the application."""
    flushes = False
    nearest: _Line | None = None
    for outer in _outwards(frame):
        flushes = flushes or outer.f_code is _FLUSH
        if (source := _source(outer.f_code)) is not None:
            line = _Line(source, outer.f_lineno, flushes)
            if source.module is not None or source.path.startswith("tests/"):
                return line
            nearest = nearest or line
    return nearest


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """`frame` and its callers. SQLAlchemy runs in a greenlet, whose parent stands where the statement is awaited."""
    current = greenlet.getcurrent()
    while True:
        while frame is not None:
            yield frame
            frame = frame.f_back
        current = current.parent
        if current is None:
            return
        frame = current.gr_frame


@cache
def _source(code: CodeType) -> _Source | None:
    """The file of ours that `code` stands in; those that only help tests do not count."""
    path = Path(code.co_filename)
    if not path.is_relative_to(_ROOT):
        return None
    place = path.relative_to(_ROOT).as_posix()
    if not place.startswith(("app/", "tests/")) or place.startswith("tests/support/"):
        return None
    return _Source(place, _module_of(place))
