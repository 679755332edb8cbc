"""Orderly power use: use plans, priority tables, drafts, the rotation account."""

from __future__ import annotations

from alembic import op

from keyacct.database.rules import append_only, refuse_overlap

revision = "0005"
down_revision = "0004"

TABLES = (
    """CREATE TABLE use_plan (
        account_no TEXT NOT NULL REFERENCES account, valid_from INTEGER NOT NULL,
        valid_to INTEGER NOT NULL CHECK (valid_to > valid_from), shift_kw REAL NOT NULL CHECK (shift_kw >= 0),
        avoid_kw REAL NOT NULL CHECK (avoid_kw >= 0), limit_floor_kw REAL CHECK (limit_floor_kw >= 0),
        trip_ok INTEGER NOT NULL CHECK (trip_ok IN (0, 1)), notice_shift_min REAL CHECK (notice_shift_min >= 0),
        notice_avoid_min REAL CHECK (notice_avoid_min >= 0), notice_limit_min REAL CHECK (notice_limit_min >= 0),
        notice_trip_min REAL CHECK (notice_trip_min >= 0), returned_share REAL CHECK (returned_share >= 0),
        rebound_kw REAL CHECK (rebound_kw >= 0), max_blocks INTEGER CHECK (max_blocks >= 0),
        ramp_kw REAL CHECK (ramp_kw >= 0), PRIMARY KEY (account_no, valid_from))""",
    """CREATE TABLE priority_table (
        version TEXT NOT NULL PRIMARY KEY CHECK (version <> ''), title TEXT NOT NULL,
        issued_by TEXT NOT NULL CHECK (issued_by <> ''), valid_from TEXT NOT NULL,
        valid_to TEXT NOT NULL CHECK (valid_to >= valid_from), file TEXT NOT NULL, digest TEXT NOT NULL,
        noted_at INTEGER NOT NULL)""",
    """CREATE TABLE priority_entry (
        version TEXT NOT NULL REFERENCES priority_table, account_no TEXT NOT NULL REFERENCES account,
        seq INTEGER NOT NULL CHECK (seq >= 0), cls INTEGER NOT NULL CHECK (cls BETWEEN 0 AND 4),
        protected INTEGER NOT NULL CHECK (protected IN (0, 1)), weight REAL CHECK (weight > 0), remark TEXT,
        PRIMARY KEY (version, account_no), UNIQUE (version, seq), CHECK ((cls = 0) = (protected = 1)))""",
    """CREATE TABLE priority_approval (
        version TEXT NOT NULL PRIMARY KEY REFERENCES priority_table,
        approved_by TEXT NOT NULL CHECK (approved_by <> ''), approval_no TEXT NOT NULL CHECK (approval_no <> ''),
        approved_on TEXT NOT NULL, noted_by TEXT NOT NULL, noted_at INTEGER NOT NULL)""",
    """CREATE TABLE shed_draft (
        draft TEXT NOT NULL PRIMARY KEY, day TEXT NOT NULL,
        level TEXT NOT NULL CHECK (level IN ('blue', 'yellow', 'orange', 'red')), rule_set TEXT NOT NULL,
        method TEXT NOT NULL, mode TEXT NOT NULL, table_version TEXT NOT NULL REFERENCES priority_table,
        table_digest TEXT NOT NULL, input_digest TEXT NOT NULL, plan_digest TEXT NOT NULL,
        from_draft TEXT REFERENCES shed_draft, replan_from_ms INTEGER, begins_ms INTEGER NOT NULL,
        ends_ms INTEGER NOT NULL CHECK (ends_ms > begins_ms), accounts_ordered INTEGER NOT NULL,
        required_peak_kw REAL NOT NULL, reduced_peak_kw REAL NOT NULL, unmet_kwh REAL NOT NULL,
        objective REAL NOT NULL, bound REAL NOT NULL, header TEXT NOT NULL, made_by TEXT NOT NULL,
        made_at INTEGER NOT NULL, CHECK ((from_draft IS NULL) = (replan_from_ms IS NULL)))""",
    "CREATE INDEX shed_draft_day ON shed_draft (day)",
    """CREATE TABLE shed_draft_file (
        draft TEXT NOT NULL REFERENCES shed_draft, path TEXT NOT NULL, sha256 TEXT NOT NULL, content TEXT NOT NULL,
        PRIMARY KEY (draft, path))""",
    """CREATE TABLE shed_state (
        draft TEXT NOT NULL REFERENCES shed_draft, number INTEGER NOT NULL CHECK (number > 0),
        state TEXT NOT NULL CHECK (state IN ('draft', 'approved', 'notified', 'executing', 'released', 'evaluated',
            'replaced', 'withdrawn')),
        reason TEXT, noted_by TEXT NOT NULL, noted_at INTEGER NOT NULL, PRIMARY KEY (draft, number))""",
    """CREATE TABLE shed_burden (
        draft TEXT NOT NULL REFERENCES shed_draft, account_no TEXT NOT NULL REFERENCES account, day TEXT NOT NULL,
        hours REAL NOT NULL CHECK (hours >= 0), energy_kwh REAL NOT NULL, noted_at INTEGER NOT NULL,
        PRIMARY KEY (draft, account_no, day))""",
    "CREATE INDEX shed_burden_day ON shed_burden (day, account_no)",
)

FOR_EVER = ("priority_table", "priority_entry", "priority_approval", "shed_draft", "shed_draft_file", "shed_state")


def upgrade() -> None:
    """Make the tables."""
    for statement in TABLES:
        op.execute(statement)
    refuse_overlap("use_plan", ("account_no",))
    for table in FOR_EVER:
        append_only(table, f"{table} is append-only")
