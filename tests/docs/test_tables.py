"""What documents say of the code in tables is what the code says."""

from collections import Counter
from pathlib import Path

import pytest

from tests.docs.markdown import documents, name
from tests.docs.tables import TABLES, names_of_tables, with_current_tables

WITH_TABLES = [document for document in documents() if names_of_tables(document.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("document", WITH_TABLES, ids=name)
def test_its_tables_are_current(document: Path) -> None:
    text = document.read_text(encoding="utf-8")

    assert text == with_current_tables(text), "Write them again with: .venv/bin/python -m tests.docs.tables"


def test_each_table_is_shown_once() -> None:
    shown = Counter(table for page in WITH_TABLES for table in names_of_tables(page.read_text(encoding="utf-8")))

    assert shown == Counter(dict.fromkeys(TABLES, 1))


def test_a_table_that_says_something_else_is_written_again() -> None:
    text = "before\n<!-- table: kinds -->\n| another |\n<!-- end -->\nafter\n"

    written = with_current_tables(text)

    assert "| `NotFound` | 404 | `not_found` |" in written
    assert "| another |" not in written
    assert written.startswith("before\n<!-- table: kinds -->\n")
    assert written.endswith("<!-- end -->\nafter\n")
    assert with_current_tables(written) == written
