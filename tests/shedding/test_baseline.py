"""Baselines against a slow reference over the loads that the samples were made from."""

from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path
from statistics import fmean

import pytest
from office import BAKERY, EVENT, FOUNDRY, MILL, PAPER, STORE, load_kw

from keyacct.config import CalendarSettings, SheddingSettings
from keyacct.plan.baseline import Horizon, baselines, quantile
from keyacct.plan.like_days import days_before
from keyacct.plan.rule_sets import RULE_SETS, size_sentence

ARGUMENTS = ("--level", "yellow", "--target", "900", "--rounds", "17:00-19:00", "--mode", "weights")
LAST_FIVE = [dt.date(2026, 6, day) for day in (16, 17, 18, 19, 22)]
"""The last five workdays before the morning of the 23rd, which is not complete."""


def baseline_of(folder: Path) -> dict[str, list[float]]:
    rows = csv.DictReader((folder / "problem" / "baseline.csv").read_text().splitlines())
    return {row["id"]: [float(row[f"p{t}"]) for t in range(len(row) - 1)] for row in rows}


def notes_of(folder: Path) -> dict[str, dict[str, str]]:
    return {
        r["account_no"]: r for r in csv.DictReader((folder / "accounts.csv").read_text(encoding="utf-8").splitlines())
    }


@pytest.fixture(scope="module")
def plain(office, tmp_path_factory):
    """The folder of a draft made on the day before, shared by the tests that only read it."""
    from keyacct.cli.run import run

    out = tmp_path_factory.mktemp("plain") / "d"
    shared = ["--workspace", str(office.root), "--now", "2026-06-23T08:00+08:00", "--out", str(out)]
    assert run(["shed", "draft", "--date", "2026-06-24", *ARGUMENTS, *shared]) == 0
    return out


def test_a_baseline_is_the_mean_of_the_last_like_days(plain):
    loads, notes = baseline_of(plain), notes_of(plain)
    for account in (FOUNDRY, PAPER, BAKERY):
        for t in (0, 40, 70, 75):
            assert loads[account][t] == pytest.approx(fmean(load_kw(account, d, t) for d in LAST_FIVE), abs=0.001)
        assert notes[account]["like_days"] == "2026-06-16 2026-06-17 2026-06-18 2026-06-19 2026-06-22"
        assert (notes[account]["baseline"], notes[account]["adjustment"]) == ("like_days", "")
    # The horizon goes on into the next day, which has its own like days (the same, a workday).
    assert loads[PAPER][96 + 4] == pytest.approx(fmean(load_kw(PAPER, d, 4) for d in LAST_FIVE), abs=0.001)


def test_weekends_have_weekends_and_too_few_like_days_are_named(shed, office, tmp_path):
    found = shed(office, "draft", "--date", "2026-06-27", *ARGUMENTS, "--out", tmp_path / "d")
    loads, notes = baseline_of(tmp_path / "d"), notes_of(tmp_path / "d")
    weekend = [dt.date(2026, 6, day) for day in (7, 13, 14, 20, 21)]
    assert loads[FOUNDRY][70] == pytest.approx(fmean(load_kw(FOUNDRY, d, 70) for d in weekend), abs=0.001)
    # The mill was silent from the 3rd to the 22nd: no weekend day was measured, so the days that were stand for it.
    assert notes[MILL]["baseline"] == "none"
    assert f"account {MILL}: no measured day stands for 2026-06-27" in found.err
    found = shed(
        office, "draft", "--date", "2026-06-25", *ARGUMENTS, "--out", tmp_path / "e", now="2026-06-24T08:00+08:00"
    )
    assert f"account {MILL}: only 1 of 5 like days (workday) for 2026-06-25: 2026-06-23" in found.err
    assert baseline_of(tmp_path / "e")[MILL][70] == pytest.approx(load_kw(MILL, dt.date(2026, 6, 23), 70), abs=0.001)


