"""A small event of orderly power use, made by hand (SYNTHETIC): problem folder, plan, order, metered load with gaps.

Six accounts of the demo's registry; two time blocks of an hour on 11 June 2026 at 17:00. The plan is written here row by
row, not by the planner: one shift that comes back, an avoid over both blocks, a limit with one ceiling a block, a trip, a
resting customer that only shifts. The last interval is 10 kW short. A contact's name looks like a formula, another like
markup.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

from keyacct.config import Workspace
from keyacct.report.dispatch_order import parse_order
from keyacct.report.document import Document
from keyacct.report.kinds import shed_evaluation, shed_plan, shed_sheet
from keyacct.report.kinds.shed_evaluation import EvaluationPaper
from keyacct.report.shed_paper import PlanPaper
from keyacct.workflow.shed_documents import plan_paper
from keyacct.workflow.shed_evaluating import evaluate
from keyacct.workflow.shed_metered import file_curves
from keyacct.workflow.shed_source import PlanSource, read_source

START = dt.datetime(2026, 6, 11, 16, tzinfo=dt.timezone(dt.timedelta(hours=8)))
PERIODS = 16
BLOCKS = ((4, 8), (8, 12))
META = {
    "start": START.isoformat(), "zone": "Asia/Shanghai", "minutes": 15, "issue_period": -32,
    "blocks": [list(block) for block in BLOCKS], "return_windows": [[12, 14], [14, 16]],
    "cost_per_kwh": {"shift": 1, "avoid": 3, "limit": 8, "trip": 40},
    "touch_cost": 20, "unmet_cost_per_kwh": 2000, "history_factor": 0.02,
}  # fmt: skip
COLUMNS = (
    "id,area,cls,weight,safety_kw,shift_kw,avoid_kw,limit_floor_kw,trip_ok,notice_shift,notice_avoid,notice_limit,"
    "notice_trip,rho,rebound_kw,max_blocks,hist_h,rest"
)
CUSTOMERS = (
    "3301000101,L1,3,1.2,40,100,0,-1,0,8,4,4,2,1.0,200,2,4,0",
    "3301000102,L2,2,2.1,60,0,80,-1,0,8,4,4,2,1.0,0,2,0,0",
    "3301000103,L1,0,9.9,380,0,0,-1,0,8,4,4,2,1.0,0,0,0,0",
    "3301000104,L2,3,1.0,120,0,0,350,0,8,4,4,2,1.0,0,2,6.5,0",
    "3301000105,L2,4,0.9,50,0,0,-1,1,8,4,4,2,1.0,0,2,0,0",
    "3301000108,L3,4,0.8,30,60,0,-1,0,8,4,4,2,0.9,100,2,12,1",
)
MACHINE_WORKS = [480.0] * 4 + [500.0, 520.0, 540.0, 560.0, 550.0, 530.0, 510.0, 500.0] + [490.0] * 4
LOADS = {
    "3301000101": [400.0] * PERIODS,
    "3301000102": [300.0] * PERIODS,
    "3301000103": [420.0] * PERIODS,
    "3301000104": MACHINE_WORKS,
    "3301000105": [250.0] * PERIODS,
    "3301000108": [150.0] * PERIODS,
}
REQUIRED = [0.0] * 4 + [225.0, 245.0, 260.0, 280.0, 380.0, 360.0, 345.0, 350.0] + [0.0] * 4
CEILINGS = {0: 450.0, 1: 505.0}
"""Of the machine works, by block."""

ORDER = """# SYNTHETIC
[order]
number = "调度令〔2026〕第 071 号"
issued_at = 2026-06-11T08:05:00+08:00
level = "yellow"
issued_by = "市调度控制中心"
trigger = "晚高峰缺口 8 %"
legal_basis = "发改运行规〔2023〕1261号"
approval_no = "章发改能源〔2026〕12号"

[[target]]
from = 2026-06-11T17:00:00+08:00
to = 2026-06-11T19:00:00+08:00
kw = 330

[[contact]]
customer = "3301000101"
name = '=HYPERLINK("http://example.invalid","x")'
phone = "13800000001"

[[contact]]
customer = "3301000104"
name = "<b>王建国</b> & Co"
phone = "13800000004"
role = "电气主管"

[[team]]
role = "指挥"
name = "李敏"
phone = "0531-83210001"

[[monitor]]
point = "110 kV 明水变电站"
watch = "主变负载率"

[[reporting]]
at = "每 15 分钟"
to = "市调度控制中心"
what = "实际压减负荷"

[[signoff]]
role = "拟制"
name = "张丽"

