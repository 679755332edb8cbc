"""A busbar with an incomer, two lines and a branch, and three customers on them, over a real registry."""

import csv

from network_office import entry

from keyacct.cli.run import run

REGISTRY = """
[[substation]]
substation = "S"
[[busbar]]
busbar = "B1"
substation = "S"
voltage_level_kv = 110
[[busbar]]
busbar = "B2"
substation = "S"
voltage_level_kv = 220
[[transformer]]
transformer = "T1"
rated_kva = 1000
no_load_loss_kw = 1.7
load_loss_kw = 10.3
i0_pct = 0.7
uk_pct = 4.5
[[price_table]]
price_table = "LARGE"
[[energy_price]]
price_table = "LARGE"
period = "all"
price_cny_per_kwh = 0.6
valid_from = 2026-01-01
[[basic_price]]
price_table = "LARGE"
capacity_cny_per_kva_month = 20
demand_cny_per_kw_month = 30
valid_from = 2026-01-01
"""
# Lines L1 and L2 hang on B1; L1b is a branch of L1. The incomer of B1 is point IN.
LINES = {"L1": None, "L2": None, "L1b": "L1"}
POINTS = {
    "IN": ("assessment", None, "B1"), "H1": ("assessment", "L1", "B1"), "H2": ("assessment", "L2", "B1"),
    "C1": ("billing", "L1", None), "C2": ("billing", "L1b", None), "C3": ("billing", "L2", None),
}  # fmt: skip
ENERGY = {"IN": 3000, "H1": 2000, "H2": 980, "C1": 1500, "C2": 440, "C3": 950}
"""kWh of June through each point, so the balance is 20 of 3000 and the loss of L1 60 of 2000."""


def registry(*more, bypass=False, mode=None, exchange=False):
    text = REGISTRY
    for line, branch in LINES.items():
        text += entry("supply_line", supply_line=line, branch_of=branch)
        text += entry("line_feed", supply_line=line, busbar="B1") if branch is None else ""
    for n, (point, (kind, line, busbar)) in enumerate(POINTS.items()):
        text += entry("point", point=point, kind=kind, metering_mode=mode if point == "C1" else None)
        text += entry("meter", meter_no=f"M{point}") + (
            "" if exchange and point == "H1" else entry("meter_point", meter_no=f"M{point}", point=point)
        )
        text += entry("point_ratio", point=point, wiring="3p4w", pt=1.0, ct=40.0 if point == "C1" else 1.0)
        if not (bypass and point == "H2"):
            text += entry("point_supply", point=point, supply_line=line, busbar=busbar)
        if kind == "billing":
            account = f"10{n}"
            text += entry("account", account_no=account, account_name=point)
            text += entry("account_terms", account_no=account, contract_capacity_kva=1000, running_capacity_kva=1000,
                           contract_demand_kw=400, tariff_mode="two_part_capacity")  # fmt: skip
            text += entry("point_account", point=point, account_no=account)
            text += entry("account_price", account_no=account, price_table="LARGE") + "valid_from = 2026-01-01\n"
    text += entry("transformer_state", transformer="T1", account_no="103", status="run")
    return text + "".join(more)


def office(folder, text, registers, powers=()):
    root = str(folder / "w")
    (folder / "registry.toml").write_text(text, encoding="utf-8")
    assert run(["init", root]) == 0
    assert run(["registry", "import", str(folder / "registry.toml"), "--workspace", root]) == 0
    for name, kind, header, rows, columns in (
        ("registers", "register", ("meter", "ts", "reg"), registers, "reg=energy.import"),
        ("powers", "interval", ("meter", "ts", "p", "q", "i"), powers, "p=power.p,q=power.q,i=current.a"),
    ):
        if rows:
            with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([header, *rows])
            given = ["samples", "import", str(folder / f"{name}.csv"), "--meter-column", "meter", "--workspace", root]
            assert run([*given, "--kind", kind, "--map", columns]) == 0
    return root


def both_ends(energy, *, less=()):
    rows = []
    for point, kwh in energy.items():
        rows.append((f"M{point}", "2026-06-01T00:00", 5))
        if point not in less:
            rows.append((f"M{point}", "2026-07-01T00:00", 5 + kwh / (40 if point == "C1" else 1)))
    return rows


def powers(shares):
    """Quarter hours of 1 June with an apparent power of so many shares of 1000 kVA, cosφ 0.8; C1 has a CT of 40."""
    rows = []
    for n, share in enumerate(shares, start=1):
        at = f"2026-06-01T{n // 4:02}:{n % 4 * 15:02}"
        rows.append(("MC1", at, round(800 * share / 40, 4), round(600 * share / 40, 4), round(5 * share, 4)))
    return rows


SHARES = [0.1] * 8 + [0.3] * 8 + [0.6] * 8 + [0.9] * 8 + [1.05] * 9 + [1.2] * 4
