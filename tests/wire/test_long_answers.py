"""Split answers, load records, freeze blocks and long events of DL/T 645-2007. All frames here are synthetic."""

import datetime as dt
import json

import keyacct
from keyacct import wire
from keyacct.capture.replay import replay


def frame(control, data, address="000000000161"):
    plain = bytes([control, len(data)]) + bytes((b + 0x33) % 256 for b in data)
    body = b"\x68" + bytes.fromhex(address)[::-1] + b"\x68" + plain
    return body + bytes([sum(body) % 256, 0x16])


def part(di, data, control, seq=None, address="000000000161"):
    return frame(control, bytes.fromhex(di)[::-1] + data + (b"" if seq is None else bytes([seq])), address)


def answer(di, data, control=0x91):
    return part(di, bytes.fromhex(data), control)


def rows(stream):
    return keyacct.decode(stream).to_pylist()


def described(stream, **options):
    return [json.loads(line) for line in wire.describe([stream.hex()], **options)]


def tally(tmp_path, stream):
    file = tmp_path / "capture.bin"
    file.write_bytes(stream)
    return replay(file).tally


ENERGIES = b"".join(bytes.fromhex(f"{n:08d}")[::-1] for n in range(0, 6400, 100))  # 64 tariffs: 0, 1, 2 … kWh
SPLIT = [
    part("0001FF00", ENERGIES[:101], 0xB1),
    part("0001FF00", ENERGIES[101:202], 0xB2, 1),
    part("0001FF00", ENERGIES[202:], 0x92, 2),
]


def test_follow_frames_are_joined_before_they_are_decoded(tmp_path):
    found = rows(b"".join(SPLIT))
    assert [(r["tariff"], r["value"]) for r in found] == [(n, float(n)) for n in range(64)]
    assert {r["device"] for r in found} == {"000000000161"}
    counts = tally(tmp_path, b"\x00" + b"".join(SPLIT))
    assert (counts.incomplete_answers, counts.stale_parts, counts.readings) == (0, 0, 64)


def test_a_follow_frame_that_came_before_is_refused(tmp_path):
    stream = b"\x00" + SPLIT[0] + SPLIT[1] + SPLIT[1] + SPLIT[2]
    counts = tally(tmp_path, stream)
    assert (counts.incomplete_answers, counts.stale_parts, counts.readings) == (0, 1, 64)


def test_answers_of_two_meters_do_not_mix():
    other = [part("0001FF00", ENERGIES[a:b], c, s, "000000000162") for a, b, c, s in
             ((0, 8, 0xB1, None), (8, 16, 0x92, 1))]  # fmt: skip
    found = rows(SPLIT[0] + other[0] + SPLIT[1] + other[1] + SPLIT[2])
    assert [r["value"] for r in found if r["device"] == "000000000162"] == [0.0, 1.0, 2.0, 3.0]
    assert len(found) == 68


def test_an_answer_whose_rest_is_missing_gives_its_whole_values_and_is_counted(tmp_path):
    counts = tally(tmp_path, b"\x00" + SPLIT[0] + SPLIT[2])
    assert (counts.incomplete_answers, counts.stale_parts) == (1, 1)
    assert counts.readings == 101 // 4


def record(minute, classes):
    sizes = (17, 24, 8, 16, 16, 6)
    body = bytes([minute, 0x08, 0x01, 0x07, 0x26])
    for number, size in enumerate(sizes, 1):
        data = bytes.fromhex(classes.get(number, ""))
        assert len(data) in (0, size)
        body += data + b"\xaa"
    whole = b"\xa0\xa0" + bytes([len(body)]) + body
    return whole + bytes([sum(whole) % 256, 0xE5])


CLASS_1 = "7123 7223 7323 010000 020080 FFFFFF 0050"  # 237.1 237.2 237.3 V, 0.001 -0.002 A, none, 50 Hz
CLASS_6 = "563412 000100"


def test_load_records_are_split_by_counting_and_have_their_own_time():
    stream = part("06000002", record(0x00, {1: CLASS_1, 6: CLASS_6}) + record(0x15, {6: CLASS_6}), 0x91)
    found = rows(stream)
    times = {r["time"] for r in found}
    assert times == {dt.datetime(2026, 7, 1, 8, 0), dt.datetime(2026, 7, 1, 8, 15)}
    first = [r for r in found if r["time"].minute == 0 and r["quantity"] != "record_time"]
    assert [(r["quantity"], r["phase"], r["value"]) for r in first] == [
        ("voltage", "A", 237.1), ("voltage", "B", 237.2), ("voltage", "C", 237.3),
        ("current", "A", 0.001), ("current", "B", -0.002), ("current", "C", None), ("frequency", None, 50.0),
        ("active_demand", "total", 12.3456), ("reactive_demand", "total", 0.01),
    ]  # fmt: skip
    assert [r["value"] for r in found if r["time"].minute == 15 and r["value"] is not None] == [12.3456, 0.01]


