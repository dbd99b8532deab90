"""Which tables a statement names."""

from functools import cache
from itertools import takewhile

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError


@cache
def tables_of(statement: str) -> frozenset[str] | None:
    """The tables that PostgreSQL would look up, each as `schema.table`, or None where that cannot be read.

    A name without a schema is taken for one in `public`; that of a WITH query is no table where the query is seen.
    """
    try:
        parsed = sqlglot.parse(statement, read="postgres")
    except SqlglotError:
        return None
    # What sqlglot has no grammar for (LOCK, VACUUM …) it takes for an expression or for a command without parts.
    if not all(isinstance(part, exp.Query | exp.DML) for part in parsed):
        return None
    return frozenset(
        f"{_name(table.args.get('db')) or 'public'}.{_name(table.this)}"
        for part in parsed
        if part is not None
        for table in part.find_all(exp.Table)
        if isinstance(table.this, exp.Identifier) and not _is_with_query(table)
    )


def _is_with_query(table: exp.Table) -> bool:
    """Whether a WITH around `table` gives its name to a query: seen by what follows it, and by itself if recursive."""
    if table.args.get("db") is not None:
        return False
    inner: exp.Expr = table
    outer = table.parent
    while outer is not None:
        seen: list[exp.Expr] = []
        if isinstance(outer, exp.With):
            before = takewhile(lambda query: query is not inner, outer.expressions)  # noqa: B023  used up at once
            seen = outer.expressions if outer.recursive else list(before)
        elif isinstance(with_ := outer.args.get("with_"), exp.With) and with_ is not inner:
            seen = with_.expressions
        if any(_name(query.args["alias"].this) == _name(table.this) for query in seen):
            return True
        inner, outer = outer, outer.parent
    return False


def _name(identifier: object) -> str:
    """As PostgreSQL reads it: in lower case unless quoted."""
    if not isinstance(identifier, exp.Identifier):
        return ""
    return identifier.name if identifier.quoted else identifier.name.lower()
