"""A long list walked page by page, as a client does, while its rows come and go.

`python -m tests.performance.lists` fails when a row that stayed is missing, when one comes twice, and when the last
page costs more than the first.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import httpx2
import typer

from app.core.http.pages import MAX_LIMIT
from app.core.settings import PostgresAddress, PostgresSettings
from app.db.factories import Factory
from app.db.seeding import seed
from tests.performance.churn import Churn
from tests.sample.application import create_table
from tests.sample.note.factory import make_note
from tests.sample.note.models import Note
from tests.support.postgres import connect, create_database, test_server
from tests.support.server import server_process

# By key, by time both ways, by a text that no two share, and by a day that many share and others do not have.
SORTS: Final = ("", "created_at", "-created_at", "-created_at,title", "title", "due", "-due")
_NOTES: Final = "/api/v1/sample-notes"
_LEAVING: Final = 10  # one note of so many may be replaced while the list is walked
_ROUNDS: Final = 300  # requests for each of the two pages that are compared
_WARM_UP: Final = 20  # requests before those
_MOST: Final = 1.2  # times the first page that the last one may cost


@dataclass(frozen=True, slots=True)
class Walk:
    """The addresses of all pages of a list, the keys that stood on them, and those of the rows that were left alone."""

    pages: Sequence[str]
    keys: Sequence[str]
    staying: Sequence[str]
    replaced: int
    seconds: float

    @property
    def missing(self) -> int:
        return len(set(self.staying).difference(self.keys))

    @property
    def repeated(self) -> int:
        return len(self.keys) - len(set(self.keys))

    def __str__(self) -> str:
        return (
            f"{len(self.keys)} rows  {len(self.pages)} pages  {self.seconds:.1f} s  {self.replaced} replaced  "
            f"{self.missing} missing  {self.repeated} twice"
        )


@dataclass(frozen=True, slots=True)
class Costs:
    """The median milliseconds of the first page of a list and of the last one that is as long."""

    first: float
    last: float

    @property
    def ratio(self) -> float:
        return self.last / self.first

    def __str__(self) -> str:
        return f"first {self.first:.2f} ms  last {self.last:.2f} ms  ratio {self.ratio:.2f}"


async def fill(address: PostgresAddress, rows: int) -> None:
    """Stores `rows` notes, and leaves the table as PostgreSQL by itself would some time later."""
    await seed(address, PostgresSettings(), [Factory(make_note, Note)], rows, lambda _table, _stored: None)
    connection = await connect(address)
    await connection.execute("VACUUM (ANALYZE) sample_notes")
    await connection.close()


@contextmanager
def serving(address: PostgresAddress) -> Iterator[httpx2.Client]:
    """A client of a server of its own process."""
    with (
        TemporaryDirectory() as folder,
        server_process(address, Path(folder) / "server.log", factory="tests.sample.application:create_app") as server,
        httpx2.Client(base_url=server.url, timeout=10) as client,
    ):
        yield client


def walk(client: httpx2.Client, address: PostgresAddress, sort: str) -> Walk:
    """Follows the links from the first page to the last, while notes of the database at `address` are replaced."""
    stored = asyncio.run(_shuffled_keys(address))
    leaving = len(stored) // _LEAVING
    pages: list[str] = []
    keys: list[str] = []
    following: str | None = f"{_NOTES}?limit={MAX_LIMIT}" + (f"&sort={sort}" if sort else "")
    with Churn(address, stored[:leaving]) as churn:
        began = time.perf_counter()
        while following is not None:
            page = client.get(following).raise_for_status()
            pages.append(following)
            keys += [note["id"] for note in page.json()["items"]]
            following = page.links.get("next", {}).get("url")
        seconds = time.perf_counter() - began
    return Walk(pages, keys, stored[leaving:], churn.replaced, seconds)


def compare(client: httpx2.Client, pages: Sequence[str]) -> Costs:
    """Asks for the first of `pages` and for the last that is as long, in turns."""
    first = pages[0]
    # A page that another follows is full, whatever came and went.
    last = next(page for page in reversed(pages) if "next" in client.get(page).links)
    times = [(_milliseconds(client, first), _milliseconds(client, last)) for _ in range(_WARM_UP + _ROUNDS)][_WARM_UP:]
    return Costs(median(of_first for of_first, _ in times), median(of_last for _, of_last in times))


def _milliseconds(client: httpx2.Client, page: str) -> float:
    began = time.perf_counter()
    client.get(page).raise_for_status()
    return (time.perf_counter() - began) * 1000


async def _shuffled_keys(address: PostgresAddress) -> list[str]:
    connection = await connect(address)
    try:
        rows = await connection.fetch("SELECT id::text AS key FROM sample_notes ORDER BY random()")
        return [row["key"] for row in rows]
    finally:
        await connection.close()


def main(
    rows: Annotated[int, typer.Option(help="How many rows the list has.", min=2 * MAX_LIMIT)] = 1_000_000,
    sort: Annotated[
        list[str] | None, typer.Option(help="An order to walk it in, '' for that of the keys; may be repeated.")
    ] = None,
) -> None:
    """Walk a long list in each order, on a database of its own."""
    failed = False
    with test_server() as server:
        address = asyncio.run(create_database(server, "lists"))
        asyncio.run(create_table(address))
        asyncio.run(fill(address, rows))
        with serving(address) as client:
            for each in sort or SORTS:
                walked = walk(client, address, each)
                costs = compare(client, walked.pages)
                typer.echo(f"{each or 'id':<17}  {walked}  {costs}")
                failed = failed or walked.missing > 0 or walked.repeated > 0 or costs.ratio > _MOST
    if failed:
        typer.echo(f"A row was missing or came twice, or the last page cost more than {_MOST} first ones.", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
