"""What each module consists of is read from the module."""

from pathlib import Path
from types import ModuleType

import pytest

from app.canvas import collect
from app.core.canvas import (
    Canvas,
    Canvases,
    Check,
    Circle,
    Command,
    Dependency,
    ForeignKey,
    Reaction,
    Route,
    Setting,
    Table,
    circles,
    markdown,
)
from app.core.module import Module, discover
from tests.support.planting import SHOP, planted

BASE = ("id", "created_at", "updated_at", "version")


def canvases(package: ModuleType) -> dict[str, Canvas]:
    return {canvas.name: canvas for canvas in collect(package, discover(package))}


def model(name: str, *columns: str) -> dict[str, str]:
    """A module with one table, named like it with an s, and `columns` of foreign keys, each `column: target`."""
    keys = [
        f"    {column}: UUID = Field(foreign_key={target!r})"
        for column, _, target in (c.partition(": ") for c in columns)
    ]
    return {
        f"{name}/__init__.py": f"from app.core.module import Module\nfrom shop.{name} import models\n"
        f"module = Module(name={name!r}, summary='')\n",
        f"{name}/models.py": "from uuid import UUID\nfrom sqlmodel import Field\nfrom app.db.model import Model\n"
        f"from shop import metadata as own\nclass {name.title()}(Model, table=True):\n    metadata = own\n"
        f"    __tablename__ = '{name}s'\n" + "\n".join(keys),
    }


def test_routes_come_with_what_they_do_and_need(shop: ModuleType) -> None:
    assert canvases(shop)["order"].routes == (
        Route("GET", "/api/v1/orders/{key}", "Read an order.", ("order:read",), "order/read_order"),
        Route("POST", "/api/v1/orders", "Place an order.", (), "order/place_order"),
    )


def test_tables_belong_to_the_module_that_defines_their_class(shop: ModuleType) -> None:
    found = canvases(shop)

    assert found["customer"].tables == (Table("customers", (*BASE, "email"), ()),)
    assert found["order"].tables == (
        Table(
            "orders",
            (*BASE, "customer_id", "replaces_id"),
            (
                ForeignKey("orders.customer_id", "customers.id", "customer"),
                ForeignKey("orders.replaces_id", "orders.id", "order"),
            ),
        ),
    )
    assert found["mail"].tables == ()


def test_what_a_module_announces_reacts_to_and_permits_is_in_its_canvas(shop: ModuleType) -> None:
    found = canvases(shop)

    assert found["order"].events == ("OrderPlaced",)
    assert found["order"].permissions == ("order:read",)
    assert found["mail"].reactions == (Reaction("OrderPlaced", "order", "confirm"),)


def test_settings_come_with_their_defaults_and_without_secrets(shop: ModuleType) -> None:
    assert canvases(shop)["mail"].settings == (
        Setting("MAIL_SENDER", "nobody@example.org; mails@example.org in prod", "Whom mails are | from."),
        Setting("MAIL_PASSWORD", "********; ******** in prod", "Of the account."),
        Setting("MAIL_HOST", "required", "Where it is sent."),
    )


def test_commands_and_health_checks_are_in_the_canvas(shop: ModuleType) -> None:
    mail = canvases(shop)["mail"]

    assert mail.commands == (Command("mail send-again", "Send what failed."),)
    assert mail.checks == (Check("smtp", required=False),)


def test_a_module_depends_on_what_its_keys_refer_to_and_its_files_import(shop: ModuleType) -> None:
    found = canvases(shop)

    assert found["customer"].dependencies == ()
    assert found["order"].dependencies == (Dependency("customer", ("orders.customer_id",), ("public",)),)
    assert found["mail"].dependencies == (Dependency("order", (), ("events",)),)
    assert found["mail"].dependencies[0].by_events_only
    assert not found["order"].dependencies[0].by_events_only
    assert not Dependency("order", ("invoices.order_id",), ("events",)).by_events_only


