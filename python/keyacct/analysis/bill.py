"""The frozen bill of an account's settlement cycle: registers at both ends, part by part, energies, demand, power factor.

A part is a run of time in which a metering point has one meter and one multiplier. An exchange or a changed ratio in the
middle of a cycle makes two parts, each with its own readings; nothing is ever computed across the seam.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from keyacct import clock
from keyacct.analysis.bill_losses import PartLoss, has_reactive, lag_of, loss_lines, part_loss, plain
from keyacct.analysis.billable_demand import NOTHING, BillableDemand, demand_of_part, of_cycles
from keyacct.analysis.billing_registry import BillingRegistry, Json, Part, cycles_of, parts_of
from keyacct.analysis.frozen_registers import ESTIMATED, HOUR_MS, MISSING, QUANTITIES, FrozenRegisters, Reading
from keyacct.analysis.pf_adjustment import HUNDREDTH, RULE_1983, assessed
from keyacct.analysis.power_factor import by_quadrant, factor_of
from keyacct.analysis.settlement import Cycle
from keyacct.analysis.transformer_loss import TransformerLosses
from keyacct.config import Workspace
from keyacct.model import Period
from keyacct.registry.parameters import point_parameters

UNITS = {name: "kWh" if name in ("import", "export") else "kvarh" for name in QUANTITIES}
ROLLOVER_ABOVE, ROLLOVER_BELOW = Decimal("0.9"), Decimal("0.1")
"""A register that falls has rolled over only from the last tenth of its range into the first (domain: register_decrease)."""
ENERGY_UNIT = Decimal("0.0001")


@dataclass
class _Sums:
    """Energies of an account, kWh and kvarh, by quantity and tariff; unknown: of which a part lacks, so that the sum of the
    others must not pass for them (every_unknown: of all); what lacks and what was met.
    """

    energy: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    of_part: dict[Part, dict[tuple[str, str], Decimal | None]] = field(default_factory=dict)
    losses: list[PartLoss] = field(default_factory=list)
    unknown: set[tuple[str, str]] = field(default_factory=set)
    every_unknown: bool = False
    missing: list[Json] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    estimated: bool = False


def bills(workspace: Workspace, period: Period, accounts: Sequence[str] | None = None) -> Iterator[Json]:
    """The bill of every cycle that ends in a period, by account and time; a cycle that has not ended yet says so.

    A bill is plain JSON: numbers as decimal text, instants ISO 8601 in the workspace's zone. Its keys: account_no,
    account_name, cycle_from, cycle_to, from_ms, to_ms, complete, estimated, contract, energies (quantity → tariff period or
    `total` → text), demand, power_factor, readings, demands, exchanges, missing (what, where and why), flags;
    for an account metered behind its transformer also losses, loss and settled (`loss_lines`). The same
    readings and registry give the same bill. Raises ConfigError for unknown accounts.
    """
    found = cycles_of(workspace, period, accounts)
    if not found:
        return
    low, high = min(c.from_ms for c in found), max(c.to_ms for c in found)
    table = point_parameters(workspace, low, high, accounts)
    rows = [row for row in table.to_pylist() if row["kind"] == "billing"]
    losses = TransformerLosses(workspace, table, low, high)
    by_account: dict[str, list[Json]] = {}
    for row in rows:
        if row["account_no"] is not None:
            by_account.setdefault(row["account_no"], []).append(row)
    register = BillingRegistry(workspace)
    now = clock.now_ms()
    parts = {c: parts_of(by_account.get(c.account_no, []), c) for c in found}
    ended = [c for c in found if c.to_ms <= now]
    needs = {(p.meter, at) for c in ended for p in parts[c] for at in (p.from_ms, p.to_ms)}
    frozen = FrozenRegisters(workspace, needs, register.decimals)
    demands = of_cycles(workspace, {c: parts[c] for c in ended if parts[c]}, frozen)
    for cycle in found:
        if cycle.to_ms > now:
            if parts[cycle]:
                yield _Bill(workspace, cycle, [], [], register, frozen, NOTHING, losses).not_ended()
            continue
        if parts[cycle] or register.had_points(cycle):
            own = [r for r in by_account.get(cycle.account_no, []) if r["from_ms"] < cycle.to_ms > cycle.from_ms]
            yield _Bill(
                workspace, cycle, parts[cycle], own, register, frozen, demands.get(cycle, NOTHING), losses
            ).body()


class _Bill:
    """One bill in the making."""

    def __init__(
        self, workspace: Workspace, cycle: Cycle, parts: Sequence[Part], rows: Sequence[Json], register: BillingRegistry,
        frozen: FrozenRegisters, billable: BillableDemand, losses: TransformerLosses,
    ) -> None:  # fmt: skip
        self.billable, self.losses = billable, losses
        self.workspace, self.cycle, self.parts, self.rows = workspace, cycle, parts, rows
        self.register, self.frozen = register, frozen
        self.settings = workspace.settings.billing
        self.sums = _Sums()
        self.terms = register.term(cycle.account_no, cycle.to_ms - 1)
        self.standard = register.standard(cycle.account_no, cycle.to_ms - 1)

    def not_ended(self) -> Json:
        """A cycle that runs still."""
        self._lacks(None, None, self.cycle.to_ms, "cycle", "the cycle has not ended yet")
        return self._document([], [])

    def body(self) -> Json:
        """The whole bill."""
        self._gaps()
        readings = [row for part in self.parts for row in self._readings(part)]
        self._lose()
        demands = [row for part in self.parts for row in self._demands(part)]
        return self._document(readings, demands)

    def _document(self, readings: list[Json], demands: list[Json]) -> Json:
        sums = self.sums
        demand = self._demand(demands)
        factor = self._power_factor()
        cycle = self.cycle
        return {
            "account_no": cycle.account_no, "account_name": self.register.names.get(cycle.account_no),
            "cycle_from": self._local(cycle.from_ms), "cycle_to": self._local(cycle.to_ms),
            "from_ms": cycle.from_ms, "to_ms": cycle.to_ms,
            "contract": {
                name: plain(self.terms.get(name))
                for name in ("tariff_mode", "voltage_level_kv", "contract_capacity_kva", "running_capacity_kva",
                             "contract_demand_kw")
            },
            "energies": self._told(sums.energy),
            **loss_lines(sums.losses, sums.energy, self._told, self._local, estimated=sums.estimated),
            "demand": demand, "power_factor": factor, "readings": readings, "demands": demands,
            "exchanges": self._exchanges(), "missing": sums.missing, "flags": sorted(sums.flags),
            "estimated": sums.estimated, "complete": not sums.missing,
        }  # fmt: skip

    def _told(self, energy: Mapping[str, Mapping[str, Decimal]]) -> Json:
        """Energies as text; what a part lacks is not known of the whole."""
        sums = self.sums
        return {
            quantity: {
                tariff: None if sums.every_unknown or (quantity, tariff) in sums.unknown else plain(value)
                for tariff, value in sorted(by.items())
            }
            for quantity, by in sorted(energy.items())
        }  # fmt: skip

    def _lose(self) -> None:
        """Finds the losses of transformers before the meters; what is due and cannot be known is missing."""
        settings = self.workspace.settings.power_factor
        for part in self.parts:
            energies = self.sums.of_part.get(part, {})
            found = part_loss(part, self.rows, energies, self.losses, settings)
            if found is None:
                continue
            self.sums.losses.append(found)
            if found.loss is None:
                self.sums.flags.add(f"loss_unknown:{part.point}")
                self._lacks(part.point, part.meter, part.to_ms, "transformer_loss", found.why or "")
            else:
                self.sums.flags.add(f"transformer_loss:{part.point}")
                if found.by_time:
                    self.sums.flags.add(f"loss_by_time:{part.point}")
                if not found.by_tariff and any(tariff != "total" for _, tariff in energies):
                    self.sums.flags.add(f"loss_not_divided:{part.point}")

    def _gaps(self) -> None:
        """Time in which a point of the account had no meter."""
        for point, start, end in self.register.points(self.cycle):
            at = start
            for part in (part for part in self.parts if part.point == point):
                if part.from_ms > at:
                    self.sums.every_unknown = True
                    self._lacks(point, None, at, "meter", f"no meter until {self._local(part.from_ms)}")
                at = max(at, part.to_ms)
            if at < end:
                self.sums.every_unknown = True
                self._lacks(point, None, at, "meter", f"no meter until {self._local(end)}")

    def _readings(self, part: Part) -> Iterator[Json]:
        if part.multiplier is None:
            self.sums.every_unknown = True
            self._lacks(part.point, part.meter, part.from_ms, "ratio", "the point has no PT and CT ratio")
            return
        names = {0: "total", **dict(enumerate(self.settings.tariffs, 1))}
        known = self.frozen.registers(part.meter, part.from_ms) | self.frozen.registers(part.meter, part.to_ms)
        needed = {("import", 0)}
        if part.tariffs:
            needed |= {("import", tariff) for tariff in names if tariff}
        if self.standard is not None and not any(q not in ("import", "export") for q, _ in known):
            needed.add(("reactive_import", 0))
        tariff_sum: dict[str, Decimal] = {}
        for quantity in QUANTITIES:
            for tariff, name in names.items():
                if (quantity, tariff) not in known | needed:
                    continue
                row, energy = self._register(part, quantity, tariff, name)
                self.sums.of_part.setdefault(part, {})[quantity, name] = energy
                yield row
                if energy is None:
                    self.sums.unknown.add((quantity, name))
                    self.sums.energy.setdefault(quantity, {}).setdefault(name, Decimal(0))
                else:
                    by = self.sums.energy.setdefault(quantity, {})
                    by[name] = by.get(name, Decimal(0)) + energy
                    key = quantity if tariff else f"{quantity}/total"
                    tariff_sum[key] = tariff_sum.get(key, Decimal(0)) + energy
        self._compare_tariffs(part, tariff_sum, len(names))

    def _compare_tariffs(self, part: Part, sums: Mapping[str, Decimal], count: int) -> None:
        """Each register may be cut by one last digit at each end; what differs by more is noted."""
        tolerance = count * Decimal(1).scaleb(-self.register.decimals.get(part.meter, 2)) * (part.multiplier or 1)
        for quantity in QUANTITIES:
            total, split = sums.get(f"{quantity}/total"), sums.get(quantity)
            if total is not None and split is not None and abs(total - split) > tolerance:
                self.sums.flags.add(f"tariff_sum_differs:{part.meter}:{quantity}:{plain(split - total)}")

    def _register(self, part: Part, quantity: str, tariff: int, name: str) -> tuple[Json, Decimal | None]:
        begin = self.frozen.at(part.meter, part.from_ms, quantity, tariff)
        end = self.frozen.at(part.meter, part.to_ms, quantity, tariff)
        what = f"{quantity} {name}"
        for reading, at in ((begin, part.from_ms), (end, part.to_ms)):
            if reading is None:
                self._lacks(part.point, part.meter, at, what, self._why(part, at))
            elif reading.quality == ESTIMATED:
                self.sums.estimated = True
            if reading is not None and reading.doubtful:
                self.sums.flags.add(f"doubtful_reading:{part.meter}")
        difference, flags = self._difference(part, begin, end, what)
        energy = None
        if difference is not None and part.multiplier is not None:
            energy = (difference * part.multiplier).quantize(ENERGY_UNIT, ROUND_HALF_UP)
            flags += self._jump(part, quantity, energy)
        row = {
            "point": part.point, "meter": part.meter, "part_from": self._local(part.from_ms),
            "part_to": self._local(part.to_ms), "quantity": quantity, "tariff": name, "unit": UNITS[quantity],
            "begin": plain(begin.value if begin else None), "begin_basis": begin.basis if begin else None,
            "begin_quality": begin.quality if begin else MISSING,
            "end": plain(end.value if end else None), "end_basis": end.basis if end else None,
            "end_quality": end.quality if end else MISSING,
            "difference": plain(difference), "multiplier": plain(part.multiplier), "pt": plain(part.pt),
            "ct": plain(part.ct), "energy": plain(energy), "flags": flags,
        }  # fmt: skip
        return row, energy

    def _difference(
        self, part: Part, begin: Reading | None, end: Reading | None, what: str
    ) -> tuple[Decimal | None, list[str]]:
        if begin is None or end is None:
            return None, []
        if end.value >= begin.value:
            return end.value - begin.value, []
        span = Decimal(10) ** self.register.digits.get(part.meter, self.settings.register_digits)
        rolled = span - begin.value + end.value
        if (
            begin.value > ROLLOVER_ABOVE * span
            and end.value < ROLLOVER_BELOW * span
            and not self._too_much(part, rolled * (part.multiplier or 1))
        ):
            self.sums.flags.add(f"rollover:{part.meter}")
            return rolled, ["rollover"]
        self.sums.flags.add(f"register_decrease:{part.meter}")
        self._lacks(
            part.point, part.meter, part.to_ms, what, f"the register fell from {begin.value} to {end.value}"
        )  # fmt: skip
        return None, ["register_decrease"]

    def _jump(self, part: Part, quantity: str, energy: Decimal) -> list[str]:
        if quantity in ("import", "export") and self._too_much(part, energy):
            self.sums.flags.add(f"register_jump:{part.meter}")
            return ["register_jump"]
        return []

    def _too_much(self, part: Part, energy: Decimal) -> bool:
        """More than the contract's capacity could have drawn in the time."""
        capacity = self.register.term(self.cycle.account_no, part.to_ms - 1).get("contract_capacity_kva")
        if capacity is None:
            return False
        hours = Decimal(part.to_ms - part.from_ms) / HOUR_MS
        return energy > Decimal(repr(self.settings.jump_factor)) * Decimal(repr(capacity)) * hours

    def _demands(self, part: Part) -> Iterator[Json]:
        names = {0: "total", **dict(enumerate(self.settings.tariffs, 1))}
        for tariff, name in names.items():
            if self.frozen.demand(part.meter, part.to_ms, tariff) is None or part.multiplier is None:
                continue
            found = demand_of_part(self.cycle, part, self.frozen, tariff)
            if found is None:
                self.sums.flags.add(f"demand_of_another_cycle:{part.meter}")
                continue
            yield {
                "point": part.point, "meter": part.meter, "part_to": self._local(part.to_ms), "tariff": name,
                "reading_kw": plain(found.kw), "multiplier": plain(part.multiplier),
                "kw": plain(found.kw * part.multiplier),
                "at": self._local(found.at) if found.at is not None else None, "basis": found.basis,
            }  # fmt: skip

    def _demand(self, demands: Sequence[Json]) -> Json:
        """The account's billable demand; what meters should have frozen and have not is missing where demand is billed."""
        covered = {(row["point"], row["meter"]) for row in demands if row["tariff"] == "total"}
        if self.terms.get("tariff_mode") == "two_part_demand":
            for part in self.parts:
                if (part.point, part.meter) not in covered:
                    self._lacks(
                        part.point, part.meter, part.to_ms, "demand", "no frozen maximum demand at this instant"
                    )
        found = self.billable
        told: Json = {
            "kw": plain(found.kw), "at": None if found.at is None else found.at.isoformat(timespec="seconds"),
            "basis": found.basis,
        }  # fmt: skip
        if found.loss_kw is not None:
            told["loss_kw"] = plain(found.loss_kw)
        return told | {"provisional": list(found.reasons)} if found.reasons else told

    def _power_factor(self) -> Json:
        """By the rule of `keyacct pf`: where only losses are unknown the measured one, of which nothing is assessed."""
        totals = self._by_quadrant()
        measured = all(row["what"] == "transformer_loss" for row in self.sums.missing)
        wp, wq, factor = factor_of(totals, self.workspace.settings.power_factor) if measured else (None,) * 3
        rounded = assessed(factor) if factor is not None and not self.sums.missing else None
        percent = None
        if rounded is not None and self.standard in RULE_1983.rebates:
            percent = RULE_1983.percent(rounded, self.standard).quantize(HUNDREDTH)
        elif self.standard is not None and self.standard not in RULE_1983.rebates:
            self.sums.flags.add("no_pf_rule")
        return {
            "wp_kwh": plain(wp), "wq_kvarh": plain(wq),
            "pf": plain(factor.quantize(ENERGY_UNIT, ROUND_HALF_UP) if factor is not None else None),
            "pf_assessed": plain(rounded), "pf_standard": plain(self.standard), "adjustment_pct": plain(percent),
        }  # fmt: skip

    def _by_quadrant(self) -> dict[str, Decimal]:
        """What the power factor is made of: the parts' energies by quadrant, with losses, so that those of any meters add up."""
        totals: dict[str, Decimal] = {}
        for energies in self.sums.of_part.values():
            own = {q: amount for (q, tariff), amount in energies.items() if tariff == "total" and amount is not None}
            for quantity, amount in by_quadrant(own).items():
                totals[quantity] = totals.get(quantity, Decimal(0)) + amount
        reactive, lag = has_reactive(totals), lag_of(totals)
        for loss in (found.loss for found in self.sums.losses if found.loss is not None):
            totals["import"] = totals.get("import", Decimal(0)) + loss.kwh
            if reactive:
                totals[lag] = totals.get(lag, Decimal(0)) + loss.kvarh
        return totals

    def _exchanges(self) -> list[Json]:
        points = {part.point for part in self.parts}
        return [
            {
                "point": row["point"], "at": self._local(row["exchanged_at"]), "old_meter": row["old_meter_no"],
                "new_meter": row["new_meter_no"], "reason": row["reason"],
            }
            for row in sorted(self.register.exchanges, key=lambda row: (row["point"], row["exchanged_at"]))
            if row["point"] in points and self.cycle.from_ms < row["exchanged_at"] <= self.cycle.to_ms
        ]  # fmt: skip

    def _why(self, part: Part, at: int) -> str:
        if at in (self.cycle.from_ms, self.cycle.to_ms):
            return "no freeze at this instant, and no readings on both sides near enough to estimate it"
        return "no reading of the exchange or of the changed ratio at this instant"

    def _lacks(self, point: str | None, meter: str | None, at: int, what: str, why: str) -> None:
        row = {"point": point, "meter": meter, "at": self._local(at), "what": what, "why": why}
        if row not in self.sums.missing:
            self.sums.missing.append(row)

    def _local(self, ms: int) -> str:
        return dt.datetime.fromtimestamp(ms / 1000, self.workspace.zone).isoformat(timespec="seconds")
