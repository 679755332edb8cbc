"""Clocks set within the rules: who, how, when not, and what a death in the middle leaves."""

import datetime as dt
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from care_office import meter

from keyacct import clock
from keyacct.capture.device_clock import clock_write, time_broadcast
from keyacct.cli.run import run
from keyacct.database.care_tables import care_action, care_finding, care_outcome
from keyacct.database.tables import audit
from keyacct.errors import RefusedError
from keyacct.workflow.care import journal, sync
from keyacct.workflow.care.journal import actions
from keyacct.workflow.care.sync import sync_clocks


def set_clocks(office, *names, **how):
    return sync_clocks(office.at_work(), office.targets(*names), **{"execute": True, **how})


def states(done):
    return {each.clock.target.meter_no: each.state for each in done.settings}


def off_s(one):
    return (one.now() - clock.now().astimezone(one.zone).replace(tzinfo=None)).total_seconds()


def test_time_broadcast_is_the_frame_of_the_standard():
    # DL/T 645-2007 7.1.6: 68 99..99 68 08 06, then second to year, each with 33H added.
    said = time_broadcast("dlt645-2007", "999999999999", dt.datetime(2026, 7, 1, 8, 15, 3))
    body = [0x03, 0x15, 0x08, 0x01, 0x07, 0x26]
    frame = [0x68, *[0x99] * 6, 0x68, 0x08, 0x06, *[byte + 0x33 for byte in body]]
    assert said.frame == b"\xfe" * 4 + bytes([*frame, sum(frame) & 0xFF, 0x16])


def test_the_frame_that_is_shown_hides_the_password_and_the_checksum():
    at = dt.datetime(2026, 7, 1, 8, 15, 3)
    for protocol in ("dlt645-2007", "dlt645-1997"):
        one = clock_write(protocol, "000000000001", at, bytes.fromhex("02112233"), "10203040")
        other = clock_write(protocol, "000000000001", at, bytes.fromhex("02445566"), "50607080")
        assert one.shown == other.shown
        assert one.frame != other.frame
        # three bytes of password, four of operator (the 2007 edition has one), the checksum
        assert one.shown.count("**") == {"dlt645-2007": 8, "dlt645-1997": 4}[protocol]
        assert "44 55 66" not in repr(one)


def test_a_dry_run_shows_the_frame_and_sends_none(office):
    whole = office([meter(1, clock_offset_s=120)])
    done = set_clocks(whole, execute=False)
    (row,) = [each.row() for each in done.settings]
    assert (row["state"], row["method"]) == ("waits", "addressed")
    assert row["frame"].startswith("68 01 00 00 00 00 00 68 08 06")
    assert 0x08 not in whole.lines[0].functions()
    assert whole.rows(care_action) == []


def test_a_clock_is_set_read_back_and_both_are_kept(office):
    whole = office([meter(1, clock_offset_s=120), meter(2, clock_offset_s=10), meter(3, clock_offset_s=-200)])
    done = set_clocks(whole)
    assert states(done) == {"M1": "done", "M2": "", "M3": "done"}
    assert all(abs(off_s(one)) <= 1 for one in whole.lines[0].meters[::2])
    assert off_s(whole.lines[0].meters[1]) == pytest.approx(10)  # right: left alone
    assert [(row["device"], row["state"]) for row in actions(whole.workspace)] == [("M1", "done"), ("M3", "done")]
    kept = [row["action"] for row in whole.rows(audit) if row["action"].startswith("care.")]
    assert kept.count("care.sync") == kept.count("care.outcome") == 2


def test_the_audit_row_is_there_before_the_first_byte(office):
    whole = office([meter(1, clock_offset_s=120)])
    seen = []

    def look(data):
        if data[data.index(0x68) + 8] == 0x08:
            seen.append(([row["action"] for row in whole.rows(audit)][-1], len(whole.rows(care_outcome))))

    whole.lines[0].before = look
    set_clocks(whole)
    assert seen == [("care.sync", 0)]


def test_a_meter_that_cannot_be_told_first_is_not_set(office, monkeypatch):
    whole = office([meter(1, clock_offset_s=120)])

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(journal, "begin", full)
    with pytest.raises(OSError, match="disk full"):
        set_clocks(whole)
    assert 0x08 not in whole.lines[0].functions()


def test_beyond_five_minutes_the_clock_is_written_with_its_password(office, tmp_path):
    protocols = ("dlt645-2007", "dlt645-1997")
    whole = office([meter(n, p, clock_offset_s=-400, password="02112233") for n, p in enumerate(protocols, 1)])
    assert states(set_clocks(whole)) == {"M1": "no_password", "M2": "no_password"}
    secret = whole.folder / "m.key"
    secret.write_text("02112233 00000007")
    secret.chmod(0o600)
    port = whole.lines[0].port
    whole.registry("".join(
        f'[[meter_link]]\nmeter_no = "M{n}"\npoll_line = "L1"\npassword_file = "m.key"\n' for n in (1, 2)
    ))  # fmt: skip
    assert port
    assert states(set_clocks(whole)) == {"M1": "done", "M2": "done"}
    assert {0x14, 0x04} <= set(whole.lines[0].functions())
    assert all(abs(off_s(one)) <= 1 for one in whole.lines[0].meters)
    kept = str(whole.rows(audit)) + str(whole.rows(care_action))
    assert "02112233" not in kept
    assert "44 55 66" not in kept
    assert {row["state"] for row in actions(whole.workspace)} == {"done"}


