"""Queries, demand, balance and unbalance over a real registry and store, against sums made by hand from the rows."""

import csv
import datetime as dt
import json
import math
import random
import zoneinfo
from collections import defaultdict
from itertools import pairwise

import pytest

from keyacct.analysis.buckets import buckets_of
from keyacct.analysis.loading import loading_of
from keyacct.cli.curves import braille, sparkline
from keyacct.cli.run import run
from keyacct.config import LoadingSettings
from keyacct.errors import UsageError
from keyacct.model import Period

SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")
NOW = "2026-07-05T00:00+08:00"
REGISTRY = """
[[substation]]
substation = "S"
[[busbar]]
busbar = "B"
substation = "S"
voltage_level_kv = 10
[[supply_line]]
supply_line = "L1"
[[supply_line]]
supply_line = "L2"
[[line_feed]]
supply_line = "L1"
busbar = "B"
[[line_feed]]
supply_line = "L2"
busbar = "B"
"""
POINTS = (
    ("P1", "1001", "M1", "L1", 40.0, 15),
    ("P2", "1002", "M2", "L2", 20.0, 15),
    ("P3", "1003", "M3", "L2", 1.0, 1),
)
"""Point, account, meter, line, CT ratio, interval."""


def _registry():
    text = REGISTRY
    for point, account, meter, line, ct, interval in POINTS:
        text += f"""
[[account]]
account_no = "{account}"
account_name = "A{account}"
[[account_terms]]
account_no = "{account}"
industry_code = "{"26" if point == "P1" else "31"}"
running_capacity_kva = 100
contract_demand_kw = 50
[[point]]
point = "{point}"
kind = "billing"
[[point_account]]
point = "{point}"
account_no = "{account}"
[[point_supply]]
point = "{point}"
supply_line = "{line}"
busbar = "B"
[[meter]]
meter_no = "{meter}"
[[meter_setting]]
meter_no = "{meter}"
interval_min = {interval}
[[meter_point]]
meter_no = "{meter}"
point = "{point}"
[[point_ratio]]
point = "{point}"
wiring = "3p4w"
pt = 1.0
ct = {ct}
"""
    return text


def _rows():
    """Two days of June at 15 minutes for M1 and M2 with gaps; two hours at one minute for M3."""
    rnd = random.Random(5)
    rows = []
    for meter in ("M1", "M2"):
        register = 0.0
        for n in range(1, 2 * 96 + 1):
            at = dt.datetime(2026, 6, 10) + n * dt.timedelta(minutes=15)
            p = rnd.randrange(0, 2000) / 1000
            register += p / 4
            if rnd.random() < 0.1 and n % 96:
                continue
            rows.append(
                (meter, at, p, p / 2, 220 + rnd.randrange(1000) / 1000, 221.5, 219.0, 2.0, 1.5, 1.0, round(register, 4))
            )
    for n in range(1, 121):
        p = 10.0 if 8 <= n <= 22 else 1.0
        rows.append(
            ("M3", dt.datetime(2026, 6, 10) + n * dt.timedelta(minutes=1), p, 0.0, *[220.0] * 3, *[9.0] * 3, None)
        )
    return rows


CT = {meter: ct for _, _, meter, _, ct, _ in POINTS}


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    folder = tmp_path_factory.mktemp("query")
    with (folder / "june.csv").open("w", newline="", encoding="utf-8") as file:
        names = ("meter", "ts", "p", "q", "ua", "ub", "uc", "ia", "ib", "ic", "reg")
        rows = [["" if cell is None else cell for cell in row] for row in _rows()]
        csv.writer(file).writerows([names, *rows])
    (folder / "registry.toml").write_text(_registry(), encoding="utf-8")
    root = str(folder / "w")
    assert run(["init", root]) == 0
    assert run(["registry", "import", str(folder / "registry.toml"), "--workspace", root]) == 0
    columns = "p=power.p,q=power.q,ua=voltage.a,ub=voltage.b,uc=voltage.c,ia=current.a,ib=current.b,ic=current.c"
    imported = ["samples", "import", str(folder / "june.csv"), "--meter-column", "meter", "--workspace", root]
    assert run([*imported, "--map", columns]) == 0
    with (folder / "registers.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [("meter", "ts", "reg"), *((r[0], r[1], r[-1]) for r in _rows() if r[-1] is not None)]
        )
    registers = ["samples", "import", str(folder / "registers.csv"), "--meter-column", "meter", "--workspace", root]
    assert run([*registers, "--kind", "register", "--map", "reg=energy.import"]) == 0
    return root


