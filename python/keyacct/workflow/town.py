"""A small SYNTHETIC town: one month of 15-min voltages and energies of eleven meters, the same bytes on every machine.

No real customer stands behind any of it. Curves are tables, noise comes from `random.Random` with a fixed seed, and all
arithmetic is in integers, so no mathematical library can change a digit.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from keyacct.workflow.mapping import TableMapping, build_mapping

FIRST = dt.date(2026, 6, 1)
DAYS = 30
INTERVAL_MIN = 15
SLOTS = 24 * 60 // INTERVAL_MIN
SEED = 20260601

# Share of the daily peak, percent, for each hour of a day.
_ONE_SHIFT = (12, 11, 11, 11, 12, 15, 28, 62, 92, 98, 100, 95, 70, 90, 97, 96, 92, 74, 40, 25, 20, 17, 15, 13)
_TWO_SHIFTS = (30, 26, 25, 25, 27, 38, 66, 88, 97, 100, 98, 94, 86, 93, 97, 98, 96, 94, 92, 93, 90, 84, 62, 40)
_THREE_SHIFTS = (88, 87, 86, 86, 87, 88, 90, 94, 97, 99, 100, 98, 95, 97, 99, 98, 97, 96, 95, 95, 94, 93, 91, 89)
_HOSPITAL = (48, 45, 44, 43, 44, 50, 62, 80, 94, 99, 100, 98, 92, 94, 97, 96, 92, 84, 74, 70, 66, 62, 57, 52)


@dataclass(frozen=True)
class TownMeter:
    """One meter of the town. Secondary side: voltages in tenths of a volt, peak energy of an interval in Wh."""

    meter_no: str
    nominal_dv: int
    wires: int
    peak_wh: int
    shape: tuple[int, ...]
    lag_pct: int
    lead_night_pct: int = 0
    sag_dv: int = 0
    offset_dv: int = 0
    from_slot: int = 0
    to_slot: int = DAYS * SLOTS
    silent: tuple[tuple[int, int], ...] = ()
    blown_fuse_b: tuple[int, int] | None = None
    repeated: bool = False
    rest_day: int | None = field(default=None)


def _slot(day: int, hour: int, minute: int = 0) -> int:
    return (day - 1) * SLOTS + (hour * 60 + minute) // INTERVAL_MIN


EXCHANGE = _slot(16, 10)
"""The slot in which meter 330100000104 was replaced by 330100000114."""

METERS = (
    TownMeter("330100000101", 2200, 4, 760, _ONE_SHIFT, 34, sag_dv=60, offset_dv=40, rest_day=6),
    TownMeter("330100000102", 2200, 4, 1130, _TWO_SHIFTS, 55, sag_dv=124, offset_dv=0, rest_day=6),
    TownMeter(
        "330100000103", 2200, 4, 520, _HOSPITAL, 28, offset_dv=60, blown_fuse_b=(_slot(11, 13, 30), _slot(11, 16, 45))
    ),
    TownMeter("330100000104", 2200, 4, 900, _TWO_SHIFTS, 47, sag_dv=90, to_slot=EXCHANGE),
    TownMeter("330100000114", 2200, 4, 900, _TWO_SHIFTS, 47, sag_dv=90, from_slot=EXCHANGE),
    TownMeter("330100000105", 1000, 3, 430, _THREE_SHIFTS, 42, sag_dv=25, offset_dv=20),
    TownMeter("330100000106", 1000, 3, 350, _TWO_SHIFTS, 30, lead_night_pct=45, offset_dv=62, sag_dv=18, rest_day=0),
    TownMeter(
        "330100000107", 1000, 3, 610, _THREE_SHIFTS, 38, sag_dv=30, offset_dv=18,
        silent=((_slot(8, 2), _slot(8, 20)), (_slot(21, 9, 15), _slot(21, 9, 45))),
    ),
    TownMeter("330100000108", 1000, 3, 480, _ONE_SHIFT, 62, sag_dv=57, offset_dv=0, repeated=True, rest_day=6),
    TownMeter("330100000109", 1000, 3, 240, _THREE_SHIFTS, 40, sag_dv=15, offset_dv=12),
)  # fmt: skip

INCOMER = TownMeter("330100000100", 1000, 3, 0, _THREE_SHIFTS, 45, sag_dv=12, offset_dv=18)
"""Meter of the 10 kV busbar's incomer: it sees what its four feeders take, and a little more."""
INCOMER_MULTIPLIER = 12_000
BUS_MULTIPLIERS = {"330100000105": 3000, "330100000106": 2000, "330100000107": 4000, "330100000108": 3000}
"""Feeders of the busbar and their multipliers in the demo's registry."""
BUS_LOSS_PER_MILLE = 6

SCHEMA = pa.schema(
    [
        ("meter", pa.string()),
        ("ts", pa.timestamp("ms")),
        ("ua", pa.decimal128(9, 1)),
        ("ub", pa.decimal128(9, 1)),
        ("uc", pa.decimal128(9, 1)),
        ("kwh", pa.decimal128(18, 3)),
        ("kvarh_lag", pa.decimal128(18, 3)),
        ("kvarh_lead", pa.decimal128(18, 3)),
    ],
    metadata={"origin": f"SYNTHETIC, keyacct demo town, seed {SEED}"},
)