def test_a_wrong_password_fails_once_and_is_not_tried_again(office):
    whole = office([meter(1, clock_offset_s=-400)])
    secret = whole.folder / "m.key"
    secret.write_text("02999999")
    secret.chmod(0o600)
    whole.registry('[[meter_link]]\nmeter_no = "M1"\npoll_line = "L1"\npassword_file = "m.key"\n')
    done = set_clocks(whole)
    assert states(done) == {"M1": "failed"}
    assert whole.lines[0].functions().count(0x14) == 1
    assert off_s(whole.lines[0].meters[0]) == pytest.approx(-400)


@pytest.mark.parametrize("offset_s", [1000.0, -86_400.0])
def test_what_is_too_far_off_is_a_finding_and_is_not_set(office, offset_s):
    whole = office([meter(1, clock_offset_s=offset_s)])
    assert states(set_clocks(whole)) == {"M1": ""}
    assert set(whole.lines[0].functions()) == {0x11}
    assert [row["rule"] for row in whole.rows(care_finding)] == ["clock_deviation"]


def test_a_round_is_refused_near_a_freeze_and_while_switched_off(office, move):
    whole = office([meter(1, clock_offset_s=120)])
    for now, reason in (
        ("12:57", "near_freeze"), ("13:04", "near_freeze"), ("00:20", "near_freeze"), ("23:40", "near_freeze"),
        ("12:20", "not_enabled"),
    ):  # fmt: skip
        whole.care(sync_clock=reason != "not_enabled")
        move(f"2026-07-01T{now}:00+08:00")
        with pytest.raises(RefusedError) as refused:
            set_clocks(whole)
        assert (refused.value.where["reason"], refused.value.exit_code) == (reason, 8)
    assert set(whole.lines[0].functions()) == {0x11}
    assert whole.rows(care_action) == []


def test_a_fixed_clock_sets_nothing(office, monkeypatch, capsys):
    whole = office([meter(1, clock_offset_s=120)])
    monkeypatch.undo()
    line = ["care", "sync", "M1", "--execute", "--workspace", str(whole.folder), "--now", clock.now().isoformat()]
    assert run(line) == 8
    assert "KEYACCT_NOW" in capsys.readouterr().err
    assert set(whole.lines[0].functions()) == {0x11}


def test_no_clock_is_set_over_the_instant_of_a_freeze(office, move):
    whole = office([meter(1, clock_offset_s=500), meter(2, clock_offset_s=-120)])
    move("2026-07-01T12:53:00+08:00")  # M1 is at 13:01
    done = set_clocks(whole)
    assert [each.clock.verdict for each in done.settings] == ["later", "set"]
    assert states(done) == {"M1": "", "M2": "done"}


def test_most_clocks_wrong_alike_are_not_set_until_ours_was_compared(office):
    whole = office([meter(n, clock_offset_s=120) for n in (1, 2, 3)])
    with pytest.raises(RefusedError) as refused:
        set_clocks(whole)
    assert refused.value.where["reason"] == "own_clock"
    assert set(whole.lines[0].functions()) == {0x11}
    assert set(states(set_clocks(whole, trusted=True)).values()) == {"done"}


def test_once_a_day_and_the_next_day_again(office, move):
    whole = office([meter(1, clock_offset_s=120)])
    assert states(set_clocks(whole)) == {"M1": "done"}
    whole.lines[0].meters[0].clock_offset_s += 120
    move("2026-07-01T15:20:00+08:00")
    assert states(set_clocks(whole)) == {"M1": "today"}
    move("2026-07-02T12:20:00+08:00")
    assert states(set_clocks(whole)) == {"M1": "done"}


def test_still_off_after_two_settings_within_a_month_is_a_fault_and_is_set_no_more(office, move):
    whole = office([meter(1, clock_offset_s=0)])
    one = whole.lines[0].meters[0]
    for day in (1, 2):
        one.clock_offset_s += 200
        move(f"2026-07-0{day}T12:20:00+08:00")
        assert states(set_clocks(whole)) == {"M1": "done"}
    one.clock_offset_s += 350
    move("2026-07-03T12:20:00+08:00")
    done = set_clocks(whole)
    assert done.settings[0].clock.verdict == "fault"
    assert len(whole.rows(care_action)) == 2
    assert {row["rule"]: row["severity"] for row in whole.rows(care_finding)} == {
        "clock_deviation": "general", "clock_fault": "severe",
    }  # fmt: skip
    move("2026-08-20T12:20:00+08:00")  # a month later the settings no longer count
    assert set_clocks(whole, execute=False).settings[0].clock.verdict == "set"


