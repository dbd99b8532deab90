"""What would lock a table or break running code is found in the statements that a migration ran."""

from pathlib import Path

import pytest

from app.core.settings import PostgresAddress, PostgresSettings
from app.db.migrations.checks import up_down_up
from app.db.migrations.lint import Statement, lint
from tests.db.migrations.conftest import Versions

EXISTING = """
    op.create_table("things", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.String(20)))
    op.create_table("owners", sa.Column("id", sa.Integer(), primary_key=True))
"""
DROP_EXISTING = 'op.drop_table("things"); op.drop_table("owners")'
CONCURRENTLY = """
    with op.get_context().autocommit_block():
        op.drop_index("ix", "things", postgresql_concurrently=True, if_exists=True)
        op.create_index("ix", "things", ["name"], postgresql_concurrently=True)
"""


@pytest.mark.parametrize(
    ("upgrade", "rule"),
    [
        ('op.create_index("ix", "things", ["name"])', "require-concurrent-index-creation"),
        ('op.add_column("things", sa.Column("age", sa.Integer(), nullable=False))', "adding-required-field"),
        ('op.drop_column("things", "name")', "ban-drop-column"),
        ('op.alter_column("things", "name", new_column_name="title")', "renaming-column"),
        ('op.rename_table("things", "items")', "renaming-table"),
        ('op.drop_table("things")', "ban-drop-table"),
        ('op.alter_column("things", "name", type_=sa.Text())', "changing-column-type"),
        ('op.alter_column("things", "name", nullable=False)', "adding-not-nullable-field"),
        ('op.create_check_constraint("ck", "things", "id > 0")', "constraint-missing-not-valid"),
        ('op.create_unique_constraint("uq", "things", ["name"])', "disallowed-unique-constraint"),
        ('op.create_foreign_key("fk", "things", "owners", ["id"], ["id"])', "adding-foreign-key-constraint"),
        ('op.execute("ALTER TABLE things DROP COLUMN name")', "ban-drop-column"),
        (
            'op.execute("""-- nobody reads it\nALTER TABLE things -- these\nDROP COLUMN name -- any more""")',
            "ban-drop-column",
        ),
        ('op.get_bind().exec_driver_sql("CREATE INDEX ix ON things (name)")', "require-concurrent-index-creation"),
    ],
)
async def test_what_harms_is_found(
    empty: PostgresAddress, postgres: PostgresSettings, versions: Versions, upgrade: str, rule: str
) -> None:
    versions.add("aaaa", EXISTING, DROP_EXISTING)
    file = versions.add("bbbb", upgrade)

    found = await up_down_up(empty, postgres, versions.folder)

    (finding,) = [finding for finding in found if finding.rule == rule]
    assert finding.file == file
    assert len(finding.mend) > 10


@pytest.mark.parametrize(
    ("upgrade", "downgrade"),
    [
        (CONCURRENTLY, 'op.drop_index("ix", "things")'),
        ('op.add_column("things", sa.Column("age", sa.Integer()))', 'op.drop_column("things", "age")'),
        (
            'op.add_column("things", sa.Column("age", sa.Integer(), server_default="0", nullable=False))',
            'op.drop_column("things", "age")',
        ),
        (
            'op.create_check_constraint(op.f("ck"), "things", "id > 0", postgresql_not_valid=True)',
            'op.drop_constraint(op.f("ck"), "things")',
        ),
        (
            'op.create_table("new", sa.Column("id", sa.Integer()))\nop.create_index("ix", "new", ["id"])',
            'op.drop_table("new")',
        ),
    ],
)
async def test_what_harms_nobody_is_not(
    empty: PostgresAddress, postgres: PostgresSettings, versions: Versions, upgrade: str, downgrade: str
) -> None:
    versions.add("aaaa", EXISTING, DROP_EXISTING)
    versions.add("bbbb", upgrade, downgrade)

    assert await up_down_up(empty, postgres, versions.folder) == []


def findings(tmp_path: Path, comment: str) -> list[str]:
    file = tmp_path / "migration.py"
    file.write_text(f"def upgrade() -> None:\n    {comment}\n    op.drop_column('things', 'name')\n")
    return [finding.rule for finding in lint(file, [Statement("ALTER TABLE things DROP COLUMN name", alone=False)])]


def test_what_is_meant_is_stated_with_its_reason(tmp_path: Path) -> None:
    assert findings(tmp_path, "") == ["ban-drop-column"]
    assert findings(tmp_path, "# squawk: ban-drop-column, because nothing reads it") == []
    assert findings(tmp_path, "# squawk: renaming-column, because nothing reads it") == ["ban-drop-column"]
    assert findings(tmp_path, "# squawk: ban-drop-column") == ["no-reason"]


@pytest.mark.parametrize(
    "sql",
    [
        "LOCK TABLE things",
        "-- why\nlock things IN SHARE MODE",
        "VACUUM FULL things",
        "VACUUM (ANALYZE, FULL) things",
        "/* why */ CLUSTER things",
        "TRUNCATE things",
        "REFRESH MATERIALIZED VIEW names",
        "UPDATE things SET name = ''",
        "DELETE FROM things",
    ],
)
def test_what_takes_a_whole_table_is_found(tmp_path: Path, sql: str) -> None:
    file = tmp_path / "migration.py"
    file.write_text("")
    statement = Statement(sql, alone=sql.startswith("VACUUM"))
    assert "whole-table" in [finding.rule for finding in lint(file, [statement])]

    file.write_text("# squawk: whole-table, because it has ten rows")
    assert "whole-table" not in [finding.rule for finding in lint(file, [statement])]


@pytest.mark.parametrize(
    "sql",
    [
        "VACUUM things",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY names",
        "UPDATE things SET name = '' WHERE id < 1000",
        "DELETE FROM things\nWHERE id = 1",
        "SELECT 'TRUNCATE'",
    ],
)
def test_what_takes_some_rows_is_not(tmp_path: Path, sql: str) -> None:
    file = tmp_path / "migration.py"
    file.write_text("")
    assert lint(file, [Statement(sql, alone=sql.startswith("VACUUM"))]) == []
