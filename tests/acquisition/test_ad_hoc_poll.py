"""`keyacct poll --link`: devices nobody here wrote, and every way an answer can fail."""

import contextlib
import json
import socket
import threading
import time
import zoneinfo

import pytest

from keyacct import wire
from keyacct.capture.faults import Faults, FaultyTransport
from keyacct.capture.items import ItemCatalogue
from keyacct.capture.replay import replay
from keyacct.cli.run import run
from keyacct.workflow import poll as workflow
from keyacct.workflow.poll import make_question, poll_once

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
ADDRESS = "000000000161"
EXPECTED_645 = {
    ("voltage", "A", 0): 230.1, ("current", "A", 0): -1.234, ("active_power", "total", 0): 12.3456,
    ("power_factor", "total", 0): 0.987, ("active_import", "total", 0): 123.45, ("active_import", "total", 1): 23.45,
    ("active_export", "total", 0): 0.07, ("active_import_demand", "total", 0): 12.3456,
}  # fmt: skip
ITEMS_645 = (
    "voltage_a,02020100,active_power_total,02060000,active_import,active_import_t1,active_export,active_import_demand"
)


def asked(port, items=ITEMS_645, address=ADDRESS, protocol="dlt645-2007", **more):
    return make_question(f"socket://127.0.0.1:{port}", protocol, [address], [items], **more)


def values_of(result):
    return {(row["quantity"], row["phase"], row["tariff"]): row["value"] for row in result.rows(ZONE)}


def test_every_item_of_the_foreign_645_meter_comes_back_right(meter_645):
    result = poll_once(asked(meter_645), ZONE)
    assert values_of(result) == EXPECTED_645
    assert not result.failed
    demand = next(row for row in result.rows(ZONE) if row["quantity"] == "active_import_demand")
    assert demand["time"].isoformat() == "2026-07-01T08:15:00+08:00"


def test_the_same_over_a_serial_line(serial_pair, filled):
    from dlt645 import MeterServerService, disable_logging

    disable_logging()
    service = filled(MeterServerService.new_rtu_server(serial_pair[0], 8, 1, 2400, "E", 1.0))
    assert service.start()
    try:
        question = make_question(f"{serial_pair[1]}?baud=2400&parity=E", "dlt645-2007", [ADDRESS], [ITEMS_645])
        assert values_of(poll_once(question, ZONE)) == EXPECTED_645
    finally:
        service.stop()


def test_pymodbus_simulator_over_tcp(modbus_tcp):
    question = make_question(
        f"modbus+tcp://127.0.0.1:{modbus_tcp}", None, ["1"],
        ["sdm630:voltage_a,sdm630:voltage_b,sdm630:current_a,sdm630:active_power_total,sdm630:frequency"],
    )  # fmt: skip
    result = poll_once(question, ZONE)
    found = values_of(result)
    assert found["voltage", "A", 0] == pytest.approx(230.2, abs=1e-4)
    assert found["voltage", "B", 0] == 231.5
    assert found["current", "A", 0] == 5.25
    assert found["active_power", "total", 0] == 12.5  # kW, the device says 12500 W
    assert not result.failed


def test_a_register_that_the_modbus_device_has_not_is_a_refusal(modbus_tcp):
    question = make_question(f"modbus+tcp://127.0.0.1:{modbus_tcp}", None, ["1"], ["sdm630:040156"])
    (answer,) = poll_once(question, ZONE).failed
    assert answer.failure.cause == "refused"
    assert answer.attempts == 1
    assert "exception" in str(answer.failure) or "illegal" in str(answer.failure)


def test_what_the_meter_refuses_is_a_failure_with_its_error_word_and_is_not_asked_again(meter_645):
    result = poll_once(asked(meter_645, "voltage_a,02FFFFFF"), ZONE)
    (answer,) = result.failed
    assert (answer.failure.cause, answer.attempts) == ("refused", 1)
    assert "02" in str(answer.failure)
    (good, bad) = result.rows(ZONE)
    assert good["value"] == 230.1
    assert (bad["value"], bad["quality"], bad["quantity"]) == (None, "refused", "02FFFFFF")


def reply(request, values=None, address=ADDRESS, di="02010100", **more):
    message = {"address": address, "control": "0x91", "di": di, "values": values or [230.1]} | more
    return wire.encode(message, "dlt645-2007")


