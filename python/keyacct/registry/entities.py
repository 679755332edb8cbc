"""What the registry holds: one `Entity` per table, which is also one kind of entry `[[name]]` of the TOML form."""

from __future__ import annotations

from keyacct.database import acquisition_tables, care_tables, shedding_tables, tables
from keyacct.database import registry_tables as more
from keyacct.registry.entity import Entity, Field
from keyacct.registry.entity_checks import (
    check_exchange,
    check_meter,
    check_plan,
    check_ratio,
    check_slot,
    check_source,
    check_terms,
    check_tree_self,
    check_voltage_limit,
)

PERIODS = ("sharp", "peak", "flat", "valley")
SHIFTS = ("1", "2", "3", "continuous")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "none")
TOPICS = ("production_traits", "equipment_overhaul", "survey", "works_scheme", "metering_mode", "other")
CONTACT_ROLES = ("energy_manager", "duty_electrician", "finance", "director", "other")
ROLES = (
    "customer", "desk_manager", "field_manager", "supply_station", "metering", "inspection", "dispatch", "production",
    "planning", "discipline", "political_work", "rural_power", "leading_group", "director", "billing",
    "system_admin", "auditor",
)  # fmt: skip
"""Roles of the office's rules, sections 2.1 to 2.4."""
LABELS = ("tier", "industry", "use", "load", "pf", "risk")

_POINT = Field("point", required=True, refers="point")
_ACCOUNT = Field("account_no", required=True, refers="account")
_METER = Field("meter_no", required=True, refers="meter")
_TARIFF = Field("tariff_table", required=True, refers="tariff_table")
_PRICES = Field("price_table", required=True, refers="price_table")
_KV = Field("voltage_level_kv", "ratio", most=1200)

_REGISTERS = tuple(
    Field(name, "decimal")
    for name in (
        "import_kwh", "export_kwh", "reactive_import_kvarh", "reactive_export_kvarh",
        "q1_kvarh", "q2_kvarh", "q3_kvarh", "q4_kvarh",
    )
)  # fmt: skip

_PEOPLE = (
    Entity(
        more.staff,
        (
            Field("staff_no", required=True), Field("staff_name", required=True), Field("education"),
            Field("phone"), Field("joined_on", "date"),
        ),
        ("staff_no",),
    ),
    Entity(
        more.staff_certificate,
        (
            Field("staff_no", required=True, refers="staff"), Field("certificate", required=True),
            Field("issued_on", "date"), Field("expires_on", "date"),
        ),
        ("staff_no", "certificate"),
    ),
    Entity(
        more.staff_role,
        (
            Field("staff_no", required=True, refers="staff"), Field("role", choices=ROLES, required=True),
            Field("supply_station"),
        ),
        ("staff_no", "role"), dated=True, single=(("staff_no", "role"),),
    ),
)  # fmt: skip

_NETWORK = (
    Entity(
        more.substation,
        (
            Field("substation", required=True), Field("substation_name"), _KV, Field("supply_station"),
            Field("fed_by", refers="substation"),
        ),
        ("substation",), tree=("fed_by", ()),
        check=lambda row: check_tree_self(row, "fed_by", "substation"),
    ),
    Entity(
        more.busbar,
        (
            Field("busbar", required=True), Field("busbar_name"),
            Field("substation", required=True, refers="substation"), _KV,
        ),
        ("busbar",),
    ),
    Entity(
        more.supply_line,
        (
            Field("supply_line", required=True), Field("line_name"),
            Field("line_kind", choices=("dedicated", "public")), _KV, Field("rated_a", "ratio"),
            Field("branch_of", refers="supply_line"), Field("resistance_ohm", "amount"),
        ),
        ("supply_line",), tree=("branch_of", ()),
        check=lambda row: check_tree_self(row, "branch_of", "supply_line"),
    ),
    Entity(
        more.line_feed,
        (
            Field("supply_line", required=True, refers="supply_line"),
            Field("busbar", required=True, refers="busbar"),
        ),
        ("supply_line",), dated=True, single=(("supply_line",),),
    ),
)  # fmt: skip

