"""The base of every table."""

from collections.abc import Callable
from datetime import UTC, datetime
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import MetaData, Table, func, text
from sqlalchemy.orm import declared_attr
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

T = TypeVar("T")

# Names that say what they are: errors are translated by them, and migrations can drop them.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _default(make: Callable[[], T]) -> Callable[[], T]:
    """`make` with its signature at hand: Pydantic asks for it with each row, and finding it costs a third of the row."""
    make.__signature__ = signature(make)  # type: ignore[attr-defined]
    return make


@_default
def now() -> datetime:
    return datetime.now(UTC)


@_default
def new_key() -> UUID:
    return uuid7()


class Model(SQLModel):
    """A row with a time-ordered key (UUID version 7, RFC 9562), its times in UTC and an optimistic lock.

    An UPDATE or DELETE states the `version` that was read; when another has changed the row since, it matches nothing
    and the unit of work ends in `Stale`.
    """

    metadata: ClassVar[MetaData] = metadata
    if TYPE_CHECKING:
        __table__: ClassVar[Table]

    id: UUID = Field(default_factory=new_key, primary_key=True)
    created_at: datetime = Field(default_factory=now, sa_column_kwargs={"server_default": func.now()})
    updated_at: datetime = Field(default_factory=now, sa_column_kwargs={"server_default": func.now(), "onupdate": now})
    version: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        name = vars(cls).get("__tablename__")
        if name in cls.metadata.tables:
            raise TypeError(f"The table {name!r} of {cls.__module__} is another model's already. Rename one of them.")
        super().__init_subclass__(**kwargs)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805
        return {"version_id_col": cls.__table__.c.version}

    def apply(self, changes: BaseModel) -> None:
        """Takes over the fields that `changes` was given, and only those."""
        for name in changes.model_fields_set:
            setattr(self, name, getattr(changes, name))


class SoftDelete(Model):
    """Opt-in: a row that is deleted stays, with its time, and no query sees it any more (see `sessions`)."""

    deleted_at: datetime | None = Field(default=None, index=True)
