"""`keyacct stats --state`: every way to a result gives the bits of one pass, and only what has changed is computed."""

import importlib.util
import itertools
import os
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from keyacct.analysis.month_stats import write_stats
from keyacct.cli.run import run
from keyacct.errors import InputError, UsageError

_spec = importlib.util.spec_from_file_location("month_data", Path(__file__).with_name("month_data.py"))
data = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(data)


class Place:
    """A data set in files, its states and its results."""

    def __init__(self, folder):
        self.folder, self.data, self.state = folder, folder / "data", folder / "state"
        self.data.mkdir(parents=True)

    def put(self, name, rows):
        pq.write_table(data.table_of(rows), self.data / f"part-{name}.parquet", row_group_size=97)

    def limits(self, limits):
        pq.write_table(data.pa.Table.from_pylist(limits), self.data / "limits.parquet")

    def stats(self, out="kept", *, state=True, threads=None):
        written = write_stats(
            self.data, self.data / "limits.parquet", self.folder / out, interval=15, threads=threads,
            state=self.state if state else None,
        )  # fmt: skip
        return written, exactly(self.folder / out)

    def segments(self):
        return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in self.state.glob("*.days")}


def exactly(out):
    """All rows as they are, floats to the last bit."""
    bits = lambda value: value.hex() if isinstance(value, float) else value  # noqa: E731  a cell
    return [
        sorted(
            [
                tuple((name, bits(value)) for name, value in row.items())
                for row in pq.read_table(out / name).to_pylist()
            ],
            key=lambda row: (row[0][1], row[1][1]),
        )
        for name in ("day.parquet", "month.parquet")
    ]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def days_of(rows):
    found = {}
    for row in rows:
        found.setdefault(row[1] // data.DAY, []).append(row)
    return [found[day] for day in sorted(found)]


def fill(place, seed=3, meters=6):
    rows = data.by_rounds(data.readings(seed, meters=meters))
    days = days_of(rows)
    place.limits(data.limits_of(rows))
    for n, day in enumerate(days):
        place.put(f"{n:02}", day)
    return rows, days


@pytest.mark.parametrize("seed", range(4))
def test_days_that_come_one_by_one_give_the_bits_of_one_pass(place, seed):
    rows = data.by_rounds(data.readings(seed))
    place.limits(data.limits_of(rows, without={rows[0][0]}))
    for n, day in enumerate(days_of(rows)):
        place.put(f"{n:02}", day)
        written, kept = place.stats()
        plain, whole = place.stats("plain", state=False)
        assert kept == whole
        assert written == plain
        assert [p.name for p in (place.folder / "kept").iterdir()] == [
            p.name for p in (place.folder / "plain").iterdir()
        ]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("layout", ["meter", "time"])
def test_any_cut_into_files_gives_the_same_bits(tmp_path, seed, layout):
    rows = data.readings(seed)
    rows = data.by_rounds(rows) if layout == "time" else rows
    whole = Place(tmp_path / "whole")
    whole.limits(data.limits_of(rows))
    whole.put("0", rows)
    _, expected = whole.stats(state=False, threads=1)
    rnd = random.Random(seed)
    cuts = sorted({0, len(rows), *(rnd.randrange(len(rows)) for _ in range(rnd.choice((1, 3, 9))))})
    cut = Place(tmp_path / "cut")
    cut.limits(data.limits_of(rows))
    for n, (begin, end) in enumerate(itertools.pairwise(cuts)):
        cut.put(f"{n:02}", rows[begin:end])
        if rnd.random() < 0.5:
            cut.stats(threads=rnd.choice((1, 2, 5)))
    assert cut.stats()[1] == expected


def test_a_further_day_reads_that_day_alone(place):
    _rows, days = fill(place)
    (place.data / f"part-{len(days) - 1:02}.parquet").unlink()
    place.stats()
    for path in place.state.glob("*.days"):
        path.unlink()
    place.put(f"{len(days) - 1:02}", days[-1])
    _, kept = place.stats()
    assert list(place.segments()) == [f"part-{len(days) - 1:02}.parquet.days"]
    assert kept == place.stats("plain", state=False)[1]


def test_with_nothing_new_no_sample_is_read(place):
    fill(place)
    _, first = place.stats()
    for path in place.state.glob("*.days"):
        path.unlink()
    written, again = place.stats()
    assert (again, place.segments()) == (first, {})
    assert written.rows > 0


def test_a_late_correction_computes_its_file_alone(place):
    _rows, days = fill(place)
    place.stats()
    before = place.segments()
    changed = [(*row[:5], 77.25, *row[6:]) for row in days[1]]
    place.put("01", changed)
    _, kept = place.stats()
    after = place.segments()
    assert {name for name in after if after[name] != before[name]} == {"part-01.parquet.days"}
    assert kept == place.stats("plain", state=False)[1]


def test_other_limits_of_a_meter_touch_only_the_files_that_have_it(place):
    rows, days = fill(place)
    name = rows[0][0]
    place.put("01", [row for row in days[1] if row[0] != name])
    place.stats()
    before = place.segments()
    limits = data.limits_of(rows)
    next(row for row in limits if row["meter_id"] == name).update(pt=3.0, u_lower=1.0, u_upper=2.0)
    place.limits(limits)
    _, kept = place.stats()
    after = place.segments()
    assert {n for n in after if after[n] == before[n]} == {"part-01.parquet.days"}
    assert kept == place.stats("plain", state=False)[1]


def test_meters_come_into_the_limits_and_leave_them(place):
    rows, _ = fill(place)
    names = sorted({row[0] for row in rows})
    for without in ({names[0]}, {names[1]}, set(), {names[0], names[2]}):
        place.limits(list(reversed(data.limits_of(rows, without=without))))
        written, kept = place.stats()
        assert set(written.without_limits) == without
        assert kept == place.stats("plain", state=False)[1]


def test_another_standard_of_the_power_factor_reads_no_sample(place):
    rows, _ = fill(place)
    place.stats()
    before = place.segments()
    place.limits([{**row, "pf_std": 0.8, "tariff": row["tariff"]} for row in data.limits_of(rows)])
    _, kept = place.stats()
    assert place.segments() == before
    assert kept == place.stats("plain", state=False)[1]


def flipped(whole, at):
    return whole[:at] + bytes(byte ^ 1 for byte in whole[at : at + 1]) + whole[at + 1 :]


def damage(paths, how):
    for path in list(paths):
        whole = path.read_bytes()
        middle = len(whole) // 2
        if how == "gone":
            path.unlink()
            continue
        path.write_bytes(
            {
                "flip": flipped(whole, middle),
                "footer": flipped(whole, len(whole) - 12),
                "length": whole[:-8] + b"\xff\xff\xff\x7f" + whole[-4:],
                "end": whole[:-2] + b"xx",
                "cut": whole[:middle],
                "stub": whole[:5],
                "empty": b"",
            }[how]
        )


@pytest.mark.parametrize("what", ["joined.state", "*.days", "rows-*.parquet", "meters-*.state"])
@pytest.mark.parametrize("how", ["flip", "cut", "empty", "gone"])
def test_a_damaged_state_is_made_again(place, what, how):
    _rows, days = fill(place)
    place.stats()
    damage(place.state.glob(what), how)
    place.put("00", days[0])  # the joined state does not do, so the segments are asked
    assert place.stats()[1] == place.stats("plain", state=False)[1]


@pytest.mark.parametrize("what", ["joined.state", "*.days", "rows-*.parquet", "meters-*.state"])
@pytest.mark.parametrize("how", ["flip", "footer", "length", "end", "cut", "stub", "empty", "gone"])
def test_a_damaged_state_takes_a_further_day_or_nothing_new(place, what, how):
    _rows, days = fill(place, meters=3)
    last = place.data / f"part-{len(days) - 1:02}.parquet"
    last.unlink()
    _, before = place.stats()
    damage(place.state.glob(what), how)
    assert place.stats()[1] == before
    damage(place.state.glob(what), how)
    place.put(f"{len(days) - 1:02}", days[-1])
    assert place.stats()[1] == place.stats("plain", state=False)[1]
    assert not [name for folder in ("kept", "state") for name in os.listdir(place.folder / folder) if "tmp" in name]


def test_the_tables_are_parquet_whose_row_groups_say_where_they_lie(place):
    _rows, days = fill(place)
    for day in reversed(range(1, len(days))):
        (place.data / f"part-{day:02}.parquet").unlink()
    for day in range(len(days)):
        place.put(f"{day:02}", days[day])
        place.stats()
    for path in [*(place.folder / "kept").glob("*.parquet"), *place.state.glob("rows-*.parquet")]:
        meta = pq.ParquetFile(path).metadata
        at = 4
        for n in range(meta.num_row_groups):
            for column in range(meta.num_columns):
                found = meta.row_group(n).column(column)
                assert (found.dictionary_page_offset or found.data_page_offset) == at
                at += found.total_compressed_size
        assert meta.num_rows == sum(meta.row_group(n).num_rows for n in range(meta.num_row_groups))
        footer = int.from_bytes(path.read_bytes()[-8:-4], "little")
        assert at + footer + 8 == path.stat().st_size
    assert pq.ParquetFile(place.folder / "kept" / "day.parquet").metadata.num_row_groups > 2


def test_a_file_that_goes_back_in_time_is_refused_and_the_results_stay(place):
    _rows, days = fill(place)
    _, first = place.stats()
    place.put("99", days[0][-1:])
    with pytest.raises(InputError) as caught:
        place.stats()
    assert caught.value.code == "input.order"
    assert (caught.value.where["meter"], Path(caught.value.where["file"]).name) == (days[0][-1][0], "part-99.parquet")
    assert exactly(place.folder / "kept") == first
    (place.data / "part-99.parquet").unlink()
    assert place.stats()[1] == first


def test_a_row_group_damaged_in_the_middle_leaves_results_and_states(place):
    _rows, _days = fill(place)
    _, first = place.stats()
    path = place.data / "part-01.parquet"
    whole, joined = path.read_bytes(), (place.state / "joined.state").read_bytes()
    meta = pq.ParquetFile(path).metadata
    group = meta.num_row_groups // 2
    at = meta.row_group(group).column(5).data_page_offset
    path.write_bytes(whole[:at] + b"\xff" * 12 + whole[at + 12 :])
    with pytest.raises(InputError) as caught:
        place.stats()
    assert caught.value.code in ("input.format", "input.value")
    assert (Path(caught.value.where["file"]).name, caught.value.where["row_group"]) == ("part-01.parquet", group)
    assert exactly(place.folder / "kept") == first
    assert (place.state / "joined.state").read_bytes() == joined
    assert not [name for folder in ("kept", "state") for name in os.listdir(place.folder / folder) if "tmp" in name]


def test_states_need_a_folder_for_the_tables_and_the_command_takes_them(place, capsys):
    fill(place)
    arguments = ["--data", str(place.data), "--limits", str(place.data / "limits.parquet"), "--interval", "15min"]
    kept = [*arguments, "--out", str(place.folder / "kept"), "--state", str(place.state)]
    assert run(["stats", *kept]) == 0
    assert run(["stats", *kept]) == 0
    assert exactly(place.folder / "kept") == place.stats("plain", state=False)[1]
    from keyacct import _core

    with pytest.raises(UsageError):
        _core.month_stats(
            str(place.data), str(place.data / "limits.parquet"), interval_ms=900_000, loss=0.7, state=str(place.state)
        )
