"""What the driver's exceptions mean beyond what a healthy server lets a test provoke."""

import asyncpg
import pytest

from app.core.errors import AppError, InUse, Invalid
from app.db.errors import ConnectionLost, DatabaseBusy, DatabaseFault, translate


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (TimeoutError(), DatabaseBusy),
        (ConnectionResetError(), ConnectionLost),
        (asyncpg.InternalClientError("cannot switch to state 15"), ConnectionLost),
        (asyncpg.InterfaceError("cannot perform operation: connection is closed"), ConnectionLost),
        (asyncpg.InterfaceError("cannot perform operation: another operation is in progress"), type(None)),
        (ValueError(), type(None)),
    ],
)
def test_only_a_lost_connection_is_one(error: Exception, meaning: type[AppError] | type[None]) -> None:
    assert type(translate(error, {})) is meaning


def test_a_statement_that_is_wrong_is_told_to_the_log_only() -> None:
    error = asyncpg.UndefinedTableError('relation "nothing" does not exist')
    fault = translate(error, {})

    assert isinstance(fault, DatabaseFault)
    assert str(fault) == 'SQLSTATE 42P01: relation "nothing" does not exist'
    assert fault.detail == AppError.detail


class CustomerUnknown(Invalid):
    constraint = "fk_invoices_customer_id"


@pytest.mark.parametrize(
    ("kind", "detail", "meaning"),
    [
        (asyncpg.ForeignKeyViolationError, "Key (customer_id)=(1) is not present in table.", CustomerUnknown),
        (asyncpg.ForeignKeyViolationError, "Key (id)=(1) is still referenced from table.", InUse),
        (asyncpg.RestrictViolationError, "Key (id)=(1) is referenced from table.", InUse),
    ],
)
def test_a_broken_reference_is_told_apart_by_its_end(
    kind: type[asyncpg.PostgresError], detail: str, meaning: type[AppError]
) -> None:
    error = kind("violates foreign key constraint")
    error.detail, error.constraint_name = detail, "fk_invoices_customer_id"

    assert type(translate(error, {"fk_invoices_customer_id": CustomerUnknown})) is meaning
