"""What each type of field becomes: a column, a type in the schemas, filters, and values for sample rows."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import isfinite
from typing import Final

from app.db import sizes
from app.scaffold.columns import Column, Relation
from app.scaffold.errors import ScaffoldError
from app.scaffold.fields import FieldSpec
from app.scaffold.names import Names, camel, quoted

_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([Ee][+-]?\d{1,3})?", re.ASCII)
_MEMBER: Final = re.compile(r"[a-z][a-z0-9_]*")
_SIZES: Final = {getattr(sizes, name): f"sizes.{name}" for name in ("CODE", "SHORT", "MEDIUM", "LONG")}
_LONGEST_INDEXED: Final = 600  # characters of four bytes each; an entry of an index has at most 2,704 bytes
_INT64: Final = range(-(2**63), 2**63)
_MOST_DIGITS: Final = 28  # with so many Python computes exactly
_SPREAD: Final = 1_000  # how far apart sample numbers lie that nothing bounds, and how many have to differ
_CENTS: Final = 2  # places of most amounts
_SHORTEST_PROSE: Final = 40  # characters that a test of metacharacters needs


def columns_of(specs: Sequence[FieldSpec], names: Names, relations: Mapping[str, Relation]) -> tuple[Column, ...]:
    """The columns for `specs`, in their order; `relations` are the modules that can be referred to, by name.

    Raises:
        ScaffoldError: a type does not exist, or what is said of a field does not go with its type.
    """
    columns = tuple(column for spec in specs for column in _columns(spec, names, relations))
    _refuse_twins("columns", [column.name for column in columns])
    own = [f"{names.kind}{what}" for what in ("Create", "Change", "Read")]
    types = [column.schema for column in columns if column.definition or column.members]
    _refuse_twins("classes", [*own, *types])
    _refuse_twins("errors", [column.error for column in columns if column.unique or column.relation])
    return columns


def _refuse_twins(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ScaffoldError(f"Two {what} would be called {name!r}. Rename a field.")


def _columns(spec: FieldSpec, names: Names, relations: Mapping[str, Relation]) -> Iterator[Column]:
    asked = _Asked(spec, f"{names.kind}{camel(spec.name)}")
    if spec.optional and "default" in spec.options:
        raise asked.fault("is optional, which is a default already. Leave one of the two out.")
    if spec.kind in KINDS:
        column = KINDS[spec.kind](asked)
    elif spec.kind in relations:
        column = _relation(asked, relations[spec.kind])
    else:
        known = ", ".join([*KINDS, *(f"{name} (a module)" for name in relations)])
        raise asked.fault(f"is of the type {spec.kind!r}, which does not exist. There are: {known}.")
    if asked.flag("index"):
        if column.operators is None:
            raise asked.fault(f"is of the type {asked.kind!r}, which no index can order. Leave it out.")
        # A relation has one; so has what is unique, but it leaves rows without a value in no order.
        column = replace(column, indexed=column.relation is None and (spec.optional or not column.unique))
    asked.refuse_rest()
    column = replace(column, optional=spec.optional)
    if spec.kind == "money":
        yield replace(column, together=spec.name)
        yield replace(_currency(asked), name=f"{spec.name}_currency", optional=spec.optional, together=spec.name)
    elif spec.optional:
        yield replace(column, sample=f"sample.sometimes({_function(column.sample)})")
    else:
        yield column


def _function(expression: str) -> str:
    """What returns the value of `expression` when it is called."""
    return expression.removesuffix("()") if re.fullmatch(r"sample\.\w+\(\)", expression) else f"lambda: {expression}"


class _Asked:
    """A field as it was asked for; what is taken of its arguments and options is used up."""

    def __init__(self, spec: FieldSpec, alias: str) -> None:
        self.name = spec.name
        self.kind = spec.kind
        self.alias = alias
        self._arguments = spec.arguments
        self._options = dict(spec.options)

    def fault(self, what: str) -> ScaffoldError:
        return ScaffoldError(f"The field {self.name!r} {what}")

    def arguments(self) -> tuple[str, ...]:
        taken, self._arguments = self._arguments, ()
        return taken

    def has(self, option: str) -> bool:
        return option in self._options

    def flag(self, option: str) -> bool:
        return self._options.pop(option, None) is not None

    def text(self, option: str) -> str | None:
        return self._options.pop(option, None)

    def number(self, option: str) -> Decimal | None:
        text = self.text(option)
        if text is not None and not _NUMBER.fullmatch(text):
            raise self.fault(f"has {option}={text}, which is no number.")
        return None if text is None else Decimal(text)

    def whole(self, option: str, otherwise: int, least: int, most: int) -> int:
        number = self.number(option)
        if number is None:
            return otherwise
        if number != number.to_integral_value() or not least <= number <= most:
            raise self.fault(f"has {option}={number}, which has to be a whole number from {least} to {most}.")
        return int(number)

    def refuse_rest(self) -> None:
        if self._arguments:
            raise self.fault(f"is of the type {self.kind!r}, which takes nothing in brackets.")
        if self._options:
            raise self.fault(f"is of the type {self.kind!r}, which cannot have: {', '.join(self._options)}.")


def _text_column(asked: _Asked, base: str, longest: int, make: Callable[[int], str]) -> Column:
    least, most = asked.whole("min", 1, 0, sizes.LONG), asked.whole("max", longest, 1, sizes.LONG)
    if least > most:
        raise asked.fault(f"is at least {least} and at most {most} characters long. Correct one of the two.")
    unique = asked.flag("unique")
    if most > _LONGEST_INDEXED and (unique or asked.has("index")):
        raise asked.fault(f"is too long for an index. Bound it: max={_LONGEST_INDEXED} or less.")
    default = asked.text("default")
    if default is not None and not (least <= len(default) <= most and default.isprintable()):
        raise asked.fault(f"has a default that is not from {least} to {most} characters of one line.")
    sample = f"sample.code({most})" if unique else make(most)
    shortest_made = 2
    size = _SIZES.get(most, str(most))
    return Column(
        name=asked.name,
        annotation="str",
        schema=asked.alias,
        definition=f"Annotated[{base}, Field({f'min_length={least}, ' if least else ''}max_length={size})]",
        arguments=(f"max_length={size}",),
        operators="TEXT" if most <= _LONGEST_INDEXED else "LONG_TEXT",
        sample=sample if least <= shortest_made else f'{sample}.ljust({least}, ".")',
        default=None if default is None else quoted(default),
        unique=unique,
        prose=most >= _SHORTEST_PROSE and least <= 1,
    )


def _str(asked: _Asked) -> Column:
    if asked.name == "full_name":
        return _text_column(asked, "Line", sizes.SHORT, lambda _: "sample.full_name()")
    return _text_column(asked, "Line", sizes.SHORT, lambda most: f"sample.line({most})")


def _text(asked: _Asked) -> Column:
    column = _text_column(asked, "Text", sizes.LONG, lambda most: f"sample.text({most})")
    # Nobody looks for a whole text, and no index would help to look into it.
    return replace(column, operators=None)


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The bounds and the default of a number, as far as they were stated."""

    least: Decimal | None
    most: Decimal | None
    default: Decimal | None

    @property
    def stated(self) -> Sequence[Decimal]:
        return [number for number in (self.least, self.most, self.default) if number is not None]

    def samples(self, lowest: Decimal, highest: Decimal) -> tuple[Decimal, Decimal]:
        """Between what sample values lie, of a type that holds those from `lowest` to `highest`."""
        if self.least is not None:
            return self.least, self.most if self.most is not None else min(self.least + _SPREAD, highest)
        if self.most is not None and self.most < 0:
            return max(self.most - _SPREAD, lowest), self.most
        return Decimal(0), self.most if self.most is not None else min(Decimal(_SPREAD), highest)

    def said(self, written: Callable[[Decimal], str]) -> str:
        """What the schema says of the bounds."""
        bounds = (("ge", self.least), ("le", self.most))
        return ", ".join(f"{word}={written(number)}" for word, number in bounds if number is not None)


