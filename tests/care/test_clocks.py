"""Clocks read against the middle of the exchange, judged, kept, found wrong and right again."""

import datetime as dt
import json
import os
import signal
import threading
import zoneinfo

import pytest
from care_office import ZONE, meter

from keyacct import clock
from keyacct.capture.device_clock import compare
from keyacct.capture.interrupts import on_interrupt
from keyacct.cli.run import run
from keyacct.database.care_tables import care_clock, care_clock_past, care_finding
from keyacct.workflow.care import lines
from keyacct.workflow.care.clocks import keep, measure, wrong_alike
from keyacct.workflow.care.findings import findings


def ms(text):
    return int(dt.datetime.fromisoformat(text).timestamp() * 1000)


def read(office, *names):
    clocks = measure(office.at_work(), office.targets(*names))
    keep(office.workspace, clocks)
    return {each.target.meter_no: each for each in clocks}


def test_a_clock_is_compared_with_the_middle_of_the_exchange():
    begin, end = ms("2026-07-01T12:00:00+08:00"), ms("2026-07-01T12:00:04+08:00")
    found = compare(dt.datetime(2026, 7, 1, 12, 0, 2), begin, end, ZONE)
    assert found.deviation_s == pytest.approx(0.5)  # 12:00:02 lasts until 12:00:03; in its middle half a second is over
    assert found.uncertainty_s == pytest.approx(2.5)


@pytest.mark.parametrize("true_s", [-400.0, -61.0, 0.0, 61.0, 400.0])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_true_deviation_lies_within_the_uncertainty_wherever_the_meter_looked_at_its_clock(true_s, share):
    begin = ms("2026-07-01T12:00:00.300+08:00")
    end = begin + 5000
    looked = begin + share * 5000 + true_s * 1000
    said = dt.datetime.fromtimestamp(looked / 1000, ZONE).replace(tzinfo=None, microsecond=0)
    found = compare(said, begin, end, ZONE)
    assert abs(found.deviation_s - true_s) <= found.uncertainty_s + 1e-9


def test_over_midnight_the_deviation_is_seconds_not_a_day():
    at = ms("2026-07-02T00:00:01+08:00")
    assert compare(dt.datetime(2026, 7, 1, 23, 59, 58), at, at, ZONE).deviation_s == pytest.approx(-2.5)


def test_the_hour_that_comes_twice_is_the_nearer_one():
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    for offset in ("+02:00", "+01:00"):  # 02:30 of 2026-10-25, before and after the clocks went back
        at = ms(f"2026-10-25T02:30:00{offset}")
        assert compare(dt.datetime(2026, 10, 25, 2, 30, 10), at, at, berlin).deviation_s == pytest.approx(10.5)


def test_a_clock_that_was_not_put_forward_in_spring_is_an_hour_off():
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    at = ms("2026-03-29T10:00:00+02:00")
    assert compare(dt.datetime(2026, 3, 29, 9, 0, 0), at, at, berlin).deviation_s == pytest.approx(-3599.5)


def test_verdicts_of_a_round_and_what_has_no_clock(office):
    whole = office(
        [meter(1), meter(2, clock_offset_s=120), meter(3, clock_offset_s=-2000), meter(4, "dlt645-1997")],
        [meter(5, "modbus-rtu")], [meter(6, trouble="silent")],
    )  # fmt: skip
    found = read(whole)
    assert {name: each.verdict for name, each in found.items()} == {
        "M1": "right", "M2": "set", "M3": "too_far", "M4": "right", "M5": "not_offered", "M6": "failed",
    }  # fmt: skip
    assert found["M2"].reading.deviation_s == pytest.approx(120, abs=1)
    assert found["M6"].failure.cause == "timeout"
    assert whole.lines[1].heard == []  # a Modbus meter is not even asked
    assert {row["device"] for row in whole.rows(care_clock)} == {"M1", "M2", "M3", "M4"}
    assert {row["device"] for row in whole.rows(care_clock_past)} == {"M2", "M3"}, (
        "a clock that is right leaves no past"
    )


def test_a_slow_line_gives_no_verdict(office, move):
    whole = office([meter(1, clock_offset_s=100)])

    def slow(_):
        move((clock.now() + dt.timedelta(seconds=25)).isoformat())

    whole.lines[0].before = slow
    found = read(whole)["M1"]
    assert found.reading.round_trip_s == pytest.approx(25)
    assert found.verdict == "unclear"
    assert whole.rows(care_finding) == []


def test_an_exchange_that_could_hide_the_limit_gives_no_verdict(office, move):
    whole = office([meter(1, clock_offset_s=58)])
    whole.lines[0].before = lambda _: move((clock.now() + dt.timedelta(seconds=8)).isoformat())
    assert read(whole)["M1"].verdict == "unclear"  # 62 ± 4.5 s


