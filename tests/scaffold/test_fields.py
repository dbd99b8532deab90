"""Fields as they are typed after `fields=`."""

import pytest

from app.scaffold import ScaffoldError
from app.scaffold.fields import FieldSpec, parse_fields


def test_fields_are_read_in_their_order() -> None:
    assert parse_fields("number:str:unique  amount:decimal(12, 2):min=0:default=1.5 due:date?:index owner:user") == (
        FieldSpec("number", "str", (), False, {"unique": ""}),
        FieldSpec("amount", "decimal", ("12", "2"), False, {"min": "0", "default": "1.5"}),
        FieldSpec("due", "date", (), True, {"index": ""}),
        FieldSpec("owner", "user", (), False, {}),
    )


@pytest.mark.parametrize("default", ['a"b', "c\\d", "{x}", "{{x}}%s", "äöü🐘", "it's", "(a", "a=b"])
def test_a_default_may_hold_any_character_but_a_blank_and_a_colon(default: str) -> None:
    (spec,) = parse_fields(f"note:str:default={default}")

    assert spec.options == {"default": default}


@pytest.mark.parametrize("text", ["", "  "])
def test_a_module_without_fields_is_refused(text: str) -> None:
    with pytest.raises(ScaffoldError, match=r"needs a field at least: fields=\"name:str\""):
        parse_fields(text)


@pytest.mark.parametrize(
    "text", ["name", "name:", ":str", "x-y:str", "(name:str", "name:str ( x:int", "a:enum(x, y", "a:str??", "a:st r"]
)
def test_what_is_no_field_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ScaffoldError, match=r"is no field\. Write name:type, .* such as due:date\?"):
        parse_fields(text)


@pytest.mark.parametrize(
    "option", ["uniqe", "unique=1", "min", "min=", "default=", "unique:unique", "min=1:min=2", "", "MAX=3"]
)
def test_what_is_no_option_is_refused_with_those_that_are(option: str) -> None:
    with pytest.raises(ScaffoldError, match=r"is no option\. There are: unique, index, min=…, max=…, default=…"):
        parse_fields(f"name:str:{option}")


def test_two_fields_of_one_name_are_refused() -> None:
    with pytest.raises(ScaffoldError, match=r"Two fields are called 'name'\. Rename one"):
        parse_fields("name:str other:int name:text")


@pytest.mark.parametrize("name", ["Name", "a__b", "id", "limit", "model_x", "class"])
def test_a_name_that_a_field_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(ScaffoldError, match="field"):
        parse_fields(f"{name}:str")
