"""Each fault that the checks know is planted once, and found; without it nothing is."""

from dataclasses import replace

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.schema import SchemaItem

import app.modules
from app.core.module import discover
from app.core.settings import PostgresAddress, PostgresSettings
from app.db.migrations import MigrationError, check
from app.db.migrations.checks import drift, single_head, up_down_up
from app.db.migrations.connection import connect
from app.db.migrations.scratch import scratch_database
from app.db.migrations.snapshot import differences, take_snapshot
from app.db.model import metadata as app_metadata
from tests.db.migrations.conftest import Versions

TABLES = """
    CREATE TABLE owners (id serial PRIMARY KEY);
    CREATE TYPE colour AS ENUM ('red', 'green');
    CREATE TABLE things (
        id serial PRIMARY KEY,
        name varchar(20) NOT NULL,
        colour colour,
        at timestamptz NOT NULL DEFAULT now(),
        owner_id int CONSTRAINT fk REFERENCES owners ON DELETE CASCADE,
        CONSTRAINT uq UNIQUE (name),
        CONSTRAINT ck CHECK (name <> '')
    );
    CREATE INDEX ix ON things (at);
    CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2';
    CREATE VIEW names AS SELECT name FROM things;
"""


def models(**changes: SchemaItem | None) -> MetaData:
    """The models of `TABLES`, but for `changes`."""
    metadata = MetaData()
    Table("owners", metadata, Column("id", Integer, primary_key=True))
    parts: dict[str, SchemaItem | None] = {
        "id": Column("id", Integer, primary_key=True),
        "name": Column("name", String(20), nullable=False),
        "colour": Column("colour", Enum("red", "green", name="colour")),
        "at": Column("at", DateTime(timezone=True), server_default=func.now(), nullable=False),
        "owner_id": Column("owner_id", ForeignKey("owners.id", name="fk", ondelete="CASCADE")),
        "uq": UniqueConstraint("name", name="uq"),
        "ck": CheckConstraint("name <> ''", name="ck"),
        "ix": Index("ix", "at"),
    }
    parts.update(changes)
    Table("things", metadata, *(part for part in parts.values() if part is not None))
    return metadata


async def test_no_drift_where_both_agree(
    empty: PostgresAddress, postgres: PostgresSettings, look: asyncpg.Connection
) -> None:
    await look.execute(TABLES)
    assert await drift(empty, postgres, models()) == []
    assert await look.fetchval("SELECT to_regnamespace('declared') IS NULL")


@pytest.mark.parametrize(
    ("thing", "change"),
    [
        ("column things.name", {"name": Column("name", String(30), nullable=False)}),
        ("column things.name", {"name": Column("name", String(20))}),
        ("column things.name", {"name": Column("name", String(20, collation="C"), nullable=False)}),
        ("column things.name", {"name": Column("name", String(20), nullable=False, comment="said")}),
        ("column things.at", {"at": Column("at", DateTime(timezone=True), nullable=False)}),
        ("column things.at", {"at": Column("at", DateTime(), server_default=func.now(), nullable=False)}),
        ("column things.more", {"more": Column("more", Integer)}),
        ("enum colour", {"colour": Column("colour", Enum("green", "red", name="colour"))}),
        ("constraint things.fk", {"owner_id": Column("owner_id", ForeignKey("owners.id", name="fk"))}),
        ("constraint things.uq", {"uq": None}),
        ("constraint things.uq", {"uq": UniqueConstraint("name", "id", name="uq")}),
        ("constraint things.ck", {"ck": None}),
        ("constraint things.ck", {"ck": CheckConstraint("name <> 'x'", name="ck")}),
        ("constraint things.other", {"ck": CheckConstraint("name <> ''", name="other")}),
        ("index things.ix", {"ix": Index("ix", "at", unique=True)}),
        ("index things.ix", {"ix": None}),
    ],
)
async def test_finds_drift(
    empty: PostgresAddress,
    postgres: PostgresSettings,
    look: asyncpg.Connection,
    thing: str,
    change: dict[str, SchemaItem | None],
) -> None:
    await look.execute(TABLES)
    found = await drift(empty, postgres, models(**change))
    assert any(finding.what.startswith(f"{thing}: ") for finding in found), found
    assert {finding.rule for finding in found} == {"drift"}


