"""The whole registry: customers, network, sources, transformers, people, exchanges, prices; account terms by date."""

from __future__ import annotations

from alembic import op

from keyacct.database.rules import append_only, refuse_overlap

revision = "0002"
down_revision = "0001"

DATED = "valid_from INTEGER NOT NULL, valid_to INTEGER NOT NULL CHECK (valid_to > valid_from)"
BEGINNING, END = -(2**62), 2**62

TABLES = (
    """CREATE TABLE staff (
        staff_no TEXT NOT NULL, staff_name TEXT NOT NULL, education TEXT, phone TEXT, joined_on TEXT,
        PRIMARY KEY (staff_no))""",
    """CREATE TABLE staff_certificate (
        staff_no TEXT NOT NULL REFERENCES staff, certificate TEXT NOT NULL, issued_on TEXT, expires_on TEXT,
        PRIMARY KEY (staff_no, certificate))""",
    f"""CREATE TABLE staff_role (
        staff_no TEXT NOT NULL REFERENCES staff,
        role TEXT NOT NULL CHECK (role IN ('customer', 'desk_manager', 'field_manager', 'supply_station',
            'metering', 'inspection', 'dispatch', 'production', 'planning', 'discipline', 'political_work',
            'rural_power', 'leading_group', 'director', 'billing', 'system_admin', 'auditor')),
        {DATED}, supply_station TEXT, PRIMARY KEY (staff_no, role, valid_from))""",
    """CREATE TABLE substation (
        substation TEXT NOT NULL, substation_name TEXT, voltage_level_kv REAL CHECK (voltage_level_kv > 0),
        supply_station TEXT, fed_by TEXT REFERENCES substation, PRIMARY KEY (substation))""",
    """CREATE TABLE busbar (
        busbar TEXT NOT NULL, busbar_name TEXT, substation TEXT NOT NULL REFERENCES substation,
        voltage_level_kv REAL CHECK (voltage_level_kv > 0), PRIMARY KEY (busbar))""",
    """CREATE TABLE supply_line (
        supply_line TEXT NOT NULL, line_name TEXT, line_kind TEXT CHECK (line_kind IN ('dedicated', 'public')),
        voltage_level_kv REAL CHECK (voltage_level_kv > 0), rated_a REAL CHECK (rated_a > 0),
        branch_of TEXT REFERENCES supply_line, PRIMARY KEY (supply_line))""",
    f"""CREATE TABLE line_feed (
        supply_line TEXT NOT NULL REFERENCES supply_line, {DATED}, busbar TEXT NOT NULL REFERENCES busbar,
        PRIMARY KEY (supply_line, valid_from))""",
    """CREATE TABLE customer (
        customer TEXT NOT NULL, customer_name TEXT NOT NULL, parent TEXT REFERENCES customer, remark TEXT,
        PRIMARY KEY (customer))""",
    f"""CREATE TABLE account_terms (
        account_no TEXT NOT NULL REFERENCES account, {DATED}, industry_code TEXT,
        account_class TEXT CHECK (account_class IN ('economic', 'critical', 'prospect')),
        critical_grade TEXT CHECK (critical_grade IN ('special', '1', '2', 'temporary')), supply_station TEXT,
        voltage_level_kv REAL CHECK (voltage_level_kv > 0),
        contract_capacity_kva REAL CHECK (contract_capacity_kva > 0),
        running_capacity_kva REAL CHECK (running_capacity_kva > 0),
        annual_energy_kwh REAL CHECK (annual_energy_kwh >= 0),
        tariff_mode TEXT CHECK (tariff_mode IN ('single', 'two_part_capacity', 'two_part_demand')),
        contract_demand_kw REAL CHECK (contract_demand_kw > 0), reading_day INTEGER CHECK (reading_day >= 0),
        settlements_per_month INTEGER CHECK (settlements_per_month >= 0),
        status TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'closed')),
        PRIMARY KEY (account_no, valid_from))""",
    f"""CREATE TABLE account_manager (
        account_no TEXT NOT NULL REFERENCES account, {DATED}, desk_manager TEXT REFERENCES staff,
        field_manager TEXT REFERENCES staff, PRIMARY KEY (account_no, valid_from))""",
    f"""CREATE TABLE account_label (
        account_no TEXT NOT NULL REFERENCES account,
        label_kind TEXT NOT NULL CHECK (label_kind IN ('tier', 'industry', 'use', 'load', 'pf', 'risk')), {DATED},
        label TEXT NOT NULL, PRIMARY KEY (account_no, label_kind, valid_from))""",
    f"""CREATE TABLE contact (
        account_no TEXT NOT NULL REFERENCES account, contact TEXT NOT NULL, {DATED},
        contact_role TEXT CHECK (contact_role IN ('energy_manager', 'duty_electrician', 'finance',
            'director', 'other')),
        mobile TEXT, landline TEXT, email TEXT, subscriptions TEXT, hours TEXT,
        language TEXT CHECK (language IN ('zh', 'en')), verified_on TEXT,
        PRIMARY KEY (account_no, contact, valid_from))""",
    f"""CREATE TABLE production_profile (
        account_no TEXT NOT NULL REFERENCES account, {DATED}, products TEXT,
        shift_pattern TEXT CHECK (shift_pattern IN ('1', '2', '3', 'continuous')),
        rest_day TEXT CHECK (rest_day IN ('monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday',
            'sunday', 'none')),
        work_hours TEXT, process_stop_min REAL CHECK (process_stop_min >= 0), season_notes TEXT,
        overhaul_months TEXT, PRIMARY KEY (account_no, valid_from))""",
    f"""CREATE TABLE safety_data (
        account_no TEXT NOT NULL REFERENCES account, {DATED}, safety_load_kw REAL CHECK (safety_load_kw >= 0),
        safety_load_breaker TEXT, max_hold_min REAL CHECK (max_hold_min >= 0), hazards TEXT, protected_class TEXT,
        guarantee_flag INTEGER NOT NULL CHECK (guarantee_flag IN (0, 1)), PRIMARY KEY (account_no, valid_from))""",
    """CREATE TABLE service_record (
        record_no TEXT NOT NULL, account_no TEXT NOT NULL REFERENCES account, served_on TEXT NOT NULL,
        staff_no TEXT REFERENCES staff,
        topic TEXT NOT NULL CHECK (topic IN ('production_traits', 'equipment_overhaul', 'survey',
            'works_scheme', 'metering_mode', 'other')),
        record_text TEXT NOT NULL, follow_up TEXT, PRIMARY KEY (record_no))""",
    f"""CREATE TABLE source (
        account_no TEXT NOT NULL REFERENCES account, source TEXT NOT NULL, {DATED},
        role TEXT NOT NULL CHECK (role IN ('main', 'standby', 'emergency_own')),
        supply_line TEXT REFERENCES supply_line, busbar TEXT REFERENCES busbar,
        substation TEXT REFERENCES substation, capacity_kva REAL CHECK (capacity_kva > 0),
        auto_transfer INTEGER NOT NULL CHECK (auto_transfer IN (0, 1)),
        interlock TEXT CHECK (interlock IN ('mechanical', 'electrical', 'none')), stands_in_for TEXT,
        own_generation_kw REAL CHECK (own_generation_kw >= 0), fuel TEXT, start_s REAL CHECK (start_s >= 0),
        agreement_no TEXT, last_test_on TEXT, PRIMARY KEY (account_no, source, valid_from))""",
    """CREATE TABLE transformer (
        transformer TEXT NOT NULL, transformer_name TEXT, rated_kva REAL CHECK (rated_kva > 0),
        primary_kv REAL CHECK (primary_kv > 0), secondary_kv REAL CHECK (secondary_kv > 0), vector_group TEXT,
        no_load_loss_kw REAL CHECK (no_load_loss_kw >= 0), load_loss_kw REAL CHECK (load_loss_kw >= 0),
        i0_pct REAL CHECK (i0_pct >= 0), uk_pct REAL CHECK (uk_pct >= 0), commissioned_on TEXT,
        PRIMARY KEY (transformer))""",
    f"""CREATE TABLE transformer_state (
        transformer TEXT NOT NULL REFERENCES transformer, {DATED}, account_no TEXT REFERENCES account,
        supply_line TEXT REFERENCES supply_line,
        status TEXT NOT NULL CHECK (status IN ('run', 'hot_standby', 'cold_standby', 'suspended')),
        tap INTEGER CHECK (tap >= 0), PRIMARY KEY (transformer, valid_from))""",
    """CREATE TABLE meter_exchange (
        point TEXT NOT NULL REFERENCES point, exchanged_at INTEGER NOT NULL,
        old_meter_no TEXT NOT NULL REFERENCES meter, new_meter_no TEXT NOT NULL REFERENCES meter,
        reason TEXT NOT NULL, staff_no TEXT REFERENCES staff, PRIMARY KEY (point, exchanged_at))""",
    """CREATE TABLE exchange_reading (
        point TEXT NOT NULL REFERENCES point, exchanged_at INTEGER NOT NULL,
        meter_no TEXT NOT NULL REFERENCES meter, tariff INTEGER NOT NULL CHECK (tariff >= 0), import_kwh TEXT,
        export_kwh TEXT, reactive_import_kvarh TEXT, reactive_export_kvarh TEXT, q1_kvarh TEXT, q2_kvarh TEXT,
        q3_kvarh TEXT, q4_kvarh TEXT, PRIMARY KEY (point, exchanged_at, meter_no, tariff))""",
    """CREATE TABLE terminal (
        terminal_no TEXT NOT NULL, terminal_type TEXT, make TEXT, protocol TEXT, address TEXT, channel TEXT,
        ac_sampling INTEGER NOT NULL CHECK (ac_sampling IN (0, 1)), installed_on TEXT, PRIMARY KEY (terminal_no))""",
    f"""CREATE TABLE terminal_site (
        terminal_no TEXT NOT NULL REFERENCES terminal, {DATED}, account_no TEXT NOT NULL REFERENCES account,
        control_rounds INTEGER NOT NULL CHECK (control_rounds >= 0), limits_key TEXT,
        PRIMARY KEY (terminal_no, valid_from))""",
    f"""CREATE TABLE meter_setting (
        meter_no TEXT NOT NULL REFERENCES meter, {DATED}, tou_table TEXT REFERENCES tariff_table,
        demand_window_min INTEGER CHECK (demand_window_min >= 0),
        demand_slip_min INTEGER CHECK (demand_slip_min >= 0), interval_min INTEGER CHECK (interval_min >= 0),
        clock_offset_s REAL, parameter_set TEXT, PRIMARY KEY (meter_no, valid_from))""",
    """CREATE TABLE price_table (
        price_table TEXT NOT NULL, title TEXT, PRIMARY KEY (price_table))""",
    f"""CREATE TABLE energy_price (
        price_table TEXT NOT NULL REFERENCES price_table,
        period TEXT NOT NULL CHECK (period IN ('all', 'sharp', 'peak', 'flat', 'valley')), {DATED},
        price_cny_per_kwh TEXT NOT NULL, PRIMARY KEY (price_table, period, valid_from))""",
    f"""CREATE TABLE basic_price (
        price_table TEXT NOT NULL REFERENCES price_table, {DATED}, capacity_cny_per_kva_month TEXT,
        demand_cny_per_kw_month TEXT, PRIMARY KEY (price_table, valid_from))""",
    f"""CREATE TABLE account_price (
        account_no TEXT NOT NULL REFERENCES account, {DATED}, price_table TEXT NOT NULL REFERENCES price_table,
        PRIMARY KEY (account_no, valid_from))""",
    """CREATE TABLE roster_profile (
        profile TEXT NOT NULL, title TEXT, capacity_kva_min REAL CHECK (capacity_kva_min >= 0),
        annual_energy_kwh_min REAL CHECK (annual_energy_kwh_min >= 0),
        size_logic TEXT NOT NULL CHECK (size_logic IN ('any', 'all')),
        voltage_kv_min REAL CHECK (voltage_kv_min >= 0),
        multi_source INTEGER NOT NULL CHECK (multi_source IN (0, 1)),
        account_class TEXT CHECK (account_class IN ('economic', 'critical', 'prospect')), PRIMARY KEY (profile))""",
    """CREATE TABLE roster_decision (
        id INTEGER NOT NULL PRIMARY KEY, account_no TEXT NOT NULL REFERENCES account,
        state TEXT NOT NULL CHECK (state IN ('nominated', 'approved', 'rejected', 'removed')),
        decided_on TEXT NOT NULL, decided_by TEXT NOT NULL, reason TEXT NOT NULL, profile TEXT, tier TEXT,
        noted_at INTEGER NOT NULL)""",
    "CREATE INDEX roster_decision_account ON roster_decision (account_no, id)",
    "CREATE INDEX meter_point_point ON meter_point (point, valid_from)",
    "CREATE INDEX point_account_account ON point_account (account_no, valid_from)",
)

