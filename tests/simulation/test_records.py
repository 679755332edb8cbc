"""What simulated devices remember: class 2 data of terminals, freezes and load records of meters."""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo

import pytest

from keyacct import clock, wire
from keyacct.simulation.device import Meter
from keyacct.simulation.dlt645 import Meter645, requests
from keyacct.simulation.memory import Memory, read_memory
from keyacct.simulation.shape import SHAPES, Load
from keyacct.simulation.terminal1376 import Terminal1376

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
REGISTERS = wire.open_registers()
NOON = dt.datetime(2026, 7, 1, 12, 30)
HEAD = {"curve_start", "curve_density", "point_count"}


@pytest.fixture(autouse=True)
def _noon():
    clock.fix("2026-07-01T12:30:00+08:00")
    yield
    clock.fix(None)


def meter(**memory):
    load = Load(kw=12.0, shape=SHAPES["flat"], power_factor=1.0)
    return Meter("dlt645-2007", "000000000161", load, ZONE, memory=Memory(**memory))


def terminal(**memory):
    return Terminal1376("9612-3456", [meter(**memory)], Meter("gdw1376.1", "9612-3456", Load(), ZONE))


def ask(device, **item):
    """AFN and values of the answer to a class 2 read of point 1."""
    message = {"address": "9612-3456", "msa": 1, "control": "0x4B", "afn": "0D", "items": [{"pn": 1, **item}]}
    answer = device.answer(wire.encode(message, "gdw1376.1", registers=REGISTERS))
    shown = json.loads(next(iter(wire.describe([answer.hex()], "gdw1376.1", registers=REGISTERS))))
    return shown["afn"], shown["items"][0].get("values", [])


def points(values):
    return [value["value"] for value in values if value["quantity"] not in HEAD]


@pytest.mark.parametrize(
    ("fn", "live"),
    [
        (81, lambda m, at: m.load.power_kw(at)), (82, lambda m, at: m.load.power_kw(at) / 3),
        (89, lambda m, at: m.load.voltage(at, 0)), (91, lambda m, at: m.load.voltage(at, 2)),
        (93, lambda m, at: m.load.current_a(at, 1)), (101, lambda m, at: m.load.energy_kwh(at)[0]),
        (105, lambda m, at: 1.0),
    ],
)  # fmt: skip
def test_a_curve_holds_what_a_live_read_gave_at_each_point(fn, live):
    device = terminal()
    afn, values = ask(device, fn=fn, at="2026-07-01T08:00", density=1, points=4)
    assert afn == "0D"
    expected = [live(device.meters[0], dt.datetime(2026, 7, 1, 8, 15 * n)) for n in range(4)]
    assert points(values) == [pytest.approx(value, abs=0.06) for value in expected]


def test_points_that_are_not_on_record_have_no_value():
    device = terminal(holes=((dt.datetime(2026, 7, 1, 8, 15), dt.datetime(2026, 7, 1, 8, 30)),))
    _, values = ask(device, fn=89, at="2026-07-01T08:00", density=1, points=4)
    assert [value is None for value in points(values)] == [False, True, True, False]
    _, values = ask(device, fn=89, at="2026-07-01T12:15", density=1, points=4)  # 12:45 is still to come
    assert [value is None for value in points(values)] == [False, False, True, True]


@pytest.mark.parametrize("item", [
    {"fn": 89, "at": "2026-04-01T08:00", "density": 1, "points": 4}, {"fn": 161, "at": "2026-04-01"},
    {"fn": 161, "at": "2026-07-01"}, {"fn": 177, "at": "2025-01"}, {"fn": 177, "at": "2026-07"}, {"fn": 27, "at": "2026-06-30"},
])  # fmt: skip
def test_what_is_too_old_or_yet_to_come_or_not_kept_is_denied(item):
    assert ask(terminal(), **item)[0] == "00"


def test_day_and_month_freezes_are_the_registers_of_their_ends():
    # 12 kW flat since 2026-01-01 and 100 kWh: so many days to 2026-07-01 and to 2026-06-01
    for item, days in (({"fn": 161, "at": "2026-06-30"}, 181), ({"fn": 177, "at": "2026-05"}, 151)):
        _, values = ask(terminal(), **item)
        total = next(v["value"] for v in values if v["quantity"] == "active_import" and v["tariff"] == 0)
        assert total == days * 288 + 100
    _, values = ask(terminal(), fn=163, at="2026-06-30")
    assert {v["value"] for v in values if v["quantity"] == "active_export"} == {0}


def meter_answers(device, **message):
    """Answers to a read and to its follow frames."""
    frame = wire.encode({"address": "000000000161", **message}, "dlt645-2007", registers=REGISTERS)
    (request,), _ = requests(frame, "dlt645-2007")
    return frame, device.answer(request)


@pytest.mark.parametrize(
    ("di", "data", "stamps"),
    [
        ("06010000", "02", ["2026-05-22T12:30", "2026-05-22T12:45"]),
        ("06010002", "02", ["2026-07-01T12:15", "2026-07-01T12:30"]),
        ("06010001", "020307010726", ["2026-07-01T07:15", "2026-07-01T07:30"]),
    ],
)  # fmt: skip
def test_load_records_are_found_by_age_time_and_count(di, data, stamps):
    _, answer = meter_answers(Meter645(meter()), control="0x11", di=di, data=data)
    rows = wire.decode(answer, "dlt645-2007", registers=REGISTERS).to_pylist()
    assert [row["text"] for row in rows if row["quantity"] == "record_time"] == stamps


def test_records_that_fill_more_than_a_frame_come_in_follow_frames():
    device = Meter645(meter())
    first, answer = meter_answers(device, control="0x11", di="06000001", data="070008010726")
    stream, number = first + answer, 0
    while answer[8] in (0xB1, 0xB2):
        number += 1
        request, answer = meter_answers(device, control="0x12", di="06000001", seq=number)
        stream += request + answer
    rows = wire.decode(stream, "dlt645-2007", registers=REGISTERS).to_pylist()
    stamps = [row["text"] for row in rows if row["quantity"] == "record_time"]
    assert stamps == [f"2026-07-01T{8 + n // 4:02}:{n % 4 * 15:02}" for n in range(7)]
    assert number == 6
    _, beyond = meter_answers(device, control="0x12", di="06000001", seq=number + 1)
    assert beyond[8] == 0xD2


def test_an_hourly_freeze_is_the_register_of_that_hour_and_a_missed_one_has_no_number():
    device = Meter645(meter(holes=((dt.datetime(2026, 7, 1, 11), dt.datetime(2026, 7, 1, 11)),)))
    for back, hour in ((1, 12), (2, 10), (3, 9)):
        assert device.values(f"050400{back:02X}") == [f"2026-07-01T{hour:02}:00"]
        assert device.values(f"050401{back:02X}") == [100 + 12 * (181 * 24 + hour)]
    assert device.values("050400FF") is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"colour": 1}, "unknown colour"), ({"interval_min": 7}, "interval_min"), ({"classes": [9]}, "classes"),
        ({"load_record_days": -1}, "from 0 on"), ({"holes": ["2026-07-01"]}, "list of pairs"),
        ({"holes": [["2026-07-02", "2026-07-01"]]}, "ends before"), ({"jumps": [["2026-07-01T00:00+08:00", 1]]}, "offset"),
    ],
)  # fmt: skip
def test_a_wrong_memory_names_what_is_wrong(given, told):
    with pytest.raises(ValueError, match=told):
        read_memory(given)
