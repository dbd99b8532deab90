"""The names of a module in each of their forms, and those that it cannot have."""

import keyword
import re
from dataclasses import dataclass
from typing import Final

from app.db.model import Model
from app.scaffold.errors import ScaffoldError

_WORDS: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MAX_IDENTIFIER: Final = 63  # characters that PostgreSQL keeps of a name

# What the files of a module import, or are: a class of the same name would take its place.
_TAKEN_CLASSES: Final = {
    *("Annotated", "ApiRouter", "BigInteger", "Bool", "CheckConstraint", "Conflict", "Currency", "Date", "Datetime"),
    *("Decimal", "Depends", "Digits", "EmailAddress", "Event", "Field", "Filter", "Float", "Index", "InUse", "Int64"),
    *("Invalid", "JsonObject", "Line", "ListQuery", "Listing", "Missing", "Model", "Module", "NotFound", "PageRead"),
    *("Permission", "Reads", "Repository", "Response", "Sample", "Schema", "Service", "StrEnum", "Text", "UnitOfWork"),
    *("Uow", "Url", "Uuid"),
}
_TAKEN_MODULES: Final = {"module", "modules", "test", "tests"}
_TAKEN_FIELDS: Final = {
    # Types that the files of a module name, which a field in the same class would hide.
    *("bool", "date", "datetime", "dict", "float", "int", "list", "str", "uuid", "decimal"),
    # Parameters of every list.
    *("count", "cursor", "limit", "offset", "sort"),
    *dir(Model),
    *Model.model_fields,
}


@dataclass(frozen=True, slots=True)
class Names:
    """`order_line` with its plural, as code, tables, addresses and sentences write it."""

    name: str
    plural: str

    @property
    def kind(self) -> str:
        return camel(self.name)

    @property
    def kinds(self) -> str:
        return camel(self.plural)

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")

    @property
    def labels(self) -> str:
        return self.plural.replace("_", " ")

    @property
    def article(self) -> str:
        return "an" if self.name[0] in "aeiou" else "a"

    @property
    def path(self) -> str:
        return "/" + self.plural.replace("_", "-")


def names_of(name: str, plural: str | None) -> Names:
    """The names of a module called `name`; `plural` where English has another than the usual one.

    Raises:
        ScaffoldError: it is no name, or one that Python or the platform needs.
    """
    for word in (name, plural or name):
        if not _WORDS.fullmatch(word):
            raise ScaffoldError(f"{word!r} is no name for a module. Write it in small letters, such as order_line.")
    if keyword.iskeyword(name) or name in _TAKEN_MODULES or camel(name) in _TAKEN_CLASSES:
        raise ScaffoldError(f"{name!r} is a word of Python or of the platform. Give the module another name.")
    names = Names(name, plural or plural_of(name))
    if names.plural == name:
        raise ScaffoldError(f"The plural of {name!r} has to differ from it. State another: plural=…")
    return names


def refuse_field_name(name: str) -> None:
    """Raises ScaffoldError for a field that cannot be called so."""
    if not _WORDS.fullmatch(name):
        raise ScaffoldError(f"{name!r} is no name for a field. Write it in small letters, such as due_date.")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in _TAKEN_FIELDS or name.startswith("model_"):
        raise ScaffoldError(f"A field cannot be called {name!r}, which means something else already. Rename it.")


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def plural_of(name: str) -> str:
    """The regular plural of an English noun."""
    if re.search(r"[^aeiou]y$", name):
        return name[:-1] + "ies"
    return name + ("es" if re.search(r"(s|x|z|ch|sh)$", name) else "s")


def quoted(text: str) -> str:
    """`text` as Python writes a string in this house."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
