"""The plan document: what one more MW costs, how good the plan is, why these customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keyacct.i18n import Text
from keyacct.report.document import Note, Section, Table, Value
from keyacct.report.sections import shed_columns as c
from keyacct.report.sections.common import number
from keyacct.report.sections.shed_gap import WHOLE
from keyacct.report.shed_paper import MEASURE_NAMES, PlanPaper

RULES = {
    "notice": Text("no notice periods", "不受通知时间约束"),
    "rest": Text("no rest days", "不受轮休约束"),
    "remote_switch": Text("remote switching everywhere", "全部可远方控制"),
    "max_blocks": Text("one more block a day for everybody", "每户每日多一个时段"),
    "rebound": Text("no limits on returning load", "不受返回负荷约束"),
}


def prices(paper: PlanPaper) -> list[Section]:
    """The planner's prices, bound and reasons, where they are at hand."""
    found = paper.explanation
    if found is None:
        return []
    rows: list[dict[str, Value]] = []
    for block in found.get("blocks", ()):
        rows.append({"block": int(block["block"]), "scope": WHOLE, "cost_per_mw": float(block["cost_of_one_more_mw"])})
        for area, cost in sorted(block.get("cost_of_one_more_mw_by_area", {}).items()):
            scope = Text(f"area {area}", f"区域 {area}")
            rows.append({"block": int(block["block"]), "scope": scope, "cost_per_mw": float(cost)})
    notes = []
    if {"objective", "bound", "gap"} <= set(found):
        gap = number(float(found["gap"]), 2, percent=True)
        objective, bound = number(float(found["objective"]), 1), number(float(found["bound"]), 1)
        text = Text(
            f"Objective {objective}; proved: no allowed plan is below {bound}, so at most {gap} % could be saved.",
            f"目标值 {objective}; 已证明任何可行方案不低于 {bound}, 至多可再省 {gap} %。",
        )
        notes.append(Note("info", text))
    reliefs = [r for r in found.get("reliefs", ()) if r["rule"] in RULES and float(r["saving_at_most"]) > 0]
    if reliefs:
        best = max(reliefs, key=lambda r: float(r["saving_at_most"]))
        saving, rule = number(float(best["saving_at_most"]), 1), RULES[best["rule"]]
        text = Text(
            f"The limit that would help most if it fell: {rule.en} (at most {saving} of the objective).",
            f"放宽后最有帮助的约束: {rule.zh} (目标值至多减少 {saving})。",
        )
        notes.append(Note("info", text))
    reasons = [_reason(paper, reason) for reason in found.get("customers", ()) if reason["verdict"] == "chosen"]
    tables: list[Table] = [c.PRICES_TABLE.fill(rows)] if rows else []
    if reasons:
        tables.append(c.REASONS_TABLE.fill(reasons))
    return [Section("prices", Text("Prices and reasons", "价格与理由"), tuple(tables), (), tuple(notes))]


def _reason(paper: PlanPaper, reason: Mapping[str, Any]) -> dict[str, Value]:
    def said(of: int) -> str:
        return "; ".join(
            f"{MEASURE_NAMES[o['measure']][of]} {number(o['mean_kw'], 1)} kW @{o['block']}: "
            f"{number(o['cost'], 1)} / {number(o['worth'], 1)}"
            for o in reason["orders"]
        )

    return {
        "account": str(reason["customer"]), "account_name": paper.names.get(str(reason["customer"])) or None,
        "cls": int(reason["cls"]), "reason": Text(said(0), said(1)),
    }  # fmt: skip
