"""Simulated devices obey: relay, alarm delay, end, limit, kept supply, expiry; each command is sent once and read back."""

from __future__ import annotations

import datetime as dt

import pytest
from control_orders import ADDRESSES, STAMP, order_of

from keyacct import clock, wire
from keyacct.control import journal
from keyacct.control.commands import Alarm, DownFloat, EnableLimit, KeepSupply, PermitClose, PowerLimit, Trip
from keyacct.control.door import Gate, pass_door
from keyacct.control.encoding import frames_of
from keyacct.control.readback import read_state
from keyacct.control.targets import RelayRound, Target
from keyacct.errors import RefusedError
from keyacct.secrets import Secrets

R2 = RelayRound(2)
DAYS = (dt.date(2026, 7, 1), dt.date(2026, 7, 3))
TERMINALS = ("gdw1376.1", "dlt698.45")
PROTOCOLS = ("gdw1376.1", "dlt645-2007", "dlt698.45")


def relay_of(protocol):
    return None if protocol == "dlt645-2007" else R2


def told(protocol):
    return (0,) if protocol == "dlt645-2007" else (2,)


def state_of(device, protocol):
    return read_state(device.ask, Target(protocol, ADDRESSES[protocol]))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_trip_opens_the_relay_and_takes_the_power_away_and_a_permit_gives_it_back(protocol, rehearsal):
    device = rehearsal(protocol)
    minutes = 600 if protocol == "dlt645-2007" else 60
    passed = pass_door(order_of(Trip(relay_of(protocol), minutes), protocol), Gate(), device)
    before, after = passed.looks[0].state, passed.looks[1].state
    assert passed.state == "confirmed"
    assert (before.open_rounds, after.open_rounds) == ((), told(protocol))
    assert before.power_kw > 10
    assert after.power_kw == 0.0
    device = rehearsal(protocol)
    for frame in frames_of(Trip(relay_of(protocol), minutes), Target(protocol, ADDRESSES[protocol]), STAMP, Secrets()):
        device.ask(frame.data)
    passed = pass_door(order_of(PermitClose(relay_of(protocol)), protocol), Gate(), device)
    assert passed.state == "confirmed"
    assert (passed.looks[0].state.open_rounds, passed.looks[1].state.open_rounds) == (told(protocol), ())
    assert passed.looks[1].state.power_kw > 10


@pytest.mark.parametrize("protocol", TERMINALS)
def test_the_alarm_runs_before_the_trip_and_the_end_comes_by_itself(protocol, rehearsal):
    passed = pass_door(order_of(Trip(R2, 60, 5), protocol), Gate(), rehearsal(protocol))
    assert [(look.after_min, look.state.open_rounds) for look in passed.looks] == [
        (0, ()), (0, ()), (5, (2,)), (65, ()),
    ]  # fmt: skip
    assert [look.state.power_kw > 0 for look in passed.looks] == [True, True, False, True]
    assert passed.state == "confirmed"


def test_the_terminal_says_that_the_alarm_runs(rehearsal):
    """DL/T 698.45 has a state for it (8000 attribute 4)."""
    passed = pass_door(order_of(Trip(R2, 60, 5), "dlt698.45"), Gate(), rehearsal("dlt698.45"))
    assert [look.state.alarming for look in passed.looks] == [(), (2,), (), ()]


@pytest.mark.parametrize("protocol", TERMINALS)
def test_kept_supply_refuses_trips_before_they_are_sent_and_on_the_device(protocol, rehearsal):
    device = rehearsal(protocol)
    keep = KeepSupply(60 if protocol == "gdw1376.1" else None)
    assert pass_door(order_of(keep, protocol), Gate(), device).state == "confirmed"
    with pytest.raises(RefusedError) as error:
        pass_door(order_of(Trip(R2, 60), protocol), Gate(), device)
    assert error.value.where["reasons"] == "check.kept"
    (trip,) = frames_of(Trip(R2, 60), Target(protocol, ADDRESSES[protocol]), STAMP, Secrets())
    answer = device.ask(trip.data)
    assert wire.answers(trip.data, answer, protocol)
    assert state_of(device, protocol).open_rounds == ()


def test_kept_supply_ends_by_its_own_time(rehearsal):
    device = rehearsal("gdw1376.1")
    pass_door(order_of(KeepSupply(60)), Gate(), device)
    device.let_pass(59.9)
    assert state_of(device, "gdw1376.1").keep_supply is True
    device.let_pass(0.2)
    assert state_of(device, "gdw1376.1").keep_supply is False


