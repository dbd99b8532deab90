"""Python in the documents runs, and requests are answered as shown."""

import json
from io import StringIO
from pathlib import Path

import alembic.op
import httpx2
import pytest
import sqlalchemy
from alembic.migration import MigrationContext
from alembic.operations import Operations
from fastapi import FastAPI
from structlog.testing import capture_logs

from app.core.http.routing import ApiRouter
from app.core.settings import PostgresAddress, Settings
from app.db.migrations.lint import Statement, lint
from app.db.model import metadata
from app.db.sessions import Database
from app.main import create_app
from tests.docs.examples import MIGRATION_OPTIONS, Answer, differences, exchanges, names_in, python_blocks
from tests.docs.markdown import Block, blocks, code_spans, documents, name
from tests.sample.note import module as note
from tests.support.postgres import connect
from tests.support.server import ROOT

MIGRATIONS = ROOT / "docs" / "guides" / "migrations.md"
WITH_TESTS = [ROOT / "docs" / "guides" / name for name in ("modules.md", "testing.md")]

# The guides' tests are tests: pytest finds them here, with the fixtures that they ask for.
for guide in WITH_TESTS:
    globals().update({key: value for key, value in names_in(guide).items() if key.startswith("test_")})


@pytest.fixture
def application(settings: Settings, database: Database) -> FastAPI:
    """With the sample module alone: another may have an address that a document gives to an example."""
    application = create_app(settings, modules=(note,))
    application.state.database = database
    return application


@pytest.mark.parametrize("document", [page for page in documents() if python_blocks(page)], ids=name)
def test_its_python_runs(document: Path) -> None:
    before = set(metadata.tables)

    names_in(document)

    assert set(metadata.tables) == before, "An example with a table would be taken for one of the application."


@pytest.mark.parametrize("document", [page for page in documents() if blocks(page, "http")], ids=name)
async def test_its_requests_are_answered_as_shown(
    document: Path, application: FastAPI, client: httpx2.AsyncClient
) -> None:
    for value in names_in(document).values():
        if isinstance(value, ApiRouter):
            application.include_router(value)

    with capture_logs() as logged:
        for exchange in exchanges(document):
            response = await client.request(
                exchange.method, exchange.path, headers=exchange.headers, content=exchange.body.encode()
            )
            found = differences(exchange.answer, response.status_code, dict(response.headers), response.text)
            assert found == [], f"{exchange.place} {exchange.method} {exchange.path}"

    spans = {span for _, span in code_spans(document)}
    assert {line["event"] for line in logged} - spans == set(), "What these requests log is not told."


def statements_of(code: str) -> list[Statement]:
    """What a migration with this body would send to PostgreSQL."""
    sql = StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": sql, "target_metadata": metadata}
    )
    with Operations.context(context):
        exec(code, {"op": alembic.op, "sa": sqlalchemy})  # noqa: S102  our own documents
    statements: list[Statement] = []
    alone = False
    for text in filter(None, map(str.strip, sql.getvalue().split(";"))):
        # Alembic leaves the transaction for an autocommit block, and begins another one after it.
        if text in {"COMMIT", "BEGIN"}:
            alone = text == "COMMIT"
        else:
            statements.append(Statement(text, alone))
    return statements


@pytest.mark.parametrize(
    "example", [block for block in blocks(MIGRATIONS, "python") if MIGRATION_OPTIONS & block.options.keys()],
    ids=lambda example: example.place,
)  # fmt: skip
def test_the_linter_says_of_a_migration_what_the_guide_says(example: Block, tmp_path: Path) -> None:
    file = tmp_path / "migration.py"
    found: set[str] = set()
    for body in example.text.split("# the next migration\n"):
        file.write_text(body)
        found |= {finding.rule for finding in lint(file, statements_of(body))}

    assert found == set(example.options.get("refused", "").split(",")) - {""}
    # The options are not shown to readers.
    assert found - {span for _, span in code_spans(MIGRATIONS)} == set()


async def test_what_the_guide_does_instead_works(own_database: PostgresAddress) -> None:
    connection = await connect(own_database)
    for example in blocks(MIGRATIONS, "python"):
        if "accepted" in example.options:
            for statement in statements_of(example.text):
                await connection.execute(statement.sql)
    await connection.close()


SHOWN = Answer(409, {"content-type": "application/problem+json"}, '{"a": "x…", "b": [1, {"c": "…"}]}')


@pytest.mark.parametrize(
    ("status", "content_type", "body", "expected"),
    [
        (409, "application/problem+json", {"a": "xyz", "b": [1, {"c": "d"}]}, 0),
        (404, "application/problem+json", {"a": "xyz", "b": [1, {"c": "d"}]}, 1),
        (409, "application/json", {"a": "xyz", "b": [1, {"c": "d"}]}, 1),
        (409, "application/problem+json", {"a": "y", "b": [1, {"c": "d"}]}, 1),
        (409, "application/problem+json", {"a": "x", "b": [1, {"c": "d"}], "e": 1}, 1),
        (409, "application/problem+json", {"a": "x", "b": [2, {"c": "d"}]}, 1),
        (409, "application/problem+json", {"b": [1, {"c": "d"}], "a": "x"}, 1),
    ],
)
def test_an_answer_that_differs_is_told(status: int, content_type: str, body: object, expected: int) -> None:
    assert len(differences(SHOWN, status, {"content-type": content_type}, json.dumps(body))) == expected