def flipped(frame):
    return frame[:-3] + bytes([frame[-3] ^ 1]) + frame[-2:]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (lambda _: None, "timeout"),
        (lambda request: request[4:], "timeout"),  # nothing but the echo
        (lambda request: flipped(reply(request)), "bad_checksum"),
        (lambda request: reply(request)[:-4], "incomplete"),
        (lambda request: reply(request, address="000000000162"), "wrong_address"),
        (lambda request: reply(request, di="02010200"), "late"),
        (lambda _: bytes(range(1, 40)), "noise"),
        (lambda _: wire.encode({"address": ADDRESS, "control": "0xD1", "error": "02"}, "dlt645-2007"), "refused"),
        (lambda request: reply(request, values=[None]), "no_data"),
    ],
)
def test_every_cause_is_told_apart_and_never_gives_a_value(respond, answer, cause):
    server = respond(answer)
    result = poll_once(asked(server.port, "voltage_a", timeout_s=0.15, retries=1), ZONE)
    (failed,) = result.failed
    assert failed.failure.cause == cause
    (row,) = result.rows(ZONE)
    assert row["value"] is None
    assert row["quality"] == cause
    again = cause in ("refused", "no_data")
    assert failed.attempts == (1 if again else 2)


def test_echo_noise_and_the_late_answer_of_another_request_are_passed_over(respond):
    server = respond(
        lambda request: [
            request,
            b"\x68\x00\xfe",
            reply(request, di="02010200"),
            reply(request)[:5],
            reply(request)[5:],
        ]
    )
    (row,) = poll_once(asked(server.port, "voltage_a", timeout_s=2), ZONE).rows(ZONE)
    assert (row["value"], row["quality"]) == (230.1, "good")


def test_an_impossible_value_is_a_failure(respond):
    server = respond(lambda request: reply(request, values=[1.7], di="02060000"))
    result = poll_once(asked(server.port, "02060000", timeout_s=1), ZONE)
    (failed,) = result.failed
    assert failed.failure.cause == "implausible"
    assert [row["quality"] for row in result.rows(ZONE)] == ["out_of_range"]


def test_a_stamp_of_the_future_makes_the_clock_suspect(respond):
    block = {"address": ADDRESS, "control": "0x91", "di": "0506FF01", "data": "0000010799" + "AA" + "00010000"}
    server = respond(lambda request: wire.encode(block, "dlt645-2007"))
    result = poll_once(asked(server.port, "0506FF01", timeout_s=1), ZONE)
    assert [answer.failure.cause for answer in result.failed] == ["clock_suspect"]


def test_follow_frames_are_joined(respond):
    def answer(request):
        control = request[4 + 8]
        part = {"address": ADDRESS, "di": "0001FF00"}
        if control == 0x11:
            return wire.encode(part | {"control": "0xB1", "data": "7856341200000000"}, "dlt645-2007")
        return wire.encode(part | {"control": "0x92", "data": "01000000", "seq": request[-3] - 0x33}, "dlt645-2007")

    server = respond(answer)
    found = values_of(poll_once(asked(server.port, "active_import_block", timeout_s=1), ZONE))
    assert found == {("active_import", "total", 0): 123456.78, ("active_import", "total", 1): 0,
                     ("active_import", "total", 2): 0.01}  # fmt: skip


def test_a_single_freeze_item_is_stamped_with_the_freeze_and_not_with_now(respond):
    def answer(request):
        di = bytes((byte - 0x33) % 256 for byte in request[-6:-2])[::-1].hex().upper()
        data = "0000010726" if di == "05060001" else "45230100"
        return wire.encode({"address": ADDRESS, "control": "0x91", "di": di, "data": data}, "dlt645-2007")

    server = respond(answer)
    (row,) = poll_once(asked(server.port, "freeze_daily_active_import_1", timeout_s=1), ZONE).rows(ZONE)
    assert row["time"].isoformat() == "2026-07-01T00:00:00+08:00"
    assert row["value"] == 123.45


