"""Devices that nobody of this project wrote: every item that is asked for comes back right, over TCP and over serial lines."""

from __future__ import annotations

import datetime as dt
import random
import zoneinfo

import pytest
from peers import ADDRESS, Loop, free_port, sdm630
from pump import SpeedLine

from keyacct.cli.run import run
from keyacct.workflow.poll import make_question, poll_once

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")


def drawn(chance, form):
    """A number that fills at most the digits of a printed format."""
    whole, _, fraction = form.partition(".")
    digits = len(whole) + len(fraction)
    return round(chance.randint(1, 10 ** (digits - 1) - 1) / 10 ** len(fraction), len(fraction))


def filled(service):
    """Gives the peer's meter values; the truth by identifier. Of its 18 000 energies and demands a part, drawn by lot.

    Left out are what it cannot send itself: parameters with a decimal point (it answers with an error word), lists.
    """
    from dlt645 import Demand
    from dlt645.model.data.define import DIMap

    chance, truth = random.Random(645), {}
    kinds = {kind: sorted(key for key in DIMap if key >> 24 == kind) for kind in (0, 1, 2, 4)}
    parameters = [key for key in kinds[4] if getattr(DIMap[key], "data_format", "") in ("NN", "NNNN")]
    for key in chance.sample(kinds[0], 60) + chance.sample(kinds[1], 40) + kinds[2] + parameters:
        form = DIMap[key].data_format.replace("N", "X")
        value = drawn(chance, form)
        if key >> 24 == 1:
            assert service.set_01(key, Demand(value, dt.datetime(2026, 7, 1, 8, 15)))
        elif key >> 24 == 4:
            assert service.set_04(key, f"{value:0{len(form)}.0f}")
        else:
            assert (service.set_00 if key >> 24 == 0 else service.set_02)(key, value)
        truth[f"{key:08X}"] = value
    return truth


def test_every_item_of_the_foreign_645_meter_comes_back_right():
    from dlt645 import MeterServerService, disable_logging

    disable_logging()
    port = free_port()
    service = MeterServerService.new_tcp_server("127.0.0.1", port, 60)
    service.set_address(bytes.fromhex("610100000000"))  # as on the wire
    truth = filled(service)
    assert service.start()
    try:
        question = make_question(
            f"socket://127.0.0.1:{port}", "dlt645-2007", [ADDRESS], list(truth), timeout_s=5, retries=0
        )
        answers = poll_once(question, ZONE).answers
    finally:
        service.stop()
    told = {}
    for answer in answers:
        first = answer.values[0]
        # A word of bits is no number: its text is the byte that was set.
        told[answer.item.key] = first["value"] if first["value"] is not None else float(first["text"])
    assert told == truth
    assert len(truth) > 280
    demands = [answer.values[0]["time"] for answer in answers if answer.item.key.startswith("01")]
    assert set(demands) == {dt.datetime(2026, 7, 1, 8, 15)}


def test_pymodbus_rtu_over_a_serial_line(serial_pair):
    from pymodbus import FramerType
    from pymodbus.server import ModbusSerialServer

    loop = Loop()

    async def start():
        server = ModbusSerialServer(
            sdm630(), framer=FramerType.RTU, port=serial_pair[0], baudrate=9600, parity="N", timeout=0.5
        )
        await server.serve_forever(background=True)
        return server

    server = loop.run(start())
    try:
        names = ("voltage_a", "voltage_b", "current_a", "active_power_total", "frequency", "active_import")
        items = ",".join(f"sdm630:{name}" for name in names)
        question = make_question(f"modbus+rtu://{serial_pair[1]}?baud=9600&parity=N", None, ["1"], [items], timeout_s=2)
        result = poll_once(question, ZONE)
        found = {(row["quantity"], row["phase"]): row["value"] for row in result.rows(ZONE)}
        assert found == {
            ("voltage", "A"): pytest.approx(230.2), ("voltage", "B"): 231.5, ("current", "A"): 5.25,
            ("active_power", "total"): 12.5, ("frequency", "total"): 50, ("active_import", "total"): 1234.5,
        }  # fmt: skip
        silent = make_question(
            f"modbus+rtu://{serial_pair[1]}", None, ["2"], ["sdm630:voltage_a"], timeout_s=0.3, retries=0
        )
        (answer,) = poll_once(silent, ZONE).answers
        assert answer.failure.cause in ("timeout", "refused")
    finally:
        loop.run(server.shutdown())
        loop.close()


def test_a_sweep_finds_the_speed_of_a_foreign_meter_on_a_serial_line(capsys):
    import json

    from dlt645 import MeterServerService, disable_logging

    disable_logging()
    line = SpeedLine(1200)
    service = MeterServerService.new_rtu_server(line.names[0], 8, 1, 1200, "E", 1.0)
    service.set_address(bytes.fromhex("610100000000"))
    service.set_00(0x00010000, 5.0)
    assert service.start()
    try:
        words = ["scan", "--link", line.names[1], "--protocol", "dlt645-2007", "--timeout", "0.3", "--format", "json"]
        assert run(words) == 0
        (found,) = json.loads(capsys.readouterr().out)
        assert found["address"] == ADDRESS
        assert "baud=1200&parity=E" in found["link"]
        assert {2400, 9600, 1200} <= line.tried  # in their order, the most usual first
        question = make_question(
            f"{line.names[1]}?baud=1200&parity=N", "dlt645-2007", [ADDRESS], ["active_import"], timeout_s=1
        )
        assert [row["value"] for row in poll_once(question, ZONE).rows(ZONE)] == [5]
        wrong = make_question(
            f"{line.names[1]}?baud=9600&parity=N", "dlt645-2007", [ADDRESS], ["active_import"], timeout_s=0.3, retries=0
        )
        (answer,) = poll_once(wrong, ZONE).answers
        assert answer.failure.cause in ("timeout", "noise")
        assert "baud" in answer.failure.hint
    finally:
        service.stop()
        line.close()
