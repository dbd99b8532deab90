"""What is written for a change of the models."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest
from sqlalchemy import CheckConstraint, Column, Integer, MetaData, String, Table, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeDecorator
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from app.core.settings import PostgresAddress, PostgresSettings
from app.db.migrations import MigrationError, check, revision
from app.db.model import metadata as app_metadata
from tests.db.migrations.conftest import Versions

ROOT = Path(__file__).resolve().parents[3]


class Document(TypeDecorator[dict[str, str]]):
    impl = JSONB
    cache_ok = True


def declare(*columns: SchemaItem) -> MetaData:
    metadata = MetaData(naming_convention=app_metadata.naming_convention)
    Table("things", metadata, Column("id", Integer, primary_key=True), *columns)
    return metadata


async def test_writes_what_the_models_have_and_the_migrations_have_not(
    server_address: PostgresAddress, postgres: PostgresSettings, versions: Versions
) -> None:
    async def write(message: str, metadata: MetaData) -> str:
        file = await revision(message, server_address, postgres, metadata, versions=versions.folder)
        assert file.parent == versions.folder
        found = await check(server_address, postgres, metadata, versions=versions.folder)
        # Which is for the author to mend.
        assert {finding.rule for finding in found} <= {"constraint-missing-not-valid"}
        return file.read_text()

    def things(*more: CheckConstraint) -> MetaData:
        return declare(
            Column("name", AutoString(length=20), nullable=False),
            Column("at", UTCDateTime(), server_default=func.now(), nullable=False),
            Column("document", Document()),
            Column("tags", ARRAY(String(length=5))),
            *more,
        )

    first = await write('Things "are" here\\"', things())
    for written in (
        'sa.Column("name", sa.String(length=20), nullable=False)',
        'sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)',
        'sa.Column("document", postgresql.JSONB(',
        'name=op.f("pk_things")',
        "down_revision: str | None = None",
        "Revises: nothing",
    ):
        assert written in first
    assert "sqlmodel" not in first
    assert "app." not in first
    assert "###" not in first

    second = await write("Only a check", things(CheckConstraint("name <> ''", name="named")))
    assert "op.create_check_constraint(" in second
    assert 'op.f("ck_things_named")' in second
    assert f'down_revision: str | None = "{first.split("Revision: ")[1][:12]}"' in second

    third = await write("Nothing", things(CheckConstraint("name <> ''", name="named")))
    assert third.count("    pass\n") == 2

    assert sorted(file.name for file in versions.folder.glob("*.py")) == [
        "0001_things_are_here.py",
        "0002_only_a_check.py",
        "0003_nothing.py",
    ]
    for file in versions.folder.glob("*.py"):
        assert (
            await ruff(
                "check",
                "--config",
                "lint.isort.known-third-party=['alembic']",
                name=file.name,
                source=file.read_bytes(),
            )
        ) == ""
        assert (await ruff("format", "--check", name=file.name, source=file.read_bytes())) == ""


async def test_writes_the_same_twice(
    server_address: PostgresAddress, postgres: PostgresSettings, versions: Versions
) -> None:
    async def write(metadata: MetaData) -> str:
        file = await revision("Things", server_address, postgres, metadata, versions=versions.folder)
        assert file.name == "0001_things.py"
        source = file.read_text()
        file.unlink()
        return source

    first = await write(declare(Column("name", String(20))))
    assert await write(declare(Column("name", String(20)))) == first
    other = await write(declare(Column("name", String(30))))
    assert other.split("Revision: ")[1][:12] != first.split("Revision: ")[1][:12]


async def ruff(*arguments: str, name: str, source: bytes) -> str:
    """What it objects to in `source`, by the rules of the project's own migrations."""
    as_ours = ["--quiet", "--stdin-filename", f"alembic/versions/{name}", "-"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ruff", *arguments, *as_ours), cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    said, _ = await process.communicate(source)
    return said.decode() if process.returncode else ""


async def test_refuses_to_write_onto_two_heads(
    server_address: PostgresAddress, postgres: PostgresSettings, versions: Versions
) -> None:
    versions.add("aaaa")
    versions.add("bbbb", after="aaaa")
    versions.add("cccc", after="aaaa")
    with pytest.raises(MigrationError, match=r"branch: bbbb and cccc .* rebase"):
        await revision("More", server_address, postgres, declare(), versions=versions.folder)
