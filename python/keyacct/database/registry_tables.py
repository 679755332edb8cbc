"""The rest of the registry's tables: people, network, customers, metering, prices. `tables` has the first of them."""

from __future__ import annotations

from sqlalchemy import Table

from keyacct.database.columns import dated, real, text, whole
from keyacct.database.tables import metadata

staff = Table(
    "staff", metadata,
    text("staff_no", key=True), text("staff_name"), text("education", null=True), text("phone", null=True),
    text("joined_on", null=True),
)  # fmt: skip

staff_certificate = Table(
    "staff_certificate", metadata,
    text("staff_no", "staff.staff_no", key=True), text("certificate", key=True), text("issued_on", null=True),
    text("expires_on", null=True),
)  # fmt: skip

staff_role = Table(
    "staff_role", metadata,
    text("staff_no", "staff.staff_no", key=True), text("role", key=True), *dated(),
    text("supply_station", null=True),
)  # fmt: skip

substation = Table(
    "substation", metadata,
    text("substation", key=True), text("substation_name", null=True), real("voltage_level_kv", null=True),
    text("supply_station", null=True), text("fed_by", "substation.substation", null=True),
)  # fmt: skip

busbar = Table(
    "busbar", metadata,
    text("busbar", key=True), text("busbar_name", null=True), text("substation", "substation.substation"),
    real("voltage_level_kv", null=True),
)  # fmt: skip

supply_line = Table(
    "supply_line", metadata,
    text("supply_line", key=True), text("line_name", null=True), text("line_kind", null=True),
    real("voltage_level_kv", null=True), real("rated_a", null=True),
    text("branch_of", "supply_line.supply_line", null=True), real("resistance_ohm", null=True),
)  # fmt: skip

line_feed = Table(
    "line_feed", metadata,
    text("supply_line", "supply_line.supply_line", key=True), *dated(), text("busbar", "busbar.busbar"),
)  # fmt: skip

customer = Table(
    "customer", metadata,
    text("customer", key=True), text("customer_name"), text("parent", "customer.customer", null=True),
    text("remark", null=True),
)  # fmt: skip

account_terms = Table(
    "account_terms", metadata,
    text("account_no", "account.account_no", key=True), *dated(), text("industry_code", null=True),
    text("account_class", null=True), text("critical_grade", null=True), text("supply_station", null=True),
    real("voltage_level_kv", null=True), real("contract_capacity_kva", null=True),
    real("running_capacity_kva", null=True), real("annual_energy_kwh", null=True), text("tariff_mode", null=True),
    real("contract_demand_kw", null=True), whole("reading_day", null=True),
    whole("settlements_per_month", null=True), text("status"),
)  # fmt: skip

account_manager = Table(
    "account_manager", metadata,
    text("account_no", "account.account_no", key=True), *dated(),
    text("desk_manager", "staff.staff_no", null=True), text("field_manager", "staff.staff_no", null=True),
)  # fmt: skip

account_label = Table(
    "account_label", metadata,
    text("account_no", "account.account_no", key=True), text("label_kind", key=True), *dated(), text("label"),
)  # fmt: skip

contact = Table(
    "contact", metadata,
    text("account_no", "account.account_no", key=True), text("contact", key=True), *dated(),
    text("contact_role", null=True), text("mobile", null=True), text("landline", null=True),
    text("email", null=True), text("subscriptions", null=True), text("hours", null=True),
    text("language", null=True), text("verified_on", null=True),
)  # fmt: skip

production_profile = Table(
    "production_profile", metadata,
    text("account_no", "account.account_no", key=True), *dated(), text("products", null=True),
    text("shift_pattern", null=True), text("rest_day", null=True), text("work_hours", null=True),
    real("process_stop_min", null=True), text("season_notes", null=True), text("overhaul_months", null=True),
)  # fmt: skip

safety_data = Table(
    "safety_data", metadata,
    text("account_no", "account.account_no", key=True), *dated(), real("safety_load_kw", null=True),
    text("safety_load_breaker", null=True), real("max_hold_min", null=True), text("hazards", null=True),
    text("protected_class", null=True), whole("guarantee_flag"),
)  # fmt: skip

service_record = Table(
    "service_record", metadata,
    text("record_no", key=True), text("account_no", "account.account_no"), text("served_on"),
    text("staff_no", "staff.staff_no", null=True), text("topic"), text("record_text"),
    text("follow_up", null=True),
)  # fmt: skip

