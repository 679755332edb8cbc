"""The problem folder of a draft, from priority table, registry, baselines and demand: the same bytes for the same input."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from keyacct.analysis.load_curve import PERIOD_MIN
from keyacct.config import SheddingSettings
from keyacct.errors import UsageError
from keyacct.i18n import Text
from keyacct.plan.accounts import AccountFacts
from keyacct.plan.baseline import Horizon
from keyacct.plan.demand import Demand
from keyacct.plan.priority_tables import PriorityTable
from keyacct.plan.rule_sets import MEASURES

CUSTOMER_COLUMNS = (
    "id", "area", "cls", "weight", "safety_kw", "shift_kw", "avoid_kw", "limit_floor_kw", "trip_ok", "notice_shift",
    "notice_avoid", "notice_limit", "notice_trip", "rho", "rebound_kw", "max_blocks", "hist_h", "rest", "rank", "ramp_kw",
)  # fmt: skip


@dataclass(frozen=True)
class Terms:
    """How a draft is planned: the measures that its level allows, the margin, no notice in an emergency."""

    measures: tuple[str, ...]
    margin: float
    emergency: bool


@dataclass(frozen=True)
class ProblemFiles:
    """The files of a problem folder by name, and what is doubtful about accounts (by account)."""

    files: dict[str, bytes] = field(repr=False)
    warnings: dict[str, list[Text]]


def number(value: float) -> str:
    """A plain decimal with at most four digits after the point."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def table_bytes(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A CSV file: UTF-8, comma, LF."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue().encode("utf-8")