def test_a_meter_of_645_keeps_supply_but_cannot_say_so(rehearsal):
    device = rehearsal("dlt645-2007")
    assert pass_door(order_of(KeepSupply(None), "dlt645-2007"), Gate(), device).state == "partial"
    passed = pass_door(order_of(Trip(None, 60), "dlt645-2007"), Gate(), device)
    assert passed.state == "refused"
    assert state_of(device, "dlt645-2007").open_rounds == ()


@pytest.mark.parametrize("protocol", ["dlt645-2007", "dlt698.45"])
def test_the_alarm_sounds_and_ends_and_no_breaker_moves(protocol, rehearsal):
    device = rehearsal(protocol)
    for on in (True, False):
        passed = pass_door(order_of(Alarm(on), protocol), Gate(), device)
        assert passed.state == "confirmed"
        assert bool(passed.looks[-1].state.alarming) is on
        assert passed.looks[-1].state.open_rounds == ()


@pytest.mark.parametrize("protocol", TERMINALS)
def test_a_limit_is_written_read_back_and_only_then_enabled(protocol, rehearsal):
    device = rehearsal(protocol)
    enable = order_of(EnableLimit(1, 5, *DAYS, R2), protocol)
    with pytest.raises(RefusedError) as error:
        pass_door(enable, Gate(), device)
    assert error.value.where["reasons"] == "check.not_applied"
    assert pass_door(order_of(PowerLimit(1, R2, 5, *DAYS), protocol), Gate(), device).state == "confirmed"
    written = state_of(device, protocol)
    limit = written.limit_of(1)
    assert (limit.limit_kw, limit.from_day, limit.to_day, limit.relay_rounds, limit.enabled) == (
        5, "2026-07-01", "2026-07-03", (2,), False,
    )  # fmt: skip
    assert written.power_kw > 5
    with pytest.raises(RefusedError) as error:
        pass_door(order_of(EnableLimit(1, 6, *DAYS, R2), protocol), Gate(), device)
    assert error.value.where["reasons"] == "check.not_applied"
    passed = pass_door(enable, Gate(), device)
    assert passed.state == "confirmed"
    assert passed.looks[-1].state.power_kw == 0.0  # the load is above it: the limit opens its round


def test_a_limit_above_the_load_opens_nothing_and_ends_at_its_day(rehearsal):
    device = rehearsal("gdw1376.1")
    for command in (PowerLimit(1, R2, 500, *DAYS), EnableLimit(1, 500, *DAYS, R2)):
        assert pass_door(order_of(command), Gate(), device).state == "confirmed"
    assert state_of(device, "gdw1376.1").power_kw > 10
    device = rehearsal("gdw1376.1")
    for command in (PowerLimit(1, R2, 1, *DAYS), EnableLimit(1, 1, *DAYS, R2)):
        pass_door(order_of(command), Gate(), device)
    assert state_of(device, "gdw1376.1").power_kw == 0.0
    device.let_pass(2 * 24 * 60)
    assert state_of(device, "gdw1376.1").power_kw > 1


def test_a_down_float_takes_its_share_and_ends(rehearsal):
    device = rehearsal("gdw1376.1")
    passed = pass_door(order_of(DownFloat(1, R2, 20, 60)), Gate(), device)
    before, after = (look.state for look in passed.looks)
    assert passed.state == "confirmed"
    assert after.power_kw == pytest.approx(before.power_kw * 0.8, rel=1e-3)
    device.let_pass(66)  # 5 min of freeze delay, 60 min
    assert state_of(device, "gdw1376.1").limits == ()


# expiry, password, silence -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_device_drops_a_command_that_comes_late(protocol, rehearsal):
    device = rehearsal(protocol)
    for frame in frames_of(Trip(relay_of(protocol), 60), Target(protocol, ADDRESSES[protocol]), STAMP, Secrets()):
        device.let_pass(10.1)  # the tag allows 5 min; N3 to N8 end after 10
        device.ask(frame.data)
    assert state_of(device, protocol).open_rounds == ()


def test_a_wrong_clock_stops_a_command_before_it_is_sent(rehearsal):
    device = rehearsal("gdw1376.1")
    device.let_pass(3)
    with pytest.raises(RefusedError) as error:
        pass_door(order_of(Trip(R2, 60)), Gate(), device)
    assert error.value.where["reasons"] == "check.clock"


def test_an_expired_order_is_not_rehearsed(rehearsal):
    order = order_of(Trip(R2, 60))
    clock.fix("2026-07-01T10:10:00+08:00")
    with pytest.raises(RefusedError) as error:
        pass_door(order, Gate(), rehearsal("gdw1376.1"))
    assert error.value.where["reasons"] == "check.expired"


