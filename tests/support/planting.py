"""Modules of a test's own, in a package that is gone after it."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Final
from uuid import uuid4

_PACKAGE: Final = "from sqlalchemy import MetaData\nmetadata = MetaData()\n"

SHOP: Final[Mapping[str, str]] = {
    "customer/__init__.py": """
        from app.core.module import Module
        from shop.customer import models
        module = Module(name="customer", summary="Who buys.")
    """,
    "customer/models.py": """
        from app.db.model import Model
        from shop import metadata as own
        class Customer(Model, table=True):
            metadata = own
            __tablename__ = "customers"
            email: str
    """,
    "customer/public.py": "def name_of() -> None: ...",
    "order/__init__.py": """
        from app.core.http.routing import ApiRouter
        from app.core.module import Module
        from app.core.security import Permission, require
        from shop.order import models, service
        from shop.order.events import OrderPlaced
        class OrderPermission(Permission):
            READ = "order:read"
        router = ApiRouter(prefix="/orders", tag="order")
        @router.get("/{key}", dependencies=[require(OrderPermission.READ)])
        async def read_order(key: int) -> None:
            '''Read an order.

            Not told.
            '''
        @router.post("")
        async def place_order() -> None:
            '''Place an order.'''
        module = Module(
            name="order", summary="What they buy.", routers=(router,), permissions=OrderPermission,
            events=(OrderPlaced,),
        )
    """,
    "order/events.py": """
        from app.core.messages import Event
        class OrderPlaced(Event): ...
    """,
    "order/models.py": """
        from uuid import UUID
        from sqlmodel import Field
        from app.db.model import Model
        from shop import metadata as own
        class Order(Model, table=True):
            metadata = own
            __tablename__ = "orders"
            customer_id: UUID = Field(foreign_key="customers.id")
            replaces_id: UUID | None = Field(foreign_key="orders.id")
    """,
    "order/service.py": "from shop.customer.public import name_of",
    "mail/__init__.py": """
        from pydantic import Field, SecretStr
        from pydantic_settings import SettingsConfigDict
        from typer import Typer
        from app.core.health import HealthCheck
        from app.core.messages import handles
        from app.core.module import Module
        from app.core.settings import Area, Environment
        from shop.order.events import OrderPlaced
        class MailSettings(Area):
            model_config = SettingsConfigDict(env_prefix="MAIL_")
            by_environment = {Environment.PROD: {"sender": "mails@example.org", "password": "canary-prod"}}
            sender: str = Field("nobody@example.org", description="Whom mails are | from.")
            password: SecretStr = Field(SecretStr("canary-default"), description="Of the account.")
            host: str = Field(description="Where it is sent.")
        commands = Typer()
        @commands.callback()
        def mail() -> None: ...
        @commands.command()
        def send_again() -> None:
            '''Send what failed.

            Not told.
            '''
        async def answers() -> None: ...
        @handles(OrderPlaced)
        async def confirm(uow: object, event: OrderPlaced) -> None: ...
        module = Module(
            name="mail", summary="Tells them.", handlers=(confirm,), settings=MailSettings, commands=commands,
            health_checks=(HealthCheck("smtp", answers, required=False),),
        )
    """,
}
"""Three modules: `order` refers to `customer` and asks it, `mail` reacts to `order`."""


@contextmanager
def planted(folder: Path, files: Mapping[str, str]) -> Iterator[ModuleType]:
    """A package with `files`, by path and content, which call it `shop`; it can be imported until the block ends.

    It has a `metadata` for its tables, and a name of its own each time, because SQLModel remembers classes by theirs.
    """
    name = f"shop_{uuid4().hex}"
    for path, content in {"__init__.py": _PACKAGE, **files}.items():
        file = folder / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(content.replace("shop", name)))
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
        for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == name]:
            del sys.modules[loaded]
