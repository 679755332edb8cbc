"""The table of backups that were taken."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

from keyacct.database.tables import metadata

backup = Table(
    "backup", metadata,
    Column("place", Text, primary_key=True), Column("name", Text, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in ("taken_at", "files", "bytes")),
    Column("manifest_sha256", Text, nullable=False), Column("audit_seq", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
)  # fmt: skip
