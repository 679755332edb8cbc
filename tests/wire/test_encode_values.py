"""Published values become bytes: words and their bits, answers without identifier, load records, freezes, timetables.

The expected bytes are written by hand from the layouts of DL/T 645-2007 (7 and annex A) and Q/GDW 1376.1 (5 and annex A).
"""

import pytest

from keyacct import wire
from keyacct.errors import InputError

METER = "000000000161"


def meter_frame(control, data):
    """A frame of meter 161 by the rules of the standard, independent of the encoder: 33H on all data, sum mod 256."""
    sent = bytes((byte + 0x33) % 256 for byte in bytes.fromhex(data))
    frame = bytes.fromhex("68 61 01 00 00 00 00 68") + bytes([control, len(sent)]) + sent
    return frame + bytes([sum(frame) % 256, 0x16])


def meter(control, values=None, **keys):
    message = {"address": METER, "control": control, **keys}
    return wire.encode(message if values is None else {**message, "values": values}, "dlt645-2007")


def said(quantity, value, **keys):
    return {"quantity": quantity, "value": value, **keys}


def unit_bytes(frame):
    """The data units of a 1376.1 frame."""
    return frame[14:-2].hex().upper()


def terminal(afn, items, control="0x88", **keys):
    message = {"address": "9612-3456", "control": control, "afn": afn, "items": items, **keys}
    return unit_bytes(wire.encode(message, "gdw1376.1"))


WORD = {"di": "04000503"}


@pytest.mark.parametrize(
    "values",
    [
        ["0114"],
        [said("status_word", "0114")],
        [said("status_word", "0114"), said("supply_mode", 2), said("relay_open", 1), said("prepaid_type", 1)],
        [said("supply_mode", 2), said("relay_open", 1), said("prepaid_type", 1)],
    ],
)
def test_a_word_comes_from_its_bytes_or_from_its_bits(values):
    # A.5, status word 3: bits 1-2 supply mode, bit 4 relay, bits 8-9 prepaid type.
    assert meter(0x91, values, **WORD) == meter_frame(0x91, "03050004 1401")


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ([said("status_word", "0114"), said("relay_open", 0)], "values.2: relay_open is not what status_word"),
        ([said("supply_mode", 4)], "values.1: supply_mode does not fit"),
        ([said("relay_open", 1), said("supply_mode", 2)], "values.2: "),  # not in the order of the word
        ([said("voltage", 1)], "values.1: status_word belongs here"),
        ([said("no_such_quantity", 1)], "values.1.quantity: "),
        (["0114", "0114"], "values.2: belongs to nothing"),
    ],
)
def test_bits_that_disagree_with_their_word_are_named(values, place):
    with pytest.raises(InputError) as caught:
        meter(0x91, values, **WORD)
    assert place in str(caught.value)


def test_bits_of_a_phase_find_their_place():
    # A.5, status word 2: bits 0-2 active, bits 4-6 reactive power of A, B, C reversed.
    values = [said("active_reversed", 1, phase="B"), said("reactive_reversed", 1, phase="C")]
    assert meter(0x91, values, di="04000502") == meter_frame(0x91, "02050004 4200")


@pytest.mark.parametrize(
    ("control", "keys", "data"),
    [
        (0x93, {"values": [METER]}, "610100000000"),  # 7.1.3 the address that was asked for
        (0x93, {"values": [said("meter_address", METER)]}, "610100000000"),
        (0x15, {"values": ["231214000134"]}, "340100141223"),
        (0x08, {"values": ["2026-07-01T08:15:30"]}, "301508010726"),
        (0x16, {"values": ["99999930"]}, "30999999"),
        (0x17, {"baud_word": "0x08"}, "08"),
        (0x12, {"di": "06000001", "seq": 2}, "01000006 02"),
        (0x11, {"di": "06000001", "values": [3]}, "01000006 03"),
        (0x11, {"di": "06000002", "values": [10, "2026-07-01T08:15"]}, "02000006 10 1508010726"),
        (0x18, {"di": "04000C01", "password": "00000000", "new_password": "04563412"}, "010C0004 00000000 04563412"),
        (0x19, {"password": "02000000", "operator": "12345678"}, "02000000 78563412"),
    ],
)
def test_functions_without_a_register_take_their_values(control, keys, data):
    frame = wire.encode({"address": METER, "control": control, **keys}, "dlt645-2007")
    assert frame == meter_frame(control, data)


def record(time, body):
    """A load record around its classes: A0 A0, number of bytes, time, classes, sum of all before it, E5."""
    inside = bytes.fromhex(time + body)
    head = bytes.fromhex("A0A0") + bytes([len(inside)]) + inside
    return (head + bytes([sum(head) % 256, 0xE5])).hex()


