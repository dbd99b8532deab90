"""The areas themselves: defaults, what they compute, and how they are declared and built."""

from pathlib import Path
from types import MappingProxyType

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from app.core.settings import (
    AppSettings,
    Area,
    Environment,
    LogSettings,
    PostgresAddress,
    PostgresSettings,
    Settings,
    SettingsError,
    load_settings,
)

CANARY = "canary-7d1f-canary-7d1f-canary-7d1f"


class ProbeSettings(Area):
    model_config = SettingsConfigDict(env_prefix="PROBE_")
    size: int = 1


class AbsentSettings(Area):
    model_config = SettingsConfigDict(env_prefix="ABSENT_")


def test_defaults_of_each_environment(tmp_path: Path) -> None:
    loaded: dict[Environment, Settings] = {
        environment: load_settings(environ={"APP_ENV": environment, "POSTGRES_HOST": "db"}, directory=tmp_path)
        for environment in Environment
        if environment is not Environment.PROD
    }
    local, test = Environment.LOCAL, Environment.TEST
    assert {environment for environment, settings in loaded.items() if settings.app.debug} == {local}
    assert {environment for environment, settings in loaded.items() if settings.app.cors_origins} == {local}
    assert {environment for environment, settings in loaded.items() if settings.log.level == "DEBUG"} == {local}
    assert {environment for environment, settings in loaded.items() if settings.log.format == "console"} == {
        local,
        test,
    }
    assert {environment for environment, settings in loaded.items() if not settings.app.drain_seconds} == {local, test}
    assert all(settings.app.docs for settings in loaded.values())
    assert all(settings.app.allowed_hosts == ("*",) for settings in loaded.values())
    assert loaded[local].app.cors_origins == ("*",)


def test_prod_hides_the_docs_and_names_no_hosts(tmp_path: Path) -> None:
    environ = {
        "APP_ENV": "prod",
        "APP_SECRET_KEY": CANARY,
        "APP_ALLOWED_HOSTS": "a.example, *.b.example,[::1]",
        "DATABASE_URL": "postgres://db",
        "POSTGRES_TLS": "require",
    }
    settings = load_settings(environ=environ, directory=tmp_path)
    assert settings.app.docs is False
    assert settings.app.debug is False
    assert settings.app.cors_origins == ()
    assert settings.app.allowed_hosts == ("a.example", "*.b.example", "[::1]")
    assert (settings.log.level, settings.log.format) == ("INFO", "json")
    with pytest.raises(SettingsError, match="APP_ALLOWED_HOSTS: not given"):
        load_settings(
            environ={name: text for name, text in environ.items() if name != "APP_ALLOWED_HOSTS"}, directory=tmp_path
        )


@pytest.mark.parametrize("kind", [AppSettings, LogSettings, PostgresSettings])
@pytest.mark.parametrize("environment", Environment)
def test_defaults_of_an_environment_are_valid(kind: type[Area], environment: Environment) -> None:
    defaults = kind.by_environment.get(environment, {})
    area = kind.model_validate(defaults)
    assert {name: getattr(area, name) for name in defaults} == defaults


@pytest.mark.parametrize("kind", [AppSettings, LogSettings, PostgresSettings])
def test_every_field_is_described_and_times_have_a_unit(kind: type[Area]) -> None:
    for name, field in kind.model_fields.items():
        assert field.description, name
        assert field.annotation is not float or "in seconds" in field.description, name


def test_a_default_for_a_field_that_does_not_exist() -> None:
    with pytest.raises(TypeError, match=r"TypoSettings\.by_environment\[prod\] names 'szie', which is no field\."):
        type(
            "TypoSettings",
            (Area,),
            {
                "__module__": __name__,
                "__annotations__": {"size": int},
                "size": 1,
                "model_config": SettingsConfigDict(env_prefix="TYPO_"),
                "by_environment": {Environment.PROD: {"szie": 2}},
            },
        )


