"""The benchmark of lists, on one that is short."""

import asyncio
import re
import subprocess
import sys

import pytest

from app.core.settings import PostgresAddress
from tests.performance.lists import SORTS, Walk, fill, serving, walk
from tests.support.server import ROOT, environment

ROWS = 2_000


@pytest.mark.drill
def test_each_row_that_stays_comes_once_in_every_order(own_database: PostgresAddress) -> None:
    asyncio.run(fill(own_database, ROWS))

    with serving(own_database) as client:
        for sort in SORTS:
            walked = walk(client, own_database, sort)

            assert (walked.missing, walked.repeated) == (0, 0), sort
            assert walked.replaced > 0
            assert len(walked.staying) == 0.9 * ROWS
            assert len(walked.pages) >= len(walked.staying) / 100


def test_what_is_missing_or_comes_twice_is_counted() -> None:
    walked = Walk(pages=[], keys=["came", "stayed", "stayed"], staying=["stayed", "lost"], replaced=1, seconds=1.0)

    assert (walked.missing, walked.repeated) == (1, 1)


@pytest.mark.drill
def test_the_command_tells_of_each_order(own_database: PostgresAddress) -> None:
    command = [sys.executable, "-m", "tests.performance.lists", "--rows", "400", "--sort", "", "--sort", "-due"]

    ended = subprocess.run(
        command, cwd=ROOT, env=environment(None), capture_output=True, text=True, timeout=60, check=False
    )

    # Of so few rows the costs say nothing.
    assert ended.returncode in {0, 1}, ended.stderr
    found = re.findall(
        r"^(\S+) +\d+ rows  \d pages  .* 0 missing  0 twice  first .* ratio \S+$", ended.stdout, re.MULTILINE
    )
    assert found == ["id", "-due"]