source = Table(
    "source", metadata,
    text("account_no", "account.account_no", key=True), text("source", key=True), *dated(), text("role"),
    text("supply_line", "supply_line.supply_line", null=True), text("busbar", "busbar.busbar", null=True),
    text("substation", "substation.substation", null=True), real("capacity_kva", null=True),
    whole("auto_transfer"), text("interlock", null=True), text("stands_in_for", null=True),
    real("own_generation_kw", null=True), text("fuel", null=True), real("start_s", null=True),
    text("agreement_no", null=True), text("last_test_on", null=True),
)  # fmt: skip

transformer = Table(
    "transformer", metadata,
    text("transformer", key=True), text("transformer_name", null=True), real("rated_kva", null=True),
    real("primary_kv", null=True), real("secondary_kv", null=True), text("vector_group", null=True),
    real("no_load_loss_kw", null=True), real("load_loss_kw", null=True), real("i0_pct", null=True),
    real("uk_pct", null=True), text("commissioned_on", null=True),
)  # fmt: skip

transformer_state = Table(
    "transformer_state", metadata,
    text("transformer", "transformer.transformer", key=True), *dated(),
    text("account_no", "account.account_no", null=True), text("supply_line", "supply_line.supply_line", null=True),
    text("status"), whole("tap", null=True),
)  # fmt: skip

meter_exchange = Table(
    "meter_exchange", metadata,
    text("point", "point.point", key=True), whole("exchanged_at", key=True),
    text("old_meter_no", "meter.meter_no"), text("new_meter_no", "meter.meter_no"), text("reason"),
    text("staff_no", "staff.staff_no", null=True),
)  # fmt: skip

exchange_reading = Table(
    "exchange_reading", metadata,
    text("point", "point.point", key=True), whole("exchanged_at", key=True),
    text("meter_no", "meter.meter_no", key=True), whole("tariff", key=True), text("import_kwh", null=True),
    text("export_kwh", null=True), text("reactive_import_kvarh", null=True),
    text("reactive_export_kvarh", null=True), text("q1_kvarh", null=True), text("q2_kvarh", null=True),
    text("q3_kvarh", null=True), text("q4_kvarh", null=True),
)  # fmt: skip

terminal = Table(
    "terminal", metadata,
    text("terminal_no", key=True), text("terminal_type", null=True), text("make", null=True),
    text("protocol", null=True), text("address", null=True), text("channel", null=True), whole("ac_sampling"),
    text("installed_on", null=True),
)  # fmt: skip

terminal_site = Table(
    "terminal_site", metadata,
    text("terminal_no", "terminal.terminal_no", key=True), *dated(), text("account_no", "account.account_no"),
    whole("control_rounds"), text("limits_key", null=True),
)  # fmt: skip

meter_setting = Table(
    "meter_setting", metadata,
    text("meter_no", "meter.meter_no", key=True), *dated(),
    text("tou_table", "tariff_table.tariff_table", null=True), whole("demand_window_min", null=True),
    whole("demand_slip_min", null=True), whole("interval_min", null=True), real("clock_offset_s", null=True),
    text("parameter_set", null=True),
)  # fmt: skip

price_table = Table(
    "price_table", metadata,
    text("price_table", key=True), text("title", null=True),
)  # fmt: skip

energy_price = Table(
    "energy_price", metadata,
    text("price_table", "price_table.price_table", key=True), text("period", key=True), *dated(),
    text("price_cny_per_kwh"),
)  # fmt: skip

basic_price = Table(
    "basic_price", metadata,
    text("price_table", "price_table.price_table", key=True), *dated(),
    text("capacity_cny_per_kva_month", null=True), text("demand_cny_per_kw_month", null=True),
)  # fmt: skip

account_price = Table(
    "account_price", metadata,
    text("account_no", "account.account_no", key=True), *dated(), text("price_table", "price_table.price_table"),
)  # fmt: skip

roster_profile = Table(
    "roster_profile", metadata,
    text("profile", key=True), text("title", null=True), real("capacity_kva_min", null=True),
    real("annual_energy_kwh_min", null=True), text("size_logic"), real("voltage_kv_min", null=True),
    whole("multi_source"), text("account_class", null=True),
)  # fmt: skip

roster_decision = Table(
    "roster_decision", metadata,
    whole("id", key=True), text("account_no", "account.account_no"), text("state"), text("decided_on"),
    text("decided_by"), text("reason"), text("profile", null=True), text("tier", null=True), whole("noted_at"),
)  # fmt: skip