def test_the_hours_before_the_event_scale_the_day(shed, office, tmp_path):
    noon = "2026-06-24T12:00+08:00"
    found = shed(office, "draft", "--date", "2026-06-24", *ARGUMENTS, "--out", tmp_path / "d", now=noon)
    assert found.code == 0, found.err
    days = [dt.date(2026, 6, day) for day in (17, 18, 19, 22, 23)]
    before = range(40, 48)
    for account in (PAPER, FOUNDRY):
        usual = sum(fmean(load_kw(account, d, t) for d in days) for t in before)
        factor = sum(load_kw(account, EVENT, t) for t in before) / usual
        assert 0.8 < factor < 1.2
        assert float(notes_of(tmp_path / "d")[account]["adjustment"]) == pytest.approx(factor, abs=1e-4)
        expected = factor * fmean(load_kw(account, d, 70) for d in days)
        assert baseline_of(tmp_path / "d")[account][70] == pytest.approx(expected, abs=0.001)
        next_day = fmean(load_kw(account, d, 4) for d in days)
        assert baseline_of(tmp_path / "d")[account][96 + 4] == pytest.approx(next_day, abs=0.001)


def test_a_low_quantile_stands_for_a_volatile_load_in_the_blocks(shed, office, plain, tmp_path):
    loads, note = baseline_of(plain)[STORE], notes_of(plain)[STORE]
    assert note["guaranteed_quantile"] == "0"  # half as much again on odd days varies by 20 %: not volatile by default
    settings = office.root / "keyacct.toml"
    usual = settings.read_text(encoding="utf-8")
    settings.write_text(usual.replace("# volatile_from = 0.25", "volatile_from = 0.15"), encoding="utf-8")
    try:
        shed(office, "draft", "--date", "2026-06-24", *ARGUMENTS, "--out", tmp_path / "e")
    finally:
        settings.write_text(usual, encoding="utf-8")
    low = baseline_of(tmp_path / "e")[STORE]
    assert notes_of(tmp_path / "e")[STORE]["guaranteed_quantile"] == "1"
    values = sorted(load_kw(STORE, d, 70) for d in LAST_FIVE)
    assert low[70] == pytest.approx(values[0] + 0.4 * (values[1] - values[0]), abs=0.001)
    assert low[70] < loads[70]
    assert low[60] == loads[60]  # outside the blocks the mean stays


def test_a_forecast_goes_before_like_days(shed, office, tmp_path):
    path = tmp_path / "forecast.csv"
    start = dt.datetime(2026, 6, 24)
    lines = [f"{PAPER},{(start + dt.timedelta(minutes=15 * (t + 1))).isoformat()},{3000 + t}" for t in range(120)]
    path.write_text("\n".join(["account_no,at,kw", *lines]) + "\n")
    shed(office, "draft", "--date", "2026-06-24", *ARGUMENTS, "--forecast", path, "--out", tmp_path / "d")
    assert baseline_of(tmp_path / "d")[PAPER] == [3000 + t for t in range(120)]
    assert notes_of(tmp_path / "d")[PAPER]["baseline"] == "forecast"
    assert notes_of(tmp_path / "d")[FOUNDRY]["baseline"] == "like_days"
    for bad, word in (("x", "no load"), ("-1", "no load"), ("nan", "no load")):
        path.write_text(f"account_no,at,kw\n{PAPER},2026-06-24T00:15,{bad}\n")
        found = shed(
            office, "draft", "--date", "2026-06-24", *ARGUMENTS, "--forecast", path, "--dry-run", "--format", "json"
        )
        assert found.code == 4
        assert found.error["where"] == {"file": "forecast.csv", "row": 2, "column": "kw"}
        assert word in found.error["message"]


def test_no_text_of_a_side_file_is_run_as_a_formula() -> None:
    from keyacct.plan.draft_files import rows_bytes

    written = rows_bytes([{"name": '=cmd|"x"', "kw": -3.5, "note": None}], ("name", "kw", "note"))
    assert list(csv.reader(written.decode().splitlines())) == [["name", "kw", "note"], ['\'=cmd|"x"', "-3.5", ""]]


def flat(kw: float) -> tuple[float, ...]:
    return (kw,) * 96


def test_event_days_are_no_like_days_and_the_adjustment_is_capped() -> None:
    settings = SheddingSettings(like_days=3, like_days_of=4)
    horizon = Horizon(dt.date(2026, 6, 24), 96, ((68, 76),), 60)
    kw = {dt.date(2026, 6, day): float(day) for day in range(1, 24)} | {dt.date(2026, 6, 24): 99.0}
    curves = lambda day: {"a": flat(kw[day])} if day in kw else {}  # noqa: E731  short
    events = {dt.date(2026, 6, 22)}
    found = baselines(["a"], horizon, settings, curves, events=events, last_day=dt.date(2026, 6, 23))["a"]
    assert found.days == (dt.date(2026, 6, 18), dt.date(2026, 6, 19), dt.date(2026, 6, 23))
    assert found.adjustment == 1.2
    assert found.kw[70] == pytest.approx(20 * 1.2)
    highest = SheddingSettings(like_days=2, like_days_of=4, like_days_choice="highest", adjustment_min=0)
    kw[dt.date(2026, 6, 17)] = 500.0
    found = baselines(["a"], horizon, highest, curves, events=events, last_day=dt.date(2026, 6, 23))["a"]
    assert found.days == (dt.date(2026, 6, 17), dt.date(2026, 6, 23))
    assert found.adjustment is None


