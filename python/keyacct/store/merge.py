"""The SQL that decides between values of one key, column by column, by one total order.

Order: quality rank, then later receipt (none is earliest), then higher batch. A null never takes a value away. The
same text serves the reader, the ingest and the compaction, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from keyacct.store.families import Family
from keyacct.store.quality import RETRACTED, rank_sql

_RANK_STEP = 10**30
_RECEIPT_STEP = 10**15


def quote(name: str) -> str:
    """A column name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def names(columns: Sequence[str]) -> str:
    """Column names, separated by commas."""
    return ", ".join(quote(column) for column in columns)


def raw_files_sql(paths: Sequence[str]) -> str:
    """The rows of a list of files, with whatever columns they have."""
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def files_sql(family: Family, paths: Sequence[str]) -> str:
    """The rows of segments of a family, with all of its columns; those that an older segment lacks are null."""
    columns = ", ".join(f"NULL::{sql_type(field.type)} AS {quote(field.name)}" for field in family.schema)
    return f"(SELECT {columns} WHERE false UNION ALL BY NAME SELECT * FROM {raw_files_sql(paths)})"


def sql_type(type_: pa.DataType) -> str:
    """The DuckDB type of a column of a family."""
    if pa.types.is_decimal(type_):
        return f"DECIMAL({type_.precision}, {type_.scale})"
    return _SQL_TYPES[str(type_)]


_SQL_TYPES = {
    "string": "VARCHAR", "timestamp[ms, tz=UTC]": "TIMESTAMPTZ", "uint8": "UTINYINT", "uint16": "USMALLINT",
    "int64": "BIGINT", "double": "DOUBLE",
}  # fmt: skip


def order_sql(batch: str = "batch") -> str:
    """The total order of rows as one HUGEINT. batch: the expression of the batch number, `0` to leave it out."""
    return (
        f"({rank_sql('quality')})::HUGEINT * {_RANK_STEP}::HUGEINT"
        f" + greatest(coalesce(epoch_ms(recv_at) + 1, 0), 0)::HUGEINT * {_RECEIPT_STEP}::HUGEINT + {batch}"
    )


def resolved_sql(family: Family, source: str) -> str:
    """The rows of `source` under the meters that the table `aliases` names for unknown devices, as of each row."""
    rest = [name for name in family.schema.names if name != "meter"]
    return (
        f"(SELECT coalesce(al.meter, s.meter) AS meter, {', '.join(f's.{quote(name)}' for name in rest)} "
        f"FROM {source} s LEFT JOIN aliases al ON s.meter = al.alias"
        " AND epoch_ms(s.ts) >= al.valid_from AND epoch_ms(s.ts) < al.valid_to)"
    )


def winners_sql(family: Family, source: str) -> str:
    """One row per key: for each value column a struct `w_<column>` {v, o, q, r, b} of the value that wins."""
    winners = ", ".join(
        f"arg_max({{'v': {quote(c)}, 'o': o, 'q': quality, 'r': recv_at, 'b': batch}}, o)"
        f" FILTER (WHERE {quote(c)} IS NOT NULL) AS {quote('w_' + c)}"
        for c in family.value_names
    )
    keys = names(family.keys)
    return (
        f"SELECT {keys}, {winners}, bit_or(quality) AS any_quality, max(recv_at) AS any_recv_at,"
        f" max(batch) AS any_batch FROM (SELECT *, {order_sql()} AS o FROM {source}) GROUP BY {keys}"
    )


def merged_sql(family: Family, source: str) -> str:
    """One row per key in the family's schema: quality, receipt and batch are those of the values that won."""
    values, quality, receipt, batch = [], [], [], []
    for column in family.value_names:
        w = quote("w_" + column)
        values.append(f"CASE WHEN {w}.q & {RETRACTED} = 0 THEN {w}.v END AS {quote(column)}")
        quality.append(f"coalesce({w}.q, 0)")
        receipt.append(f"{w}.r")
        batch.append(f"{w}.b")
    none = " AND ".join(f"{quote('w_' + column)} IS NULL" for column in family.value_names)
    return (
        f"SELECT {names(family.keys)}, {', '.join(values)},"
        f" CASE WHEN {none} THEN any_quality ELSE ({' | '.join(quality)}) END AS quality,"
        f" CASE WHEN {none} THEN any_recv_at ELSE greatest({', '.join(receipt)}) END AS recv_at,"
        f" coalesce(greatest({', '.join(batch)}), any_batch) AS batch FROM ({winners_sql(family, source)})"
    )


def winning_parts_sql(family: Family, rows: str, winners: str) -> str:
    """The rows that still say something: each keeps only the columns that it wins, rows that win none are left out.

    Reading the result gives what reading all rows gives, also after later rows have come: nothing of the order is lost.
    Of a key without any value one row stays.
    """
    on = " AND ".join(f"r.{quote(key)} = w.{quote(key)}" for key in family.keys)
    kept = [f"CASE WHEN r.o = w.{quote('w_' + c)}.o THEN r.{quote(c)} END AS {quote(c)}" for c in family.value_names]
    some = " OR ".join(f"(r.{quote(c)} IS NOT NULL AND r.o = w.{quote('w_' + c)}.o)" for c in family.value_names)
    none = " AND ".join(f"w.{quote('w_' + c)} IS NULL" for c in family.value_names)
    keys = ", ".join(f"r.{quote(key)}" for key in family.keys)
    return (
        f"SELECT {keys}, {', '.join(kept)}, r.quality, r.recv_at, r.batch"
        f" FROM {rows} r JOIN {winners} w ON {on} WHERE {some} OR ({none} AND r.batch = w.any_batch)"
        f" QUALIFY row_number() OVER (PARTITION BY {keys}, r.quality, r.recv_at, r.batch) = 1"
    )


def losers_sql(family: Family, rows: str, winners: str) -> str:
    """Values that lost against another of their key: key, column, value as text, batch, quality, recv_at, reason."""
    on = " AND ".join(f"r.{quote(key)} = w.{quote(key)}" for key in family.keys)
    subkey = " || '|' || ".join(f"r.{quote(name)}::VARCHAR" for name, _ in family.subkey) or "''"
    parts = []
    for c in family.value_names:
        w = f"w.{quote('w_' + c)}"
        parts.append(
            f"SELECT r.meter, r.kind, epoch_ms(r.ts) AS ts, {subkey} AS subkey, '{c}' AS column_name, r.batch,"
            f" r.{quote(c)}::VARCHAR AS value, r.quality, epoch_ms(r.recv_at) AS recv_at,"
            f" CASE WHEN {rank_sql('r.quality')} < {rank_sql(w + '.q')} THEN 'better quality'"
            f" WHEN {w}.r IS DISTINCT FROM r.recv_at AND (r.recv_at IS NULL OR {w}.r > r.recv_at)"
            f" THEN 'later receipt' WHEN {w}.b > r.batch THEN 'later batch' ELSE 'later in the batch' END AS reason"
            f" FROM {rows} r JOIN {winners} w ON {on}"
            f" WHERE r.{quote(c)} IS NOT NULL AND r.{quote(c)} IS DISTINCT FROM {w}.v"
        )
    return " UNION ALL ".join(parts)
