"""`keyacct samples pack`, and statistics of exact decimals: nothing is rounded, any reader reads it, faults are named."""

import datetime as dt
import importlib.util
import struct
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyacct.analysis.month_stats import write_stats
from keyacct.cli.run import run
from keyacct.errors import InputError, UsageError
from keyacct.workflow.sample_pack import pack_samples

_spec = importlib.util.spec_from_file_location("month_data_pack", Path(__file__).with_name("month_data.py"))
data = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(data)

VALUES = data.COLUMNS
DELTA = dict.fromkeys(("ts", *VALUES), "DELTA_BINARY_PACKED")


def whole(path):
    """A file as bit patterns: what is equal here is equal to the last bit."""
    table = pq.read_table(path)
    return [
        struct.pack("<d", value) if isinstance(value, float) else value
        for name in table.schema.names
        for value in table[name].to_pylist()
    ]


def figures(folder, out, **options):
    write_stats(folder, folder / "limits.parquet", out, interval="15min", **options)
    return whole(out / "day.parquet"), whole(out / "month.parquet")


def decimal_table(rows, precision=(9, 9, 9, 9, 9, 18, 18), scales=(1, 1, 1, 4, 4, 2, 2), offset=0):
    """Rows as exact decimals; floats are told by their shortest text, as a meter would show them."""
    arrays = [pa.array([row[n] for row in rows], field.type) for n, field in enumerate(data.SCHEMA) if n < 2]
    for n, (digits, scale) in enumerate(zip(precision, scales, strict=True)):
        texts = [None if row[n + 2] is None else Decimal(repr(row[n + 2])) for row in rows]
        arrays.append(
            pa.array(
                [None if t is None else t.quantize(Decimal(1).scaleb(-scale)) for t in texts],
                pa.decimal128(digits, scale),
            )
        )
    return pa.Table.from_arrays(arrays, names=data.SCHEMA.names)


def round_registers(rows):
    return [(*row[:8], None if row[8] is None else round(row[8], 2)) for row in rows]


@pytest.mark.parametrize("layout", ["meter", "time"])
def test_statistics_of_the_copy_are_those_of_the_original_to_the_last_bit(tmp_path, layout):
    rows = round_registers(data.readings(11))
    rows = data.by_rounds(rows) if layout == "time" else rows
    folder = data.write(tmp_path / "d", rows, data.limits_of(rows))
    packed = pack_samples(folder, tmp_path / "p")
    assert [column.type for column in packed.columns] == [
        "decimal(9, 1)", "decimal(9, 1)", "decimal(9, 1)", "decimal(9, 4)", "decimal(9, 4)", "decimal(9, 2)",
        "decimal(9, 2)",
    ]  # fmt: skip
    assert packed.rows == len(rows)
    assert [path.name for path in packed.files] == [path.name for path in sorted(folder.glob("part-*"))]
    assert figures(folder, tmp_path / "a") == figures(tmp_path / "p", tmp_path / "b")


def test_a_column_without_short_decimals_is_kept_to_the_bit_and_said(tmp_path, capsys):
    rows = data.readings(12, meters=3)  # the last column is a third of a register
    folder = data.write(tmp_path / "d", rows, data.limits_of(rows))
    capsys.readouterr()
    assert run(["samples", "pack", str(folder), "--out", str(tmp_path / "p"), "--lang", "en"]) == 0
    out, err = capsys.readouterr()
    assert "eq stays float64: no decimal of up to eight places is exactly" in err
    assert "float64" in out
    before, after = (pq.read_table(sorted(f.glob("part-*")), columns=["eq"]) for f in (folder, tmp_path / "p"))
    assert before["eq"].to_pylist() == after["eq"].to_pylist()
    assert figures(folder, tmp_path / "a") == figures(tmp_path / "p", tmp_path / "b")


