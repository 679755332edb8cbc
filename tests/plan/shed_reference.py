"""The model as one mixed-integer programme for HiGHS, with ceilings at every load of the block: slow and obvious.

The ceilings offered are a part of those allowed, so its optimum is never below that of the problem itself.
"""

from __future__ import annotations

from typing import Any

import highspy

MEASURES = ("shift", "avoid", "limit", "trip")


def optimum(problem: dict[str, Any]) -> float:
    """The optimal objective J over the offered ceilings."""
    meta, loads = problem["meta"], problem["loads"]
    dt = meta["minutes"] / 60
    h = highspy.Highs()
    h.silent()
    h.setOptionValue("mip_rel_gap", 1e-9)
    h.setOptionValue("threads", 1)
    terms: list[Any] = []
    given: dict[int, list[Any]] = {}
    area_given: dict[tuple[str, int], list[Any]] = {}
    returning: dict[int, list[Any]] = {}
    room = {t: kw for t, _, kw in problem["system"]}
    for c in problem["customers"]:
        burden = c["weight"] * (1 + meta["history_factor"] * c["hist_h"])
        b, used, shifted = loads[c["id"]], [], []
        for first, end in meta["blocks"]:
            here = []
            for m in MEASURES:
                if c["cls"] == 0 or (m != "shift" and c["rest"]) or first < meta["issue_period"] + c[f"notice_{m}"]:
                    continue
                span = range(first, end)
                free = [max(b[t] - c["safety_kw"], 0.0) for t in span]
                if m == "limit":
                    if c["limit_floor_kw"] < 0:
                        continue
                    floor = max(c["limit_floor_kw"], c["safety_kw"])
                    ceilings = sorted({floor, *(b[t] for t in span if b[t] > floor)})
                    quantities = [[max(b[t] - p, 0.0) for t in span] for p in ceilings]
                elif m == "trip":
                    quantities = [free] if c["trip_ok"] else []
                else:
                    quantities = [[min(c[f"{m}_kw"], f) for f in free]]
                if not quantities or min(quantities[0]) <= 1.0:
                    continue
                for q in quantities:
                    y = h.addBinary()
                    here.append(y)
                    terms.append(meta["cost_per_kwh"][m] * burden * sum(q) * dt * y)
                    for t, kw in zip(span, q, strict=True):
                        given.setdefault(t, []).append(kw * y)
                        area_given.setdefault((c["area"], t), []).append(kw * y)
                    if m == "shift":
                        shifted.append(c["rho"] * sum(q) * dt * y)
            if here:
                used.append(h.qsum(here))
        if not used:
            continue
        touched = h.addBinary()
        terms.append(meta["touch_cost"] * touched)
        for block in used:
            h.addConstr(block <= touched)
        h.addConstr(h.qsum(used) <= c["max_blocks"] * touched)
        if shifted:
            back = []
            for first, end in meta["return_windows"]:
                for t in range(first, end):
                    z = h.addVariable(0, c["rebound_kw"])
                    back.append(dt * z)
                    returning.setdefault(t, []).append(z)
            h.addConstr(h.qsum(back) == h.qsum(shifted))
    for t, z in returning.items():
        if room[t] >= 0:
            h.addConstr(h.qsum(z) <= room[t])
    needs = [(given.get(t, []), kw) for t, kw, _ in problem["system"] if kw > 0]
    needs += [(area_given.get((a, t), []), kw) for a, t, kw in problem["areas"] if kw > 0]
    for supply, kw in needs:
        unmet = h.addVariable(0)
        terms.append(meta["unmet_cost_per_kwh"] * dt * unmet)
        h.addConstr(h.qsum([*supply, 1.0 * unmet]) >= kw)
    h.minimize(h.qsum(terms))
    return float(h.getInfo().objective_function_value)
