"""Everything that a schema consists of, in PostgreSQL's own words, so that two schemas can be compared."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

# What `CREATE TABLE` and `CREATE INDEX` make, and so what models can declare.
DECLARABLE: Final = frozenset({"table", "column", "constraint", "index", "sequence", "enum"})

# NOT NULL is told with its column, since its constraint's name (PostgreSQL 18) is nobody's choice. The order of columns
# is left out, because a column that is dropped and added again comes last. `pretty` output leaves out schema names.
_QUERY: Final = """
WITH relation AS (
    SELECT c.* FROM pg_class c
    WHERE c.relnamespace = to_regnamespace($1::text) AND c.relname <> 'alembic_version'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
)
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' ELSE 'table' END AS kind, relname::text AS name,
    concat_ws(' ', relkind, relpersistence, reloptions, pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid),
        CASE WHEN relrowsecurity THEN 'row security' END, CASE WHEN relforcerowsecurity THEN 'forced' END,
        CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid, true) END,
        'comment ' || quote_literal(obj_description(oid, 'pg_class'))) AS definition
FROM relation WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
UNION ALL
SELECT 'column', relname || '.' || attname,
    concat_ws(' ', format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'not null' END,
        CASE WHEN attcollation <> typcollation THEN 'collate ' || attcollation::regcollation END,
        'identity ' || nullif(attidentity::text, ''), 'generated ' || nullif(attgenerated::text, ''),
        'default ' || pg_get_expr(adbin, adrelid, true),
        'comment ' || quote_literal(col_description(attrelid, attnum)))
FROM relation r
JOIN pg_attribute a ON a.attrelid = r.oid AND attnum > 0 AND NOT attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'constraint', relname || '.' || conname, pg_get_constraintdef(c.oid, true)
FROM relation r JOIN pg_constraint c ON c.conrelid = r.oid
WHERE contype <> 't' AND (contype <> 'n' OR pg_get_constraintdef(c.oid) LIKE '%NOT VALID')
UNION ALL
SELECT 'index', indrelid::regclass || '.' || r.relname, pg_get_indexdef(r.oid, 0, true) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
FROM relation r JOIN pg_index i ON i.indexrelid = r.oid
WHERE indrelid IN (SELECT oid FROM relation)
  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = r.oid AND c.conrelid = indrelid)
UNION ALL
SELECT 'sequence', relname::text,
    concat_ws(' ', format_type(seqtypid, NULL), seqstart, seqincrement, seqmin, seqmax, seqcycle)
FROM relation r JOIN pg_sequence s ON s.seqrelid = r.oid
UNION ALL
SELECT 'trigger', relname || '.' || tgname, pg_get_triggerdef(t.oid, true)
FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE NOT tgisinternal
UNION ALL
SELECT 'policy', relname || '.' || polname,
    concat_ws(' ', polcmd, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid, true), 'check',
        pg_get_expr(polwithcheck, polrelid, true))
FROM relation r JOIN pg_policy p ON p.polrelid = r.oid
UNION ALL
SELECT 'enum', typname::text, string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
WHERE typnamespace = to_regnamespace($1::text)
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
GROUP BY typname
UNION ALL
SELECT 'domain', typname::text, format_type(typbasetype, typtypmod) || CASE WHEN typnotnull THEN ' not null' ELSE '' END
    || coalesce(' default ' || typdefault, '') || coalesce(' ' || string_agg(pg_get_constraintdef(c.oid, true), ' '
        ORDER BY conname), '')
FROM pg_type t LEFT JOIN pg_constraint c ON c.contypid = t.oid AND contype = 'c'
WHERE typnamespace = to_regnamespace($1::text) AND typtype = 'd'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
GROUP BY t.oid, typname
UNION ALL
SELECT 'function', p.oid::regprocedure::text, CASE WHEN prokind = 'a' THEN 'aggregate' ELSE pg_get_functiondef(p.oid) END
FROM pg_proc p
WHERE pronamespace = to_regnamespace($1::text)
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
UNION ALL
SELECT 'extension', extname::text, '' FROM pg_extension
UNION ALL
SELECT 'schema', nspname::text, '' FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
"""


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """Part of a schema; what belongs to a table has its name in front, as in `users.email`."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


Snapshot = Mapping[Thing, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """A thing whose definitions differ; None where it does not exist."""

    thing: Thing
    before: str | None
    after: str | None


async def take_snapshot(connection: asyncpg.Connection, schema: str = "public") -> Snapshot:
    """The things in `schema`, without Alembic's own table."""
    async with connection.transaction():
        # With the schema in the path PostgreSQL does not write its name, so that two schemas read alike.
        await connection.execute("SELECT set_config('search_path', $1, true)", f"{schema}, public")
        rows = await connection.fetch(_QUERY, schema)
    return {Thing(row["kind"], row["name"]): row["definition"] for row in rows}


def differences(before: Snapshot, after: Snapshot) -> Iterator[Difference]:
    """What changed, in order of kind and name; not the parts of a table that is there on one side only."""
    for thing in sorted(before.keys() | after.keys()):
        whole = Thing("table", thing.name.partition(".")[0])
        told_with_table = thing != whole and (whole in before) != (whole in after)
        if before.get(thing) != after.get(thing) and not told_with_table:
            yield Difference(thing, before.get(thing), after.get(thing))