async def test_finds_a_table_that_only_one_side_has(
    empty: PostgresAddress, postgres: PostgresSettings, look: asyncpg.Connection
) -> None:
    await look.execute(f"{TABLES}; CREATE TABLE stray (id int, more int)")
    metadata = models()
    Table("wished", metadata, Column("id", Integer, primary_key=True), Column("name", String(5), unique=True))
    found = [str(finding) for finding in await drift(empty, postgres, metadata)]
    assert len(found) == 3
    assert "sequence wished_id_seq: absent by the migrations" in found[0]
    assert "table stray: (r p) by the migrations, absent by the models." in found[1]
    assert "table wished: absent by the migrations, (r p) by the models." in found[2]


GOOD = ('op.execute("CREATE TABLE one (id int)")', 'op.execute("DROP TABLE one")')


async def test_up_down_up_ends_at_the_head(
    empty: PostgresAddress, postgres: PostgresSettings, versions: Versions, look: asyncpg.Connection
) -> None:
    versions.add("aaaa", *GOOD)
    versions.add("bbbb", 'op.execute("ALTER TABLE one ADD x int")', 'op.execute("ALTER TABLE one DROP x")')
    assert await up_down_up(empty, postgres, versions.folder) == []
    assert await look.fetchval("SELECT version_num FROM alembic_version") == "bbbb"