def test_a_wrong_password_is_refused_by_the_device(rehearsal):
    wrong = Secrets(bytes.fromhex("02111111"), given=True)
    passed = pass_door(order_of(Trip(None, 60), "dlt645-2007"), Gate(), rehearsal("dlt645-2007"), wrong)
    assert passed.state == "refused"
    wrong = Secrets(password_1376=b"\x11" * 16, given=True)
    assert pass_door(order_of(Trip(R2, 60)), Gate(), rehearsal("gdw1376.1"), wrong).state == "refused"


def listening(device, monkeypatch, answer):
    """Notes the commands that reach a device; answer(frame) stands in for what it says to them."""
    heard = []
    ask = device.ask

    def noted(frame):
        shown = frame[12] in (4, 5) if frame[5:6] == b"\x68" else False
        if not shown:
            return ask(frame)
        heard.append(frame)
        return answer(ask, frame)

    monkeypatch.setattr(device, "ask", noted)
    return heard


def test_a_silent_device_gets_the_command_once_and_the_end_is_unknown(workspace, rehearsal, monkeypatch):
    device = rehearsal("gdw1376.1")
    heard = listening(device, monkeypatch, lambda ask, frame: None)
    passed = pass_door(order_of(Trip(R2, 60)), Gate(workspace), device)
    assert passed.state == "unknown"
    assert len(heard) == 1
    assert journal.list_attempts(workspace)[0].state == "unknown"


def test_sent_is_committed_before_the_first_byte_leaves(workspace, rehearsal, monkeypatch):
    device = rehearsal("gdw1376.1")
    seen = []

    def answer(ask, frame):
        seen.append(journal.list_attempts(workspace)[0])
        raise KeyboardInterrupt  # as if the process ended here

    listening(device, monkeypatch, answer)
    with pytest.raises(KeyboardInterrupt):
        pass_door(order_of(Trip(R2, 60)), Gate(workspace), device)
    assert [(attempt.kind, attempt.state) for attempt in seen] == [("simulated", "unknown")]
    assert journal.list_attempts(workspace)[0].state == "unknown"  # and stays so: a person decides


def test_half_of_a_limit_is_partial(workspace, rehearsal, monkeypatch):
    device = rehearsal("gdw1376.1")
    heard = listening(device, monkeypatch, lambda ask, frame: ask(frame) if len(heard) == 1 else None)
    passed = pass_door(order_of(PowerLimit(1, R2, 5, *DAYS)), Gate(workspace), device)
    assert (passed.state, len(heard)) == ("partial", 2)


def test_a_device_that_answers_no_read_gets_no_command(rehearsal, monkeypatch):
    device = rehearsal("gdw1376.1")
    heard = []
    monkeypatch.setattr(device, "ask", lambda frame: heard.append(frame[12]))
    with pytest.raises(RefusedError) as error:
        pass_door(order_of(Trip(R2, 60)), Gate(), device)
    assert error.value.where["reasons"] == "check.no_answer"
    assert not {4, 5} & set(heard)


def test_a_bare_confirmation_is_not_enough(rehearsal, monkeypatch):
    """A terminal that says yes and does nothing: state and power do not say so."""
    device = rehearsal("gdw1376.1")

    def says_yes(ask, frame):
        yes = {"address": "3701-0001", "msa": 1, "control": "0x80", "afn": "00", "seq": 0x60 | frame[13] & 15}
        return wire.encode({**yes, "items": [{"pn": 0, "fn": 1}]}, "gdw1376.1")

    listening(device, monkeypatch, says_yes)
    assert pass_door(order_of(Trip(R2, 60)), Gate(), device).state == "partial"


def test_states_of_a_rehearsal_are_kept_in_order(workspace, rehearsal):
    from keyacct.database.engine import open_database

    pass_door(order_of(Trip(R2, 60, 5)), Gate(workspace), rehearsal("gdw1376.1"))
    with open_database(workspace).read() as connection:
        steps = [row[0] for row in connection.exec_driver_sql("SELECT state FROM control_step ORDER BY number")]
        rows = [
            row[0]
            for row in connection.exec_driver_sql("SELECT action FROM audit WHERE action LIKE 'control.%' ORDER BY seq")
        ]
    assert steps == ["requested", "sent", "alarmed", "confirmed"]
    assert rows == [f"control.{state}" for state in steps]


def test_a_state_does_not_follow_any_other(workspace):
    number = journal.begin(workspace, "simulated", order_of(Trip(R2, 60)), [], "requested", {})
    with pytest.raises(ValueError, match="confirmed does not follow requested"):
        journal.advance(workspace, number, "confirmed", {})
    journal.advance(workspace, number, "refused", {})
    with pytest.raises(ValueError, match="sent does not follow refused"):
        journal.advance(workspace, number, "sent", {})
