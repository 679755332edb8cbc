"""Who wrote an audit row, guards of the chain on both databases, backups, frozen bills and their exports."""

from __future__ import annotations

from alembic import op

from keyacct.database.rules import append_only

revision = "0003"
down_revision = "0002"

TABLES = (
    "ALTER TABLE audit ADD COLUMN who TEXT",
    "CREATE INDEX audit_action ON audit (action, seq)",
    """CREATE TABLE backup (
        place TEXT NOT NULL, name TEXT NOT NULL, taken_at BIGINT NOT NULL, files BIGINT NOT NULL,
        bytes BIGINT NOT NULL, manifest_sha256 TEXT NOT NULL, audit_seq BIGINT NOT NULL, removed_at BIGINT,
        PRIMARY KEY (place, name))""",
    """CREATE TABLE billing_freeze (
        id BIGINT NOT NULL PRIMARY KEY, account_no TEXT NOT NULL, cycle_from BIGINT NOT NULL,
        cycle_to BIGINT NOT NULL CHECK (cycle_to > cycle_from), version BIGINT NOT NULL CHECK (version > 0),
        frozen_at BIGINT NOT NULL, complete BIGINT NOT NULL, estimated BIGINT NOT NULL, digest TEXT NOT NULL,
        body TEXT NOT NULL, UNIQUE (account_no, cycle_from, cycle_to, version))""",
    "CREATE INDEX billing_freeze_cycle ON billing_freeze (cycle_to, account_no)",
    """CREATE TABLE billing_export (
        number BIGINT NOT NULL PRIMARY KEY, label TEXT NOT NULL, exported_at BIGINT NOT NULL,
        lang TEXT NOT NULL, complete BIGINT NOT NULL, accounts BIGINT NOT NULL, corrections BIGINT NOT NULL,
        digest TEXT NOT NULL, missing TEXT NOT NULL)""",
    """CREATE TABLE billing_export_item (
        number BIGINT NOT NULL REFERENCES billing_export (number),
        freeze_id BIGINT NOT NULL REFERENCES billing_freeze (id),
        corrects_number BIGINT REFERENCES billing_export (number),
        corrects_freeze_id BIGINT REFERENCES billing_freeze (id), PRIMARY KEY (number, freeze_id))""",
)

KEPT = ("billing_freeze", "billing_export", "billing_export_item")
"""What was told to billing is history: it is added to, never changed."""


def upgrade() -> None:
    """Make the tables and the triggers that keep history as it is."""
    for statement in TABLES:
        op.execute(statement)
    for table in KEPT:
        append_only(table, f"{table} is append-only")
    # A row may only be put behind the last one: SQLite's INSERT OR REPLACE takes a row away without a DELETE trigger.
    wrong = (
        "NEW.seq <> coalesce((SELECT max(seq) FROM audit), 0) + 1 OR NEW.previous_hash <> "
        "coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), NEW.previous_hash)"
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER audit_in_order BEFORE INSERT ON audit WHEN {wrong} "
            "BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END"
        )
        return
    raising = "USING ERRCODE = 'integrity_constraint_violation'"
    op.execute(
        f"CREATE FUNCTION audit_in_order() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {wrong} THEN "
        f"RAISE EXCEPTION 'the audit chain is append-only' {raising}; END IF; RETURN NEW; END $$"
    )
    op.execute("CREATE TRIGGER audit_in_order BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_in_order()")
    op.execute(
        "CREATE FUNCTION never_emptied() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '% is append-only', TG_TABLE_NAME {raising}; END $$"
    )
    for table in ("audit", *KEPT):
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION never_emptied()"
        )
