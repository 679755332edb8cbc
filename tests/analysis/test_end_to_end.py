"""The analyses through the command line, over a real registry and store, against queries of the store's files."""

import csv
import datetime as dt
import json
import random
import zoneinfo

import duckdb
import pytest

from keyacct.cli.run import run

SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")
NOW = "2026-07-05T00:00+08:00"
EXCHANGE = "2026-06-16 10:00"
RATIO_CHANGE = "2026-06-20 00:00"
REGISTRY = """
[[account]]
account_no = "1000000001"
account_name = "Works"
[[account]]
account_no = "1000000002"
account_name = "Three wires"
[[account]]
account_no = "1000000003"
account_name = "Primary readings"
[[account_pf_standard]]
account_no = "1000000001"
pf_standard = 0.90
[[point]]
point = "P1"
kind = "billing"
[[point]]
point = "P2"
kind = "billing"
[[point]]
point = "P3"
kind = "billing"
[[point_account]]
point = "P1"
account_no = "1000000001"
[[point_account]]
point = "P2"
account_no = "1000000002"
[[point_account]]
point = "P3"
account_no = "1000000003"
[[meter]]
meter_no = "M1"
[[meter]]
meter_no = "M2"
[[meter]]
meter_no = "M3"
[[meter]]
meter_no = "M4"
reading_side = "primary"
[[meter_point]]
meter_no = "M1"
point = "P1"
valid_to = 2026-06-16T10:00:00
[[meter_point]]
meter_no = "M2"
point = "P1"
valid_from = 2026-06-16T10:00:00
[[meter_point]]
meter_no = "M3"
point = "P2"
[[meter_point]]
meter_no = "M4"
point = "P3"
[[point_ratio]]
point = "P1"
wiring = "3p4w"
pt = "10000/100"
ct = "200/5"
valid_to = 2026-06-20
[[point_ratio]]
point = "P1"
wiring = "3p4w"
pt = "10000/100"
ct = "300/5"
valid_from = 2026-06-20
[[point_ratio]]
point = "P2"
wiring = "3p3w"
pt = "10000/100"
ct = "100/5"
[[point_ratio]]
point = "P3"
wiring = "3p4w"
pt = "10000/100"
ct = "100/5"
[[voltage_limit]]
point = "P1"
nominal_v = 5774
lower_v = 5370
upper_v = 6178
[[voltage_limit]]
point = "P2"
nominal_v = 10000
lower_v = 9300
upper_v = 10700
[[tariff_table]]
tariff_table = "T"
[[tariff_slot]]
tariff_table = "T"
start_min = "00:00"
end_min = "08:00"
period = "valley"
[[tariff_slot]]
tariff_table = "T"
start_min = "08:00"
end_min = "24:00"
period = "peak"
[[account_tariff]]
account_no = "1000000001"
tariff_table = "T"
"""
SPANS = (
    ("1000000001", "M1", "2026-06-01 00:00", EXCHANGE, 100, 4000),
    ("1000000001", "M2", EXCHANGE, RATIO_CHANGE, 100, 4000),
    ("1000000001", "M2", RATIO_CHANGE, "2026-07-01 00:00", 100, 6000),
    ("1000000002", "M3", "2026-06-01 00:00", "2026-07-01 00:00", 100, 2000),
    ("1000000003", "M4", "2026-06-01 00:00", "2026-07-01 00:00", 1, 1),
)
"""Account, meter, from, to, PT, PT × CT."""


