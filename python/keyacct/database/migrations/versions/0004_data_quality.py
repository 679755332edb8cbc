"""Findings of the checks of samples, and edits by hand."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = (
    """CREATE TABLE quality_finding (
        rule TEXT NOT NULL, family TEXT NOT NULL, meter TEXT NOT NULL, kind TEXT NOT NULL, "column" TEXT NOT NULL,
        from_ts INTEGER NOT NULL, to_ts INTEGER NOT NULL, values_found INTEGER NOT NULL,
        severity TEXT NOT NULL CHECK (severity IN ('general', 'severe')), value REAL, limit_value REAL,
        detail TEXT NOT NULL, found_at INTEGER NOT NULL,
        PRIMARY KEY (rule, family, meter, kind, "column", from_ts))""",
    "CREATE INDEX quality_finding_time ON quality_finding (from_ts)",
    """CREATE TABLE sample_edit (
        id INTEGER NOT NULL PRIMARY KEY, family TEXT NOT NULL, meter TEXT NOT NULL, kind TEXT NOT NULL,
        ts INTEGER NOT NULL, subkey TEXT NOT NULL, "column" TEXT NOT NULL, old_value TEXT, new_value TEXT,
        reason TEXT NOT NULL CHECK (reason <> ''), person TEXT NOT NULL CHECK (person <> ''),
        batch INTEGER NOT NULL UNIQUE, made_at INTEGER NOT NULL, undone_at INTEGER, undone_by TEXT, undone_reason TEXT,
        CHECK ((undone_at IS NULL) = (undone_by IS NULL) AND (undone_at IS NULL) = (undone_reason IS NULL)))""",
)


def upgrade() -> None:
    """Make the tables."""
    for statement in TABLES:
        op.execute(statement)
