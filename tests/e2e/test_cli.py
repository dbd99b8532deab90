"""`python -m app …` as an operator types it."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from app.core.settings import PostgresAddress
from tests.support.server import ROOT, environment

SECRET = "canary-0123456789-0123456789-0123456789"


def run(
    *arguments: str,
    address: PostgresAddress | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path = ROOT,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=folder, env=environment(address) | {"PYTHONPATH": str(folder)} | dict(environ or {}), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_settings_are_printed_with_their_source_and_without_secrets(own_database: PostgresAddress) -> None:
    result = run("settings", address=own_database, environ={"APP_SECRET_KEY": SECRET})

    assert result.returncode == 0, result.stderr
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert "environment" in lines["POSTGRES_HOST"]
    assert "default" in lines["POSTGRES_POOL_SIZE"]
    assert "environment" in lines["APP_SECRET_KEY"]
    assert SECRET not in result.stdout + result.stderr


def test_production_with_the_defaults_says_every_reason_at_once() -> None:
    result = run("serve", environ={"APP_ENV": "prod"})

    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    for variable in ("APP_SECRET_KEY", "APP_ALLOWED_HOSTS", "DATABASE_URL", "POSTGRES_TLS"):
        assert variable in result.stderr


def test_migrations_go_up_and_down_and_up(own_database: PostgresAddress) -> None:
    assert run("migrate", address=own_database).stdout == ""
    assert "took back" in run("rollback", address=own_database).stdout
    assert "applied" in run("migrate", address=own_database).stdout


def test_the_doctor_finds_a_healthy_machine_healthy(own_database: PostgresAddress) -> None:
    result = run("doctor", "--port", "0", address=own_database)

    assert result.returncode == 0, result.stdout
    assert "BAD" not in result.stdout


def test_the_doctor_names_each_fault_with_its_mend(tmp_path: Path) -> None:
    nowhere = PostgresAddress("127.0.0.1", 1, "nobody", None, "nothing")
    result = run("doctor", "--port", "1", address=nowhere, environ={"POSTGRES_POOL_SIZE": "many"})
    assert result.returncode == 1
    assert "POSTGRES_POOL_SIZE" in result.stdout

    result = run("doctor", "--port", "0", address=nowhere)
    assert result.returncode == 1
    assert "BAD  the database nobody@127.0.0.1:1/nothing cannot be used" in result.stdout
    assert "Traceback" not in result.stderr


def test_a_contract_that_is_not_current_is_found(own_database: PostgresAddress, tmp_path: Path) -> None:
    for name in ("app", "alembic", "templates", "static", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "alembic.ini", tmp_path)
    assert run("check", address=own_database, folder=tmp_path).returncode == 0

    (tmp_path / "docs" / "openapi.json").write_text("{}")
    result = run("check", address=own_database, folder=tmp_path)
    assert result.returncode == 1
    assert "make openapi" in result.stderr
