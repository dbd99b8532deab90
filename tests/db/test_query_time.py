"""The queries of a request are counted and timed."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.errors import AppError
from app.core.query_time import count_queries


async def test_each_statement_counts_with_the_time_that_it_took(worker_engine: AsyncEngine) -> None:
    counted = count_queries()
    async with worker_engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        await connection.execute(text("SELECT pg_sleep(0.05)"))

    assert counted.count == 2
    assert 0.05 <= counted.seconds < 5


async def test_a_statement_that_fails_counts_too(worker_engine: AsyncEngine) -> None:
    counted = count_queries()
    async with worker_engine.connect() as connection:
        with pytest.raises(AppError):
            await connection.execute(text("SELECT 1 / 0"))

    assert counted.count == 1
    assert counted.seconds > 0


async def test_what_tasks_of_a_request_run_counts_for_it_and_not_for_another(worker_engine: AsyncEngine) -> None:
    async def query() -> None:
        async with worker_engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def request(queries: int) -> int:
        counted = count_queries()
        await asyncio.gather(*(query() for _ in range(queries)))
        return counted.count

    assert list(await asyncio.gather(request(1), request(2))) == [1, 2]
