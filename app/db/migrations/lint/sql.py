"""Reads the statements in a migration's SQL as far as their locks depend on it (PostgreSQL manual, part VI)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Final

from app.db.migrations.lint.actions import (
    Action,
    AddColumn,
    AddConstraint,
    ChangeRows,
    ChangeType,
    ConstraintKind,
    CreateIndex,
    CreateTable,
    Drop,
    DropIndex,
    DropTable,
    EndTransaction,
    Harmless,
    LockTable,
    Rename,
    SetNotNull,
    Unreadable,
    ValidateConstraint,
)

_TOKEN: Final = re.compile(
    r"""
      (?P<skip>\s+|--[^\n]*|/\*.*?\*/)
    | (?P<text>[eE]'(?:[^'\\]|\\.|'')*'|[bBxX]?'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<word>[^\W\d][\w$]*)
    | (?P<sign>[<>=!~@#%^&|?:*/+-]+|\d[\w.]*|.)
    """,
    re.VERBOSE | re.DOTALL,
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# PostgreSQL calculates these once for all rows that exist; any other function may be volatile, once for each.
_ONCE: Final = _words(
    "ARRAY CAST COALESCE CURRENT_SETTING DATE_TRUNC JSONB_BUILD_ARRAY JSONB_BUILD_OBJECT LOWER MAKE_DATE MAKE_INTERVAL "
    "NOW STATEMENT_TIMESTAMP TIMEZONE TO_TIMESTAMP TRANSACTION_TIMESTAMP UPPER"
)
_TYPES_WITH_ARGUMENT: Final = _words(
    "BIT CHAR CHARACTER DECIMAL FLOAT INTERVAL NUMERIC TIME TIMESTAMP TIMESTAMPTZ VARBIT VARCHAR VARYING"
)
_SERIAL: Final = frozenset({"SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL4", "SERIAL8", "SERIAL2"})
_TRANSACTION: Final = _words("ABORT BEGIN COMMIT END ROLLBACK START")
_SCHEMA: Final = _words("ALTER COMMENT CREATE DROP GRANT IMPORT REVOKE SECURITY TRUNCATE")
_BOUNDS: Final = _words("BETWEEN EXISTS ILIKE IN LIKE SIMILAR")
_CONSTRAINT: Final = _words("CHECK CONSTRAINT NOT PRIMARY REFERENCES UNIQUE")
_DROPPED: Final = _words("DOMAIN EXTENSION FOREIGN FUNCTION MATERIALIZED OWNED PROCEDURE SCHEMA SEQUENCE TYPE VIEW")


@dataclass(frozen=True, slots=True)
class _Token:
    """`word` is a keyword or unquoted name in capitals, a sign, or empty; `name` is what it names, if anything."""

    word: str
    name: str | None = None


def read_sql(source: str) -> list[Action]:
    """What each statement in `source` does."""
    actions: list[Action] = []
    for statement in _statements(source):
        actions += _read(statement)
    return actions


def calculates_per_row(expression: str) -> bool:
    """Whether a default gives each row that exists its own value."""
    tokens = list(_tokens(expression))
    return any(
        token.word and token.name and after.word == "(" and token.word not in _ONCE | _TYPES_WITH_ARGUMENT
        for token, after in pairwise(tokens)
    )


def requires_value(condition: str, column: str) -> bool:
    """Whether a check's condition is that `column` is not null."""
    tokens = [token for token in _tokens(condition) if token.word not in {"(", ")"}]
    return [token.word for token in tokens[1:]] == ["IS", "NOT", "NULL"] and tokens[0].name == column


def _tokens(source: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(source):
        text = match.group()
        if match["word"]:
            yield _Token(text.upper(), text.lower())
        elif match["quoted"]:
            yield _Token("", text[1:-1].replace('""', '"'))
        elif match["text"]:
            yield _Token("''")
        elif match["sign"]:
            yield _Token(text)


def _statements(source: str) -> Iterator["_Cursor"]:
    statement: list[_Token] = []
    for token in (*_tokens(source), _Token(";")):
        if token.word != ";":
            statement.append(token)
        elif statement:
            yield _Cursor(statement)
            statement = []


class _Cursor:
    """Reads one statement from left to right."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def take(self, *words: str) -> bool:
        """Steps over `words` when they come next."""
        if tuple(token.word for token in self._tokens[self._at : self._at + len(words)]) != words:
            return False
        self._at += len(words)
        return True

    def one_of(self, words: frozenset[str]) -> str | None:
        word = self._tokens[self._at].word if self._at < len(self._tokens) else ""
        if word not in words:
            return None
        self._at += 1
        return word

    def name(self) -> str | None:
        """Steps over a name, of which the part after the last dot is returned."""
        found: str | None = None
        while self._at < len(self._tokens) and (part := self._tokens[self._at].name) is not None:
            found = part
            self._at += 1
            if not self.take("."):
                break
        return found

    def rest(self) -> list[str]:
        return [token.word for token in self._tokens[self._at :]]

    def has(self, *words: str) -> bool:
        """Whether `words` come later, outside brackets."""
        outside = [token.word for token in self._outside_brackets()]
        return any(tuple(outside[at : at + len(words)]) == words for at in range(len(outside)))

    def text_after(self, word: str, until: frozenset[str] = frozenset()) -> str:
        """What follows the first `word` outside brackets, up to a word of `until`; empty without it."""
        start = next((token for token in self._outside_brackets() if token.word == word), None)
        rest = iter(self._tokens[self._at :])
        for token in rest:
            if token is start:
                break
        return " ".join(token.name or token.word for token in takewhile(lambda token: token.word not in until, rest))

    def _outside_brackets(self) -> Iterator[_Token]:
        depth = 0
        for token in self._tokens[self._at :]:
            depth -= token.word == ")"
            if depth == 0:
                yield token
            depth += token.word == "("

    def parts(self) -> Iterator["_Cursor"]:
        """What is left, divided at its commas outside brackets."""
        depth, part = 0, list[_Token]()
        for token in self._tokens[self._at :]:
            depth += {"(": 1, ")": -1}.get(token.word, 0)
            if token.word == "," and depth == 0:
                yield _Cursor(part)
                part = []
            else:
                part.append(token)
        yield _Cursor(part)

    def beginning(self) -> str:
        return " ".join(word for word in self.rest()[:2] if word.isalpha())


def _read(statement: _Cursor) -> Iterator[Action]:  # noqa: C901, PLR0912  one branch for each kind of statement
    beginning = statement.beginning()
    if statement.take("ALTER", "TABLE"):
        statement.take("IF", "EXISTS")
        statement.take("ONLY")
        table = statement.name()
        statement.take("*")
        for part in statement.parts():
            yield _read_alteration(part, table)
    elif statement.take("CREATE", "INDEX") or statement.take("CREATE", "UNIQUE", "INDEX"):
        concurrently = statement.take("CONCURRENTLY")
        statement.take("IF", "NOT", "EXISTS")
        name = None if statement.take("ON") else statement.name()
        statement.take("ON")
        statement.take("ONLY")
        yield CreateIndex(statement.name(), name, concurrently)
    elif statement.take("DROP", "INDEX"):
        concurrently, if_exists = statement.take("CONCURRENTLY"), statement.take("IF", "EXISTS")
        for part in statement.parts():
            yield DropIndex(None, part.name(), concurrently, if_exists)
    elif statement.take("DROP", "TABLE"):
        statement.take("IF", "EXISTS")
        for part in statement.parts():
            yield DropTable(part.name())
    elif statement.take("DROP"):
        yield Drop(None, beginning) if statement.one_of(_DROPPED) else Harmless(changes_schema=True)
    elif _creates_table(statement):
        statement.take("IF", "NOT", "EXISTS")
        yield CreateTable(statement.name())
    elif statement.take("ALTER"):
        yield Rename(None, beginning) if statement.has("RENAME") else Harmless(changes_schema=True)
    elif statement.take("VACUUM"):
        yield LockTable(None, "VACUUM FULL") if "FULL" in statement.rest() else Harmless(changes_schema=False)
    elif statement.take("REINDEX") or statement.take("REFRESH", "MATERIALIZED", "VIEW"):
        concurrently = "CONCURRENTLY" in statement.rest()
        yield Harmless(changes_schema=True) if concurrently else LockTable(None, beginning)
    elif statement.take("LOCK") or statement.take("TRUNCATE") or statement.take("CLUSTER"):
        statement.take("TABLE")
        statement.take("ONLY")
        yield LockTable(statement.name(), beginning)
    elif word := statement.one_of(_TRANSACTION):
        yield EndTransaction(word)
    elif statement.one_of(frozenset({"DO", "CALL", "EXECUTE"})):
        yield Unreadable(f"{beginning} runs SQL that cannot be read here")
    elif statement.one_of(frozenset({"WITH", "MERGE"})):
        changes = {"UPDATE", "DELETE", "INSERT"} & set(statement.rest())
        yield ChangeRows(None, beginning, _is_whole(statement)) if changes else Harmless(changes_schema=False)
    elif statement.take("UPDATE") or statement.take("DELETE", "FROM"):
        statement.take("ONLY")
        yield ChangeRows(statement.name(), beginning, _is_whole(statement))
    else:
        yield Harmless(changes_schema=statement.one_of(_SCHEMA) is not None)


def _creates_table(statement: _Cursor) -> bool:
    kinds = ((), ("UNLOGGED",), ("TEMP",), ("TEMPORARY",), ("FOREIGN",))
    return any(statement.take("CREATE", *kind, "TABLE") for kind in kinds)


def _read_alteration(part: _Cursor, table: str | None) -> Action:  # noqa: PLR0911  one answer for each kind
    beginning = part.beginning()
    if part.take("ADD"):
        return _read_constraint(part, table) or _read_column(part, table)
    if part.take("VALIDATE", "CONSTRAINT"):
        return ValidateConstraint(table, part.name())
    if part.take("RENAME"):
        return Rename(table, "a column, a constraint or the table")
    if part.take("DROP"):
        if part.take("CONSTRAINT"):
            return Harmless(changes_schema=True)
        part.take("COLUMN")
        part.take("IF", "EXISTS")
        return Drop(table, f"the column {part.name()}")
    if part.take("ALTER"):
        part.take("COLUMN")
        column = part.name() or ""
        if part.take("SET", "NOT", "NULL"):
            return SetNotNull(table, column)
        if part.take("TYPE") or part.take("SET", "DATA", "TYPE"):
            return ChangeType(table, column)
        return Harmless(changes_schema=True)
    if part.take("SET") and part.one_of(frozenset({"ACCESS", "LOGGED", "TABLESPACE", "UNLOGGED"})):
        return LockTable(table, f"ALTER TABLE … {beginning}")
    return Harmless(changes_schema=True)


def _read_constraint(part: _Cursor, table: str | None) -> AddConstraint | None:
    """The constraint that is added, or None when a column is."""
    name = part.name() if part.take("CONSTRAINT") else None
    kinds: dict[ConstraintKind, tuple[str, ...]] = {
        "foreign key": ("FOREIGN", "KEY"),
        "primary key": ("PRIMARY", "KEY"),
        "not null": ("NOT", "NULL"),
        "unique": ("UNIQUE",),
        "check": ("CHECK",),
        "exclusion": ("EXCLUDE",),
    }
    for kind, words in kinds.items():
        if part.take(*words):
            condition = _condition(part, kind)
            return AddConstraint(table, name, kind, part.has("NOT", "VALID"), part.has("USING", "INDEX"), condition)
    return None


def _condition(part: _Cursor, kind: ConstraintKind) -> str | None:
    if kind == "not null":
        return f"{part.name()} IS NOT NULL"
    if kind != "check":
        return None
    text = part.text_after("(")
    return text[: text.rfind(")")]


def _read_column(part: _Cursor, table: str | None) -> AddColumn:
    part.take("COLUMN")
    part.take("IF", "NOT", "EXISTS")
    column = part.name() or ""
    words = set(part.rest())
    default = part.text_after("DEFAULT", _CONSTRAINT)
    inline = {"UNIQUE": "unique", "PRIMARY": "primary key", "REFERENCES": "foreign key", "CHECK": "check"}
    serial = bool(words & _SERIAL)
    generated = "GENERATED" in words and "VIRTUAL" not in words
    return AddColumn(
        table,
        column,
        needs_value=part.has("NOT", "NULL") and not default and not serial and "GENERATED" not in words,
        rewrites=serial or generated or calculates_per_row(default),
        constraint=next((kind for word, kind in inline.items() if word in words), None),
    )


def _is_whole(statement: _Cursor) -> bool:
    """Whether a change has no WHERE, or one that only asks what is null, as a backfill of everything does."""
    if not statement.has("WHERE"):
        return True
    bounds = statement.text_after("WHERE")
    return not any(token.word in _BOUNDS or token.word.startswith(tuple("<>=!~@&")) for token in _tokens(bounds))
