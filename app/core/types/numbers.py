"""Numbers that their columns can hold."""

from typing import Annotated

from pydantic import Field

Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
"""A PostgreSQL `integer`."""

Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
"""A PostgreSQL `bigint`."""

Float = Annotated[float, Field(allow_inf_nan=False)]
"""A PostgreSQL `double precision` without NaN and the infinities, which JSON cannot express."""
