"""Tables and the tree in the documents, written from the code.

`python -m tests.docs.tables` writes them again. Each stands between `<!-- table: NAME -->` and `<!-- end -->`.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from app.core import errors
from app.core.errors import AppError
from app.core.http.problems import status_of
from app.core.redaction import MASK
from app.core.settings import Area, Settings, defaults, describe
from app.db import listing
from app.db.errors import _MEANINGS as SQLSTATES
from app.scaffold import ScaffoldError
from app.scaffold.columns import Column
from app.scaffold.fields import parse_fields
from app.scaffold.kinds import KINDS as FIELDS
from app.scaffold.kinds import columns_of
from app.scaffold.names import names_of
from tests.docs.markdown import documents, name
from tests.support.server import ROOT

_TABLE: Final = re.compile(
    r"(?<=<!-- table: )(?P<name>[a-z-]+)(?P<head> -->\n)(?P<rows>.*?)(?=<!-- end -->)", re.DOTALL
)
_TARGET: Final = re.compile(r"^(?P<target>[a-z-]+):.*## (?P<what>.+)$", re.MULTILINE)

# Folders that cannot speak for themselves.
_FOLDERS: Final = {
    "app": "the application",
    "app/core": "mechanism that knows no feature and no table",
    "app/core/http": "what happens between socket and route",
    "app/db": "all that is about tables and belongs to no feature",
    "app/modules": "the features, one folder each, with the same files",
    "alembic": "the migrations, one line of history",
    "docs": "guides, decision records; of each module a page and the description of its API",
    "requirements": "what is installed, locked with hashes",
    "static": "what pages are made of",
    "templates": "likewise",
    "tests": "in folders as the code is; architecture/, docs/ and e2e/ beside them",
}
# Not the modules: adding or deleting one is no matter of the README.
_SHOWN_WHOLE: Final = {"app", "app/core", "app/core/http", "app/core/settings", "app/core/types", "app/db"}
_LONG: Final = 95  # characters of an explanation

# Of each type of field the column that it becomes and what clients send; the rest is asked of the code.
_MADE_OF: Final = {
    "str": ("`varchar(100)`", "one line of 1 to 100 characters, trimmed"),
    "text": ("`varchar(2000)`", "1 to 2,000 characters, line breaks included"),
    "int": ("`bigint`", "a whole number of 64 bits"),
    "bool": ("`boolean`", "`true` or `false`"),
    "decimal": ("`numeric(18,4)`", "a number, or one in a text; answered as a text"),
    "float": ("`double precision`", "a number"),
    "date": ("`date`", "`2026-11-20`"),
    "datetime": ("`timestamptz`", "`2026-11-20T17:26:39Z`, or with another offset"),
    "uuid": ("`uuid`", "a UUID"),
    "enum": ("`text` with a check", "one of the values in brackets"),
    "json": ("`jsonb`", "an object of any content"),
    "email": ("`varchar(254)`", "an e-mail address; stored in lower case"),
    "url": ("`varchar(2000)`", "an http or https address"),
    "money": ("`numeric(18,4)` and `varchar(3)`", "a decimal, and beside it `…_currency`"),
    "currency": ("`varchar(3)`", "`EUR`, a code of ISO 4217"),
}
_WRITTEN: Final = {"enum": "enum(one,two)", "decimal": "decimal(18,4)", "money": "money(18,4)"}
# Values that at least one type takes; a type has the options of which it takes any.
_TRIED: Final = {
    "unique": ("unique", "unique:max=600"),
    "index": ("index",),
    "min": ("min=1",),
    "max": ("max=10",),
    "default": ("default=5", "default=true", "default=one"),
}
_FILTERS: Final = ("FLAG", "EQUALITY", "RANGE", "TEXT", "LONG_TEXT")


def tree() -> str:
    """The folders, and the files of the application, each with what its docstring says first."""
    rows = [row for folder in _FOLDERS if "/" not in folder for row in _branch(ROOT / folder)]
    width = max(len(path) for path, _ in rows) + 2
    return "\n```text\n" + "".join(f"{path:<{width}}{what}\n" for path, what in rows) + "```\n\n"


def settings() -> str:
    """Every variable of the platform, as `make settings` lists them."""
    plain = Settings()
    fields = [(type(area), field) for area in plain.areas for field in type(area).model_fields]
    return _table(
        ("variable", "default", "what it says"),
        (
            (f"`{row.variable}`", _defaults(area, field), row.description)
            for row, (area, field) in zip(describe(plain), fields, strict=True)
        ),
    )


def targets() -> str:
    """The targets of the Makefile with their own explanations."""
    found = _TARGET.finditer((ROOT / "Makefile").read_text(encoding="utf-8"))
    return _table(("command", "what it does"), ((f"`make {match['target']}`", match["what"]) for match in found))


def kinds() -> str:
    """The errors that a module derives its own from."""
    return _table(
        ("class", "status", "`error_code`", "it says"),
        ((f"`{kind.__name__}`", str(status_of(kind).value), f"`{kind.code}`", kind.detail) for kind in _kinds()),
    )


def sqlstates() -> str:
    """What the database's own codes mean, most exact first."""
    return _table(
        ("SQLSTATE", "error", "status", "it says"),
        (
            (
                f"`{state}`" if len(state) > 3 else f"`{state}…`",
                f"`{kind.__name__}`",
                str(status_of(kind).value),
                detail,
            )
            for state, (kind, detail) in sorted(SQLSTATES.items(), key=lambda entry: (-len(entry[0]), entry[0]))
        ),
    )


