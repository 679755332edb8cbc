"""Random points and samples of every kind, and the tables that must not depend on kept day states."""

import itertools
import random

import pyarrow as pa

from keyacct.analysis.load import load
from keyacct.analysis.point_energy import point_energy
from keyacct.analysis.power_factor import power_factor
from keyacct.analysis.voltage import voltage_compliance
from keyacct.config import Workspace
from keyacct.model import MINUTE_MS, Period

JUNE_DAYS = Period.parse("2026-06-03..2026-06-08")
DAY_MS = 24 * 60 * MINUTE_MS


def tables_of(workspace, period=JUNE_DAYS, accounts=None):
    """Every table of every analysis, as bytes."""
    voltage = voltage_compliance(workspace, period, accounts=accounts)
    factor = power_factor(workspace, period, accounts=accounts)
    of_load = load(workspace, period, accounts=accounts)
    energy = point_energy(
        workspace, period, accounts=accounts, cuts=(period.bounds_ms(workspace.zone)[0] + 2 * DAY_MS,)
    )
    tables = {
        "voltage": voltage.total, "voltage day": voltage.day, "load": of_load.total, "load day": of_load.day,
        "curve": of_load.peak_day_curve, "pf": factor.accounts, "pf points": factor.points, "pf hours": factor.hours,
        "energy": energy.spans, "periods": energy.periods,
    }  # fmt: skip
    return {name: as_bytes(table) for name, table in tables.items()}


def as_bytes(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue().to_pybytes()


def without_states(workspace):
    settings = workspace.settings
    samples = settings.samples.model_copy(update={"day_states": False})
    return Workspace(workspace.root, settings.model_copy(update={"samples": samples}))


def same(workspace, period=JUNE_DAYS, accounts=None):
    """The analyses say the same with and without states; names of the tables that differ."""
    plain = tables_of(without_states(workspace), period, accounts)
    kept = tables_of(workspace, period, accounts)
    return [name for name, table in plain.items() if kept[name] != table]


def fill(office, seed, *, days=9, first="2026-06-01", meters=("M1", "M2", "M3")):
    """Samples of every kind: gaps, readings off the grid and at midnight, falls of a register, some sources missing."""
    rnd = random.Random(seed)
    start = office.at(first)
    for meter in meters:
        step = rnd.choice((5, 15, 15, 15, 60))
        has = {"power": rnd.random() < 0.7, "increments": rnd.random() < 0.5, "registers": rnd.random() < 0.8}
        if not any(has.values()):
            has["power"] = True
        register = [rnd.randrange(0, 10**7) for _ in range(6)]
        lines = rnd.choice(((), (), ("ab", "bc"), ("ca",), ("ab", "bc", "ca")))
        silent_from = rnd.randrange(days) * DAY_MS
        silent_to = silent_from + rnd.choice((0, 3, 20, 30, 55)) * 60 * MINUTE_MS
        seen = set()
        for n in range(days * 24 * 60 // step + 1):
            offset = n * step * MINUTE_MS + rnd.choice((0, 0, 0, 0, 0, 7 * MINUTE_MS, 1, -MINUTE_MS))
            if silent_from <= offset < silent_to or rnd.random() < 0.08 or offset in seen or offset < 0:
                continue
            seen.add(offset)
            at = start + offset
            maybe = lambda value: None if rnd.random() < 0.05 else value  # noqa: E731
            volts = {
                x: maybe(round(rnd.choice((100, 190, 198, 220, 235.4, 236, 270)) + rnd.random(), 3)) for x in "abc"
            }
            if lines:
                volts |= {x: maybe(round(rnd.choice((150, 198, 220, 236)) + rnd.random(), 3)) for x in lines}
            office.sample("voltage", at, rnd.choice(("interval", "snapshot")), meter=meter, **volts)
            if has["power"]:
                p, q = maybe(round(rnd.uniform(-3, 40), 4)), maybe(round(rnd.uniform(-9, 20), 4))
                office.sample("power", at, rnd.choice(("interval", "snapshot")), meter=meter, p=p, q=q)
            names = ("import", "export", "q1", "q2", "q3", "q4")
            if has["increments"]:
                values = {name: maybe(round(rnd.random(), 4)) for name in names}
                office.sample("energy", at, "interval", meter=meter, **values)
            if has["registers"] and rnd.random() < 0.97:
                register = [value + rnd.randrange(0, 9000) for value in register]
                if rnd.random() < 0.01:
                    register[0] = 5
                values = {name: maybe(value / 10_000) for name, value in zip(names, register, strict=True)}
                office.sample("energy", at, rnd.choice(("register", "register", "freeze_hour")), meter=meter, **values)
    merge_stamps(office)


def merge_stamps(office):
    """One row per key, as the store gives them."""
    for family, rows in office.samples.items():
        unique = {(row["meter"], row["kind"], row["ts"]): row for row in rows}
        office.samples[family] = list(unique.values())


def points(office, seed):
    """Three accounts of four points: changes of ratio, limits, tariff and interval inside days and at midnights."""
    rnd = random.Random(seed)
    office.slot("peak", 8 * 60, 12 * 60)
    office.slot("valley", 23 * 60, 7 * 60)
    office.slot("flat", 12 * 60, 23 * 60, table="U")
    instants = ["2026-06-04", "2026-06-05T10:00", "2026-06-06", "2026-06-07T23:50"]
    for n, meter in enumerate(("M1", "M2", "M3")):
        cuts = ["2026-05-01", *sorted(rnd.sample(instants, rnd.randrange(3))), "2026-07-01"]
        for start, end in itertools.pairwise(cuts):
            ratio = rnd.choice((1.0, 20.0, 66.67, 0.125))
            office.point(
                f"P{n}", start, end, account_no=f"100000000{n // 2}", meter=meter, ct=rnd.choice((1.0, 30.0)),
                pt=ratio, nominal_v=220 * ratio, lower_v=198 * ratio, upper_v=235.4 * ratio,
                wiring=rnd.choice(("3p4w", "3p3w", "1p")), tariff_table=rnd.choice(("T", "U", None)),
                interval_min=rnd.choice((15, 15, 15, 60, 5)),
            )  # fmt: skip