@pytest.mark.parametrize("prefix", ["", "PROBE", "probe_", "_"])
def test_an_area_has_a_prefix_of_its_own(prefix: str) -> None:
    with pytest.raises(TypeError, match="NamelessSettings needs a prefix"):
        type(
            "NamelessSettings", (Area,), {"__module__": __name__, "model_config": SettingsConfigDict(env_prefix=prefix)}
        )


def test_an_area_built_in_code_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("APP_NAME=file")
    monkeypatch.chdir(tmp_path)
    for name in ("APP_NAME", "POSTGRES_HOST"):
        monkeypatch.setenv(name, "process")
    monkeypatch.setenv("DATABASE_URL", "postgres://process/x")
    assert AppSettings().name == "Trellis"
    assert PostgresSettings().is_configured is False
    assert Settings().postgres == PostgresSettings()


def test_an_area_built_in_code_is_checked() -> None:
    for values in ({"port": 0}, {"prot": 1}, {"url": "nonsense"}):
        with pytest.raises(ValidationError):
            PostgresSettings.model_validate(values)


def test_nothing_can_be_changed(tmp_path: Path) -> None:
    settings = load_settings(environ={}, directory=tmp_path)
    for area, name in ((settings.app, "name"), (settings.log, "level"), (settings.postgres, "host")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(area, name, "x")
    with pytest.raises(AttributeError):
        setattr(settings, "app", AppSettings())  # noqa: B010  mypy refuses the plain assignment, as it should
    assert isinstance(settings.origins, MappingProxyType)


def test_two_settings_side_by_side(tmp_path: Path) -> None:
    first = load_settings(environ={"APP_NAME": "First"}, directory=tmp_path)
    second = load_settings(environ={"APP_NAME": "Second", "APP_ENV": "test"}, directory=tmp_path)
    third = Settings(app=AppSettings(name="Third", env=Environment.PROD), postgres=PostgresSettings(host="db", port=1))
    assert [settings.app.name for settings in (first, second, third)] == ["First", "Second", "Third"]
    assert [settings.app.debug for settings in (first, second, third)] == [True, False, False]
    assert first == load_settings(environ={"APP_NAME": "First"}, directory=tmp_path) != second
    assert str(third.postgres.address) == "trellis@db:1/trellis"


def test_where_a_value_came_from_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("APP_NAME=Same")
    by_file = load_settings(environ={}, directory=tmp_path)
    by_environment = load_settings(environ={"APP_NAME": "Same"}, directory=tmp_path / "nowhere")
    assert by_file.origins != by_environment.origins
    assert by_file == by_environment
    assert "mappingproxy" not in repr(by_file)


def test_areas_of_modules(tmp_path: Path) -> None:
    settings = load_settings({"probe": ProbeSettings}, environ={"PROBE_SIZE": "7"}, directory=tmp_path)
    assert settings.area(ProbeSettings).size == 7
    assert settings.area(PostgresSettings) is settings.postgres
    assert Settings(modules=(ProbeSettings(size=3),)).area(ProbeSettings).size == 3
    with pytest.raises(LookupError, match="AbsentSettings is not among the settings"):
        settings.area(AbsentSettings)


def test_no_text_of_the_settings_holds_a_secret(tmp_path: Path) -> None:  # charter 59
    environ = {
        "APP_SECRET_KEY": CANARY,
        "DATABASE_URL": f"postgres://u:{CANARY}@db",
        "POSTGRES_PASSWORD": CANARY,
        "POSTGRES_REPLICA_URL": f"postgres://u:{CANARY}@replica",
    }
    settings = load_settings(environ=environ, directory=tmp_path)
    assert settings.postgres.address is not None
    assert settings.postgres.address.password == SecretStr(CANARY)
    texts = [f"{settings} {settings!r} {settings.postgres.address} {settings.postgres.address!r}"]
    texts += [f"{area} {area!r} {area.model_dump()} {area.model_dump_json()}" for area in settings.areas]
    assert CANARY not in " ".join(texts)


def test_levels_are_read_in_either_case(tmp_path: Path) -> None:
    assert load_settings(environ={"LOG_LEVEL": "warning"}, directory=tmp_path).log.level == "WARNING"
    with pytest.raises(ValidationError):
        LogSettings.model_validate({"level": 10})


@pytest.mark.parametrize("origin", ["*", "https://a.example", "http://localhost:3000", "capacitor://localhost"])
def test_origins(origin: str) -> None:
    assert AppSettings(cors_origins=(origin,)).cors_origins == (origin,)


@pytest.mark.parametrize(
    "origin", ["a.example", "https://a.example/", "https://u@a.example", "https://a b", "null", ""]
)
def test_what_no_browser_sends_as_origin(origin: str) -> None:
    with pytest.raises(ValidationError):
        AppSettings(cors_origins=("https://a.example", origin))


@pytest.mark.parametrize("host", ["a.example:80", "https://a.example", "a.*", "*a.example", "a/b", ""])
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(ValidationError):
        AppSettings(allowed_hosts=(host,))


def test_documented_defaults() -> None:
    assert AppSettings().name == "Trellis"
    assert AppSettings().max_body_bytes == 1_048_576
    assert PostgresSettings().model_dump() == {
        "url": None,
        "host": None,
        "port": 5432,
        "user": "trellis",
        "password": None,
        "db": "trellis",
        "replica_url": None,
        "tls": None,
        "tls_ca_file": None,
        "pgbouncer": False,
        "pool_size": 20,
        "pool_max_overflow": 10,
        "pool_timeout": 1,
        "pool_recycle": 3600,
        "pool_check_after_idle": 5,
        "connect_timeout": 1,
        "statement_timeout": 2,
        "lock_timeout": 1,
        "idle_in_transaction_timeout": 5,
        "migration_statement_timeout": 60,
        "migration_lock_timeout": 5,
        "migration_wait": 120,
    }


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("port", 1, 65_535),
        ("pool_size", 1, 1000),
        ("pool_max_overflow", 0, 1000),
        ("pool_recycle", 1, 86_400),
        ("pool_check_after_idle", 0, 3600),
        *((name, 0.001, 3600) for name in PostgresSettings.model_fields if name.endswith(("_timeout", "_wait"))),
    ],
)
def test_bounds(field: str, least: float, most: float) -> None:
    for value in (least, most):
        assert getattr(PostgresSettings.model_validate({field: value}), field) == value
    for value in (least - 0.001, least - 1, most + 1):
        with pytest.raises(ValidationError):
            PostgresSettings.model_validate({field: value})


