"""Simulated meters: read by clients that nobody here wrote, and by their own figures."""

from __future__ import annotations

import datetime as dt
import socket
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dlt645.service.clientsvc.client_service import MeterClientService
from park_at_work import at_work
from pymodbus.client import ModbusTcpClient

from keyacct import clock, wire
from keyacct.errors import InputError
from keyacct.simulation.description import load_description
from keyacct.simulation.device import Meter
from keyacct.simulation.dlt645 import Meter645, requests
from keyacct.simulation.park import Park
from keyacct.simulation.shape import SHAPES, Load

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "meters"
ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
REGISTERS = wire.open_registers()


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    clock.fix("2026-07-01T12:30:00+08:00")
    yield
    clock.fix(None)


@contextmanager
def park_of(text: str, folder: Path) -> Iterator[Park]:
    """The devices of a description, at work in a thread of their own."""
    file = folder / "devices.toml"
    file.write_text(text, encoding="utf-8")
    with at_work(file) as park:
        yield park


def port_of(park: Park, line: int = 0) -> tuple[str, int]:
    host, _, port = park.places[line].place.rpartition(":")
    return host, int(port)


FLAT = """
[[line]]
  [[line.meter]]
  protocol = "dlt645-2007"
  address = "000000000161"
  kw = 12.0
  shape = "flat"
  power_factor = 1.0
  start_kwh = 100.0
"""
# 2026-01-01T00:00 to 2026-07-01T12:30 are 181 days and 12.5 h: 12 kW x 4356.5 h + 100 kWh.
KWH_AT_NOON = 52_378.0


def test_a_peer_reads_energy_voltage_and_power(tmp_path: Path) -> None:
    with park_of(FLAT, tmp_path) as park:
        host, port = port_of(park)
        client = MeterClientService.new_tcp_client(host, port, timeout=5)
        assert client is not None
        assert client.set_address("610100000000")  # it takes the order of the wire
        energy = client.read_00(0x00010000)
        volts = client.read_02(0x02010100)
        power = client.read_02(0x02030000)
        client.client.disconnect()
        assert energy is not None
        assert volts is not None
        assert power is not None
        assert float(energy.value) == KWH_AT_NOON
        assert abs(float(volts.value) - 220) < 6
        assert abs(float(power.value) - 12.0) < 12.0 * 0.021


def test_pymodbus_reads_the_registers(tmp_path: Path) -> None:
    text = FLAT.replace("dlt645-2007", "modbus-tcp").replace('"000000000161"', "3")
    with park_of(text, tmp_path) as park:
        host, port = port_of(park)
        with ModbusTcpClient(host, port=port, timeout=5) as client:
            answer = client.read_input_registers(0x48, count=2, device_id=3)
            assert not answer.isError()
            value = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
            assert value == pytest.approx(KWH_AT_NOON)
            assert client.read_input_registers(0x4F, count=2, device_id=3).exception_code == 2
            assert client.read_coils(0, count=1, device_id=3).exception_code == 1


def meter(**more: object) -> Meter645:
    load = Load(kw=10, shape=SHAPES["shop"], start_kwh=50)
    return Meter645(Meter("dlt645-2007", "000000000161", load, ZONE, **more))  # type: ignore[arg-type]


def ask(device: Meter645, **message: object) -> list[dict[str, object]]:
    """Readings of the answer to a request."""
    protocol = device.meter.protocol
    frame = wire.encode({"address": device.meter.address, **message}, protocol, registers=REGISTERS)
    (request,), _ = requests(frame, protocol)
    answer = device.answer(request)
    assert answer is not None
    assert wire.answers(frame, answer, protocol)
    return wire.decode(answer, protocol, registers=REGISTERS).to_pylist()


def value(device: Meter645, di: str) -> object:
    rows = ask(device, control="0x11", di=di)
    return rows[0]["value"] if rows[0]["value"] is not None else rows[0]["text"]


def test_registers_grow_by_the_load_and_the_tariffs_add_up() -> None:
    device = meter()
    total, *tariffs = [row["value"] for row in ask(device, control="0x11", di="0001FF00")]
    assert total == pytest.approx(sum(tariffs), abs=0.011)  # type: ignore[arg-type]
    clock.fix("2026-07-01T13:30:00+08:00")
    # half an hour at 0.9 of 10 kW, half an hour at 0.9: the hours 12 and 13 of the shape
    assert value(device, "00010000") == pytest.approx(total + 9.0, abs=0.02)  # type: ignore[operator]


def test_a_frozen_register_is_that_of_midnight() -> None:
    device = meter()
    frozen = value(device, "05060101")
    assert value(device, "05060001") == "2026-07-01T00:00"
    clock.fix("2026-07-01T00:00:00+08:00")
    assert value(device, "00010000") == frozen


