"""PostgreSQL killed again and again while requests come in."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from app.core.settings import PostgresAddress
from app.db.embedded import PostgresServer
from tests.sample.application import create_table
from tests.support.postgres import connect
from tests.support.server import server_process
from tests.support.waiting import eventually

CRASHES = 5


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    # What a killed process has written, the operating system still has: only its own crash would need fsync.
    with PostgresServer(tmp_path / "postgres", {"fsync": "off"}) as server:
        yield server


def address_of(server: PostgresServer) -> PostgresAddress:
    found = server.address
    return PostgresAddress(found.host, found.port, found.user, SecretStr(found.password), found.database)


class Load:
    """Creates notes one after another on several connections; remembers which the server acknowledged."""

    def __init__(self, url: str) -> None:
        self._client = httpx2.AsyncClient(base_url=url, timeout=10)
        self._tasks = [asyncio.create_task(self._create(worker)) for worker in range(8)]
        self._stopped = False
        self.acknowledged: list[str] = []
        self.statuses: set[int] = set()

    async def _create(self, worker: int) -> None:
        number = 0
        while not self._stopped:
            number += 1
            response = await self._client.post("/api/v1/sample-notes", json={"title": f"Note {worker}-{number}"})
            self.statuses.add(response.status_code)
            if response.status_code == 201:
                self.acknowledged.append(response.json()["id"])

    async def progress(self, more: int) -> None:
        """Returns when `more` further notes were acknowledged."""
        goal = len(self.acknowledged) + more
        await asyncio.to_thread(eventually, lambda: len(self.acknowledged) >= goal, 30)

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.gather(*self._tasks)
        await self._client.aclose()


# charter 66
async def test_no_acknowledged_write_is_lost_and_it_serves_again_at_once(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    address = address_of(postgres)
    await create_table(address)
    with server_process(address, tmp_path / "server.log", factory="tests.sample.application:create_app") as server:
        load = Load(server.url)
        for _ in range(CRASHES):
            await load.progress(10)
            await asyncio.to_thread(postgres.kill)
            await asyncio.to_thread(postgres.start)
            back = time.monotonic()
            await load.progress(1)
            assert time.monotonic() - back < 2.0
        await load.stop()

    assert load.statuses <= {201, 503}
    connection = await connect(address)
    stored = {str(row["id"]) for row in await connection.fetch("SELECT id FROM sample_notes")}
    await connection.close()
    assert len(load.acknowledged) >= 10 * CRASHES
    assert set(load.acknowledged) <= stored
