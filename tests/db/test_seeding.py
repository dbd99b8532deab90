"""Sample rows from the factories of modules that are not the application's."""

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.settings import PostgresAddress, PostgresSettings
from app.db.factories import BrokenFactory, Factory, find_factories
from app.db.migrations import MigrationError
from app.db.seeding import SeedError, seed
from tests.db import kennel
from tests.db.kennel.animal.models import Animal
from tests.support.postgres import connect
from tests.support.waiting import until

SETTINGS = PostgresSettings()
MORE_THAN_ONE_PROCESS_MAKES = 9_000


@pytest.fixture
async def bare(own_database: PostgresAddress) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database with the tables of the kennel."""
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: connect(own_database))
    async with engine.begin() as empty:
        await empty.run_sync(Animal.metadata.create_all)
    await engine.dispose()
    connection = await connect(own_database)
    yield connection
    await connection.close()


async def fill(
    address: PostgresAddress, rows: int, factories: Sequence[Factory] | None = None
) -> list[tuple[str, int]]:
    """Seeds, and returns what was reported."""
    reported: list[tuple[str, int]] = []
    found = find_factories(kennel) if factories is None else factories
    await seed(address, SETTINGS, found, rows, lambda table, stored: reported.append((table, stored)))
    return reported


async def count(bare: asyncpg.Connection, rows: str) -> int:
    found: int = await bare.fetchval(f"SELECT count(*) FROM {rows}")
    return found


def test_factories_are_found_by_their_file_those_first_that_others_refer_to() -> None:
    assert [factory.table.name for factory in find_factories(kennel)] == ["owners", "animals"]


async def test_each_table_gets_as_many_rows_as_asked_for(
    own_database: PostgresAddress, bare: asyncpg.Connection
) -> None:
    assert await fill(own_database, 50) == [("owners", 50), ("animals", 50)]

    assert await count(bare, "owners") == 50
    assert await count(bare, "animals") == 50


async def test_references_are_spread_over_what_is_there(
    own_database: PostgresAddress, bare: asyncpg.Connection
) -> None:
    await fill(own_database, 200)

    assert await count(bare, "(SELECT DISTINCT owner_id FROM animals) AS x") > 50
    assert await count(bare, "animals WHERE mother_id IS NULL") > 30
    assert await count(bare, "animals WHERE mother_id IS NOT NULL") > 60
    assert await count(bare, "animals WHERE mother_id = id") == 0


async def test_values_are_stored_as_the_model_says(own_database: PostgresAddress, bare: asyncpg.Connection) -> None:
    await fill(own_database, 50)

    assert await count(bare, "animals WHERE kind IN ('CAT', 'DOG') AND legs = 4") == 50
    assert await count(bare, "animals WHERE habits_json ->> 'label' <> ''") == 50
    assert await count(bare, "animals WHERE version = 1 AND created_at <= now()") == 50


async def test_it_can_be_repeated_also_after_rows_were_deleted(
    own_database: PostgresAddress, bare: asyncpg.Connection
) -> None:
    await fill(own_database, 50)
    await bare.execute("DELETE FROM animals")
    await bare.execute("DELETE FROM owners WHERE number <= 30")
    await fill(own_database, 50)

    assert await count(bare, "owners") == 70


async def test_the_same_randomness_makes_the_same_values(
    own_database: PostgresAddress, bare: asyncpg.Connection
) -> None:
    await fill(own_database, 50)
    await fill(own_database, 50)

    prices = [row["price"] for row in await bare.fetch("SELECT price FROM animals ORDER BY id")]
    assert prices[:50] == prices[50:]
    assert len(set(prices)) > 10


async def test_many_rows_are_made_by_several_processes(own_database: PostgresAddress, bare: asyncpg.Connection) -> None:
    rows = MORE_THAN_ONE_PROCESS_MAKES

    reported = await fill(own_database, rows)

    assert sum(stored for table, stored in reported if table == "owners") == rows
    assert len(reported) > 2
    assert await count(bare, "owners") == rows
    assert await count(bare, "(SELECT DISTINCT number FROM owners) AS x") == rows
    assert await bare.fetchval("SELECT max(number) - min(number) + 1 FROM owners") == rows
    assert await count(bare, "animals") == rows


async def test_an_error_half_way_leaves_nothing(own_database: PostgresAddress, bare: asyncpg.Connection) -> None:
    await bare.execute("ALTER TABLE animals ADD CONSTRAINT no_room CHECK (false)")

    with pytest.raises(MigrationError, match=r"Seeding animals on .* was undone: .*no_room.* Mend that"):
        await fill(own_database, 50)

    assert await count(bare, "owners") == 0


async def test_a_row_that_could_refer_to_nothing_leaves_nothing(
    own_database: PostgresAddress, bare: asyncpg.Connection
) -> None:
    animals = [factory for factory in find_factories(kennel) if factory.table.name == "animals"]

    for rows in (50, MORE_THAN_ONE_PROCESS_MAKES):
        with pytest.raises(SeedError, match=r"Nothing was stored\. There is no row of owners"):
            await fill(own_database, rows, animals)

    assert await count(bare, "animals") == 0


async def test_what_is_seeded_can_be_planned_for_at_once(
    own_database: PostgresAddress, bare: asyncpg.Connection
) -> None:
    await fill(own_database, 50)

    assert await bare.fetchval("SELECT reltuples FROM pg_class WHERE relname = 'animals'") == 50


async def test_only_one_seeds_at_a_time(own_database: PostgresAddress, bare: asyncpg.Connection) -> None:
    async def is_waited_for() -> bool:
        return await count(bare, "pg_locks WHERE NOT granted") > 0

    async with bare.transaction():
        await bare.execute("LOCK TABLE owners")
        first = asyncio.create_task(fill(own_database, 50))
        await until(is_waited_for, 10)
        async with asyncio.timeout(10):
            with pytest.raises(SeedError, match="Somebody else is seeding"):
                await fill(own_database, 50)
    await first

    assert await count(bare, "owners") == 50


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package with one module, `toy`; its `factory.py` is the test's to write."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "toys" / "toy").mkdir(parents=True)
    for folder in ("toys", "toys/toy"):
        (tmp_path / folder / "__init__.py").touch()
    yield importlib.import_module("toys")
    for name in [name for name in sys.modules if name.partition(".")[0] == "toys"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"toys\.toy\.factory declares no `factories`\. Name its functions"),
        ("def make_toy(sample): ...\nfactories = (make_toy,)", r"make_toy of toys\.toy\.factory .* Annotate it"),
        ("def make_toy(sample) -> int: ...\nfactories = (make_toy,)", r"make_toy of toys\.toy\.factory .* Annotate it"),
    ],
)  # fmt: skip
def test_a_factory_that_cannot_be_used_is_named(toys: ModuleType, text: str, message: str) -> None:
    (Path(toys.__path__[0]) / "toy" / "factory.py").write_text(text)

    with pytest.raises(BrokenFactory, match=message):
        find_factories(toys)
