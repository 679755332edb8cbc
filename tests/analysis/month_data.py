"""Seeded data sets of the month workload, and a slow reference of its rules with exact fractions."""

import datetime as dt
import math
import random
from fractions import Fraction

import pyarrow as pa
import pyarrow.parquet as pq

MINUTE, DAY = 60_000, 86_400_000
COLUMNS = ("ua", "ub", "uc", "p", "q", "ep", "eq")
SCHEMA = pa.schema(
    [("meter_id", pa.dictionary(pa.int32(), pa.string())), ("ts", pa.timestamp("ms"))]
    + [(name, pa.float32()) for name in COLUMNS[:5]]
    + [(name, pa.float64()) for name in COLUMNS[5:]]
)
TARIFFS = ("V" * 14 + "F" * 6 + "P" * 8 + "F" * 12 + "P" * 8, "P" * 48)


def ms(*date):
    return int(dt.datetime(*date, tzinfo=dt.UTC).timestamp() * 1000)


def readings(seed, meters=6, start=None, days=4):
    """Rows (meter, ts, values…) sorted by meter and time: gaps, nulls, corrections, readings off the grid."""
    rnd = random.Random(seed)
    start = ms(2028, 2, 27) if start is None else start
    rows = []
    for m in range(meters):
        name = f"33020000{m:04d}"
        energy, nominal = rnd.uniform(0, 1e5), 220.0 if m % 2 else 57.7
        for n in range(96 * days):
            if rnd.random() < (0.1, 0.5, 0.9)[m % 3]:
                continue
            ts = start + n * 15 * MINUTE + rnd.choice((0, 0, 0, 0, 1, 5 * MINUTE, 15 * MINUTE - 1))
            for _ in range(rnd.choice((1, 1, 1, 2, 3))):
                energy += rnd.random() * 9
                value = lambda v: None if rnd.random() < 0.15 else v  # noqa: E731  a value that may be missing
                shares = (0.1, 0.7, 0.9, 0.93, 1, 1, 1, 1.07, 1.2)
                volts = [round(nominal * rnd.choice(shares), 1) for _ in "abc"]
                powers = round(rnd.uniform(-5, 50), 4), round(rnd.uniform(-20, 30), 4)
                registers = round(energy, 2), energy / 3
                rows.append((name, ts, *map(value, (*volts, *powers, *registers))))
    return rows


def by_rounds(rows):
    """The same rows as polling makes them: in the order of time, corrections after the first reading."""
    return sorted(rows, key=lambda row: row[1])


def single(value):
    """A number as float32 holds it."""
    return None if value is None else pa.scalar(value, pa.float32()).as_py()


def limits_of(rows, without=()):
    names = [*sorted({row[0] for row in rows} - set(without)), "999999999999"]
    table = []
    for n, name in enumerate(names):
        high = 57.7 if int(name[-1]) % 2 == 0 else 220.0
        pt = 100.0 if high < 100 else 1.0
        table.append(
            {
                "meter_id": name, "pt": pt, "u_nom": high * pt, "u_lower": single(high * 0.93) * pt,
                "u_upper": high * pt * 1.07, "pf_std": (0.8, 0.85, 0.9)[n % 3], "tariff": TARIFFS[n % 2],
            }
        )  # fmt: skip
    return table


def table_of(rows, schema=SCHEMA):
    columns = list(zip(*rows, strict=True)) or [[]] * len(schema)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def write(folder, rows, limits, *, group=97, per_file=250, schema=SCHEMA, name="part-{:04d}.parquet", **more):
    folder.mkdir(parents=True, exist_ok=True)
    for n, begin in enumerate(range(0, len(rows), per_file)):
        table = table_of(rows[begin : begin + per_file], SCHEMA).cast(schema)
        pq.write_table(table, folder / name.format(n), row_group_size=group, **more)
    pq.write_table(pa.Table.from_pylist(limits), folder / "limits.parquet")
    return folder


def _factor(active, reactive):
    a, r = float(active), float(reactive)
    return None if active == reactive == 0 else a / math.sqrt(a * a + r * r)