@pytest.fixture
def ask(office, capsys):
    def call(*arguments):
        capsys.readouterr()
        status = run([*arguments, "--workspace", office, "--now", NOW, "--lang", "en", "--format", "json"])
        out, err = capsys.readouterr()
        return status, json.loads(out) if out else None, err

    return call


def _bucket(at, minutes):
    start = at - dt.timedelta(milliseconds=1)
    return start.replace(minute=start.minute // minutes * minutes % 60, second=0, microsecond=0)


def test_hours_of_one_account_are_its_values_times_the_ratio(ask):
    status, rows, _ = ask("query", "load", "--period", "2026-06-10", "--bucket", "hour", "--account", "1001")
    assert (status, len(rows)) == (0, 24)
    hours = defaultdict(list)
    previous = None
    for meter, at, p, *_ in _rows():
        if meter == "M1" and at <= dt.datetime(2026, 6, 11):
            gap = 15 if previous is None else (at - previous).total_seconds() / 60
            hours[_bucket(at, 60)].append((p * 40, gap if gap <= 30 else 15))
            previous = at
    for row in rows:
        values = hours[dt.datetime.fromisoformat(row["from"]).replace(tzinfo=None)]
        if not values:
            assert row["load_mean_kw"] is None
            continue
        mean = sum(p * w for p, w in values) / sum(w for _, w in values)
        assert row["load_mean_kw"] == pytest.approx(mean)
        assert (row["load_max_kw"], row["load_min_kw"]) == pytest.approx((max(values)[0], min(values)[0]))


def test_groups_and_choices_follow_the_register(ask):
    _, by_line, _ = ask("query", "load", "--period", "2026-06-10", "--bucket", "period", "--by", "supply_line")
    assert [row["supply_line"] for row in by_line] == ["L1", "L2"]
    _, chosen, _ = ask("query", "load", "--period", "2026-06-10", "--bucket", "period", "--where", "industry_code=31")
    assert chosen[0]["load_mean_kw"] == pytest.approx(by_line[1]["load_mean_kw"])
    _, alone, _ = ask("query", "load", "--period", "2026-06-10", "--bucket", "period", "--by", "account_no")
    means = {row["account_no"]: row["load_mean_kw"] for row in alone}
    assert by_line[1]["load_mean_kw"] == pytest.approx(means["1002"] + means["1003"])


def test_voltage_current_and_power_factor(ask):
    _, rows, _ = ask(
        "query", "voltage", "current", "pf", "--period", "2026-06-11", "--bucket", "day", "--account", "1001"
    )
    (row,) = rows
    assert (row["voltage_max_v"], row["voltage_min_v"]) == (pytest.approx(221.5), 219.0)
    assert (row["current_mean_a"], row["current_max_a"]) == (pytest.approx(60.0), 80.0)
    assert row["pf"] == pytest.approx(1 / math.hypot(1, 0.5))


def test_a_comparison_puts_the_buckets_side_by_side(ask):
    question = ("query", "load", "--account", "1001", "--bucket", "day")
    _, rows, _ = ask(*question, "--period", "2026-06-11", "--against", "previous")
    _, before, _ = ask(*question, "--period", "2026-06-10")
    row = rows[0]
    assert (row["bucket"], row["bucket_before"]) == ("2026-06-11", "2026-06-10")
    assert row["load_mean_kw_before"] == before[0]["load_mean_kw"]
    assert row["load_mean_kw_change"] == pytest.approx(row["load_mean_kw"] - row["load_mean_kw_before"])


def test_energy_of_buckets_adds_up_to_that_of_the_period(ask):
    _, days, _ = ask("query", "energy", "--period", "2026-06-10..2026-06-11", "--by", "account_no")
    _, whole, _ = ask(
        "query", "energy", "--period", "2026-06-10..2026-06-11", "--by", "account_no", "--bucket", "period"
    )
    for row in whole:
        parts = [day["energy_kwh"] for day in days if day["account_no"] == row["account_no"]]
        known = [part for part in parts if part is not None]
        if row["account_no"] == "1003":
            assert (known, row["energy_kwh"]) == ([], None) or row["flags"] == ["integrated"]
            continue
        assert row["energy_kwh"] == pytest.approx(sum(known))
        registers = [r[-1] for r in _rows() if CT[r[0]] == {"1001": 40.0, "1002": 20.0}[row["account_no"]]]
        first, last = registers[0], registers[-1]
        assert row["energy_kwh"] == pytest.approx((last - first) * {"1001": 40.0, "1002": 20.0}[row["account_no"]])


@pytest.mark.parametrize(
    "wrong",
    [("query", "weather"), ("query", "load", "--by", "colour"), ("query", "load", "--bucket", "fortnight"),
     ("query", "load", "--where", "industry_code"), ("query", "load", "--chart", "x.gif"), ("demand", "--slip", "4")],
)  # fmt: skip
def test_what_nobody_knows_is_a_usage_error(ask, wrong):
    assert ask(*wrong, "--period", "2026-06-10")[0] == 2


def test_charts_are_written_whole_and_the_same_each_time(ask, tmp_path):
    for name in ("a.svg", "b.svg", "a.png"):
        assert (
            ask("query", "load", "--period", "2026-06-10", "--bucket", "hour", "--chart", str(tmp_path / name))[0] == 0
        )
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.svg").read_text(encoding="utf-8").startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg", "b.svg"]


