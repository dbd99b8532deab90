"""A test fails for a repeated statement and for a query into a neighbour's table, without asking for it."""

import re
import shutil
import subprocess
import sys
from typing import Final

import pytest

from tests.support.postgres import TestServer
from tests.support.server import ROOT, environment
from tests.support.sql import tables_of

PLANTED: Final = {
    "app/modules/__init__.py": "",
    "app/modules/customer/__init__.py": "from app.modules.customer.module import module as module",
    "app/modules/customer/module.py": """
from app.core.module import Module

module = Module(name="customer", summary="Who is billed.")
""",
    "app/modules/customer/models.py": """
from app.db.model import Model

class Customer(Model, table=True):
    __tablename__ = "customers"
    name: str = ""
""",
    "app/modules/customer/repository.py": """
from app.db.repository import Repository
from app.modules.customer.models import Customer

class CustomerRepository(Repository[Customer]):
    model = Customer
""",
    "app/modules/customer/public.py": """
from app.modules.customer.repository import CustomerRepository

async def name_of(session, key):
    return (await CustomerRepository(session).require(key)).name

async def rename(session, key):
    (await CustomerRepository(session).require(key)).name = "renamed"
""",
    "app/modules/invoice/__init__.py": "from app.modules.invoice.module import module as module",
    "app/modules/invoice/module.py": """
from app.core.module import Module
from app.modules.invoice.routes import router

module = Module(name="invoice", summary="What is owed.", routers=(router,))
""",
    "app/modules/invoice/models.py": """
from app.db.model import Model

class Invoice(Model, table=True):
    __tablename__ = "invoices"
    number: int
""",
    "app/modules/invoice/repository.py": """
from sqlalchemy import insert, text
from sqlmodel import select

from app.db.repository import Repository
from app.modules.customer.models import Customer
from app.modules.invoice.models import Invoice

class InvoiceRepository(Repository[Invoice]):
    model = Invoice

    async def run(self, statement):
        await (await self._session.connection()).execute(text(statement))

    async def insert_many(self, count):
        rows = [{"number": number} for number in range(count)]
        await self._session.exec(insert(Invoice).returning(Invoice.id), params=rows)

    async def join_customers(self):
        await self._session.exec(select(Invoice).join(Customer, Customer.id == Invoice.id))

    async def add_numbered(self, number):
        await self.add(Invoice(number=number))

    async def add_customer(self):
        self._session.add(Customer())
""",
    "app/modules/invoice/routes.py": """
from uuid import uuid4

from app.core.errors import Interrupted
from app.core.http.routing import ApiRouter
from app.db.depends import Reads, Uow
from app.modules.invoice.repository import InvoiceRepository

router = ApiRouter(prefix="/invoices", tag="invoice")
attempts = []

@router.get("/each")
async def read_each(session: Reads, count: int) -> int:
    for _ in range(count):
        await InvoiceRepository(session).get(uuid4())
    return count

@router.post("/ping")
async def ping_each(uow: Uow, count: int) -> int:
    for _ in range(count):
        await InvoiceRepository(uow.session).run("SELECT 1")
    return count

@router.post("/again")
async def interrupt(uow: Uow) -> int:
    attempts.append(1)
    for _ in range(4):
        await InvoiceRepository(uow.session).get(uuid4())
    if len(attempts) < 3:
        raise Interrupted
    return len(attempts)
""",
    "tests/modules/invoice/test_planted.py": """
from uuid import uuid4

import pytest

from app.db.model import metadata
from app.main import create_app
from app.modules.customer.models import Customer
from app.modules.customer.public import name_of, rename
from app.modules.customer.repository import CustomerRepository
from app.modules.invoice.models import Invoice
from app.modules.invoice.repository import InvoiceRepository
from tests.conftest import settings_for
from tests.support.server import running

@pytest.fixture(autouse=True)
async def tables(connection):
    await connection.run_sync(metadata.create_all)

async def add_each(database, count):
    async with database.unit_of_work() as uow:
        for number in range(count):
            await InvoiceRepository(uow.session).add(Invoice(number=number))

async def test_request(client):
    assert (await client.get("/api/v1/invoices/each?count=6")).json() == 6

async def test_request_of_a_running_application(own_database):
    async with running(create_app(settings_for(own_database))) as client:
        assert (await client.post("/api/v1/invoices/ping?count=7")).json() == 7

async def test_unit_of_work(database):
    await add_each(database, 6)

async def test_read_session(database):
    async with database.read_session() as session:
        for _ in range(6):
            await InvoiceRepository(session).count()

@pytest.mark.repeats_statements
async def test_mark_without_a_reason(database):
    await add_each(database, 1)

@pytest.mark.repeats_statements("it shows that a mark is respected")
async def test_passes_marked(database):
    await add_each(database, 6)

@pytest.fixture
async def six(database):
    await add_each(database, 6)

async def test_passes_with_rows_of_a_fixture(six):
    pass

async def test_passes_at_the_bound(client, database):
    await add_each(database, 5)
    await add_each(database, 5)
    for _ in range(2):
        assert (await client.get("/api/v1/invoices/each?count=5")).json() == 5

async def test_passes_many_rows_at_once(database):
    async with database.unit_of_work() as uow:
        await InvoiceRepository(uow.session).insert_many(7000)
        uow.session.add_all(Invoice(number=number) for number in range(20))

async def test_passes_run_again(client):
    assert (await client.post("/api/v1/invoices/again")).json() == 3

@pytest.mark.parametrize("statement", [
    pytest.param("SELECT name FROM customers", id="select"),
    pytest.param("SELECT (SELECT count(*) FROM public.customers) FROM invoices", id="subquery"),
    pytest.param("WITH customers AS (SELECT * FROM customers) SELECT 1 FROM customers", id="with"),
    pytest.param('INSERT INTO "customers" (id, name) VALUES (gen_random_uuid(), 1)', id="insert"),
    pytest.param("UPDATE customers SET name = 1", id="update"),
    pytest.param("DELETE FROM customers", id="delete"),
    pytest.param("LOCK TABLE customers", id="unreadable"),
])
async def test_foreign(database, statement):
    async with database.unit_of_work() as uow:
        await InvoiceRepository(uow.session).run(statement)

async def test_foreign_join(database):
    async with database.read_session() as session:
        await InvoiceRepository(session).join_customers()

async def test_foreign_row(database):
    async with database.unit_of_work() as uow:
        await InvoiceRepository(uow.session).add_customer()

async def test_passes_what_a_neighbour_is_asked(database):
    async with database.unit_of_work() as uow:
        customer = await CustomerRepository(uow.session).add(Customer(name="ada"))
        await name_of(uow.session, customer.id)
        await rename(uow.session, customer.id)
        # This flush writes what the neighbour has changed.
        await InvoiceRepository(uow.session).add_numbered(1)
    async with database.read_session() as session:
        assert await name_of(session, customer.id) == "renamed"

@pytest.mark.parametrize("statement", [
    "WITH customers AS (SELECT 1) SELECT * FROM customers, invoices",
    "LOCK TABLE invoices",
    "SELECT 'customers', relname AS customers FROM pg_catalog.pg_class",
])
async def test_passes_own(database, statement):
    async with database.unit_of_work() as uow:
        await InvoiceRepository(uow.session).run(statement)
""",
}
TESTS: Final = "tests/modules/invoice/test_planted.py"
ROUTES: Final = "app/modules/invoice/routes.py"
REPOSITORY: Final = "app/modules/invoice/repository.py"


