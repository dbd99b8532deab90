"""What each type of field becomes, what it takes, and what it refuses."""

import pytest

from app.scaffold import ScaffoldError
from app.scaffold.columns import Column, Relation
from app.scaffold.fields import parse_fields
from app.scaffold.kinds import columns_of
from app.scaffold.names import names_of

RELATIONS = {"user": Relation("user", "users"), "order_line": Relation("order_line", "order_lines")}


def columns(fields: str) -> tuple[Column, ...]:
    return columns_of(parse_fields(fields), names_of("invoice", None), RELATIONS)


def column(field: str) -> Column:
    (only,) = columns(field)
    return only


@pytest.mark.parametrize(
    ("field", "annotation", "schema", "operators", "definition"),
    [
        ("x:str", "str", "InvoiceX", "TEXT", "Annotated[Line, Field(min_length=1, max_length=sizes.SHORT)]"),
        ("x:str:min=0:max=7", "str", "InvoiceX", "TEXT", "Annotated[Line, Field(max_length=7)]"),
        ("x:str:max=601", "str", "InvoiceX", "LONG_TEXT", "Annotated[Line, Field(min_length=1, max_length=601)]"),
        ("x:text", "str", "InvoiceX", None, "Annotated[Text, Field(min_length=1, max_length=sizes.LONG)]"),
        ("x:int", "int", "Int64", "RANGE", None),
        ("x:int:min=0:max=9", "int", "InvoiceX", "RANGE", "Annotated[Int64, Field(ge=0, le=9)]"),
        ("x:int:min=1e3", "int", "InvoiceX", "RANGE", "Annotated[Int64, Field(ge=1000)]"),
        ("x:float", "float", "Float", "RANGE", None),
        ("x:float:max=1e300", "float", "InvoiceX", "RANGE", "Annotated[Float, Field(le=1e+300)]"),
        ("x:decimal", "Decimal", "InvoiceX", "RANGE", "Annotated[Decimal, Digits(18, 4)]"),
        ("x:decimal(5,0)", "Decimal", "InvoiceX", "RANGE", "Annotated[Decimal, Digits(5, 0)]"),
        (
            "x:decimal(4,2):min=0.10:max=9",
            "Decimal",
            "InvoiceX",
            "RANGE",
            'Annotated[Decimal, Field(ge=Decimal("0.1"), le=9), Digits(4, 2)]',
        ),
        ("x:bool", "bool", "Bool", "FLAG", None),
        ("x:date", "date", "Date", "RANGE", None),
        ("x:datetime", "datetime", "DateTime", "RANGE", None),
        ("x:uuid", "UUID", "UUID", "EQUALITY", None),
        ("x:enum(a,b)", "InvoiceX", "InvoiceX", "EQUALITY", None),
        ("x:json", "JsonObject", "JsonObject", None, None),
        ("x:email", "str", "EmailAddress", "TEXT", None),
        ("x:url", "str", "Url", "LONG_TEXT", None),
        ("x:currency", "str", "Currency", "EQUALITY", None),
    ],
)
def test_a_type_has_a_column_a_schema_and_filters(
    field: str, annotation: str, schema: str, operators: str | None, definition: str | None
) -> None:
    made = column(field)

    assert (made.name, made.annotation, made.schema, made.operators) == ("x", annotation, schema, operators)
    assert made.definition == definition
    assert made.required


def test_a_relation_is_a_key_with_an_index() -> None:
    required, optional = columns("customer:user line:order_line?")

    assert (required.name, required.error, required.code) == ("customer_id", "Customer", "customer")
    assert required.model_field == ' = Field(foreign_key="users.id", ondelete="RESTRICT", index=True)'
    assert optional.model_field == (
        ' = Field(default=None, foreign_key="order_lines.id", ondelete="SET NULL", index=True)'
    )


def test_money_is_an_amount_and_its_currency() -> None:
    amount, currency = columns("total:money(10,2)?:min=0")

    assert [made.name for made in (amount, currency)] == ["total", "total_currency"]
    assert amount.together == currency.together == "total"
    assert amount.optional
    assert currency.optional


@pytest.mark.parametrize(
    ("field", "default"),
    [
        ("x:str:default=draft", '"draft"'),
        ('x:str:default=a"b\\c', '"a\\"b\\\\c"'),
        ("x:int:default=-5", "-5"),
        ("x:float:default=2", "2.0"),
        ("x:decimal:default=1.5", 'Decimal("1.5000")'),
        ("x:bool:default=true", "True"),
        ("x:enum(none,true):default=none", "InvoiceX.NONE"),
    ],
)
def test_a_default_is_written_as_python_has_it(field: str, default: str) -> None:
    made = column(field)

    assert made.default == default
    assert not made.required


@pytest.mark.parametrize(
    ("field", "sortable"),
    [
        ("x:str", False),
        ("x:str:unique", True),
        ("x:str?:unique", False),
        ("x:str?:unique:index", True),
        ("x:date?:index", True),
        ("x:user:index", False),
    ],
)
def test_a_list_is_sorted_by_what_an_index_orders(field: str, sortable: bool) -> None:
    assert column(field).sortable == sortable


