"""The names of a module in each of their forms, and those that it cannot have."""

import builtins
import keyword
import re
from dataclasses import dataclass
from typing import Final

from app.db.model import Model
from app.scaffold.errors import ScaffoldError

_WORDS: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MAX_IDENTIFIER: Final = 63  # characters that PostgreSQL keeps of a name

# Classes that the files of a module import, or are: one of the same name would take its place.
_TAKEN_CLASSES: Final = {
    *("Annotated", "ApiRouter", "BigInteger", "Bool", "CheckConstraint", "Conflict", "Currency", "Database", "Date"),
    *(
        "Datetime",
        "Decimal",
        "Depends",
        "Digits",
        "EmailAddress",
        "Event",
        "Field",
        "Filter",
        "Float",
        "Index",
        "InUse",
        "Int64",
    ),
    *("Invalid", "JsonObject", "Line", "ListQuery", "Listing", "Missing", "Model", "Module", "NotFound", "Page"),
    *("Permission", "Reads", "Repository", "Response", "Sample", "Schema", "Service", "StrEnum", "Text", "UnitOfWork"),
    *("Uow", "Url", "Uuid"),
}
# Variables that stand beside the row, called like its module, or beside its repository, called like the plural.
_TAKEN_VARIABLES: Final = {
    *("changed", "changes", "client", "column", "connection", "create", "database", "emptied", "empty", "error_code"),
    *("field", "fields", "found", "full", "httpx2", "listener", "missing", "name", "new", "other", "path_of", "pytest"),
    *("query", "response", "router", "sample", "self", "session", "setattr", "stored", "taken", "text", "unknown"),
    *("uow", "uuid4", "without"),
    *dir(builtins),
}
# Types of fields, of which a relation could not be told, and words of the generator.
_TAKEN_MODULES: Final = {"email", "enum", "json", "module", "modules", "money", "test", "tests"}
_TAKEN_FIELDS: Final = {
    # Types that the files of a module name, which a field in the same class would hide.
    *("bool", "date", "datetime", "decimal", "dict", "float", "int", "json_object", "list", "sizes", "str", "uuid"),
    # Parameters of every list.
    *("count", "cursor", "limit", "offset", "sort"),
    # What a constructor calls its own, and what looks like a one.
    *("cls", "self", "l"),
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
    names = Names(name, plural or plural_of(name))
    if keyword.iskeyword(name) or name in _TAKEN_MODULES or _TAKEN_CLASSES & {names.kind, names.kinds}:
        raise ScaffoldError(f"{name!r} is a word of Python or of the platform. Give the module another name.")
    for word in (name, names.plural):
        if word in _TAKEN_VARIABLES:
            raise ScaffoldError(f"{word!r} is something else in the files of a module. Give the module another name.")
    if keyword.iskeyword(names.plural):
        raise ScaffoldError(f"{names.plural!r} is a word of Python. State another plural: plural=…")
    if names.plural == name:
        raise ScaffoldError(f"The plural of {name!r} has to differ from it. State another: plural=…")
    return names


def refuse_field_name(name: str) -> None:
    """Raises ScaffoldError for a field that cannot be called so."""
    if not _WORDS.fullmatch(name):
        raise ScaffoldError(f"{name!r} is no name for a field. Write it in small letters, such as due_date.")
    if keyword.iskeyword(name) or name in _TAKEN_FIELDS or name.startswith("model_"):
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
