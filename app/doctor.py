"""What keeps the application from running on this machine."""

import asyncio
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import app.modules
from app.core.errors import AppError
from app.core.module import BrokenModule, Module, discover, settings_areas
from app.core.settings import PostgresAddress, Settings, SettingsError, load_settings
from app.core.startup import StartupRefused
from app.db.local import LOCAL_DATA, database_address
from app.db.sessions import open_database

_MIN_FREE = 512 * 1024 * 1024  # bytes: a new cluster takes 40 MiB, and a full disk stops PostgreSQL


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at and found; `mend` says what to do when it is not healthy."""

    what: str
    healthy: bool = True
    mend: str = ""


def examine(port: int) -> tuple[Finding, ...]:
    """Looks at everything that starting needs; `port` is the one that the server would use."""
    return tuple(_examine(port))


def _examine(port: int) -> Iterator[Finding]:
    yield Finding(f"Python {sys.version.split()[0]}")
    yield _disk()
    yield _port(port)
    modules: tuple[Module, ...] = ()
    try:
        modules = discover(app.modules)
        yield Finding(f"{len(modules)} modules")
    except BrokenModule as error:
        yield Finding("a module is broken", healthy=False, mend=str(error))
    try:
        settings = load_settings(settings_areas(modules))
    except SettingsError as error:
        yield Finding("the settings are at fault", healthy=False, mend=str(error))
        return
    yield Finding(f"settings for {settings.app.env}")
    yield _database(settings)


def _disk() -> Finding:
    existing = next(folder for folder in (LOCAL_DATA, *LOCAL_DATA.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    what = f"{free // 2**20} MiB free at {existing}"
    return Finding(what, free >= _MIN_FREE, f"Free some space: {_MIN_FREE // 2**20} MiB are needed to work safely.")


def _port(port: int) -> Finding:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            mend = f"Stop what uses it, or choose another: make dev PORT={port + 1}"
            return Finding(f"port {port} is taken", healthy=False, mend=mend)
    return Finding(f"port {port} is free")


def _database(settings: Settings) -> Finding:
    try:
        with database_address(settings.postgres) as address:
            asyncio.run(_ping(address, settings))
            return Finding(f"database {address} answers")
    except (StartupRefused, AppError) as error:
        where = settings.postgres.address or "that comes with the dependencies"
        return Finding(f"the database {where} cannot be used", healthy=False, mend=str(error))


async def _ping(address: PostgresAddress, settings: Settings) -> None:
    async with open_database(address, settings.postgres, {}) as database:
        await database.ping()
