"""Transactions: the unit of work that an edge opens, and the session of those that only read."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import Engine, event, text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.orm import ORMExecuteState, with_loader_criteria
from sqlalchemy.orm.exc import StaleDataError
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.orm.session import Session

from app.core.errors import AppError, Stale, Unavailable
from app.core.messages import AnyHandler, Event
from app.core.settings import PostgresAddress, PostgresSettings
from app.db.engine import open_engine
from app.db.errors import ConnectionLost, DatabaseBusy
from app.db.model import SoftDelete


class CommitUnknown(Unavailable):
    """The connection was lost while committing: the work may or may not be stored, so it must not be run again."""

    detail = "The connection to the database was lost while storing. Check whether the change is there, then try again."


class _SyncSession(Session):
    pass


class ReadSession(AsyncSession):
    """Queries outside a transaction: each sees what is committed when it starts, and none can store anything."""

    sync_session_class = _SyncSession

    async def flush(self, objects: Sequence[object] | None = None) -> None:  # noqa: ARG002  the signature is SQLAlchemy's
        raise TypeError("A ReadSession stores nothing. Take a UnitOfWork for what changes data.")

    async def commit(self) -> None:
        await self.flush()


class _WriteSession(AsyncSession):
    sync_session_class = _SyncSession


class UnitOfWork:
    """One transaction: all that is done through `session` is stored together, or not at all.

    Only the edge that opened it commits, by leaving the context; services and repositories never do.
    """

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self._sent: deque[Event] = deque()

    def send(self, event: Event) -> None:
        """Announces `event` to its handlers, which act in this transaction just before it commits."""
        self._sent.append(event)

    async def deliver(self, handlers: Sequence[AnyHandler]) -> None:
        """Calls those of `handlers` that react to what was sent, and to what they send in turn."""
        while self._sent:
            event = self._sent.popleft()
            for handler in handlers:
                if isinstance(event, handler.event):
                    await handler(self, event)


class Database:
    """The engines, and the sessions on them.

    A connection in place of an engine binds everything to that connection's transaction: tests roll it back.
    """

    def __init__(
        self,
        write: AsyncEngine | AsyncConnection,
        read: AsyncEngine | AsyncConnection,
        handlers: Sequence[AnyHandler] = (),
    ) -> None:
        self._write = write
        self._read = read
        self._handlers = handlers

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[UnitOfWork]:
        """A transaction, committed when the block ends and rolled back when it raises.

        Raises:
            Stale: a row was changed by another since it was read.
            CommitUnknown: the connection was lost while committing.
            AppError: what the database refused (see `app.db.errors`).
        """
        committing = False
        try:
            async with _WriteSession(
                self._write, expire_on_commit=False, join_transaction_mode="create_savepoint"
            ) as session:
                uow = UnitOfWork(session)
                yield uow
                await uow.deliver(self._handlers)
                committing = True
                await session.commit()
        except PoolTimeout as error:
            raise DatabaseBusy from error
        except StaleDataError as error:
            raise Stale from error
        except ConnectionLost as error:
            if committing:
                raise CommitUnknown from error
            raise

    @asynccontextmanager
    async def read_session(self) -> AsyncIterator[ReadSession]:
        """A session without a transaction."""
        try:
            async with ReadSession(
                self._read, expire_on_commit=False, autoflush=False, join_transaction_mode="create_savepoint"
            ) as session:
                yield session
        except PoolTimeout as error:
            raise DatabaseBusy from error

    async def ping(self) -> None:
        """Returns when the database answers a query."""
        async with self.read_session() as session:
            await (await session.connection()).execute(text("SELECT 1"))


@asynccontextmanager
async def open_database(
    address: PostgresAddress,
    settings: PostgresSettings,
    constraints: Mapping[str, type[AppError]],
    handlers: Sequence[AnyHandler] = (),
    watch: Callable[[Engine], None] | None = None,
) -> AsyncIterator[Database]:
    """The database at `address`, read from its replica where one is set; closed when the block ends.

    `watch` is called with each engine before its first statement.
    """
    engine = open_engine(address, settings, constraints, watch)
    replica = engine
    if settings.replica_address:
        replica = open_engine(settings.replica_address, settings, constraints, watch)
    try:
        # In AUTOCOMMIT a lone SELECT costs one round trip; BEGIN and ROLLBACK around it would cost two more.
        yield Database(engine, replica.execution_options(isolation_level="AUTOCOMMIT"), handlers)
    finally:
        await replica.dispose()
        await engine.dispose()


@event.listens_for(_SyncSession, "do_orm_execute")
def _hide_deleted(state: ORMExecuteState) -> None:
    if state.is_select and not state.is_column_load and (models := SoftDelete.__subclasses__()):
        state.statement = state.statement.options(
            *(with_loader_criteria(model, col(model.deleted_at).is_(None), include_aliases=True) for model in models)
        )
