"""`make module` and `make module-remove`, as they are typed."""

import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Final

import httpx2
import pytest

from app.core.settings import PostgresAddress
from tests.e2e.removal import LINT
from tests.e2e.test_schemathesis import COMMAND
from tests.support.copies import Copy
from tests.support.postgres import TestServer
from tests.support.server import server_process
from tests.support.waiting import eventually

# Each starts a dozen processes, one after another.
pytestmark = [pytest.mark.drill, pytest.mark.timeout(300)]

MAKER: Final = ("scaffold_maker", "name:str")
KIND: Final = ("scaffold_kind", "code:str:unique:max=20 end:money?")
# Every type of field with most of its options, and two relations.
FIELDS: Final = (
    "number:str:unique note:text? size:int:index:min=0:max=1000 weight:float:default=1 price:decimal(12,2):min=0.01 "
    "active:bool:default=true day:date:index placed_at:datetime:index token:uuid? payload:json mail:email:unique "
    "site:url? total:money(10,2)? currency:currency order:enum(none,true,paid):default=none maker:scaffold_maker "
    "kind:scaffold_kind?"
)
EVERYTHING: Final = ("scaffold_thing", FIELDS)
REFUSED: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "a wrong name": (("module", "Order", "x:str"), "'Order' is no name for a module"),
    "a reserved word": (("module", "class", "x:str"), "'class' is a word of Python"),
    "a module that exists": (("module", "scaffold_maker", "x:str"), "There is a module 'scaffold_maker' already"),
    "a table that exists": (
        ("module", "another", "x:str", "--plural", "scaffold_makers"), "There is a table 'scaffold_makers' already"
    ),
    "an unknown type": (("module", "another", "x:strin"), "'strin', which does not exist. There are: str,"),
    "a circle": (("module", "another", "parent:another?"), "would refer to the module itself, which is a circle"),
    "a name too long": (("module", "another", f"{'x' * 60}:str"), "PostgreSQL keeps 63 characters"),
    "the removal of nothing": (("module-remove", "nothing"), "There is no module 'nothing'. There are:"),
    "a removal that others mind": (
        ("module-remove", "scaffold_maker"), "others depend on scaffold_maker: scaffold_thing (scaffold_things.maker_id)"
    ),
}  # fmt: skip


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    ).stdout


def changes(folder: Path) -> list[str]:
    """What differs from the last commit, as git tells it."""
    return git(folder, "status", "--porcelain", "--untracked-files=all").splitlines()


