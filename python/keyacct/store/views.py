"""The store as tables for a query: per family one view with one truth per key and one with every stored row."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa

from keyacct.config import Workspace
from keyacct.database.engine import open_database
from keyacct.store import merge
from keyacct.store.families import FAMILIES
from keyacct.store.index import Segment, live_segments
from keyacct.store.read import family_sql
from keyacct.store.resolve import device_aliases


def add_views(engine: duckdb.DuckDBPyConnection, workspace: Workspace, *, families: tuple[str, ...] = ()) -> list[str]:
    """Make the views `<family>` (merged, under resolved meters) and `<family>_raw` (every live row as it was stored)
    of one snapshot of the index; the files they read, absolute. families: only these.

    Raises ConfigError `config.schema_newer`.
    """
    with open_database(workspace).read() as connection:
        segments = live_segments(connection)
        aliases = device_aliases(connection)
    engine.register("given_aliases", aliases)
    engine.execute("CREATE TABLE aliases AS SELECT * FROM given_aliases")
    engine.unregister("given_aliases")
    root = workspace.root.absolute()
    paths: list[str] = []
    for family in FAMILIES.values():
        if families and family.name not in families:
            continue
        own = [segment for segment in segments if segment.family == family.name]
        paths += [str(root / segment.path) for segment in own]
        columns = merge.names(family.schema.names)
        raw = family_rows_sql(root, own, family.name)
        engine.execute(f"CREATE VIEW {merge.quote(family.name + '_raw')} AS SELECT {columns} FROM {raw}")
        merged = family_sql(workspace, family, own, aliases) if own else f"SELECT {columns} FROM {raw}"
        engine.execute(f"CREATE VIEW {merge.quote(family.name)} AS {merged}")
    return paths


def family_rows_sql(root: Path, segments: list[Segment], family: str) -> str:
    """Every row of the segments, or of none, in the family's columns."""
    definition = FAMILIES[family]
    if segments:
        return merge.files_sql(definition, [str(root / segment.path) for segment in segments])
    columns = ", ".join(
        f"NULL::{merge.sql_type(field.type)} AS {merge.quote(field.name)}" for field in definition.schema
    )
    return f"(SELECT {columns} WHERE false)"


def hand_over(engine: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    """Copy an Arrow table into the query engine under a name."""
    engine.register("given_rows", table)
    engine.execute(f"CREATE TABLE {merge.quote(name)} AS SELECT * FROM given_rows")
    engine.unregister("given_rows")