_ACCOUNTS = (
    Entity(
        more.customer,
        (Field("customer", required=True), Field("customer_name", required=True),
         Field("parent", refers="customer"), Field("remark")),
        ("customer",), tree=("parent", ()), check=lambda row: check_tree_self(row, "parent", "customer"),
    ),
    Entity(
        tables.account,
        (
            Field("account_no", required=True), Field("account_name", required=True),
            Field("customer", refers="customer"), Field("service_address"),
        ),
        ("account_no",),
    ),
    Entity(
        more.account_terms,
        (
            _ACCOUNT,
            Field("industry_code"),
            Field("account_class", choices=("economic", "critical", "prospect")),
            Field("critical_grade", choices=("special", "1", "2", "temporary")),
            Field("supply_station"),
            _KV,
            Field("contract_capacity_kva", "ratio"),
            Field("running_capacity_kva", "ratio"),
            Field("annual_energy_kwh", "amount"),
            Field("tariff_mode", choices=("single", "two_part_capacity", "two_part_demand")),
            Field("contract_demand_kw", "ratio"),
            Field("reading_day", "whole"),
            Field("settlements_per_month", "whole"),
            Field("status", choices=("active", "suspended", "closed"), default="active"),
        ),
        ("account_no",), dated=True, single=(("account_no",),), check=check_terms,
    ),
    Entity(
        tables.account_pf_standard,
        (_ACCOUNT, Field("pf_standard", "ratio", required=True)),
        ("account_no",), dated=True, single=(("account_no",),),
        check=lambda row: None if row["pf_standard"] <= 1 else "pf_standard is a ratio, for example 0.90",
    ),
    Entity(
        more.account_manager,
        (_ACCOUNT, Field("desk_manager", refers="staff"), Field("field_manager", refers="staff")),
        ("account_no",), dated=True, single=(("account_no",),),
    ),
    Entity(
        more.account_label,
        (_ACCOUNT, Field("label_kind", choices=LABELS, required=True), Field("label", required=True)),
        ("account_no", "label_kind"), dated=True, single=(("account_no", "label_kind"),),
    ),
    Entity(
        more.contact,
        (
            _ACCOUNT, Field("contact", required=True), Field("contact_role", choices=CONTACT_ROLES),
            Field("mobile"), Field("landline"), Field("email"), Field("subscriptions"), Field("hours"),
            Field("language", choices=("zh", "en")), Field("verified_on", "date"),
        ),
        ("account_no", "contact"), dated=True, single=(("account_no", "contact"),),
    ),
    Entity(
        more.production_profile,
        (
            _ACCOUNT, Field("products"), Field("shift_pattern", choices=SHIFTS), Field("rest_day", choices=DAYS),
            Field("work_hours"), Field("process_stop_min", "amount"), Field("season_notes"),
            Field("overhaul_months"),
        ),
        ("account_no",), dated=True, single=(("account_no",),),
    ),
    Entity(
        more.safety_data,
        (
            _ACCOUNT, Field("safety_load_kw", "amount"), Field("safety_load_breaker"), Field("max_hold_min", "amount"),
            Field("hazards"), Field("protected_class"), Field("guarantee_flag", "flag", default=0),
        ),
        ("account_no",), dated=True, single=(("account_no",),),
    ),
    Entity(
        shedding_tables.use_plan,
        (
            _ACCOUNT, Field("shift_kw", "amount", default=0.0), Field("avoid_kw", "amount", default=0.0),
            Field("limit_floor_kw", "amount"), Field("trip_ok", "flag", default=0),
            *(Field(f"notice_{measure}_min", "amount") for measure in ("shift", "avoid", "limit", "trip")),
            Field("returned_share", "amount", most=2), Field("rebound_kw", "amount"),
            Field("max_blocks", "whole", most=96), Field("ramp_kw", "amount"),
        ),
        ("account_no",), dated=True, single=(("account_no",),),
    ),
    Entity(
        more.service_record,
        (
            Field("record_no", required=True), _ACCOUNT, Field("served_on", "date", required=True),
            Field("staff_no", refers="staff"), Field("topic", choices=TOPICS, required=True),
            Field("record_text", required=True, most=4000), Field("follow_up", most=4000),
        ),
        ("record_no",),
    ),
    Entity(
        more.source,
        (
            _ACCOUNT, Field("source", required=True),
            Field("role", choices=("main", "standby", "emergency_own"), required=True),
            Field("supply_line", refers="supply_line"), Field("busbar", refers="busbar"),
            Field("substation", refers="substation"), Field("capacity_kva", "ratio"),
            Field("auto_transfer", "flag", default=0), Field("interlock", choices=("mechanical", "electrical", "none")),
            Field("stands_in_for"), Field("own_generation_kw", "amount"), Field("fuel"), Field("start_s", "amount"),
            Field("agreement_no"), Field("last_test_on", "date"),
        ),
        ("account_no", "source"), dated=True, single=(("account_no", "source"),),
        tree=("stands_in_for", ("account_no",)), check=check_source,
    ),
    Entity(
        more.transformer,
        (
            Field("transformer", required=True), Field("transformer_name"),
            Field("rated_kva", "ratio"), Field("primary_kv", "ratio"), Field("secondary_kv", "ratio"),
            Field("vector_group"), Field("no_load_loss_kw", "amount"), Field("load_loss_kw", "amount"),
            Field("i0_pct", "amount", most=100), Field("uk_pct", "amount", most=100), Field("commissioned_on", "date"),
        ),
        ("transformer",),
    ),
    Entity(
        more.transformer_state,
        (
            Field("transformer", required=True, refers="transformer"), Field("account_no", refers="account"),
            Field("supply_line", refers="supply_line"),
            Field("status", choices=("run", "hot_standby", "cold_standby", "suspended"), default="run"),
            Field("tap", "whole"),
        ),
        ("transformer",), dated=True, single=(("transformer",),),
    ),
)  # fmt: skip