def make(copy: Copy, name: str, fields: str, *options: str) -> str:
    done = copy.app("module", name, fields, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def committed(folder: Path, address: PostgresAddress | None) -> Copy:
    copy = Copy(folder, address)
    git(folder, "init", "--quiet")
    commit(copy)
    return copy


def commit(copy: Copy) -> None:
    git(copy.folder, "add", "--all")
    git(copy.folder, "commit", "--quiet", "--message", "Everything")


@pytest.fixture
def copy(tmp_path: Path, own_database: PostgresAddress) -> Copy:
    return committed(tmp_path / "copy", own_database)


def files_in(diff: Sequence[str]) -> dict[str, list[str]]:
    """The lines of each file that `diff` adds."""
    heads = [number for number, line in enumerate(diff) if line.startswith("+++ b/")]
    return {
        diff[head].removeprefix("+++ b/"): [line[1:] for line in diff[head + 1 : end] if line.startswith("+")]
        for head, end in pairwise([*heads, len(diff)])
    }


def test_a_module_with_every_type_of_field_is_complete(
    copy: Copy, tmp_path: Path, own_database: PostgresAddress, server: TestServer
) -> None:
    for name, fields in (MAKER, KIND):
        make(copy, name, fields)

    shown = make(copy, *EVERYTHING, "--dry-run").splitlines()
    would = [line.split()[-1] for line in shown if line.startswith("would be written")]
    assert not any("scaffold_thing" in line for line in changes(copy.folder))

    began = time.monotonic()
    said = make(copy, *EVERYTHING).splitlines()
    assert time.monotonic() - began < 30, "It is to take 10 s on an idle machine."

    written = [line.split()[-1] for line in said if line.startswith("written")]
    assert written == would
    # The dry run was a run as well: the same input has given the same bytes.
    texts = {name: (copy.folder / name).read_text(encoding="utf-8").splitlines() for name in written}
    assert files_in(shown) == texts
    # No file that was there has changed.
    assert all(line.startswith("?? ") for line in changes(copy.folder))
    assert set(written) <= {line.removeprefix("?? ") for line in changes(copy.folder)}

    code = [name for name in written if name.endswith(".py")]
    for check in (
        ("-m", "ruff", "format", "--check", *code),
        ("-m", "ruff", "check", *code),
        ("-c", LINT),
        ("-m", "app", "check"),
        ("-m", "app", "migrate"),
    ):
        checked = copy.python(*check)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    tests = f"tests/modules/{EVERYTHING[0]}"
    tested = copy.python("-m", "pytest", "-q", "-p", "no:cacheprovider", tests, TEST_DATABASE_URL=server.url)
    assert tested.returncode == 0, tested.stdout

    assert_serves(copy, own_database, tmp_path)
    assert_refuses(copy)
    assert_removes(copy)


def assert_serves(copy: Copy, address: PostgresAddress, folder: Path) -> None:
    with server_process(address, folder / "server.log", folder=copy.folder) as running:
        contract = httpx2.get(f"{running.url}/openapi.json").json()
        assert set(contract["paths"]["/api/v1/scaffold-things"]) == {"get", "post"}
        assert set(contract["paths"]["/api/v1/scaffold-things/{scaffold_thing_id}"]) == {"get", "patch", "delete"}
        assert "scaffold_thing" in httpx2.get(f"{running.url}/").text
        assert httpx2.get(f"{running.url}/api/v1/scaffold-things").json()["items"] == []

        # By one thread: in some Pythons two that parse source at once, as it does, get in each other's way.
        fuzzed = subprocess.run(
            [*COMMAND, f"{running.url}/openapi.json", "--include-path-regex", "/scaffold-", "--max-examples", "3"],
            cwd=folder, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert fuzzed.returncode == 0, fuzzed.stdout
    assert "unhandled_error" not in (folder / "server.log").read_text()


def assert_refuses(copy: Copy) -> None:
    commit(copy)
    with ThreadPoolExecutor(2) as pool:
        ended = dict(zip(REFUSED, pool.map(lambda case: copy.app(*case[0]), REFUSED.values()), strict=True))
    for case, (_, message) in REFUSED.items():
        assert (ended[case].returncode, ended[case].stdout) == (1, ""), case
        assert message in ended[case].stderr, case
        assert "Traceback" not in ended[case].stderr, case
    assert changes(copy.folder) == []


def assert_removes(copy: Copy) -> None:
    tracked = {f" D {name}" for name in git(copy.folder, "ls-files").splitlines() if "/scaffold_thing" in name}
    assert tracked

    shown = copy.app("module-remove", "scaffold_thing", "--dry-run").stdout
    assert "No other module depends on scaffold_thing." in shown
    assert '+    op.drop_table("scaffold_things")' in shown
    assert changes(copy.folder) == []

    removed = copy.app("module-remove", "scaffold_thing")
    assert removed.returncode == 0, removed.stderr
    left = [line for line in changes(copy.folder) if line not in tracked]
    assert len(left) == 1
    assert left[0].startswith("?? alembic/versions/")
    assert left[0].endswith("_drop_the_tables_of_scaffold_thing.py")
    assert copy.app("check").returncode == 0


NOWHERE: Final = {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": "1"}


def test_what_was_moved_goes_back_when_the_rest_cannot_be(copy: Copy, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()

    moved = copy.python(
        "-c",
        "import sys; from pathlib import Path; from app.scaffold.workspace import exchange; "
        "exchange(Path(sys.argv[1]), ['first', 'absent'], ['README.md', 'docs/guides'])",
        str(tmp_path),
    )

    assert "FileNotFoundError" in moved.stderr
    assert "absent" in moved.stderr
    assert changes(copy.folder) == []
    assert not (copy.folder / "first").exists()


def test_what_fails_half_way_leaves_no_trace(copy: Copy, tmp_path: Path) -> None:
    without_ruff = tmp_path / "without"
    without_ruff.mkdir()
    (without_ruff / "ruff.py").write_text("raise SystemExit('No module named ruff')")
    command = ("-m", "app", "module", *MAKER)

    unreachable = copy.python(*command, **NOWHERE)
    assert unreachable.returncode == 1
    assert "127.0.0.1:1" in unreachable.stderr

    unformatted = copy.python(*command, PYTHONPATH=f"{copy.folder}:{without_ruff}")
    assert unformatted.returncode == 1
    assert "It is a development dependency: make install" in unformatted.stderr

    # No file may grow beyond this: for whoever writes it is as if the disk were full.
    full = copy.python("-c", "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); "
                       f"sys.argv = {['app', *command[2:]]!r}; runpy.run_module('app', run_name='__main__')")  # fmt: skip
    assert full.returncode == 1
    assert "Nothing was changed" in full.stderr

    for failed in (unreachable, unformatted, full):
        assert "Traceback" not in failed.stderr
    assert changes(copy.folder) == []

    process = subprocess.Popen([sys.executable, *command], cwd=copy.folder, env=copy.environ, start_new_session=True)
    written = copy.folder / ".local"
    eventually(lambda: list(written.glob("scaffold-*/app/modules/scaffold_maker/routes.py")), 60)
    process.kill()
    assert process.wait(15) == -signal.SIGKILL
    assert changes(copy.folder) == []

    make(copy, *MAKER)
