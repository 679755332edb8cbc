"""Registers of meters at given instants: frozen there, read at an exchange, or estimated between readings and flagged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database import registry_tables
from keyacct.database.engine import open_database
from keyacct.store import quality
from keyacct.store.read import read_family

QUANTITIES = ("import", "export", "q1", "q2", "q3", "q4", "reactive_import", "reactive_export")
KINDS = (
    "freeze_settlement", "freeze_month", "freeze_ten_day", "freeze_day", "freeze_hour", "freeze_minute", "register",
)  # fmt: skip
"""Kinds that hold a register at their instant, the most binding first."""

OK, REPOLLED, ESTIMATED, MANUAL, MISSING = 0, 1, 2, 3, 9
"""Quality codes of the hand-over (domain: data sharing)."""

HOUR_MS = 3_600_000
_NO_INSTANT = quality.TIME_ASSUMED | quality.TIME_OF_RECEIPT
_NO_VALUE = quality.NO_DATA | quality.INVALID_DIGIT | quality.RETRACTED
_DOUBTFUL = quality.SUSPECT | quality.CLOCK_SUSPECT | quality.OUT_OF_RANGE | quality.SUBSTITUTED

Need = tuple[str, int]
"""(meter, instant in UTC ms)."""


@dataclass(frozen=True)
class Reading:
    """A register at an instant. basis: the kind of freeze, `exchange`, or between which readings it was estimated."""

    value: Decimal
    quality: int
    basis: str
    doubtful: bool = False


@dataclass(frozen=True)
class DemandReading:
    """A frozen maximum demand and when it occurred."""

    kw: Decimal
    at: int | None
    basis: str


class FrozenRegisters:
    """What is known of meters at the instants that were asked for."""

    def __init__(
        self, workspace: Workspace, needs: Iterable[Need], decimals: Mapping[str, int], *, demands_only: bool = False
    ) -> None:
        """Reads the store once an instant, and around it for what is missing there.

        decimals: digits after the point of each meter's register; an estimate has no more. demands_only: no energies.
        """
        self.workspace = workspace
        self.settings = workspace.settings.billing
        self._decimals = decimals
        self._values: dict[tuple[str, int, str, int], Reading] = {}
        self._known: dict[Need, set[tuple[str, int]]] = {}
        self._demands: dict[tuple[str, int, int], DemandReading] = {}
        wanted: dict[int, set[str]] = {}
        for meter, at in needs:
            wanted.setdefault(at, set()).add(meter)
        if not demands_only:
            self._exchanges(wanted)
        for at in sorted(wanted):
            meters = sorted(wanted[at])
            if demands_only:
                self._demand(at, meters)
                continue
            for family in ("energy", "tariff_energy"):
                self._exact(family, at, meters)
            self._demand(at, meters)
            for family in ("energy", "tariff_energy"):
                self._estimate(family, at, meters)

    def at(self, meter: str, ms: int, quantity: str, tariff: int) -> Reading | None:
        """A register; None where nothing is known of it."""
        return self._values.get((meter, ms, quantity, tariff))

    def demand(self, meter: str, ms: int, tariff: int) -> DemandReading | None:
        """The maximum demand that was frozen at an instant."""
        return self._demands.get((meter, ms, tariff))

    def registers(self, meter: str, ms: int) -> set[tuple[str, int]]:
        """(quantity, tariff) of every register that is known at an instant."""
        if not self._known:
            for name, at, quantity, tariff in self._values:
                self._known.setdefault((name, at), set()).add((quantity, tariff))
        return self._known.get((meter, ms), set())

    def _exchanges(self, wanted: Mapping[int, set[str]]) -> None:
        table = registry_tables.exchange_reading
        names = {name: f"{name}_{'kwh' if name in ('import', 'export') else 'kvarh'}" for name in QUANTITIES}
        with open_database(self.workspace).read() as connection:
            for row in connection.execute(sa.select(table)).mappings():
                if row["meter_no"] not in wanted.get(row["exchanged_at"], ()):
                    continue
                for quantity, column in names.items():
                    if row[column] is not None:
                        key = (row["meter_no"], row["exchanged_at"], quantity, row["tariff"])
                        self._values[key] = Reading(Decimal(row[column]), OK, "exchange")

    def _rows(self, family: str, from_ms: int, to_ms: int, meters: Sequence[str]) -> Iterable[dict[str, Any]]:
        for batch in read_family(self.workspace, family, from_ms, to_ms, meters):
            for row in batch.to_pylist():
                if row["kind"] in KINDS and not row["quality"] & _NO_VALUE:
                    yield row

    def _exact(self, family: str, at: int, meters: Sequence[str]) -> None:
        """A freeze is a value of the very instant; one read later, or dated by guess, is none."""
        order = {kind: number for number, kind in enumerate(KINDS)}
        rows = [row for row in self._rows(family, at, at + 1, meters) if not row["quality"] & _NO_INSTANT]
        for row in sorted(rows, key=lambda row: order[row["kind"]]):
            for quantity in QUANTITIES:
                if row[quantity] is not None:
                    reading = Reading(row[quantity], self._code(row, at), row["kind"], bool(row["quality"] & _DOUBTFUL))
                    self._values.setdefault((row["meter"], at, quantity, row.get("tariff", 0)), reading)

    def _code(self, row: Mapping[str, Any], at: int) -> int:
        if row["quality"] & quality.ESTIMATED:
            return ESTIMATED
        if row["quality"] & quality.EDITED:
            return MANUAL
        received = row["recv_at"]
        late = self.settings.repolled_after_hours * HOUR_MS
        return REPOLLED if received is not None and _ms(received) - at > late else OK

    def _demand(self, at: int, meters: Sequence[str]) -> None:
        order = {kind: number for number, kind in enumerate(KINDS)}
        rows = [
            row for row in self._rows("demand", at, at + 1, meters)
            if row["import"] is not None and not row["quality"] & (_NO_INSTANT | quality.ESTIMATED)
        ]  # fmt: skip
        for row in sorted(rows, key=lambda row: order[row["kind"]]):
            occurred = _ms(row["import_at"]) if row["import_at"] is not None else None
            self._demands.setdefault(
                (row["meter"], at, row["tariff"]), DemandReading(row["import"], occurred, row["kind"])
            )

    def _estimate(self, family: str, at: int, meters: Sequence[str]) -> None:
        """Fill what is missing at an instant on the line between the nearest readings of the same register."""
        reach = self.settings.estimate_within_hours * HOUR_MS
        tariffs = (0,) if family == "energy" else tuple(range(1, len(self.settings.tariffs) + 1))
        lacking = [m for m in meters if any((m, at, "import", tariff) not in self._values for tariff in tariffs)]
        if not lacking or not reach:
            return
        before: dict[tuple[str, str, int], tuple[int, Decimal]] = {}
        after: dict[tuple[str, str, int], tuple[int, Decimal]] = {}
        for row in self._rows(family, at - reach, at + reach + 1, lacking):
            if row["quality"] & (quality.TIME_ASSUMED | quality.ESTIMATED | _DOUBTFUL):
                continue
            ms = _ms(row["ts"])
            for quantity in QUANTITIES:
                key = (row["meter"], quantity, row.get("tariff", 0))
                if row[quantity] is None:
                    continue
                if ms <= at and (key not in before or ms > before[key][0]):
                    before[key] = (ms, row[quantity])
                if ms >= at and (key not in after or ms < after[key][0]):
                    after[key] = (ms, row[quantity])
        for key in before.keys() & after.keys():
            (start, low), (end, high) = before[key], after[key]
            meter, quantity, tariff = key
            if (meter, at, quantity, tariff) in self._values or high < low:
                continue  # a fall in between is a rollover or a fault: nothing to draw a line through
            share = Decimal(at - start) / Decimal(end - start) if end > start else Decimal(0)
            unit = Decimal(1).scaleb(-self._decimals.get(meter, self.settings.register_decimals))
            value = (low + (high - low) * share).quantize(unit, ROUND_HALF_UP)
            basis = f"estimate {self._local(start)}..{self._local(end)}"
            self._values[meter, at, quantity, tariff] = Reading(value, ESTIMATED, basis)

    def _local(self, ms: int) -> str:
        return dt.datetime.fromtimestamp(ms / 1000, self.workspace.zone).isoformat(timespec="minutes")


def _ms(instant: dt.datetime) -> int:
    return round(instant.timestamp() * 1000)
