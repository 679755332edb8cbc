"""DL/T 698.45: the published tree is the one that was walked by hand; values as the standard's tables say."""

import json
from itertools import chain
from pathlib import Path

import pytest

import keyacct
from keyacct import wire

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames" / "dlt698.45.jsonl"
ROWS = [json.loads(line) for line in FRAMES.read_text(encoding="utf-8").splitlines()]
ENERGY = "06000003E8"


def describe(text, protocol="dlt698.45"):
    return [json.loads(found) for found in wire.describe([text], protocol)]


def apdu(text):
    (found,) = describe(text, "dlt698.45-apdu")
    return found


def crc(data):
    """CRC-16/X-25, bit by bit."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return (register ^ 0xFFFF).to_bytes(2, "little")


def frame(data, control=0xC3, address="000000000001", client=0x10):
    """A frame by the rule of the standard, written out."""
    server = bytes.fromhex(address)[::-1]
    head = bytes([control, len(server) - 1, *server, client])
    head = (len(head) + 2 + 2 + len(data) + 2).to_bytes(2, "little") + head
    body = head + crc(head) + data
    return b"\x68" + body + crc(body) + b"\x16"


def values(text):
    return [(v["quantity"], v["phase"], v["tariff"], v["value"], v["unit"]) for v in apdu(text)["values"]]


def answer(oad, data):
    return f"850101{oad}01{data}0000"


@pytest.mark.parametrize("row", [r for r in ROWS if r["expect"]["valid"]], ids=lambda row: row["id"])
def test_the_tree_is_that_of_the_walk_by_hand(row):
    protocol = "dlt698.45-apdu" if row["layer"] == "apdu" else "dlt698.45"
    (found,) = describe(row["hex"], protocol)
    expect = row["expect"]
    assert found["protocol"] == "dlt698.45"
    for key in ("apdu", "link", "fragment", "service", "oad", "omd", "address"):
        assert found.get(key) == expect.get(key), key
    flat = [v for v in found.get("values") or [] if v["quantity"] != "access_result"]
    for wanted, got in zip(chain.from_iterable(expect.get("rows_values") or []), flat, strict=False):
        assert got["value"] == wanted["value"]
        assert got["unit"] == wanted.get("unit")


@pytest.mark.parametrize("row", [r for r in ROWS if not r["expect"]["valid"]], ids=lambda row: row["id"])
def test_a_bad_frame_is_refused_with_its_cause(row):
    (found,) = describe(row["hex"])
    assert not found["valid"]
    assert found["error"]["code"].startswith("frame.")


def test_watts_become_kilowatts_and_the_first_element_is_the_total():
    assert values(answer("20040200", "01 04 05000009C4 05FFFFFF9C 0500000000 057FFFFFFF")) == [
        ("active_power", "total", 0, 0.25, "kW"),
        ("active_power", "A", 0, -0.01, "kW"),
        ("active_power", "B", 0, 0.0, "kW"),
        ("active_power", "C", 0, None, None),
    ]


def test_voltages_have_no_total_and_an_index_picks_one():
    assert values(answer("20000200", "01 03 12096D 12FFFF 00")) == [
        ("voltage", "A", 0, 241.3, "V"),
        ("voltage", "B", 0, None, None),
        ("voltage", "C", 0, None, None),
    ]
    assert values(answer("20000202", "12096D")) == [("voltage", "B", 0, 241.3, "V")]
    assert values(answer("200A0201", "10FC18")) == [("power_factor", "total", 0, -1.0, None)]


def test_an_index_of_energy_is_a_tariff():
    assert values(answer("00100203", ENERGY)) == [("active_import", "total", 2, 10.0, "kWh")]
    assert values(answer("00110201", ENERGY)) == [("active_import", "A", 0, 10.0, "kWh")]
    assert values(answer("00100400", "01 01 1500000000000F4240")) == [("active_import", "total", 0, 100.0, "kWh")]


def test_a_demand_has_its_time_of_occurrence_and_none_when_it_never_was():
    text = answer("10100200", "01 02 02 02 0600003039 1C07EA0701080F1E 02 02 0600000000 1C00000000000000")
    first, second = apdu(text)["values"]
    assert (first["value"], first["unit"], first["time"]) == (1.2345, "kW", "2026-07-01T08:15:30")
    assert second["tariff"] == 1
    assert "time" not in second


def test_voltage_compliance_of_day_and_month():
    one = "02 05 06000005A0 1226E8 120028 0600000005 0600000001"
    found = apdu(answer("21310200", f"02 02 {one} {one}"))["values"]
    assert [(v["quantity"], v["phase"], v["value"], v["unit"]) for v in found[:5]] == [
        ("voltage_monitored_time", "A", 1440, "min"),
        ("voltage_compliance_rate", "A", 99.6, "%"),
        ("voltage_over_limit_rate", "A", 0.4, "%"),
        ("voltage_over_time", "A", 5, "min"),
        ("voltage_under_time", "A", 1, "min"),
    ]
    assert len(found) == 10


def test_rows_take_the_freeze_time_kind_and_meter_of_their_own():
    columns = "03 00 202A0200 00 60420200 01 50040200 02 00100201 20000201"
    row = "55 07 05 0000000000{0} 1C07EA07{0}000000 02 02 06000003E8 12096D"
    text = f"850301 60120300 {columns} 01 02 {row.format('01')} {row.format('02')} 0000"
    found = [v for v in apdu(text)["values"] if v["quantity"] in ("active_import", "voltage")]
    assert [(v["device"], v["time"], v["kind"], v["value"]) for v in found] == [
        ("000000000001", "2026-07-01T00:00:00", "freeze_day", 10.0),
        ("000000000001", "2026-07-01T00:00:00", "snapshot", 241.3),
        ("000000000002", "2026-07-02T00:00:00", "freeze_day", 10.0),
        ("000000000002", "2026-07-02T00:00:00", "snapshot", 241.3),
    ]


def test_columns_recorded_together_come_nested_or_as_several_records():
    head = "850301 50040200 01 01 50040200 02 20210200 00100201 01 01"
    one = "02 02 1C07EA0701000000 06000003E8"
    assert [v["value"] for v in apdu(f"{head} {one} 0000")["values"]] == ["2026-07-01T00:00:00", 10.0]
    several = apdu(f"{head} 01 02 {one} {one} 0000")["values"]
    assert [v["value"] for v in several] == ["2026-07-01T00:00:00", 10.0] * 2


def test_a_slot_that_was_never_filled_is_null_and_not_an_epoch():
    for empty in ("1C00000000000000", "1CFFFFFFFFFFFFFF", "1C00000101000000", "00"):
        assert values(answer("20210200", empty)) == [("freeze_time", None, 0, None, None)]


def test_a_result_code_in_a_list_does_not_fail_the_list():
    found = values("850201 02 20000200 00 06 200F0200 01 12 1389 0000")
    assert found == [("access_result", None, 0, 6, None), ("frequency", None, 0, 50.01, "Hz")]


def test_an_event_record_says_which_event():
    record = "02 05 0600000007 1C07EA0701080F1E 1C07EA0701090000 00 01 01 02 02 51F2090201 1101"
    found = values(f"880101 01 31060201 01 {record} 0000")
    assert found[:4] == [
        ("event_code", None, 0, "3106", None),
        ("event_serial", None, 0, 7, None),
        ("event_start", None, 0, "2026-07-01T08:15:30", None),
        ("event_end", None, 0, "2026-07-01T09:00:00", None),
    ]


def test_a_trip_command_shows_relay_delay_and_duration_in_minutes():
    found = values("070101 80008100 01 01 02 04 51F2050201 1105 12003C 0300 00")
    assert found == [
        ("relay_object", None, 0, "F2050201", None),
        ("alarm_delay", None, 0, 5, "min"),
        ("restriction_time", None, 0, 60, "min"),
        ("automatic_close", None, 0, 0, None),
    ]


def test_an_object_without_row_still_gives_its_values():
    found = apdu(answer("FFFF0200", "02 02 0A03414243 1105"))
    assert [(v["value"], v["index"]) for v in found["values"]] == [("ABC", 1), (5, 2)]
    assert found["unknown"][0]["key"] == "FFFF0200"


def test_a_login_tells_heartbeat_and_clock():
    found = values("01000000B407E005130408050000A4")
    assert found == [
        ("heartbeat_interval", None, 0, 180, "s"),
        ("clock", None, 0, "2016-05-19T08:05:00.164", None),
        ("weekday", None, 0, 4, None),
    ]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("0501 01 20000200 00 00", "left over"),
        ("0501 01 20000200", "ends early"),
        ("0507 01 20000200 00", "choice"),
        ("8501 01 20000200 02 00 0000", "choice"),
        ("44 01", "tag"),
        ("8501 01 20000200 01 13 0000", "data type"),
        ("8501 01 20000200 01 01 05 0000", "more elements"),
    ],
)
def test_an_apdu_that_does_not_parse_to_its_last_byte_is_refused(text, rule):
    found = apdu(text)
    assert not found["valid"]
    assert rule in found["error"]["message"]


def test_a_bad_apdu_leaves_the_frame_valid():
    (found,) = describe(frame(bytes.fromhex("0507012000020000")).hex())
    assert found["valid"]
    assert found["apdu_error"]["offset"] == 15
    assert "service" not in found
    assert "values" not in found


def test_scrambled_data_are_read_plain():
    plain = bytes.fromhex(answer("200F0200", "121389").replace(" ", ""))
    (found,) = describe(frame(bytes((b + 0x33) % 256 for b in plain), control=0xCB).hex())
    assert found["link"]["scrambled"] == 1
    assert found["values"][0]["value"] == 50.01


def test_split_frames_tell_their_values_with_the_last_block():
    data = bytes.fromhex(answer("20000200", "01 03 12096D 12096D 12096D").replace(" ", ""))
    blocks = [(0x0000, data[:6]), (0xC001, data[6:12]), (0x4002, data[12:])]
    stream = b"".join(frame(head.to_bytes(2, "little") + part, control=0xE3) for head, part in blocks)
    found = describe(stream.hex())
    assert [f["fragment"]["kind"] for f in found] == ["first", "middle", "last"]
    assert [len(f.get("values", [])) for f in found] == [0, 0, 3]


def test_readings_of_a_stream_are_of_the_meter_behind_the_proxy():
    data = bytes.fromhex("890101 01 07 05 201601200001 01 00100200 01 01 01 06000003E8 0000".replace(" ", ""))
    table = keyacct.decode(frame(data) + b"\xfe\x68" + frame(data), protocol="dlt698.45").to_pylist()
    assert [(r["device"], r["quantity"], r["value"]) for r in table] == [("201601200001", "active_import", 10.0)] * 2


def test_a_missing_link_frame_is_advised():
    (found,) = describe("0501012000020000", "dlt698.45")
    assert not found["valid"]
    assert "--protocol dlt698.45-apdu" in found["error"]["hint"]