def test_a_silent_meter_does_not_hold_the_others_of_its_line(respond):
    def answer(request):
        return None if request[4 + 1 : 4 + 7] == bytes.fromhex("620100000000") else reply(request)

    server = respond(answer)
    question = make_question(
        f"socket://127.0.0.1:{server.port}", "dlt645-2007", [ADDRESS, "162"], ["voltage_a,02010200,02010300"],
        timeout_s=0.2, retries=1,
    )  # fmt: skip
    began = time.monotonic()
    result = poll_once(question, ZONE)
    dead = [answer for answer in result.failed if answer.address.endswith("162")]
    assert [answer.failure.cause for answer in dead] == ["timeout"] * 3
    assert sum(1 for data in server.requests if data[5] == 0x62) == 2  # once in each round of attempts
    assert time.monotonic() - began < 5


def test_a_line_with_faults_gives_right_values_or_named_failures(respond, monkeypatch):
    server = respond(reply)
    real = workflow.make_transport
    faults = Faults(drop=0.15, flip=0.15, split=0.3, echo=0.5, babble=0.2, split_s=0.002, seed=11)
    monkeypatch.setattr(workflow, "make_transport", lambda link: FaultyTransport(real(link), faults))
    causes = set()
    good = 0
    question = make_question(
        f"socket://127.0.0.1:{server.port}", "dlt645-2007", [ADDRESS], ["voltage_a"], timeout_s=0.05, retries=3
    )
    for seed in range(12):
        faults = Faults(**{**vars(faults), "seed": seed})
        result = poll_once(question, ZONE)
        for row in result.rows(ZONE):
            if row["value"] is None:
                causes.add(row["quality"])
            else:
                good += 1
                assert row["value"] == 230.1
    assert good >= 8
    assert causes <= {"timeout", "bad_checksum", "noise", "incomplete", "wrong_address", "late"}


def test_the_trace_replays_to_the_same_readings(meter_645, tmp_path):
    trace = tmp_path / "line.pcap"
    result = poll_once(asked(meter_645, trace=str(trace)), ZONE)
    again = replay(trace, protocol="dlt645-2007").readings
    columns = [
        "device",
        "protocol",
        "kind",
        "quantity",
        "phase",
        "tariff",
        "time",
        "recv_at",
        "value",
        "unit",
        "quality",
    ]
    mine = result.readings.select(columns).to_pylist()
    assert again.select(columns).to_pylist() == mine
    assert len(mine) == len(EXPECTED_645)


def test_the_trace_of_a_modbus_device_replays_too(modbus_tcp, tmp_path):
    trace = tmp_path / "line.pcap"
    question = make_question(
        f"modbus+tcp://127.0.0.1:{modbus_tcp}", None, ["1"], ["sdm630:voltage_b,sdm630:current_a"], trace=str(trace)
    )
    result = poll_once(question, ZONE)
    again = replay(trace, protocol="modbus-tcp", model="sdm630").readings
    columns = ["device", "quantity", "phase", "time", "value", "unit", "quality"]
    assert again.select(columns).to_pylist() == result.readings.select(columns).to_pylist()
    assert again.num_rows == 2


def test_a_meter_of_the_1997_edition(respond):
    # B611 is voltage A in whole volts; 220 V as BCD, low byte first
    server = respond(
        lambda _: wire.encode({"address": ADDRESS, "control": "0x81", "di": "B611", "data": "2002"}, "dlt645-1997")
    )
    (row,) = poll_once(asked(server.port, "voltage_a", protocol="dlt645-1997", timeout_s=1), ZONE).rows(ZONE)
    assert row["value"] == 220


def test_names_and_identifiers_find_the_same_item():
    catalogue = ItemCatalogue()
    for name, key, protocol in [
        ("voltage_a", "02010100", "dlt645-2007"), ("active_import_t2_settlement1", "00010201", "dlt645-2007"),
        ("active_import", "00010000", "dlt645-2007"), ("freeze_daily_active_import_3", "05060103", "dlt645-2007"),
        ("active_import_t1", "9011", "dlt645-1997"), ("voltage_a", "B611", "dlt645-1997"),
        ("active_import", "00100200", "dlt698.45"), ("sdm630:voltage_a", "sdm630:040000", "modbus-tcp"),
    ]:  # fmt: skip
        by_name, by_key = catalogue.find(name, protocol), catalogue.find(key, protocol)
        assert by_name == by_key
        assert by_name.key == key.rpartition(":")[2]


COMMAND = ["poll", "--protocol", "dlt645-2007", "--address", ADDRESS]


