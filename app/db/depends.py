"""What a route asks for to reach the database.

Function scope, so that the transaction ends before the answer is sent: with FastAPI's default scope it would end
after, and a commit that fails would already have answered 201.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends

from app.core.http.state import from_state
from app.db.sessions import Database, ReadSession, UnitOfWork

_Database = Annotated[Database, Depends(from_state("database", Database))]


async def _unit_of_work(database: _Database) -> AsyncIterator[UnitOfWork]:
    async with database.unit_of_work() as uow:
        yield uow


async def _read_session(database: _Database) -> AsyncIterator[ReadSession]:
    async with database.read_session() as session:
        yield session


Uow = Annotated[UnitOfWork, Depends(_unit_of_work, scope="function")]
Reads = Annotated[ReadSession, Depends(_read_session, scope="function")]