def _rows():
    """A row per meter and interval of June 2026, with gaps; local time, stamped at the interval's end."""
    rnd = random.Random(11)
    rows = []
    for meter, volts in (("M1", 57_740), ("M2", 57_740), ("M3", 100_000), ("M4", 220_000)):
        for n in range(1, 30 * 96 + 1):
            at = dt.datetime(2026, 6, 1) + n * dt.timedelta(minutes=15)
            change = dt.datetime.fromisoformat(EXCHANGE)
            if (meter == "M1" and at > change) or (meter == "M2" and at <= change) or rnd.random() < 0.05:
                continue
            a, b, c = (volts + rnd.randrange(-volts // 11, volts // 11) for _ in "abc")
            rows.append(
                (meter, at.isoformat(" "), a / 1000, "" if meter == "M3" else b / 1000, c / 1000,
                 rnd.randrange(0, 900) / 1000, rnd.randrange(0, 400) / 1000)
            )  # fmt: skip
    return rows


def _write(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("meter", "ts", "ua", "ub", "uc", "kwh", "kvarh"), *rows])


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    folder = tmp_path_factory.mktemp("office")
    rows = _rows()
    _write(folder / "june.csv", rows + rows[100:200])
    _write(folder / "again.csv", rows[50:150])
    (folder / "registry.toml").write_text(REGISTRY, encoding="utf-8")
    root = str(folder / "w")
    assert run(["init", root]) == 0
    assert run(["registry", "import", str(folder / "registry.toml"), "--workspace", root]) == 0
    columns = "ua=voltage.a,ub=voltage.b,uc=voltage.c,kwh=energy.import,kvarh=energy.q1"
    for name in ("june.csv", "again.csv"):
        imported = ["samples", "import", str(folder / name), "--map", columns, "--meter-column", "meter"]
        assert run([*imported, "--workspace", root]) == 0
    return root


@pytest.fixture
def ask(office, capsys):
    def call(*arguments, now=NOW, root=office):
        capsys.readouterr()
        status = run([*arguments, "--workspace", root, "--now", now, "--lang", "en", "--format", "json"])
        out, err = capsys.readouterr()
        return status, json.loads(out) if out else None, err

    return call


def _query(ask, family, sql):
    """Rows of a query over `samples` (each key once, with the account and ratios of its time)."""
    _, files, _ = ask("store", "files", "--family", family)
    spans = ", ".join(
        f"('{a}', '{m}', epoch_ms(timestamp '{f}') - 28800000, epoch_ms(timestamp '{t}') - 28800000, {pt}, {k})"
        for a, m, f, t, pt, k in SPANS
    )
    paths = ", ".join(f"'{row['path']}'" for row in files)
    return duckdb.sql(
        f"""
        with spans(account, meter, f, t, pt, k) as (values {spans}),
        keys as (select distinct on (meter, kind, ts) *, epoch_ms(ts) as ms from read_parquet([{paths}])),
        steps as (select *, ms - lag(ms) over (partition by meter order by ms) as gap from keys),
        weighed as (select *, case when gap <= 1800000 then gap else 900000 end as weight from steps),
        samples as (
            select s.*, account, pt, k, ms + 28800000 - 900000 as local
            from weighed s join spans p on s.meter = p.meter and ms - 900000 >= f and ms - 900000 < t)
        {sql}
        """
    ).fetchall()


def test_load_over_an_exchange_and_a_change_of_ratio_is_that_of_the_energies(ask):
    status, rows, _ = ask("load", "--period", "2026-06")
    assert status == 0
    expected = _query(
        ask,
        "energy",
        """select account, max(import * 4 * k), min(import * 4 * k), sum(import * k), count(*) / 2880,
           sum(import * k) filter (hour(make_timestamp(local * 1000)) < 8)
           from samples group by account order by account""",
    )
    assert [row["account_no"] for row in rows] == [row[0] for row in expected]
    for row, (_, highest, lowest, energy, complete, valley) in zip(rows, expected, strict=True):
        got = [row[name] for name in ("md_kw", "min_kw", "energy_kwh", "completeness")]
        assert got == pytest.approx([float(v) for v in (highest, lowest, energy, complete)], rel=1e-12)
        assert row["flags"] == ["from_energy"]
        if row["account_no"] == "1000000001":
            assert (row["valley_kwh"], row["valley_kwh"] + row["peak_kwh"]) == pytest.approx(
                (float(valley), float(energy)), rel=1e-12
            )


def test_the_energies_of_load_and_power_factor_are_equal_and_those_of_the_files(ask):
    _, loads, _ = ask("load", "--period", "2026-06")
    _, factors, _ = ask("pf", "--period", "2026-06")
    expected = _query(ask, "energy", "select account, sum(import * k), sum(q1 * k) from samples group by 1 order by 1")
    for load, factor, (account, active, reactive) in zip(loads, factors, expected, strict=True):
        assert load["account_no"] == factor["account_no"] == account
        assert load["energy_kwh"] == factor["wp_kwh"] == float(active)
        assert factor["wq_kvarh"] == float(reactive)
        # The tangent decides the factor.
        assert factor["pf"] == pytest.approx((1 + (float(reactive) / float(active)) ** 2) ** -0.5, rel=1e-12)


def test_voltage_minutes_are_those_of_the_files_by_phase(ask):
    status, rows, _ = ask("voltage", "--period", "2026-06")
    assert status == 0
    limits = {"1000000001": (5370, 6178, "A"), "1000000002": (9300, 10700, "AB")}
    for account, (lower, upper, phase) in limits.items():
        ((over, under, whole, highest),) = _query(
            ask,
            "voltage",
            f"""select sum(weight) filter (a * pt > {upper}) / 60000, sum(weight) filter (a * pt < {lower}) / 60000,
                sum(weight) / 60000, max(a * pt) from samples where account = '{account}'""",
        )
        (row,) = [r for r in rows if r["account_no"] == account and r["phase"] == phase]
        got = (row["over_limit_min"], row["under_limit_min"], row["monitored_min"], row["max_v"])
        assert got == tuple(float(v) for v in (over, under, whole, highest))
        assert row["rate"] == pytest.approx(1 - float(over + under) / float(whole), rel=1e-12)
    assert {r["phase"] for r in rows if r["account_no"] == "1000000002"} == {"AB", "CB", "total"}
    assert {r["meter"] for r in rows if r["account_no"] == "1000000001"} == {"M1, M2"}


@pytest.mark.parametrize("command", ["load", "pf", "voltage"])
def test_an_unknown_account_ends_with_exit_3(ask, command):
    assert ask(command, "--account", "999", "--period", "2026-06")[:2] == (3, None)


def test_a_period_in_the_future_has_rows_without_values(ask):
    for command, name in (("load", "energy_kwh"), ("pf", "wp_kwh")):
        status, rows, err = ask(command, "--period", "2026-12")
        assert (status, [row[name] for row in rows]) == (0, [None] * 3)
        assert "no data in 2026-12" in err


def test_a_period_that_is_not_over_is_counted_as_far_as_it_has_passed(ask):
    _, rows, _ = ask("load", "--period", "2026-06", "--account", "1000000003", now="2026-06-11T00:00+08:00")
    ((energy, count),) = _query(
        ask,
        "energy",
        """select sum(import * k), count(*) from samples where account = '1000000003'
           and local < epoch_ms(timestamp '2026-06-11')""",
    )
    assert (rows[0]["energy_kwh"], rows[0]["completeness"]) == (float(energy), count / 960)


def test_days_of_23_and_25_hours_are_whole_days(tmp_path, ask):
    root = str(tmp_path / "berlin")
    assert run(["init", root, "--timezone", "Europe/Berlin"]) == 0
    (tmp_path / "r.toml").write_text(REGISTRY, encoding="utf-8")
    assert run(["registry", "import", str(tmp_path / "r.toml"), "--workspace", root]) == 0
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    for month, day, intervals in ((3, 29, 92), (10, 25, 100)):
        midnight = dt.datetime(2026, month, day, tzinfo=berlin).astimezone(dt.UTC)
        stamps = [midnight + n * dt.timedelta(minutes=15) for n in range(1, intervals + 1)]
        rows = [["M4", at.isoformat(), "", "", "", "0.25", "0"] for at in stamps]
        _write(tmp_path / f"{month}.csv", rows)
        imported = ["samples", "import", str(tmp_path / f"{month}.csv"), "--map", "kwh=energy.import"]
        assert run([*imported, "--meter-column", "meter", "--workspace", root]) == 0
        period = f"2026-{month:02}-{day}"
        asked = ("load", "--by", "day", "--period", period, "--account", "1000000003")
        _, rows, _ = ask(*asked, root=root, now="2026-12-01T00:00+00:00")
        (row,) = rows
        assert (row["day"], row["energy_kwh"], row["completeness"]) == (period, intervals / 4, 1.0)
        assert (row["md_kw"], row["min_kw"]) == (1.0, 1.0)


COMMANDS = (("voltage",), ("voltage", "--by", "day"), ("pf",), ("load",), ("load", "--by", "day"))


def test_a_closed_month_opens_no_segment_and_a_late_reading_those_of_its_day(ask, office, opened, tmp_path, capsys):
    from pathlib import Path

    def answers():
        return [ask(*command, "--period", "2026-06")[1] for command in COMMANDS]

    first = answers()
    opened.clear()
    assert answers() == first
    with capsys.disabled():
        print(f" closed month: segments opened {len(opened)} ", end="")
    assert opened == []
    late = tmp_path / "late.csv"
    late.write_text("meter,ts,ua\nM1,2026-06-11 12:07,251.0\n", encoding="utf-8")
    arguments = ["--map", "ua=voltage.a", "--meter-column", "meter", "--workspace", office]
    assert run(["samples", "import", str(late), *arguments]) == 0
    after = answers()
    assert {Path(path).parent.name for path in opened} == {"day=2026-06-11"}
    assert {Path(path).parent.parent.name for path in opened} == {"family=voltage"}
    assert after[0] != first[0]
    assert after[2:] == first[2:]
    config = Path(office) / "keyacct.toml"
    before = config.read_text(encoding="utf-8")
    without = before.replace("[samples]", "[samples]\nday_states = false", 1)
    assert without != before
    config.write_text(without, encoding="utf-8")
    try:
        assert answers() == after
    finally:
        config.write_text(before, encoding="utf-8")