@pytest.mark.parametrize(
    "line",
    [
        "from shop.customer.public import name_of",
        "from shop.customer import public",
        "import shop.customer.public",
        "def late() -> None:\n    import shop.customer.public as asked",
    ],
)
def test_every_way_to_import_a_neighbour_is_seen(tmp_path: Path, line: str) -> None:
    others = model("invoice") | {"invoice/service.py": line, "invoice/repository.py": "import shop.invoice.models"}
    with planted(tmp_path, {**SHOP, **others}) as package:
        assert canvases(package)["invoice"].dependencies == (Dependency("customer", (), ("public",)),)


def test_a_module_changes_nothing_of_another(tmp_path: Path) -> None:
    with planted(tmp_path, SHOP) as package:
        before = {name: markdown(canvas) for name, canvas in canvases(package).items()}
    others = model("invoice", "order_id: orders.id") | {"invoice/service.py": "import shop.customer.public"}
    with planted(tmp_path, {**SHOP, **others}) as package:
        after = {name: markdown(canvas) for name, canvas in canvases(package).items()}

    assert after.pop("invoice")
    assert after == before


def test_a_page_shows_every_row_and_leaves_out_what_is_not_there(shop: ModuleType) -> None:
    found = canvases(shop)

    order = markdown(found["order"])
    assert order.startswith(
        "# order\n\nWhat they buy.\n\n## Routes\n\n| route | what it does | permission |\n| - | - | - |\n"
    )
    assert "| `GET /api/v1/orders/{key}` | Read an order. | `order:read` |\n" in order
    assert (
        "## Depends on\n\n| module | by |\n| - | - |\n| [customer](customer.md) | `orders.customer_id`, `public.py` |\n"
        in order
    )
    assert "`customer_id → customers.id`" in order
    assert "## Announces\n\n| event |\n| - |\n| `OrderPlaced` |\n" in order
    mail = markdown(found["mail"])
    assert "| `OrderPlaced` | [order](order.md) | `confirm` |\n" in mail
    assert r"| `MAIL_SENDER` | nobody@example.org; mails@example.org in prod | Whom mails are \| from. |" in mail
    assert "| `python -m app mail send-again` | Send what failed. |\n" in mail
    assert "| `smtp` | degraded |\n" in mail
    assert "## Routes" not in mail
    assert "## Announces" not in mail
    assert "canary" not in mail


def test_markup_in_a_page_is_shown_as_it_is() -> None:
    page = markdown(Canvas("odd", "<script>&\nalert(1)</script>", events=("a|`b`",)))

    assert "&lt;script>&amp; alert(1)&lt;/script>\n" in page
    assert "| `a\\|b` |\n" in page


def test_canvases_are_collected_at_the_first_look_and_kept() -> None:
    looks: list[tuple[Module, ...]] = []

    def collected(modules: tuple[Module, ...]) -> tuple[Canvas, ...]:
        looks.append(modules)
        return tuple(Canvas(module.name, module.summary) for module in modules)

    kept = Canvases(collected)
    modules = (Module("one", ""),)
    assert looks == []
    assert kept.of(modules) == kept.of(modules) == (Canvas("one", ""),)
    assert looks == [modules]


def test_tables_that_refer_to_each_other_in_a_circle_are_found(tmp_path: Path) -> None:
    files = {
        **model("invoice", "order_id: orders.id", "last_order_id: orders.id"),
        **model("order", "payment_id: payments.id", "replaces_id: orders.id"),
        **model("payment", "invoice_id: invoices.id"),
        **model("reminder", "invoice_id: invoices.id"),
    }
    with planted(tmp_path, files) as package:
        (circle,) = circles(collect(package, discover(package)))

    assert circle.modules == ("invoice", "order", "payment")
    assert [key.column for key in circle.foreign_keys] == [
        "invoices.last_order_id", "invoices.order_id", "orders.payment_id", "payments.invoice_id"
    ]  # fmt: skip


def test_a_circle_is_told_by_its_columns_and_with_its_mend() -> None:
    keys = (ForeignKey("as.b_id", "bs.id", "b"), ForeignKey("bs.a_id", "as.id", "a"))

    told = str(Circle(("a", "b"), keys))

    assert "The tables of a and b refer to each other in a circle: as.b_id to bs.id, bs.a_id to as.id." in told
    assert "Let the foreign keys of one module go" in told


def test_foreign_keys_in_one_direction_are_no_circle(shop: ModuleType) -> None:
    assert circles(collect(shop, discover(shop))) == ()
