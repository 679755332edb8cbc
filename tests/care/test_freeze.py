"""Freezes by command: shown, sent once, proved by the frozen block, stored by the way of all readings."""

import datetime as dt

import pytest
from care_office import ZONE, meter

from keyacct import clock
from keyacct.capture.device_freeze import freeze_command, freeze_word
from keyacct.cli.run import run
from keyacct.database.care_tables import care_action
from keyacct.errors import RefusedError, UsageError
from keyacct.store.read import read_table
from keyacct.workflow.care.freeze import freeze_meters
from keyacct.workflow.care.journal import actions

NOW = "99999999"


def freeze(office, *names, word=NOW, **how):
    return freeze_meters(office.at_work(), office.targets(*names), word, **{"execute": True, **how})


def states(done):
    return {each.target.meter_no: each.state for each in done.freezings}


@pytest.mark.parametrize(
    ("text", "word"),
    [("now", "99999999"), ("hour:30", "99999930"), ("day:0000", "99990000"), ("month:010000", "99010000")],
)
def test_the_forms_of_the_standard(text, word):
    assert freeze_word(text) == word
    frame = freeze_command("999999999999", word).frame
    data = bytes.fromhex(word)[::-1]  # minute first
    head = bytes([0x68, *[0x99] * 6, 0x68, 0x16, 0x04]) + bytes((byte + 0x33) & 0xFF for byte in data)
    assert frame == head + bytes([sum(head) & 0xFF, 0x16])


@pytest.mark.parametrize(
    "text", ["", "soon", "hour:60", "hour:1", "day:2400", "month:290000", "month:000000", "day:12345"]
)
def test_what_is_no_instant_is_refused(text):
    with pytest.raises(UsageError):
        freeze_word(text)


def test_a_freeze_at_once_is_proved_and_stored(office):
    whole = office([meter(1), meter(2)])
    done = freeze(whole, "M1")
    assert states(done) == {"M1": "done"}
    assert done.freezings[0].frozen_at == "2026-07-01T12:20"
    start = int(dt.datetime(2026, 7, 1, tzinfo=ZONE).timestamp() * 1000)
    (row,) = read_table(whole.workspace, "energy", start, start + 86_400_000).to_pylist()
    assert (row["meter"], row["kind"]) == ("M1", "freeze_minute")
    assert row["ts"].astimezone(ZONE).strftime("%H:%M") == "12:20"
    total = whole.lines[0].meters[0].load.energy_kwh(dt.datetime(2026, 7, 1, 12, 20))[0]
    assert float(row["import"]) == pytest.approx(total)
    assert [(row["kind"], row["state"]) for row in actions(whole.workspace)] == [("freeze", "done")]
    assert whole.lines[0].functions().count(0x16) == 1


def test_a_broadcast_freezes_a_line_at_the_same_instant(office):
    whole = office([meter(1), meter(2)])
    assert states(freeze(whole, broadcast=True)) == {"M1": "done", "M2": "done"}
    assert whole.lines[0].functions().count(0x16) == 1


def test_a_broadcast_never_reaches_meters_that_were_not_named(office):
    whole = office([meter(1), meter(2)])
    with pytest.raises(RefusedError, match="M2"):
        freeze(whole, "M1", broadcast=True)
    assert whole.lines[0].heard == []


def test_an_old_freeze_proves_nothing(office, move):
    whole = office([meter(1)])
    one = whole.lines[0].meters[0]
    freeze(whole)
    kept = list(one.freezes)
    move("2026-07-01T14:20:00+08:00")

    def forget(_):
        one.freezes[:] = kept

    whole.lines[0].before = forget  # confirms, and goes on showing the freeze of 12:20
    done = freeze(whole)
    assert states(done) == {"M1": "failed"}
    assert "2026-07-01T12:20" in done.freezings[0].detail


def test_a_standing_freeze_is_confirmed_by_the_meter(office):
    whole = office([meter(1)])
    assert states(freeze(whole, word="99990000")) == {"M1": "confirmed"}
    assert whole.lines[0].meters[0].freeze_word == "99990000"


def test_only_dlt645_2007_has_it(office):
    whole = office([meter(1, "dlt645-1997")], [meter(2, "modbus-rtu")])
    assert states(freeze(whole)) == {"M1": "not_offered", "M2": "not_offered"}
    assert whole.lines[0].heard == whole.lines[1].heard == []


def test_a_silent_meter_is_sent_nothing(office):
    whole = office([meter(1, trouble="silent")])
    assert states(freeze(whole)) == {"M1": "not_sent"}
    assert 0x16 not in whole.lines[0].functions()
    assert whole.rows(care_action) == []


def test_it_is_refused_while_switched_off_or_with_a_fixed_clock(office, monkeypatch, capsys):
    whole = office([meter(1)])
    whole.care(freeze=False)
    with pytest.raises(RefusedError) as refused:
        freeze(whole)
    assert refused.value.where["reason"] == "not_enabled"
    whole.care(freeze=True)
    monkeypatch.undo()
    arguments = ["care", "freeze", "M1", "--workspace", str(whole.folder), "--now", clock.now().isoformat()]
    assert run([*arguments, "--execute"]) == 8
    capsys.readouterr()
    assert run(arguments) == 0  # the dry run shows the frame
    assert "68 01 00 00 00 00 00 68 16 04 CC CC CC CC" in capsys.readouterr().out
    assert whole.lines[0].heard == []