def town_mapping() -> TableMapping:
    """Where the columns of the town's file belong."""
    columns = {
        "ua": "voltage.a", "ub": "voltage.b", "uc": "voltage.c",
        "kwh": "energy.import", "kvarh_lag": "energy.q1", "kvarh_lead": "energy.q4",
    }  # fmt: skip
    return build_mapping(
        columns, {}, {}, meter_column="meter", time_column="ts", kind="interval", stamp="end", side="secondary"
    )


def write_town(path: Path) -> None:
    """Write the town's month as Parquet: one row per meter and interval, local time, stamped at the interval's end.

    Columns: meter, ts, ua ub uc (V, secondary; a 3-wire meter has no ub, its ua and uc are line voltages), kwh,
    kvarh_lag, kvarh_lead (increments of the interval, secondary).
    """
    bus_wh = [0] * (DAYS * SLOTS)
    rows = [
        row for index, meter in enumerate(METERS) for row in _meter_rows(meter, random.Random(SEED + index), bus_wh)
    ]
    rows += _incomer_rows(bus_wh, random.Random(SEED + len(METERS)))
    columns = list(zip(*rows, strict=True))
    table = pa.table(
        [pa.array(column, type=kind.type) for column, kind in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )
    pq.write_table(table, path, compression="zstd")


_Row = tuple[str, dt.datetime, Decimal | None, Decimal | None, Decimal | None, Decimal, Decimal, Decimal]


def _meter_rows(meter: TownMeter, chance: random.Random, bus_wh: list[int]) -> list[_Row]:
    """Rows of one meter; what it takes from the busbar is added to `bus_wh` (primary Wh), recorded or not."""
    rows: list[_Row] = []
    start = dt.datetime.combine(FIRST, dt.time())
    for slot in range(meter.from_slot, meter.to_slot):
        load_pct = _load_pct(meter, slot, chance)
        voltages = [_voltage_dv(meter, slot, load_pct, chance) for _ in "abc"]
        wh = meter.peak_wh * load_pct // 100
        bus_wh[slot] += wh * BUS_MULTIPLIERS.get(meter.meter_no, 0)
        if any(begin <= slot < end for begin, end in meter.silent):
            continue
        lag = wh * (meter.lag_pct + chance.randrange(-3, 4)) // 100
        lead = wh * meter.lead_night_pct // 100 if load_pct < 45 else 0
        fuse = meter.blown_fuse_b
        if fuse is not None and fuse[0] <= slot < fuse[1]:
            voltages[1] = 300 + chance.randrange(60)
        row: _Row = (
            meter.meter_no,
            start + dt.timedelta(minutes=INTERVAL_MIN * (slot + 1)),
            Decimal(voltages[0]).scaleb(-1),
            Decimal(voltages[1]).scaleb(-1) if meter.wires == 4 else None,
            Decimal(voltages[2]).scaleb(-1),
            Decimal(wh).scaleb(-3),
            Decimal(lag if lead == 0 else 0).scaleb(-3),
            Decimal(lead).scaleb(-3),
        )
        rows.append(row)
        if meter.repeated and slot % 40 == 7:
            rows.append(row)  # a re-poll: the same value twice must count once
    return rows


def _incomer_rows(bus_wh: list[int], chance: random.Random) -> list[_Row]:
    """Rows of the incomer: the feeders' energies and a loss, at its own multiplier and step; the rest is carried on."""
    rows: list[_Row] = []
    start = dt.datetime.combine(FIRST, dt.time())
    carried = 0
    for slot, taken in enumerate(bus_wh):
        carried += taken * (1000 + BUS_LOSS_PER_MILLE) // 1000
        wh, carried = divmod(carried, INCOMER_MULTIPLIER)
        voltages = [_voltage_dv(INCOMER, slot, 80, chance) for _ in "abc"]
        rows.append(
            (
                INCOMER.meter_no,
                start + dt.timedelta(minutes=INTERVAL_MIN * (slot + 1)),
                Decimal(voltages[0]).scaleb(-1),
                None,
                Decimal(voltages[2]).scaleb(-1),
                Decimal(wh).scaleb(-3),
                Decimal(wh * INCOMER.lag_pct // 100).scaleb(-3),
                Decimal(0).scaleb(-3),
            )
        )
    return rows


def _load_pct(meter: TownMeter, slot: int, chance: random.Random) -> int:
    day, quarter = divmod(slot, SLOTS)
    hour, part = divmod(quarter, 4)
    here, after = meter.shape[hour], meter.shape[(hour + 1) % 24]
    pct = here + (after - here) * part // 4 + chance.randrange(-3, 4)
    if meter.rest_day is not None and (FIRST + dt.timedelta(days=day)).weekday() == meter.rest_day:
        pct = pct // 4
    return max(pct, 2)


def _voltage_dv(meter: TownMeter, slot: int, load_pct: int, chance: random.Random) -> int:
    network = (6, 7, 8, 8, 7, 4, 0, -3, -6, -8, -8, -6, -3, -4, -6, -7, -6, -7, -9, -9, -6, -2, 2, 5)[slot % SLOTS // 4]
    noise = chance.randrange(-6, 7)
    return (
        meter.nominal_dv
        + meter.offset_dv
        - meter.sag_dv * load_pct // 100
        + (network * 4 + noise) * meter.nominal_dv // 2200
    )