_METERING = (
    Entity(
        tables.point,
        (
            Field("point", required=True),
            Field("point_name"),
            Field("kind", choices=("billing", "assessment", "check"), default="billing"),
            Field("monitoring_class", choices=("A", "B", "C", "D")),
            Field("metering_mode", choices=("hh", "hl", "ll")),
            Field("metering_class", choices=("I", "II", "III", "IV", "V")),
        ),
        ("point",),
    ),
    Entity(tables.point_account, (_POINT, _ACCOUNT), ("point",), dated=True, single=(("point",),)),
    Entity(
        tables.point_supply,
        (
            _POINT, Field("substation", refers="substation"), Field("busbar", refers="busbar"),
            Field("supply_line", refers="supply_line"), Field("transformer", refers="transformer"),
        ),
        ("point",), dated=True, single=(("point",),),
    ),
    Entity(
        tables.meter,
        (
            Field("meter_no", required=True),
            Field("protocol"),
            Field("address"),
            Field("reading_side", choices=("secondary", "primary"), default="secondary"),
            Field("interval_min", "whole", default=15),
            Field("make"), Field("model"), Field("accuracy_class"), Field("constant_imp_per_kwh", "ratio"),
            Field("register_digits", "whole", most=12), Field("register_decimals", "whole", most=6),
        ),
        ("meter_no",), check=check_meter,
    ),
    Entity(tables.meter_point, (_METER, _POINT), ("meter_no",), dated=True, single=(("meter_no",), ("point",))),
    Entity(
        more.meter_exchange,
        (
            _POINT, Field("exchanged_at", "moment", required=True),
            Field("old_meter_no", required=True, refers="meter"),
            Field("new_meter_no", required=True, refers="meter"), Field("reason", required=True),
            Field("staff_no", refers="staff"),
        ),
        ("point", "exchanged_at"), check=check_exchange,
    ),
    Entity(
        more.exchange_reading,
        (
            _POINT, Field("exchanged_at", "moment", required=True), _METER,
            Field("tariff", "whole", default=0, most=63), *_REGISTERS,
        ),
        ("point", "exchanged_at", "meter_no", "tariff"),
    ),
    Entity(
        more.terminal,
        (
            Field("terminal_no", required=True), Field("terminal_type"), Field("make"), Field("protocol"),
            Field("address"), Field("channel"), Field("ac_sampling", "flag", default=0), Field("installed_on", "date"),
        ),
        ("terminal_no",),
    ),
    Entity(
        more.terminal_site,
        (
            Field("terminal_no", required=True, refers="terminal"), _ACCOUNT,
            Field("control_rounds", "whole", default=0, most=8), Field("limits_key"),
        ),
        ("terminal_no",), dated=True, single=(("terminal_no",),),
    ),
    Entity(
        tables.device,
        (
            Field("protocol", required=True),
            Field("address", required=True),
            Field("point_no", "whole", default=0),
            _METER,
            Field("terminal_no", refers="terminal"),
        ),
        ("protocol", "address", "point_no"), dated=True, single=(("protocol", "address", "point_no"),),
    ),
    Entity(
        tables.point_ratio,
        (
            _POINT,
            Field("wiring", choices=("3p4w", "3p3w", "1p"), required=True),
            Field("pt", "ratio", required=True, most=100_000),
            Field("ct", "ratio", required=True, most=100_000),
            Field("pt_primary_v", "ratio"), Field("pt_secondary_v", "ratio"),
            Field("ct_primary_a", "ratio"), Field("ct_secondary_a", "ratio"),
            Field("pt_accuracy"), Field("ct_accuracy"),
        ),
        ("point",), dated=True, single=(("point",),), check=check_ratio,
    ),
    Entity(
        tables.voltage_limit,
        (
            _POINT,
            Field("nominal_v", "ratio", required=True),
            Field("lower_v", "ratio", required=True),
            Field("upper_v", "ratio", required=True),
        ),
        ("point",), dated=True, single=(("point",),), check=check_voltage_limit,
    ),
)  # fmt: skip

