"""The application keeps the house rules, and what breaks one is found where it stands."""

from pathlib import Path

import pytest

from tests.architecture.house import RULES, findings
from tests.support.server import ROOT

QUERIES = "Every query lives in a repository."
COMMITS = "Only the edge that opened a transaction ends it."
MIDDLEWARE = "Middleware is pure ASGI."
ACROSS = "No relationship() crosses modules."
LAZY = "No relationship loads by itself."
IMPORTING = "Importing opens nothing."

VIOLATIONS = [
    ("service.py", "from sqlmodel import col, select", QUERIES, "repository.py"),
    ("jobs.py", "from sqlalchemy.dialects.postgresql import insert", QUERIES, "repository.py"),
    ("models.py", "rows = sa.select(Invoice)", QUERIES, "named for its meaning"),
    ("public.py", "rows = session.exec(statement)", QUERIES, "repository.py"),
    ("routes/v1.py", "row = lambda uow: uow.session.get(Invoice, key)", QUERIES, "repository.py"),
    ("service.py", "async def f(s): (await s.session.connection()).execute(text('x'))", QUERIES, "repository.py"),
    ("service.py", "async def f(uow): await uow.session.commit()", COMMITS, "leaving the unit of work commits"),
    ("repository.py", "async def f(self): await self._session.rollback()", COMMITS, "rolls back"),
    ("routes.py", "async def f(uow): await uow.session.commit()", COMMITS, "leaving the unit of work commits"),
    ("jobs.py", "async def f(uow): await uow.session.commit()", COMMITS, "leaving the unit of work commits"),
    ("models.py", "customer: 'Customer' = Relationship(sa_relationship_kwargs={'lazy': 'raise'})", ACROSS, "key"),
    ("models.py", "c: list['Customer'] = relationship(lazy='raise_on_sql')", ACROSS, "public.py"),
    ("models.py", "c = relationship('app.modules.customer.models.Customer', lazy='raise')", ACROSS, "public.py"),
    ("models.py", "c = relationship(lambda: Customer, lazy='raise')", ACROSS, "public.py"),
    ("models.py", "items: list['Item'] = Relationship()", LAZY, 'lazy="raise_on_sql"'),
    ("models.py", "items: list['Item'] = relationship(lazy='selectin')", LAZY, "what it loads"),
    ("app/core/http/own.py", "from starlette.middleware.base import BaseHTTPMiddleware", MIDDLEWARE, "__call__"),
    ("app/core/http/own.py", "class Own(base.BaseHTTPMiddleware): ...", MIDDLEWARE, "__call__"),
    ("app/main.py", "def f(app):\n    app.add_middleware(base.BaseHTTPMiddleware)", MIDDLEWARE, "__call__"),
    ("app/main.py", "@application.middleware('http')\nasync def own(request, call_next): ...", MIDDLEWARE, "__call__"),
    ("app/main.py", "app = create_app()", IMPORTING, "app/wiring.py"),
    ("app/main.py", "if True:\n    app: FastAPI = FastAPI()", IMPORTING, "app/wiring.py"),
    ("app/db/own.py", "engine = create_async_engine('postgresql://')", IMPORTING, "app/wiring.py"),
    ("app/core/own.py", "settings = load_settings()", IMPORTING, "app/wiring.py"),
    ("service.py", "class Service:\n    client = httpx2.AsyncClient()", IMPORTING, "pass it to who needs it"),
    ("service.py", "def f(client=httpx2.AsyncClient()): ...", IMPORTING, "pass it to who needs it"),
]  # fmt: skip
"""A file of the module `invoice`, or from the root; what is written into it; the rule that it breaks; its mend."""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A project with two modules, `customer` and `invoice`, that keep every rule."""
    for file, text in (
        ("customer/models.py", "class Customer: ..."),
        ("invoice/models.py", "class Invoice: ...\nclass Item: ..."),
    ):
        plant(tmp_path, f"app/modules/{file}", text)
    return tmp_path


def plant(house: Path, file: str, text: str) -> int:
    """Adds `text` to `file`, and tells the number of its first line."""
    path = house / file
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text() if path.exists() else ""
    path.write_text(f"{before}{text}\n")
    return len(before.splitlines()) + 1


def test_the_application_keeps_the_house_rules() -> None:
    assert [str(finding) for finding in findings(ROOT)] == []


@pytest.mark.parametrize(("file", "text", "rule", "mend"), VIOLATIONS)
def test_a_violation_is_found_where_it_stands(house: Path, file: str, text: str, rule: str, mend: str) -> None:
    path = file if file.startswith("app/") else f"app/modules/invoice/{file}"
    line = plant(house, path, text)

    (found,) = findings(house)

    assert str(found).startswith(f"{path}:")
    assert line <= found.line < line + len(text.splitlines())
    assert found.rule == rule
    assert mend in found.mend


def test_each_rule_has_a_violation_here() -> None:
    assert {rule.says for rule in RULES} == {rule for _, _, rule, _ in VIOLATIONS}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("repository.py", "from sqlmodel import select\nrows = lambda session: session.exec(select(Invoice))"),
        ("repository/reports.py", "from sqlalchemy import text"),
        ("models.py", "from sqlalchemy import CheckConstraint, func, text"),
        ("models.py", "items: list['Item'] = Relationship(sa_relationship_kwargs={'lazy': 'raise_on_sql'})"),
        ("models.py", "items = relationship('Item', lazy='raise', back_populates='invoice')"),
        ("routes.py", "value = lambda request: request.session.get('theme', 'dark')"),
        ("service.py", "def f(): return httpx2.AsyncClient()"),
        ("service.py", "def f(settings: Settings, app: Callable[[], FastAPI] = create_app): ..."),
    ],
)
def test_what_keeps_the_rules_is_left_alone(house: Path, file: str, text: str) -> None:
    plant(house, f"app/modules/invoice/{file}", text)

    assert findings(house) == []


def test_classes_of_one_name_in_two_modules_are_each_their_own(house: Path) -> None:
    plant(house, "app/modules/customer/models.py", "class Item: ...")
    plant(house, "app/modules/invoice/models.py", "items: list['Item'] = relationship(lazy='raise')")

    assert findings(house) == []
