"""`python -m app …` as an operator types it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from app.core.settings import PostgresAddress
from tests.support.server import ROOT, environment

SECRET = "canary-0123456789-0123456789-0123456789"


class Cli:
    """Runs commands in this process, in an environment of the test's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        monkeypatch.chdir(folder)  # where no `.env` of a developer lies
        for name in os.environ.keys() - environment(None).keys():
            monkeypatch.delenv(name)
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str, address: PostgresAddress | None = None, **environ: str) -> Result:
        for name, value in (environment(address) | environ).items():
            self._monkeypatch.setenv(name, value)
        return CliRunner().invoke(cli, arguments)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    return Cli(monkeypatch, tmp_path)


def test_settings_are_printed_with_their_source_and_without_secrets(run: Cli, own_database: PostgresAddress) -> None:
    result = run("settings", address=own_database, APP_SECRET_KEY=SECRET)

    assert result.exit_code == 0, result.output
    lines = {line.split()[0]: line for line in result.output.splitlines()}
    assert "environment" in lines["POSTGRES_HOST"]
    assert "default" in lines["POSTGRES_POOL_SIZE"]
    assert "environment" in lines["APP_SECRET_KEY"]
    assert SECRET not in result.output


def test_production_with_the_defaults_says_every_reason_at_once() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "app", "serve"],
        cwd=ROOT, env=environment(None) | {"APP_ENV": "prod"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    for variable in ("APP_SECRET_KEY", "APP_ALLOWED_HOSTS", "DATABASE_URL", "POSTGRES_TLS"):
        assert variable in result.stderr


def test_migrations_go_up_and_down_and_up(run: Cli, own_database: PostgresAddress) -> None:
    assert run("migrate", address=own_database).stdout == ""
    assert "took back" in run("rollback", address=own_database).stdout
    assert "applied" in run("migrate", address=own_database).stdout


def test_the_doctor_finds_a_healthy_machine_healthy(run: Cli, own_database: PostgresAddress) -> None:
    result = run("doctor", "--port", "0", address=own_database)

    assert result.exit_code == 0, result.output
    assert "BAD" not in result.output


def test_the_doctor_names_each_fault_with_its_mend(run: Cli) -> None:
    nowhere = PostgresAddress("127.0.0.1", 1, "nobody", None, "nothing")
    result = run("doctor", "--port", "1", address=nowhere, POSTGRES_POOL_SIZE="many")
    assert result.exit_code == 1
    assert "POSTGRES_POOL_SIZE" in result.output

    result = run("doctor", "--port", "0", address=nowhere, POSTGRES_POOL_SIZE="20")
    assert result.exit_code == 1
    assert "BAD  the database nobody@127.0.0.1:1/nothing cannot be used" in result.output


def test_the_contract_is_checked(own_database: PostgresAddress, tmp_path: Path) -> None:
    for name in ("app", "alembic", "templates", "static", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "alembic.ini", tmp_path)
    (tmp_path / "docs" / "openapi.json").write_text("{}")
    result = subprocess.run(
        [sys.executable, "-m", "app", "check"],
        cwd=tmp_path,
        env=environment(own_database) | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 1
    assert result.stderr == "docs/openapi.json: differs from the routes. Write it again with: make openapi\n"


def test_what_is_committed_passes_the_check(run: Cli, own_database: PostgresAddress) -> None:
    result = run("check", address=own_database)

    assert result.exit_code == 0, result.output
