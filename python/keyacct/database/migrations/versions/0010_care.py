"""Care of devices: what their clocks said, what was done to them, what is not as it should be, reference parameters."""

from __future__ import annotations

from alembic import op

from keyacct.database.rules import append_only

revision = "0010"
down_revision = "0009"

_KIND = "device_kind TEXT NOT NULL CHECK (device_kind IN ('meter', 'terminal')), device TEXT NOT NULL"
TABLES = (
    """CREATE TABLE reference_parameter (
        parameter_set TEXT NOT NULL, item TEXT NOT NULL, expected TEXT NOT NULL CHECK (expected <> ''),
        PRIMARY KEY (parameter_set, item))""",
    f"""CREATE TABLE care_clock (
        {_KIND}, measured_at INTEGER NOT NULL, device_time TEXT NOT NULL, deviation_s REAL NOT NULL,
        uncertainty_s REAL NOT NULL, verdict TEXT NOT NULL,
        PRIMARY KEY (device_kind, device))""",
    f"""CREATE TABLE care_action (
        action INTEGER NOT NULL PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('sync', 'freeze')), {_KIND},
        method TEXT NOT NULL, frame TEXT NOT NULL, detail TEXT NOT NULL, noted_by TEXT NOT NULL,
        begun_at INTEGER NOT NULL)""",
    "CREATE INDEX care_action_device ON care_action (device_kind, device, begun_at)",
    """CREATE TABLE care_outcome (
        action INTEGER NOT NULL PRIMARY KEY REFERENCES care_action (action),
        state TEXT NOT NULL CHECK (state IN ('done', 'failed', 'not_sent', 'unproved')), detail TEXT NOT NULL,
        noted_at INTEGER NOT NULL)""",
    f"""CREATE TABLE care_finding (
        {_KIND}, rule TEXT NOT NULL, parameter TEXT NOT NULL, since INTEGER NOT NULL,
        severity TEXT NOT NULL CHECK (severity IN ('general', 'severe')), expected TEXT NOT NULL, found TEXT NOT NULL,
        detail TEXT NOT NULL, last_seen_at INTEGER NOT NULL, times INTEGER NOT NULL, resolved_at INTEGER,
        PRIMARY KEY (device_kind, device, rule, parameter, since))""",
)


def upgrade() -> None:
    """Make the tables."""
    for statement in TABLES:
        op.execute(statement)
    for table in ("care_action", "care_outcome"):
        append_only(table, f"{table} is append-only")
