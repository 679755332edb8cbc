"""Analysis results made by hand: what fakes of the three analyses return. No randomness."""

from __future__ import annotations

import datetime as dt
import math
import zoneinfo
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from keyacct.analysis.billable_demand import BillableDemand
from keyacct.report.inputs import Results

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True)
class Tables:
    """Any of the three results: tables by name."""

    total: pa.Table | None = None
    day: pa.Table | None = None
    accounts: pa.Table | None = None
    points: pa.Table | None = None
    hours: pa.Table | None = None
    peak_day_curve: pa.Table | None = None


INSTANT = pa.timestamp("ms", tz="UTC")
VOLTAGE = pa.schema(
    [(name, pa.string()) for name in ("account_no", "account_name", "point", "meter", "monitoring_class", "phase")]
    + [(name, pa.float64()) for name in ("nominal_v", "lower_v", "upper_v", "monitored_min", "over_limit_min")]
    + [(name, pa.float64()) for name in ("under_limit_min", "below_floor_min", "overvoltage_min", "rate", "max_v")]
    + [("max_at", INSTANT), ("min_v", pa.float64()), ("min_at", INSTANT), ("mean_v", pa.float64())]
    + [("target_rate", pa.float64()), ("passed", pa.bool_()), ("completeness", pa.float64())]
    + [("resolution_min", pa.float64())]
)
POWER_FACTOR = pa.schema(
    [("account_no", pa.string()), ("account_name", pa.string()), ("point", pa.string())]
    + [(name, pa.float64()) for name in ("wp_kwh", "wq_kvarh", "q1_kvarh", "q4_kvarh", "pf", "pf_sharp", "pf_peak")]
    + [("pf_flat", pa.float64()), ("pf_valley", pa.float64()), ("pf_assessed", pa.decimal128(4, 2))]
    + [("pf_standard", pa.float64()), ("passed", pa.bool_()), ("adjustment_pct", pa.decimal128(6, 2))]
    + [("leading", pa.bool_()), ("loss_kwh", pa.float64()), ("loss_kvarh", pa.float64())]
    + [("completeness", pa.float64()), ("flags", pa.list_(pa.string()))]
)
HOURS = pa.schema([("account_no", pa.string()), ("hour", pa.int32()), ("pf", pa.float64()), ("leading", pa.bool_())])
LOAD = pa.schema(
    [("account_no", pa.string()), ("md_kw", pa.float64()), ("md_at", INSTANT), ("demand_kind", pa.string())]
    + [("min_kw", pa.float64()), ("min_at", INSTANT), ("mean_kw", pa.float64()), ("load_rate", pa.float64())]
    + [("min_load_rate", pa.float64()), ("peak_valley_gap_kw", pa.float64()), ("energy_kwh", pa.float64())]
    + [(f"{name}_kwh", pa.float64()) for name in ("sharp", "peak", "flat", "valley")]
    + [("completeness", pa.float64())]
)
CURVE = pa.schema([("account_no", pa.string()), ("at", INSTANT), ("kw", pa.float64())])


def at(day: dt.date, minutes: int) -> dt.datetime:
    """An instant so many minutes after a civil midnight."""
    return dt.datetime.combine(day, dt.time(), ZONE) + dt.timedelta(minutes=minutes)


def month_days() -> list[dt.date]:
    return [dt.date(2026, 6, n) for n in range(1, 31)]


def voltage_rows(account: str, name: str, point: str, meter: str, days: list[dt.date]) -> tuple[list, list]:
    def row(phase: str, share: float, day: dt.date) -> dict:
        swing = math.sin(day.day * 0.7 + share + int(meter[-1]) * 1.3) - 0.1 * int(meter[-1])
        over = float(round(max(0.0, swing - 0.8) * 300))
        under = float(round(max(0.0, -swing - 0.85) * 400))
        monitored = 1440.0 if day.day != 9 else 1260.0
        return {
            "account_no": account, "account_name": name, "point": point, "meter": meter,
            "monitoring_class": "B", "phase": phase, "nominal_v": 10000.0, "lower_v": 9300.0,
            "upper_v": 10700.0,
            "monitored_min": monitored, "over_limit_min": over, "under_limit_min": under,
            "below_floor_min": 0.0, "overvoltage_min": 0.0,
            "rate": 1 - (over + under) / monitored, "max_v": 10350 + 420 * swing + 40 * share,
            "max_at": at(day, 1440 if day.day == 3 else 195), "min_v": 9800 + 400 * swing - 30 * share,
            "min_at": at(day, 1125), "mean_v": 10080 + 180 * swing + 10 * share, "target_rate": 0.98,
            "passed": 1 - (over + under) / monitored >= 0.98, "completeness": monitored / 1440,
            "resolution_min": 15.0, "day": day,
        }  # fmt: skip

    phases = {"AB": 0.0, "CB": 1.0, "total": 0.5}
    by_day = [row(phase, share, day) for day in days for phase, share in phases.items()]
    total = []
    for phase in phases:
        mine = [r for r in by_day if r["phase"] == phase]
        one = dict(mine[0])
        one.pop("day")
        for key in ("monitored_min", "over_limit_min", "under_limit_min"):
            one[key] = sum(r[key] for r in mine)
        one["rate"] = 1 - (one["over_limit_min"] + one["under_limit_min"]) / one["monitored_min"]
        one["passed"] = one["rate"] >= 0.98
        top, bottom = max(mine, key=lambda r: r["max_v"]), min(mine, key=lambda r: r["min_v"])
        one |= {
            "max_v": top["max_v"],
            "max_at": top["max_at"],
            "min_v": bottom["min_v"],
            "min_at": bottom["min_at"],
        }
        one["completeness"] = one["monitored_min"] / (len(days) * 1440)
        total.append(one)
    return total, by_day


