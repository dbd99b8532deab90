"""The benchmark of `make seed`, with few rows."""

import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from app.core.settings import PostgresAddress
from tests.performance.seeding import Seeding, measure, resident
from tests.support.waiting import eventually


@pytest.mark.drill
def test_what_seeding_takes_is_measured(own_database: PostgresAddress) -> None:
    taken = measure(own_database, 2_500)

    assert taken.seconds > 0.1
    assert taken.mebibytes > 50  # one Python with the application's libraries
    assert taken.is_within_bounds


def test_the_memory_of_what_a_process_started_counts_too() -> None:
    starts_another = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"

    with subprocess.Popen([sys.executable, "-c", starts_another], stdin=subprocess.PIPE) as process:
        alone = psutil.Process(process.pid)
        eventually(lambda: resident(process.pid) > 1.5 * alone.memory_info().rss, 10)


def test_a_command_that_fails_is_no_measurement(own_database: PostgresAddress) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        measure(replace(own_database, database="no_such_database"), 1)


@pytest.mark.parametrize("taken", [Seeding(60.1, 100), Seeding(30, 301)])
def test_more_than_its_bounds_is_told(taken: Seeding) -> None:
    assert not taken.is_within_bounds
