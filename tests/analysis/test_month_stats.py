import datetime as dt
import importlib.util
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import keyacct
from keyacct.analysis.month_stats import interval_ms, write_stats
from keyacct.errors import InputError, UsageError

_spec = importlib.util.spec_from_file_location("month_data", Path(__file__).with_name("month_data.py"))
data = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(data)


def run(folder, **more):
    return keyacct.stats(folder, folder / "limits.parquet", interval="15min", **more)


def as_rows(table, key):
    rows = {}
    for row in table.to_pylist():
        for name, value in row.items():
            if isinstance(value, dt.datetime):
                row[name] = int(value.replace(tzinfo=dt.UTC).timestamp() * 1000)
        rows[row.pop("meter_id"), row.pop(key)] = row
    return rows


def assert_agrees(tables, expected):
    for table, key, want in zip(tables, ("day", "month"), expected, strict=True):
        got = as_rows(table, key)
        assert table.num_rows == len(got)
        assert got.keys() == want.keys()
        for at, row in got.items():
            assert row.keys() == want[at].keys()
            for name, value in row.items():
                other = want[at][name]
                if isinstance(other, float) and value is not None:
                    assert value == pytest.approx(other, rel=1e-9, abs=1e-9), (at, name)
                else:
                    assert value == other, (at, name)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("layout", ["meter", "time"])
def test_both_layouts_agree_with_a_slow_reference(tmp_path, seed, layout):
    rows = data.readings(seed)
    rows = data.by_rounds(rows) if layout == "time" else rows
    limits = data.limits_of(rows, without={rows[0][0]})
    folder = data.write(tmp_path / "d", rows, limits, group=(1, 7, 97)[seed % 3])
    assert_agrees(run(folder), data.reference(rows, limits))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("group", [1, 11])
def test_meters_that_come_again_in_later_files_are_whole(tmp_path, seed, group):
    # Each meter lies in pieces with others between them.
    rows = data.readings(seed, meters=7, days=2)
    pieces = {}
    for row in rows:
        day = (row[1] - rows[0][1]) // (5 * 3_600_000 + seed)
        pieces.setdefault((day, row[0]), []).append(row)
    order = sorted(pieces, key=lambda piece: (piece[0], int(piece[1]) * (seed + 3) % 5))
    rows = [row for piece in order for row in pieces[piece]]
    limits = data.limits_of(rows)
    told = data.write(tmp_path / "told", rows, limits, group=group, per_file=60)
    untold = data.write(tmp_path / "untold", rows, limits, group=group, per_file=60, write_statistics=False)
    assert_agrees(run(told), data.reference(rows, limits))
    for with_, without in zip(run(told), run(untold), strict=True):
        assert with_.equals(without)


