"""Where the engine is opened: the pool, its time-outs, and what its errors mean."""

import time
from collections.abc import Callable, Mapping

import asyncpg
from sqlalchemy import URL, Connection, Engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from app.core.errors import AppError
from app.core.query_time import note_query
from app.core.settings import PostgresAddress, PostgresSettings
from app.db.driver import CONNECT_ERRORS, connect, milliseconds, tls_context
from app.db.errors import ConnectionLost, DatabaseUnreachable, translate


def open_engine(
    address: PostgresAddress,
    settings: PostgresSettings,
    constraints: Mapping[str, type[AppError]],
    watch: Callable[[Engine], None] | None = None,
) -> AsyncEngine:
    """An engine whose statements raise AppErrors, `constraints` naming those that stand for a constraint.

    Nothing is connected yet: a database that is down at start-up makes the instance not ready, not dead.
    """
    tls = tls_context(settings)
    limits = _limits(settings)

    async def open_connection() -> asyncpg.Connection:
        try:
            return await connect(
                address,
                settings,
                tls=tls,
                statement_timeout=settings.statement_timeout,
                application_name="trellis",
                limits=limits,
            )
        except CONNECT_ERRORS as error:
            raise DatabaseUnreachable from error

    engine = create_async_engine(
        # For those who watch; `open_connection` decides where to connect.
        URL.create("postgresql+asyncpg", host=address.host, port=address.port, database=address.database),
        async_creator=open_connection,
        pool_size=settings.pool_size,
        max_overflow=settings.pool_max_overflow,
        pool_timeout=settings.pool_timeout,
        pool_recycle=settings.pool_recycle,
        pool_use_lifo=True,  # the connections that a quiet hour does not need go stale together and are recycled
        hide_parameters=True,
    )
    # First, because the translation raises and so ends what listens to errors.
    _time_queries(engine)
    if watch:
        watch(engine.sync_engine)
    _translate_errors(engine, constraints)
    _check_connections(engine, settings.pool_check_after_idle)
    if settings.pgbouncer:
        _set_per_transaction(engine, limits)
    return engine


def _translate_errors(engine: AsyncEngine, constraints: Mapping[str, type[AppError]]) -> None:
    @event.listens_for(engine.sync_engine, "handle_error")
    def raise_app_error(context: ExceptionContext) -> None:
        original = context.original_exception
        error = translate(getattr(original, "driver_exception", None) or original, constraints)
        timed_out = isinstance(original, TimeoutError)
        if context.connection is not None and (timed_out or isinstance(error, ConnectionLost)):
            # A server that does not answer would not answer a polite goodbye either: the pool must not wait for one.
            driver = context.connection.connection.driver_connection
            assert isinstance(driver, asyncpg.Connection)  # noqa: S101  what `open_connection` returned
            driver.terminate()
            context.is_disconnect = True
            context.invalidate_pool_on_disconnect = False
        if error is not None:
            raise error


def _time_queries(engine: AsyncEngine) -> None:
    """Adds each statement to what the current request counts; a failed one, too."""

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def start(connection: Connection, *_: object) -> None:
        connection.info["query_started"] = time.perf_counter()

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def stop(connection: Connection, *_: object) -> None:
        note_query(time.perf_counter() - connection.info.pop("query_started"))

    @event.listens_for(engine.sync_engine, "handle_error")
    def stop_failed(context: ExceptionContext) -> None:
        if context.connection is not None and (started := context.connection.info.pop("query_started", None)):
            note_query(time.perf_counter() - started)


def _check_connections(engine: AsyncEngine, check_after_idle: float) -> None:
    """Spares the round trip of a pre-ping at each checkout.

    A server that ends a connection says so, and the driver knows by the time of the next checkout. Only a network that
    dropped it in silence has to be asked, and does so after minutes, not between two requests.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def note_time(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def refuse_dead(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
        driver = record.driver_connection
        if driver is None or driver.is_closed():
            raise DisconnectionError
        if time.monotonic() - record.info.get("idle_since", time.monotonic()) > check_after_idle:
            try:
                engine.dialect.do_ping(connection)
            except Exception as error:
                raise DisconnectionError from error


def _set_per_transaction(engine: AsyncEngine, limits: Mapping[str, str]) -> None:
    """One round trip more for each unit of work. Reads, each a transaction of its own, have the client's deadline only.

    PgBouncer has to be 1.21 or newer with `max_prepared_statements` above 0, which lets prepared statements follow a
    client from server to server.
    """
    values = {f"{name}_": value for name, value in limits.items()}
    statement = text("SELECT " + ", ".join(f"set_config('{name}', :{name}_, true)" for name in limits))

    @event.listens_for(engine.sync_engine, "begin")
    def set_local(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.execute(statement, values)


def _limits(settings: PostgresSettings) -> dict[str, str]:
    return {
        "statement_timeout": milliseconds(settings.statement_timeout),
        "lock_timeout": milliseconds(settings.lock_timeout),
        "idle_in_transaction_session_timeout": milliseconds(settings.idle_in_transaction_timeout),
        "timezone": "UTC",
        "jit": "off",  # compiling takes longer than any statement of an API runs
    }
