"""No secret that came in any way is in any line or file."""

import logging
import re
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
import structlog
from fastapi import FastAPI
from pydantic import BaseModel, SecretStr
from sqlalchemy import text
from structlog.typing import FilteringBoundLogger

from app.core.errors import Unavailable
from app.core.http.routing import ApiRouter
from app.core.settings import LogSettings
from app.db.depends import Reads
from tests.core.logging.conftest import Configure
from tests.support.logs import lines_in

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class Login(BaseModel):
    name: str
    password: str


async def log_the_body(login: Login) -> None:
    _log.info("login", body=login, body_too=login.model_dump(), parts=[login], password=login.password)
    _log.info(
        "login", key=SecretStr(login.password), url=f"https://u:{login.password}@a.example/?token={login.password}"
    )


async def log_as_libraries_do(login: Login) -> None:
    logging.getLogger("httpx").warning("GET https://a.example/?api_key=%s", login.password)
    logging.getLogger("amqp").warning("connecting", extra={"password": login.password, "headers": {"Cookie": "canary"}})
    warnings.warn(f"password={login.password} is old", UserWarning, stacklevel=1)


async def fail_with_an_address(login: Login) -> None:
    raise RuntimeError(f"cannot reach postgres://u:{login.password}@db?password={login.password}")


async def fail_with_a_quoting_cause(login: Login) -> None:
    try:
        raise ValueError(login.password)
    except ValueError as error:
        raise Unavailable from error


async def fail_to_validate(login: Login) -> None:
    Login.model_validate({"name": [login.password], "password": {"a": login.password}})


async def fail_in_a_group(login: Login) -> None:
    try:
        await fail_to_validate(login)
    except ValueError as error:
        raise ExceptionGroup("several", [error, ExceptionGroup("inner", [error])]) from error


WORK: list[Callable[[Login], Awaitable[None]]] = [
    *(log_the_body, log_as_libraries_do, fail_with_an_address, fail_with_a_quoting_cause, fail_to_validate),
    fail_in_a_group,
]
STATEMENTS = [
    "SELECT CAST(:secret AS integer)",
    "SELECT CAST(CAST(:secret AS text) AS uuid)",
    "SELECT CAST(:secret AS text) FROM nowhere",
    "INSERT INTO sample_notes (title) VALUES (:secret)",
    "DO $$ BEGIN RAISE 'odd' USING DETAIL = 'Key (email)=(canary) is odd', ERRCODE = 'ZX001'; END $$",
]


@pytest.fixture
def application(application: FastAPI) -> FastAPI:
    router = ApiRouter(prefix="/canaries", tag="canary")

    @router.post("/work/{number}", status_code=204)
    async def work(number: int, login: Login) -> None:
        await WORK[number](login)

    @router.post("/sql/{number}", status_code=204)
    async def run(number: int, login: Login, reads: Reads) -> None:
        await (await reads.connection()).execute(
            text(STATEMENTS[number]), {"secret": login.password} if number < 4 else {}
        )

    application.include_router(router)
    return application


# charter 59
async def test_no_canary_is_in_any_line_or_file(
    client: httpx2.AsyncClient, configure: Configure, tmp_path: Path
) -> None:
    log = configure(LogSettings(level="DEBUG", format="console", dir=tmp_path / "logs"))
    paths = [
        *(f"/api/v1/canaries/work/{number}" for number in range(len(WORK))),
        *(f"/api/v1/canaries/sql/{number}" for number in range(len(STATEMENTS))),
        "/api/v1/sample-notes",
        "/nowhere",
    ]
    bodies: list[object] = [
        {"name": "ada", "password": "canary"},
        {"name": "ada", "password": "canary", "title": "canary", "token": "canary"},
        {"name": ["canary"], "password": {"canary": "canary"}},
        "canary",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        for path in paths:
            for body in bodies:
                await client.post(
                    path,
                    json=body,
                    params={"token": "canary", "api_key": "canary"},
                    headers={"authorization": "Bearer canary", "cookie": "session=canary", "x-request-id": "canary !"},
                )

    events = {line["event"] for line in lines_in(tmp_path / "logs")}
    assert {"request", "login", "connecting", "unhandled_error", "unavailable"} <= events
    assert "UserWarning" in log.text
    written = log.text + "".join(path.read_text() for path in (tmp_path / "logs").glob("*.log"))
    # The traceback's own lines of this file apart.
    told = written.replace("/canaries/", "").replace("test_canaries.py", "")
    assert re.findall(".{60}canary.{20}", told) == []
    assert "canary" not in told
