"""What is taken out of a span before it leaves."""

import pytest

from app.core.telemetry.redaction import without_literals


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT a.id FROM a WHERE a.id = $1::UUID LIMIT $2", "SELECT a.id FROM a WHERE a.id = $1::UUID LIMIT $2"),
        ("SELECT 'it''s', E'a\\'b', 1, 2.5, 1e9", "SELECT ?, ?, ?, ?, ?"),
        ("SELECT $$a$$, $tag$b $$ c$tag$", "SELECT ?, ?"),
        ('SELECT "odd ""name\' 1", t1.c2 FROM t1', 'SELECT "odd ""name\' 1", t1.c2 FROM t1'),
        ("SELECT a -- why\nFROM b /* by 'me' */", "SELECT a ?\nFROM b ?"),
        ("SELECT 'cut off", "SELECT ?"),
        ("SELECT $$cut off", "SELECT ?"),
        ("SELECT /* cut off", "SELECT ?"),
    ],
)
def test_a_statement_is_told_without_its_literals(statement: str, told: str) -> None:
    assert without_literals(statement) == told
