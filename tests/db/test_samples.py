"""Values for sample rows: believable, unique where they have to be, never longer than allowed."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from uuid import uuid4

import pytest

from app.core.types.email import canonical_email
from app.core.types.text import is_storable
from app.db import sizes
from app.db.samples import MissingKey, Sample

MANY = 2000


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    "ask",
    [
        lambda sample: sample.serial,
        lambda sample: sample.code(9),
        lambda sample: sample.code(4),
        lambda sample: sample.username(),
        lambda sample: sample.email(),
    ],
    ids=["serial", "code", "short code", "username", "email"],
)
def test_what_is_unique_differs_from_row_to_row(sample: Sample, ask: Callable[[Sample], object]) -> None:
    assert len({ask(sample) for _ in range(MANY)}) == MANY
    assert len(set(Sample().rows(ask, MANY))) == MANY


def test_a_row_has_one_serial_and_the_next_row_the_next(sample: Sample) -> None:
    assert [(sample.serial, sample.code(4)) for _ in range(3)] == [(1, "1"), (2, "2"), (3, "3")]
    rows = Sample(serial=100).rows(lambda sample: (sample.serial, sample.serial, sample.code(4)), 3)
    assert list(rows) == [(100, 100, "64"), (101, 101, "65"), (102, 102, "66")]


def test_samples_of_different_serials_have_nothing_unique_in_common() -> None:
    def ask(sample: Sample) -> tuple[str, str, str]:
        return sample.username(), sample.email(), sample.code(9)

    first = {value for row in Sample(serial=1).rows(ask, MANY) for value in row}
    second = {value for row in Sample(serial=1 + MANY).rows(ask, MANY) for value in row}

    assert first & second == set()


def test_the_same_seed_makes_the_same_values() -> None:
    def ask(sample: Sample) -> tuple[object, ...]:
        return (
            sample.full_name(), sample.text(200), sample.integer(0, 10**6), sample.instant(), sample.uuid(),
            sample.document(), sample.currency(), sample.url(),
        )  # fmt: skip

    assert ask(Sample(7)) == ask(Sample(7))
    assert ask(Sample(7)) != ask(Sample(8))


@pytest.mark.parametrize("most", [1, 5, 20, 100])
def test_texts_are_never_longer_than_allowed_nor_empty(sample: Sample, most: int) -> None:
    for text in (ask(most) for ask in (sample.line, sample.text) for _ in range(200)):
        assert 0 < len(text) <= most
        assert text == text.strip()
        assert text.isprintable()


def test_codes_are_never_longer_than_allowed() -> None:
    for most in (3, 9, 20):
        assert all(len(code) <= most for code in Sample(serial=0xF00).rows(lambda sample: sample.code(most), 255))  # noqa: B023  used within the loop
    assert re.fullmatch(r"[A-Z]\d-000123", Sample(serial=123).code(9))
    with pytest.raises(ValueError, match="Allow more characters"):
        Sample(serial=0x1000).code(3)


def test_a_person_is_the_same_throughout_a_row(sample: Sample) -> None:
    for name, username, email in sample.rows(lambda row: (row.full_name(), row.username(), row.email()), MANY):
        account = "".join(letter for letter in name.lower().replace(" ", ".") if letter.isalpha() or letter == ".")
        assert username.startswith(account)
        assert email.startswith(account)
        assert len(username) <= sizes.CODE


def test_an_address_is_canonical_and_reaches_nobody(sample: Sample) -> None:
    for _ in range(200):
        email = sample.email()
        assert canonical_email(email) == email
        assert email.rpartition("@")[2] in {"example.org", "example.com", "example.net"}


def test_a_username_keeps_its_serial_where_it_is_cut() -> None:
    users = list(Sample(serial=10**28).rows(lambda sample: sample.username(), 50))

    assert all(len(username) == sizes.CODE for username in users)
    assert len(set(users)) == 50


def test_numbers_stay_between_their_bounds(sample: Sample) -> None:
    for _ in range(500):
        assert 1 <= sample.integer(1, 3) <= 3
        assert 0.5 <= sample.number(0.5, 0.75) <= 0.75
        price = sample.decimal(Decimal("0.001"), Decimal("0.05"))
        assert Decimal("0.01") <= price <= Decimal("0.05")
        assert price.as_tuple().exponent == -2


def test_times_lie_around_now(sample: Sample) -> None:
    now = datetime.now(UTC)
    for _ in range(500):
        assert now - timedelta(days=367) < sample.instant() <= now
        assert abs(sample.day() - now.date()) <= timedelta(days=183)


def test_choices_are_all_taken(sample: Sample) -> None:
    assert {sample.one_of(Colour) for _ in range(100)} == set(Colour)
    assert {sample.one_of(["a", "b"]) for _ in range(100)} == {"a", "b"}
    assert {sample.flag() for _ in range(100)} == {True, False}


def test_what_is_optional_is_left_out_in_a_third_of_the_cases(sample: Sample) -> None:
    left_out = [sample.sometimes(sample.flag) for _ in range(3000)].count(None)

    assert 850 < left_out < 1150


def test_a_document_can_be_stored(sample: Sample) -> None:
    assert is_storable(json.dumps(sample.document()))


def test_a_currency_is_a_code_of_iso_4217(sample: Sample) -> None:
    assert all(len(code) == 3 and code.isalpha() and code.isupper() for code in (sample.currency() for _ in range(500)))


def test_a_reference_is_one_of_the_keys_that_were_given() -> None:
    keys = [uuid4(), uuid4()]

    assert {Sample(seed, keys={"users": keys}).key("users") for seed in range(20)} == set(keys)


def test_a_reference_to_nothing_says_what_to_do(sample: Sample) -> None:
    with pytest.raises(MissingKey, match=r'no row of users .* Sample\(keys=\{"users": \[key\]\}\)'):
        sample.key("users")
    assert sample.sometimes(lambda: sample.key("users")) is None
