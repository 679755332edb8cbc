"""The control state of devices that nobody of this project wrote: what they know comes back right, the rest is named."""

from __future__ import annotations

import datetime as dt

import peer698
import pytest
from peers import free_port
from test_passwords import SECRET, Guarded, kept

from keyacct.capture.link import parse_link
from keyacct.cli.run import run
from keyacct.control.targets import Target
from keyacct.workflow.controlling import state_over_link


@pytest.mark.parametrize(
    ("word", "opened", "alarming"), [("0000", (), ()), ("0050", (0,), ()), ("0080", (), (0,))]
)  # DL/T 645-2007 table A.7: bit 4 relay open, bit 6 command, bit 7 alarm before a trip
def test_the_status_word_of_the_foreign_645_meter(word, opened, alarming, filled):
    from dlt645 import MeterServerService, disable_logging

    disable_logging()
    port = free_port()
    service = filled(MeterServerService.new_tcp_server("127.0.0.1", port, 60))
    assert service.set_04(0x04000503, word)
    assert service.start()
    try:
        state = state_over_link(parse_link(f"socket://127.0.0.1:{port}"), Target("dlt645-2007", "161"), 3.0)
    finally:
        service.stop()
    assert (state.open_rounds, state.alarming, state.power_kw) == (opened, alarming, 12.3456)
    assert (state.keep_supply, state.limits) == (None, ())


def test_the_foreign_698_server_says_power_and_clock_and_what_it_has_not_is_named():
    with peer698.meter() as port:
        target = Target("dlt698.45", peer698.ADDRESS)
        state = state_over_link(parse_link(f"socket://127.0.0.1:{port}"), target, 3.0)
    assert (state.power_kw, state.clock) == (12.3456, dt.datetime(2026, 7, 1, 12, 30, 5))
    assert (state.open_rounds, state.alarming, state.keep_supply) == (None, None, None)
    assert {"80000300", "80000400", "80010200", "81050200"} <= set(state.not_said)


def test_the_state_of_a_server_that_wants_a_password(respond, tmp_path, capsys):
    device = Guarded()
    words = ["control", "state", "--protocol", "dlt698.45", "--address", peer698.ADDRESS, "--timeout", "2",
             "--link", f"socket://127.0.0.1:{respond(device).port}"]  # fmt: skip
    assert run(words) == 5
    assert "--password-file" in capsys.readouterr().err
    assert run([*words, "--password-file", str(kept(tmp_path, "s", SECRET))]) in (0, 6)
    told = capsys.readouterr()
    assert SECRET not in told.out + told.err
    assert SECRET.encode() in device.tried
    assert device.asked[-1] == "RELEASE-Request"
