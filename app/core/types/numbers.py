"""Numbers that their columns can hold, as JSON writes them: `"1"` is a string, and 1 is not true."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final, cast

from pydantic import Field, GetCoreSchemaHandler, Strict
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_EXACT_DIGITS: Final = 15  # of an IEEE 754 double, in any decimal number

Bool = Annotated[bool, Strict()]
"""A PostgreSQL `boolean`."""

Int32 = Annotated[int, Strict(), Field(ge=-(2**31), le=2**31 - 1)]
"""A PostgreSQL `integer`."""

Int64 = Annotated[int, Strict(), Field(ge=-(2**63), le=2**63 - 1)]
"""A PostgreSQL `bigint`."""

Float = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""A PostgreSQL `double precision` without NaN and the infinities, which JSON cannot express."""


@dataclass(frozen=True, slots=True)
class Digits:
    """Makes a Decimal a PostgreSQL `numeric(digits, places)`; bounds stand before it.

        price: Annotated[Decimal, Field(ge=0), Digits(18, 4)]

    JSON writes it as a string. A number is taken as well, unless it has more digits than a reader of JSON keeps exact.
    What was validated has all its places, as the column gives it back.
    """

    digits: int
    places: int

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        if source is not Decimal:
            raise TypeError(f"Digits says how many digits a Decimal has, not a {source}. State bounds before it.")
        schema = cast("core_schema.DecimalSchema", handler(source))
        schema["max_digits"], schema["decimal_places"], schema["allow_inf_nan"] = self.digits, self.places, False
        unit = Decimal(1).scaleb(-self.places)

        def complete(value: Decimal) -> Decimal:
            return value.quantize(unit)

        return core_schema.no_info_before_validator_function(
            _exact, core_schema.no_info_after_validator_function(complete, schema)
        )


def _exact(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("decimal_type", "This is not a number")
    if isinstance(value, float):
        number = Decimal(repr(value))
        if len(number.as_tuple().digits) > _EXACT_DIGITS:
            raise PydanticCustomError("decimal_exact", "Write a number with this many digits as a string")
        return number
    return value
