"""Raw bytes, gzip, pcap and pcapng to readings. All packets and frames here are synthetic, built byte by byte."""

import datetime as dt
import gzip
import hashlib
import io
import sys

import pytest
from packet_files import ARP, MASTER, METER, REQUEST, VOLTAGE, answer, pcap, pcapng, tcp

from keyacct.capture.replay import replay
from keyacct.errors import InputError, PartialError


def save(tmp_path, content, name="capture.bin"):
    file = tmp_path / name
    file.write_bytes(content)
    return file


def values(found):
    return found.readings["value"].to_pylist()


def test_raw_bytes_are_one_stream_and_offsets_are_those_of_the_file(tmp_path):
    content = b"\x00\x01" + REQUEST + b"\xfe\xfe" + VOLTAGE + b"\xff" + answer("02010200", "0022")
    found = replay(save(tmp_path, content))
    assert values(found) == [237.1, 220.0]
    assert found.readings["offset"].to_pylist() == [content.index(VOLTAGE), content.index(VOLTAGE) + len(VOLTAGE) + 1]
    assert found.tally.frames == {"dlt645-2007": 3}
    assert (found.tally.bytes, found.tally.noise_bytes, found.tally.undated) == (len(content), 3, 2)
    assert found.tally.container == {"content_bytes": len(content), "streams": 1}
    assert "recv_at" not in found.readings.column_names


def test_gzip_of_anything_is_the_same_as_what_is_in_it(tmp_path):
    text = f"2026-07-01 00:00:05 RX {VOLTAGE.hex()}\n".encode()
    for content in (b"\x00" + VOLTAGE, pcap([tcp(METER, MASTER, 1, VOLTAGE)]), text):
        plain = replay(save(tmp_path, content))
        packed = replay(save(tmp_path, gzip.compress(content), "capture.gz"))
        assert values(plain) == [237.1]
        assert packed.readings.equals(plain.readings)
        assert packed.sha256 == hashlib.sha256((tmp_path / "capture.gz").read_bytes()).hexdigest()


@pytest.mark.parametrize("container", [pcap, pcapng])
def test_the_packet_that_completes_a_frame_gives_its_time(tmp_path, container):
    packets = [
        tcp(MASTER, METER, 0, b"", 0x02),
        tcp(METER, MASTER, 0, b"", 0x12),
        tcp(MASTER, METER, 1, REQUEST),
        tcp(METER, MASTER, 1, VOLTAGE[:7]),
        tcp(METER, MASTER, 8, VOLTAGE[7:]),
    ]
    found = replay(save(tmp_path, container(packets)))
    assert values(found) == [237.1]
    assert found.readings["recv_at"].to_pylist() == [dt.datetime(2026, 6, 30, 16, 0, 4, tzinfo=dt.UTC)]
    assert found.readings["time"].to_pylist() == [dt.datetime(2026, 7, 1, 0, 0, 4)]
    assert found.readings["quality"].to_pylist() == [64]  # time_of_receipt
    assert (found.tally.undated, found.tally.noise_bytes) == (0, 0)
    assert found.tally.bytes == len(REQUEST) + len(VOLTAGE)
    elsewhere = replay(tmp_path / "capture.bin", zone="UTC")
    assert elsewhere.readings["time"].to_pylist() == [dt.datetime(2026, 6, 30, 16, 0, 4)]


def test_a_time_of_the_device_comes_before_that_of_the_packet(tmp_path):
    demand = answer("01010000", "563412 3007010626")  # 12.3456 kW at 2026-06-01T07:30
    found = replay(save(tmp_path, pcap([tcp(METER, MASTER, 1, demand)])))
    assert found.readings["time"].to_pylist() == [dt.datetime(2026, 6, 1, 7, 30)]
    assert found.readings["quality"].to_pylist() == [0]


def test_segments_are_put_in_order_and_repeats_are_counted(tmp_path):
    first, second = answer("02010100", "0022"), answer("02010200", "0122")
    stream = first + second
    cut = len(first) + 5
    packets = [
        tcp(METER, MASTER, 0, b"", 0x02),
        tcp(METER, MASTER, 1, stream[:9]),
        tcp(METER, MASTER, 1 + cut, stream[cut:]),
        tcp(METER, MASTER, 10, stream[9:cut]),
        tcp(METER, MASTER, 10, stream[9:cut]),
        ARP,
    ]
    found = replay(save(tmp_path, pcap(packets)))
    assert values(found) == [220.0, 220.1]
    assert found.tally.container["retransmitted_bytes"] == cut - 9
    assert found.tally.container["other_packets"] == 1
    assert found.tally.container["tcp_packets"] == 5
    assert found.tally.invalid == {}


def test_a_frame_does_not_go_on_behind_lost_bytes(tmp_path):
    lost = 4
    packets = [
        tcp(METER, MASTER, 0, b"", 0x02),
        tcp(METER, MASTER, 1, VOLTAGE[:8]),
        tcp(METER, MASTER, 9 + lost, VOLTAGE[8 + lost :] + answer("02010200", "0022")),
    ]
    found = replay(save(tmp_path, pcap(packets)))
    assert values(found) == [220.0]
    assert found.tally.container["lost_bytes"] == lost
    assert found.tally.noise_bytes == len(VOLTAGE) - lost


def test_each_conversation_is_a_stream_of_its_own(tmp_path):
    other = ("10.0.0.8", 4001)
    second = answer("02010100", "0022", address="000000000162")
    packets = [
        tcp(METER, MASTER, 1, VOLTAGE[:10]),
        tcp(other, MASTER, 1, second[:6]),
        tcp(METER, MASTER, 11, VOLTAGE[10:]),
        tcp(other, MASTER, 7, second[6:]),
    ]
    found = replay(save(tmp_path, pcap(packets)))
    rows = zip(found.readings["device"].to_pylist(), values(found), strict=True)
    assert sorted(rows) == [("000000000161", 237.1), ("000000000162", 220.0)]
    assert found.tally.container["streams"] == 2


def test_strict_fails_on_a_broken_frame_in_a_packet(tmp_path):
    broken = VOLTAGE[:-2] + bytes([VOLTAGE[-2] ^ 1, 0x16])
    file = save(tmp_path, pcap([tcp(METER, MASTER, 1, broken + VOLTAGE)]))
    assert replay(file).tally.invalid == {"frame.checksum": 1}
    with pytest.raises(PartialError) as raised:
        replay(file, strict=True)
    assert raised.value.exit_code == 6


def test_stdin_is_read_like_a_file(tmp_path, monkeypatch):
    content = pcap([tcp(METER, MASTER, 1, VOLTAGE)])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    found = replay("-")
    assert found.readings.equals(replay(save(tmp_path, content)).readings)
    assert found.sha256 == hashlib.sha256(content).hexdigest()


def test_a_bomb_ends_with_a_sentence_and_nothing_else(tmp_path):
    bomb = gzip.compress(b"\0" * (64 << 20))
    with pytest.raises(InputError, match=r"capture\.gz") as raised:
        replay(save(tmp_path, bomb, "capture.gz"))
    assert raised.value.code == "input.limit"


def test_a_packet_file_with_a_broken_header_is_refused(tmp_path):
    with pytest.raises(InputError) as raised:
        replay(save(tmp_path, pcap([])[:10]))
    assert raised.value.code == "input.format"
