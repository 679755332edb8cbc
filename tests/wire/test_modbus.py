"""Modbus against pymodbus, both ways, and register maps of devices."""

import json
import struct

import pytest
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadCoilsResponse,
    ReadDiscreteInputsRequest,
    ReadDiscreteInputsResponse,
    WriteMultipleCoilsRequest,
    WriteMultipleCoilsResponse,
    WriteSingleCoilRequest,
    WriteSingleCoilResponse,
)
from pymodbus.pdu.register_message import (
    MaskWriteRegisterRequest,
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    ReadWriteMultipleRegistersRequest,
    ReadWriteMultipleRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

from keyacct import wire
from keyacct.errors import InputError, UsageError


def frame(transaction, **message):
    protocol = "modbus-rtu" if transaction is None else "modbus-tcp"
    return wire.encode({"transaction": transaction, **message}, protocol)


def read_frame(unit, function, address, count, transaction=None):
    return frame(transaction, unit=unit, function=function, address=address, count=count)


def answer_frame(unit, function, registers, transaction=None):
    return frame(transaction, unit=unit, function=function, registers=list(registers))


def write_frame(unit, address, registers, transaction=None):
    return frame(transaction, unit=unit, function=16, address=address, registers=list(registers))


def exception_frame(unit, function, code, transaction=None):
    return frame(transaction, unit=unit, function=function, exception=code)


def peer(is_server, tcp):
    return (FramerSocket if tcp else FramerRTU)(DecodePDU(is_server))


def described(frame, tcp):
    (text,) = wire.describe([frame.hex()], "modbus-tcp" if tcp else "modbus-rtu")
    return json.loads(text)


@pytest.mark.parametrize("tcp", [False, True])
def test_pymodbus_reads_our_request(tcp):
    frame = read_frame(247, 3, 35100, 125, 7 if tcp else None)
    used, pdu = peer(True, tcp).handleFrame(frame, 0, 0)
    assert used == len(frame)
    assert (pdu.function_code, pdu.dev_id, pdu.address, pdu.count) == (3, 247, 35100, 125)
    assert pdu.transaction_id == (7 if tcp else 0)


@pytest.mark.parametrize("tcp", [False, True])
def test_pymodbus_reads_our_answer_and_our_write(tcp):
    transaction = 9 if tcp else None
    _, pdu = peer(False, tcp).handleFrame(answer_frame(1, 4, [17254, 13108], transaction), 1, transaction or 0)
    assert pdu.registers == [17254, 13108]
    _, pdu = peer(True, tcp).handleFrame(write_frame(1, 5, [1, 2, 3], transaction), 0, 0)
    assert (pdu.address, pdu.registers) == (5, [1, 2, 3])
    _, pdu = peer(False, tcp).handleFrame(exception_frame(1, 3, 2, transaction), 1, transaction or 0)
    assert (pdu.isError(), pdu.exception_code) == (True, 2)


@pytest.mark.parametrize("tcp", [False, True])
def test_we_read_what_pymodbus_builds(tcp):
    request = ReadHoldingRegistersRequest(address=300, count=10, dev_id=17, transaction_id=5)
    seen = described(peer(False, tcp).buildFrame(request), tcp)
    assert (seen["unit"], seen["function"], seen["address"], seen["count"]) == (17, 3, 300, 10)
    assert seen["direction"] == "request"
    answer = ReadInputRegistersResponse(registers=[1, 65535, 3], dev_id=17, transaction_id=5)
    seen = described(peer(True, tcp).buildFrame(answer), tcp)
    assert (seen["direction"], seen["registers"], seen["byte_count"]) == ("response", [1, 65535, 3], 6)
    write = WriteMultipleRegistersRequest(address=1, registers=[7, 8], dev_id=17, transaction_id=5)
    seen = described(peer(False, tcp).buildFrame(write), tcp)
    assert (seen["function"], seen["address"], seen["registers"]) == (16, 1, [7, 8])
    if tcp:
        assert seen["transaction"] == 5


# Requests and replies of every function that pymodbus builds, with what decoding must say and encoding take.
PEERS = [
    (ReadCoilsRequest(address=19, count=19), False, {"function": 1, "address": 19, "count": 19}),
    (ReadDiscreteInputsRequest(address=196, count=22), False, {"function": 2, "address": 196, "count": 22}),
    (ReadHoldingRegistersRequest(address=107, count=3), False, {"function": 3, "address": 107, "count": 3}),
    (ReadInputRegistersRequest(address=8, count=1), False, {"function": 4, "address": 8, "count": 1}),
    (WriteSingleCoilRequest(address=172, bits=[True]), False, {"function": 5, "address": 172, "value": 0xFF00}),
    (WriteSingleRegisterRequest(address=1, registers=[3]), False, {"function": 6, "address": 1, "value": 3}),
    (WriteMultipleRegistersRequest(address=1, registers=[10, 258]), False,
     {"function": 16, "address": 1, "registers": [10, 258]}),
    (WriteMultipleCoilsRequest(address=19, bits=[True, False] * 5), False,
     {"function": 15, "address": 19, "count": 10, "bits": [1, 0] * 5}),
    (ReadCoilsResponse(bits=[True, False, True, True, False, False, True, True]), True,
     {"function": 1, "bits": [1, 0, 1, 1, 0, 0, 1, 1]}),
    (ReadDiscreteInputsResponse(bits=[False] * 15 + [True]), True, {"function": 2, "bits": [0] * 15 + [1]}),
    (MaskWriteRegisterRequest(address=4, and_mask=0xF2, or_mask=0x25), False,
     {"function": 22, "address": 4, "and_mask": 0xF2, "or_mask": 0x25}),
    (ReadWriteMultipleRegistersRequest(read_address=3, read_count=6, write_address=14, write_registers=[255, 255, 255]),
     False, {"function": 23, "address": 3, "count": 6, "write_address": 14, "registers": [255, 255, 255]}),
    (ReadHoldingRegistersResponse(registers=[555, 0, 100]), True, {"function": 3, "registers": [555, 0, 100]}),
    (ReadInputRegistersResponse(registers=[10]), True, {"function": 4, "registers": [10]}),
    (WriteSingleCoilResponse(address=172, bits=[False]), True, {"function": 5, "address": 172, "value": 0}),
    (WriteSingleRegisterResponse(address=1, registers=[3]), True, {"function": 6, "address": 1, "value": 3}),
    (WriteMultipleCoilsResponse(address=19, count=10), True, {"function": 15, "address": 19, "count": 10}),
    (WriteMultipleRegistersResponse(address=1, count=2), True, {"function": 16, "address": 1, "count": 2}),
    (ReadWriteMultipleRegistersResponse(registers=[254, 2765]), True, {"function": 23, "registers": [254, 2765]}),
    (ExceptionResponse(0x83, exception_code=2), True, {"function": 0x83, "exception": 2}),
]  # fmt: skip


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize(("pdu", "is_reply", "says"), PEERS, ids=[type(row[0]).__name__ for row in PEERS])
def test_every_function_of_pymodbus_is_read_and_written_byte_by_byte(pdu, is_reply, says, tcp):
    pdu.dev_id, pdu.transaction_id = 17, 5
    built = peer(not is_reply, tcp).buildFrame(pdu)
    seen = described(built, tcp)
    assert seen["valid"]
    assert {key: seen[key] for key in says} == says
    made = frame(5 if tcp else None, unit=17, **says)
    assert made == built
    used, back = peer(not is_reply, tcp).handleFrame(made, 17 if is_reply else 0, 5 if tcp and is_reply else 0)
    assert (used, type(back)) == (len(made), type(pdu))


@pytest.mark.parametrize(
    "pdu",
    [
        "0F0013000A02CD01", "0F0013000A", "100001000204000A0102", "1000010002",  # MODBUS V1.1b3, 6.11 and 6.12
        "08000AFFFF", "07", "076D", "0B", "0BFFFF0108", "0C", "0C080000010801212000", "11", "1104AAFF0102",
    ],
)  # fmt: skip
@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-tcp"])
def test_the_published_form_of_every_function_comes_back(pdu, protocol):
    built = wire.encode({"unit": 3, "function": int(pdu[:2], 16), "pdu": pdu, "transaction": 5}, protocol)
    (text,) = wire.describe([built.hex()], protocol)
    assert wire.encode(json.loads(text), protocol) == built


def test_a_count_that_is_not_that_of_the_values_is_named():
    with pytest.raises(InputError, match="count"):
        wire.encode({"unit": 3, "function": 16, "address": 1, "count": 3, "registers": [1, 2]}, "modbus-rtu")


def test_an_exception_is_told_as_sent():
    seen = described(exception_frame(1, 3, 2), False)
    assert (seen["function"], seen["exception"], seen["valid"]) == (0x83, 2, True)
    assert seen["error"] == {"byte": "02", "meaning": "illegal data address"}


def test_a_byte_count_or_length_that_does_not_fit_is_invalid():
    good = answer_frame(1, 4, [1, 2], 3)
    assert described(good, True)["valid"]
    for place, value in ((5, 6), (5, 8), (8, 6), (8, 2)):  # MBAP length, byte count
        bad = bytearray(good)
        bad[place] = value
        assert not described(bytes(bad), True)["valid"]


def floats(*numbers):
    packed = b"".join(struct.pack(">f", number) for number in numbers)
    return list(struct.unpack(f">{len(packed) // 2}H", packed))


def readings(model, function, address, registers):
    request = read_frame(3, function, address, len(registers))
    table = wire.decode_reply(request, answer_frame(3, function, registers), model)
    return {(r["device"], r["quantity"], r["phase"]): (round(r["value"], 4), r["unit"]) for r in table.to_pylist()}


def test_the_models_scale_to_the_published_units():
    assert readings("sdm630", 4, 0x34, floats(1500.0)) == {("3", "active_power", "total"): (1.5, "kW")}
    # DTSU666 sends 0.1 V, 0.1 W
    assert readings("dtsu666", 3, 0x2006, floats(2305.0, 2310.0, 0.0)) == {
        ("3", "voltage", "A"): (230.5, "V"), ("3", "voltage", "B"): (231.0, "V"), ("3", "voltage", "C"): (0.0, "V"),
    }  # fmt: skip
    assert readings("dtsu666", 3, 0x2012, floats(15000.0)) == {("3", "active_power", "total"): (1.5, "kW")}
    assert readings("iem3000", 3, 0x0C83, [0, 0, 1, 0]) == {("3", "active_import", "total"): (65.536, "kWh")}
    assert readings("janitza-b", 3, 0x4A7C, floats(2048.0)) == {("3", "active_import", "total"): (2.048, "kWh")}
    assert readings("adw300", 3, 20, [2301, 2302, 2303])["3", "voltage", "B"] == (230.2, "V")


def test_a_reply_that_is_not_the_one_to_the_request_gives_nothing():
    request = read_frame(1, 4, 0, 2)
    good = answer_frame(1, 4, floats(230.0))
    assert wire.decode_reply(request, good, "sdm630").num_rows == 1
    for other in (
        answer_frame(2, 4, floats(230.0)),
        answer_frame(1, 3, floats(230.0)),
        answer_frame(1, 4, floats(230.0, 1.0)),
        exception_frame(1, 4, 2),
    ):
        assert wire.decode_reply(request, other, "sdm630").num_rows == 0


def test_a_users_own_model_and_an_unknown_one(tmp_path):
    file = tmp_path / "mine.tsv"
    columns = ["key", "name", "quantity", "phase", "tariff", "kind", "format", "unit", "access", "source"]
    row = ["030010", "voltage_a", "voltage", "A", "-", "snapshot", "F32-CDAB", "V", "r", "sheet"]
    file.write_text("# model: mine\n" + "\t".join(columns) + "\n" + "\t".join(row) + "\n")
    request = read_frame(1, 3, 16, 2)
    reply = answer_frame(1, 3, floats(230.5)[::-1])
    (found,) = wire.decode_reply(request, reply, "mine", registers=[str(file)]).to_pylist()
    assert found["value"] == 230.5
    with pytest.raises(UsageError, match="no_such") as caught:
        wire.open_registers(model="no_such")
    assert "sdm630" in caught.value.hint
    file.write_text(file.read_text().replace("F32-CDAB", "XX.X0"))
    with pytest.raises(InputError, match="line 3"):
        wire.open_registers([file])


def test_a_replayed_log_pairs_sent_and_received(tmp_path):
    from keyacct.capture.replay import replay

    log = tmp_path / "line.log"
    sent, received = read_frame(1, 4, 0, 2), answer_frame(1, 4, [17254, 13108])
    log.write_text(f"2026-06-01 00:00:00 TX {sent.hex(' ')}\n2026-06-01 00:00:01 RX {received.hex(' ')}\n")
    (row,) = replay(log, protocol="modbus-rtu", model="sdm630").readings.to_pylist()
    assert (row["device"], row["quantity"], row["phase"]) == ("1", "voltage", "A")
    assert abs(row["value"] - 230.2) < 0.001  # the maker's manual
    assert replay(log, protocol="modbus-rtu").readings.num_rows == 0
