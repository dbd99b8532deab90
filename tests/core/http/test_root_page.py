"""The page that someone opens in a browser."""

import re

import httpx2
import pytest
from fastapi import FastAPI

from app import __version__
from app.core.errors import Unavailable
from app.core.health import Health, HealthCheck
from app.core.http.routing import ApiRouter
from app.core.module import Module
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


async def test_a_part_that_is_down_is_shown_with_its_reason(application: FastAPI, client: httpx2.AsyncClient) -> None:
    application.state.health = Health([HealthCheck("cache", down)])

    response = await client.get("/")

    assert response.status_code == 200
    assert "is not ready" in response.text
    assert "It does not answer." in response.text


async def test_without_modules_it_says_how_to_begin(application: FastAPI, client: httpx2.AsyncClient) -> None:
    application.state.modules = ()

    assert "<code>app/modules</code>" in (await client.get("/")).text


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
