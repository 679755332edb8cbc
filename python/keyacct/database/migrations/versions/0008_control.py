"""Attempts to give a command to a breaker, and the states they went through."""

from __future__ import annotations

from alembic import op

from keyacct.database.rules import append_only

revision = "0008"
down_revision = "0007"

TABLES = (
    """CREATE TABLE control_attempt (
        attempt INTEGER NOT NULL PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('dry_run', 'simulated', 'device')),
        protocol TEXT NOT NULL, address TEXT NOT NULL, account_no TEXT, meter_no TEXT, terminal_no TEXT,
        action TEXT NOT NULL, settings TEXT NOT NULL, digest TEXT NOT NULL, reason TEXT NOT NULL,
        not_before INTEGER NOT NULL, not_after INTEGER NOT NULL, plan TEXT, table_version TEXT, frames TEXT NOT NULL,
        requested_by TEXT NOT NULL, made_at INTEGER NOT NULL)""",
    "CREATE INDEX control_attempt_digest ON control_attempt (digest)",
    """CREATE TABLE control_step (
        attempt INTEGER NOT NULL REFERENCES control_attempt (attempt), number INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('shown', 'requested', 'approved', 'alarmed', 'sent', 'confirmed', 'partial',
                                             'refused', 'unknown', 'expired', 'cancelled', 'released')),
        detail TEXT NOT NULL, noted_by TEXT NOT NULL, noted_at INTEGER NOT NULL,
        PRIMARY KEY (attempt, number))""",
)


def upgrade() -> None:
    """Make the tables."""
    for statement in TABLES:
        op.execute(statement)
    for table in ("control_attempt", "control_step"):
        append_only(table, f"{table} is append-only")
