"""Which of the places that state a value wins."""

from itertools import combinations
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from app.core.settings import Area, Defaults, Environment, SettingsError, describe, load_settings

LEVELS = ("environment", "secret file", ".env.test", ".env", "default for test", "default")


class ProbeSettings(Area):
    model_config = SettingsConfigDict(env_prefix="PROBE_")
    by_environment: ClassVar[Defaults] = {Environment.TEST: {"stated": "default for test"}}

    stated: str = Field("default", description="Where it was found.")
    plain: str = "default"


@pytest.mark.parametrize(("higher", "lower"), list(combinations(LEVELS, 2)))
def test_the_higher_of_two_places_wins(tmp_path: Path, higher: str, lower: str) -> None:
    stated_at = {higher, lower}
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    environ = {"APP_ENV": "test", "SECRETS_DIR": str(secrets)}
    # The environment's own default cannot be left out, so a pair that ends below it uses the field without one.
    name = "stated" if "default for test" in stated_at or "default" not in stated_at else "plain"
    variable = f"PROBE_{name.upper()}"
    if "environment" in stated_at:
        environ[variable] = "environment"
    if "secret file" in stated_at:
        (secrets / variable).write_text("secret file")
    for file in stated_at & {".env.test", ".env"}:
        (tmp_path / file).write_text(f"{variable}={file}\n")

    settings = load_settings({"probe": ProbeSettings}, environ=environ, directory=tmp_path)

    assert getattr(settings.area(ProbeSettings), name) == higher
    assert next(row.source for row in describe(settings) if row.variable == variable) == higher


@pytest.mark.parametrize("highest", ["environment", "secret file", ".env", "default"])
def test_the_environment_is_looked_up_before_its_own_file(tmp_path: Path, highest: str) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    environ = {"SECRETS_DIR": "secrets"}  # relative to the directory
    if highest == "environment":
        environ["APP_ENV"] = "dev"
    if highest in {"environment", "secret file"}:
        (secrets / "app_env").write_text("dev" if highest == "secret file" else "uat")
    if highest in {"environment", "secret file", ".env"}:
        (tmp_path / ".env").write_text("APP_ENV=" + ("dev" if highest == ".env" else "staging"))
    for environment in Environment:
        (tmp_path / f".env.{environment}").write_text(f"APP_NAME=from {environment}\nPOSTGRES_HOST=db")

    app = load_settings(environ=environ, directory=tmp_path).app

    expected = Environment.LOCAL if highest == "default" else Environment.DEV
    assert (app.env, app.name) == (expected, f"from {expected}")


@pytest.mark.parametrize("variable", ["APP_ENV", "SECRETS_DIR"])
def test_what_chooses_the_files_cannot_stand_in_a_chosen_one(tmp_path: Path, variable: str) -> None:
    (tmp_path / ".env.local").write_text(f"{variable}=local")
    with pytest.raises(SettingsError) as refusal:
        load_settings(environ={}, directory=tmp_path)
    (fault,) = refusal.value.faults
    assert fault.where == variable
    assert ".env.local" in fault.given
    assert "Move it" in fault.mend


def test_the_folder_of_secrets_may_be_named_in_the_dotenv_file(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "APP_NAME").write_text("Secret")
    (tmp_path / ".env").write_text("SECRETS_DIR=secrets\nAPP_NAME=Open")
    assert load_settings(environ={}, directory=tmp_path).app.name == "Secret"


def test_an_empty_folder_name_means_no_secrets(tmp_path: Path) -> None:
    (tmp_path / "APP_NAME").write_text("not a secret")
    assert load_settings(environ={"SECRETS_DIR": ""}, directory=tmp_path).app.name == "Trellis"


def test_secret_files_as_kubernetes_mounts_them(tmp_path: Path) -> None:
    data = tmp_path / "..2026_11_20"
    data.mkdir()
    (tmp_path / "..data").symlink_to(data.name)
    for name, text in {"POSTGRES_PASSWORD": "  p w\n", "postgres_user": "upper\r\n", "unrelated": "\n"}.items():
        (data / name).write_text(text)
        (tmp_path / name).symlink_to(f"..data/{name}")
    (data / "database_url").write_text("postgres://db")
    (tmp_path / "database_url").symlink_to("..data/database_url")
    (tmp_path / "keystore.p12").write_bytes(b"\xff")
    (tmp_path / "app_data").mkdir()  # somebody else's, though it begins like ours

    postgres = load_settings(environ={"SECRETS_DIR": str(tmp_path)}, directory=tmp_path / "nowhere").postgres

    assert postgres.password is not None
    assert postgres.password.get_secret_value() == "  p w"
    assert postgres.user == "upper"
    assert postgres.url == SecretStr("postgres://db")


def test_names_are_read_in_either_case_and_capitals_win(tmp_path: Path) -> None:
    assert load_settings(environ={"app_name": "small"}, directory=tmp_path).app.name == "small"
    for environ in ({"app_name": "small", "APP_NAME": "Big"}, {"APP_NAME": "Big", "app_name": "small"}):
        assert load_settings(environ=environ, directory=tmp_path).app.name == "Big"


def test_a_dotenv_file_in_full(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(
        b"\xef\xbb\xbf# a comment\r\n"
        b"export APP_NAME='My # app'  # another\r\n"
        b"\r\n"
        b"app_docs=no\r\n"
        b'POSTGRES_PASSWORD="${HOME}\n2"\r\n'
        b"FOREIGN=1\r\n"
    )
    settings = load_settings(environ={"HOME": "/root"}, directory=tmp_path)
    assert settings.app.name == "My # app"
    assert settings.app.docs is False
    assert settings.postgres.password is not None
    assert settings.postgres.password.get_secret_value() == "${HOME}\n2"


def test_digits_are_text_where_text_is_asked_for(tmp_path: Path) -> None:
    assert load_settings(environ={"APP_NAME": "123"}, directory=tmp_path).app.name == "123"


def test_the_process_is_asked_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("APP_NAME=From the directory\nPOSTGRES_USER=file")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("APP_ENV", "local")
    monkeypatch.setenv("POSTGRES_USER", "process")
    settings = load_settings()
    assert (settings.app.name, settings.postgres.user) == ("From the directory", "process")


def test_environ_stands_for_the_whole_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_NAME", "process")
    assert load_settings(environ={}, directory=tmp_path).app.name == "Trellis"


def test_empty_means_none_where_none_is_allowed(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgres://u:p@db/x\nAPP_CORS_ORIGINS=https://a.example")
    settings = load_settings(environ={"DATABASE_URL": "", "APP_CORS_ORIGINS": ""}, directory=tmp_path)
    assert settings.postgres.url is None
    assert settings.app.cors_origins == ()


def test_of_a_disabled_module_nothing_is_read(tmp_path: Path) -> None:
    modules = {"probe": ProbeSettings, "other": None}

    settings = load_settings(modules, environ={"DISABLED_MODULES": "other, probe"}, directory=tmp_path)

    assert settings.app.disabled_modules == ("other", "probe")
    assert settings.modules == ()


def test_only_a_module_that_is_there_can_be_disabled(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DISABLED_MODULES: a name that no module has; expected some of probe"):
        load_settings({"probe": ProbeSettings}, environ={"DISABLED_MODULES": "prob"}, directory=tmp_path)