def test_date_and_time_are_of_one_day_when_midnight_comes_between(office, move):
    whole = office([meter(1)])
    move("2026-07-01T23:59:59.500+08:00")
    asked = []

    def midnight(_):
        asked.append(1)
        if len(asked) == 2:  # after the date, before the time
            move("2026-07-02T00:00:00.200+08:00")

    whole.lines[0].before = midnight
    found = read(whole)["M1"]
    assert abs(found.reading.deviation_s) < 2
    assert len(asked) == 3


def test_drift_grows_over_days_and_becomes_a_finding(office, move):
    whole = office([meter(1, drift_ppm=-10.0)])  # 0.864 s a day since 2026-01-01
    first = read(whole)["M1"].reading.deviation_s
    assert first == pytest.approx(-0.864 * 181.5, abs=2)
    move("2026-12-31T12:20:00+08:00")
    later = read(whole)["M1"]
    assert later.reading.deviation_s - first == pytest.approx(-0.864 * 183, abs=2)
    assert [row["rule"] for row in findings(whole.workspace)] == ["clock_deviation"]


def test_found_twice_is_one_finding_and_right_again_closes_it(office, move):
    whole = office([meter(1, clock_offset_s=400)])
    read(whole)
    move("2026-07-02T12:20:00+08:00")
    read(whole)
    (row,) = whole.rows(care_finding)
    assert (row["times"], row["severity"], row["resolved_at"]) == (2, "general", None)
    assert row["since"] == ms("2026-07-01T12:20:00+08:00")
    whole.lines[0].meters[0].clock_offset_s = 0.0
    move("2026-07-03T12:20:00+08:00")
    read(whole)
    assert findings(whole.workspace) == []
    (old,) = findings(whole.workspace, resolved=True)
    assert old["resolved_at"].isoformat() == "2026-07-03T12:20:00+08:00"
    whole.lines[0].meters[0].clock_offset_s = 400.0
    move("2026-07-04T12:20:00+08:00")
    read(whole)
    assert len(findings(whole.workspace, resolved=True)) == 2  # it is a new one


def test_off_across_a_full_hour_is_severe(office, move):
    whole = office([meter(1, clock_offset_s=400)])
    move("2026-07-01T12:57:00+08:00")
    read(whole)
    assert whole.rows(care_finding)[0]["severity"] == "severe"


def test_most_clocks_wrong_alike_put_our_own_in_doubt(office):
    whole = office([meter(1, clock_offset_s=130), meter(2, clock_offset_s=140), meter(3, clock_offset_s=-5)])
    clocks = measure(whole.at_work(), whole.targets())
    assert wrong_alike(clocks, whole.workspace.settings.care) == pytest.approx(130, abs=1)
    assert wrong_alike(clocks[:2], whole.workspace.settings.care) is None  # two are too few to say


def test_the_command_prints_every_form(office, capsys):
    whole = office([meter(1, clock_offset_s=400)], [meter(2, trouble="silent")])
    arguments = ["care", "clocks", "--all", "--workspace", str(whole.folder), "--timeout", "0.3"]
    assert run([*arguments, "--format", "json", "--now", clock.now().isoformat()]) == 6
    out = capsys.readouterr()
    rows = json.loads(out.out)
    assert [row["verdict"] for row in rows] == ["set", "failed"]
    assert "1 findings opened" in out.err
    clock.fix("2026-07-01T12:20:00+08:00")
    assert run([*arguments, "--lang", "zh", "--now", clock.now().isoformat()]) == 6
    assert "超差, 可校时" in capsys.readouterr().out
    assert run(["care", "findings", "--workspace", str(whole.folder), "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("clock_deviation,general,meter,M1,")
    assert run(["care", "clocks", "M2", "--workspace", str(whole.folder), "--timeout", "0.2"]) == 5


def test_against_a_fixed_clock_nothing_is_kept(office, monkeypatch, capsys):
    whole = office([meter(1, clock_offset_s=400)])
    monkeypatch.undo()
    arguments = ["care", "clocks", "--all", "--workspace", str(whole.folder), "--now", clock.now().isoformat()]
    assert run(arguments) == 0
    assert "not kept" in capsys.readouterr().err
    assert whole.rows(care_clock) == []
    assert whole.rows(care_finding) == []


def test_sigterm_lets_the_meter_under_way_be_finished_and_keeps_what_was_read(office, monkeypatch):
    whole = office([meter(1), meter(2), meter(3)])
    heard = threading.Event()
    monkeypatch.setattr(lines, "on_interrupt", lambda act: on_interrupt(lambda: (act(), heard.set())))

    def stop(_):
        if not heard.is_set():
            os.kill(os.getpid(), signal.SIGTERM)
            assert heard.wait(60)  # the meter answers when the signal has been heard, however slow the machine

    whole.lines[0].before = stop
    arguments = ["care", "clocks", "--all", "--workspace", str(whole.folder), "--now", clock.now().isoformat()]
    assert run(arguments) == 130
    assert [row["device"] for row in whole.rows(care_clock)] == ["M1"]
