"""The interactive API documentation, under a content security policy of its own."""

from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html

# FastAPI's pages start themselves by an inline script and take their assets from a public CDN.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; worker-src blob:; connect-src 'self'; "
    "style-src 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com; "
    "font-src https://fonts.gstatic.com; "
    "img-src 'self' data: https://fastapi.tiangolo.com https://cdn.redoc.ly; frame-ancestors 'none'"
)

OPENAPI_URL = "/openapi.json"

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def swagger_ui(request: Request) -> Response:
    return _page(get_swagger_ui_html(openapi_url=OPENAPI_URL, title=request.app.title))


@router.get("/redoc")
async def redoc(request: Request) -> Response:
    return _page(get_redoc_html(openapi_url=OPENAPI_URL, title=request.app.title))


def _page(response: Response) -> Response:
    response.headers["content-security-policy"] = _POLICY
    return response
