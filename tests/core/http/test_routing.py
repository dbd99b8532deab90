"""What the routes of any module take and give back."""

import httpx2
import pytest

NOTES = "/api/v1/sample-notes"


# charter 16
@pytest.mark.parametrize("field", ["id", "role", "is_superuser", "owner_id", "version", "created_at"])
async def test_a_field_that_was_not_offered_is_refused(client: httpx2.AsyncClient, field: str) -> None:
    response = await client.post(NOTES, json={"title": "Shopping", field: "1"})

    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"field": f"body.{field}", "message": "Extra inputs are not permitted", "type": "extra_forbidden"}
    ]
    assert (await client.get(NOTES)).json()["items"] == []


# charter 14
@pytest.mark.parametrize("field", ["title", "body"])
@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE sample_notes; --",
        '" OR 1=1',
        "%_\\",
        "$$ $1 :name {x} ?",
        "\\x00 \\u0000",
        "Robert'); --",
        "🐘 ÄÖ ẞ Ω",
    ],
)
async def test_metacharacters_are_stored_and_read_back_as_they_are(
    client: httpx2.AsyncClient, field: str, text: str
) -> None:
    response = await client.post(NOTES, json={"title": "Shopping", field: text})

    assert response.status_code == 201
    assert response.json()[field] == text
    assert (await client.get(response.headers["location"])).json()[field] == text


async def test_a_change_touches_only_the_fields_that_were_sent(client: httpx2.AsyncClient) -> None:
    note = (await client.post(NOTES, json={"title": "Shopping", "body": "Milk\nBread"})).json()

    changed = (await client.patch(f"{NOTES}/{note['id']}", json={"done": True})).json()

    assert changed == note | {"done": True, "version": 2, "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > note["updated_at"]
    assert (await client.get(f"{NOTES}/{note['id']}")).json() == changed


async def test_what_may_be_empty_can_be_emptied(client: httpx2.AsyncClient) -> None:
    note = (await client.post(NOTES, json={"title": "Shopping", "body": "Milk"})).json()

    assert (await client.patch(f"{NOTES}/{note['id']}", json={"body": None})).json()["body"] is None
    assert (await client.patch(f"{NOTES}/{note['id']}", json={"title": None})).status_code == 422


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_what_was_deleted_is_not_found(client: httpx2.AsyncClient, method: str) -> None:
    location = (await client.post(NOTES, json={"title": "Shopping"})).headers["location"]
    assert (await client.delete(location)).status_code == 204

    response = await client.request(method, location, json={} if method == "PATCH" else None)

    assert response.status_code == 404
    assert response.json()["error_code"] == "sample_note.not_found"