[[signoff]]
role = "批准"
"""
PRIORITY = (
    "account_no,version,approved_by,approval_no,valid_from,valid_to,protected\n"
    + "".join(
        f"{row.split(',')[0]},2026-1,章丘区发展和改革局,章发改〔2026〕7号,2026-04-01,2027-03-31,{int(row.split(',')[2] == '0')}\n"
        for row in CUSTOMERS
    )
)  # fmt: skip
RESERVE = (
    "block,first_period,measure,ceiling_kw,mean_kw,cost,worth,place,customer,premium_per_kw\n"
    "2,8,trip,,200.0,812.5,790.1,1,3301000105,0.112\n"
)
EXPLANATION = {
    "objective": 12345.6, "bound": 12300.0, "gap": 0.003694,
    "blocks": [
        {"block": 1, "cost_of_one_more_mw": 3210.5, "cost_of_one_more_mw_by_area": {"L1": 120.0}},
        {"block": 2, "cost_of_one_more_mw": 500000.0, "cost_of_one_more_mw_by_area": {}},
    ],
    "reliefs": [{"rule": "max_blocks", "saving_at_most": 4321.0}],
    "customers": [
        {"customer": "3301000101", "cls": 3, "verdict": "chosen", "because": "price",
         "orders": [{"measure": "shift", "mean_kw": 100.0, "block": 1, "cost": 120.0, "worth": 321.0}]},
        {"customer": "3301000103", "cls": 0, "verdict": "spared", "because": "protected", "orders": []},
    ],
}  # fmt: skip


def plan_rows() -> list[tuple[str, int, str, float]]:
    """The plan: customer, period, measure, kW."""
    rows = [("3301000101", t, "shift", 100.0) for t in range(4, 8)]
    rows += [("3301000101", t, "rebound", 100.0) for t in range(12, 16)]
    rows += [("3301000102", t, "avoid", 80.0) for t in range(4, 12)]
    for block, (first, end) in enumerate(BLOCKS):
        over = [(t, MACHINE_WORKS[t] - CEILINGS[block]) for t in range(first, end)]
        rows += [("3301000104", t, "limit", kw) for t, kw in over if kw > 0]
    rows += [("3301000105", t, "trip", 200.0) for t in range(8, 12)]
    rows += [("3301000108", t, "shift", 60.0) for t in range(8, 12)]
    rows += [("3301000108", t, "rebound", 54.0) for t in range(12, 16)]
    return rows


def metered() -> dict[tuple[str, int], float | None]:
    """What the meters say: mostly as ordered, and what went wrong. None: no value."""
    given = {(customer, t): kw if measure != "rebound" else -kw for customer, t, measure, kw in plan_rows()}
    found: dict[tuple[str, int], float | None] = {
        (customer, t): load[t] - given.get((customer, t), 0.0)
        for customer, load in LOADS.items()
        for t in range(PERIODS)
    }
    found["3301000102", 5] = found["3301000102", 6] = None
    found["3301000104", 6] = 500.0  # 11 % above its ceiling of 450
    found["3301000104", 7] = 470.0  # 4 %: within the tolerance
    found["3301000105", 9] = 30.0  # below the safety load of 50
    found["3301000101", 4] = 400.0  # began an interval late
    for t in range(8, 12):
        found["3301000108", t] = 150.0  # did nothing
    return found


def write_problem(folder: Path) -> Path:
    """The problem folder, with priority table; beside it plan, reserve, explanation, order and metered load."""
    problem = folder / "problem"
    problem.mkdir(parents=True, exist_ok=True)
    (problem / "meta.json").write_text(json.dumps(META), encoding="utf-8")
    (problem / "customers.csv").write_text("\n".join([COLUMNS, *CUSTOMERS]) + "\n", encoding="utf-8")
    _csv(
        problem / "baseline.csv",
        ["id", *(f"p{t}" for t in range(PERIODS))],
        [[customer, *load] for customer, load in LOADS.items()],
    )
    rooms = [0.0] * 12 + [300.0, 300.0, -1, -1]
    _csv(
        problem / "system.csv",
        ["period", "required_kw", "headroom_kw"],
        [[t, REQUIRED[t], rooms[t]] for t in range(PERIODS)],
    )
    _csv(problem / "areas.csv", ["area", "period", "required_kw"], [["L1", t, 90.0] for t in range(4, 8)])
    (problem / "priority.csv").write_text(PRIORITY, encoding="utf-8")
    _csv(folder / "plan.csv", ["customer", "period", "measure", "kw"], plan_rows())
    (folder / "order.toml").write_text(ORDER, encoding="utf-8")
    (folder / "reserve.csv").write_text(RESERVE, encoding="utf-8")
    (folder / "explanation.json").write_text(json.dumps(EXPLANATION), encoding="utf-8")
    rows = [
        [customer, (START + dt.timedelta(minutes=15 * (t + 1))).isoformat(), "" if kw is None else kw]
        for (customer, t), kw in metered().items()
    ]
    _csv(folder / "metered.csv", ["customer", "time", "kw"], rows)
    return folder


def source(folder: Path) -> PlanSource:
    """The checked plan of a written folder."""
    return read_source(
        folder / "problem", folder / "plan.csv", reserve=folder / "reserve.csv", explanation=folder / "explanation.json"
    )


def paper(folder: Path, workspace: Workspace | None, now: dt.datetime) -> PlanPaper:
    """The plan on its way to paper."""
    made = plan_paper(source(folder), parse_order(ORDER.encode()), workspace)
    return replace(made, office=replace(made.office, generated_at=now))


def evaluation(folder: Path, workspace: Workspace | None, now: dt.datetime) -> EvaluationPaper:
    """The evaluated event on its way to paper."""
    found = source(folder)
    curves = file_curves((folder / "metered.csv").read_bytes(), "metered.csv", found.zone, found.event.by_customer)
    made = evaluate(found, curves, workspace=workspace)
    return replace(made, office=replace(made.office, generated_at=now))


def documents(kind: str, folder: Path, workspace: Workspace | None, now: dt.datetime) -> list[Document]:
    """The documents of a kind about the event."""
    write_problem(folder)
    if kind == "shed_evaluation":
        return [shed_evaluation.document(evaluation(folder, workspace, now))]
    made = paper(folder, workspace, now)
    if kind == "shed_plan":
        return [shed_plan.document(made)]
    return [sheet for sheet in shed_sheet.documents(made) if sheet.account_no in ("3301000101", "3301000104")]


def _csv(path: Path, header: list[str], rows: list[list[object]] | list[tuple[str, int, str, float]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