def test_one_broadcast_sets_a_whole_line(office):
    whole = office([meter(n, clock_offset_s=off) for n, off in ((1, 120), (2, -100), (3, 5), (4, 0))])
    done = set_clocks(whole, broadcast=True)
    assert whole.lines[0].functions().count(0x08) == 1
    assert states(done) == {"M1": "done", "M2": "done", "M3": "done", "M4": "done"}
    assert all(abs(off_s(one)) <= 1 for one in whole.lines[0].meters)
    assert [row["method"] for row in actions(whole.workspace)] == ["broadcast"] * 4


@pytest.mark.parametrize(
    "other",
    [meter(2, clock_offset_s=400), meter(2, trouble="silent"), meter(2, clock_offset_s=-5000)],
    ids=["far", "silent", "very_far"],
)  # fmt: skip
def test_no_broadcast_while_one_meter_of_the_line_is_far_off_or_silent(office, other):
    whole = office([meter(1, clock_offset_s=120), other])
    done = set_clocks(whole, broadcast=True)
    assert states(done)["M1"] == "not_sent"
    assert set(whole.lines[0].functions()) == {0x11}
    assert whole.rows(care_action) == []


def test_no_broadcast_over_meters_that_were_not_asked_for(office):
    whole = office([meter(1, clock_offset_s=120), meter(2)])
    assert states(set_clocks(whole, "M1", broadcast=True)) == {"M1": "not_sent"}


def test_no_second_broadcast_on_a_day(office, move):
    whole = office([meter(1, clock_offset_s=120), meter(2)])
    set_clocks(whole, broadcast=True)
    whole.lines[0].meters[0].clock_offset_s += 120
    assert states(set_clocks(whole, broadcast=True))["M1"] == "not_sent"


def test_a_meter_that_does_not_obey_is_told(office, monkeypatch):
    whole = office([meter(1, clock_offset_s=120)])
    whole.lines[0].meters[0].clock_set_on = clock.now().astimezone(whole.lines[0].meters[0].zone).date()
    done = set_clocks(whole)
    assert states(done) == {"M1": "failed"}
    assert actions(whole.workspace)[0]["state"] == "failed"


def test_a_time_that_grew_old_while_it_was_written_down_is_not_sent(office, monkeypatch):
    whole = office([meter(1, clock_offset_s=120)])
    monkeypatch.setattr(sync, "STALE_S", -1.0)
    assert states(set_clocks(whole)) == {"M1": "not_sent"}
    assert 0x08 not in whole.lines[0].functions()
    monkeypatch.undo()
    assert actions(whole.workspace)[0]["state"] == "not_sent"


def test_killed_between_the_record_and_the_sending(office, tmp_path):
    whole = office([meter(1, clock_offset_s=120)])
    script = tmp_path / "killed.py"
    script.write_text(
        textwrap.dedent("""
        import os, signal, sys
        from keyacct import clock
        from keyacct.config import open_workspace
        from keyacct.workflow.care import sync
        from keyacct.workflow.care.lines import Lines
        from keyacct.workflow.poll_targets import read_targets
        clock.fix(sys.argv[2])
        clock.is_fixed = lambda: False
        sync.send_clock = lambda line, command: os.kill(os.getpid(), signal.SIGKILL)
        workspace = open_workspace(sys.argv[1])
        sync.sync_clocks(Lines(workspace), list(read_targets(workspace).values()), execute=True)
    """)
    )
    environment = {**os.environ, "KEYACCT_NOW": ""}
    died = subprocess.run(
        [sys.executable, str(script), str(whole.folder), clock.now().isoformat()],
        env=environment,
        timeout=120,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    assert 0x08 not in whole.lines[0].functions()
    (left,) = actions(whole.workspace)
    assert (left["state"], left["device"]) == ("unknown", "M1")
    assert states(set_clocks(whole)) == {"M1": "today"}  # nobody knows whether it was heard: not again by itself
    assert 0x08 not in whole.lines[0].functions()


def test_the_command_says_in_words_what_it_does(office, capsys):
    whole = office([meter(1, clock_offset_s=120), meter(2, clock_offset_s=1000)])
    where = ["--workspace", str(whole.folder), "--timeout", "0.5"]
    clock_now = clock.now().isoformat()
    assert run(["care", "sync", "--all", *where, "--now", clock_now]) == 0
    out = capsys.readouterr()
    assert "68 01 00 00 00 00 00 68 08" in out.out
    assert "dry run" in out.err
    assert 0x08 not in whole.lines[0].functions()
    assert run(["care", "sync", "--all", "--execute", "--format", "jsonl", *where, "--now", clock_now]) == 0
    assert '"state": "done"' in capsys.readouterr().out
    assert run(["care", "actions", "--workspace", str(whole.folder), "--lang", "zh"]) == 0
    assert "addressed" in capsys.readouterr().out
