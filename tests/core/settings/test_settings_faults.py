"""What is said of settings that cannot be used."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from app.core.settings import Area, Defaults, Environment, Fault, SettingsError, load_settings
from app.core.startup import StartupRefused

CANARY = "canary-7d1f"


class StrictSettings(Area):
    model_config = SettingsConfigDict(env_prefix="STRICT_")
    by_environment: ClassVar[Defaults] = {Environment.UAT: {"first": "many"}}

    token: str = Field(description="What opens the door.")
    first: int = 1
    last: int = 2
    codes: list[int] = Field(default=[], description="Numbers, as JSON.")
    word: str = "word"

    @field_validator("word")
    @classmethod
    def _quotes(cls, value: str) -> str:
        if value != "word":
            raise ValueError(f"not {value}")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> "StrictSettings":
        if self.first > self.last:
            raise ValueError(f"first before last, not {self.first} and {self.token}")
        return self


class CousinSettings(Area):
    model_config = SettingsConfigDict(env_prefix="STRICT_")
    word: str = ""


def refused(
    directory: Path, environ: Mapping[str, str] | None = None, areas: tuple[type[Area], ...] = ()
) -> tuple[Fault, ...]:
    with pytest.raises(SettingsError) as refusal:
        load_settings({kind.__name__: kind for kind in areas}, environ=environ or {}, directory=directory)
    return refusal.value.faults


@pytest.mark.parametrize(
    ("variable", "text", "given", "expected"),
    [
        ("POSTGRES_PORT", "abc", "text of 3 characters (environment)", "a valid integer"),
        ("POSTGRES_PORT", "", "empty (environment)", "a valid integer"),
        ("POSTGRES_PORT", "0", "text of 1 character (environment)", "greater than or equal to 1"),
        ("POSTGRES_PORT", "65536", "text of 5 characters (environment)", "less than or equal to 65535"),
        ("POSTGRES_USER", "", "empty (environment)", "at least 1 character"),
        ("POSTGRES_USER", "\udcff", "text of 1 character (environment)", "a valid string"),
        ("POSTGRES_PGBOUNCER", "maybe", "text of 5 characters (environment)", "a valid boolean"),
        ("POSTGRES_TLS", "verify", "text of 6 characters (environment)", "'disable', 'require' or 'verify-full'"),
        ("POSTGRES_TLS_CA_FILE", "/nowhere", "text of 8 characters (environment)", "the path of a file"),
        ("POSTGRES_STATEMENT_TIMEOUT", "0", "text of 1 character (environment)", "greater than or equal to 0.001"),
        ("POSTGRES_STATEMENT_TIMEOUT", "nan", "text of 3 characters (environment)", "a finite number"),
        ("APP_ENV", "production", "text of 10 characters (environment)", "'local', 'dev', 'test', 'uat', 'stagin"),
        ("APP_ENV", "", "empty (environment)", "'local', 'dev', 'test', 'uat', 'stagin"),
        ("APP_MAX_BODY_BYTES", "0", "text of 1 character (environment)", "greater than 0"),
        ("APP_SECRET_KEY", "x" * 31, "text of 31 characters (environment)", "32 bytes or more"),
        ("APP_CORS_ORIGINS", "https://a.example/", "text of 18 characters (environment)", "origins as browsers send"),
        ("APP_ALLOWED_HOSTS", "https://a.example", "text of 17 characters (environment)", "host names"),
        ("LOG_LEVEL", "loud", "text of 4 characters (environment)", "'DEBUG', 'INFO'"),
        ("DATABASE_URL", "mysql://db/x", "text of 12 characters (environment)", "postgresql://user:password@host"),
    ],
)
def test_a_wrong_value(tmp_path: Path, variable: str, text: str, given: str, expected: str) -> None:
    (fault,) = refused(tmp_path, {variable: text})
    assert (fault.where, fault.given) == (variable, given)
    assert fault.expected.startswith(expected)
    assert fault.mend.startswith("Correct it there: ")


@pytest.mark.parametrize("source", ["environment", "secret file", ".env.test", ".env"])
def test_a_fault_names_the_place(tmp_path: Path, source: str) -> None:
    environ = {"APP_ENV": "test"}
    if source == "environment":
        environ["LOG_FORMAT"] = "xml"
    elif source == "secret file":
        environ["SECRETS_DIR"] = str(tmp_path)
        (tmp_path / "LOG_FORMAT").write_text("xml")
    else:
        (tmp_path / source).write_text("LOG_FORMAT=xml")
    (fault,) = refused(tmp_path, environ)
    assert fault.given == f"text of 3 characters ({source})"


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=loud\nnonsense\nAPP_NMAE=x\n")
    (tmp_path / ".env.prod").write_bytes(b"\xff")
    environ = {
        "APP_ENV": "prod",
        "POSTGRES_PORT": "abc",
        "POSTGRES_HOST": "db",
        "POSTGRES_PASSWORD": "postgres",
        "STRICT_WORD": "another",
    }
    faults = refused(tmp_path, environ, (StrictSettings,))
    assert [fault.where for fault in faults] == [
        ".env.prod, line 1",
        ".env, line 2",
        "APP_NMAE",
        "APP_SECRET_KEY",
        "APP_ALLOWED_HOSTS",
        "LOG_LEVEL",
        "POSTGRES_PORT",
        "POSTGRES_TLS",
        "POSTGRES_PASSWORD",
        "STRICT_TOKEN",
        "STRICT_WORD",
    ]


def test_the_message_is_one_line_a_fault(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as one:
        load_settings(environ={"LOG_FORMAT": "xml"}, directory=tmp_path)
    assert str(one.value) == (
        "Not started: 1 fault in the settings.\n"
        "  LOG_FORMAT: text of 3 characters (environment); expected 'console' or 'json'. "
        "Correct it there: console for people, json for collectors."
    )
    with pytest.raises(StartupRefused, match=r"^Not started: 2 faults in the settings\.\n  [^\n]+\n  [^\n]+$"):
        load_settings(environ={"LOG_FORMAT": "xml", "LOG_LEVEL": ""}, directory=tmp_path)


def test_an_unknown_environment_does_not_hide_other_faults(tmp_path: Path) -> None:
    (tmp_path / ".env.None").write_text("nonsense")
    environ = {"APP_ENV": "production", "DATABASE_URL": "postgres://db1/x", "POSTGRES_HOST": "db2"}
    faults = refused(tmp_path, environ)
    assert [fault.where for fault in faults] == ["APP_ENV", "DATABASE_URL and POSTGRES_HOST"]


def test_a_refused_value_is_not_complained_of_twice(tmp_path: Path) -> None:
    environ = {"APP_ENV": "prod", "DATABASE_URL": "mysql://db", "POSTGRES_TLS": "maybe"}
    postgres = [fault.where for fault in refused(tmp_path, environ) if not fault.where.startswith("APP_")]
    assert postgres == ["DATABASE_URL", "POSTGRES_TLS"]


def test_a_missing_value(tmp_path: Path) -> None:
    assert refused(tmp_path, areas=(StrictSettings,)) == (
        Fault("STRICT_TOKEN", "not given", "a value", "Set it: What opens the door."),
    )


def test_a_missing_value_under_another_name(tmp_path: Path) -> None:
    class BrokerSettings(Area):
        model_config = SettingsConfigDict(env_prefix="BROKER_")
        url: str = Field(validation_alias="AMQP_URL", description="Where it is.")

    assert refused(tmp_path, areas=(BrokerSettings,)) == (
        Fault("AMQP_URL", "not given", "a value", "Set it: Where it is."),
    )
    settings = load_settings({"probe": BrokerSettings}, environ={"AMQP_URL": "amqp://mq"}, directory=tmp_path)
    assert settings.area(BrokerSettings) == BrokerSettings(url="amqp://mq")


def test_a_wrong_default_of_an_environment(tmp_path: Path) -> None:
    (fault,) = refused(tmp_path, {"APP_ENV": "uat", "POSTGRES_HOST": "db", "STRICT_TOKEN": "t"}, (StrictSettings,))
    assert fault == Fault("STRICT_FIRST", "not given", "a valid integer", "Set it: see where it is declared.")


def test_values_that_do_not_fit_together(tmp_path: Path) -> None:
    (fault,) = refused(tmp_path, {"STRICT_FIRST": "3", "STRICT_TOKEN": CANARY}, (StrictSettings,))
    assert fault.where == "STRICT_*"
    assert fault.expected == "first before last, not 3 and ********"


def test_a_list_is_json(tmp_path: Path) -> None:
    environ = {"STRICT_TOKEN": "t", "STRICT_CODES": "[1, 2]"}
    settings = load_settings({"probe": StrictSettings}, environ=environ, directory=tmp_path)
    assert settings.area(StrictSettings).codes == [1, 2]
    for text, expected in {"1, 2": "a valid list", '["a", "b"]': "a valid integer"}.items():
        (fault,) = refused(tmp_path, environ | {"STRICT_CODES": text}, (StrictSettings,))
        assert (fault.where, fault.expected) == ("STRICT_CODES", expected)


def test_a_text_that_is_no_json_is_for_the_validators(tmp_path: Path) -> None:
    class RangeSettings(Area):
        model_config = SettingsConfigDict(env_prefix="RANGE_")
        ports: tuple[int, ...] = ()

        @field_validator("ports", mode="before")
        @classmethod
        def _split(cls, value: object) -> object:
            return value.split("-") if isinstance(value, str) else value

    for text in ("1-2", "[1, 2]"):
        settings = load_settings({"probe": RangeSettings}, environ={"RANGE_PORTS": text}, directory=tmp_path)
        assert settings.area(RangeSettings).ports == (1, 2)


def test_a_validator_that_quotes_the_value_is_masked(tmp_path: Path) -> None:
    for text, told in {CANARY: "not ********", "four": "not ********", "not": "not not"}.items():
        (fault,) = refused(tmp_path, {"STRICT_TOKEN": "t", "STRICT_WORD": text}, (StrictSettings,))
        assert fault.expected == told


def test_two_areas_cannot_share_a_variable(tmp_path: Path) -> None:
    (fault,) = refused(tmp_path, {"STRICT_TOKEN": "t"}, (StrictSettings, CousinSettings))
    assert fault.where == "STRICT_WORD"
    assert fault.given == "declared by several areas"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("POSTGRES_PASSWRD", "Did you mean POSTGRES_PASSWORD?"),
        ("LOG_LEVELS", "Did you mean LOG_LEVEL?"),
        ("POSTGRES_PASS", "Did you mean POSTGRES_PASSWORD?"),
        ("POSTGRES_LEVEL", "Remove it: nothing reads it."),
        ("POSTGRES_INITDB_ARGS", "Remove it: nothing reads it."),
    ],
)
def test_a_name_of_ours_that_nothing_reads_in_a_dotenv_file(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / ".env").write_text(f"{name}={CANARY}\nSOMEBODY_ELSE=1\nPGPASSWORD=1")
    assert refused(tmp_path) == (Fault(name, "unknown, text of 11 characters (.env)", "a variable that exists", hint),)


def test_a_slip_in_the_environment_or_a_secret_file(tmp_path: Path) -> None:
    (tmp_path / "log_levle").write_text("INFO")
    faults = refused(tmp_path, {"POSTGRES_PASSWRD": "x", "SECRETS_DIR": str(tmp_path)})
    assert [(fault.where, fault.mend) for fault in faults] == [
        ("POSTGRES_PASSWRD", "Did you mean POSTGRES_PASSWORD?"),
        ("LOG_LEVLE", "Did you mean LOG_LEVEL?"),
    ]


def test_a_name_is_compared_with_those_of_the_longest_prefix(tmp_path: Path) -> None:
    class AppMailSettings(Area):
        model_config = SettingsConfigDict(env_prefix="APP_MAIL_")
        sender: str = ""

    (fault,) = refused(tmp_path, {"APP_MAIL_SENDR": "x", "APP_MAIL_SENT": "x"}, (AppMailSettings,))
    assert fault.mend == "Did you mean APP_MAIL_SENDER?"


def test_names_that_orchestration_sets_are_left_alone(tmp_path: Path) -> None:
    foreign = (
        "POSTGRES_PORT_5432_TCP",
        "POSTGRES_PORT_5432_TCP_ADDR",
        "POSTGRES_PORT_5432_TCP_PORT",
        "POSTGRES_PORT_5432_TCP_PROTO",
        "POSTGRES_SERVICE_HOST",
        "POSTGRES_SERVICE_PORT",
        "POSTGRES_SERVICE_PORT_POSTGRES",
        "POSTGRES_INITDB_ARGS",
        "APP_VERSION",
        "APP_HOME",
        "APP_NAMESPACE",
        "LOG_OUTPUT",
    )
    environ = dict.fromkeys(foreign, "x")
    for name in foreign:
        (tmp_path / name).write_text("x")
    load_settings(environ=environ | {"SECRETS_DIR": str(tmp_path)}, directory=tmp_path)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"nonsense", 1),
        (b"APP_NAME=a\n\n\nAPP_DOCS\n", 4),
        (b"APP_NAME=a\r\n\r\n= b\r\n", 3),
        (b'APP_NAME="never closed\nAPP_DOCS=no\n', 1),
        (b"APP_NAME: a\n", 1),
    ],
)
def test_a_line_that_is_not_key_value(tmp_path: Path, content: bytes, line: int) -> None:
    (tmp_path / ".env").write_bytes(content)
    (fault,) = refused(tmp_path)
    assert (fault.where, fault.expected) == (f".env, line {line}", "KEY=value")


def test_a_dotenv_file_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"APP_NAME=a\nAPP_DOCS=\xe4\n")
    (fault,) = refused(tmp_path)
    assert (fault.where, fault.expected) == (".env, line 2", "UTF-8")


def test_a_dotenv_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / ".env.local").mkdir()
    (fault,) = refused(tmp_path)
    assert (fault.where, fault.given) == (".env.local", "is a directory")


def test_secret_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "POSTGRES_PASSWORD").symlink_to("gone")
    (tmp_path / "APP_SECRET_KEY").write_bytes(b"\xff")
    faults = {fault.where: fault.given for fault in refused(tmp_path, {"SECRETS_DIR": str(tmp_path)})}
    assert faults == {
        "secret file POSTGRES_PASSWORD": "no such file or directory",
        "secret file APP_SECRET_KEY": "bytes that are not UTF-8",
    }


def test_a_folder_of_secrets_that_is_none(tmp_path: Path) -> None:
    (fault,) = refused(tmp_path, {"SECRETS_DIR": "nowhere"})
    assert (fault.where, fault.given) == ("SECRETS_DIR", "no such file or directory")


def test_no_fault_holds_a_value(tmp_path: Path) -> None:  # charter 59
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "POSTGRES_REPLICA_URL").write_text(f"postgres://u:{CANARY}@db?sslmode=require")
    (tmp_path / ".env").write_text(f"APP_SECRET_KEY={CANARY}\n{CANARY}\nPOSTGRES_{CANARY}={CANARY}x\n".upper())
    environ = dict.fromkeys(
        (
            *("APP_CORS_ORIGINS", "APP_DEBUG", "APP_MAX_BODY_BYTES", "APP_DRAIN_SECONDS", "DATABASE_URL", "LOG_LEVEL"),
            *("POSTGRES_PORT", "POSTGRES_TLS", "POSTGRES_TLS_CA_FILE", "STRICT_CODES", "STRICT_WORD", "STRICT_FIRST"),
        ),
        f"https://u:{CANARY}@[x",
    )
    with pytest.raises(SettingsError) as refusal:
        load_settings({"probe": StrictSettings}, environ=environ | {"SECRETS_DIR": str(secrets)}, directory=tmp_path)
    assert len(refusal.value.faults) == len(environ) + 5  # the file's three, the replica and STRICT_TOKEN
    told = f"{refusal.value} {refusal.value!r} {refusal.value.args} {refusal.value.faults}"
    assert CANARY not in told
    assert f"{CANARY}x".upper() not in told
    assert refusal.value.__context__ is None


def test_an_area_built_in_code_hides_what_it_refuses() -> None:
    with pytest.raises(ValidationError) as error:
        StrictSettings.model_validate({"token": "t", "first": CANARY})
    assert CANARY not in str(error.value)
