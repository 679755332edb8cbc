"""Of more than 8192 meters states, rows and finished figures are put aside on the disk: no figure and no order changes."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import keyacct
from keyacct.analysis.month_stats import write_stats
from keyacct.errors import InputError

METERS = 9_000
QUARTER = 900_000
# 2026-01-31 21:00: the rounds go over the ends of a day and of a month.
START = 1_769_893_200_000
IDS = np.array([f"m{n:05d}" for n in range(METERS)])


def table(meters, stamps, rng, kind):
    """Readings of meters (their numbers) at stamps, one row each, in their order."""
    rows = len(meters)
    values = {name: rng.uniform(190, 245, rows) for name in ("ua", "ub", "uc")}
    values |= {name: rng.uniform(-50, 900, rows) for name in ("p", "q")}
    columns = {"meter_id": pa.array(IDS[meters]), "ts": pa.array(stamps, pa.timestamp("ms"))}
    for name, value in values.items():
        columns[name] = pa.array(value.astype(kind), mask=rng.random(rows) < 0.02)
    for name in ("ep", "eq"):
        columns[name] = pa.array(np.round(rng.uniform(0, 9e5, rows), 2), mask=rng.random(rows) < 0.02)
    return pa.table(columns)


def rounds(first, count, rng, kind, shuffled):
    order = [rng.permutation(METERS) if shuffled else np.arange(METERS) for _ in range(count)]
    stamps = np.repeat(START + QUARTER * np.arange(first, first + count), METERS)
    return table(np.concatenate(order), stamps, rng, kind)


def by_meter(first, count, rng, kind):
    # Every seventh meter is silent for that time.
    meters = np.repeat([n for n in rng.permutation(METERS) if n % 7], count)
    stamps = np.tile(START + QUARTER * np.arange(first, first + count), len(meters) // count)
    return table(meters, stamps, rng, kind)


def limits(numbers):
    tariff = "V" * 14 + "F" * 16 + "P" * 18
    rows = len(numbers)
    return pa.table(
        {
            "meter_id": IDS[numbers],
            "pt": [1.0] * rows,
            "u_nom": [220.0] * rows,
            "u_lower": [198.0] * rows,
            "u_upper": [235.4] * rows,
            "pf_std": [0.9] * rows,
            "tariff": [tariff] * rows,
        }
    )


@pytest.fixture(scope="module", params=[np.float32, np.float64], ids=["single", "double"])
def samples(request, tmp_path_factory):
    """Rounds, then meter by meter, then rounds in another order each that first correct the last readings."""
    folder, rng = tmp_path_factory.mktemp("many"), np.random.default_rng(5)
    parts = [
        rounds(0, 16, rng, request.param, False),
        by_meter(16, 14, rng, request.param),
        rounds(29, 8, rng, request.param, True),
    ]
    for n, part in enumerate(parts):
        pq.write_table(part, folder / f"part-{n}.parquet", row_group_size=9_973 if n == 1 else 50_000)
    pq.write_table(limits(rng.permutation(METERS)), folder / "limits.parquet")
    return folder


def test_the_rows_are_those_of_runs_over_fewer_meters_in_their_order(samples, tmp_path):
    day, month = keyacct.stats(samples, samples / "limits.parquet", interval="15min")
    assert (day.num_rows, month.num_rows) == (2 * METERS, 2 * METERS)
    for some in (np.arange(0, METERS, 2), np.arange(1, METERS, 2)):
        pq.write_table(limits(some), tmp_path / "some.parquet")
        fewer = keyacct.stats(samples, tmp_path / "some.parquet", interval="15min")
        for whole, part in zip((day, month), fewer, strict=True):
            of_these = whole.filter(pc.is_in(whole["meter_id"], pa.array(IDS[some])))
            # Those that are ended by the end of the data come in the order of the limits.
            key = [("meter_id", "ascending"), (whole.column_names[1], "ascending")]
            first = part.num_rows // 2
            assert of_these[:first].equals(part[:first])
            assert of_these.sort_by(key).equals(part.sort_by(key))


def test_any_number_of_workers_writes_the_same_bytes_and_nothing_else(samples, tmp_path):
    written = []
    for threads in (1, 2, 3):
        out = tmp_path / str(threads)
        write_stats(samples, samples / "limits.parquet", out, interval=15, threads=threads)
        assert sorted(path.name for path in out.iterdir()) == ["day.parquet", "month.parquet"]
        written.append([path.read_bytes() for path in sorted(out.iterdir())])
    assert written[0] == written[1] == written[2]


def failure(folder, *parts):
    for n, part in enumerate(parts):
        pq.write_table(part, folder / f"part-{n}.parquet", row_group_size=30_000)
    pq.write_table(limits(np.arange(METERS)), folder / "limits.parquet")
    with pytest.raises(InputError) as caught:
        write_stats(folder, folder / "limits.parquet", folder / "out", interval=15)
    assert list((folder / "out").iterdir()) == []
    return caught.value


def changed(part, column, row, value):
    values = part[column].to_pylist()
    values[row] = value
    at = part.column_names.index(column)
    return part.set_column(at, column, pa.array(values, part.schema.field(column).type))


def test_of_rows_that_wait_the_earliest_fault_is_told(tmp_path):
    rng = np.random.default_rng(1)
    part = rounds(0, 12, rng, np.float32, False)
    # The later one is met first when the rows are taken up: its meter has the lower number.
    wrong = changed(part, "ts", 9 * METERS + 11, START)
    wrong = changed(wrong, "ts", 7 * METERS + 8_800, START)
    error = failure(tmp_path, wrong)
    assert (error.code, error.where["meter"]) == ("input.order", "m08800")
    row = 7 * METERS + 8_800
    assert (error.where["row"], error.where["row_group"]) == (row + 1, row // 30_000)
    assert error.where["file"].endswith("part-0.parquet")


@pytest.mark.parametrize("waiting", [True, False])
def test_a_fault_of_a_row_that_waits_is_told_before_one_that_stops_the_reading(tmp_path, waiting):
    rng = np.random.default_rng(2)
    first, second = rounds(0, 6, rng, np.float32, False), rounds(6, 6, rng, np.float32, False)
    if waiting:
        first = changed(first, "ts", 3 * METERS + 5_000, START)
    error = failure(tmp_path, first, changed(second, "meter_id", 40_000, None))
    told = (error.code, error.where["row"], Path(error.where["file"]).name)
    of_row, of_reading = (
        ("input.order", 3 * METERS + 5_001, "part-0.parquet"),
        ("input.value", 40_001, "part-1.parquet"),
    )
    assert told == (of_row if waiting else of_reading)
