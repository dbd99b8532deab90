"""The base of everything that a client sends or receives."""

from pydantic import BaseModel, ConfigDict


class Schema(BaseModel):
    """A frozen value object that refuses fields it does not declare (a client cannot set what it was not offered)."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)
