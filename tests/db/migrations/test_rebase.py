"""Two branches made one line: which of them moves, and when it is not for us to say."""

import os
import subprocess
from pathlib import Path

import pytest

from app.db.migrations import MigrationError, rebase
from app.db.migrations.history import History
from tests.db.migrations.conftest import Versions


class Repository:
    """A git repository around a folder of migrations."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.run("init", "--initial-branch=main")

    def run(self, *arguments: str, at: int = 1_700_000_000) -> None:
        who = {"NAME": "Test", "EMAIL": "test@example.com", "DATE": f"{at} +0000"}
        identity = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
        nowhere = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        command = ["git", "-c", "core.hooksPath=", *arguments]
        subprocess.run(command, cwd=self._folder, env=os.environ | identity | nowhere, check=True, capture_output=True)

    def commit(self, *files: Path, at: int = 1_700_000_000) -> None:
        self.run("add", *(str(file) for file in files))
        self.run("commit", "--message", "Change", at=at)


@pytest.fixture
def repository(versions: Versions) -> Repository:
    return Repository(versions.folder)


def branch(versions: Versions) -> tuple[Path, Path, Path, Path]:
    """A base that two branches of revisions follow."""
    return (
        versions.add("root"),
        versions.add("mine", after="root"),
        versions.add("mine2"),
        versions.add("theirs", after="root"),
    )


def line(versions: Versions) -> list[str]:
    return [script.revision for script in History(versions.folder).line]


MINE_LAST = ["root", "theirs", "mine", "mine2"]


def test_moves_what_the_base_does_not_have(versions: Versions, repository: Repository) -> None:
    base, mine, mine2, theirs = branch(versions)
    repository.commit(base)
    # Mine was committed first, but theirs was merged first.
    repository.run("switch", "--create", "feature")
    repository.commit(mine, mine2, at=1_700_000_001)
    repository.run("switch", "main")
    repository.commit(theirs, at=1_700_000_002)
    repository.run("switch", "feature")
    repository.run("merge", "main", "--message", "Merge")
    before = {file: file.read_text() for file in (base, mine, mine2, theirs)}
    done = rebase(versions.folder)
    assert line(versions) == MINE_LAST
    assert done is not None
    assert (done.moved, done.onto, done.file) == (("mine", "mine2"), "theirs", mine)
    assert "mine and mine2 now follow theirs, because it is not in main yet" in str(done)
    assert "A database that already has mine2 would never get theirs" in str(done)
    assert {file for file, source in before.items() if file.read_text() != source} == {mine}
    assert mine.read_text() == before[mine].replace("Revises: root", "Revises: theirs").replace("'root'", '"theirs"')
    assert rebase(versions.folder) is None


def test_moves_what_git_does_not_know(versions: Versions, repository: Repository) -> None:
    base, *_mine, theirs = branch(versions)
    repository.run("switch", "--create", "feature")
    repository.commit(base, theirs)
    done = rebase(versions.folder)
    assert done is not None
    assert done.because == "git does not know it yet"
    assert line(versions) == MINE_LAST


def test_moves_what_was_committed_later(versions: Versions, repository: Repository) -> None:
    base, mine, mine2, theirs = branch(versions)
    repository.commit(base, theirs, at=1_700_000_000)
    repository.commit(mine, mine2, at=1_700_000_100)
    done = rebase(versions.folder)
    assert done is not None
    assert done.because == "it was committed later"
    assert line(versions) == MINE_LAST


def test_rebases_two_that_both_want_to_be_first(versions: Versions, repository: Repository) -> None:
    versions.add("one", after=None)
    repository.commit(versions.add("two", after=None))
    rebase(versions.folder)
    assert line(versions) == ["two", "one"]


def test_renames_what_moved_to_its_new_number(versions: Versions, repository: Repository) -> None:
    root = versions.add("root", name="0001_root.py")
    mine, mine2 = versions.add("mine", name="0002_mine.py"), versions.add("mine2", name="0003_mine2.py")
    theirs = versions.add("theirs", name="0002_theirs.py", after="root")
    repository.commit(root, theirs)
    done = rebase(versions.folder)
    assert done is not None
    assert done.file.name == "0003_mine.py"
    assert not mine.exists()
    assert not mine2.exists()
    assert sorted(file.name for file in versions.folder.glob("*.py")) == [
        *("0001_root.py", "0002_theirs.py", "0003_mine.py", "0004_mine2.py"),
    ]
    assert line(versions) == MINE_LAST


def test_refuses_what_nothing_tells_apart(versions: Versions) -> None:
    versions.add("root")
    versions.add("one", after="root")
    versions.add("two", after="root")
    with pytest.raises(MigrationError, match=r'Nothing tells whether .*down_revision = "(one|two)".*"(one|two)"'):
        rebase(versions.folder)


def test_refuses_more_than_two_branches(versions: Versions) -> None:
    versions.add("root")
    for name in ("one", "two", "three"):
        versions.add(name, after="root")
    with pytest.raises(MigrationError, match="3 heads"):
        rebase(versions.folder)


def test_refuses_a_merge(versions: Versions) -> None:
    branch(versions)
    merge = versions.add("merge", after="root")
    merge.write_text(merge.read_text().replace("'root'", "('mine2', 'theirs')"))
    versions.add("other", after="root")
    with pytest.raises(MigrationError, match="merges two branches"):
        rebase(versions.folder)
    (versions.folder / "other_test.py").unlink()
    with pytest.raises(MigrationError, match="merges two branches, but the migrations are one line"):
        History(versions.folder)


def test_a_single_line_stays_as_it_is(versions: Versions) -> None:
    assert rebase(versions.folder) is None
    versions.add("root")
    assert rebase(versions.folder) is None