def load_row(account: str, day: dt.date | None, weight: float) -> dict:
    parts = {
        "sharp": 4200.0 * weight,
        "peak": 15300.25 * weight,
        "flat": 18200.5 * weight,
        "valley": 9100.0 * weight,
    }
    stamp = day or dt.date(2026, 6, 17)
    return {
        "account_no": account, "md_kw": 2860.4 * min(weight, 1.2), "md_at": at(stamp, 615),
        "demand_kind": "block15", "min_kw": 610.2 * weight, "min_at": at(stamp, 255),
        "mean_kw": 1950.0 * weight, "load_rate": 0.68173,
        "min_load_rate": 0.21333, "peak_valley_gap_kw": 2250.2 * weight, "energy_kwh": sum(parts.values()),
        **{f"{key}_kwh": value for key, value in parts.items()},
        "completeness": 0.995 if weight < 0.6 else 1.0,
    }  # fmt: skip


def load_curve(account: str, day: dt.date) -> list[dict]:
    rows = []
    for n in range(1, 97):
        if 50 <= n <= 52:
            continue  # a gap
        kw = 1400 + 900 * math.sin((n - 30) / 96 * 2 * math.pi) + 560 * math.exp(-(((n - 41) / 4) ** 2))
        rows.append({"account_no": account, "at": at(day, n * 15), "kw": round(kw, 3)})
    return rows


def month_results(account: str = "3301000001", name: str = "日月化工集团有限公司", points: int = 2) -> Results:
    """A month of an account with voltage points, energies and loads; day 12 has no data at all."""
    days = [day for day in month_days() if day.day != 12]
    total: list[dict] = []
    by_day: list[dict] = []
    for n in range(points):
        one, daily = voltage_rows(account, name, f"P{n + 1} 10kV进线{n + 1}", f"00012345678{n}", days)
        total += one
        by_day += daily
    pf = {
        "account_no": account, "account_name": name, "wp_kwh": 100000.0, "wq_kvarh": 60000.0,
        "q1_kvarh": 40000.0, "q4_kvarh": 20000.0, "pf": 0.857492925, "pf_sharp": 0.9123, "pf_peak": 0.8951,
        "pf_flat": 0.8612,
        "pf_valley": None, "pf_assessed": Decimal("0.86"), "pf_standard": 0.9, "passed": False,
        "adjustment_pct": Decimal("2.00"), "leading": False, "loss_kwh": 3078.0, "loss_kvarh": 13140.0, "completeness": 0.98765,
        "flags": ["boundary_end"],
    }  # fmt: skip
    hours = [
        {
            "account_no": account,
            "hour": h,
            "pf": None if h == 3 else 0.86 + 0.08 * math.sin(h / 4),
            "leading": h < 6,
        }
        for h in range(24)
    ]
    day_rows = [
        load_row(account, day, 0.55 if day.weekday() >= 5 else 0.9 + day.day / 300) | {"day": day} for day in days
    ]
    return Results(
        voltage=Tables(total=table(total, VOLTAGE), day=table(by_day, VOLTAGE.append(pa.field("day", pa.date32())))),
        power_factor=Tables(
            accounts=table([pf], POWER_FACTOR),
            points=table([pf | {"point": f"P{n + 1}"} for n in range(2)], POWER_FACTOR),
            hours=table(hours, HOURS),
        ),
        load=Tables(
            total=table([load_row(account, None, 28.0)], LOAD),
            day=table(day_rows, LOAD.append(pa.field("day", pa.date32()))),
            peak_day_curve=table(load_curve(account, dt.date(2026, 6, 17)), CURVE),
        ),
        demand={
            account: BillableDemand(
                Decimal("3432.48"), at(dt.date(2026, 6, 17), 615), "block15", "block15", None, ("incomplete",)
            )
        },
    )  # type: ignore[arg-type]


def table(rows: list[dict], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)


def empty_results() -> Results:
    """What the analyses give for an account without data."""
    return Results(
        voltage=Tables(total=table([], VOLTAGE), day=table([], VOLTAGE.append(pa.field("day", pa.date32())))),
        power_factor=Tables(accounts=table([], POWER_FACTOR), points=table([], POWER_FACTOR), hours=table([], HOURS)),
        load=Tables(
            total=table([], LOAD),
            day=table([], LOAD.append(pa.field("day", pa.date32()))),
            peak_day_curve=table([], CURVE),
        ),
    )  # type: ignore[arg-type]