@pytest.mark.parametrize(
    ("upgrade", "downgrade", "expected"),
    [
        ("CREATE INDEX IF NOT EXISTS ix ON one (id)", "SELECT 1", "does not restore index one.ix: absent became"),
        (
            "ALTER TABLE one ALTER id TYPE bigint",
            "SELECT 1",
            "does not restore column one.id: (integer) became (bigint)",
        ),
        ("ALTER TABLE one ALTER id SET NOT NULL", "DROP TABLE one CASCADE", "does not restore table one: (r p) became"),
        ("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "SELECT 1", "restore function f()"),
        ("CREATE TABLE two (id int)", "SELECT 1", "upgrade() after downgrade() fails: MigrationError: Migration"),
        ("CREATE TABLE two (id int)", "DROP TABLE absent", "downgrade() fails: MigrationError: Migration"),
        ("SELECT * FROM absent", "SELECT 1", "upgrade() fails: MigrationError: Migration"),
    ],
)
async def test_finds_a_bad_downgrade(
    empty: PostgresAddress,
    postgres: PostgresSettings,
    versions: Versions,
    upgrade: str,
    downgrade: str,
    expected: str,
) -> None:
    versions.add("aaaa", *GOOD)
    file = versions.add("bbbb", f'op.execute("{upgrade}")', f'op.execute("{downgrade}")')
    found = await up_down_up(empty, postgres, versions.folder)
    assert any(expected in finding.what and finding.file == file for finding in found), found


async def test_finds_a_downgrade_that_was_never_written(
    empty: PostgresAddress, postgres: PostgresSettings, versions: Versions
) -> None:
    versions.add("aaaa", GOOD[0], "raise NotImplementedError")
    [finding] = await up_down_up(empty, postgres, versions.folder)
    assert "downgrade() fails: NotImplementedError" in finding.what


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["DROP INDEX CONCURRENTLY IF EXISTS ix", "CREATE INDEX CONCURRENTLY ix ON one (id)"], None),
        (["CREATE INDEX CONCURRENTLY ix ON one (id)"], "upgrade() again, as after a kill before it was noted, fails"),
        (
            ["CREATE INDEX CONCURRENTLY IF NOT EXISTS ix ON one (id)"],
            "would take the invalid remains for it: CREATE INDEX",
        ),
        (
            ["ALTER TABLE one ADD x serial", "ALTER TABLE one DROP IF EXISTS id"],
            'column "x" of relation "one" already exists',
        ),
    ],
)
async def test_finds_what_cannot_be_repeated_after_a_kill(
    empty: PostgresAddress, postgres: PostgresSettings, versions: Versions, statements: list[str], expected: str | None
) -> None:
    versions.add("aaaa", *GOOD)
    lines = "".join(f"\n    op.execute('{statement}')" for statement in statements)
    versions.add("bbbb", f"with op.get_context().autocommit_block():{lines}", 'op.execute("DROP INDEX ix")')
    found = [finding.what for finding in await up_down_up(empty, postgres, versions.folder)]
    if expected is None:
        assert found == []
    else:
        assert any(expected in what for what in found), found


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE x (id int)",
        "ALTER TABLE things ADD x int",
        "ALTER TABLE things ALTER name DROP NOT NULL",
        "ALTER TABLE things ALTER name SET DEFAULT 'x'",
        "ALTER TABLE things ALTER id ADD GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE things ADD CONSTRAINT x CHECK (id > 0) NOT VALID",
        "ALTER TABLE things ADD CONSTRAINT x NOT NULL colour NOT VALID",
        "ALTER TABLE things ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE things SET (fillfactor = 70)",
        "ALTER TABLE things SET UNLOGGED",
        "COMMENT ON TABLE things IS 'x'",
        "COMMENT ON COLUMN things.name IS 'x'",
        "CREATE INDEX x ON things (name)",
        "CREATE SEQUENCE x",
        "ALTER SEQUENCE owners_id_seq INCREMENT 2",
        "ALTER TYPE colour ADD VALUE 'blue'",
        "CREATE DOMAIN x AS int CHECK (VALUE > 0)",
        "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 3'",
        "CREATE OR REPLACE VIEW names AS SELECT lower(name)::varchar(20) AS name FROM things",
        "CREATE MATERIALIZED VIEW x AS SELECT name FROM things",
        "CREATE TRIGGER x BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE POLICY x ON things USING (id > 0)",
        "CREATE SCHEMA x",
        "CREATE EXTENSION citext",
    ],
)
async def test_a_snapshot_shows_every_change(look: asyncpg.Connection, statement: str) -> None:
    await look.execute(
        TABLES.replace("id serial PRIMARY KEY,\n        name", "id int NOT NULL PRIMARY KEY,\n        name")
    )
    before = await take_snapshot(look)
    if "ADD VALUE" not in statement:
        transaction = look.transaction()
        await transaction.start()
        await look.execute(statement)
        assert list(differences(before, await take_snapshot(look)))
        await transaction.rollback()
        assert not list(differences(before, await take_snapshot(look)))
    else:
        await look.execute(statement)
        assert list(differences(before, await take_snapshot(look)))


async def test_checks_everything_at_once(
    server_address: PostgresAddress, postgres: PostgresSettings, versions: Versions
) -> None:
    versions.add("aaaa", *GOOD)
    versions.add("bbbb", 'op.create_index("ix", "one", ["id"])')
    rules = {finding.rule for finding in await check(server_address, postgres, MetaData(), versions=versions.folder)}
    assert rules == {"require-concurrent-index-creation", "up-down-up", "migration-fails"}

    versions.add("bbbb", 'op.create_index("ix", "one", ["id"])', 'op.drop_index("ix", "one")', after="aaaa")
    rules = {finding.rule for finding in await check(server_address, postgres, MetaData(), versions=versions.folder)}
    assert rules == {"require-concurrent-index-creation", "drift"}

    versions.add("cccc", after="aaaa")
    found = await check(server_address, postgres, MetaData(), versions=versions.folder)
    assert "single-head" in {finding.rule for finding in found}
    assert single_head(versions.folder)[0].what == "The migrations branch into bbbb and cccc."


