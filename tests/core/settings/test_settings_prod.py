"""What prod refuses although it is valid elsewhere."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

from app.core.settings import Area, Environment, Objection, Settings, SettingsError, load_settings

SOUND = {
    "APP_ENV": "prod",
    "APP_SECRET_KEY": "mGJ3-0w8TzqKp5sYx1VbR7uNcE2dHf4L",
    "APP_ALLOWED_HOSTS": "api.example.com",
    "DATABASE_URL": "postgres://api:Vb7uN-cE2dHf4L@db/api",
    "POSTGRES_TLS": "verify-full",
}


def load(directory: Path, environ: Mapping[str, str]) -> Settings:
    return load_settings(environ=environ, directory=directory)


def refused(directory: Path, environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        load(directory, environ)
    return [fault.where for fault in refusal.value.faults]


def test_sound_settings_start(tmp_path: Path) -> None:
    assert load(tmp_path, SOUND).app.env is Environment.PROD


def test_prod_with_nothing_else_lists_all_that_is_missing(tmp_path: Path) -> None:
    assert refused(tmp_path, {"APP_ENV": "prod"}) == [
        "APP_SECRET_KEY",
        "APP_ALLOWED_HOSTS",
        "DATABASE_URL and POSTGRES_HOST",
        "POSTGRES_TLS",
    ]


def test_everything_weak_is_listed_at_once(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("APP_DEBUG=true\nAPP_CORS_ORIGINS=*\nAPP_ALLOWED_HOSTS=*\n")
    environ = {
        "APP_ENV": "prod",
        "APP_SECRET_KEY": "changeme" * 4,
        "DATABASE_URL": "postgres://api:postgres@db/api",
        "POSTGRES_REPLICA_URL": "postgres://api:API@replica/api",
    }
    with pytest.raises(SettingsError) as refusal:
        load(tmp_path, environ)
    assert [(fault.where, fault.given) for fault in refusal.value.faults] == [
        ("APP_SECRET_KEY", "text of 32 characters (environment)"),
        ("APP_DEBUG", "text of 4 characters (.env)"),
        ("APP_CORS_ORIGINS", "text of 1 character (.env)"),
        ("APP_ALLOWED_HOSTS", "text of 1 character (.env)"),
        ("POSTGRES_TLS", "not given"),
        ("DATABASE_URL", "text of 30 characters (environment)"),
        ("POSTGRES_REPLICA_URL", "text of 30 characters (environment)"),
    ]
    message = str(refusal.value)
    assert "secrets.token_urlsafe" in message
    assert "POSTGRES_TLS=verify-full, or say POSTGRES_TLS=disable" in message


@pytest.mark.parametrize("environment", sorted(set(Environment) - {Environment.PROD}))
def test_other_environments_accept_it(tmp_path: Path, environment: str) -> None:
    environ = {
        "APP_ENV": environment,
        "APP_DEBUG": "true",
        "APP_CORS_ORIGINS": "*",
        "APP_ALLOWED_HOSTS": "*",
        "DATABASE_URL": "postgres://postgres:postgres@db/api",
    }
    assert load(tmp_path, environ).app.debug is True


@pytest.mark.parametrize("tls", ["disable", "require", "verify-full"])
def test_any_decision_on_tls_is_a_decision(tmp_path: Path, tls: str) -> None:
    assert load(tmp_path, SOUND | {"POSTGRES_TLS": tls}).postgres.tls == tls


def test_docs_can_be_shown_on_purpose(tmp_path: Path) -> None:
    assert load(tmp_path, SOUND | {"APP_DOCS": "true"}).app.docs is True


@pytest.mark.parametrize(
    "password",
    [
        "postgres",
        "PASSWORD",
        "Passw0rd1",
        "trellis",
        "changeme",
        "change-me",
        "mysecretpassword",
        "secret",
        "12345",
        "api",
    ],
)
def test_known_passwords(tmp_path: Path, password: str) -> None:
    assert refused(tmp_path, SOUND | {"DATABASE_URL": f"postgres://api:{password}@db/api"}) == ["DATABASE_URL"]
    by_fields = {name: text for name, text in SOUND.items() if name != "DATABASE_URL"} | {
        "POSTGRES_HOST": "db",
        "POSTGRES_USER": "api",
        "POSTGRES_PASSWORD": password,
    }
    assert refused(tmp_path, by_fields) == ["POSTGRES_PASSWORD"]


def test_the_name_of_the_role_is_known(tmp_path: Path) -> None:
    assert refused(tmp_path, SOUND | {"DATABASE_URL": "postgres://Shop:shop@db/api"}) == ["DATABASE_URL"]


def test_a_weak_password_that_two_addresses_use_is_told_once(tmp_path: Path) -> None:
    urls = {"DATABASE_URL": "postgres://api@db/api", "POSTGRES_REPLICA_URL": "postgres://api@replica/api"}
    assert refused(tmp_path, SOUND | urls | {"POSTGRES_PASSWORD": "secret"}) == ["POSTGRES_PASSWORD"]


@pytest.mark.parametrize("password", ["", "postgres-Vb7uN", "xpassword"])
def test_other_passwords_are_the_operators_choice(tmp_path: Path, password: str) -> None:
    load(tmp_path, SOUND | {"DATABASE_URL": f"postgres://api:{password}@db/api"})


def test_a_module_objects_in_its_own_words(tmp_path: Path) -> None:
    class GateSettings(Area):
        model_config = SettingsConfigDict(env_prefix="GATE_")
        open: bool = True

        def objections(self, environment: Environment) -> Iterator[Objection]:
            if self.open and environment is Environment.PROD:
                yield Objection(("open",), "a closed gate", "Set GATE_OPEN=false.")

    with pytest.raises(SettingsError, match=r"GATE_OPEN: not given; expected a closed gate\. Set GATE_OPEN=false\.$"):
        load_settings({"probe": GateSettings}, environ=SOUND, directory=tmp_path)
    load_settings({"probe": GateSettings}, environ=SOUND | {"GATE_OPEN": "false"}, directory=tmp_path)
    load_settings({"probe": GateSettings}, environ={}, directory=tmp_path)


@pytest.mark.parametrize("environment", ["dev", "uat", "staging"])
def test_only_developers_and_tests_get_a_database_for_nothing(tmp_path: Path, environment: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load_settings(environ={"APP_ENV": environment}, directory=tmp_path)
    (fault,) = refusal.value.faults
    assert (fault.where, fault.expected) == ("DATABASE_URL and POSTGRES_HOST", f"a database in {environment}")
    assert load_settings(environ={"APP_ENV": "test"}, directory=tmp_path).postgres.address is None
