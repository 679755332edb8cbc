"""The tables of the database as SQLAlchemy sees them. `migrations/` makes them; a test compares the two. The rest of
the registry is in `registry_tables`.

Instants are INTEGER UTC milliseconds. A dated row holds for [valid_from, valid_to); `BEGINNING_MS` and `END_MS` stand
for "always was" and "until further notice".
"""

from __future__ import annotations

from sqlalchemy import MetaData, Table

from keyacct.database.columns import dated as _dated
from keyacct.database.columns import real as _real
from keyacct.database.columns import text as _text
from keyacct.database.columns import whole as _int

BEGINNING_MS = -(2**62)
END_MS = 2**62

metadata = MetaData()


# --- the workspace itself -------------------------------------------------------------------------------------------

workspace_setting = Table("workspace_setting", metadata, _text("key", key=True), _text("value"))

audit = Table(
    "audit", metadata,
    _int("seq", key=True), _int("at"), _text("action"), _text("body"), _text("previous_hash"), _text("hash"),
    _text("who", null=True),
)  # fmt: skip

# --- registry -------------------------------------------------------------------------------------------------------

account = Table(
    "account", metadata,
    _text("account_no", key=True), _text("account_name"), _text("customer", "customer.customer", null=True),
    _text("service_address", null=True),
)  # fmt: skip

account_pf_standard = Table(
    "account_pf_standard", metadata,
    _text("account_no", "account.account_no", key=True), *_dated(), _real("pf_standard"),
)  # fmt: skip

point = Table(
    "point", metadata,
    _text("point", key=True), _text("point_name", null=True), _text("kind"), _text("monitoring_class", null=True),
    _text("metering_mode", null=True), _text("metering_class", null=True),
)  # fmt: skip

point_account = Table(
    "point_account", metadata,
    _text("point", "point.point", key=True), *_dated(),
    _text("account_no", "account.account_no"),
)  # fmt: skip

point_supply = Table(
    "point_supply", metadata,
    _text("point", "point.point", key=True), *_dated(),
    _text("substation", "substation.substation", null=True), _text("busbar", "busbar.busbar", null=True),
    _text("supply_line", "supply_line.supply_line", null=True),
    _text("transformer", "transformer.transformer", null=True),
)  # fmt: skip

meter = Table(
    "meter", metadata,
    _text("meter_no", key=True), _text("protocol", null=True), _text("address", null=True), _text("reading_side"),
    _int("interval_min"), _text("make", null=True), _text("model", null=True), _text("accuracy_class", null=True),
    _real("constant_imp_per_kwh", null=True), _int("register_digits", null=True),
    _int("register_decimals", null=True),
)  # fmt: skip

meter_point = Table(
    "meter_point", metadata,
    _text("meter_no", "meter.meter_no", key=True), *_dated(), _text("point", "point.point"),
)  # fmt: skip

device = Table(
    "device", metadata,
    _text("protocol", key=True), _text("address", key=True), _int("point_no", key=True), *_dated(),
    _text("meter_no", "meter.meter_no"), _text("terminal_no", "terminal.terminal_no", null=True),
)  # fmt: skip

point_ratio = Table(
    "point_ratio", metadata,
    _text("point", "point.point", key=True), *_dated(), _text("wiring"), _real("pt"), _real("ct"),
    _real("pt_primary_v", null=True), _real("pt_secondary_v", null=True), _real("ct_primary_a", null=True),
    _real("ct_secondary_a", null=True), _text("pt_accuracy", null=True), _text("ct_accuracy", null=True),
)  # fmt: skip

voltage_limit = Table(
    "voltage_limit", metadata,
    _text("point", "point.point", key=True), *_dated(),
    _real("nominal_v"), _real("lower_v"), _real("upper_v"),
)  # fmt: skip

tariff_table = Table("tariff_table", metadata, _text("tariff_table", key=True), _text("title", null=True))

tariff_slot = Table(
    "tariff_slot", metadata,
    _text("tariff_table", "tariff_table.tariff_table", key=True), _int("season_from", key=True),
    _int("season_to"), _text("day_type", key=True), _int("start_min", key=True), _int("end_min"), _text("period"),
)  # fmt: skip

point_tariff = Table(
    "point_tariff", metadata,
    _text("point", "point.point", key=True), *_dated(),
    _text("tariff_table", "tariff_table.tariff_table"),
)  # fmt: skip

account_tariff = Table(
    "account_tariff", metadata,
    _text("account_no", "account.account_no", key=True), *_dated(),
    _text("tariff_table", "tariff_table.tariff_table"),
)  # fmt: skip

# --- index of the sample store --------------------------------------------------------------------------------------

capture = Table("capture", metadata, _text("sha256", key=True), _text("source"), _int("length"), _int("first_seen_at"))

batch = Table(
    "batch", metadata,
    _int("id", key=True), _text("capture_sha256", "capture.sha256", null=True), _text("decoder"),
    _int("rows"), _int("rejects"), _int("duplicates"), _int("revisions"), _int("committed_at"),
)  # fmt: skip

segment = Table(
    "segment", metadata,
    _int("id", key=True), _text("path"), _text("family"), _text("day"), _int("rows"), _int("min_ts"), _int("max_ts"),
    _text("min_meter"), _text("max_meter"), _int("bytes"), _text("sha256"), _int("first_batch"), _int("last_batch"),
    _int("schema_version"), _int("unique_keys"), _int("unresolved_rows"), _int("created_at"),
    _int("dead_at", null=True),
)  # fmt: skip

revision = Table(
    "revision", metadata,
    _text("family", key=True), _text("meter", key=True), _text("kind", key=True), _int("ts", key=True),
    _text("subkey", key=True), _text("column", key=True), _int("batch", key=True), _text("value", key=True),
    _int("quality"), _int("recv_at", null=True), _text("reason"), _int("noted_at"),
)  # fmt: skip

unresolved_device = Table(
    "unresolved_device", metadata,
    _text("device", key=True), _int("rows"), _int("min_ts"), _int("max_ts"), _int("first_batch"), _int("last_batch"),
)  # fmt: skip

batch_sequence = Table("batch_sequence", metadata, _int("id", key=True), _int("last"))