def test_exit_codes_and_formats(meter_645, capsys, tmp_path):
    link = ["--link", f"socket://127.0.0.1:{meter_645}"]
    assert run([*COMMAND, *link, "--item", "voltage_a", "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert list(row) == ["meter", "time", "quantity", "phase", "tariff", "value", "unit", "quality"]
    assert run([*COMMAND, *link, "--item", "voltage_a,02FFFFFF"]) == 6
    assert "no such data" in capsys.readouterr().err
    assert run([*COMMAND, *link, "--item", "voltage_a", "--out", str(tmp_path / "rows.csv")]) == 0
    assert (tmp_path / "rows.csv").read_text("utf-8-sig").splitlines()[
        0
    ] == "meter,time,quantity,phase,tariff,value,unit,quality"
    assert run([*COMMAND, "--link", "socket://h", "--item", "voltage_a"]) == 2
    assert run([*COMMAND, *link, "--item", "voltag_a"]) == 2
    assert "did you mean voltage_a" in capsys.readouterr().err


def test_nobody_answers_is_exit_5(respond, capsys):
    server = respond(lambda _: None)
    link = ["--link", f"socket://127.0.0.1:{server.port}", "--item", "voltage_a", "--timeout", "0.1", "--retries", "0"]
    assert run([*COMMAND, *link]) == 5
    told = capsys.readouterr()
    assert "no answer in time" in told.err
    assert "timeout" in told.out


def test_broadcast_and_wildcard_addresses_are_refused():
    for address in ("999999999999", "AAAAAAAAAAAA"):
        assert run(["poll", "--protocol", "dlt645-2007", "--address", address, "--link", "socket://h:1",
                    "--item", "voltage_a"]) == 2  # fmt: skip


def test_the_timeout_is_kept_to_a_fifth_of_a_second(respond):
    server = respond(lambda _: None)
    began = time.monotonic()
    poll_once(asked(server.port, "voltage_a", timeout_s=0.4, retries=0), ZONE)
    assert 0.4 <= time.monotonic() - began < 0.9


def test_a_line_that_was_lost_is_opened_again(respond):
    turns = iter([False])
    server = respond(lambda request: next(turns, reply(request)))
    result = poll_once(asked(server.port, "voltage_a", timeout_s=1), ZONE)
    assert [row["value"] for row in result.rows(ZONE)] == [230.1]
    assert result.answers[0].attempts == 2


def test_an_interrupt_keeps_what_was_read(respond, monkeypatch):
    server = respond(reply)
    question = asked(server.port, "voltage_a,02010200", timeout_s=0.3, retries=0)

    presses = iter([KeyboardInterrupt])

    def interrupt(_):
        for press in presses:
            raise press

    result = poll_once(question, ZONE, progress=interrupt)
    assert result.interrupted
    assert result.rows(ZONE)[0]["value"] == 230.1
    assert len(result.answers) == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning:serial")  # pyserial 3.5 starts its thread the old way
def test_rfc2217(meter_645):
    """pyserial's own RFC 2217 protocol in front of the meter."""
    import serial.rfc2217

    class Remote:
        """What pyserial's PortManager needs of a port."""

        baudrate, bytesize, parity, stopbits = 2400, 8, "E", 1
        xonxoff = rtscts = dsrdtr = break_condition = False
        rts = dtr = True
        cts = dsr = ri = cd = True

        def __getattr__(self, name):
            return lambda *_: None

    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        meter = socket.create_connection(("127.0.0.1", meter_645))

        class Writer:
            def write(self, data):
                connection.sendall(data)

        manager = serial.rfc2217.PortManager(Remote(), Writer())

        def back():
            try:
                while data := meter.recv(4096):
                    connection.sendall(b"".join(manager.escape(data)))
            except OSError:
                return

        returning = threading.Thread(target=back, daemon=True)
        returning.start()
        with connection, meter, contextlib.suppress(OSError):
            while data := connection.recv(4096):
                plain = b"".join(manager.filter(data))
                if plain:
                    meter.sendall(plain)
        returning.join(5)

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    question = make_question(
        f"rfc2217://127.0.0.1:{listener.getsockname()[1]}?baud=2400",
        "dlt645-2007",
        [ADDRESS],
        ["voltage_a,active_import"],
    )
    result = poll_once(question, ZONE)
    server.join(10)
    listener.close()
    assert values_of(result) == {("voltage", "A", 0): 230.1, ("active_import", "total", 0): 123.45}