def test_demand_slides_where_there_is_every_minute_and_is_a_block_elsewhere(ask):
    _, rows, _ = ask("demand", "--period", "2026-06-10")
    found = {row["account_no"]: row for row in rows}
    # Minutes 8 to 22 have 10 kW: the window that ends at 00:22 is all of them; the blocks hold 8 and 7 of their minutes.
    fine = found["1003"]
    assert (fine["demand_kind"], fine["md_kw"], fine["md_at"]) == ("sliding15/1", 10.0, "2026-06-10T00:22:00+08:00")
    assert fine["block_md_kw"] == pytest.approx((8 * 10 + 7) / 15)
    assert (found["1001"]["demand_kind"], found["1001"]["md_kw"]) == ("block15", found["1001"]["block_md_kw"])
    assert found["1001"]["contract_share"] == pytest.approx(found["1001"]["md_kw"] / 50)
    _, coarse, _ = ask("demand", "--period", "2026-06-10", "--slip", "15", "--account", "1003")
    assert (coarse[0]["demand_kind"], coarse[0]["md_kw"]) == ("sliding15/15", pytest.approx(87 / 15))


def test_loading_is_apparent_power_over_the_capacity(ask):
    _, rows, _ = ask("demand", "--period", "2026-06-10..2026-06-11", "--account", "1001")
    shares = [math.hypot(p, q) * 40 / 100 for meter, _, p, q, *_ in _rows() if meter == "M1"]
    assert rows[0]["loading_max"] == pytest.approx(max(shares))
    assert rows[0]["loading_mean"] == pytest.approx(sum(shares) / len(shares))
    assert rows[0]["economic_min"] == 15 * sum(0.4 <= share <= 0.75 for share in shares)


@pytest.mark.parametrize(
    ("shares", "finding"),
    [([0.9] * 7, None), ([0.9] * 8, "heavy"), ([1.05] * 8, "overload"), ([1.2] * 8, "severe_overload"),
     ([1.05] * 7, None), ([1.31], "severe_overload"), ([1.05] * 7 + [0.5] + [1.05] * 7, None), ([1.0] * 8, "heavy")],
)  # fmt: skip
def test_bands_need_two_hours_without_a_break(shares, finding):
    blocks = [(n * 900_000, share) for n, share in enumerate(shares, start=1)]
    loading = loading_of(blocks, LoadingSettings())
    assert loading.finding == finding
    with_gap = [(at + (900_000 if n >= 4 else 0), share) for n, (at, share) in enumerate(blocks)]
    if finding in ("heavy", "overload"):
        assert loading_of(with_gap, LoadingSettings()).finding is None