def test_separators_inside_a_class_do_not_split_it():
    (found,) = [r for r in rows(part("06030000", record(0, {3: "AAAA 0010 0010 0010"}), 0x91)) if r["phase"] == "total"]
    assert (found["quantity"], found["value"], found["quality"]) == ("power_factor", None, 2)


def test_a_bad_load_record_is_skipped_and_the_next_one_is_read():
    bad = bytearray(record(0x00, {6: CLASS_6}))
    bad[-2] ^= 1
    stream = part("06060000", bytes(bad) + record(0x15, {6: CLASS_6}), 0x91)
    assert {r["time"] for r in rows(stream)} == {dt.datetime(2026, 7, 1, 8, 15)}
    (unknown,) = described(stream)[0]["unknown"]
    assert (unknown["offset"], unknown["length"]) == (14, len(bad))


def test_a_record_across_follow_frames_is_whole():
    whole = b"".join(record(minute, {1: CLASS_1}) for minute in (0x00, 0x15, 0x30, 0x45))
    stream = part("06010002", whole[:100], 0xB1) + part("06010002", whole[100:], 0x92, 1)
    found = [r for r in rows(stream) if r["quantity"] == "voltage"]
    assert [r["value"] for r in found] == [237.1, 237.2, 237.3] * 4


TIME = bytes.fromhex("0000010726")  # 2026-07-01T00:00


def freeze(separator, tariffs):
    energies = [b"".join(bytes.fromhex(f"{item * 100 + t:08d}")[::-1] for t in range(tariffs)) for item in range(1, 9)]
    demands = [bytes.fromhex("563412 3007010726") * tariffs] * 2
    variables = [bytes.fromhex("563412" * 8)]
    return TIME + separator + separator.join(energies + demands + variables) + separator


def test_a_freeze_block_is_read_with_and_without_separators():
    for separator in (b"", b"\xaa"):
        stream = freeze(separator, 2)
        found = rows(part("0506FF01", stream[:150], 0xB1) + part("0506FF01", stream[150:], 0x92, 1))
        energies = [r for r in found if r["quantity"] == "active_import"]
        assert [(r["tariff"], r["value"], r["kind"]) for r in energies] == [
            (0, 1.0, "freeze_day"),
            (1, 1.01, "freeze_day"),
        ]
        assert {r["time"] for r in energies} == {dt.datetime(2026, 7, 1)}
        assert [r["value"] for r in found if r["quantity"] == "reactive_q4"] == [8.0, 8.01]
        assert [r["time"] for r in found if r["quantity"] == "active_import_demand"] == [
            dt.datetime(2026, 7, 1, 7, 30)
        ] * 2
        assert [r["value"] for r in found if r["quantity"] == "active_power"] == [12.3456] * 4


def test_an_item_that_is_not_frozen_leaves_its_separator_only():
    stream = part(
        "0506FF01", TIME + b"\xaa" + bytes.fromhex("00010000") + b"\xaa\xaa" + bytes.fromhex("00020000"), 0x91
    )
    found = [(r["quantity"], r["value"]) for r in rows(stream) if r["value"] is not None]
    assert found == [("active_import", 1.0), ("reactive_combined_1", 2.0)]


def test_bytes_that_do_not_add_up_stay_unexplained():
    (shown,) = described(part("0506FF01", TIME + bytes(7), 0x91), fields=True)
    (unknown,) = shown["unknown"]
    assert unknown["length"] == 7


def test_a_slot_table_event_is_read_as_far_as_it_goes():
    slots = "01 30 06 02 00 08"
    found = rows(answer("03300501", "05 04 03 01 07 26 78563412" + slots))
    assert [(r["quantity"], r["value"], r["text"]) for r in found] == [
        ("event_at", None, "2026-07-01T03:04:05"), ("operator", None, "12345678"),
        ("slot_tariff", 1.0, None), ("slot_start", None, "06:30"),
        ("slot_tariff", 2.0, None), ("slot_start", None, "08:00"),
    ]  # fmt: skip


def test_the_active_report_word_is_shown_and_what_follows_stays_raw():
    (shown,) = described(answer("04001501", "01" + "00" * 11 + "05"), fields=True)
    assert shown["values"][0]["value"] == "0" * 22 + "01"
    assert any(
        not field["explained"] and field["hex"] == "38"
        for group in shown["fields"]
        for field in group.get("fields", [])
    )


def test_authentication_shows_its_identifier_and_operator():
    (shown,) = described(frame(0x03, bytes.fromhex("FF000007 78563412") + bytes(24)), protocol="dlt645-2007")
    assert (shown["di"], shown["operator"], shown["payload"]) == ("070000FF", "12345678", "00" * 24)
    (reply,) = described(frame(0x83, bytes.fromhex("FF000007") + bytes(12)), protocol="dlt645-2007")
    assert (reply["di"], reply["payload"]) == ("070000FF", "00" * 12)