@pytest.mark.parametrize("field", ["host", "user", "db"])
def test_names_are_not_empty(field: str) -> None:
    assert getattr(PostgresSettings.model_validate({field: "x"}), field) == "x"
    with pytest.raises(ValidationError):
        PostgresSettings.model_validate({field: ""})


def test_the_application_has_a_name_that_fits_a_title() -> None:
    for name in ("x", "x" * 100):
        assert AppSettings(name=name).name == name
    for name in ("", "x" * 101):
        with pytest.raises(ValidationError):
            AppSettings(name=name)


def test_a_key_is_measured_in_bytes() -> None:
    AppSettings(secret_key=SecretStr("ä" * 16))
    with pytest.raises(ValidationError):
        AppSettings(secret_key=SecretStr("ä" * 15))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_address_by_url(scheme: str) -> None:
    settings = PostgresSettings(url=SecretStr(f"{scheme}://a%40b:p%2Fw%40%23@db.example:5433/shop"))
    assert settings.is_configured
    assert settings.address == PostgresAddress("db.example", 5433, "a@b", SecretStr("p/w@#"), "shop")


def test_fields_add_what_the_url_leaves_out() -> None:
    settings = PostgresSettings(
        url=SecretStr("postgres://[::1]"),
        replica_url=SecretStr("postgres://reader@replica"),
        port=1,
        user="u",
        password=SecretStr("p"),
        db="d",
    )
    assert settings.address == PostgresAddress("::1", 1, "u", SecretStr("p"), "d")
    assert settings.replica_address == PostgresAddress("replica", 1, "reader", SecretStr("p"), "d")


