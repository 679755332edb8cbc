"""Registry, sample index and audit chain: the first form of `register.db`."""

from __future__ import annotations

from alembic import op

from keyacct.database.rules import append_only, refuse_overlap

revision = "0001"
down_revision = None

DATED = "valid_from INTEGER NOT NULL, valid_to INTEGER NOT NULL CHECK (valid_to > valid_from)"

TABLES = (
    "CREATE TABLE workspace_setting (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE audit (
        seq INTEGER NOT NULL PRIMARY KEY, at INTEGER NOT NULL, action TEXT NOT NULL, body TEXT NOT NULL,
        previous_hash TEXT NOT NULL, hash TEXT NOT NULL UNIQUE)""",
    """CREATE TABLE account (
        account_no TEXT NOT NULL PRIMARY KEY, account_name TEXT NOT NULL, customer TEXT, service_address TEXT,
        industry_code TEXT, account_class TEXT CHECK (account_class IN ('economic', 'critical', 'prospect')),
        critical_grade TEXT CHECK (critical_grade IN ('special', '1', '2', 'temporary')), supply_station TEXT,
        voltage_level_kv REAL CHECK (voltage_level_kv > 0),
        contract_capacity_kva REAL CHECK (contract_capacity_kva > 0),
        running_capacity_kva REAL CHECK (running_capacity_kva > 0))""",
    f"""CREATE TABLE account_pf_standard (
        account_no TEXT NOT NULL REFERENCES account, {DATED},
        pf_standard REAL NOT NULL CHECK (pf_standard > 0 AND pf_standard <= 1),
        PRIMARY KEY (account_no, valid_from))""",
    """CREATE TABLE point (
        point TEXT NOT NULL PRIMARY KEY, point_name TEXT,
        kind TEXT NOT NULL CHECK (kind IN ('billing', 'assessment', 'check')),
        monitoring_class TEXT CHECK (monitoring_class IN ('A', 'B', 'C', 'D')))""",
    f"""CREATE TABLE point_account (
        point TEXT NOT NULL REFERENCES point, {DATED}, account_no TEXT NOT NULL REFERENCES account,
        PRIMARY KEY (point, valid_from))""",
    f"""CREATE TABLE point_supply (
        point TEXT NOT NULL REFERENCES point, {DATED}, substation TEXT, busbar TEXT, supply_line TEXT,
        transformer TEXT, PRIMARY KEY (point, valid_from))""",
    """CREATE TABLE meter (
        meter_no TEXT NOT NULL PRIMARY KEY CHECK (meter_no NOT LIKE '?%'), protocol TEXT, address TEXT,
        reading_side TEXT NOT NULL CHECK (reading_side IN ('secondary', 'primary')),
        interval_min INTEGER NOT NULL CHECK (interval_min BETWEEN 1 AND 1440))""",
    f"""CREATE TABLE meter_point (
        meter_no TEXT NOT NULL REFERENCES meter, {DATED}, point TEXT NOT NULL REFERENCES point,
        PRIMARY KEY (meter_no, valid_from))""",
    f"""CREATE TABLE device (
        protocol TEXT NOT NULL, address TEXT NOT NULL, point_no INTEGER NOT NULL CHECK (point_no >= 0), {DATED},
        meter_no TEXT NOT NULL REFERENCES meter, PRIMARY KEY (protocol, address, point_no, valid_from))""",
    f"""CREATE TABLE point_ratio (
        point TEXT NOT NULL REFERENCES point, {DATED}, wiring TEXT NOT NULL CHECK (wiring IN ('3p4w', '3p3w', '1p')),
        pt REAL NOT NULL CHECK (pt > 0), ct REAL NOT NULL CHECK (ct > 0), PRIMARY KEY (point, valid_from))""",
    f"""CREATE TABLE voltage_limit (
        point TEXT NOT NULL REFERENCES point, {DATED}, nominal_v REAL NOT NULL CHECK (nominal_v > 0),
        lower_v REAL NOT NULL CHECK (lower_v > 0), upper_v REAL NOT NULL CHECK (upper_v > lower_v),
        PRIMARY KEY (point, valid_from))""",
    "CREATE TABLE tariff_table (tariff_table TEXT NOT NULL PRIMARY KEY, title TEXT)",
    """CREATE TABLE tariff_slot (
        tariff_table TEXT NOT NULL REFERENCES tariff_table, season_from INTEGER NOT NULL, season_to INTEGER NOT NULL,
        day_type TEXT NOT NULL CHECK (day_type IN ('all', 'workday', 'weekend')),
        start_min INTEGER NOT NULL CHECK (start_min BETWEEN 0 AND 1439),
        end_min INTEGER NOT NULL CHECK (end_min > start_min AND end_min <= 1440),
        period TEXT NOT NULL CHECK (period IN ('sharp', 'peak', 'flat', 'valley')),
        PRIMARY KEY (tariff_table, season_from, day_type, start_min))""",
    f"""CREATE TABLE point_tariff (
        point TEXT NOT NULL REFERENCES point, {DATED}, tariff_table TEXT NOT NULL REFERENCES tariff_table,
        PRIMARY KEY (point, valid_from))""",
    f"""CREATE TABLE account_tariff (
        account_no TEXT NOT NULL REFERENCES account, {DATED}, tariff_table TEXT NOT NULL REFERENCES tariff_table,
        PRIMARY KEY (account_no, valid_from))""",
    """CREATE TABLE capture (
        sha256 TEXT NOT NULL PRIMARY KEY, source TEXT NOT NULL, length INTEGER NOT NULL,
        first_seen_at INTEGER NOT NULL)""",
    """CREATE TABLE batch (
        id INTEGER NOT NULL PRIMARY KEY, capture_sha256 TEXT REFERENCES capture, decoder TEXT NOT NULL,
        rows INTEGER NOT NULL, rejects INTEGER NOT NULL, duplicates INTEGER NOT NULL, revisions INTEGER NOT NULL,
        committed_at INTEGER NOT NULL, UNIQUE (capture_sha256, decoder))""",
    """CREATE TABLE segment (
        id INTEGER NOT NULL PRIMARY KEY, path TEXT NOT NULL UNIQUE, family TEXT NOT NULL, day TEXT NOT NULL,
        rows INTEGER NOT NULL, min_ts INTEGER NOT NULL, max_ts INTEGER NOT NULL, min_meter TEXT NOT NULL,
        max_meter TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, first_batch INTEGER NOT NULL,
        last_batch INTEGER NOT NULL, schema_version INTEGER NOT NULL, unique_keys INTEGER NOT NULL,
        unresolved_rows INTEGER NOT NULL, created_at INTEGER NOT NULL, dead_at INTEGER)""",
    "CREATE INDEX segment_live ON segment (family, day) WHERE dead_at IS NULL",
    """CREATE TABLE revision (
        family TEXT NOT NULL, meter TEXT NOT NULL, kind TEXT NOT NULL, ts INTEGER NOT NULL, subkey TEXT NOT NULL,
        "column" TEXT NOT NULL, batch INTEGER NOT NULL, value TEXT NOT NULL, quality INTEGER NOT NULL,
        recv_at INTEGER, reason TEXT NOT NULL, noted_at INTEGER NOT NULL,
        PRIMARY KEY (family, meter, kind, ts, subkey, "column", batch, value)) WITHOUT ROWID""",
    """CREATE TABLE unresolved_device (
        device TEXT NOT NULL PRIMARY KEY, rows INTEGER NOT NULL, min_ts INTEGER NOT NULL, max_ts INTEGER NOT NULL,
        first_batch INTEGER NOT NULL, last_batch INTEGER NOT NULL)""",
    "CREATE TABLE batch_sequence (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), last INTEGER NOT NULL)",
    "INSERT INTO batch_sequence (id, last) VALUES (1, 0)",
)

# Table and the columns of which only one combination may hold at a time.
NO_OVERLAP = (
    ("account_pf_standard", ("account_no",)),
    ("point_account", ("point",)),
    ("point_supply", ("point",)),
    ("meter_point", ("meter_no",)),
    ("meter_point", ("point",)),
    ("device", ("protocol", "address", "point_no")),
    ("point_ratio", ("point",)),
    ("voltage_limit", ("point",)),
    ("point_tariff", ("point",)),
    ("account_tariff", ("account_no",)),
)


def upgrade() -> None:
    """Make the tables, and the triggers that refuse overlapping validity and changes of the audit chain."""
    for statement in TABLES:
        op.execute(statement)
    for table, columns in NO_OVERLAP:
        refuse_overlap(table, columns)
    append_only("audit", "the audit chain is append-only")
