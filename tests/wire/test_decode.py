"""`keyacct.decode`: a byte stream to a table of readings."""

import datetime as dt

import pytest

import keyacct
from keyacct.errors import InputError, UsageError
from keyacct.wire import open_registers, protocols, register_rows


def frame(address, control, data):
    """A frame by the rule of the standard, written out: 68 A 68 C L DATA+33 CS 16."""
    body = (
        b"\x68"
        + bytes.fromhex(address)[::-1]
        + b"\x68"
        + bytes([control, len(data)])
        + bytes((b + 0x33) % 256 for b in data)
    )
    return body + bytes([sum(body) % 256, 0x16])


def answer(di, data, control=0x91, address="000000000161"):
    return frame(address, control, bytes.fromhex(di)[::-1] + bytes.fromhex(data))


def rows(stream, **options):
    return keyacct.decode(stream, **options).to_pylist()


def test_a_block_gives_one_row_a_phase_and_null_for_all_f():
    (a, b, c) = rows(answer("0201FF00", "7123 FFFF 0000"))
    assert [r["phase"] for r in (a, b, c)] == ["A", "B", "C"]
    assert [r["value"] for r in (a, b, c)] == [237.1, None, 0.0]
    assert [r["quality"] for r in (a, b, c)] == [0, 1, 0]
    assert {r["unit"] for r in (a, b, c)} == {"V"}


def test_a_block_that_ends_early_ends_after_the_last_whole_value():
    found = rows(answer("0001FF00", "00000000 56341200 99"))
    assert [(r["tariff"], r["value"]) for r in found] == [(0, 0.0), (1, 1234.56)]


def test_a_settlement_is_a_frozen_register_with_its_number():
    (row,) = rows(answer("00010203", "78563412"))
    assert (row["kind"], row["tariff"], row["index"]) == ("freeze_settlement", 2, 3)
    assert row["value"] == 123456.78


def test_signed_power_is_sign_and_magnitude():
    found = rows(answer("0203FF00", "560080 561280 123400 000000"))
    assert [r["value"] for r in found] == [-0.0056, -0.1256, 0.3412, 0.0]


def test_forward_energy_has_no_sign_and_combined_has_one():
    assert rows(answer("00010000", "00000080"))[0]["value"] == 800000.0
    assert rows(answer("00000000", "00010080"))[0]["value"] == -1.0


def test_a_demand_carries_its_time_of_occurrence():
    (row,) = rows(answer("01010000", "341200 15 10 31 12 25"))
    assert (row["quantity"], row["kind"], row["value"]) == ("active_import_demand", "demand", 0.1234)
    assert row["time"] == dt.datetime(2025, 12, 31, 10, 15)
    (row,) = rows(answer("01010000", "341200 00 00 00 00 00"))
    assert row["time"] is None


def test_a_digit_above_nine_is_invalid_and_not_a_number():
    (row,) = rows(answer("02010100", "1A22"))
    assert (row["value"], row["quality"]) == (None, 2)


def test_every_named_bit_of_a_status_word_is_a_value():
    found = rows(answer("040005FF", "0400 0200 5000 0100 0000 8000 0100"))
    bits = {(r["quantity"], r["phase"]): r["value"] for r in found if r["text"] is None}
    assert bits["clock_battery_low", None] == 1
    assert bits["active_reversed", "B"] == 1
    assert bits["relay_open", None] == 1
    assert bits["relay_command_open", None] == 1
    assert bits["voltage_loss", "A"] == 1
    assert bits["phase_failure", "C"] == 1
    assert bits["voltage_sequence_reversed", None] == 1
    assert sum(bits.values()) == 7
    assert [r["text"] for r in found if r["text"] is not None] == [
        "0004", "0002", "0050", "0001", "0000", "0080", "0001",
    ]  # fmt: skip


def test_voltage_compliance_is_read_in_both_lengths():
    long = "123400 009900 000100 000200 000100 5224 00120106 9821 30040206"
    found = {r["quantity"]: r for r in rows(answer("03100000", long))}
    assert found["voltage_monitored_time"]["value"] == 3412
    assert found["voltage_compliance_rate"]["value"] == 99.0
    assert found["voltage_maximum"]["value"] == 245.2
    assert found["voltage_maximum"]["text"] == "06-01T12:00"
    short = "123400 5099 5000 000200 000100 5224 00120106 9821 30040206"
    found = {r["quantity"]: r["value"] for r in rows(answer("03100100", short))}
    assert found["voltage_compliance_rate"] == 99.5
    assert found["voltage_minimum"] == 219.8
    assert rows(answer("03100000", long + "00")) == []  # another length: raw, a guess would shift every value


def test_texts_are_sent_last_character_first():
    (row,) = rows(answer("04000404", "000056303232"))
    assert (row["text"], row["value"], row["unit"]) == ("220V", None, None)


def test_requests_errors_and_noise_make_no_readings():
    stream = (
        frame("000000000161", 0x11, bytes.fromhex("00000100"))
        + b"\x68\x00garbage\x16"
        + frame("000000000161", 0xD1, b"\x02")
        + answer("02010100", "0523")
    )
    found = rows(stream)
    assert [r["value"] for r in found] == [230.5]
    assert found[0]["offset"] == len(stream) - 18


def test_a_following_frame_is_not_taken_for_the_beginning():
    assert rows(answer("0001FF00", "00000000 01", control=0x92)) == []


def test_any_buffer_will_do():
    stream = answer("02010100", "0523") * 3
    for buffer in (stream, bytearray(stream), memoryview(stream), memoryview(stream * 2)[::1]):
        assert len(rows(buffer)) >= 3
    assert len(rows(memoryview(b"".join(bytes([b, 0]) for b in stream))[::2])) == 3
    with pytest.raises(InputError):
        keyacct.decode("68AA")
    assert rows(b"") == []


def test_a_protocol_that_is_not_built_is_refused_with_those_that_are():
    with pytest.raises(UsageError) as caught:
        keyacct.decode(b"", protocol="dlt645")
    assert "dlt645-2007" in caught.value.hint
    assert protocols()[0] == "auto"


def test_a_register_is_found_by_its_whole_identifier():
    (row,) = [r for r in register_rows(text="02010200") if r["protocol"] == "dlt645-2007"]
    assert row["key"] == "0201{p}00"


def test_a_users_catalogue_decodes_its_own_identifier(tmp_path):
    file = tmp_path / "own.tsv"
    columns = ["key", "name", "quantity", "phase", "tariff", "kind", "format", "unit", "access", "source"]
    file.write_text(
        "\t".join(columns)
        + "\n"
        + "\t".join(["0F010100", "own", "voltage", "A", "-", "snapshot", "XXXX.XX", "V", "r", "sheet"])
        + "\n"
    )
    from keyacct import wire

    table = wire.decode(answer("0F010100", "563412"), registers=open_registers([file]))
    assert table.to_pylist()[0]["value"] == 1234.56
    file.write_text(file.read_text().replace("0F010100", "02010100"))
    with pytest.raises(InputError, match="line 2"):
        open_registers([file])
