"""Any module can be deleted, with those that depend on it, and the rest starts and passes."""

from pathlib import Path

import pytest

from app.core.settings import PostgresAddress
from tests.e2e.removal import Remains, needs, with_dependents
from tests.support.copies import Copy
from tests.support.postgres import TestServer

CUSTOMER = ("drill_customer", "name:str email:email:unique")
ORDER = ("drill_order", "number:str:unique drill_customer:drill_customer placed_at:datetime status:enum(open,paid)")


# Each starts a dozen processes, one after another.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def copy(tmp_path: Path, own_database: PostgresAddress) -> Copy:
    return Copy(tmp_path / "copy", own_database)


@pytest.fixture
def remains(copy: Copy, own_database: PostgresAddress, server: TestServer) -> Remains:
    return Remains(copy, own_database, server.url)


@pytest.mark.drill
@pytest.mark.parametrize("module", sorted(needs()))
def test_without_a_module_and_its_dependents_the_rest_works(copy: Copy, remains: Remains, module: str) -> None:
    gone = with_dependents(module, needs())

    for name in gone:
        assert copy.app("module-remove", name).returncode == 0
    remains.assert_works(without=gone)


@pytest.mark.drill
def test_a_module_that_another_refers_to_leaves_after_it(copy: Copy, remains: Remains) -> None:
    for name, fields in (CUSTOMER, ORDER):
        added = copy.app("module", name, fields)
        assert added.returncode == 0, added.stderr

    refused = copy.app("module-remove", "drill_customer")
    assert refused.returncode == 1
    assert "drill_order (drill_orders.drill_customer_id)" in refused.stderr

    assert copy.app("module-remove", "drill_order").returncode == 0
    remains.assert_works(without=["drill_order"])
    assert copy.app("module-remove", "drill_customer").returncode == 0
    remains.assert_works(without=["drill_order", "drill_customer"])


@pytest.mark.parametrize(
    ("file", "line", "caught_by"),
    [
        ("app/wiring.py", "import app.modules.gone", "-m app check"),
        pytest.param("app/db/planted.py", "from app.modules.gone import public", "-m pytest", marks=pytest.mark.drill),
        pytest.param(
            "tests/modules/gate/test_planted.py",
            "def test_it() -> None: raise LookupError('gone')",
            "-m pytest",
            marks=pytest.mark.drill,
        ),
    ],
)
def test_what_still_needs_a_module_is_caught(
    copy: Copy, remains: Remains, file: str, line: str, caught_by: str
) -> None:
    (copy.folder / file).parent.mkdir(exist_ok=True)
    with (copy.folder / file).open("a", encoding="utf-8") as planted:
        planted.write(f"\n{line}\n")

    with pytest.raises(AssertionError, match=rf"(?s)^python {caught_by}\b.*gone"):
        remains.assert_works(without=["gone"])


def test_dependents_go_before_what_they_depend_on() -> None:
    needed = {"a": set[str](), "b": {"a", "c"}, "c": {"a"}, "d": {"b"}, "e": set[str]()}

    assert with_dependents("a", needed) == ["d", "b", "c", "a"]
    assert with_dependents("c", needed) == ["d", "b", "c"]
    assert with_dependents("e", needed) == ["e"]