def _numbers(asked: _Asked) -> _Numbers:
    least, most, default = asked.number("min"), asked.number("max"), asked.number("default")
    if least is not None and most is not None and least > most:
        raise asked.fault(f"is at least {least} and at most {most}. Correct one of the two.")
    if default is not None and ((least is not None and default < least) or (most is not None and default > most)):
        raise asked.fault(f"has default={default}, which its bounds refuse. Correct one of them.")
    return _Numbers(least, most, default)


def _int(asked: _Asked) -> Column:
    numbers = _numbers(asked)
    for number in numbers.stated:
        if number != number.to_integral_value() or int(number) not in _INT64:
            raise asked.fault(f"is a whole number, and {number} is none that PostgreSQL can hold.")
    unique = asked.flag("unique")
    if unique and numbers.least is not None and numbers.most is not None and numbers.most - numbers.least < _SPREAD:
        raise asked.fault(f"is unique, and its bounds leave fewer than {_SPREAD} numbers. Widen them.")
    low, high = numbers.samples(Decimal(_INT64.start), Decimal(_INT64.stop - 1))
    said = numbers.said(_exact)
    return Column(
        name=asked.name,
        annotation="int",
        schema=asked.alias if said else "Int64",
        definition=f"Annotated[Int64, Field({said})]" if said else None,
        arguments=("sa_type=BigInteger",),
        operators="RANGE",
        sample=_serial(numbers) if unique else f"sample.integer({int(low)}, {int(high)})",
        default=None if numbers.default is None else _exact(numbers.default),
        unique=unique,
    )