def meta_bytes(
    horizon: Horizon, windows: Sequence[tuple[int, int]], settings: SheddingSettings, zone: zoneinfo.ZoneInfo
) -> bytes:
    """`meta.json`."""
    shift, avoid, limit, trip = settings.cost_per_kwh
    document = {
        "start": dt.datetime.combine(horizon.day, dt.time(), zone).isoformat(), "zone": str(zone), "minutes": PERIOD_MIN,
        "issue_period": horizon.issue_period, "blocks": [list(block) for block in horizon.blocks],
        "return_windows": [list(window) for window in windows],
        "cost_per_kwh": {"shift": shift, "avoid": avoid, "limit": limit, "trip": trip}, "touch_cost": settings.touch_cost,
        "unmet_cost_per_kwh": settings.unmet_cost_per_kwh, "history_factor": settings.history_factor,
    }  # fmt: skip
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def cut_windows(windows: Sequence[tuple[int, int]], blocks: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The return windows without what lies in a time block. Raises UsageError when two windows overlap."""
    result: list[tuple[int, int]] = []
    last = 0
    busy = {t for first, end in blocks for t in range(first, end)}
    for first, end in sorted(windows):
        if first < last:
            raise UsageError("usage.invalid", "two return windows overlap", hint="mend [shedding] return_windows")
        last = end
        run: list[int] = []
        for t in [*range(first, end), -1]:
            if t < 0 or t in busy:
                if run:
                    result.append((run[0], run[-1] + 1))
                run = []
            else:
                run.append(t)
    return result


def problem_files(
    table: PriorityTable, facts: Mapping[str, AccountFacts], loads: Mapping[str, Sequence[float]], demand: Demand,
    horizon: Horizon, windows: Sequence[tuple[int, int]], terms: Terms, settings: SheddingSettings,
    zone: zoneinfo.ZoneInfo,
) -> ProblemFiles:  # fmt: skip
    """The problem folder. loads: kW per period of every account of the table. Accounts stand in the table's order."""
    warnings: dict[str, list[Text]] = {}
    customers = []
    for rank, entry in enumerate(table.entries):
        row, doubts = _customer(facts[entry.account_no], entry.cls, entry.weight, rank, terms, settings)
        customers.append([row[column] for column in CUSTOMER_COLUMNS])
        if doubts:
            warnings[entry.account_no] = doubts
    accounts = [entry.account_no for entry in table.entries]
    in_window = {t for first, end in windows for t in range(first, end)}
    system = []
    for t in range(horizon.periods):
        room = settings.return_headroom * sum(loads[a][t] for a in accounts) if t in in_window else 0.0
        system.append([t, number(demand.required_kw.get(t, 0.0) * (1 + terms.margin)), number(room)])
    files = {
        "meta.json": meta_bytes(horizon, windows, settings, zone),
        "customers.csv": table_bytes(CUSTOMER_COLUMNS, customers),
        "baseline.csv": table_bytes(
            ["id", *(f"p{t}" for t in range(horizon.periods))], [[a, *(number(kw) for kw in loads[a])] for a in accounts]
        ),
        "system.csv": table_bytes(["period", "required_kw", "headroom_kw"], system),
        "priority.csv": table_bytes(
            ["account_no", "seq", "cls", "protected", "version", "approved_by", "approval_no", "valid_from", "valid_to"],
            [
                [e.account_no, e.seq, e.cls, int(e.protected), table.version, table.approved_by, table.approval_no,
                 table.valid_from, table.valid_to]
                for e in table.entries
            ],
        ),
    }  # fmt: skip
    areas = [
        [area, t, number(kw * (1 + terms.margin))]
        for area in sorted(demand.areas) for t, kw in sorted(demand.areas[area].items()) if kw > 0
    ]  # fmt: skip
    if areas:
        files["areas.csv"] = table_bytes(["area", "period", "required_kw"], areas)
    return ProblemFiles(files, warnings)


def _customer(
    facts: AccountFacts, cls: int, weight: float | None, rank: int, terms: Terms, settings: SheddingSettings
) -> tuple[dict[str, object], list[Text]]:
    """A row of customers.csv, and what is doubtful about it. What is not known for sure gives nothing."""
    doubts: list[Text] = []
    name = facts.account_no
    if facts.kept and cls != 0:
        doubts.append(
            Text(f"account {name}: its safety data say that it must be kept supplied, so it is, whatever the table says",
                 f"户 {name}: 安全数据要求保电, 按受保护客户处理")
        )  # fmt: skip
        cls = 0
    plan, open_ = facts.plan or {}, cls != 0
    if open_ and facts.status != "active":
        doubts.append(
            Text(f"account {name} is {facts.status}: it can give nothing", f"户 {name} 状态为 {facts.status}, 不参与")
        )
        open_ = False
    if open_ and facts.plan is None:
        doubts.append(
            Text(
                f"account {name} has no use plan in the registry: it can give nothing", f"户 {name} 无用电预案, 不参与"
            )
        )
        open_ = False
    if open_ and facts.safety_load_kw is None:
        doubts.append(
            Text(f"account {name} has no safety load in the registry: it is not touched (enter 0 where there is none)",
                 f"户 {name} 无保安负荷资料, 不予安排 (确无保安负荷请录入 0)")
        )  # fmt: skip
        open_ = False

    def gives(measure: str) -> bool:
        return open_ and measure in terms.measures

    def notice(measure: str) -> int:
        if terms.emergency:
            return 0
        minutes = plan.get(f"notice_{measure}_min")
        return math.ceil((settings.notice_min if minutes is None else minutes) / PERIOD_MIN - 1e-9)

    if gives("trip") and plan.get("trip_ok") and not facts.rounds:
        doubts.append(
            Text(f"account {name} may be tripped by its use plan, but has no terminal with relay rounds",
                 f"户 {name} 预案可跳闸, 但无接入轮次的终端")
        )  # fmt: skip
    shift = float(plan.get("shift_kw") or 0.0) if gives("shift") else 0.0
    floor = plan.get("limit_floor_kw") if gives("limit") else None
    rebound, share, blocks = plan.get("rebound_kw"), plan.get("returned_share"), plan.get("max_blocks")
    row: dict[str, object] = {
        "id": name, "area": facts.area, "cls": cls,
        "weight": number(weight if weight is not None else settings.weights[max(cls, 1) - 1]),
        "safety_kw": number(facts.safety_load_kw or 0.0), "shift_kw": number(shift),
        "avoid_kw": number(float(plan.get("avoid_kw") or 0.0) if gives("avoid") else 0.0),
        "limit_floor_kw": number(floor) if floor is not None else "-1",
        "trip_ok": int(gives("trip") and bool(plan.get("trip_ok")) and facts.rounds),
        **{f"notice_{measure}": notice(measure) for measure in MEASURES},
        "rho": number(settings.returned_share if share is None else share),
        "rebound_kw": number(shift if rebound is None else rebound),
        "max_blocks": settings.max_blocks if blocks is None else blocks, "hist_h": number(facts.history_h),
        "rest": int(facts.recent_h >= settings.rest_after_h), "rank": rank,
        "ramp_kw": number(plan["ramp_kw"]) if plan.get("ramp_kw") is not None else "-1",
    }  # fmt: skip
    return row, doubts
