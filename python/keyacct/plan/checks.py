"""Judges a plan file by the rules of orderly power use. Reads the problem folder and the plan itself, line by line, and
shares nothing with the planner: not its reader, not its arithmetic.

Every breach names customer, period and rule. Unmet demand is no breach; it is counted.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keyacct.errors import InputError, from_os_error

TOLERANCE_KW = 0.01
THRESHOLD_KW = 1.0
HEADROOM_TOLERANCE_KW = 1.0
ENERGY_TOLERANCE_KWH = 0.05
ENERGY_TOLERANCE_SHARE = 1e-4

SHEDDING = ("shift", "avoid", "limit", "trip")


@dataclass(frozen=True)
class Breach:
    """One rule that a plan breaks: which customer (or area, or the whole system) and in which period."""

    rule: str
    detail: str
    customer: str | None = None
    area: str | None = None
    period: int | None = None
    line: int | None = None

    def sentence(self) -> str:
        """The breach as one sentence."""
        who = [
            f"customer {self.customer}" if self.customer is not None else "",
            f"area {self.area}" if self.area is not None else "",
            f"period {self.period}" if self.period is not None else "",
            f"line {self.line}" if self.line is not None else "",
        ]
        place = ", ".join(w for w in who if w) or "whole system"
        return f"{place}: {self.rule}: {self.detail}"

    def as_row(self) -> dict[str, Any]:
        """The breach as a row of a table."""
        return {
            "customer": self.customer,
            "area": self.area,
            "period": self.period,
            "line": self.line,
            "rule": self.rule,
            "detail": self.detail,
        }


@dataclass(frozen=True)
class Verdict:
    """What the check found: the breaches (none = accepted), and the figures of the plan as the checker counts them."""

    breaches: list[Breach]
    figures: dict[str, float]

    @property
    def accepted(self) -> bool:
        """Whether no rule is broken."""
        return not self.breaches


@dataclass(frozen=True)
class Held:
    """The plan in force when planning again: orders of blocks begun before `from_period` must stand as they are."""

    name: str
    content: bytes
    from_period: int


@dataclass(slots=True)
class _Customer:
    area: str
    cls: float
    weight: float
    safety: float
    shift: float
    avoid: float
    floor: float
    trip_ok: float
    notice: tuple[float, float, float, float]
    rho: float
    rebound: float
    max_blocks: float
    history: float
    rest: float
    ramp: float
    load: list[float] = field(default_factory=list)

    def most(self, measure: str, period: int) -> float:
        """Largest reduction that a measure gives in a period, kW."""
        load = self.load[period]
        room = load - self.safety
        if room <= 0.0:
            return 0.0
        if measure == "shift":
            return min(self.shift, room)
        if measure == "avoid":
            return min(self.avoid, room)
        if measure == "limit":
            return max(load - max(self.floor, self.safety), 0.0) if self.floor >= 0 else 0.0
        return room if self.trip_ok == 1 else 0.0


_Key = tuple[str, int, str]
"""Customer, period, measure."""


class _Folder:
    """A problem folder as the checker reads it."""

    def __init__(self, path: Path) -> None:
        meta = _json(path / "meta.json")
        try:
            self.hours = float(meta["minutes"]) / 60
            self.issue = int(meta["issue_period"])
            self.blocks = [(int(a), int(b)) for a, b in meta["blocks"]]
            self.windows = [(int(a), int(b)) for a, b in meta["return_windows"]]
            self.cost = {m: float(meta["cost_per_kwh"][m]) for m in SHEDDING}
            self.touch = float(meta["touch_cost"])
            self.unmet = float(meta["unmet_cost_per_kwh"])
            self.growth = float(meta["history_factor"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError("input.value", f"{type(error).__name__}: {error}", where={"file": "meta.json"}) from None
        self._system(path)
        self.block_of = {t: r for r, (a, b) in enumerate(self.blocks) for t in range(a, b)}
        self.window = {t for a, b in self.windows for t in range(a, b)}
        self._customers(path)
        self._loads(path)
        self.area_need: dict[tuple[str, int], float] = {}
        self.area_room: dict[tuple[str, int], float] = {}
        if (path / "areas.csv").exists():
            for line, row in _table(path / "areas.csv", ("area", "period", "required_kw")):
                where: dict[str, str | int] = {"file": "areas.csv", "line": line}
                key = (row["area"], int(_number(row["period"], where, "period")))
                self.area_need[key] = _number(row["required_kw"], where, "required_kw")
                room = _number(row.get("headroom_kw") or "-1", where, "headroom_kw", -1.0)
                if room >= 0:
                    self.area_room[key] = room

    def _system(self, path: Path) -> None:
        need: dict[int, float] = {}
        room: dict[int, float] = {}
        for line, row in _table(path / "system.csv", ("period", "required_kw", "headroom_kw")):
            where: dict[str, str | int] = {"file": "system.csv", "line": line}
            t = int(_number(row["period"], where, "period"))
            need[t] = _number(row["required_kw"], where, "required_kw")
            room[t] = _number(row["headroom_kw"], where, "headroom_kw", -1.0)
        if sorted(need) != list(range(len(need))):
            raise InputError("input.value", "the periods are not 0, 1, 2 … once each", where={"file": "system.csv"})
        self.periods = len(need)
        self.need = [need[t] for t in range(self.periods)]
        self.room = [room[t] for t in range(self.periods)]

    def _customers(self, path: Path) -> None:
        self.customers: dict[str, _Customer] = {}
        columns = (
            "cls", "weight", "safety_kw", "shift_kw", "avoid_kw", "limit_floor_kw", "trip_ok", "notice_shift",
            "notice_avoid", "notice_limit", "notice_trip", "rho", "rebound_kw", "max_blocks", "hist_h", "rest",
        )  # fmt: skip
        for line, row in _table(path / "customers.csv", ("id", "area", *columns)):
            where: dict[str, str | int] = {"file": "customers.csv", "line": line}
            v = [_number(row[c], where, c, -1.0 if c == "limit_floor_kw" else 0.0) for c in columns]
            ramp = row.get("ramp_kw")
            self.customers[row["id"]] = _Customer(
                row["area"], v[0], v[1], v[2], v[3], v[4], v[5], v[6], (v[7], v[8], v[9], v[10]), v[11], v[12], v[13],
                v[14], v[15], _number(ramp, where, "ramp_kw", -1.0) if ramp not in (None, "") else -1.0,
            )  # fmt: skip

    def _loads(self, path: Path) -> None:
        with _open(path / "baseline.csv") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            try:
                at = [header.index(f"p{t}") for t in range(self.periods)]
                key = header.index("id")
            except ValueError as error:
                raise InputError("input.schema", str(error), where={"file": "baseline.csv"}) from None
            in_order = at == list(range(at[0], at[0] + len(at))) if at else False
            for row in reader:
                if not row:
                    continue
                where: dict[str, str | int] = {"file": "baseline.csv", "line": reader.line_num}
                try:
                    cells = row[at[0] : at[-1] + 1] if in_order else [row[k] for k in at]
                    load = list(map(float, cells))
                    customer = self.customers[row[key]]
                except (ValueError, IndexError) as error:
                    raise InputError("input.value", str(error), where=where) from None
                except KeyError:
                    raise InputError("input.value", f"customer '{row[key]}' is unknown", where=where) from None
                if not math.isfinite(sum(load)) or min(load) < 0:
                    raise InputError("input.value", "a load is negative or no number", where=where)
                customer.load = load
        for name, customer in self.customers.items():
            if not customer.load:
                raise InputError("input.value", f"customer '{name}' has no row", where={"file": "baseline.csv"})


def check(folder: Path, plan: Path, *, held: Held | None = None) -> Verdict:
    """Judges a plan file.

    held: when planning again, the plan whose begun part must be repeated. Raises InputError when the problem folder is
    faulty, or when the plan cannot be read as a table at all; everything else is a breach.
    """
    problem = _Folder(folder)
    with _open(plan) as file:
        content = file.read()
    breaches: list[Breach] = []
    rows = _plan_rows(content, plan.name, problem, breaches)
    fixed: dict[_Key, float] = {}
    if (folder / "fixed.csv").exists():
        with _open(folder / "fixed.csv") as file:
            fixed = _plan_rows(file.read(), "fixed.csv", problem, None)
    kept: dict[tuple[str, int, str], dict[int, float]] = defaultdict(dict)
    if held is not None:
        old = _plan_rows(held.content.decode("utf-8-sig"), held.name, problem, None)
        for (name, t, measure), kw in old.items():
            block = problem.block_of.get(t)
            begun = t if measure == "rebound" or block is None else problem.blocks[block][0]
            if begun < held.from_period:
                fixed.setdefault((name, t, measure), kw)
            elif measure != "rebound" and block is not None:
                kept[name, block, measure][t] = kw
    return _Judge(problem, rows, fixed, kept, breaches).verdict()


class _Judge:
    def __init__(
        self,
        problem: _Folder,
        rows: dict[_Key, float],
        fixed: dict[_Key, float],
        kept: dict[tuple[str, int, str], dict[int, float]],
        breaches: list[Breach],
    ) -> None:
        self.problem, self.rows, self.fixed, self.kept, self.breaches = problem, rows, fixed, kept, breaches
        self.given = [0.0] * problem.periods
        self.area_given: dict[tuple[str, int], float] = defaultdict(float)
        self.kwh = dict.fromkeys(SHEDDING, 0.0)
        self.cost = 0.0
        self.touched = 0
        self.tripped = 0
        self.returning = [0.0] * problem.periods
        self.area_returning: dict[tuple[str, int], float] = defaultdict(float)

    def breach(self, rule: str, detail: str, customer: str | None = None, period: int | None = None) -> None:
        self.breaches.append(Breach(rule, detail, customer=customer, period=period))

    def verdict(self) -> Verdict:
        for (name, t, measure), kw in self.fixed.items():
            now = self.rows.get((name, t, measure), 0.0)
            if abs(now - kw) > TOLERANCE_KW:
                self.breach("fixed_changed", f"{measure} {now} kW, fixed are {kw} kW", name, t)
        by_customer: dict[str, list[tuple[int, str, float]]] = defaultdict(list)
        for (name, t, measure), kw in self.rows.items():
            if kw > 0.0:
                by_customer[name].append((t, measure, kw))
        for name in sorted(by_customer):
            self._customer(name, by_customer[name])
        self._headroom()
        p = self.problem
        short = sum(max(n - g, 0.0) for n, g in zip(p.need, self.given, strict=True))
        short += sum(max(n - self.area_given[k], 0.0) for k, n in p.area_need.items())
        unmet_kwh = short * p.hours
        figures = {
            "objective": self.cost + p.touch * self.touched + p.unmet * unmet_kwh,
            "unmet_kwh": unmet_kwh,
            **{f"{m}_kwh": kwh for m, kwh in self.kwh.items()},
            "touched": float(self.touched),
            "tripped": float(self.tripped),
        }
        return Verdict(self.breaches, figures)

    def _customer(self, name: str, entries: list[tuple[int, str, float]]) -> None:
        p, c = self.problem, self.problem.customers[name]
        orders: dict[tuple[int, str], dict[int, float]] = defaultdict(dict)
        back: dict[int, float] = {}
        for t, measure, kw in sorted(entries):
            if measure == "rebound":
                back[t] = kw
                if t not in p.window:
                    self.breach("outside_windows", "load comes back outside the return windows", name, t)
            elif t not in p.block_of:
                self.breach("outside_blocks", f"{measure} outside the time blocks", name, t)
            else:
                orders[p.block_of[t], measure][t] = kw
        moved_kwh = 0.0
        blocks: dict[int, str] = {}
        shed: dict[int, float] = defaultdict(float)
        limited: dict[int, float] = {}
        factor = c.weight * (1 + p.growth * c.history)
        for (block, measure), kws in sorted(orders.items()):
            first = p.blocks[block][0]
            if block in blocks:
                self.breach("two_measures", f"{blocks[block]} and {measure} in time block {block + 1}", name, first)
            blocks[block] = measure
            kwh = sum(kws.values()) * p.hours
            self.kwh[measure] += kwh
            self.cost += p.cost[measure] * kwh * factor
            moved_kwh += kwh * c.rho if measure == "shift" else 0.0
            for t, kw in kws.items():
                shed[t] += kw
                self.given[t] += kw
                self.area_given[c.area, t] += kw
            if measure == "limit":
                limited.update(kws)
            if not any((name, t, measure) in self.fixed for t in range(*p.blocks[block])):
                self._order(name, c, block, measure, kws)
        if blocks:
            self.touched += 1
            self.tripped += "trip" in blocks.values()
        if len(blocks) > c.max_blocks:
            self.breach("too_many_blocks", f"{len(blocks)} blocks, allowed are {c.max_blocks:.0f}", name)
        for t, kw in shed.items():
            is_fixed = any((name, t, m) in self.fixed for m in SHEDDING)
            if kw > max(c.load[t] - c.safety, 0.0) + TOLERANCE_KW and not is_fixed:
                self.breach("safety_load", f"{c.load[t] - kw:.3f} kW left, the safety load is {c.safety} kW", name, t)
        if c.ramp >= 0 and limited:
            for t in range(p.periods + 1):
                step = abs((limited.get(t, 0.0)) - limited.get(t - 1, 0.0))
                if step > c.ramp + TOLERANCE_KW:
                    self.breach("ramp", f"limitation changes by {step:.3f} kW, allowed are {c.ramp} kW", name, t)
        self._returns(name, c, back, moved_kwh)

    def _stands(self, name: str, block: int, measure: str, kws: dict[int, float]) -> bool:
        """Whether the order is out already, a limit with this ceiling."""
        old = self.kept.get((name, block, measure))
        if old is None:
            return False
        periods = range(*self.problem.blocks[block])
        return measure != "limit" or all(abs(old.get(t, 0.0) - kws.get(t, 0.0)) <= TOLERANCE_KW for t in periods)

    def _order(self, name: str, c: _Customer, block: int, measure: str, kws: dict[int, float]) -> None:
        p = self.problem
        first, end = p.blocks[block]
        if c.cls == 0:
            self.breach("protected", f"{measure} ordered from a protected customer", name, first)
            return
        if measure != "shift" and c.rest == 1:
            self.breach("rest", f"{measure} ordered on a rest day, only shift is open", name, first)
        notice = c.notice[SHEDDING.index(measure)]
        if first < p.issue + notice and not self._stands(name, block, measure, kws):
            detail = f"{measure} needs {notice:.0f} periods, issued in {p.issue}, begins in {first}"
            self.breach("notice", detail, name, first)
        most = [c.most(measure, t) for t in range(first, end)]
        if min(most) <= THRESHOLD_KW:
            t = first + most.index(min(most))
            self.breach("not_open", f"{measure} could give {min(most):.3f} kW, more than 1 kW is needed", name, t)
        if measure == "limit":
            self._ceiling(name, c, range(first, end), kws)
            return
        for t, top in zip(range(first, end), most, strict=True):
            kw = kws.get(t, 0.0)
            if kw > top + TOLERANCE_KW:
                self.breach("too_much", f"{measure} {kw} kW, possible are {top:.3f} kW", name, t)
            elif kw < top - TOLERANCE_KW:
                self.breach("half_block", f"{measure} {kw} kW, the whole block is {top:.3f} kW", name, t)

    def _ceiling(self, name: str, c: _Customer, span: range, kws: dict[int, float]) -> None:
        at = [c.load[t] - kw for t, kw in kws.items()]
        ceiling = (min(at) + max(at)) / 2
        for t in span:
            kw = kws.get(t, 0.0)
            right = max(c.load[t] - ceiling, 0.0)
            if abs(kw - right) > TOLERANCE_KW:
                self.breach("ceiling_varies", f"{kw} kW, one ceiling of {ceiling:.3f} kW gives {right:.3f} kW", name, t)
        lowest = max(c.floor, c.safety)
        if ceiling < lowest - TOLERANCE_KW:
            self.breach("ceiling_too_low", f"ceiling {ceiling:.3f} kW, the lowest is {lowest} kW", name, span.start)

    def _returns(self, name: str, c: _Customer, back: dict[int, float], moved_kwh: float) -> None:
        if not back and moved_kwh == 0.0:
            return
        p = self.problem
        if c.cls == 0 and back:
            self.breach("protected", "load comes back to a protected customer", name, min(back))
        kwh = sum(back.values()) * p.hours
        if abs(kwh - moved_kwh) > ENERGY_TOLERANCE_KWH + ENERGY_TOLERANCE_SHARE * moved_kwh:
            self.breach("returned_energy", f"{kwh:.3f} kWh come back, {moved_kwh:.3f} kWh are due", name)
        for t, kw in back.items():
            self.returning[t] += kw
            self.area_returning[c.area, t] += kw
            if kw > c.rebound + TOLERANCE_KW:
                self.breach("rebound_kw", f"{kw} kW come back, allowed are {c.rebound} kW", name, t)

    def _headroom(self) -> None:
        p = self.problem
        for t, kw in enumerate(self.returning):
            if p.room[t] >= 0 and kw > p.room[t] + HEADROOM_TOLERANCE_KW:
                self.breach("headroom", f"{kw:.3f} kW come back, there is room for {p.room[t]} kW", period=t)
        for (area, t), room in p.area_room.items():
            kw = self.area_returning[area, t]
            if kw > room + HEADROOM_TOLERANCE_KW:
                detail = f"{kw:.3f} kW come back, there is room for {room} kW"
                self.breaches.append(Breach("area_headroom", detail, area=area, period=t))


def _plan_rows(content: str, file: str, p: _Folder, breaches: list[Breach] | None) -> dict[_Key, float]:
    """The rows of a plan file. Bad rows become breaches; where None is given for those, an InputError."""
    reader = csv.reader(io.StringIO(content))
    header = next(reader, [])
    missing = [c for c in ("customer", "period", "measure", "kw") if c not in header]
    if missing:
        raise InputError("input.schema", f"the column '{missing[0]}' is missing", where={"file": file})
    where = [header.index(c) for c in ("customer", "period", "measure", "kw")]
    rows: dict[_Key, float] = {}
    periods = {str(t): t for t in range(p.periods)}
    for row in reader:
        if not row:
            continue
        rule = ""
        if len(row) != len(header):
            rule, detail, name = "malformed_row", f"{len(row)} fields, the header has {len(header)}", None
        else:
            name, period, measure, text = (row[k] for k in where)
            if name not in p.customers:
                rule, detail = "unknown_customer", f"'{name}' is not in customers.csv"
            elif period not in periods:
                rule, detail = "unknown_period", f"'{period}' is none of 0 to {p.periods - 1}"
            elif measure not in SHEDDING and measure != "rebound":
                rule, detail = "unknown_measure", f"'{measure}' is none of shift, avoid, limit, trip, rebound"
            else:
                try:
                    kw = float(text)
                except ValueError:
                    kw = math.nan
                key = (name, periods[period], measure)
                if not math.isfinite(kw) or kw < 0:
                    rule, detail = "bad_kw", f"'{text}' is no number of kW from 0 up"
                elif key in rows:
                    rule, detail = "row_twice", f"{measure} in period {period} stands twice"
                else:
                    rows[key] = kw
        if rule:
            if breaches is None:
                raise InputError("input.value", f"{rule}: {detail}", where={"file": file, "line": reader.line_num})
            breaches.append(Breach(rule, detail, customer=name, line=reader.line_num))
    return rows


def _open(path: Path) -> io.StringIO:
    try:
        return io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(path)) from None
    except UnicodeDecodeError:
        raise InputError("input.format", "the text is not UTF-8", where={"file": str(path)}) from None


def _json(path: Path) -> dict[str, Any]:
    with _open(path) as file:
        try:
            document = json.load(file)
        except ValueError as error:
            raise InputError("input.format", f"no JSON document: {error}", where={"file": path.name}) from None
    if not isinstance(document, dict):
        raise InputError("input.format", "a JSON object is needed", where={"file": path.name})
    return document


def _table(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    with _open(path) as file:
        reader = csv.DictReader(file)
        missing = [c for c in columns if c not in (reader.fieldnames or [])]
        if missing:
            raise InputError("input.schema", f"the column '{missing[0]}' is missing", where={"file": path.name})
        for row in reader:
            if None in row or None in row.values():
                where: dict[str, str | int] = {"file": path.name, "line": reader.line_num}
                raise InputError("input.format", "the row has too many or too few fields", where=where)
            yield reader.line_num, row


def _number(text: str, where: dict[str, str | int], column: str, low: float = 0.0) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < low:
        raise InputError("input.value", f"'{text}' is no number from {low:g} up", where={**where, "column": column})
    return value