def _serial(numbers: _Numbers) -> str:
    """Numbers that differ, upwards from the lower bound or downwards from the upper one."""
    if numbers.least is None and numbers.most is not None:
        return f"{_exact(numbers.most)} - sample.serial"
    return f"{_exact(numbers.least)} + sample.serial" if numbers.least else "sample.serial"


def _float(asked: _Asked) -> Column:
    numbers = _numbers(asked)
    for number in numbers.stated:
        if not isfinite(float(number)):
            raise asked.fault(f"is a number of double precision, and {number} is none that it can hold.")
    largest = Decimal(sys.float_info.max)
    low, high = (_floating(number) for number in numbers.samples(-largest, largest))
    said = numbers.said(_floating)
    return Column(
        name=asked.name,
        annotation="float",
        schema=asked.alias if said else "Float",
        definition=f"Annotated[Float, Field({said})]" if said else None,
        operators="RANGE",
        sample=f"sample.number({low}, {high})",
        default=None if numbers.default is None else _floating(numbers.default),
    )


def _decimal(asked: _Asked) -> Column:
    arguments = asked.arguments() or ("18", "4")
    if len(arguments) != 2 or not all(part.isdecimal() for part in arguments):  # noqa: PLR2004  digits and places
        raise asked.fault("is decimal(digits,places), such as decimal(12,2).")
    digits, places = map(int, arguments)
    if not 0 <= places <= digits <= _MOST_DIGITS or digits == 0:
        raise asked.fault(
            f"has {digits} digits and {places} places. A number has 1 to {_MOST_DIGITS} digits, places included."
        )
    numbers = _numbers(asked)
    limit = Decimal(10) ** (digits - places) - Decimal(1).scaleb(-places)
    for number in numbers.stated:
        if abs(number) > limit or number != round(number, places):
            raise asked.fault(f"has {digits} digits and {places} places, which {number} does not fit.")
    low, high = numbers.samples(-limit, limit)
    said = numbers.said(_exact)
    # Samples look like amounts, unless that leaves none between the bounds.
    shown = places if low != round(low, _CENTS) or high != round(high, _CENTS) else min(places, _CENTS)
    bounds = f"Field({said}), " if said else ""
    return Column(
        name=asked.name,
        annotation="Decimal",
        schema=asked.alias,
        definition=f"Annotated[Decimal, {bounds}Digits({digits}, {places})]",
        arguments=(f"max_digits={digits}", f"decimal_places={places}"),
        operators="RANGE",
        sample=f"sample.decimal({_exact(low)}, {_exact(high)}, {shown})",
        default=None if numbers.default is None else f'Decimal("{round(numbers.default, places)}")',
    )