def test_address_by_fields() -> None:
    assert PostgresSettings(host="/run/postgresql").address == PostgresAddress(
        "/run/postgresql", 5432, "trellis", None, "trellis"
    )


def test_no_address() -> None:
    settings = PostgresSettings(user="u", password=SecretStr("p"))
    assert (settings.address, settings.replica_address, settings.is_configured) == (None, None, False)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://db/x",
        "postgres://",
        "postgres:///x",
        "postgres://db:port/x",
        "postgres://db:0/x",
        "postgres://db:65536/x",
        "postgres://[::1/x",
        "postgres://db1,db2/x",
        "postgres://u:p/w@db/x",
        "postgres://u:p#w@db/x",
        "postgres://u:p?w@db/x",
        "postgres://db/x?sslmode=require",
        "postgres://db/x/y",
        "postgres://db//x",
        "postgres://db/x#y",
        "postgres://db/x@y",
    ],
)
def test_urls_that_cannot_be_told_apart(url: str) -> None:
    with pytest.raises(ValidationError) as error:
        PostgresSettings(url=SecretStr(url))
    assert "percent-encoded" in str(error.value)
    assert error.value.errors()[0]["msg"].count(url) == 0


@pytest.mark.parametrize(
    ("environ", "differing"),
    [
        ({"POSTGRES_HOST": "db2"}, ["POSTGRES_HOST"]),
        ({"POSTGRES_HOST": "DB"}, []),
        ({"POSTGRES_HOST": "db", "POSTGRES_PORT": "5433"}, ["POSTGRES_PORT"]),
        ({"POSTGRES_HOST": "db", "POSTGRES_USER": "v"}, ["POSTGRES_USER"]),
        ({"POSTGRES_HOST": "db", "POSTGRES_PASSWORD": "q", "POSTGRES_DB": "y"}, ["POSTGRES_PASSWORD", "POSTGRES_DB"]),
        ({"POSTGRES_USER": "v", "POSTGRES_PORT": "5433"}, []),
    ],
)
def test_url_and_fields_must_agree_where_a_host_is_given(
    tmp_path: Path, environ: dict[str, str], differing: list[str]
) -> None:
    environ = {"DATABASE_URL": "postgres://u:p@db:1/x", **environ}
    if not differing:
        environ.setdefault("POSTGRES_USER", "u")
        load_settings(environ=environ, directory=tmp_path)
        return
    with pytest.raises(SettingsError) as refusal:
        load_settings(environ=environ, directory=tmp_path)
    (fault,) = refusal.value.faults
    assert fault.where.split(" and ") == ["DATABASE_URL", *differing]
    assert fault.given.startswith("text of 21 characters (environment)")


def test_a_replica_needs_its_primary(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL and POSTGRES_HOST: not given; expected the primary"):
        load_settings(environ={"POSTGRES_REPLICA_URL": "postgres://db"}, directory=tmp_path)


def test_certificates_need_the_mode_that_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.touch()
    environ = {"POSTGRES_TLS_CA_FILE": str(file)}
    settings = load_settings(environ=environ | {"POSTGRES_TLS": "verify-full"}, directory=tmp_path)
    assert settings.postgres.tls_ca_file == file
    with pytest.raises(SettingsError, match="POSTGRES_TLS and POSTGRES_TLS_CA_FILE: text of 7"):
        load_settings(environ=environ | {"POSTGRES_TLS": "require"}, directory=tmp_path)
