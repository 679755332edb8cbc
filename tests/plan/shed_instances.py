"""Seeded problem folders for the tests: any number of customers, every rule of the model on somebody."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

BLOCKS = [[2, 5], [5, 7]]
WINDOWS = [[8, 10], [10, 12]]
PERIODS = 12

Problem = dict[str, Any]


def make(seed: int, n: int, share: float = 0.08, *, extras: bool = False) -> Problem:
    """A problem as plain data: meta, customers, loads, system, areas. extras: ramps and headroom that binds."""
    r = random.Random(seed)
    customers: list[dict[str, Any]] = []
    loads: dict[str, list[float]] = {}
    for k in range(n):
        size = r.uniform(60, 900)
        name = f"c{k}"
        loads[name] = [round(size * r.uniform(0.7, 1.1), 3) for _ in range(PERIODS)]
        safety = round(size * r.uniform(0.02, 0.3), 3)
        shift = round(size * r.uniform(0.05, 0.3), 3) if r.random() < 0.5 else 0
        customers.append(
            {
                "id": name,
                "area": str(r.randrange(3)),
                "cls": r.choice([0, 1, 2, 3, 4, 4]),
                "weight": round(r.uniform(0.8, 4.5), 3),
                "safety_kw": safety,
                "shift_kw": shift,
                "avoid_kw": round(size * r.uniform(0.05, 0.3), 3) if r.random() < 0.5 else 0,
                "limit_floor_kw": round(size * r.uniform(0.3, 0.6), 3) if r.random() < 0.6 else -1,
                "trip_ok": int(r.random() < 0.4),
                "notice_shift": r.choice([0, 1, 4]),
                "notice_avoid": r.choice([0, 1, 4]),
                "notice_limit": r.choice([0, 1, 4]),
                "notice_trip": r.choice([0, 1]),
                "rho": round(r.uniform(0.9, 1.1), 3),
                "rebound_kw": round(shift * r.uniform(0.5, 1.5), 3),
                "max_blocks": r.choice([0, 1, 1, 2]),
                "hist_h": r.choice([0, 0, 4, 16]),
                "rest": int(r.random() < 0.1),
                "rank": k,
                "ramp_kw": round(size * 0.3, 1) if extras and r.random() < 0.3 else -1,
            }
        )
    total = [sum(load[t] for load in loads.values()) for t in range(PERIODS)]
    event = [t for a, b in BLOCKS for t in range(a, b)]
    need = [round(total[t] * share * r.uniform(0.9, 1.1), 3) if t in event else 0 for t in range(PERIODS)]
    room = round(0.04 * total[8], 3) if extras else -1
    area = list(range(*BLOCKS[0]))
    inside = [c["id"] for c in customers if c["area"] == "1"]
    areas = [["1", t, round(sum(loads[c][t] for c in inside) * share, 3)] for t in area] if inside else []
    meta = {
        "start": "2025-07-15T08:00:00+08:00", "zone": "Asia/Shanghai", "minutes": 15, "issue_period": 1,
        "blocks": BLOCKS, "return_windows": WINDOWS, "history_factor": 0.02, "touch_cost": 20,
        "unmet_cost_per_kwh": 2000, "cost_per_kwh": {"shift": 1, "avoid": 3, "limit": 8, "trip": 40},
    }  # fmt: skip
    system = [[t, need[t], room if t >= WINDOWS[0][0] else 0] for t in range(PERIODS)]
    return {"meta": meta, "customers": customers, "loads": loads, "system": system, "areas": areas}


def write(problem: Problem, folder: Path, *, order: int | None = None) -> Path:
    """Writes the problem folder; `order` shuffles the rows of every table."""
    folder.mkdir(parents=True, exist_ok=True)
    r = random.Random(order)

    def table(name: str, header: list[str], rows: list[list[Any]]) -> None:
        if order is not None:
            r.shuffle(rows)
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])

    (folder / "meta.json").write_text(json.dumps(problem["meta"]), encoding="utf-8")
    header = list(problem["customers"][0])
    table("customers.csv", header, [[c[h] for h in header] for c in problem["customers"]])
    table("baseline.csv", ["id", *(f"p{t}" for t in range(PERIODS))], [[k, *v] for k, v in problem["loads"].items()])
    table("system.csv", ["period", "required_kw", "headroom_kw"], [list(s) for s in problem["system"]])
    if problem["areas"]:
        table("areas.csv", ["area", "period", "required_kw"], [list(a) for a in problem["areas"]])
    return folder
