"""Numbers that their columns can hold, as JSON writes them: `"1"` is a string, and 1 is not true."""

from typing import Annotated

from pydantic import Field, Strict

Bool = Annotated[bool, Strict()]
"""A PostgreSQL `boolean`."""

Int32 = Annotated[int, Strict(), Field(ge=-(2**31), le=2**31 - 1)]
"""A PostgreSQL `integer`."""

Int64 = Annotated[int, Strict(), Field(ge=-(2**63), le=2**63 - 1)]
"""A PostgreSQL `bigint`."""

Float = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""A PostgreSQL `double precision` without NaN and the infinities, which JSON cannot express."""
