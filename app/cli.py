"""`python -m app …`: what the Makefile calls, and what an operator types."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

import app.modules
from app import __version__
from app.core.logging import configure_logging
from app.core.module import discover, settings_areas
from app.core.settings import Environment, PostgresAddress, Settings, describe, load_settings
from app.core.startup import StartupRefused
from app.db.local import database_address
from app.db.model import metadata

if TYPE_CHECKING:  # each command loads what it needs
    from app.documents import Documents
    from app.scaffold.module import Change

_ROOT: Final = Path(__file__).resolve().parent.parent
_LINE_EVERY: Final = 5.0  # seconds

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@cli.callback()
def _root() -> None:
    """Trellis: serve it, migrate its database, look after it."""


@cli.command()
def dev(
    port: Annotated[int, typer.Option(help="TCP port on 127.0.0.1.", min=1, max=65_535)] = 8000,
    stop_with_parent: Annotated[bool, typer.Option(help="Stop when the process that started this is gone.")] = False,
    traces: Annotated[bool, typer.Option(help="Trace requests, and start what shows the traces.")] = False,
) -> None:
    """Serve on this machine, with reload and a database of its own."""
    try:
        from app import dev_server, trace_viewer  # noqa: PLC0415  the file watcher is a development dependency
    except ModuleNotFoundError as missing:
        raise StartupRefused(
            f"`dev` needs {missing.name}, a development dependency. Install it with: make install"
        ) from None
    if traces:
        # For the process that serves, which is started anew after each change.
        os.environ["OTEL_ENABLED"] = "true"
    settings = _settings()
    configure_logging(settings.log)
    if stop_with_parent:
        dev_server.stop_with_parent()
    with ExitStack() as stack:
        listener = stack.enter_context(dev_server.listen(port))
        if traces:
            stack.enter_context(trace_viewer.running(settings.otel))
        address = stack.enter_context(database_address(settings.postgres))
        _migrate(address, settings)
        base = f"http://127.0.0.1:{port}"
        typer.echo(f"{settings.app.name} {__version__}, {settings.app.env}")
        typer.echo(f"  page      {base}/")
        typer.echo(f"  docs      {base}/docs")
        typer.echo(f"  database  {address}")
        if traces:
            typer.echo(f"  traces    {trace_viewer.PAGE}")
        typer.echo("  stop      Ctrl-C")
        dev_server.run_with_reload(listener)


@cli.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port.", min=1, max=65_535)] = 8000,
    migrate: Annotated[bool, typer.Option(help="Migrate first; instances that start together wait.")] = False,
) -> None:
    """Serve in production."""
    from app import server  # noqa: PLC0415  each command loads what it needs, so that all start fast

    # The first process of a container ignores SIGTERM until it has a handler, and migrating may take a while.
    signal.signal(signal.SIGTERM, _stop)
    settings = _settings()
    configure_logging(settings.log)
    with database_address(settings.postgres) as address:
        if migrate:
            _migrate(address, settings)
        server.serve(settings, host, port)


@cli.command("migrate")
def migrate_database(target: Annotated[str, typer.Argument(help="A revision, or head.")] = "head") -> None:
    """Bring the database to the newest revision, or up to TARGET."""
    settings = _settings()
    with database_address(settings.postgres) as address:
        _migrate(address, settings, target)


@cli.command()
def rollback(steps: Annotated[int, typer.Argument(help="How many migrations to take back.", min=1)] = 1) -> None:
    """Take the newest migrations of the database back."""
    from app.db import migrations  # noqa: PLC0415

    settings = _settings()
    with database_address(settings.postgres) as address:
        for revision in asyncio.run(migrations.downgrade(address, settings.postgres, steps)):
            typer.echo(f"took back {revision}")


@cli.command()
def migration(message: Annotated[str, typer.Argument(help="What it changes, in a few words.")]) -> None:
    """Write the migration that brings the database to what the models say."""
    from app.db import migrations  # noqa: PLC0415

    settings = _settings()
    with database_address(settings.postgres) as address:
        path = asyncio.run(migrations.revision(message, address, settings.postgres, metadata))
    typer.echo(f"Wrote {path.relative_to(_ROOT)}. Read it, then apply it with: make migrate")


@cli.command()
def rebase() -> None:
    """Put two lines of migrations, as a merge of branches leaves them, into one."""
    from app.db import migrations  # noqa: PLC0415

    done = migrations.rebase()
    typer.echo("There is one line of migrations: nothing to do." if done is None else str(done))


@cli.command("module")
def add_module(
    name: Annotated[str, typer.Argument(help="Its name, in the singular: order_line.")],
    fields: Annotated[str, typer.Argument(help="Its fields: 'number:str:unique due:date? customer:user'.")],
    plural: Annotated[
        str | None, typer.Option(help="The plural of its name, where English has an unusual one.")
    ] = None,
    summary: Annotated[str | None, typer.Option(help="What it is for, in a sentence.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Show what would be written, and write nothing.")] = False,
) -> None:
    """Write a module: its folder, its tests, its migration and its page."""
    from app.scaffold import write_module  # noqa: PLC0415

    settings = _settings()
    with database_address(settings.postgres) as address:
        change = write_module(name, fields, address, plural=plural, summary=summary, dry_run=dry_run)
        _tell(change, dry_run=dry_run)
        if not dry_run and settings.app.env is Environment.LOCAL:
            _migrate(address, settings)
    if not dry_run:
        typer.echo(f"Its rules go into app/modules/{name}/service.py. Then: make check test")


@cli.command("module-remove")
def remove_module(
    name: Annotated[str, typer.Argument(help="The name of its folder in app/modules.")],
    dry_run: Annotated[bool, typer.Option(help="Show what would be removed, and remove nothing.")] = False,
) -> None:
    """Remove a module, with its tests and pages, and write the migration that drops its tables."""
    from app.scaffold import remove_module  # noqa: PLC0415

    settings = _settings()
    with database_address(settings.postgres) as address:
        change = remove_module(name, address, dry_run=dry_run)
        typer.echo(f"No other module depends on {name}.")
        _tell(change, dry_run=dry_run)
        if not dry_run and settings.app.env is Environment.LOCAL:
            _migrate(address, settings)


@cli.command()
def check() -> None:
    """Fail when migrations are unsafe or differ from the models, a sort has no index, or a written document is stale."""
    from app import documents  # noqa: PLC0415
    from app.canvas import collect  # noqa: PLC0415
    from app.core.canvas import circles  # noqa: PLC0415
    from app.db import migrations  # noqa: PLC0415
    from app.db.indexes import unindexed_sorts  # noqa: PLC0415

    settings = _settings()
    with database_address(settings.postgres) as address:
        found = [*asyncio.run(migrations.check(address, settings.postgres, metadata)), *unindexed_sorts()]
    modules = discover(app.modules)
    canvases = collect(app.modules, modules)
    findings = [str(finding) for finding in (*found, *circles(canvases))]
    findings += documents.contracts(modules).faults()
    findings += documents.pages(canvases).faults()
    for finding in findings:
        typer.echo(finding, err=True)
    if findings:
        raise typer.Exit(1)


@cli.command()
def openapi() -> None:
    """Write docs/openapi: for each module the contract that clients are built from."""
    from app import documents  # noqa: PLC0415

    _write(documents.contracts(discover(app.modules)))


@cli.command()
def docs_modules() -> None:
    """Write docs/modules: what each module consists of, and a diagram of them all."""
    from app import documents  # noqa: PLC0415
    from app.canvas import collect  # noqa: PLC0415

    _write(documents.pages(collect(app.modules, discover(app.modules))))


@cli.command()
def seed(
    rows: Annotated[int, typer.Argument(help="How many rows each table gets.", min=1)],
    randomness: Annotated[int, typer.Option("--seed", help="The same number makes the same values.")] = 0,
) -> None:
    """Fill the database with sample data: ROWS rows from each factory of a module."""
    try:
        from app.db import factories, seeding  # noqa: PLC0415  their source of names is a development dependency
    except ModuleNotFoundError as missing:
        raise StartupRefused(
            f"`seed` needs {missing.name}, a development dependency. Install it with: make install"
        ) from None
    settings = _settings()
    if settings.app.env is Environment.PROD:
        raise StartupRefused("Sample data has no place in prod. Seed another database, and state its APP_ENV.")
    found = factories.find_factories(app.modules)
    with database_address(settings.postgres) as address:
        _migrate(address, settings)
        with _progress(rows * len(found)) as report:
            asyncio.run(seeding.seed(address, settings.postgres, found, rows, report, randomness=randomness))
    for factory in found:
        typer.echo(f"{factory.table.name}: {rows} more rows")


@cli.command()
def settings() -> None:
    """Print the settings in effect and where each was stated, secrets masked."""
    rows = describe(_settings())
    width = max(len(row.variable) for row in rows)
    for row in rows:
        typer.echo(f"{row.variable:<{width}}  {row.value}  ({row.source})")


@cli.command()
def doctor(port: Annotated[int, typer.Option(help="The port that `dev` would use.")] = 8000) -> None:
    """Look for what keeps the application from running here, and say how to mend it."""
    from app.doctor import examine  # noqa: PLC0415

    findings = examine(port)
    for finding in findings:
        typer.echo(f"{'ok ' if finding.healthy else 'BAD'}  {finding.what}")
        if not finding.healthy:
            typer.echo(f"     {finding.mend}")
    if not all(finding.healthy for finding in findings):
        raise typer.Exit(1)


def _tell(change: "Change", *, dry_run: bool) -> None:
    if dry_run:
        typer.echo("\n".join(change.diff))
    would = "would be " if dry_run else ""
    for name in change.added:
        typer.echo(f"{would}written  {name}")
    for name in change.removed:
        typer.echo(f"{would}deleted  {name}")


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    # At once: an exception out of a signal handler may get lost in a callback, and PostgreSQL rolls back what is open.
    os._exit(0)


def _settings() -> Settings:
    return load_settings(settings_areas(discover(app.modules)))


def _write(written: "Documents") -> None:
    for done in [*written.write()] or ["All of them are current."]:
        typer.echo(done)


def _migrate(address: PostgresAddress, settings: Settings, target: str = "head") -> None:
    from app.db import migrations  # noqa: PLC0415

    for revision in asyncio.run(migrations.upgrade(address, settings.postgres, target)):
        typer.echo(f"applied {revision}")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str, int], None]]:
    """What to tell of rows that a table got, out of `total`: shown as a bar in a terminal, elsewhere now and then."""
    is_terminal = sys.stdout.isatty()
    shown = time.monotonic()

    with typer.progressbar(length=total, show_pos=True, hidden=not is_terminal) as bar:

        def report(table: str, rows: int) -> None:
            nonlocal shown
            bar.label = table
            bar.update(rows)
            if not is_terminal and time.monotonic() - shown > _LINE_EVERY:
                shown = time.monotonic()
                typer.echo(f"{table}: {bar.pos} of {total} rows")

        yield report


for _module in discover(app.modules):
    if _module.commands is not None:
        cli.add_typer(_module.commands, name=_module.name)
