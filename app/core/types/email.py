"""The one canonical form of an e-mail address."""

from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

# RFC 5321, section 4.5.3.1.3: a path holds 256 octets, two of which are its angle brackets.
MAX_LENGTH = 254


def canonical_email(address: str) -> str:
    """`address` as it is stored and compared: Unicode normalised, the domain in its IDNA form, all in lower case.

    RFC 5321 lets a host tell apart local parts by case; none of note does, and people type either.

    Raises:
        PydanticCustomError: `address` is not one (RFC 5322, RFC 6531); the message does not repeat it.
    """
    try:
        canonical = validate_email(address, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        raise PydanticCustomError("email", "This is not an e-mail address of the form name@example.org") from None
    if len(canonical) > MAX_LENGTH:
        raise PydanticCustomError("email", "An e-mail address has at most {limit} characters", {"limit": MAX_LENGTH})
    return canonical


EmailAddress = Annotated[
    str, Field(max_length=MAX_LENGTH, json_schema_extra={"format": "email"}), AfterValidator(canonical_email)
]
"""An e-mail address; what was validated is canonical."""
