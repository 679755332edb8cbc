"""Lines to meters, plans of polling, and how far they were carried out."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = (
    """CREATE TABLE poll_line (
        poll_line TEXT NOT NULL PRIMARY KEY, link TEXT NOT NULL CHECK (link <> ''), timeout_s REAL, retries INTEGER,
        out_of_use INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE meter_link (
        meter_no TEXT NOT NULL PRIMARY KEY REFERENCES meter (meter_no),
        poll_line TEXT NOT NULL REFERENCES poll_line (poll_line), register_model TEXT, poll_group TEXT,
        password_file TEXT)""",
    "CREATE INDEX meter_link_line ON meter_link (poll_line)",
    """CREATE TABLE poll_plan (
        poll_plan TEXT NOT NULL PRIMARY KEY, items TEXT NOT NULL, schedule TEXT NOT NULL,
        priority TEXT NOT NULL CHECK (priority IN ('alarm', 'on_demand', 'schedule', 'backfill')), title TEXT)""",
    """CREATE TABLE poll_assignment (
        poll_plan TEXT NOT NULL REFERENCES poll_plan (poll_plan),
        scope TEXT NOT NULL CHECK (scope IN ('all', 'group', 'model', 'line', 'account', 'meter')),
        scope_value TEXT NOT NULL,
        PRIMARY KEY (poll_plan, scope, scope_value))""",
    """CREATE TABLE poll_mark (
        poll_plan TEXT NOT NULL, meter_no TEXT NOT NULL, due_at INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('done', 'partial', 'failed')), tries INTEGER NOT NULL,
        items_left TEXT NOT NULL, missed INTEGER NOT NULL, finished_at INTEGER NOT NULL,
        PRIMARY KEY (poll_plan, meter_no))""",
    """CREATE TABLE poll_failure (
        meter_no TEXT NOT NULL, item TEXT NOT NULL, cause TEXT NOT NULL, detail TEXT NOT NULL,
        failed_at INTEGER NOT NULL, times INTEGER NOT NULL,
        PRIMARY KEY (meter_no, item))""",
    """CREATE TABLE poll_tally (
        day TEXT NOT NULL, poll_plan TEXT NOT NULL, scheduled INTEGER NOT NULL, first_pass INTEGER NOT NULL,
        final INTEGER NOT NULL, causes TEXT NOT NULL, updated_at INTEGER NOT NULL,
        PRIMARY KEY (day, poll_plan))""",
)


def upgrade() -> None:
    """Make the tables."""
    for statement in TABLES:
        op.execute(statement)
