"""The page that someone opens in a browser."""

import re
from functools import partial
from types import ModuleType

import httpx2
import pytest
from fastapi import FastAPI

from app import __version__
from app.canvas import collect
from app.core.canvas import (
    Canvas,
    Canvases,
    Check,
    Command,
    Dependency,
    ForeignKey,
    Reaction,
    Route,
    Setting,
    Table,
)
from app.core.errors import Unavailable
from app.core.health import Health, HealthCheck
from app.core.http.routing import ApiRouter
from app.core.module import Module, discover
from app.core.settings import AppSettings, Environment, Settings


async def down() -> None:
    raise Unavailable("It does not answer. <b>Look</b>")


async def test_it_says_what_runs_here(client: httpx2.AsyncClient) -> None:
    response = await client.get("/")

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = response.text
    assert "Trellis" in page
    assert __version__ in page
    assert ">test<" in page.replace("</span> test", "</span>>test<")
    assert "database" in page
    assert "PATCH" in page
    assert "/docs#/sample_note/change_sample_note" in page
    assert "/health/ready" in page


async def test_every_link_leads_somewhere(client: httpx2.AsyncClient) -> None:
    page = (await client.get("/")).text
    links = {link for link in re.findall(r'(?:href|src)="([^"#]*)[^"]*"', page) if link}

    assert len(links) >= 5
    for link in links:
        assert (await client.get(link)).status_code == 200, link


async def test_it_needs_no_script_and_nothing_from_elsewhere(client: httpx2.AsyncClient) -> None:
    response = await client.get("/")

    assert "<script" not in response.text
    assert "http://" not in response.text
    assert "https://" not in response.text
    assert response.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'self'; img-src 'self'"
    )
    assert response.headers["x-content-type-options"] == "nosniff"


# charter 50
async def test_markup_is_escaped(application: FastAPI, client: httpx2.AsyncClient) -> None:
    router = ApiRouter(prefix="/<img>", tag="planted")

    @router.get("", summary="<script>alert(1)</script>")
    async def planted() -> None: ...

    application.state.modules = (Module("<i>module</i>", "<svg onload=alert(1)>", (router,)),)
    application.state.health = Health([HealthCheck("<u>part</u>", down)])
    page = (await client.get("/")).text

    for markup in ("<i>module", "<svg onload", "<script>", "<u>part", "<b>Look", "<img>"):
        assert markup not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


# charter 50
async def test_markup_inside_a_module_is_escaped(application: FastAPI, client: httpx2.AsyncClient) -> None:
    hostile = '"><script>{}</script>'.format
    keys = (ForeignKey(hostile("column"), hostile("target"), None),)
    canvas = Canvas(
        name=hostile("name"),
        summary=hostile("summary"),
        dependencies=(Dependency(hostile("other"), (hostile("by"),), (hostile("file"),)),),
        routes=(Route("GET", hostile("path"), hostile("does"), (hostile("permission"),), hostile("anchor")),),
        tables=(Table(hostile("table"), (hostile("field"),), keys),),
        events=(hostile("event"),),
        reactions=(Reaction(hostile("happened"), hostile("whose"), hostile("handler")),),
        permissions=(hostile("permits"),),
        settings=(Setting(hostile("variable"), hostile("default"), hostile("explained")),),
        commands=(Command(hostile("line"), hostile("help")),),
        checks=(Check(hostile("check"), required=True),),
    )
    neighbour = Canvas(hostile("other"), "")
    application.state.canvases = Canvases(lambda _: (canvas, neighbour))
    page = (await client.get("/")).text

    assert "<script" not in page
    assert set(re.findall(r"&lt;script&gt;(\w+)&lt;/script&gt;", page.replace("<wbr>", ""))) >= {
        "name", "summary", "other", "by", "file", "does", "permission", "anchor", "table", "field", "column", "target",
        "event", "happened", "whose", "handler", "permits", "variable", "default", "explained", "line", "help", "check",
    }  # fmt: skip


async def test_it_shows_what_each_module_holds(
    application: FastAPI, client: httpx2.AsyncClient, shop: ModuleType
) -> None:
    application.state.modules = discover(shop)
    application.state.canvases = Canvases(partial(collect, shop))
    page = " ".join(re.sub(r"<[^>]*>", " ", (await client.get("/")).text).split())

    assert "Inside order" in page
    assert "Depends on customer by orders.customer_id, public.py" in page
    assert (
        "orders columns id, created_at, updated_at, version, customer_id, replaces_id refers to customer_id →" in page
    )
    assert "Announces OrderPlaced" in page
    assert "OrderPlaced of order by confirm" in page
    assert "Read an order. Needs order:read ." in page
    assert "MAIL_SENDER default nobody@example.org; mails@example.org in prod for Whom mails are | from." in page
    assert "python -m app mail send-again for Send what failed." in page
    assert "canary" not in page


async def test_the_diagram_leads_to_the_modules(
    application: FastAPI, client: httpx2.AsyncClient, shop: ModuleType
) -> None:
    application.state.modules = discover(shop)
    application.state.canvases = Canvases(partial(collect, shop))
    page = (await client.get("/")).text

    assert "order depends on customer." in page
    assert re.findall(r'<a href="#(module-\w+)">', page) == ["module-customer", "module-mail", "module-order"]
    for name in ("customer", "mail", "order"):
        assert f'<h3 id="module-{name}">' in page
    # The Content-Security-Policy would refuse them.
    assert "<style" not in page
    assert "style=" not in page


async def test_one_module_needs_no_diagram(application: FastAPI, client: httpx2.AsyncClient) -> None:
    application.state.modules = (Module("alone", ""),)

    assert 'class="diagram"' not in (await client.get("/")).text


async def test_a_part_that_is_down_is_shown_with_its_reason(application: FastAPI, client: httpx2.AsyncClient) -> None:
    application.state.health = Health([HealthCheck("cache", down)])

    response = await client.get("/")

    assert response.status_code == 200
    assert "is not ready" in response.text
    assert "It does not answer." in response.text


async def test_without_modules_it_says_how_to_begin(application: FastAPI, client: httpx2.AsyncClient) -> None:
    application.state.modules = ()

    assert "make module name=" in (await client.get("/")).text


class TestProduction:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return Settings(
            app=AppSettings(env=Environment.PROD, docs=False, allowed_hosts=("test",)),
            log=settings.log,
            postgres=settings.postgres,
        )

    async def test_the_documentation_is_hidden(self, client: httpx2.AsyncClient) -> None:
        for path in ("/docs", "/redoc", "/openapi.json"):
            assert (await client.get(path)).status_code == 404
        assert "/docs" not in (await client.get("/")).text

    async def test_what_modules_hold_is_hidden_with_it(
        self, application: FastAPI, client: httpx2.AsyncClient, shop: ModuleType
    ) -> None:
        application.state.modules = discover(shop)
        application.state.canvases = Canvases(partial(collect, shop))
        page = (await client.get("/")).text

        assert "/api/v1/orders" in page.replace("<wbr>", "")
        for inside in ("Inside", "customers", "OrderPlaced", "order:read", "MAIL_SENDER", "diagram"):
            assert inside not in page
