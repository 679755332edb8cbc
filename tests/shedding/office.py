"""A workspace made for drafts: seven SYNTHETIC accounts with three weeks of loads that a test can work out by hand."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path

from keyacct import clock
from keyacct.config import Workspace, open_workspace
from keyacct.plan.priority_tables import approve_table, import_table
from keyacct.registry.importing import import_registry
from keyacct.workflow.mapping import build_mapping
from keyacct.workflow.samples import import_samples
from keyacct.workflow.workspace import init_workspace

DAY_BEFORE = "2026-06-23T08:00+08:00"
VERSION = "2026-1"
FIRST, LAST = dt.date(2026, 6, 1), dt.date(2026, 6, 24)
EVENT = dt.date(2026, 6, 24)
"""A Wednesday; 2026-06-24 is measured until noon."""
NOON_SLOT = 48

FOUNDRY, PAPER, MILL, HOSPITAL, STORE, BAKERY, CLOSED = (f"330200000{n}" for n in range(1, 8))
LINES = {FOUNDRY: "L1", PAPER: "L1", MILL: "L2", HOSPITAL: "L2", STORE: "L2", BAKERY: "L2", CLOSED: "L1"}
SIZE_KW = {FOUNDRY: 4000, PAPER: 6000, MILL: 1000, HOSPITAL: 800, STORE: 2000, BAKERY: 500, CLOSED: 300}
MISSING_DAYS = {MILL: tuple(range(3, 23))}
"""Days of June without any value (a broken line)."""


def load_kw(account: str, day: dt.date, slot: int) -> float:
    """The load that an account had: by day and hour whole steps of 4 kW, so that energies are whole kWh."""
    size = SIZE_KW[account]
    by_hour = size * (60 + min(slot // 4, 23 - slot // 4) * 3) // 400 * 4
    if day.weekday() >= 5:
        by_hour = by_hour // 8 * 4
    step = 8 * (day.day % 7)
    if account == STORE:
        step = by_hour // 8 * 4 * (day.day % 2)  # volatile: half as much again on odd days
    if account == PAPER and day == EVENT:
        step += by_hour // 40 * 4  # a tenth more than usual on the day itself
    return float(by_hour + step)


REGISTRY = (
    "\n".join(
        f"""
[[account]]
account_no = "{account}"
account_name = "Works {account[-1]}"

[[point]]
point = "P{account[-1]}"

[[point_account]]
point = "P{account[-1]}"
account_no = "{account}"

[[supply_line]]
supply_line = "{line}"

[[point_supply]]
point = "P{account[-1]}"
supply_line = "{line}"

[[meter]]
meter_no = "M{account[-1]}"
reading_side = "primary"

[[meter_point]]
meter_no = "M{account[-1]}"
point = "P{account[-1]}"

[[point_ratio]]
point = "P{account[-1]}"
wiring = "3p3w"
pt = 1
ct = 1
"""
        for account, line in LINES.items()
    )
    .replace('[[supply_line]]\nsupply_line = "L1"\n', "", 2)
    .replace('[[supply_line]]\nsupply_line = "L2"\n', "", 3)
)

PLANS = f"""
[[terminal]]
terminal_no = "T2"

[[terminal_site]]
terminal_no = "T2"
account_no = "{PAPER}"
control_rounds = 3

[[safety_data]]
account_no = "{FOUNDRY}"
safety_load_kw = 400

[[safety_data]]
account_no = "{PAPER}"
safety_load_kw = 1500

[[safety_data]]
account_no = "{MILL}"
safety_load_kw = 100

[[safety_data]]
account_no = "{HOSPITAL}"
safety_load_kw = 300
guarantee_flag = true

[[safety_data]]
account_no = "{STORE}"
safety_load_kw = 200

[[safety_data]]
account_no = "{CLOSED}"
safety_load_kw = 9000

[[use_plan]]
account_no = "{FOUNDRY}"
shift_kw = 800
avoid_kw = 400
limit_floor_kw = 1500
notice_shift_min = 480
notice_avoid_min = 60
notice_limit_min = 30
max_blocks = 4

[[use_plan]]
account_no = "{PAPER}"
shift_kw = 600
avoid_kw = 500
limit_floor_kw = 3000
trip_ok = true
notice_shift_min = 120
notice_avoid_min = 60
notice_limit_min = 30
notice_trip_min = 15
max_blocks = 4

[[use_plan]]
account_no = "{MILL}"
avoid_kw = 100

[[use_plan]]
account_no = "{HOSPITAL}"
avoid_kw = 300
trip_ok = true

[[use_plan]]
account_no = "{STORE}"
avoid_kw = 300
notice_avoid_min = 60

[[use_plan]]
account_no = "{BAKERY}"
avoid_kw = 100
notice_avoid_min = 0

[[use_plan]]
account_no = "{CLOSED}"
avoid_kw = 100
notice_avoid_min = 0
"""

TABLE = [
    ("account_no", "seq", "cls", "protected"), (FOUNDRY, "1", "4", ""), (PAPER, "2", "3", "no"), (STORE, "3", "3", ""),
    (MILL, "4", "2", ""), (BAKERY, "5", "2", ""), (CLOSED, "6", "1", ""), (HOSPITAL, "7", "2", ""),
]  # fmt: skip
"""The hospital stands in the table as class 2: its safety data say that it is kept supplied."""


def table_bytes(rows: list[tuple[str, ...]] | None = None) -> bytes:
    """A priority table as a CSV file."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(TABLE if rows is None else rows)
    return buffer.getvalue().encode()


def make_bare(folder: Path) -> Workspace:
    """The workspace with its registry only."""
    init_workspace(folder, name="drafts")
    workspace = open_workspace(folder)
    import_registry(workspace, REGISTRY, file="registry.toml")
    import_registry(workspace, PLANS, file="plans.toml")
    return workspace


def make_office(folder: Path) -> Workspace:
    """The workspace with its registry and samples; no priority table yet."""
    workspace = make_bare(folder)
    path = folder / "samples.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["meter", "ts", "kwh"])
        day = FIRST
        while day <= LAST:
            for account in LINES:
                if day.day in MISSING_DAYS.get(account, ()):
                    continue
                for slot in range(NOON_SLOT if day == EVENT else 96):
                    end = dt.datetime.combine(day, dt.time()) + dt.timedelta(minutes=15 * (slot + 1))
                    writer.writerow([f"M{account[-1]}", end.isoformat(), load_kw(account, day, slot) / 4])
            day += dt.timedelta(days=1)
    mapping = build_mapping(
        {"kwh": "energy.import"}, {}, {}, meter_column="meter", time_column="ts", kind="interval", stamp="end",
        side="primary",
    )  # fmt: skip
    import_samples(workspace, path, mapping)
    return workspace


def with_table(workspace: Workspace) -> Workspace:
    """Import and approve the usual priority table."""
    clock.fix(DAY_BEFORE)
    import_table(
        workspace, table_bytes(), file="table.csv", version=VERSION, issued_by="City", valid_from=dt.date(2026, 1, 1),
        valid_to=dt.date(2026, 12, 31),
    )  # fmt: skip
    approve_table(workspace, VERSION, approved_by="City", approval_no="7", approved_on=dt.date(2026, 1, 5))
    clock.fix(None)
    return workspace