def _exact(number: Decimal) -> str:
    return str(int(number)) if number == number.to_integral_value() else f'Decimal("{number.normalize():f}")'


def _floating(number: Decimal) -> str:
    return repr(float(number))


def _currency(asked: _Asked) -> Column:
    return Column(
        name=asked.name,
        annotation="str",
        schema="Currency",
        arguments=("max_length=3",),
        operators="EQUALITY",
        sample="sample.currency()",
    )


def _bool(asked: _Asked) -> Column:
    default = asked.text("default")
    if default not in {None, "true", "false"}:
        raise asked.fault(f"has default={default}, which is neither true nor false.")
    return Column(
        name=asked.name,
        annotation="bool",
        schema="Bool",
        operators="FLAG",
        sample="sample.flag()",
        default=default and default.capitalize(),
    )


def _enum(asked: _Asked) -> Column:
    members = asked.arguments()
    default = asked.text("default")
    if not members or len(set(members)) < len(members):
        raise asked.fault("is enum(one,another,…), each value once.")
    for member in members:
        if not _MEMBER.fullmatch(member) or len(member) > sizes.CODE:
            raise asked.fault(
                f"has the value {member!r}. Values are small letters, digits and _, at most {sizes.CODE}."
            )
    if default is not None and default not in members:
        raise asked.fault(f"has default={default}, which is none of {', '.join(members)}.")
    return Column(
        name=asked.name,
        annotation=asked.alias,
        schema=asked.alias,
        arguments=(f"sa_type=OneOf({asked.alias})",),
        operators="EQUALITY",
        members=members,
        sample=f"sample.one_of({asked.alias})",
        default=default and f"{asked.alias}.{default.upper()}",
    )


def _plain(
    annotation: str, schema: str, operators: str | None, sample: str, *arguments: str
) -> Callable[[_Asked], Column]:
    """A type of which nothing can be said but its name."""

    def make(asked: _Asked) -> Column:
        return Column(
            name=asked.name,
            annotation=annotation,
            schema=schema,
            arguments=arguments,
            operators=operators,
            sample=sample,
        )

    return make


def _perhaps_unique(make: Callable[[_Asked], Column], sample: str) -> Callable[[_Asked], Column]:
    """The same type, that can also be unique: then sample values are `sample`."""

    def make_unique(asked: _Asked) -> Column:
        column = make(asked)
        return replace(column, unique=True, sample=sample) if asked.flag("unique") else column

    return make_unique


def _relation(asked: _Asked, relation: Relation) -> Column:
    return Column(
        name=f"{asked.name}_id",
        annotation="UUID",
        schema="UUID",
        operators="EQUALITY",
        sample=f'sample.key("{relation.table}")',
        relation=relation,
    )


KINDS: Final[Mapping[str, Callable[[_Asked], Column]]] = {
    "str": _str,
    "text": _text,
    "int": _int,
    "bool": _bool,
    "decimal": _decimal,
    "float": _float,
    "date": _plain("date", "Date", "RANGE", "sample.day()"),
    "datetime": _plain("datetime", "DateTime", "RANGE", "sample.instant()"),
    "uuid": _perhaps_unique(_plain("UUID", "UUID", "EQUALITY", "sample.uuid()"), "sample.uuid()"),
    "enum": _enum,
    "json": _plain("JsonObject", "JsonObject", None, "sample.document()", "sa_type=json_object"),
    "email": _perhaps_unique(
        _plain("str", "EmailAddress", "TEXT", "sample.email()", "max_length=sizes.MEDIUM"), "sample.email()"
    ),
    "url": _perhaps_unique(
        _plain("str", "Url", "LONG_TEXT", "sample.url()", "max_length=sizes.LONG"), 'f"{sample.url()}/{sample.serial}"'
    ),
    "money": _decimal,
    "currency": _currency,
}
