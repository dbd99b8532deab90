"""What may be told of a value."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from sqlalchemy.exc import DBAPIError

from app.core.redaction import MASK, MAX_DEPTH, MAX_ITEMS, MAX_TEXT, mask_text, message_of, redact

CANARY = "canary-51ab"


class Login(BaseModel):
    name: str
    password: str


@dataclass
class Key:
    api_key: str
    use: str


@pytest.mark.parametrize(
    "key",
    [
        *("password", "passwd", "PASSWORD", "new_password", "passphrase", "token", "access_token", "refreshToken"),
        *("secret", "client-secret", "authorization", "Authorization", "cookie", "Set-Cookie", "api_key", "apikey"),
        *("X-Api-Key", "apiKey", "private_key", "session", "session_id", "sessionId", "csrf", "X-CSRF-Token", "otp"),
        *("totp", "jwt", "credentials", "pwd", "recovery_codes"),
    ],
)
def test_what_stands_under_the_key_of_a_secret_is_masked(key: str) -> None:
    assert redact(key, CANARY) == MASK
    assert redact(key, 123456) == MASK
    assert redact("request", {"inner": [{key: CANARY}]}) == {"inner": [{key: MASK}]}
    assert redact(key, None) is None


@pytest.mark.parametrize("key", ["event", "status", "author", "sessions_open", "optional", "keyboard", "robot_type"])
def test_other_keys_are_not(key: str) -> None:
    assert redact(key, "plain") == "plain"


def test_further_keys_can_be_named() -> None:
    assert redact("Email", "ada@example.org", frozenset({"email"})) == MASK
    assert redact("user", {"e-mail": "a"}, frozenset({"e_mail"})) == {"e-mail": MASK}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (SecretStr(CANARY), MASK),
        ([SecretBytes(CANARY.encode())], [MASK]),
        (Login(name="ada", password=CANARY), {"name": "ada", "password": MASK}),
        (Key(api_key=CANARY, use="read"), {"api_key": MASK, "use": "read"}),
        ([("authorization", CANARY), ("accept", "x")], [["authorization", MASK], ["accept", "x"]]),
        ([(b"cookie", CANARY.encode())], [["cookie", MASK]]),
        ({b"cookie": CANARY.encode()}, {"cookie": MASK}),
        (f"postgres://u:{CANARY}@db/x", f"postgres://u:{MASK}@db/x"),
        (f"/reset?token={CANARY}&page=2", f"/reset?token={MASK}&page=2"),
        (f"password={CANARY}, n=1", f"password={MASK}, n=1"),
        (f"Authorization: Bearer {CANARY}", f"Authorization: Bearer {MASK}"),
        (UUID(int=1), UUID(int=1)),
        (1.5, 1.5),
        (b"plain", "plain"),
    ],
)
def test_secrets_are_known_by_type_and_place(value: object, told: object) -> None:
    assert redact("value", value) == told


def test_a_value_costs_no_more_than_it_is_worth() -> None:
    told = redact("value", "x" * (MAX_TEXT + 5))
    assert told == "x" * MAX_TEXT + "… (5 characters more)"

    many = redact("value", list(range(1000)))
    assert isinstance(many, list)
    assert len(many) == MAX_ITEMS

    deep: Any = "bottom"
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]
    assert "bottom" not in str(redact("value", deep))

    itself: list[object] = []
    itself.append(itself)
    assert redact("value", itself) is not None


@pytest.mark.parametrize("text", ["token", "://", "?&", "?key", "a-", "=", "://a:", "Bearer ", "_token_", "?x="])
def test_no_text_makes_masking_slow(text: str) -> None:
    hostile = "=earer ://" + text * (MAX_TEXT // len(text))
    started = time.perf_counter()
    mask_text(hostile)

    assert time.perf_counter() - started < 0.25


def test_an_object_that_cannot_be_shown_is_named() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError("no")

    assert redact("value", Broken()) == "<Broken that cannot be shown: ValueError>"


def test_errors_that_quote_what_they_were_given_do_not() -> None:
    with pytest.raises(ValidationError) as refused:
        Login.model_validate({"name": [CANARY], "password": [CANARY]})
    stored = type("UniqueViolation", (Exception,), {"sqlstate": "23505"})(f"Key (email)=({CANARY}) already exists.")

    assert message_of(refused.value) == "name: string_type; password: string_type"
    assert message_of(DBAPIError("INSERT", {"email": CANARY}, stored)) == "SQLSTATE 23505"
    assert message_of(stored) == "SQLSTATE 23505"
    assert message_of(ValueError(f"cannot reach amqp://u:{CANARY}@mq")) == f"cannot reach amqp://u:{MASK}@mq"
