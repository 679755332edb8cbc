"""Ranked causes of a violated balance: each with its figure, by sums made by hand."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path
from typing import Any

import network_office as net
import pytest

from keyacct.analysis.balance_causes import class_pct
from keyacct.cli.run import run

# Multiplier 40 × 100 = 4000: 100 secondary kWh are 400 000 kWh.


def causes(root: str, capsys: Any, lang: str = "en") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = net.asked(root, capsys, "balance", "--causes", lang=lang)
    return rows


def test_a_balance_within_its_limit_has_no_suspects(tmp_path: Path, capsys: Any) -> None:
    root = net.office(tmp_path, net.registry(), {"IN": 100, "H1": 60, "H2": 39})
    assert causes(root, capsys) == []
    capsys.readouterr()
    run(["balance", "--causes", "--period", "2026-06", "--workspace", root, "--now", net.NOW, "--lang", "zh"])
    assert "没有超出允许值的母线平衡" in capsys.readouterr().err


def test_a_residue_that_fits_a_ratio_step_names_the_feeder_and_the_best_first(tmp_path: Path, capsys: Any) -> None:
    """150 in; H1 60 → 90 leaves 0.1 of 150, H2 59.9 → 89.85 leaves 0.15; the incomer 150 → 120 (200 → 160) is no common step."""
    root = net.office(tmp_path, net.registry(), {"IN": 150, "H1": 60, "H2": 59.9})
    rows = [row for row in causes(root, capsys) if row["cause"] == "wrong_multiplier"]
    assert [(row["point"], row["figure"], row["detail"]) for row in rows] == [
        ("H1", 1.5, "CT 200/5 → 300/5"), ("H2", 1.5, "CT 200/5 → 300/5"),
    ]  # fmt: skip
    assert rows[0]["explained_kwh"] == pytest.approx(30 * 4000)
    assert rows[0]["remaining_rate"] == pytest.approx(0.1 / 150)
    assert "the rate would be 0.067 %" in rows[0]["told"]


def test_a_residue_that_fits_no_step_names_nobody(tmp_path: Path, capsys: Any) -> None:
    """7 of 100 missing: H1 50 → 57 is × 1.14, H2 43 → 50 is × 1.163, the incomer 100 → 93 is × 0.93."""
    root = net.office(tmp_path, net.registry(), {"IN": 100, "H1": 50, "H2": 43})
    assert [row for row in causes(root, capsys) if row["cause"] == "wrong_multiplier"] == []


def test_a_missing_reading_and_a_missing_feeder_come_first(tmp_path: Path, capsys: Any) -> None:
    root = net.office(tmp_path, net.registry(lines=("L1", "L2", "L3")), {"IN": 100, "H1": 50, "H2": 20})
    rows = causes(root, capsys)
    assert [(row["rank"], row["cause"], row["supply_line"]) for row in rows][:1] == [(1, "missing_reading", "L3")]
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))


def quarters(lost_from: int, lost_to: int) -> list[tuple[str, str, list[list[Any]]]]:
    """A day of quarter hours of meter MH1: Uab 100 V, 0 V in some of them while its current flows."""
    rows = []
    for n in range(1, 97):
        day, hour = (10, n // 4) if n < 96 else (11, 0)
        low = lost_from < n <= lost_to
        rows.append(["MH1", f"2026-06-{day}T{hour:02}:{n % 4 * 15:02}", 0 if low else 100, 100, 3, 3])
    return [("a=voltage.a,c=voltage.c,i=current.a,k=current.c", "interval", rows)]


def test_a_lost_phase_of_an_outgoing_feeder_explains_too_much_inflow(tmp_path: Path, capsys: Any) -> None:
    """12 hours of one of two elements: 720 min of 43 200, half of it is 1/120 of what flowed; 50 → 50·(1/119)."""
    root = net.office(tmp_path, net.registry(), {"IN": 100, "H1": 50, "H2": 43}, quarters(20, 68))
    (row,) = [row for row in causes(root, capsys) if row["cause"] == "voltage_loss"]
    assert (row["point"], row["unit"], row["figure"], row["detail"]) == ("H1", "min", 720, "AB")
    unmetered = 50 * 4000 / 119
    assert row["explained_kwh"] == pytest.approx(unmetered)
    assert row["remaining_rate"] == pytest.approx((100 - 50 - 43 - unmetered / 4000) / 100)


def test_a_lost_phase_does_not_explain_too_little_inflow(tmp_path: Path, capsys: Any) -> None:
    root = net.office(tmp_path, net.registry(), {"IN": 93, "H1": 50, "H2": 50}, quarters(20, 68))
    assert [row for row in causes(root, capsys) if row["cause"] == "voltage_loss"] == []


def clocks(root: str, *readings: tuple[str, str, float]) -> None:
    """Clock readings (meter, local time, seconds) as `keyacct care clocks` keeps them, one round after the other."""
    from keyacct.capture.device_clock import ClockReading
    from keyacct.config import open_workspace
    from keyacct.database.engine import open_database
    from keyacct.workflow.care.journal import METER, note_clock

    with open_database(open_workspace(Path(root))).write() as connection:
        for meter, at, off in readings:
            there = dt.datetime.fromisoformat(at)
            ms = int(dt.datetime.fromisoformat(f"{at}+08:00").timestamp() * 1000)
            reading = ClockReading(there, off, 1.0, ms, 0.1)
            note_clock(connection, (METER, meter), reading, "set" if abs(off) > 60 else "right", right_s=60)


def skewed(root: str, capsys: Any) -> list[tuple[str, float]]:
    return [(row["meter"], row["figure"]) for row in causes(root, capsys) if row["cause"] == "clock_skew"]


def test_a_clock_that_is_off_is_named_with_what_it_can_do_at_most(tmp_path: Path, capsys: Any) -> None:
    """MH1 is 9 minutes fast: 2 × 540 s of a mean of 200 000 kWh / 720 h; 30 s of MH2 are right."""
    root = net.office(tmp_path, net.registry(), {"IN": 100, "H1": 50, "H2": 43})
    clocks(root, ("MH1", "2026-06-20T10:00", 540.0), ("MH2", "2026-06-20T10:00", 30.0))
    (row,) = [row for row in causes(root, capsys) if row["cause"] == "clock_skew"]
    assert (row["meter"], row["figure"], row["unit"], row["detail"]) == ("MH1", 540, "s", "fast")
    assert row["explained_kwh"] == pytest.approx(2 * 540 / 3600 * 200_000 / 720)


@pytest.mark.parametrize(
    ("readings", "found"),
    [
        # Set right in July: what June was measured by is the reading of June.
        ([("2026-06-20T10:00", 540.0), ("2026-07-03T10:00", 1.0)], 540),
        # Off since July only.
        ([("2026-06-20T10:00", 2.0), ("2026-07-03T10:00", 540.0)], None),
        # The worst of the period, whatever came later in it.
        ([("2026-06-05T10:00", 90.0), ("2026-06-12T10:00", -300.0), ("2026-06-20T10:00", 2.0)], -300),
        # None within: the last before it, not the worst before it.
        ([("2026-04-01T10:00", 900.0), ("2026-05-20T10:00", 120.0)], 120),
        ([("2026-04-01T10:00", 900.0), ("2026-05-20T10:00", 3.0)], None),
        # A reading within the period goes before one ahead of it.
        ([("2026-05-31T23:59", 900.0), ("2026-06-01T00:00", 120.0)], 120),
        ([("2026-06-01T00:00", 900.0), ("2026-06-20T10:00", 120.0)], 900),
        ([("2026-05-20T10:00", 900.0), ("2026-07-01T00:00", 150.0)], 150),
        ([("2026-05-20T10:00", 900.0), ("2026-07-01T00:01", 150.0)], 900),
    ],
)
def test_a_clock_counts_as_it_was_in_the_time_of_the_balance(
    tmp_path: Path, capsys: Any, readings: list[tuple[str, float]], found: float | None
) -> None:
    root = net.office(tmp_path, net.registry(), {"IN": 100, "H1": 50, "H2": 43})
    clocks(root, *(("MH1", at, off) for at, off in readings))
    assert skewed(root, capsys) == ([] if found is None else [("MH1", found)])


def test_a_residue_inside_the_classes_is_said_to_be(tmp_path: Path, capsys: Any) -> None:
    """Class 1 of meter, CT and PT each: 3 % of 100 + 60 + 37.5 is 5.925 % of the inflow, and 2.5 % are missing."""
    root = net.office(tmp_path, net.registry(accuracy="1"), {"IN": 100, "H1": 60, "H2": 37.5})
    (row,) = [row for row in causes(root, capsys) if row["cause"] == "class_error"]
    assert (row["figure"], row["unit"], row["detail"]) == (pytest.approx(0.05925), "share", "registered")
    (row,) = [row for row in causes(root, capsys, "zh") if row["cause"] == "class_error"]
    assert row["told"] == "各等级允许误差合计为流入电量的5.925% (均已登记)"
    second = tmp_path / "fine"
    second.mkdir()
    root = net.office(second, net.registry(accuracy="0.2S"), {"IN": 100, "H1": 60, "H2": 37.5})
    assert [row for row in causes(root, capsys) if row["cause"] == "class_error"] == []


def test_classes_that_nobody_registered_are_assumed_and_said_to_be(tmp_path: Path, capsys: Any) -> None:
    root = net.office(tmp_path, net.registry(accuracy=None), {"IN": 100, "H1": 60, "H2": 37.5})
    (row,) = [row for row in causes(root, capsys) if row["cause"] == "class_error"]
    assert (row["detail"], row["figure"]) == ("9 assumed", pytest.approx(0.015 * 1.975))


@pytest.mark.parametrize(
    ("text", "value"), [("0.5S", 0.5), ("1", 1.0), (" 0.2 ", 0.2), ("B", None), (None, None), ("", None)]
)
def test_a_class_is_read_from_its_text(text: str | None, value: float | None) -> None:
    assert class_pct(text) == value


def test_the_report_holds_the_suspects_in_both_languages(tmp_path: Path, capsys: Any) -> None:
    more = net.entry("account", account_no="1", account_name="A")  # a report is about an office that has one
    root = net.office(tmp_path, net.registry(accuracy="1", more=more), {"IN": 150, "H1": 60, "H2": 59.9})
    for lang, word in (("en", "wrong multiplier"), ("zh", "倍率错误")):
        out = tmp_path / lang
        given = [
            "report",
            "balance",
            "--period",
            "2026-06",
            "--as",
            "csv",
            "--out",
            str(out),
            "--lang",
            lang,
            "--jobs",
            "1",
        ]
        assert run([*given, "--workspace", root, "--now", net.NOW]) == 0
        (path,) = out.glob("*bus_suspects.csv")
        rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))
        assert (rows[0]["rank"], rows[0]["suspect"], rows[0]["point"]) == ("1", word, "H1")


def test_the_order_is_the_same_again(tmp_path: Path, capsys: Any) -> None:
    root = net.office(tmp_path, net.registry(accuracy="1"), {"IN": 150, "H1": 60, "H2": 60}, quarters(20, 68))
    first = causes(root, capsys)
    assert first == causes(root, capsys)
    order = ["missing_reading", "wrong_multiplier", "voltage_loss", "clock_skew", "class_error"]
    places = [order.index(row["cause"]) for row in first]
    assert places == sorted(places)


def test_two_lists_at_once_are_refused(tmp_path: Path, capsys: Any) -> None:
    root = net.office(tmp_path, net.registry(), {"IN": 100, "H1": 60, "H2": 39})
    for more in ("--lines", "--feeders"):
        assert run(["balance", "--causes", more, "--workspace", root, "--now", net.NOW, "--lang", "en"]) == 2