MS = st.integers(0, 10**12)
SINGLES = st.one_of(
    st.none(),
    st.floats(width=32, min_value=-1e9, max_value=1e9),
    st.integers(-(10**9) + 1, 10**9 - 1).map(lambda n: data.single(n / 10**4)),
)
DOUBLES = st.one_of(
    st.none(),
    st.floats(min_value=-1e11, max_value=1e11),
    st.tuples(st.integers(-(10**15), 10**15), st.integers(0, 8)).map(lambda n: float(Decimal(n[0]).scaleb(-n[1]))),
).filter(lambda v: v is None or abs(v) < 1e12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(MS, *[SINGLES] * 5, *[DOUBLES] * 2), min_size=1, max_size=300), st.booleans())
def test_every_value_comes_back_to_the_bit(tmp_path_factory, rows, decimals_only):
    """Floats of any kind, and decimals of any place: what the copy holds leads back to the same floating number."""
    folder = tmp_path_factory.mktemp("pack")
    if decimals_only:
        cut = lambda v, places: None if v is None else float(round(Decimal(v), places))  # noqa: E731
        rows = [
            (row[0], *(None if v is None else data.single(cut(v, 3)) for v in row[1:6]), *(cut(v, 3) for v in row[6:]))
            for row in rows
        ]
    table = data.table_of([("330200000000", *row) for row in sorted(rows, key=lambda row: row[0])])
    (folder / "d").mkdir()
    pq.write_table(table, folder / "d" / "part-0000.parquet")
    packed = pack_samples(folder / "d", folder / "p")
    copy = pq.read_table(folder / "p" / "part-0000.parquet")
    assert copy["ts"].to_pylist() == table["ts"].to_pylist()
    for column in packed.columns:
        before, after = table[column.name], copy[column.name]
        if column.type.startswith("decimal"):
            # The shortest way back: text to the nearest number of that precision.
            back = [None if v is None else float(v) for v in after.to_pylist()]
            if before.type == pa.float32():
                back = [None if v is None else data.single(v) for v in back]
        else:
            assert after.type == before.type
            assert column.kept_for in before.to_pylist()
            back = after.to_pylist()
        assert back == before.to_pylist(), column


def test_pyarrow_duckdb_and_polars_read_the_same_decimals(tmp_path):
    rows = round_registers(data.readings(13, meters=4))
    folder = data.write(tmp_path / "d", rows, data.limits_of(rows))
    pack_samples(folder, tmp_path / "p")
    wanted = {name: [None if row[n + 2] is None else Decimal(repr(row[n + 2])) for row in rows]
              for n, name in enumerate(VALUES)}  # fmt: skip
    files = sorted(str(path) for path in (tmp_path / "p").glob("part-*"))
    by_arrow = pa.concat_tables([pq.read_table(path) for path in files])
    by_polars = pl.concat([pl.read_parquet(path) for path in files])
    by_duckdb = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [files])
    names = [about[0] for about in by_duckdb.description]
    by_duckdb = list(zip(*by_duckdb.fetchall(), strict=True))
    for name in VALUES:
        assert by_arrow[name].to_pylist() == wanted[name]
        assert by_polars[name].to_list() == wanted[name]
        assert list(by_duckdb[names.index(name)]) == wanted[name]
    stamps = [dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=row[1]) for row in rows]
    assert by_arrow["ts"].to_pylist() == by_polars["ts"].to_list() == list(by_duckdb[names.index("ts")]) == stamps
    assert by_polars["meter_id"].to_list() == [row[0] for row in rows]


WRITERS = {
    "byte arrays": {},
    "integers": {"store_decimal_as_integer": True},
    "plain": {"store_decimal_as_integer": True, "use_dictionary": False},
    "delta": {"store_decimal_as_integer": True, "use_dictionary": ["meter_id"], "column_encoding": DELTA},
}
WRITERS["delta, pages 2, zstd"] = {**WRITERS["delta"], "data_page_version": "2.0", "compression": "zstd"}
WRITERS["delta, small pages"] = {**WRITERS["delta"], "max_rows_per_page": 7, "write_batch_size": 3}
# Decimals of more than 18 digits are byte arrays, which have no delta encoding for numbers.
SHAPES = [(name, digits) for name in WRITERS for digits in (9, 18, 28) if digits < 28 or "delta" not in name]


@pytest.mark.parametrize(("writer", "precision"), SHAPES)
def test_decimals_of_any_writer_give_what_doubles_of_the_same_data_give(tmp_path, writer, precision):
    rows = round_registers(data.readings(14, meters=4))
    limits = data.limits_of(rows)
    doubles = pa.schema([*list(data.SCHEMA)[:2], *((name, pa.float64()) for name in VALUES)])
    as_doubles = tmp_path / "d"
    as_doubles.mkdir()
    pq.write_table(data.table_of(rows, doubles), as_doubles / "part-0000.parquet")
    as_decimals = tmp_path / "x"
    as_decimals.mkdir()
    pq.write_table(
        decimal_table(rows, (precision,) * 7), as_decimals / "part-0000.parquet", row_group_size=200, **WRITERS[writer]
    )
    for folder in (as_doubles, as_decimals):
        pq.write_table(pa.Table.from_pylist(limits), folder / "limits.parquet")
    assert figures(as_doubles, tmp_path / "a") == figures(as_decimals, tmp_path / "b")