@pytest.mark.parametrize(
    ("field", "sample"),
    [
        ("x:decimal(5,2):min=0.01:max=9.99", 'sample.decimal(Decimal("0.01"), Decimal("9.99"), 2)'),
        ("x:decimal(5,5):min=0.00001:max=0.00002", 'sample.decimal(Decimal("0.00001"), Decimal("0.00002"), 5)'),
        ("x:decimal(3,2):max=-5", 'sample.decimal(Decimal("-9.99"), -5, 2)'),
        ("x:int:min=9223372036854775807", "sample.integer(9223372036854775807, 9223372036854775807)"),
        ("x:int:max=-9223372036854775808", "sample.integer(-9223372036854775808, -9223372036854775808)"),
        ("x:int:unique", "sample.serial"),
        ("x:int:unique:min=100", "100 + sample.serial"),
        ("x:int:unique:min=0:max=5000", "sample.serial"),
        ("x:int:unique:max=-5", "-5 - sample.serial"),
        ("x:str:min=5:max=9", 'sample.line(9).ljust(5, ".")'),
        ("x:str:unique:max=8", "sample.code(8)"),
        ("x:date?", "sample.sometimes(sample.day)"),
        ("x:int?", "sample.sometimes(lambda: sample.integer(0, 1000))"),
    ],
)
def test_samples_keep_within_what_the_schema_takes(field: str, sample: str) -> None:
    assert column(field).sample == sample


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        ("x:string", "is of the type 'string', which does not exist. There are: str, text, .*, user .a module."),
        ("x:str(5)", "which takes nothing in brackets"),
        ("x:user(5)", "which takes nothing in brackets"),
        ("x:bool:unique", "which cannot have: unique"),
        ("x:user:unique", "which cannot have: unique"),
        ("x:date:min=1", "which cannot have: min"),
        ("x:json:default=1", "which cannot have: default"),
        ("x:json:index", "which no index can order"),
        ("x:text:index", "(no index can order|too long for an index)"),
        ("x:text:unique", "too long for an index. Bound it: max=600 or less"),
        ("x:str:index:max=601", "too long for an index. Bound it"),
        ("x:str?:default=a", "optional, which is a default already. Leave one of the two out"),
        ("x:str:min=5:max=4", "Correct one of the two"),
        ("x:str:max=0", "whole number from 1 to 2000"),
        ("x:str:max=2001", "whole number from 1 to 2000"),
        ("x:str:max=1.5", "whole number from 1 to 2000"),
        ("x:str:max=long", "is no number"),
        ("x:str:max=2:default=abc", "default that is not from 1 to 2 characters of one line"),
        ("x:int:min=2:max=1", "Correct one of the two"),
        ("x:int:min=0.5", "whole number, and 0.5 is none that PostgreSQL can hold"),
        ("x:int:max=9223372036854775808", "none that PostgreSQL can hold"),
        ("x:int:min=nan", "is no number"),
        ("x:int:min=1_000", "is no number"),
        ("x:int:max=1e999999999", "is no number"),
        ("x:int:min=5:default=4", "has default=4, which its bounds refuse"),
        ("x:int:unique:min=0:max=9", "its bounds leave fewer than 1000 numbers. Widen them"),
        ("x:float:max=1e400", "double precision"),
        ("x:decimal(5)", "such as decimal.12,2."),
        ("x:decimal(2,3)", "1 to 28 digits, places included"),
        ("x:decimal(0,0)", "1 to 28 digits, places included"),
        ("x:decimal(29,2)", "1 to 28 digits, places included"),
        ("x:decimal(3,2):min=10", "has 3 digits and 2 places, which 10 does not fit"),
        ("x:decimal(3,2):default=0.001", "which 0.001 does not fit"),
        ("x:bool:default=yes", "neither true nor false"),
        ("x:enum", "each value once"),
        ("x:enum()", "each value once"),
        ("x:enum(a,a)", "each value once"),
        ("x:enum(a,,b)", "has the value ''"),
        ("x:enum(A)", "has the value 'A'. Values are small letters"),
        ("x:enum(1st)", "has the value '1st'"),
        ("x:enum(" + "a" * 33 + ")", "at most 32"),
        ("x:enum(a,b):default=c", "none of a, b"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_name(field: str, fault: str) -> None:
    with pytest.raises(ScaffoldError, match=f"^The field 'x' .*{fault}"):
        columns(field)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ("customer:user customer_id:uuid", "customer_id"),
        ("x:money x_currency:str", "x_currency"),
        ("create:str", "InvoiceCreate"),
        ("a1:str a_1:str", "InvoiceA1"),
        ("a1:int:unique a_1:user", "A1"),
    ],
)
def test_fields_that_would_be_called_alike_are_refused(fields: str, name: str) -> None:
    with pytest.raises(ScaffoldError, match=f"would be called '{name}'. Rename a field"):
        columns(fields)
