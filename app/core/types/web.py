"""Values as the web writes them: addresses, JSON, currencies."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, HttpUrl, JsonValue, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

MAX_URL_LENGTH: Final = 2_000

_HTTP_URL: Final = TypeAdapter(HttpUrl)


def _canonical_url(text: str) -> str:
    try:
        canonical = str(_HTTP_URL.validate_python(text))
    except ValidationError:
        raise PydanticCustomError("url", "This is not an address of the form https://example.org/path") from None
    if len(canonical) > MAX_URL_LENGTH:
        raise PydanticCustomError("url", "An address has at most {limit} characters", {"limit": MAX_URL_LENGTH})
    return canonical


Url = Annotated[
    str, Field(max_length=MAX_URL_LENGTH, json_schema_extra={"format": "uri"}), AfterValidator(_canonical_url)
]
"""An http or https address; what was validated is canonical (RFC 3986, section 6.2.2)."""

JsonObject = dict[str, JsonValue]
"""An object of any content. That it can be stored, `parse_json` has seen to."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""The code of a currency (ISO 4217, alphabetic)."""