def test_files_of_one_set_may_hold_singles_doubles_and_decimals(tmp_path):
    rows = round_registers(data.readings(15, meters=4))
    limits = data.limits_of(rows)
    cut = [rows[n : n + 211] for n in range(0, len(rows), 211)]
    doubles = pa.schema([*list(data.SCHEMA)[:2], *((name, pa.float64()) for name in VALUES)])
    plain, mixed = tmp_path / "plain", tmp_path / "mixed"
    for folder in (plain, mixed):
        folder.mkdir()
        pq.write_table(pa.Table.from_pylist(limits), folder / "limits.parquet")
    for n, part in enumerate(cut):
        name = f"part-{n:04d}.parquet"
        if n % 3 == 0:  # singles stay what they are in a set with doubles
            pq.write_table(data.table_of(part).cast(doubles), plain / name)
            pq.write_table(data.table_of(part), mixed / name)
        else:
            pq.write_table(data.table_of(part, doubles), plain / name)
            table = decimal_table(part) if n % 3 == 1 else data.table_of(part, doubles)
            pq.write_table(table, mixed / name, store_decimal_as_integer=True)
    assert figures(plain, tmp_path / "a") == figures(mixed, tmp_path / "b")
    assert figures(plain, tmp_path / "a") == figures(mixed, tmp_path / "c", threads=1)
    pack_samples(mixed, tmp_path / "p")
    assert figures(plain, tmp_path / "a") == figures(tmp_path / "p", tmp_path / "d")


def test_times_in_finer_units_delta_coded_are_read_as_milliseconds(tmp_path):
    rows = round_registers(data.readings(16, meters=2))
    folder = data.write(tmp_path / "ms", rows, data.limits_of(rows))
    for unit in ("us", "ns"):
        other = tmp_path / unit
        schema = data.SCHEMA.set(1, pa.field("ts", pa.timestamp(unit)))
        data.write(other, rows, data.limits_of(rows), schema=schema, use_dictionary=["meter_id"], version="2.6",
                   column_encoding={"ts": "DELTA_BINARY_PACKED"})  # fmt: skip
        assert figures(folder, tmp_path / "a") == figures(other, tmp_path / f"b{unit}")


def spoiled(folder, tmp_path, capsys, command=("stats",)):
    """Exit code and words on stderr of a run that must leave nothing."""
    out = tmp_path / "out"
    capsys.readouterr()
    if command == ("stats",):
        arguments = ["stats", "--data", str(folder), "--limits", str(folder / "limits.parquet"), "--interval", "15min"]
    else:
        arguments = ["samples", "pack", str(folder)]
    status = run([*arguments, "--out", str(out), "--lang", "en"])
    said, err = capsys.readouterr()
    assert said == ""
    assert not out.exists() or list(out.iterdir()) == []
    return status, err


def packed_set(tmp_path, seed=17):
    rows = round_registers(data.readings(seed, meters=3))
    folder = data.write(tmp_path / "d", rows, data.limits_of(rows))
    pack_samples(folder, tmp_path / "p")
    return tmp_path / "p"


def over(path, at, what):
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + what + whole[at + len(what) :])


@pytest.mark.parametrize(
    ("column", "inside"),
    [("ua", 0), ("ua", 24), ("ua", 40), ("p", 0), ("p", 40), ("ep", 0), ("ep", 24), ("ts", 0), ("ts", 20)],
)
@pytest.mark.parametrize("command", [("stats",), ("samples", "pack")], ids=["stats", "pack"])
def test_a_damaged_page_is_named_with_file_and_row_group(tmp_path, capsys, column, inside, command):
    folder = packed_set(tmp_path)
    path = folder / "part-0001.parquet"
    group = pq.ParquetFile(path).metadata.row_group(0)
    chunk = next(c for c in map(group.column, range(9)) if c.path_in_schema == column)
    over(path, chunk.data_page_offset + inside, b"\xff" * 60)
    status, err = spoiled(folder, tmp_path, capsys, command)
    assert status == 4, err
    assert "part-0001.parquet" in err
    assert "row group 0" in err
    assert column in err


