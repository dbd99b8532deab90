"""Lists in pages, as any module serves them."""

import httpx2
import pytest

NOTES = "/api/v1/notes"


async def created(client: httpx2.AsyncClient, count: int) -> list[str]:
    """The ids of so many new notes, in the order of their creation."""
    answers = [await client.post(NOTES, json={"title": f"Note {number}"}) for number in range(count)]
    return [answer.json()["id"] for answer in answers]


async def test_a_list_can_be_walked_page_by_page(client: httpx2.AsyncClient) -> None:
    ids = await created(client, 5)

    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = (await client.get(NOTES, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [note["id"] for note in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1

    assert seen == ids
    assert pages == 3


# charter 11
@pytest.mark.parametrize("limit", ["-1", "0", "101", "99999999999999999999", "1e3", "x", ""])
async def test_a_limit_out_of_range_is_refused(client: httpx2.AsyncClient, limit: str) -> None:
    response = await client.get(NOTES, params={"limit": limit})

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "query.limit"


# charter 12
async def test_a_cursor_that_was_not_given_out_is_refused(client: httpx2.AsyncClient) -> None:
    await created(client, 2)
    cursor = (await client.get(NOTES, params={"limit": 1})).json()["next_cursor"]

    for wrong in ("", "x", "%%%", cursor[:-4], "B" + cursor[1:], cursor[:-4] + "AAAA", cursor + "=", "é" * 20):
        response = await client.get(NOTES, params={"cursor": wrong})
        assert response.status_code == 400, wrong
        assert response.json()["error_code"] == "invalid_cursor"