async def test_a_history_that_follows_the_advice(
    server_address: PostgresAddress, postgres: PostgresSettings, versions: Versions
) -> None:
    in_block = "with op.get_context().autocommit_block():\n    "
    drop_index = 'op.drop_index("{}", table_name="things", postgresql_concurrently=True, if_exists=True)'
    create_index = 'op.create_index("{}", "things", ["{}"], unique={}, postgresql_concurrently=True)'
    versions.add(
        "aaaa",
        """
        op.create_table("owners", sa.Column("id", sa.Integer(), primary_key=True))
        op.create_table(
            "things", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.Text()), sa.Column("old", sa.Text())
        )
        """,
        'op.drop_table("things"); op.drop_table("owners")',
    )
    for revision, name, column in (("bbbb", "ix", "id"), ("cccc", "uq", "name")):
        create = create_index.format(name, column, name == "uq")
        versions.add(
            revision, f"{in_block}{drop_index.format(name)}\n    {create}", f"{in_block}{drop_index.format(name)}"
        )
    versions.add(
        "dddd",
        """
        op.execute("ALTER TABLE things ADD CONSTRAINT uq UNIQUE USING INDEX uq")
        op.add_column("things", sa.Column("owner_id", sa.Integer()))
        op.create_foreign_key("fk", "things", "owners", ["owner_id"], ["id"], postgresql_not_valid=True)
        op.create_check_constraint(op.f("named"), "things", "name IS NOT NULL", postgresql_not_valid=True)
        """,
        """
        op.drop_constraint(op.f("named"), "things")
        op.drop_constraint("fk", "things")
        op.drop_column("things", "owner_id")
        op.drop_constraint("uq", "things")
        op.create_index("uq", "things", ["name"], unique=True)
        """,
    )
    versions.add("eeee", "op.execute(\"UPDATE things SET name = '' WHERE name IS NULL\")")
    versions.add(
        "ffff",
        """
        op.execute("ALTER TABLE things VALIDATE CONSTRAINT fk")
        op.execute("ALTER TABLE things VALIDATE CONSTRAINT named")
        op.alter_column("things", "name", nullable=False)
        op.drop_constraint(op.f("named"), "things")
        # squawk: ban-drop-column, because nobody reads it since 1.4
        op.drop_column("things", "old")
        """,
        """
        op.add_column("things", sa.Column("old", sa.Text()))
        op.create_check_constraint(op.f("named"), "things", "name IS NOT NULL", postgresql_not_valid=True)
        op.alter_column("things", "name", nullable=True)
        op.drop_constraint("fk", "things")
        op.create_foreign_key("fk", "things", "owners", ["owner_id"], ["id"], postgresql_not_valid=True)
        """,
    )
    metadata = MetaData(naming_convention=app_metadata.naming_convention)
    Table("owners", metadata, Column("id", Integer, primary_key=True))
    Table(
        "things",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", Text, nullable=False),
        Column("owner_id", ForeignKey("owners.id", name="fk")),
        UniqueConstraint("name", name="uq"),
        Index("ix", "id"),
    )
    found = await check(server_address, postgres, metadata, versions=versions.folder)
    assert found == [], "\n".join(map(str, found))


async def test_leaves_no_scratch_database(server_address: PostgresAddress, postgres: PostgresSettings) -> None:
    with pytest.raises(KeyboardInterrupt):
        async with scratch_database(server_address, postgres) as address:
            raise KeyboardInterrupt
    with pytest.raises(MigrationError, match="does not exist"):
        await connect(address, postgres)


async def test_says_that_the_role_may_not_create_databases(
    empty: PostgresAddress, postgres: PostgresSettings, look: asyncpg.Connection
) -> None:
    role = f"powerless_{empty.database[-12:]}"
    await look.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    try:
        with pytest.raises(MigrationError, match=r"may not create the empty database.*CREATEDB"):
            await check(replace(empty, user=role, password=SecretStr("secret")), postgres, MetaData())
    finally:
        await look.execute(f"DROP ROLE {role}")


async def test_the_migrations_of_this_project(server_address: PostgresAddress, postgres: PostgresSettings) -> None:
    discover(app.modules)
    assert await check(server_address, postgres, app_metadata) == []