_TARIFFS = (
    Entity(tables.tariff_table, (Field("tariff_table", required=True), Field("title")), ("tariff_table",)),
    Entity(
        tables.tariff_slot,
        (
            _TARIFF,
            Field("season_from", "season", default=101),
            Field("season_to", "season", default=1231),
            Field("day_type", choices=("all", "workday", "weekend", "holiday"), default="all"),
            Field("start_min", "clock", required=True),
            Field("end_min", "clock", required=True),
            Field("period", choices=PERIODS, required=True),
        ),
        ("tariff_table", "season_from", "day_type", "start_min"), check=check_slot,
    ),
    Entity(tables.point_tariff, (_POINT, _TARIFF), ("point",), dated=True, single=(("point",),)),
    Entity(tables.account_tariff, (_ACCOUNT, _TARIFF), ("account_no",), dated=True, single=(("account_no",),)),
    Entity(
        more.meter_setting,
        (
            _METER, Field("tou_table", refers="tariff_table"), Field("demand_window_min", "whole", most=60),
            Field("demand_slip_min", "whole", most=60), Field("interval_min", "whole", most=1440),
            Field("clock_offset_s", "signed"), Field("parameter_set"),
        ),
        ("meter_no",), dated=True, single=(("meter_no",),),
        check=lambda row: "interval_min 0 is no interval" if row["interval_min"] == 0 else None,
    ),
    Entity(
        care_tables.reference_parameter,
        (Field("parameter_set", required=True), Field("item", required=True), Field("expected", required=True)),
        ("parameter_set", "item"),
    ),
    Entity(more.price_table, (Field("price_table", required=True), Field("title")), ("price_table",)),
    Entity(
        more.energy_price,
        (_PRICES, Field("period", choices=("all", *PERIODS), default="all"),
         Field("price_cny_per_kwh", "decimal", required=True)),
        ("price_table", "period"), dated=True, single=(("price_table", "period"),),
    ),
    Entity(
        more.basic_price,
        (_PRICES, Field("capacity_cny_per_kva_month", "decimal"), Field("demand_cny_per_kw_month", "decimal")),
        ("price_table",), dated=True, single=(("price_table",),),
    ),
    Entity(more.account_price, (_ACCOUNT, _PRICES), ("account_no",), dated=True, single=(("account_no",),)),
    Entity(
        more.roster_profile,
        (
            Field("profile", required=True), Field("title"), Field("capacity_kva_min", "amount"),
            Field("annual_energy_kwh_min", "amount"), Field("size_logic", choices=("any", "all"), default="any"),
            Field("voltage_kv_min", "amount"), Field("multi_source", "flag", default=0),
            Field("account_class", choices=("economic", "critical", "prospect")),
        ),
        ("profile",),
    ),
)  # fmt: skip

_ACQUISITION: tuple[Entity, ...] = (
    Entity(
        acquisition_tables.poll_line,
        (
            Field("poll_line", required=True), Field("link", required=True), Field("timeout_s", "ratio", most=600),
            Field("retries", "whole", most=20), Field("out_of_use", "flag", default=0), Field("password_file"),
        ),
        ("poll_line",),
    ),
    Entity(
        acquisition_tables.meter_link,
        (
            _METER, Field("poll_line", required=True, refers="poll_line"), Field("register_model"),
            Field("poll_group"), Field("password_file"),
        ),
        ("meter_no",),
    ),
    Entity(
        acquisition_tables.poll_plan,
        (
            Field("poll_plan", required=True), Field("items", required=True), Field("schedule", required=True),
            Field("priority", choices=("alarm", "on_demand", "schedule", "backfill"), default="schedule"),
            Field("title"),
        ),
        ("poll_plan",), check=check_plan,
    ),
    Entity(
        acquisition_tables.poll_assignment,
        (
            Field("poll_plan", required=True, refers="poll_plan"),
            Field("scope", choices=("all", "group", "model", "line", "account", "meter"), default="all"),
            Field("scope_value", default=""),
        ),
        ("poll_plan", "scope", "scope_value"),
        check=lambda row: "scope_value is missing" if row["scope"] != "all" and not row["scope_value"] else None,
    ),
)  # fmt: skip

ENTITIES: tuple[Entity, ...] = (*_PEOPLE, *_NETWORK, *_ACCOUNTS, *_METERING, *_TARIFFS, *_ACQUISITION)
"""In the order in which they refer to each other."""

BY_NAME: dict[str, Entity] = {entity.name: entity for entity in ENTITIES}

TERMS: tuple[str, ...] = tuple(field.name for field in BY_NAME["account_terms"].fields if field.name != "account_no")
"""Fields of `account_terms`; an `[[account]]` may carry them itself when they always held."""
