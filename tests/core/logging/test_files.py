"""Log files: rotated, compressed, kept for a time, and whole whoever writes them."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from app.core.logging.files import RotatingFile
from app.core.settings import LogSettings
from app.core.startup import StartupRefused
from tests.core.logging.conftest import Configure
from tests.support.logs import is_packed, lines_in
from tests.support.server import ROOT
from tests.support.waiting import eventually

DAY = timedelta(days=1)


def rotating(folder: Path, max_bytes: int = 1000) -> RotatingFile:
    return RotatingFile(folder / "app.log", max_bytes=max_bytes, keep=90 * DAY)


def numbered(*numbers: int) -> list[bytes]:
    return [b'{"n":%d,"padding":"%s"}\n' % (number, b"x" * 80) for number in numbers]


def test_errors_are_in_a_file_of_their_own_too(configure: Configure, tmp_path: Path) -> None:
    configure(LogSettings(level="INFO", format="console", dir=tmp_path / "logs"))
    logger = structlog.get_logger("x")
    logger.info("fine")
    logger.error("failed")

    assert [line["event"] for line in lines_in(tmp_path / "logs")] == ["fine", "failed"]
    assert [line["event"] for line in lines_in(tmp_path / "logs", "error")] == ["failed"]


def test_a_folder_that_cannot_be_made_stops_the_start(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StartupRefused, match=r"LOG_DIR=.*/file/logs, cannot be made: not a directory\. Name one"):
        configure(LogSettings(dir=tmp_path / "file" / "logs"))


def test_a_file_is_rotated_at_its_size_and_compressed(tmp_path: Path) -> None:
    file = rotating(tmp_path)

    assert file.write(numbered(*range(25))) == 25
    eventually(lambda: is_packed(tmp_path))

    assert [line["n"] for line in lines_in(tmp_path)] == list(range(25))
    assert len(list(tmp_path.glob("app-*.log.gz"))) == 2
    assert (tmp_path / "app.log").stat().st_size <= 1000


def test_a_line_larger_than_a_file_is_written_whole(tmp_path: Path) -> None:
    assert rotating(tmp_path, 10).write(numbered(1, 2)) == 2
    eventually(lambda: is_packed(tmp_path))

    assert [line["n"] for line in lines_in(tmp_path)] == [1, 2]


def test_a_file_holds_the_lines_of_one_day(tmp_path: Path) -> None:
    file = rotating(tmp_path)
    file.write(numbered(1))
    yesterday = (datetime.now(UTC) - DAY).timestamp()
    os.utime(tmp_path / "app.log", (yesterday, yesterday))

    file.write(numbered(2))
    eventually(lambda: is_packed(tmp_path))

    assert [line["n"] for line in lines_in(tmp_path)] == [1, 2]
    (rotated,) = tmp_path.glob("app-*")
    assert rotated.name.startswith(f"app-{datetime.fromtimestamp(yesterday, UTC):%Y%m%dT}")


def test_what_is_older_than_the_retention_is_removed(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    old, kept = (f"app-{now - age:%Y%m%dT%H%M%S.%fZ}.log.gz" for age in (91 * DAY, 89 * DAY))
    for name in (old, kept, "other-20000101T000000.000000Z.log.gz"):
        (tmp_path / name).touch()

    file = rotating(tmp_path)
    file.tidy()
    file.close(5)

    assert {path.name for path in tmp_path.glob("*.gz")} == {kept, "other-20000101T000000.000000Z.log.gz"}


def test_a_quiet_file_is_rotated_and_removed_as_well(tmp_path: Path) -> None:
    file = rotating(tmp_path)
    file.write(numbered(1))
    long_ago = (datetime.now(UTC) - 91 * DAY).timestamp()
    os.utime(tmp_path / "app.log", (long_ago, long_ago))

    file.tidy()
    file.close(5)

    assert lines_in(tmp_path) == []


def test_what_a_killed_process_left_uncompressed_the_next_one_compresses(tmp_path: Path) -> None:
    left = f"app-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.log"
    (tmp_path / left).write_bytes(b"".join(numbered(1)))
    (tmp_path / f".{left}.gz").write_bytes(b"half")

    file = rotating(tmp_path)
    file.tidy()
    file.close(5)

    assert is_packed(tmp_path)
    assert [line["n"] for line in lines_in(tmp_path)] == [1]


def test_the_part_of_a_line_that_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    file = rotating(tmp_path)
    file.write(numbered(1))
    with (tmp_path / "app.log").open("ab") as torn:
        torn.write(b'{"n": 2, "pad')

    file.write(numbered(3))

    assert [line["n"] for line in lines_in(tmp_path)] == [1, 3]


def test_a_file_that_somebody_deleted_is_made_again(tmp_path: Path) -> None:
    file = rotating(tmp_path)
    file.write(numbered(1))
    (tmp_path / "app.log").unlink()

    assert file.write(numbered(2)) == 1
    assert [line["n"] for line in lines_in(tmp_path)] == [2]


WRITE = """
import sys
from pathlib import Path
from datetime import timedelta
from app.core.logging.files import RotatingFile
from tests.support.waiting import eventually
folder, writer = Path(sys.argv[1]), int(sys.argv[2])
file = RotatingFile(folder / "app.log", max_bytes=2_000, keep=timedelta(days=1))
(folder / f"ready-{writer}").touch()
eventually(lambda: (folder / "go").exists(), 30)
for number in range(0, 1000, 7):
    lines = [b'{"writer":%d,"n":%d}\\n' % (writer, n) for n in range(number, min(number + 7, 1000))]
    assert file.write(lines) == len(lines)
file.close(10)
"""


def test_no_line_of_many_processes_is_lost_torn_or_double_across_rotation(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path), str(number)], cwd=ROOT) for number in range(3)
    ]
    # Those that start later would find the first one done.
    eventually(lambda: len(list(tmp_path.glob("ready-*"))) == 3, 30)
    (tmp_path / "go").touch()
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]

    found = [(line["writer"], line["n"]) for line in lines_in(tmp_path)]
    assert len(list(tmp_path.glob("app-*"))) >= 3
    assert len(found) == 3000
    assert set(found) == {(writer, n) for writer in range(3) for n in range(1000)}


FILL = """
import resource, signal, sys
from pathlib import Path
from datetime import timedelta
from app.core.logging.files import RotatingFile
file = RotatingFile(Path(sys.argv[1]) / "app.log", max_bytes=10**6, keep=timedelta(days=1))
lines = [b'{"n":%d,"padding":"xxxxxxxxxxxxxxxxxxxxx"}\\n' % n for n in range(10)]
resource.setrlimit(resource.RLIMIT_FSIZE, (3 * len(lines[0]) + 10, resource.RLIM_INFINITY))
print(file.write(lines), file.write(lines))
print((Path(sys.argv[1]) / "app.log").read_bytes().endswith(b"}\\n"))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(file.write(lines[-1:]))
"""


# charter 84
def test_a_disk_that_fills_up_in_the_middle_of_a_line_keeps_no_part_of_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.stdout.split(), done.stderr) == (["3", "0", "True", "1"], "")
    assert [line["n"] for line in lines_in(tmp_path)] == [0, 1, 2, 9]
