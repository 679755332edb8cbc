"""The planner's reasons as documents: customer by customer, and for the plan as a whole."""

from __future__ import annotations

from typing import Any

from keyacct.i18n import Text
from keyacct.plan.folder import ProblemFolder
from keyacct.plan.planner import Planned

BECAUSE: dict[str, Text] = {
    "protected": Text("protected customer", "受保护客户"),
    "rest": Text("resting today, only shift would be open", "今日轮休, 仅可错峰"),
    "notice": Text("the notice is too short", "通知时间不足"),
    "too_little": Text("gives no more than 1 kW in some period", "个别时段可控不足 1 kW"),
    "absent": Text("no measure is agreed with this customer", "无可用措施"),
    "max_blocks": Text("no block a day is allowed", "当日不得安排"),
    "price": Text("by price", "按价格"),
}

RULES: dict[str, Text] = {
    "notice": Text("notice", "通知时间"),
    "rest": Text("rest days", "轮休"),
    "remote_switch": Text("remote switching", "远方可控"),
    "max_blocks": Text("one more block a day for everybody", "每户每日多一个时段块"),
    "rebound": Text("limits on returning load", "负荷反弹限制"),
}


def sentence(reason: dict[str, Any]) -> str:
    """One reason as one sentence."""
    if reason["verdict"] == "chosen":
        parts = [
            f"{o['measure']} {o['mean_kw']:.1f} kW @{o['block']}: {o['cost']:.2f} / {o['worth']:.2f}"
            for o in reason["orders"]
        ]
        return str(Text("chosen (cost / worth): ", "采用 (代价/价值): ")) + "; ".join(parts)
    text = str(BECAUSE[reason["because"]])
    nearest = reason["next"]
    if reason["because"] == "price" and nearest is not None:
        text += (
            f": {nearest['measure']} {nearest['mean_kw']:.1f} kW @{nearest['block']}: "
            f"{nearest['cost']:.2f} > {nearest['worth']:.2f}"
            if nearest["cost"] > nearest["worth"]
            else f": {nearest['measure']} {nearest['mean_kw']:.1f} kW @{nearest['block']}"
        )
    return text


def reason_rows(planned: Planned) -> list[dict[str, Any]]:
    """One flat row per customer: class, verdict, cost and worth of his orders, his best alternative."""
    rows = []
    for reason in planned.reasons:
        nearest = reason["next"] or {}
        rows.append(
            {
                "customer": reason["customer"],
                "cls": reason["cls"],
                "weight": reason["weight"],
                "history_h": reason["history_h"],
                "verdict": reason["verdict"],
                "because": reason["because"],
                "orders": len(reason["orders"]),
                "cost": round(sum(o["cost"] for o in reason["orders"]), 4),
                "worth": round(sum(o["worth"] for o in reason["orders"]), 4),
                "next_measure": nearest.get("measure", ""),
                "next_block": nearest.get("block", ""),
                "next_mean_kw": round(nearest["mean_kw"], 3) if nearest else "",
                "next_cost": round(nearest["cost"], 4) if nearest else "",
                "next_worth": round(nearest["worth"], 4) if nearest else "",
                "sentence": sentence(reason),
            }
        )
    return rows


def explanation(folder: ProblemFolder, planned: Planned) -> dict[str, Any]:
    """The whole explanation: certificate, cost of one more MW per block, the limits that matter, the customers."""
    terms = folder.terms
    blocks = []
    for number, (first, end) in enumerate(sorted(terms.blocks), 1):
        per_kw: dict[str | None, float] = {None: 0.0}
        for kind, area, period, price, _ in planned.binding:
            if kind in ("cover", "area_cover") and period is not None and first <= period < end:
                per_kw[area] = per_kw.get(area, 0.0) + price
        begin = terms.begin_of(first)
        blocks.append(
            {
                "block": number,
                "first_period": first,
                "end_period": end,
                "begins_at": begin.isoformat() if begin is not None else None,
                "cost_of_one_more_mw": round(1000 * per_kw[None], 2),
                "cost_of_one_more_mw_by_area": {a: round(1000 * v, 2) for a, v in per_kw.items() if a is not None},
            }
        )
    reliefs = [
        {"rule": rule, "text": str(RULES[rule]), "saving_at_most": round(saving, 2)} for rule, saving in planned.reliefs
    ]
    return {
        "objective": round(planned.figures["objective"], 4),
        "bound": round(planned.bound, 4),
        "gap": round(planned.gap, 6),
        "unmet_kwh": round(planned.figures["unmet_kwh"], 4),
        "shortfall": [{"area": a, "period": t, "kw": round(kw, 4)} for a, t, kw in planned.shortfall],
        "binding": [
            {"row": kind, "area": area, "period": period, "price": price, "amount": amount}
            for kind, area, period, price, amount in planned.binding
        ],
        "blocks": blocks,
        "reliefs": reliefs,
        "customers": [{**reason, "sentence": sentence(reason)} for reason in planned.reasons],
    }