def test_unbalance_of_points(ask):
    status, rows, _ = ask("imbalance", "--period", "2026-06-10", "--account", "1001")
    assert (status, rows[0]["voltage_basis"], rows[0]["voltage_passed"]) == (0, "phase", True)
    assert (rows[0]["current_mean"], rows[0]["current_passed"]) == (pytest.approx(0.5), False)
    assert 0 < rows[0]["voltage_max"] < 0.02


def test_a_balance_without_its_readings_is_provisional(ask):
    status, rows, _ = ask("balance", "--period", "2026-06-10")
    assert (status, rows[0]["busbar"], rows[0]["provisional"]) == (0, "B", True)
    assert "missing_reading" in rows[0]["causes"]
    assert ask("balance", "--busbar", "X", "--period", "2026-06-10")[0] == 3
    assert len(ask("balance", "--feeders", "--period", "2026-06-10")[1]) == 3


def test_voltage_by_hour_class_and_loss_and_the_typical_day(ask):
    status, rows, _ = ask("voltage", "--by", "hour", "--period", "2026-06-10", "--account", "1001")
    assert (status, len(rows), {row["phase"] for row in rows}) == (0, 72, {"A", "B", "C"})
    mine = [
        row[4] for row in _rows() if row[0] == "M1" and row[1].day == 10 and 0 < row[1].hour * 60 + row[1].minute <= 60
    ]
    first = next(row for row in rows if (row["phase"], row["hour"]) == ("A", 0))
    assert (first["values"], first["mean_v"]) == (len(mine), pytest.approx(sum(mine) / len(mine)))
    _, rows, err = ask("voltage", "--by", "class", "--period", "2026-06-10")
    assert [(row["class"], row["rate"]) for row in rows] == [(name, None) for name in ("A", "B", "C", "D", "combined")]
    status, rows, err = ask("voltage", "--by", "loss", "--period", "2026-06-10")
    assert (status, rows) == (0, [])
    assert "nominal voltage" in err
    assert ask("voltage", "--by", "event", "--period", "2026-06-10")[1] == []
    assert ask("voltage", "--by", "week", "--period", "2026-06-10")[0] == 2
    _, rows, _ = ask("load", "--by", "typical", "--period", "2026-06-10..2026-06-11", "--account", "1001")
    assert (len(rows), rows[0]["account_no"]) == (96, "1001")
    assert ask("load", "--by", "x", "--period", "2026-06-10")[0] == 2


@pytest.mark.parametrize(
    ("period", "kind", "count", "first", "last"),
    [("2028-02", "ten_day", 3, "2028-02/1", "2028-02/3"), ("2028-02", "day", 29, "2028-02-01", "2028-02-29"),
     ("2026", "quarter", 4, "2026Q1", "2026Q4"), ("2026-06", "week", 5, "2026-W23", "2026-W27"),
     ("2026", "month", 12, "2026-01", "2026-12"), ("2025..2026", "year", 2, "2025", "2026")],
)  # fmt: skip
def test_buckets_cover_the_period(period, kind, count, first, last):
    span = Period.parse(period)
    found = buckets_of(span, kind, SHANGHAI)
    assert (len(found), found[0].label, found[-1].label) == (count, first, last)
    assert (found[0].start_ms, found[-1].end_ms) == span.bounds_ms(SHANGHAI)
    assert all(a.end_ms == b.start_ms for a, b in pairwise(found))


@pytest.mark.parametrize(("day", "quarters"), [("2026-03-29", 92), ("2026-10-25", 100), ("2026-06-01", 96)])
def test_a_day_that_changes_the_clock_has_fewer_or_more_quarter_hours(day, quarters):
    assert len(buckets_of(Period.parse(day), "15min", zoneinfo.ZoneInfo("Europe/Berlin"))) == quarters
    with pytest.raises(UsageError):
        buckets_of(Period.parse("2020..2026"), "15min", SHANGHAI)


