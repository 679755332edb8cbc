"""Terminals that dial in: the same rule, journal and findings, also after the station was started anew."""

import datetime as dt

from care_office import meter

from keyacct.database.care_tables import care_finding
from keyacct.workflow.care.journal import actions
from keyacct.workflow.care.terminals import TerminalCare

ONE = "3701-0001"


def at(day):
    return dt.datetime(2026, 7, day, 12, 20)


def test_a_setting_is_kept_and_proved_by_the_next_reading(office):
    whole = office([meter(1)])
    care = TerminalCare(whole.workspace)
    care.note({ONE: (150.0, "set")}, at(1))
    care.begin({ONE: 150.0}, "gdw1376.1", at(1))
    assert actions(whole.workspace)[0]["state"] == "unknown"
    care.note({ONE: (0.4, "right")}, at(1))
    (row,) = actions(whole.workspace)
    assert (row["device_kind"], row["device"], row["state"]) == ("terminal", ONE, "done")


def test_settings_of_the_last_month_are_known_after_a_restart(office, move):
    whole = office([meter(1)])
    for day in (1, 2):
        move(f"2026-07-0{day}T12:20:00+08:00")
        TerminalCare(whole.workspace).begin({ONE: 400.0}, "gdw1376.1", at(day))
    move("2026-07-03T12:20:00+08:00")
    care = TerminalCare(whole.workspace)
    assert care.book.judge(ONE, 400.0, at(3)) == "fault"
    care.note({ONE: (400.0, "fault")}, at(3))
    assert {row["rule"] for row in whole.rows(care_finding)} == {"clock_deviation", "clock_fault"}


def test_the_same_verdict_again_writes_nothing_and_right_again_closes(office):
    whole = office([meter(1)])
    care = TerminalCare(whole.workspace)
    for _ in range(3):
        care.note({ONE: (1000.0, "too_far"), "3701-0002": (0.0, "right")}, at(1))
    (row,) = whole.rows(care_finding)
    assert (row["times"], row["device"]) == (1, ONE)
    TerminalCare(whole.workspace).note({ONE: (1.0, "right")}, at(2))  # also of a station started anew
    assert whole.rows(care_finding)[0]["resolved_at"] is not None