def fields() -> str:
    """The types of `make module`, each with what follows from it."""
    return _table(
        ("type", "column", "clients send", "filters", "options"),
        (
            (f"`{_WRITTEN.get(kind, kind)}`", *_MADE_OF[kind], _filters(kind), _codes(_options(kind)) or "none")
            for kind in FIELDS
        ),
    )


def operators() -> str:
    """The operators of lists, by the names under which a listing declares them."""
    return _table(
        ("declared as", "operators"),
        ((f"`{name}`", _codes(operator.value for operator in getattr(listing, name))) for name in _FILTERS),
    )


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "tree": tree,
    "settings": settings,
    "targets": targets,
    "kinds": kinds,
    "sqlstates": sqlstates,
    "fields": fields,
    "operators": operators,
}


def with_current_tables(text: str) -> str:
    """`text` with what the code says today.

    Raises:
        KeyError: it has a table that nothing here writes.
    """
    return _TABLE.sub(lambda match: match["name"] + match["head"] + TABLES[match["name"]](), text)


def names_of_tables(text: str) -> list[str]:
    return [match["name"] for match in _TABLE.finditer(text)]


def main() -> None:
    for document in documents():
        text = document.read_text(encoding="utf-8")
        if (current := with_current_tables(text)) != text:
            document.write_text(current, encoding="utf-8")
            print(f"Wrote {name(document)}.")  # noqa: T201  a command


def _branch(path: Path) -> Iterator[tuple[str, str]]:
    """A file or a folder, and what is in it as far as it is shown."""
    place = path.relative_to(ROOT).as_posix()
    indent = "  " * place.count("/")
    if path.is_file():
        yield indent + path.name, _said_by(path)
        return
    yield f"{indent}{path.name}/", _FOLDERS.get(place) or _said_by(path / "__init__.py")
    if place in _SHOWN_WHOLE:
        inside = [
            part
            for part in path.iterdir()
            if (part / "__init__.py").exists() or (part.suffix == ".py" and part.name != "__init__.py")
        ]
        for part in sorted(inside, key=lambda part: (part.is_dir(), part.name)):
            yield from _branch(part)


def _said_by(file: Path) -> str:
    """The first sentence of its docstring; of a long one what stands before the first colon or semicolon."""
    first = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    sentence = first.partition(". ")[0].rstrip(".")
    short = re.split(r"[:;] ", sentence)[0] if len(sentence) > _LONG else sentence
    return short if short[1:2].isupper() else short[:1].lower() + short[1:]


def _defaults(area: type[Area], field: str) -> str:
    """The plain default, and those of single environments."""
    return "; ".join(
        _code(text) + (f" in {environment}" if environment else "") for text, environment in defaults(area, field)
    )


def _code(text: str) -> str:
    said = {"": "none", "not set": "not set", MASK: "a public one"}
    return said.get(text, f"`{text}`")


def _kinds() -> list[type[AppError]]:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AppError)]
    return sorted(found, key=lambda kind: status_of(kind).value)


def _columns(kind: str, option: str = "") -> tuple[Column, ...]:
    return columns_of(parse_fields(f"field:{_WRITTEN.get(kind, kind)}{option}"), names_of("probe", None), {})


def _filters(kind: str) -> str:
    return " and ".join(f"`{column.operators}`" for column in _columns(kind) if column.operators) or "none"


def _options(kind: str) -> Iterator[str]:
    for option, values in _TRIED.items():
        for value in values:
            with suppress(ScaffoldError):
                _columns(kind, f":{value}")
                yield option
                break


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["-"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
