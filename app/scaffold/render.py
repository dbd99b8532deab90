"""The files of a new module: templates filled in, then brought into the house's form by its own formatter."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import jinja2

from app.db.types import quote_name
from app.scaffold.columns import Column
from app.scaffold.errors import ScaffoldError
from app.scaffold.names import Names, camel, quoted

_TEMPLATES: Final = Path(__file__).parent / "templates"
_SUFFIX: Final = ".jinja"
_DEADLINE: Final = 60.0  # seconds
_IMPORTS: Final = '{ split-on-trailing-comma = false, known-first-party = ["app", "tests"] }'
# What nobody offers to a client; a module whose field has such a name does.
_NOT_OFFERED: Final = ("id", "role", "is_superuser", "owner_id", "version", "created_at")


def write_files(names: Names, summary: str, columns: Sequence[Column], root: Path) -> None:
    """Writes the module, which `summary` tells in a sentence, and its tests below `root`, a copy of the project.

    Raises:
        ScaffoldError: the formatter does not run.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  Python, not markup
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"camel": camel, "quoted": quoted, "sql": quote_name}
    values = {"summary": summary, **dict(_values(names, columns))}
    written: list[Path] = []
    for kind, folder in (("module", f"app/modules/{names.name}"), ("tests", f"tests/modules/{names.name}")):
        for template in sorted((_TEMPLATES / kind).iterdir()):
            if template.name == "conftest.py.jinja" and not values["relations"]:
                continue  # nothing has to be there before a test begins
            file = root / folder / template.name.removesuffix(_SUFFIX)
            file.parent.mkdir(parents=True, exist_ok=True)
            text = environment.get_template(f"{kind}/{template.name}").render(values)
            file.write_text(text, encoding="utf-8")
            written.append(file)
    # The templates import what any module may need, and leave lines to the formatter.
    imports = ("--select", "F401,I001", "--config", f"lint.isort = {_IMPORTS}")
    _ruff(root, "check", "--fix-only", *imports, *map(str, written))
    _ruff(root, "format", "--config", "format.skip-magic-trailing-comma = true", *map(str, written))


def _values(names: Names, columns: Sequence[Column]) -> Iterator[tuple[str, object]]:
    for name in ("name", "plural", "kind", "kinds", "label", "labels", "article", "path"):
        yield name, getattr(names, name)
    groups = _groups(columns)
    pairs = [column.together for column in columns if column.together == column.name and column.optional]
    yield "columns", columns
    yield "enums", [column for column in columns if column.members]
    yield "relations", [column for column in columns if column.relation]
    yield "unique", [column for column in columns if column.unique and not column.optional]
    yield "sortable", [column for column in columns if column.sortable]
    yield "prose", [column.name for column in columns if column.prose and column.operators]
    yield "required", [column.name for column in columns if column.required]
    yield "groups", list(groups.values())
    yield "optional", [fields for fields in groups.values() if any(c.name in fields and c.optional for c in columns)]
    yield "pairs", pairs
    yield "not_offered", [name for name in _NOT_OFFERED if name not in {column.name for column in columns}]
    yield (
        "constraint_errors",
        [
            *(f"{column.error}Taken" for column in columns if column.unique),
            *(f"{column.error}Unknown" for column in columns if column.relation),
            *(f"{camel(field)}Incomplete" for field in pairs if field),
        ],
    )


def _groups(columns: Sequence[Column]) -> Mapping[str, list[str]]:
    """The names of columns that are changed together."""
    groups: dict[str, list[str]] = {}
    for column in columns:
        groups.setdefault(column.together or column.name, []).append(column.name)
    return groups


def _ruff(root: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "ruff", *arguments, "--quiet"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=_DEADLINE, check=False)  # noqa: S603
    if done.returncode:
        raise ScaffoldError(
            f"Ruff, which brings new files into form, says: {done.stdout}{done.stderr}. It is a development "
            f"dependency: make install"
        )