def test_a_file_that_is_cut_short_is_refused(tmp_path, capsys):
    folder = packed_set(tmp_path)
    path = folder / "part-0001.parquet"
    path.write_bytes(path.read_bytes()[:-900])
    status, err = spoiled(folder, tmp_path, capsys)
    assert (status, "part-0001.parquet" in err) == (4, True)


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_any_damage_ends_in_a_sentence_or_in_figures_but_never_otherwise(damage_set, at, what):
    folder, out, whole = damage_set
    path = folder / "part-0000.parquet"
    path.write_bytes(whole)
    over(path, at % len(whole), what)
    try:
        write_stats(folder, folder / "limits.parquet", out, interval="15min")
    except InputError as error:
        assert "part-0000.parquet" in str(error.where)


@pytest.fixture(scope="module")
def damage_set(tmp_path_factory):
    rows = round_registers(data.readings(18, meters=2, days=2))
    folder = tmp_path_factory.mktemp("damage")
    data.write(folder / "d", rows, data.limits_of(rows), per_file=10_000)
    pack_samples(folder / "d", folder / "p")
    return folder / "p", folder / "o", (folder / "p" / "part-0000.parquet").read_bytes()


def test_whole_numbers_without_a_scale_are_refused(tmp_path, capsys):
    rows = round_registers(data.readings(19, meters=2))
    folder = data.write(tmp_path / "d", rows, data.limits_of(rows), per_file=10_000)
    table = decimal_table(rows)
    volts = pa.array([None if row[2] is None else int(row[2] * 10) for row in rows], pa.int32())
    pq.write_table(table.set_column(2, "ua", volts), folder / "part-0000.parquet")
    status, err = spoiled(folder, tmp_path, capsys)
    assert status == 4
    assert all(word in err for word in ("part-0000.parquet", "ua", "DECIMAL"))


def test_a_number_that_no_meter_shows_is_refused_with_its_row(tmp_path, capsys):
    rows = round_registers(data.readings(20, meters=2))
    rows[5] = (*rows[5][:7], 2e12, rows[5][8])
    folder = data.write(tmp_path / "d", rows, data.limits_of(rows), per_file=10_000)
    pq.write_table(
        decimal_table(rows, (9, 9, 9, 9, 9, 18, 18)), folder / "part-0000.parquet", store_decimal_as_integer=True,
        use_dictionary=["meter_id"], column_encoding=DELTA, row_group_size=10_000,
    )  # fmt: skip
    for command in (("stats",), ("samples", "pack")):
        status, err = spoiled(folder, tmp_path, capsys, command)
        assert status == 4
        assert all(word in err for word in ("part-0000.parquet", "ep", "row 6"))


def test_a_decimal_of_more_than_fifteen_digits_is_not_rounded_but_refused_by_pack(tmp_path, capsys):
    rows = round_registers(data.readings(21, meters=2))
    folder = data.write(tmp_path / "d", rows, data.limits_of(rows), per_file=10_000)
    table = decimal_table(rows, (9, 9, 9, 9, 9, 28, 28), (1, 1, 1, 4, 4, 8, 2))
    long = table["ep"].to_pylist()
    long[3] = Decimal("123456789012.12345678")
    table = table.set_column(7, "ep", pa.array(long, pa.decimal128(28, 8)))
    pq.write_table(table, folder / "part-0000.parquet", row_group_size=10_000)
    status, err = spoiled(folder, tmp_path, capsys, ("samples", "pack"))
    assert status == 4
    assert all(word in err for word in ("part-0000.parquet", "ep", "row 4", "fifteen digits"))
    # The statistics take the double nearest to it.
    write_stats(folder, folder / "limits.parquet", tmp_path / "o", interval="15min")


def test_the_folder_of_the_samples_is_not_written_into(tmp_path):
    folder = packed_set(tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UsageError):
        pack_samples(folder, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("writer", [name for name in WRITERS if name != "byte arrays"])
def test_pages_without_any_value_are_read(tmp_path, writer):
    rows = [(*row[:2], None, *row[3:7], None, row[8]) for row in round_registers(data.readings(22, meters=2))]
    limits = data.limits_of(rows)
    for folder, table in ((tmp_path / "d", data.table_of(rows)), (tmp_path / "x", decimal_table(rows))):
        folder.mkdir()
        # Singles of the same data are told as such, so both give the same bits.
        told = table.replace_schema_metadata({"keyacct.single_precision": "ua,ub,uc,p,q"})
        how = WRITERS[writer] if folder.name == "x" else {}
        pq.write_table(told, folder / "part-0000.parquet", row_group_size=100, **how)
        pq.write_table(pa.Table.from_pylist(limits), folder / "limits.parquet")
    assert figures(tmp_path / "d", tmp_path / "a") == figures(tmp_path / "x", tmp_path / "b")
