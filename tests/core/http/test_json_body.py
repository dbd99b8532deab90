"""Bodies that a lenient parser would let through."""

import time

import httpx2
import pytest

from app.core.errors import Invalid, Malformed
from app.core.http.json_body import MAX_DEPTH, parse_json

NOTES = "/api/v1/sample-notes"


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_what_is_right_is_read_as_it_is() -> None:
    assert parse_json(b' {"a": [1, -2.5e3, true, null, "\\u00e4\\ud83d\\ude00 \xc3\xa4", {}]} ') == {
        "a": [1, -2500.0, True, None, "ä😀 ä", {}]
    }


# charter 1
@pytest.mark.parametrize(
    ("body", "field"),
    [
        (rb'{"a": "x\u0000y"}', "body.a"),
        (rb'{"a": [{"b": "\u0000"}]}', "body.a.0.b"),
        (rb'{"a\u0000": 1}', "body"),
        (rb'"\u0000"', "body"),
        (b'{"a": "x\0y"}', "body"),
        (b"\0", "body"),
    ],
)
def test_nul_is_refused_with_its_place(body: bytes, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_json(body)
    assert [error.field for error in refusal.value.errors] == [field]


# charter 2
@pytest.mark.parametrize(
    ("body", "field"),
    [
        (rb'{"a": "\ud800"}', "body.a"),
        (rb'{"a": ["ok", "\udc00x"]}', "body.a.1"),
        (rb'{"\udfff": 1}', "body"),
        (rb'{"a": "\ude00\ud83d"}', "body.a"),
    ],
)
def test_half_a_surrogate_pair_is_refused_with_its_place(body: bytes, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_json(body)
    assert [error.field for error in refusal.value.errors] == [field]


# charter 3
def test_an_integer_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        parse_json(b'{"a": ' + b"9" * 5000 + b"}")
    assert [(error.field, error.type) for error in refusal.value.errors] == [("body.a", "number_not_finite")]


# charter 4
@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999"])
def test_a_number_without_a_finite_value_is_refused(number: bytes) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_json(b'{"a": [0.5, ' + number + b"]}")
    assert [(error.field, error.type) for error in refusal.value.errors] == [("body.a.1", "number_not_finite")]


# charter 5
def test_the_deepest_that_is_allowed_is_read() -> None:
    assert parse_json(nested(MAX_DEPTH)) is not None
    assert parse_json(b'["' + b"[" * 100 + b'\\"[", ' + nested(MAX_DEPTH - 1) + b"]") is not None
    assert parse_json(b"[" + b",".join([nested(2)] * 100) + b"]") is not None


# charter 5
@pytest.mark.parametrize(
    "body", [nested(MAX_DEPTH + 1), b"[" * 200_000, b'{"a":' * 33 + b"1" + b"}" * 33, b'["\\\\",' + nested(32) + b"]"]
)
def test_what_is_nested_deeper_is_malformed_at_once(body: bytes) -> None:
    started = time.perf_counter()
    with pytest.raises(Malformed):
        parse_json(body)
    assert time.perf_counter() - started < 0.010


# charter 6
@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 1}',
        b'{"b": {"a": 1, "\\u0061": 2}}',
        b"\xef\xbb\xbf{}",
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        '{"a": 1}'.encode("utf-16"),
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 01}',
        b'{"a": "tab\tinside"}',
        b"1 2",
        b"[1,]",
    ],
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_json(body)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (rb'{"title": "a\u0000"}', 422),  # charter 1
        (rb'{"title": "\ud800", "extra\ud800": 1}', 422),  # charter 2: the error itself has to render
        (b'{"title": ' + b"1" * 5000 + b"}", 422),  # charter 3
        (b'{"title": NaN}', 422),  # charter 4
        (nested(400), 400),  # charter 5
        (b'{"title": "a", "title": "b"}', 400),  # charter 6
    ],
)
async def test_every_route_reads_its_body_this_way(client: httpx2.AsyncClient, body: bytes, status: int) -> None:
    response = await client.post(NOTES, content=body, headers={"content-type": "application/json"})

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert (await client.get(NOTES)).json()["items"] == []


# charter 9
@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", ""],
)
async def test_a_body_of_another_type_is_refused(client: httpx2.AsyncClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    response = await client.post(NOTES, content=b'{"title": "Shopping"}', headers=headers)

    assert response.status_code == 415
    assert response.json()["error_code"] == "unsupported_media_type"


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", "application/x+json"])
async def test_json_by_any_of_its_names_is_read(client: httpx2.AsyncClient, content_type: str) -> None:
    response = await client.post(NOTES, content=b"[]", headers={"content-type": content_type})

    assert response.status_code == 422
