"""The user module through its HTTP interface."""

from uuid import uuid4

import httpx2
import pytest

USERS = "/api/v1/users"
ADA = {"email": "Ada@Example.ORG", "username": "Ada", "full_name": "  Ada Lovelace "}


async def create(client: httpx2.AsyncClient, **changes: str) -> dict[str, str]:
    response = await client.post(USERS, json=ADA | changes)
    assert response.status_code == 201, response.text
    user: dict[str, str] = response.json()
    return user


async def test_a_created_user_is_at_its_location_in_canonical_form(client: httpx2.AsyncClient) -> None:
    response = await client.post(USERS, json=ADA)

    assert response.status_code == 201
    user = (await client.get(response.headers["location"])).json()
    assert user == response.json()
    assert user.keys() == {
        "id", "email", "username", "full_name", "is_active", "created_at", "updated_at", "version",
    }  # fmt: skip
    assert (user["email"], user["username"], user["full_name"]) == ("ada@example.org", "ada", "Ada Lovelace")
    assert user["is_active"] is True
    assert user["version"] == 1


@pytest.mark.parametrize(
    ("second", "error_code"),
    [
        ({"email": "ADA@EXAMPLE.org", "username": "other"}, "user.email_taken"),
        ({"email": "other@example.org", "username": "ADA"}, "user.username_taken"),
    ],
)
async def test_a_duplicate_is_a_conflict_whatever_its_case(
    client: httpx2.AsyncClient, second: dict[str, str], error_code: str
) -> None:
    await create(client)

    response = await client.post(USERS, json=ADA | second)

    assert response.status_code == 409
    assert response.json()["error_code"] == error_code


async def test_a_change_touches_only_the_fields_that_were_sent(client: httpx2.AsyncClient) -> None:
    user = await create(client)

    response = await client.patch(f"{USERS}/{user['id']}", json={"email": "Countess@example.org", "is_active": False})

    assert response.status_code == 200
    changed = response.json()
    assert (changed["email"], changed["is_active"], changed["version"]) == ("countess@example.org", False, 2)
    assert (changed["username"], changed["full_name"]) == (user["username"], user["full_name"])
    assert changed["created_at"] == user["created_at"]
    assert changed["updated_at"] > user["updated_at"]
    assert (await client.get(f"{USERS}/{user['id']}")).json() == changed


async def test_a_change_to_a_taken_address_is_a_conflict(client: httpx2.AsyncClient) -> None:
    await create(client)
    other = await create(client, email="other@example.org", username="other")

    response = await client.patch(f"{USERS}/{other['id']}", json={"email": "ada@example.org"})

    assert response.status_code == 409
    assert response.json()["error_code"] == "user.email_taken"


@pytest.mark.parametrize("field", ["email", "username", "full_name", "is_active"])
async def test_no_field_can_be_emptied(client: httpx2.AsyncClient, field: str) -> None:
    user = await create(client)

    response = await client.patch(f"{USERS}/{user['id']}", json={field: None})

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"].startswith(f"body.{field}")


async def test_a_deleted_user_is_gone(client: httpx2.AsyncClient) -> None:
    user = await create(client)

    assert (await client.delete(f"{USERS}/{user['id']}")).status_code == 204
    assert (await client.get(f"{USERS}/{user['id']}")).status_code == 404
    assert (await client.delete(f"{USERS}/{user['id']}")).status_code == 404


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_unknown_user_is_not_found(client: httpx2.AsyncClient, method: str) -> None:
    response = await client.request(method, f"{USERS}/{uuid4()}", json={} if method == "PATCH" else None)

    assert response.status_code == 404
    assert response.json()["error_code"] == "user.not_found"


async def test_users_are_listed_in_the_order_of_their_creation(client: httpx2.AsyncClient) -> None:
    ada, ben = await create(client), await create(client, email="ben@example.org", username="ben")

    assert (await client.get(USERS)).json() == {"items": [ada, ben], "next_cursor": None}


# charter 16
@pytest.mark.parametrize("field", ["id", "role", "is_superuser", "owner_id", "version", "created_at", "is_active"])
async def test_a_field_that_was_not_offered_is_refused(client: httpx2.AsyncClient, field: str) -> None:
    response = await client.post(USERS, json=ADA | {field: "1"})

    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"field": f"body.{field}", "message": "Extra inputs are not permitted", "type": "extra_forbidden"}
    ]
    assert (await client.get(USERS)).json()["items"] == []


@pytest.mark.parametrize("email", ["", "a", "a@", "@x.org", "a b@x.org", "a@b@x.org", "a@-x.org", "a" * 250 + "@x.org"])
async def test_what_is_no_address_is_refused_without_repeating_it(client: httpx2.AsyncClient, email: str) -> None:
    response = await client.post(USERS, json=ADA | {"email": email})

    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == "body.email"
    assert len(email) < 2 or email not in response.text


@pytest.mark.parametrize("username", ["", "ab", "-ab", "a b", "a" * 33, "ärger", "a/b", "ab\n"])
async def test_a_username_out_of_its_alphabet_is_refused(client: httpx2.AsyncClient, username: str) -> None:
    response = await client.post(USERS, json=ADA | {"username": username})

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "body.username"


@pytest.mark.parametrize(
    "full_name", ["\u0633\u0627\u0631\u0627\u200c\u062c\u0627\u0646", "👩\u200d💻 Ada", "O'Neill-Müller", "x" * 100]
)
async def test_a_name_may_be_written_in_any_script(client: httpx2.AsyncClient, full_name: str) -> None:
    assert (await create(client, full_name=full_name))["full_name"] == full_name


@pytest.mark.parametrize("is_active", [0, 1, "true", "no", 1.0])
async def test_a_flag_is_a_flag(client: httpx2.AsyncClient, is_active: object) -> None:
    user = await create(client)

    response = await client.patch(f"{USERS}/{user['id']}", json={"is_active": is_active})

    assert response.status_code == 422


@pytest.mark.parametrize("full_name", ["", "   ", "a" * 101, "two\nlines", "tab\there", "\x1b[31mred"])
async def test_a_name_that_is_not_one_line_is_refused(client: httpx2.AsyncClient, full_name: str) -> None:
    response = await client.post(USERS, json=ADA | {"full_name": full_name})

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "body.full_name"