def test_load_records_are_written_class_by_class():
    values = [
        said("record_time", "2026-07-01T08:15"),
        *[said("voltage", volts, phase=phase) for volts, phase in ((237.1, "A"), (237.2, "B"), (237.3, "C"))],
        *[said("current", amperes, phase=phase) for amperes, phase in ((1, "A"), (2, "B"), (-1.5, "C"))],
        said("frequency", 50.0),
        said("active_demand", 12.3456),
        said("reactive_demand", -0.5678),
        said("record_time", "2026-07-01T08:30"),
        *[said("power_factor", ratio) for ratio in (1, 0.9, -0.5, 1)],
    ]
    first = record("1508010726", "712372237323 001000 002000 001580 0050 AA AA AA AA AA 563412 785680 AA")
    second = record("3008010726", "AA AA 0010 0009 0085 0010 AA AA AA AA")
    assert meter(0x91, values, di="06000002") == meter_frame(0x91, "02000006" + first + second)


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ([1, 2], "values.1: a load record begins"),
        ([said("record_time", "2026-07-01T08:15"), said("voltage", 237.1, phase="A")], "values.3: is missing: voltage"),
        ([said("record_time", "2026-07-01T08:15"), said("apparent_power", 1)], "values.2: belongs to no class"),
    ],
)
def test_a_load_record_that_is_none_is_named(values, place):
    with pytest.raises(InputError) as caught:
        meter(0x91, values, di="06000002")
    assert place in str(caught.value)


def test_a_freeze_block_has_a_separator_before_each_item():
    time = "2026-07-01T00:00"
    values = [
        said("freeze_time", time),
        said("active_import", 1.0, time=time),
        said("active_import", 100.0, tariff=1, time=time),
        said("reactive_combined_1", -2.0, time=time),
    ]
    # Item 02, reverse energy, is not recorded and leaves its separator.
    data = "01FF0605 0000010726 AA 00010000 00000100 AA AA 00020080"
    assert meter(0x91, values, di="0506FF01") == meter_frame(0x91, data)
    assert meter(0x91, values[:1], di="0506FF01") == meter_frame(0x91, "01FF0605 0000010726")
    with pytest.raises(InputError, match=r"values\.2: .*quantity says to which item"):
        meter(0x91, [time, 1.0], di="0506FF01")


def test_zone_and_day_tables_are_written_entry_by_entry():
    zones = [1, "01-01", 2, "07-01"]
    assert meter(0x91, zones, di="04010000") == meter_frame(0x91, "00000104 010101 020107")
    slots = [said("slot_tariff", 3), said("slot_start", "00:00"), said("slot_tariff", 1), said("slot_start", "06:30")]
    assert meter(0x91, slots, di="04020003") == meter_frame(0x91, "03000204 030000 013006")
    keys = {"di": "04010001", "password": "02000000", "operator": "00000000"}
    assert meter(0x14, [3, "00:00", 1, "06:30"], **keys) == meter_frame(
        0x14, "01000104 02000000 00000000 030000 013006"
    )


def test_a_curve_and_a_day_of_history_come_from_their_values():
    curve = [
        said("curve_start", "2026-07-01T00:15"), said("curve_density", 1), said("point_count", 2),
        said("voltage", 230.1), said("voltage", None),
    ]  # fmt: skip
    assert terminal("0D", [{"pn": 1, "fn": 89, "values": curve}]) == "0101010B" + "1500010726" + "0102" + "0123EEEE"
    day = [said("data_date", "2026-06-30")]
    assert terminal("0D", [{"pn": 1, "fn": 1, "values": day}], "0x4B") == "01010100" + "300626"
    short = [{"pn": 1, "fn": 89, "values": curve[:4]}]
    with pytest.raises(InputError, match=r"items\.1\.values\.5: is missing: voltage"):
        terminal("0D", short)


def test_one_identifier_may_stand_for_several_items():
    items = [{"pn": 1, "fn": 129, "identifier": "03010110"}, {"pn": 2, "fn": 129}]
    assert terminal("0C", items, "0x4B") == "03010110"
    with pytest.raises(InputError, match=r"items\.1\.identifier"):
        terminal("0C", [{"pn": 1, "fn": 129, "identifier": "03010110"}, {"pn": 3, "fn": 129}], "0x4B")


def test_events_come_from_their_published_values():
    # ERC14 (5.10): power off at, power on at; an event of an unknown code keeps its bytes.
    values = [
        said("event_counter_important", 2), said("event_counter_ordinary", 0),
        said("event_pointer_start", 0), said("event_pointer_end", 2),
        said("event_code", 14), said("power_off_at", "2026-07-01T10:31"), said("power_on_at", "2026-07-01T10:32"),
        said("event_code", 99), said("event_data", "0102"),
    ]  # fmt: skip
    expected = "00000100" + "02000002" + "0E0A" + "3110010726" + "3210010726" + "6302" + "0102"
    assert terminal("0E", [{"pn": 0, "fn": 1, "values": values}]) == expected


def test_passwords_inside_values_are_asked_for_not_made_up():
    values = [said("apn_user", "card")]
    with pytest.raises(InputError, match="password"):
        terminal("04", [{"pn": 0, "fn": 16, "values": values}], "0x4A")
    given = terminal("04", [{"pn": 0, "fn": 16, "values": [*values, "31" * 32]}], "0x4A")
    assert given == "00008001" + b"card".hex().ljust(64, "0") + "31" * 32
