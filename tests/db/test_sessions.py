"""Transactions: what is stored, when, and what is not."""

import uuid

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData, text, update
from sqlalchemy.orm import configure_mappers
from sqlmodel import Field, select

from app.core.http.routing import ApiRouter
from app.core.settings import PostgresAddress, PostgresSettings
from app.db.depends import Uow
from app.db.errors import DatabaseBusy
from app.db.listing import ListRequest
from app.db.model import Model, SoftDelete
from app.db.repository import Repository
from app.db.sessions import Database, open_database
from app.main import create_app
from tests.conftest import settings_for
from tests.sample.note.models import Note
from tests.support.postgres import connect
from tests.support.server import running


async def titles(database: Database) -> list[str]:
    async with database.read_session() as session:
        return list((await session.exec(select(Note.title).order_by(Note.title))).all())


async def test_what_leaves_the_block_is_stored(database: Database) -> None:
    async with database.unit_of_work() as uow:
        uow.session.add(Note(title="first"))

    assert await titles(database) == ["first"]


async def test_what_raises_is_rolled_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.unit_of_work() as uow:
            uow.session.add(Note(title="first"))
            await uow.session.flush()
            raise ZeroDivisionError

    assert await titles(database) == []


async def test_a_read_session_cannot_store(database: Database) -> None:
    async with database.read_session() as session:
        session.add(Note(title="first"))
        with pytest.raises(TypeError, match="UnitOfWork"):
            await session.flush()
        with pytest.raises(TypeError, match="UnitOfWork"):
            await session.commit()
        session.expunge_all()


async def test_reads_run_outside_a_transaction(own_database: PostgresAddress) -> None:
    async with open_database(own_database, PostgresSettings(), {}) as database, database.read_session() as session:
        first = (await (await session.connection()).execute(text("SELECT now()"))).scalar_one()
        second = (await (await session.connection()).execute(text("SELECT now()"))).scalar_one()

    # now() is the start of the transaction: equal values would mean that both ran in one.
    assert first < second


async def test_lazy_loading_is_not_there_to_be_used() -> None:
    configure_mappers()
    relationships = [
        relationship
        for mapper in Model._sa_registry.mappers  # noqa: SLF001
        for relationship in mapper.relationships
    ]
    assert all(relationship.lazy in {"raise", "raise_on_sql"} for relationship in relationships)


class Draft(SoftDelete, table=True):
    __tablename__ = "drafts"
    metadata = MetaData()  # its own: the application's says what the migrations have to create

    content: str = Field(max_length=100)


class DraftRepository(Repository[Draft]):
    model = Draft


async def test_a_soft_deleted_row_stays_but_no_query_sees_it(own_database: PostgresAddress) -> None:
    async with open_database(own_database, PostgresSettings(), {}) as database:
        async with database.unit_of_work() as uow:
            await (await uow.session.connection()).run_sync(Draft.__table__.create)
            drafts = DraftRepository(uow.session)
            kept, deleted = await drafts.add(Draft(content="kept")), await drafts.add(Draft(content="deleted"))
            await drafts.delete(deleted)

        async with database.read_session() as session:
            drafts = DraftRepository(session)
            assert await drafts.get(deleted.id) is None
            assert [draft.id for draft in (await drafts.page(ListRequest(limit=10))).items] == [kept.id]
            assert await drafts.count() == 1
        async with database.unit_of_work() as uow:
            await uow.session.exec(update(Draft).values(content="changed"))
        async with database.read_session() as session:
            assert (await (await session.connection()).execute(text("SELECT count(*) FROM drafts"))).scalar_one() == 2


class TestCommitBeforeAnswer:
    """A commit that fails must not have answered 2xx before."""

    @pytest.fixture
    async def deferring(self, own_database: PostgresAddress) -> FastAPI:
        """The application with a route whose transaction breaks a constraint that is checked at the commit."""
        connection = await connect(own_database)
        await connection.execute(
            "CREATE TABLE pairs (id uuid PRIMARY KEY, other uuid, "
            "CONSTRAINT fk_pairs_other FOREIGN KEY (other) REFERENCES pairs DEFERRABLE INITIALLY DEFERRED)"
        )
        await connection.close()
        router = ApiRouter(prefix="/pairs", tag="pairs")

        @router.post("", status_code=201)
        async def pair(uow: Uow) -> dict[str, str]:
            await (await uow.session.connection()).execute(
                text("INSERT INTO pairs VALUES (:id, :id2)"), {"id": uuid.uuid4(), "id2": uuid.uuid4()}
            )
            return {"stored": "yes"}

        application = create_app(settings_for(own_database))
        application.include_router(router)
        return application

    async def test_the_answer_is_the_error(self, deferring: FastAPI) -> None:
        async with running(deferring) as client:
            response = await client.post("/api/v1/pairs")

        assert response.status_code == 409
        assert response.json()["error_code"] == "conflict"


class TestAnswerBeforeCommit:
    """What cannot be sent back must not be stored."""

    async def test_an_answer_that_cannot_be_serialised_stores_nothing(
        self, application: FastAPI, client: httpx2.AsyncClient, database: Database
    ) -> None:
        router = ApiRouter(prefix="/broken", tag="broken")

        @router.post("")
        async def broken(uow: Uow) -> list[int]:
            uow.session.add(Note(title="first"))
            await uow.session.flush()
            return ["not a number"]  # type: ignore[list-item]  # what is tested

        application.include_router(router)
        response = await client.post("/api/v1/broken")

        assert response.status_code == 500
        assert await titles(database) == []


async def test_a_pool_without_a_free_connection_is_busy(own_database: PostgresAddress) -> None:
    settings = PostgresSettings(pool_size=1, pool_max_overflow=0, pool_timeout=0.05)
    async with open_database(own_database, settings, {}) as database, database.unit_of_work() as uow:
        _ = await uow.session.connection()
        with pytest.raises(DatabaseBusy):
            await database.ping()
        with pytest.raises(DatabaseBusy):
            async with database.unit_of_work() as other:
                _ = await other.session.connection()