@pytest.fixture(scope="module")
def output(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of a copy of the platform, with `invoice`, which breaks the rules, and `customer`."""
    house = tmp_path_factory.mktemp("house")
    left_out = shutil.ignore_patterns("__pycache__", "test_*.py", "modules", "versions")
    for folder in ("app", "tests", "alembic", "templates", "static"):
        shutil.copytree(ROOT / folder, house / folder, ignore=left_out)
    (house / "alembic" / "versions").mkdir()
    for file in ("pyproject.toml", "alembic.ini"):
        shutil.copy(ROOT / file, house)
    for name, text in PLANTED.items():
        path = house / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/modules/invoice", "-rA", "--tb=short", "-p", "no:cacheprovider"],
        cwd=house,
        env=environment(None) | {"PYTHONPATH": str(house), "TEST_DATABASE_URL": server.url},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    return ran.stdout + ran.stderr


def ended(output: str, how: str) -> set[str]:
    """The planted tests that passed, failed in themselves, or failed around themselves (ERROR)."""
    return set(re.findall(rf"^{how} {TESTS}::(\w+)", output, re.MULTILINE))


def report(output: str, test: str) -> str:
    """What is said of a test that failed."""
    match = re.search(rf"^_+ {re.escape(test)} _+$\n(.*?)^[_=-]{{3}}", output, re.MULTILINE | re.DOTALL)
    assert match is not None, output
    return match[1]


def place(file: str, fragment: str) -> str:
    """Where `fragment` stands first in a planted file."""
    lines = PLANTED[file].splitlines()
    return f"{file}:{next(number for number, line in enumerate(lines, 1) if fragment in line)}"


def test_each_violation_fails_its_test_and_nothing_else_does(output: str) -> None:
    planted = set(re.findall(r"def (test_\w+)", PLANTED[TESTS]))
    innocent = {name for name in planted if name.startswith("test_passes_")}

    assert ended(output, "PASSED") == innocent, output
    assert ended(output, "FAILED") == planted - innocent
    assert ended(output, "ERROR") == set()


@pytest.mark.parametrize(
    ("test", "statement", "times", "work", "line"),
    [
        ("test_request", "FROM invoices", 6, "GET /api/v1/invoices/each", place(ROUTES, ".get(uuid4())")),
        ("test_request_of_a_running_application", "SELECT 1", 7, "POST /api/v1/invoices/ping", place(REPOSITORY, "text(s")),
        ("test_unit_of_work", "INSERT INTO invoices", 6, "one session", place(TESTS, ".add(Invoice(number=number))")),
        ("test_read_session", "SELECT count(*)", 6, "one session", place(TESTS, ".count()")),
    ],
)  # fmt: skip
def test_a_repeated_statement_is_told_with_its_line(
    output: str, test: str, statement: str, times: int, work: str, line: str
) -> None:
    said = report(output, test)

    assert said.startswith(f"{line} ran a statement {times} times in {work}")
    assert statement in said
    assert "`get_many`, a join or eager loading" in said


@pytest.mark.parametrize(
    ("test", "statement", "line"),
    [
        ("test_foreign[select]", "SELECT name FROM customers", place(REPOSITORY, "text(s")),
        ("test_foreign[subquery]", "SELECT (SELECT count(*)", place(REPOSITORY, "text(s")),
        ("test_foreign[with]", "WITH customers AS", place(REPOSITORY, "text(s")),
        ("test_foreign[insert]", 'INSERT INTO "customers"', place(REPOSITORY, "text(s")),
        ("test_foreign[update]", "UPDATE customers", place(REPOSITORY, "text(s")),
        ("test_foreign[delete]", "DELETE FROM customers", place(REPOSITORY, "text(s")),
        ("test_foreign[unreadable]", "LOCK TABLE customers", place(REPOSITORY, "text(s")),
        ("test_foreign_join", "FROM invoices JOIN customers", place(REPOSITORY, ".join(Customer")),
        ("test_foreign_row", "session.add(Customer(…))", place(REPOSITORY, ".add(Customer")),
    ],
)
def test_a_query_into_a_neighbour_s_table_is_told_with_its_line(
    output: str, test: str, statement: str, line: str
) -> None:
    said = report(output, test)

    assert said.startswith(f"{line} touches customers, which belongs to app/modules/customer.")
    assert statement in said
    assert "Ask it through app/modules/customer/public.py, or react to its events." in said


def test_a_mark_without_a_reason_is_refused(output: str) -> None:
    assert '@pytest.mark.repeats_statements("reason")' in report(output, "test_mark_without_a_reason")


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("SELECT a.x FROM a JOIN s.b ON true, LATERAL (SELECT 1 FROM c) l", {"public.a", "s.b", "public.c"}),
        ('SELECT 1 FROM A UNION SELECT 2 FROM "B"', {"public.a", "public.B"}),
        ("UPDATE a AS t SET x = b.x FROM b WHERE EXISTS (SELECT 1 FROM c)", {"public.a", "public.b", "public.c"}),
        ("DELETE FROM a USING b", {"public.a", "public.b"}),
        ("INSERT INTO a SELECT * FROM b ON CONFLICT (x) DO UPDATE SET x = excluded.x", {"public.a", "public.b"}),
        ("MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN DELETE", {"public.a", "public.b"}),
        ("WITH a AS (SELECT 1), b AS (SELECT 1 FROM a) SELECT 1 FROM b JOIN A ON true", set()),
        ("WITH a AS (SELECT 1 FROM b), b AS (SELECT 1) SELECT 1 FROM a, b", {"public.b"}),
        ("WITH a AS (SELECT 1 FROM a) SELECT 1 FROM a", {"public.a"}),
        ("WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT 1 FROM a) SELECT 1 FROM a", set()),
        ("SELECT (WITH a AS (SELECT 1) SELECT 1 FROM a) FROM a", {"public.a"}),
        ("WITH a AS (SELECT 1) SELECT 1 FROM public.a", {"public.a"}),
        ("WITH a AS (DELETE FROM b RETURNING x) SELECT (SELECT count(*) FROM a)", {"public.b"}),
        ("SELECT 'b' FROM generate_series(1, 2) AS a", set()),
        ("LOCK TABLE a", None),
        ("VACUUM a", None),
        ("SELECT (", None),
        ("SELECT 'a", None),
    ],
)  # fmt: skip
def test_the_tables_of_a_statement_are_those_that_postgresql_looks_up(statement: str, tables: set[str] | None) -> None:
    assert tables_of(statement) == tables
