"""The base types accept what PostgreSQL can hold, and nothing else (charter 1 to 4)."""

import json
import math
from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from app.core.types import Bool, EmailAddress, Float, Int32, Int64, Line, Text


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
