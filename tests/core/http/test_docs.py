"""The interactive documentation."""

import httpx2
import pytest


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_its_pages_may_load_what_they_need(client: httpx2.AsyncClient, path: str) -> None:
    response = await client.get(path)

    assert response.status_code == 200
    assert "/openapi.json" in response.text
    policy = response.headers["content-security-policy"]
    assert "https://cdn.jsdelivr.net" in policy
    assert "default-src 'none'" in policy


async def test_the_document_lists_the_routes(client: httpx2.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    assert "/api/v1/sample-notes/{note_id}" in document["paths"]
    created = document["paths"]["/api/v1/sample-notes"]["post"]["responses"]["409"]
    assert "sample_note.title_taken" in created["description"]
    assert created["content"].keys() == {"application/problem+json"}
