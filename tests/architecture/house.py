"""The house rules that a look at the source decides: what a file may call, and what it may do when imported."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MODULE: Final = re.compile(r"app/modules/(?P<module>\w+)/(?P<part>\w+)")
_BUILD: Final = {"select", "insert", "update", "delete"}
_RUN: Final = {"exec", "execute", "get_one", "scalar", "scalars", "stream", "stream_scalars"}
_SESSION: Final = re.compile(r"\w*(session|connection|conn)")
_OPENED: Final = re.compile(
    r"create_app|\w*(FastAPI|App)|(create|open)_\w*engine|open_database|(async_)?sessionmaker|load_settings|Settings"
    r"|\w*(Client|Engine|Pool|Session)|client|from_url"
)
_RAISING: Final = {"raise", "raise_on_sql"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A line that breaks a rule; `file` is told from the root of the project."""

    file: str
    line: int
    rule: str
    mend: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule} {self.mend}"


@dataclass(frozen=True, slots=True)
class _File:
    """`module` and `part` are "user" and "service" in app/modules/user/service.py and in a folder of that name."""

    name: str
    tree: ast.Module
    module: str | None
    part: str | None


@dataclass(frozen=True, slots=True)
class _House:
    """All files, and for the name of each mapped class the modules that have one of that name."""

    files: tuple[_File, ...]
    owners: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """`broken` tells the nodes that break it."""

    says: str
    mend: str
    broken: Callable[[_House, _File], Iterator[ast.expr | ast.stmt]]


def findings(root: Path) -> list[Finding]:
    """What breaks a rule in the application below `root`."""
    house = _read(root)
    return [
        Finding(file.name, node.lineno, rule.says, rule.mend)
        for file in house.files
        for rule in RULES
        for node in rule.broken(house, file)
    ]


def _read(root: Path) -> _House:
    files = []
    for path in sorted((root / "app").rglob("*.py")):
        name = path.relative_to(root).as_posix()
        place = _MODULE.match(name)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        files.append(_File(name, tree, place and place["module"], place and place["part"]))
    owners: dict[str, frozenset[str]] = {}
    for file in files:
        if file.module is not None and file.part == "models":
            for node in ast.walk(file.tree):
                if isinstance(node, ast.ClassDef):
                    owners[node.name] = owners.get(node.name, frozenset()) | {file.module}
    return _House(tuple(files), owners)


def _queries_elsewhere(_house: _House, file: _File) -> Iterator[ast.expr | ast.stmt]:
    # That only models and repositories import SQLAlchemy at all, a contract says.
    if file.module is None or file.part == "repository":
        return
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ImportFrom) and re.match(r"sql(alchemy|model)\b", node.module or ""):
            if _BUILD & {alias.name for alias in node.names}:
                yield node
        elif isinstance(node, ast.Call) and _is_query(node):
            yield node


def _is_query(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    receiver, called = _last_name(call.func.value), call.func.attr
    if _SESSION.fullmatch(receiver):
        return called in _RUN or (called == "get" and _gets_a_row(call))
    return receiver in {"sqlalchemy", "sa", "sqlmodel"} and called in _BUILD


def _gets_a_row(call: ast.Call) -> bool:
    """Whether `get` is asked for a key of a class, and not of a dict or of an address."""
    return len(call.args) > 1 and _last_name(call.args[0])[:1].isupper()


def _commits(_house: _House, file: _File) -> Iterator[ast.expr | ast.stmt]:
    if file.module is None:
        return
    for node in ast.walk(file.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="commit" | "rollback")):
                yield node


def _wrapping_middleware(_house: _House, file: _File) -> Iterator[ast.expr | ast.stmt]:
    for node in ast.walk(file.tree):
        match node:
            case ast.ImportFrom() if any(alias.name == "BaseHTTPMiddleware" for alias in node.names):
                yield node
            case ast.Attribute(attr="BaseHTTPMiddleware"):
                yield node
            case ast.Call(func=ast.Attribute(attr="middleware"), args=[ast.Constant(value="http"), *_]):
                yield node


def _relationships_across(house: _House, file: _File) -> Iterator[ast.expr | ast.stmt]:
    for declared in _relationships(file.tree):
        # The target is a name or a text, in the annotation or in the call: list["Invoice"], "app.….Invoice".
        words = {
            word
            for node in ast.walk(declared)
            for word in re.findall(r"\w+", node.id if isinstance(node, ast.Name) else _text(node))
        }
        if any(file.module not in owners for word in words if (owners := house.owners.get(word))):
            yield declared


def _lazy_relationships(_house: _House, file: _File) -> Iterator[ast.expr | ast.stmt]:
    for declared in _relationships(file.tree):
        stated = [node.value for node in ast.walk(declared) if isinstance(node, ast.keyword) and node.arg == "lazy"]
        for node in ast.walk(declared):
            if isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                stated += [value for key, value in pairs if key is not None and _text(key) == "lazy"]
        if not any(_text(value) in _RAISING for value in stated):
            yield declared


def _opened_at_import(_house: _House, file: _File) -> Iterator[ast.expr | ast.stmt]:
    for node in _run_at_import(file.tree):
        if isinstance(node, ast.Call) and _OPENED.fullmatch(_last_name(node.func)):
            yield node


RULES: Final = (
    Rule(
        "Every query lives in a repository.",
        "Move it into a method of the module's repository.py that is named for its meaning.",
        _queries_elsewhere,
    ),
    Rule(
        "Only the edge that opened a transaction ends it.",
        "Take the call away: leaving the unit of work commits, an error that leaves it rolls back.",
        _commits,
    ),
    Rule(
        "Middleware is pure ASGI.",
        "Write a class with `__call__(scope, receive, send)`, as in app/core/http/middleware.py.",
        _wrapping_middleware,
    ),
    Rule(
        "No relationship() crosses modules.",
        "Keep the key, a foreign key by table name, and ask the owner through its public.py.",
        _relationships_across,
    ),
    Rule(
        "No relationship loads by itself.",
        'Say lazy="raise_on_sql", and let each query state what it loads.',
        _lazy_relationships,
    ),
    Rule(
        "Importing opens nothing.",
        "Make it in create_app() or in app/wiring.py, and pass it to who needs it.",
        _opened_at_import,
    ),
)


def _relationships(tree: ast.AST) -> Iterator[ast.AnnAssign | ast.Assign]:
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(value=ast.Call() as call) | ast.Assign(value=ast.Call() as call):
                if _last_name(call.func).lower() == "relationship":
                    yield node


def _run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """What an import runs: all but the bodies of functions, whose defaults and decorators it does run."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            decorators = () if isinstance(child, ast.Lambda) else child.decorator_list
            defaults = (*child.args.defaults, *filter(None, child.args.kw_defaults))
            for part in (*decorators, *defaults):
                yield part
                yield from _run_at_import(part)
        else:
            yield child
            yield from _run_at_import(child)


def _last_name(node: ast.expr) -> str:
    """`session` of `uow.session`, `connection` of `(await session.connection())`."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return node.attr
        case ast.Call():
            return _last_name(node.func)
        case ast.Await():
            return _last_name(node.value)
    return ""


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
