"""The base types accept what PostgreSQL can hold, and nothing else (charter 1 to 4)."""

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from app.core.types import Bool, Currency, Date, DateTime, Digits, EmailAddress, Float, Int32, Int64, Line, Text, Url


def adapter(kind: object) -> TypeAdapter[object]:
    return TypeAdapter(kind)  # type: ignore[arg-type]  # these are types, which `object` does not say


BoundedText = Annotated[Text, Field(max_length=10)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Text, "two\nlines\tand \x1b"),
        (Text, ""),
        (BoundedText, "x" * 10),
        (Line, "one line, \u200cjoined 👩\u200d💻"),
        (Int32, 2**31 - 1),
        (Int32, -(2**31)),
        (Int64, 2**63 - 1),
        (Float, 1.5),
        (Float, 3),
        (Bool, False),
    ],
)
def test_what_a_column_holds_is_accepted_as_it_is(kind: object, value: object) -> None:
    assert adapter(kind).validate_python(value) == value


@pytest.mark.parametrize(
    ("kind", "value", "fault"),
    [
        (Text, "a\0b", "string_pattern_mismatch"),
        (Text, "\ud800", "string_unicode"),
        (Text, 1, "string_type"),
        (BoundedText, "x" * 11, "string_too_long"),
        (Line, "a\0b", "string_pattern_mismatch"),
        (Line, "\udfff", "string_unicode"),
        (Line, "a\u2028b", "string_pattern_mismatch"),
        (Line, "a\x9bb", "string_pattern_mismatch"),
        (Int32, 2**31, "less_than_equal"),
        (Int32, -(2**31) - 1, "greater_than_equal"),
        (Int64, 2**63, "less_than_equal"),
        (Int64, int("9" * 4000), "less_than_equal"),
        (Int32, "1", "int_type"),
        (Int32, True, "int_type"),
        (Int32, math.inf, "int_type"),
        (Float, math.nan, "finite_number"),
        (Float, -math.inf, "finite_number"),
        (Float, "1.5", "float_type"),
        (Bool, 1, "bool_type"),
        (Bool, "true", "bool_type"),
        (EmailAddress, "a\0@example.org", "email"),
        (EmailAddress, "\ud800@example.org", "string_unicode"),
        (EmailAddress, "\u0130" * 60 + "@" + ".".join(["x" * 60] * 3), "email"),
    ],
)
def test_what_no_column_holds_is_refused(kind: object, value: object, fault: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        adapter(kind).validate_python(value)
    assert [error["type"] for error in refusal.value.errors()] == [fault]


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("Ada@Example.ORG", "ada@example.org"),
        ("ADA+tag@example.org", "ada+tag@example.org"),
        ("ada@BÜCHER.example.org", "ada@bücher.example.org"),
        ("ada@xn--bcher-kva.example.org", "ada@bücher.example.org"),
        ("A\u0308da@example.org", "äda@example.org"),
    ],
)
def test_an_address_has_one_canonical_form(written: str, canonical: str) -> None:
    assert adapter(EmailAddress).validate_python(written) == canonical
    assert adapter(EmailAddress).validate_python(canonical) == canonical


@pytest.mark.parametrize("kind", [Text, Line])
def test_the_schema_says_what_is_refused(kind: object) -> None:
    assert "\\x00" in json.dumps(adapter(kind).json_schema()["pattern"])


Price = Annotated[Decimal, Field(ge=0), Digits(6, 2)]


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        (Date, "2024-02-29", date(2024, 2, 29)),
        (DateTime, "2026-11-20T18:26:39.5+01:00", datetime(2026, 11, 20, 17, 26, 39, 500_000, UTC)),
        (DateTime, "0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        (Price, "12.5", Decimal("12.50")),
        (Price, 12.5, Decimal("12.50")),
        (Price, 0.1, Decimal("0.10")),
        (Price, 3, Decimal("3.00")),
        (Url, "HTTPS://Example.org:443/a b", "https://example.org/a%20b"),
        (Currency, "EUR", "EUR"),
    ],
)
def test_what_has_several_spellings_is_stored_in_one(kind: object, value: object, stored: object) -> None:
    result = adapter(kind).validate_python(value)

    assert str(result) == str(stored)
    assert adapter(kind).validate_python(result) == result


@pytest.mark.parametrize(
    ("kind", "value", "fault"),
    [
        (Date, "2023-02-29", "date_from_datetime_parsing"),
        (Date, "0", "date"),
        (Date, 0, "date"),
        (Date, "2024-02-29T00:00:00Z", "date"),
        (Date, "٢٠٢٤-٠٢-٢٩", "date"),
        (DateTime, "2026-11-20T17:26:39", "date_time"),
        (DateTime, "2026-11-20", "date_time"),
        (DateTime, "1700000000", "date_time"),
        (DateTime, 1_700_000_000, "date_time"),
        (DateTime, "0001-01-01T00:00:00+10:00", "date_time"),
        (Price, "0.001", "decimal_max_places"),
        (Price, "100000", "decimal_whole_digits"),
        (Price, "-1", "greater_than_equal"),
        (Price, "1e999999", "decimal_max_digits"),
        (Price, "NaN", "finite_number"),
        (Price, True, "decimal_type"),
        (Price, 1234567890.1234567, "decimal_exact"),
        (Url, "javascript:alert(1)", "url"),
        (Url, "//evil", "url"),
        (Url, "https://example.org/" + "é" * 1000, "url"),
        (Currency, "eur", "string_pattern_mismatch"),
    ],
)
def test_what_no_column_could_mean_is_refused(kind: object, value: object, fault: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        adapter(kind).validate_python(value)

    assert refusal.value.errors()[0]["type"] == fault


def test_digits_are_said_of_a_decimal() -> None:
    with pytest.raises(TypeError, match="not a <class 'int'>"):
        adapter(Annotated[int, Digits(6, 2)])