def test_a_gap_of_a_like_day_is_left_out_of_its_mean() -> None:
    settings = SheddingSettings(like_days=2, adjustment_min=0, volatile_from=10)
    horizon = Horizon(dt.date(2026, 6, 24), 96, ((68, 76),), -10)
    holed = tuple(None if 69 <= t < 72 else 10.0 for t in range(96))
    curves = lambda day: {"a": holed if day.day == 23 else flat(30.0)}  # noqa: E731  short
    found = baselines(["a"], horizon, settings, curves, last_day=dt.date(2026, 6, 23))["a"]
    assert (found.kw[68], found.kw[69], found.kw[72]) == (20.0, 30.0, 20.0)
    thin = tuple(None if t < 20 else 10.0 for t in range(96))
    curves = lambda day: {"a": thin if day.day == 23 else flat(30.0)}  # noqa: E731  short
    found = baselines(["a"], horizon, settings, curves, last_day=dt.date(2026, 6, 23))["a"]
    assert found.days == (dt.date(2026, 6, 19), dt.date(2026, 6, 22))


def test_holidays_and_made_up_workdays_follow_the_calendar() -> None:
    calendar = CalendarSettings(holidays=("2026-06-19", "2025-05-31"), workdays=("2026-06-21",))
    assert calendar.kind(dt.date(2026, 6, 19)) == "holiday"
    assert calendar.kind(dt.date(2026, 6, 20)) == "weekend"
    assert calendar.kind(dt.date(2026, 6, 21)) == "workday"
    assert list(days_before(dt.date(2026, 6, 23), calendar, "workday", 3)) == [
        dt.date(2026, 6, 22), dt.date(2026, 6, 21), dt.date(2026, 6, 18),
    ]  # fmt: skip
    assert list(days_before(dt.date(2026, 6, 19), calendar, "holiday", 5)) == [dt.date(2025, 5, 31)]


def test_quantiles_lie_between_the_ordered_values() -> None:
    # R's documentation, type 7: the 10 % quantile of 1..11 is 2, of 1..10 is 1.9.
    assert quantile(list(range(11, 0, -1)), 0.1) == 2
    assert quantile(list(range(1, 11)), 0.1) == pytest.approx(1.9)
    assert quantile([5.0], 0.1) == 5


def test_the_plans_must_be_large_enough_under_the_rule_of_2023() -> None:
    assert size_sentence(RULE_SETS["ou_2023"], 300.0, 1000.0) is None
    told = size_sentence(RULE_SETS["ou_2023"], 299.0, 1000.0)
    assert told is not None
    assert "29.9 %" in told.en
    assert "5 steps" in told.en
    assert size_sentence(RULE_SETS["ou_2011"], 1.0, 1000.0) is None
    assert size_sentence(RULE_SETS["ou_2023"], 1.0, 0.0) is None


@pytest.mark.parametrize(
    ("gap", "level"), [(0.0, "blue"), (0.0499, "blue"), (0.05, "yellow"), (0.1, "orange"), (0.2, "red"), (0.9, "red")]
)
def test_levels_follow_the_gap(gap: float, level: str) -> None:
    assert RULE_SETS["ou_2011"].level_of(gap) == level


def test_settings_of_spans_and_dates_are_held_to_their_form() -> None:
    from keyacct.config import parse_settings
    from keyacct.errors import ConfigError

    for bad in ({"rounds": ["17-19"]}, {"rounds": ["19:00-17:00"]}, {"holidays": ["2026-13-01"]}, {"margin": -0.1}):
        with pytest.raises(ConfigError):
            parse_settings({"shedding": bad})
    assert json.loads(json.dumps(parse_settings({}).shedding.measures("orange"))) == ["shift", "avoid", "limit"]