NO_OVERLAP = (
    (
        "staff_role",
        (
            "staff_no",
            "role",
        ),
    ),
    ("line_feed", ("supply_line",)),
    ("account_terms", ("account_no",)),
    ("account_manager", ("account_no",)),
    (
        "account_label",
        (
            "account_no",
            "label_kind",
        ),
    ),
    (
        "contact",
        (
            "account_no",
            "contact",
        ),
    ),
    ("production_profile", ("account_no",)),
    ("safety_data", ("account_no",)),
    (
        "source",
        (
            "account_no",
            "source",
        ),
    ),
    ("transformer_state", ("transformer",)),
    ("terminal_site", ("terminal_no",)),
    ("meter_setting", ("meter_no",)),
    (
        "energy_price",
        (
            "price_table",
            "period",
        ),
    ),
    ("basic_price", ("price_table",)),
    ("account_price", ("account_no",)),
)

FIRST_TERMS = (
    "industry_code", "account_class", "critical_grade", "supply_station", "voltage_level_kv",
    "contract_capacity_kva", "running_capacity_kva",
)  # fmt: skip

# What was free text before becomes a row of its own, so that nothing is lost and every name leads somewhere.
CARRY_OVER = (
    "INSERT INTO customer (customer, customer_name) SELECT DISTINCT customer, customer FROM account"
    " WHERE customer IS NOT NULL",
    "INSERT INTO substation (substation) SELECT DISTINCT substation FROM point_supply WHERE substation IS NOT NULL",
    "INSERT INTO supply_line (supply_line) SELECT DISTINCT supply_line FROM point_supply WHERE supply_line IS NOT NULL",
    "INSERT INTO transformer (transformer) SELECT DISTINCT transformer FROM point_supply WHERE transformer IS NOT NULL",
    # A busbar belongs to a substation; one without known substation gets one of its own name.
    "INSERT INTO substation (substation) SELECT DISTINCT busbar FROM point_supply AS s WHERE busbar IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM point_supply AS t WHERE t.busbar = s.busbar AND t.substation IS NOT NULL)"
    " AND NOT EXISTS (SELECT 1 FROM substation AS u WHERE u.substation = s.busbar)",
    "INSERT INTO busbar (busbar, substation) SELECT busbar, coalesce(min(substation), busbar) FROM point_supply"
    " WHERE busbar IS NOT NULL GROUP BY busbar",
    "CREATE TEMPORARY TABLE kept_account AS SELECT account_no, customer FROM account WHERE customer IS NOT NULL",
    "CREATE TEMPORARY TABLE kept_supply AS SELECT * FROM point_supply",
)

