"""The measurement of logging, in small: it finds every line, and notices what should not be there."""

from pathlib import Path

import pytest

from tests.performance.logging import call_cost, throughput


def test_a_call_costs_its_caller_little(tmp_path: Path) -> None:
    # The bound itself is for a machine that does nothing else.
    assert 0 < call_cost(tmp_path) < 1000


def test_every_line_of_several_processes_is_found(tmp_path: Path) -> None:
    assert throughput(tmp_path, processes=2, lines=300, max_bytes=20_000) > 0
    assert list(tmp_path.glob("app-*"))


def test_a_line_that_nobody_wrote_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text('{"time": "2026-11-20T00:00:00Z", "process": 0, "number": 0}\n')

    with pytest.raises(AssertionError):
        throughput(tmp_path, processes=1, lines=1, max_bytes=20_000)