def test_hours_of_a_day_that_changes_the_clock_by_half_an_hour_end_with_it():
    # Lord Howe: 5 April 2026 has 24.5 hours, from 13:00 UTC of the 4th (+11) to 13:30 UTC of the 5th (+10:30).
    zone = zoneinfo.ZoneInfo("Australia/Lord_Howe")
    found = buckets_of(Period.parse("2026-04-05"), "hour", zone)
    begin, end = (
        int(dt.datetime.fromisoformat(at).timestamp() * 1000) for at in ("2026-04-04T13:00Z", "2026-04-05T13:30Z")
    )
    assert (len(found), found[0].start_ms, found[-1].end_ms) == (25, begin, end)
    assert found[-1].end_ms - found[-1].start_ms == 1_800_000


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        ("day", {"2026-03-29": "2026-03-29T22:00Z", "2026-10-25": "2026-10-25T23:00Z"}),
        ("month", {"2026-03": "2026-03-31T22:00Z", "2026-10": "2026-10-31T23:00Z"}),
    ],
)
def test_long_and_short_days_end_at_their_own_midnight(kind, ends):
    found = buckets_of(Period.parse("2026"), kind, zoneinfo.ZoneInfo("Europe/Berlin"))
    told = {bucket.label: bucket.end_ms for bucket in found}
    assert {name: told[name] for name in ends} == {
        name: int(dt.datetime.fromisoformat(at).timestamp() * 1000) for name, at in ends.items()
    }
    assert all(before.end_ms == after.start_ms for before, after in pairwise(found))


def test_curves_of_the_terminal():
    assert sparkline([0, 1, None, 7], 10) == "▁▂ █"
    assert sparkline([3, 3], 10) == "▄▄"
    assert len(sparkline(range(500), 40)) == 40
    lines = braille([0, 10], 40).splitlines()
    assert (len(lines), lines[0][:4], lines[-1][:4]) == (8, "10 │", " 0 │")
    assert (sparkline([None], 5), braille([None], 40)) == ("", "")


def test_apparent_power_is_that_of_the_sums_of_a_group(ask):
    _, (row,), _ = ask("query", "load", "apparent", "--period", "2026-06-11", "--bucket", "day", "--account", "1001")
    for figure in ("max", "min"):  # the reactive power of every value is half the active
        assert row[f"apparent_{figure}_kva"] == pytest.approx(row[f"load_{figure}_kw"] * math.hypot(1, 0.5))
    assert row["apparent_min_kva"] <= row["apparent_mean_kva"] <= row["apparent_max_kva"]


SET_COMMANDS = ("voltage", "pf", "load", "demand", "imbalance")


@pytest.mark.parametrize("command", SET_COMMANDS)
@pytest.mark.parametrize(
    ("where", "accounts"),
    [
        (["supply_line=L2"], {"1002", "1003"}), (["industry_code=26"], {"1001"}), (["busbar=B"], {"1001", "1002", "1003"}),
        (["supply_line=L1", "supply_line=L2", "industry_code=31"], {"1002", "1003"}),
    ],
)  # fmt: skip
def test_every_analysis_takes_the_sets_of_the_query(ask, command, where, accounts):
    options = [word for text in where for word in ("--where", text)]
    status, rows, _ = ask(command, "--period", "2026-06-10", *options)
    rows = rows["accounts"] if isinstance(rows, dict) else rows
    assert status == 0
    assert {row["account_no"] for row in rows} == accounts
    status, one, _ = ask(command, "--period", "2026-06-10", "--account", "1002", "--where", "supply_line=L2")
    one = one["accounts"] if isinstance(one, dict) else one
    assert {row["account_no"] for row in one} == {"1002"}


@pytest.mark.parametrize("command", SET_COMMANDS)
def test_a_set_without_members_and_one_that_is_none_are_refused(ask, command):
    status, _, err = ask(command, "--period", "2026-06-10", "--where", "supply_line=L9")
    assert (status, "no account with supply_line=L9" in err) == (3, True)
    assert ask(command, "--period", "2026-06-10", "--where", "colour=red")[0] == 2


def test_busbars_are_chosen_by_what_they_have(ask):
    for where in ("substation=S", "voltage_level_kv=10", "supply_line=L1", "busbar=B"):
        _, rows, _ = ask("balance", "--period", "2026-06-10", "--where", where)
        assert [row["busbar"] for row in rows] == ["B"]
    assert ask("balance", "--period", "2026-06-10", "--where", "substation=T")[1] == []
    assert ask("balance", "--period", "2026-06-10", "--where", "industry_code=26")[0] == 2