def test_a_register_rolls_over_at_a_million() -> None:
    load = Load(kw=0.0, start_kwh=1_000_004.0)
    assert load.energy_kwh(dt.datetime(2026, 2, 1))[0] == 4.0


def test_a_trip_opens_the_breaker_and_a_permit_closes_it() -> None:
    device = meter()
    command = {"control": "0x1C", "password": "02000000", "operator": "00000000", "deadline": "2026-07-01T13:00:00"}
    assert value(device, "02030000") != 0
    ask(device, **command, n1=0x1A)
    assert value(device, "02030000") == 0
    assert value(device, "02020100") == 0
    ask(device, **command, n1=0x1B)
    assert value(device, "02030000") != 0


def test_what_the_meter_does_not_have_is_refused() -> None:
    device = meter()
    frame = wire.encode({"address": "000000000161", "control": "0x11", "di": "02990000"}, "dlt645-2007")
    (request,), _ = requests(frame, "dlt645-2007")
    answer = device.answer(request)
    assert answer is not None
    assert answer[8] == 0xD1


def test_a_wrong_clock_shows_and_a_broadcast_sets_it() -> None:
    device = meter(clock_offset_s=240.0)
    assert value(device, "04000102") == "12:34:00"
    frame = wire.encode({"address": "999999999999", "control": "0x08", "data": "003012010726"}, "dlt645-2007")
    (request,), _ = requests(frame, "dlt645-2007")
    assert device.answer(request) is None
    assert value(device, "04000102") == "12:30:00"
    far = meter(clock_offset_s=400.0)  # more than 5 min: a meter does not take it, DL/T 645-2007 7.1.6
    assert far.answer(request) is None
    assert value(far, "04000102") == "12:36:40"


def test_the_1997_edition_answers() -> None:
    device = Meter645(Meter("dlt645-1997", "000000000161", Load(kw=10, shape=SHAPES["shop"]), ZONE))
    rows = ask(device, control="0x01", di="901F")
    assert len(rows) == 5
    assert 200 < float(ask(device, control="0x01", di="B611")[0]["value"]) < 240  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_values_and_faults(tmp_path: Path) -> None:
    text = FLAT + "  count = 3\n  silent = 0.5\n"
    seen = []
    for _ in range(2):
        with park_of(text, tmp_path) as park, socket.create_connection(port_of(park), 5) as peer:
            peer.settimeout(0.3)
            got = b""
            for _ in range(8):
                peer.sendall(
                    wire.encode({"address": "000000000161", "control": "0x11", "di": "02010100"}, "dlt645-2007")
                )
                try:
                    got += peer.recv(4096)
                except TimeoutError:
                    got += b"-"
            seen.append(got)
            (first, *_) = park.description.lines[0].meters
            assert first.asked == 8
            assert 0 < first.answered < 8
    assert seen[0] == seen[1]


def test_a_pty_answers(tmp_path: Path) -> None:
    import os

    text = FLAT.replace("[[line]]", "[[line]]\npty = true")
    with park_of(text, tmp_path) as park:
        line = os.open(park.places[0].place, os.O_RDWR | os.O_NOCTTY)
        try:
            frame = wire.encode({"address": "000000000161", "control": "0x11", "di": "00010000"}, "dlt645-2007")
            os.write(line, b"\xfe\xfe" + frame)
            answer = b""
            while len(answer) < 20:
                answer += os.read(line, 100)
        finally:
            os.close(line)
    assert wire.decode(answer, "dlt645-2007").to_pylist()[0]["value"] == KWH_AT_NOON


@pytest.mark.parametrize("name", ["line.toml", "park.toml", "terminals.toml"])
def test_the_examples_can_be_loaded(name: str) -> None:
    description = load_description(FIXTURES / name)
    assert description.lines or description.terminals


def test_ten_thousand_meters_have_addresses_of_their_own() -> None:
    lines = load_description(FIXTURES / "park.toml").lines
    addresses = {meter.address for line in lines for meter in line.meters}
    assert len(lines) == 500
    assert len(addresses) == 10_000


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no [[line]]"),
        ("[[line]]\n", "no [[line.meter]]"),
        (FLAT + "  colour = 1\n", "unknown colour"),
        (FLAT.replace("dlt645-2007", "dlt645"), "protocol = 'dlt645'"),
        (FLAT.replace("12.0", "120.0"), "at most 70"),
        (FLAT + "  count = 0\n", "count = 0"),
        ("[[line]]\n[[line.meter]]\nprotocol = 'modbus-rtu'\naddress = 300\n", "unit 300"),
        (FLAT.replace('"000000000161"', '"x"'), "invalid literal"),
        ("[[line", "description"),
    ],
)
def test_a_wrong_description_names_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "devices.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_description(file)
    assert told in str(caught.value)
    assert caught.value.where["file"] == str(file)
