"""Devices that nobody of this project wrote: clocks read and set, parameters, freezes, as far as each of them goes."""

import datetime as dt
import sys
from pathlib import Path

import pytest
from care_office import ZONE

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acquisition"))
import peer698
from peers import free_port

from keyacct import clock
from keyacct.capture.device_clock import clock_write, read_clock, send_clock, time_broadcast
from keyacct.capture.device_freeze import freeze_command, send_freeze
from keyacct.capture.items import Item
from keyacct.capture.line import ExchangeError, Line
from keyacct.capture.link import parse_link
from keyacct.capture.parameters import read_parameter

ADDRESS = "000000000161"


@pytest.fixture
def line_to():
    made = []

    def make(port):
        made.append(Line(parse_link(f"socket://127.0.0.1:{port}"), timeout_s=2.0))
        return made[-1]

    yield make
    for line in made:
        line.close()


@pytest.fixture
def meter_645():
    from dlt645 import MeterServerService, disable_logging

    disable_logging()
    port = free_port()
    service = MeterServerService.new_tcp_server("127.0.0.1", port, 60)
    service.set_address(bytes.fromhex(ADDRESS)[::-1])
    assert service.start()
    yield service, port
    service.stop()


def test_clock_and_parameters_of_the_foreign_645_meter(meter_645, line_to):
    service, port = meter_645
    assert service.set_04(0x04000101, "26070103")
    assert service.set_04(0x04000102, "121830")
    assert service.set_04(0x04000103, "30")
    assert service.set_04(0x04000B01, "0100")
    line = line_to(port)
    found = read_clock(line, ADDRESS, "dlt645-2007", ZONE)
    assert found.device_time == dt.datetime(2026, 7, 1, 12, 18, 30)
    assert found.deviation_s == pytest.approx(-89.5)  # it is 12:20:00; half of its second is over
    values = read_parameter(line, ADDRESS, Item("dlt645-2007", "04000103", "demand_period"))
    assert [value["value"] for value in values] == [30]
    values = read_parameter(line, ADDRESS, Item("dlt645-2007", "04000B01", "settlement_day1"))
    assert [value["value"] for value in values] == ["d01 00"]
    with pytest.raises(ExchangeError) as refused:
        read_parameter(line, ADDRESS, Item("dlt645-2007", "04000306", "ct_ratio"))
    assert refused.value.failure.cause == "refused"


def test_freezes_and_time_reach_the_foreign_645_meter(meter_645, line_to):
    service, port = meter_645
    line = line_to(port)
    assert send_freeze(line, freeze_command(ADDRESS, "99999999")) is None  # it confirms
    assert bytes(service.last_freeze_time) == b"\x99" * 4
    assert send_freeze(line, freeze_command(ADDRESS, "99990030")) is None
    # As the standard sends it, the minute first; what this meter makes of it is its own affair.
    assert bytes(service.last_freeze_time) == bytes.fromhex("30009999")
    send_clock(line, time_broadcast("dlt645-2007", "999999999999", dt.datetime(2012, 11, 10, 9, 8, 7)))
    read_parameter(line, ADDRESS, Item("dlt645-2007", "04000401", "meter_address"))  # it has come by then
    # This meter takes the bytes the other way round (year first); they are all there.
    assert service.time == dt.datetime(2007, 8, 9, 10, 11, 12)


def test_the_clock_of_the_foreign_698_server_is_read_and_its_refusal_told(line_to):
    clock.fix("2026-07-01T12:31:05+08:00")
    with peer698.meter() as port:
        line = line_to(port)
        found = read_clock(line, ADDRESS, "dlt698.45", ZONE)
        assert found.device_time == dt.datetime(2026, 7, 1, 12, 30, 5)
        assert found.deviation_s == pytest.approx(-59.5)
        failure = send_clock(line, clock_write("dlt698.45", ADDRESS, dt.datetime(2026, 7, 1, 12, 31, 6)))
        assert failure is not None  # this server takes no SET
        assert (failure.cause, failure.detail) == ("refused", "DAR 3 refused")
        assert read_clock(line, ADDRESS, "dlt698.45", ZONE).device_time == found.device_time
        line.close()