SHAPE = (
    "ALTER TABLE account DROP COLUMN customer",
    "ALTER TABLE account ADD COLUMN customer TEXT REFERENCES customer",
    "UPDATE account SET customer = (SELECT k.customer FROM kept_account AS k WHERE k.account_no = account.account_no)",
    "DROP TABLE kept_account",
    "CREATE INDEX account_customer ON account (customer)",
    "ALTER TABLE point ADD COLUMN metering_mode TEXT CHECK (metering_mode IN ('hh', 'hl', 'll'))",
    "ALTER TABLE point ADD COLUMN metering_class TEXT CHECK (metering_class IN ('I', 'II', 'III', 'IV', 'V'))",
    "ALTER TABLE device ADD COLUMN terminal_no TEXT REFERENCES terminal",
    *(f"ALTER TABLE meter ADD COLUMN {name} TEXT" for name in ("make", "model", "accuracy_class")),
    "ALTER TABLE meter ADD COLUMN constant_imp_per_kwh REAL CHECK (constant_imp_per_kwh > 0)",
    "ALTER TABLE meter ADD COLUMN register_digits INTEGER CHECK (register_digits >= 0)",
    "ALTER TABLE meter ADD COLUMN register_decimals INTEGER CHECK (register_decimals >= 0)",
    *(
        f"ALTER TABLE point_ratio ADD COLUMN {name} REAL CHECK ({name} > 0)"
        for name in ("pt_primary_v", "pt_secondary_v", "ct_primary_a", "ct_secondary_a")
    ),
    *(f"ALTER TABLE point_ratio ADD COLUMN {name} TEXT" for name in ("pt_accuracy", "ct_accuracy")),
)