def _figures(rows, limit, loss, month):
    out = {"n": len(rows)}
    for x in range(3):
        name = "abc"[x]
        known = [(r["ts"], r["w"], r["v"][x] * limit["pt"]) for r in rows if r["v"][x] is not None]
        good = [k for k in known if not k[2] < loss * limit["u_nom"]]
        total = sum(w for _, w, _ in good)
        over = sum(w for _, w, v in good if v > limit["u_upper"])
        under = sum(w for _, w, v in good if v < limit["u_lower"])
        out |= {f"{name}_mon_ms": total, f"{name}_over_ms": over, f"{name}_under_ms": under}
        out[f"{name}_loss_ms"] = sum(w for _, w, _ in known) - total
        out[f"{name}_rate"] = float(100 - Fraction(100 * (over + under), total)) if total else None
        for key, pick in (("max", max), ("min", min)):
            best = pick((v for _, _, v in good), default=None)
            out[f"{name}_{key}"] = best
            out[f"{name}_{key}_ts"] = next((ts for ts, _, v in good if v == best), None)
        out[f"{name}_mean"] = float(sum(Fraction(v) * w for _, w, v in good) / total) if total else None
    both = [r for r in rows if r["v"][3] is not None and r["v"][4] is not None]

    def energy(chosen):
        active = sum((Fraction(max(r["v"][3], 0.0)) * r["w"] for r in chosen), Fraction(0))
        return active, sum((Fraction(abs(r["v"][4])) * r["w"] for r in chosen), Fraction(0))

    active, reactive = energy(both)
    out |= {"wp_kwh": float(active / 3_600_000), "wq_kvarh": float(reactive / 3_600_000)}
    out["pf"] = _factor(active, reactive)
    for letter, key in (("P", "pf_peak"), ("F", "pf_flat"), ("V", "pf_valley")):
        slot = lambda r: limit["tariff"][r["ts"] % DAY // 1_800_000]  # noqa: E731  letter of a row
        out[key] = _factor(*energy([r for r in both if slot(r) == letter]))
    powered = [r for r in rows if r["v"][3] is not None]
    blocks = {}
    for r in powered:
        blocks.setdefault(r["ts"] // 900_000, []).append(r)
    mean = lambda some: sum(Fraction(r["v"][3]) * r["w"] for r in some) / sum(r["w"] for r in some)  # noqa: E731
    demand = {block: mean(some) for block, some in blocks.items()}
    highest = max(demand.values(), default=None)
    out["md_kw"] = None if highest is None else float(highest)
    out["md_ts"] = next((b * 900_000 for b in sorted(demand) if demand[b] == highest), None)
    out["lmin_kw"] = float(min(demand.values())) if demand else None
    out["lmean_kw"] = float(mean(powered)) if powered else None
    out["load_factor"] = float(mean(powered) / highest) if demand and highest > 0 else None
    for column, key in ((5, "ep_kwh"), (6, "eq_kvarh")):
        known = [r["v"][column] for r in rows if r["v"][column] is not None]
        out[key] = known[-1] - known[0] if known else None
    if month:
        for hour in range(24):
            out[f"pf_h{hour:02}"] = _factor(*energy([r for r in both if r["ts"] % DAY // 3_600_000 == hour]))
        out["pf_std"] = limit["pf_std"]
        out["pf_pass"] = None if out["pf"] is None else out["pf"] >= limit["pf_std"]
    return out


def reference(rows, limits, interval=15 * MINUTE, loss=0.7):
    """(day, month): {(meter, date): figures} of rows in data set order."""
    of_meter = {}
    for meter, ts, *values in rows:
        held = [single(v) for v in values[:5]] + values[5:]
        of_meter.setdefault(meter, {})[ts] = held  # a later row replaces the earlier one as a whole
    limits = {limit["meter_id"]: limit for limit in limits}
    day, month = {}, {}
    for meter in sorted(set(of_meter) & set(limits)):
        times = sorted(of_meter[meter])
        ends = [*times[1:], None]
        days, months = {}, {}
        for ts, after in zip(times, ends, strict=True):
            weight = interval if after is None else min(after - ts, interval)
            date = dt.date(1970, 1, 1) + dt.timedelta(days=ts // DAY)
            row = {"ts": ts, "w": weight, "v": of_meter[meter][ts]}
            days.setdefault(date, []).append(row)
            months.setdefault(date.replace(day=1), []).append(row)
        for found, into, whole in ((days, day, False), (months, month, True)):
            for date, some in found.items():
                into[meter, date] = _figures(some, limits[meter], loss, whole)
    return day, month