def test_the_columns_stand_in_their_published_order(tmp_path):
    rows = data.readings(1, meters=1)
    day, month = run(data.write(tmp_path / "d", rows, data.limits_of(rows)))
    phase = ["mon_ms", "over_ms", "under_ms", "loss_ms", "rate", "max", "max_ts", "min", "min_ts", "mean"]
    common = ["n", *(f"{x}_{name}" for x in "abc" for name in phase)]
    common += ["wp_kwh", "wq_kvarh", "pf", "pf_peak", "pf_flat", "pf_valley", "md_kw", "md_ts", "lmin_kw"]
    common += ["lmean_kw", "load_factor", "ep_kwh", "eq_kvarh"]
    assert day.column_names == ["meter_id", "day", *common]
    hours = [f"pf_h{hour:02}" for hour in range(24)]
    assert month.column_names == ["meter_id", "month", *common, *hours, "pf_std", "pf_pass"]
    assert day.schema.field("a_max_ts").type == pa.timestamp("ms")
    assert month.schema.field("month").type == pa.date32()
    assert day.schema.field("n").type == pa.int64()


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_the_result_is_the_same_bytes_for_any_number_of_workers(tmp_path, threads):
    rows = data.by_rounds(data.readings(3, meters=9))
    folder = data.write(tmp_path / "d", rows, data.limits_of(rows), group=5, per_file=40)
    for n, workers in (("one", 1), ("many", threads)):
        write_stats(folder, folder / "limits.parquet", tmp_path / n, interval=15, threads=workers)
    for name in ("day.parquet", "month.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes()


WRITERS = {
    "plain strings": {"meter_id": pa.string()},
    "large strings": {"meter_id": pa.large_string()},
    "microseconds": {"ts": pa.timestamp("us")},
    "nanoseconds": {"ts": pa.timestamp("ns")},
    "seconds coarse": {"ts": pa.timestamp("ms")},
    "double values": {name: pa.float64() for name in data.COLUMNS},
    "one double value": {"ub": pa.float64()},
    "single registers": {"ep": pa.float32()},
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("more", [{}, {"use_dictionary": False, "compression": "snappy"}])
def test_any_parquet_of_the_schema_is_read(tmp_path, kind, more):
    rows = data.readings(5, meters=3)
    if kind == "single registers":
        rows = [(*row[:7], data.single(row[7]), row[8]) for row in rows]
    fields = [pa.field(f.name, WRITERS[kind].get(f.name, f.type)) for f in data.SCHEMA]
    limits = data.limits_of(rows)
    folder = data.write(tmp_path / "d", rows, limits, schema=pa.schema(fields), **more)
    assert_agrees(run(folder), data.reference(rows, limits))


@pytest.mark.parametrize("writer", ["duckdb", "polars"])
def test_files_of_other_writers_are_read_and_need_no_part_in_their_names(tmp_path, writer):
    rows = data.readings(4, meters=3)
    limits = data.limits_of(rows)
    folder = data.write(tmp_path / "d", rows[:0], limits)
    table = data.table_of(rows)
    if writer == "duckdb":
        plain = table.set_column(0, "meter_id", table["meter_id"].cast(pa.string()))
        duckdb.from_arrow(plain).write_parquet(str(folder / "samples.parquet"))
    else:
        plain = pl.from_arrow(table).with_columns(pl.col("meter_id").cast(pl.String))
        plain.write_parquet(folder / "samples.parquet")
    assert_agrees(run(folder), data.reference(rows, limits))


def test_columns_may_stand_in_any_order_beside_others(tmp_path):
    rows = data.readings(2, meters=2)
    limits = data.limits_of(rows)
    folder = data.write(tmp_path / "d", rows[:0], limits)
    table = data.table_of(rows).append_column("note", pa.array(["x"] * len(rows)))
    pq.write_table(table.select(["note", *reversed(data.SCHEMA.names)]), folder / "part-0.parquet")
    assert_agrees(run(folder), data.reference(rows, limits))


def test_a_meter_without_limits_is_left_out_and_named(tmp_path):
    rows = data.readings(2, meters=3)
    folder = data.write(tmp_path / "d", rows, data.limits_of(rows, without={"330200000001"}))
    written = write_stats(folder, folder / "limits.parquet", tmp_path / "out", interval=15)
    assert written.without_limits == ("330200000001",)
    assert written.rows == len(rows)
    month = pq.read_table(tmp_path / "out" / "month.parquet")
    assert set(month["meter_id"].to_pylist()) == {"330200000000", "330200000002"}


def test_years_of_readings_give_a_row_a_month(tmp_path):
    rows = [("1", data.ms(2020, 1, 1) + n * data.DAY * 10, *[1.0] * 7) for n in range(150)]
    limits = [dict(data.limits_of(rows)[0], meter_id="1")]
    day, month = run(data.write(tmp_path / "d", rows, limits))
    assert (day.num_rows, pc.min(month["month"]).as_py()) == (150, dt.date(2020, 1, 1))
    assert_agrees((day, month), data.reference(rows, limits))


@pytest.mark.parametrize(
    ("given", "ms"),
    [
        ("15min", 900_000),
        ("1 h", 3_600_000),
        ("30s", 30_000),
        (15, 900_000),
        (dt.timedelta(minutes=5), 300_000),
    ],
)
def test_an_interval_is_text_minutes_or_a_timedelta(given, ms):
    assert interval_ms(given) == ms


@pytest.mark.parametrize("given", ["", "15", "min", "-5min", "0min", "2 days", 0, 1441])
def test_what_is_no_interval_is_a_usage_error(given):
    with pytest.raises(UsageError):
        interval_ms(given)


# Input that is not as it should be.


def good(tmp_path):
    rows = data.readings(2, meters=2)
    return data.write(tmp_path / "d", rows, data.limits_of(rows)), rows


def failure(folder, **more):
    with pytest.raises(InputError) as caught:
        run(folder, **more)
    return caught.value


@pytest.mark.parametrize("column", data.SCHEMA.names)
def test_a_missing_column_is_named(tmp_path, column):
    folder, _ = good(tmp_path)
    part = folder / "part-0000.parquet"
    pq.write_table(pq.read_table(part).drop_columns(column), part)
    error = failure(folder)
    assert (error.code, error.where["column"]) == ("input.schema", column)
    assert error.where["file"].endswith("part-0000.parquet")


@pytest.mark.parametrize(
    ("column", "wrong"),
    [("meter_id", pa.int64()), ("ts", pa.int64()), ("ts", pa.timestamp("ms", tz="UTC")), ("ua", pa.int32()),
     ("p", pa.string()), ("ep", pa.int64())],
)  # fmt: skip
def test_a_column_of_the_wrong_type_is_named(tmp_path, column, wrong):
    folder, _ = good(tmp_path)
    table = pq.read_table(folder / "part-0000.parquet")
    at = table.schema.get_field_index(column)
    changed = pa.nulls(table.num_rows, wrong)
    pq.write_table(table.set_column(at, column, changed), folder / "part-0000.parquet")
    error = failure(folder)
    assert (error.code, error.where["column"]) == ("input.schema", column)


def test_rows_out_of_order_name_file_row_group_and_meter(tmp_path):
    folder, rows = good(tmp_path)
    last = max(n for n, row in enumerate(rows[:240]) if row[0] == rows[0][0])
    rows[last] = (rows[last][0], rows[0][1] - 1, *rows[last][2:])
    data.write(folder, rows, data.limits_of(rows))
    error = failure(folder)
    assert error.code == "input.order"
    assert (error.where["meter"], error.where["row_group"]) == (rows[0][0], last // 97)
    assert error.where["row"] == last + 1
    assert error.where["file"].endswith("part-0000.parquet")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_and_infinity_are_no_values(tmp_path, value):
    folder, rows = good(tmp_path)
    rows[100] = (*rows[100][:5], value, *rows[100][6:])
    data.write(folder, rows, data.limits_of(rows))
    error = failure(folder)
    assert (error.code, error.where["column"], error.where["row_group"]) == ("input.value", "p", 1)
    assert error.where["row"] == 101


@pytest.mark.parametrize("column", [0, 1])
def test_a_row_without_meter_or_time_is_an_error(tmp_path, column):
    folder, rows = good(tmp_path)
    changed = list(rows[3])
    changed[column] = None
    rows[3] = tuple(changed)
    table = data.table_of(rows)
    for path in folder.glob("part-*"):
        path.unlink()
    pq.write_table(table, folder / "part-0000.parquet")
    error = failure(folder)
    assert (error.code, error.where["row"]) == ("input.value", 4)


def test_a_file_that_is_cut_or_no_parquet_is_named(tmp_path):
    folder, _ = good(tmp_path)
    part = folder / "part-0001.parquet"
    whole = part.read_bytes()
    for broken in (b"", b"PAR1", whole[: len(whole) // 2], b"x" * 500):
        part.write_bytes(broken)
        error = failure(folder)
        assert (error.code, error.where["file"]) == ("input.format", str(part))


def test_a_damaged_row_group_is_an_error_and_never_a_crash(tmp_path):
    folder, rows = good(tmp_path)
    part = folder / "part-0001.parquet"
    whole = part.read_bytes()
    meta = pq.ParquetFile(part).metadata
    data_end = max(
        column.data_page_offset + column.total_compressed_size
        for column in (meta.row_group(g).column(c) for g in range(2) for c in range(meta.num_columns))
    )
    found = 0
    for at in range(4, min(data_end, len(whole) - 200), 23):
        damaged = bytearray(whole)
        damaged[at : at + 8] = b"\xff" * 8
        part.write_bytes(damaged)
        met = None
        try:
            run(folder)
        except InputError as error:
            met = error
        if met is not None:
            found += 1
            assert met.where["file"] == str(part)
            assert met.code in ("input.format", "input.value", "input.order")
            assert "row_group" in met.where
    assert found > 10
    part.write_bytes(whole)
    assert_agrees(run(folder), data.reference(rows, data.limits_of(rows)))


def test_an_empty_folder_and_a_missing_one_are_told_apart(tmp_path):
    folder, _ = good(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        keyacct.stats(tmp_path / "empty", folder / "limits.parquet", interval=15)
    assert caught.value.code == "input.empty"
    with pytest.raises(InputError) as caught:
        keyacct.stats(tmp_path / "none", folder / "limits.parquet", interval=15)
    assert caught.value.code == "input.not_found"
    with pytest.raises(InputError) as caught:
        keyacct.stats(folder, tmp_path / "none.parquet", interval=15)
    assert caught.value.code == "input.not_found"


BAD_LIMITS = {
    "pt": [0.0, -1.0, None, float("nan")],
    "u_nom": [0.0, None],
    "u_lower": [1e9, None],
    "u_upper": [0.0, float("inf")],
    "pf_std": [1.5, -0.1, None],
    "tariff": ["P" * 47, "P" * 49, "p" * 48, "P" * 47 + "峰", None],
    "meter_id": [None],
}


@pytest.mark.parametrize("column", BAD_LIMITS)
def test_limits_that_cannot_be_are_named_with_row_and_column(tmp_path, column):
    folder, rows = good(tmp_path)
    for value in BAD_LIMITS[column]:
        limits = data.limits_of(rows)
        limits[1] = {**limits[1], column: value}
        pq.write_table(pa.Table.from_pylist(limits), folder / "limits.parquet")
        error = failure(folder)
        assert (error.code, error.where["row"]) == ("input.value", 2), value
        assert error.where["file"].endswith("limits.parquet")
        assert error.where["column"] in (column, "u_lower")


def test_a_meter_twice_in_the_limits_is_an_error(tmp_path):
    folder, rows = good(tmp_path)
    limits = data.limits_of(rows)
    pq.write_table(pa.Table.from_pylist([*limits, limits[0]]), folder / "limits.parquet")
    error = failure(folder)
    assert (error.code, error.where["meter"], error.where["row"]) == ("input.value", limits[0]["meter_id"], 4)


def test_a_limits_file_without_a_column_is_an_error(tmp_path):
    folder, rows = good(tmp_path)
    table = pa.Table.from_pylist(data.limits_of(rows)).drop_columns("u_nom")
    pq.write_table(table, folder / "limits.parquet")
    error = failure(folder)
    assert (error.code, error.where["column"]) == ("input.schema", "u_nom")


@pytest.mark.parametrize("loss", [-0.1, 1.0, float("nan")])
def test_a_loss_outside_0_to_1_is_a_usage_error(tmp_path, loss):
    folder, _ = good(tmp_path)
    with pytest.raises(UsageError):
        run(folder, loss=loss)


def test_an_unknown_engine_is_a_usage_error(tmp_path):
    folder, _ = good(tmp_path)
    with pytest.raises(UsageError, match="no engine"):
        run(folder, engine="cluster")


def test_a_failed_run_leaves_earlier_results_and_no_other_file(tmp_path):
    folder, rows = good(tmp_path)
    out = tmp_path / "out"
    write_stats(folder, folder / "limits.parquet", out, interval=15)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(before) == {"day.parquet", "month.parquet"}
    rows.append((rows[0][0], rows[0][1] - 1, *rows[0][2:]))
    data.write(folder, rows, data.limits_of(rows))
    with pytest.raises(InputError):
        write_stats(folder, folder / "limits.parquet", out, interval=15)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