def upgrade() -> None:
    """Make the tables and carry over what accounts and supplies said so far."""
    for statement in TABLES:
        op.execute(statement)
    for table, columns in NO_OVERLAP:
        refuse_overlap(table, columns)
    append_only("roster_decision", "decisions of the roster are append-only")
    for statement in CARRY_OVER:
        op.execute(statement)
    names = ", ".join(FIRST_TERMS)
    given = " OR ".join(f"{name} IS NOT NULL" for name in FIRST_TERMS)
    op.execute(
        f"INSERT INTO account_terms (account_no, valid_from, valid_to, status, {names})"
        f" SELECT account_no, {BEGINNING}, {END}, 'active', {names} FROM account WHERE {given}"
    )
    for statement in SHAPE:
        op.execute(statement)
    for name in FIRST_TERMS:
        op.execute(f"ALTER TABLE account DROP COLUMN {name}")
    for name in ("substation", "busbar", "supply_line", "transformer"):
        op.execute(f"ALTER TABLE point_supply DROP COLUMN {name}")
        op.execute(f"ALTER TABLE point_supply ADD COLUMN {name} TEXT REFERENCES {name}")
        op.execute(
            f"UPDATE point_supply SET {name} = (SELECT k.{name} FROM kept_supply AS k"
            " WHERE k.point = point_supply.point AND k.valid_from = point_supply.valid_from)"
        )
    op.execute("DROP TABLE kept_supply")
