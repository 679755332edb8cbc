"""Text logs as usual tools write them. The frames are those of the public corpus; the layouts are written by hand."""

import datetime as dt
import gzip
import struct

import pytest
from packet_files import MASTER, METER, pcap, tcp

from keyacct.capture.replay import replay
from keyacct.errors import InputError
from keyacct.i18n import set_language

ANSWER = bytes.fromhex("6834010014122368910633343435A456AF16")  # public corpus appframe-02: 237.1 V of phase A
REQUEST = bytes.fromhex("68610100000000681104333434351716")
SPACED = ANSWER.hex(" ")


def save(tmp_path, content, name="log.txt"):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def dump(data, form):
    """Lines of 16 bytes as a tool writes them."""
    lines = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        shown = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
        pairs = [row[n : n + 2].hex() for n in range(0, len(row), 2)]
        if form == "tcpdump":
            lines.append(f"\t0x{at:04x}:  {' '.join(pairs):<39}  {shown}")
        elif form == "xxd":
            lines.append(f"{at:08x}: {' '.join(pairs):<39}  {shown}")
        elif form == "hexdump":
            halves = f"{row[:8].hex(' ')}  {row[8:].hex(' ')}"
            lines.append(f"{at:08x}  {halves:<48}  |{shown}|")
        elif form == "wireshark":
            lines.append(f"{at:04x}  {row.hex(' '):<47}   {shown}")
        else:
            lines.append(f"{at:07o} {row.hex(' ')}")
    return "\n".join(lines) + "\n"


LAYOUTS = {
    "spaces": f"RX {SPACED}\n",
    "none": ANSWER.hex() + "\n",
    "dashes": f"<- {ANSWER.hex('-').upper()}\n",
    "colons": f"recv: {ANSWER.hex(':')}\n",
    "0x": "RX: " + ", ".join(f"0x{b:02X}" for b in ANSWER) + "\n",
    "escaped": "RX b'" + "".join(f"\\x{b:02x}" for b in ANSWER) + "'\n",
    "suffix": "收: " + " ".join(f"{b:02X}H" for b in ANSWER) + "\n",
    "sscom": f"[10:00:01.123]收←◆{SPACED} \n",
    "front end": f"INFO  [link-7] 2026-07-01 10:00:01,123 c.x.Link - 上行报文:{ANSWER.hex()}\n",
    "accessport": f"10:00:01 IRP_MJ_READ  COM3  SUCCESS  Length 18: {SPACED}\n",
    "json": f'{{"time": "2026-07-01T10:00:01", "dir": "rx", "hex": "{ANSWER.hex()}"}}\n',
    "serial monitor": f"[01/07/2026 10:00:01] Read data (COM3)\n    {SPACED[:47]}   h4....#h...345..\n    {SPACED[48:]}   ..\n",
    "socat": f"< 2026/07/01 10:00:01.123456  length=18 from=0 to=17\n {SPACED}\n--\n",
    "c array": "static const unsigned char answer[18] = {\n  "
    + ",\n  ".join(", ".join(f"0x{b:02x}" for b in ANSWER[n : n + 8]) for n in (0, 8, 16))
    + " /* h4....#h */\n};\n",
    "wireshark c array": "char peer1_0[] = { /* Packet 2 */\n" + ", ".join(f"0x{b:02x}" for b in ANSWER) + " };\n",
    "xxd": dump(ANSWER, "xxd"),
    "hexdump": dump(ANSWER, "hexdump"),
    "od": dump(ANSWER, "od"),
    "wireshark": dump(ANSWER, "wireshark"),
    "candump": "".join(f"(1782871201.{n:06d}) can0 123#{ANSWER[n : n + 8].hex().upper()}\n" for n in (0, 8, 16)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_frame_is_found_in_every_layout_without_noise(tmp_path, layout):
    found = replay(save(tmp_path, LAYOUTS[layout]))
    assert found.readings["value"].to_pylist() == [237.1]
    assert (found.tally.frames, found.tally.noise_bytes) == ({"dlt645-2007": 1}, 0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16", "utf-16-le", "utf-16-be"])
def test_chinese_labels_are_read_in_every_encoding(tmp_path, encoding):
    text = f"2026年07月01日 10时00分01秒 发送: {REQUEST.hex(' ')}\r\n2026年07月01日 10时00分02秒 接收: {SPACED}\r\n"
    if encoding.startswith("utf-16-"):  # without its mark UTF-16 is known by NULs alone, so by plain characters
        text = f"2026-07-01 10:00:01 TX: {REQUEST.hex(' ')}\r\n2026-07-01 10:00:02 RX: {SPACED}\r\n"
    found = replay(save(tmp_path, text.encode(encoding)))
    assert found.readings["time"].to_pylist() == [dt.datetime(2026, 7, 1, 10, 0, 2)]
    assert found.tally.frames == {"dlt645-2007": 2}
    (row,) = found.readings.to_pylist()
    begin = (
        (tmp_path / "log.txt")
        .read_bytes()[row["offset"] :]
        .decode(encoding.replace("utf-16", "utf-16-le") if encoding == "utf-16" else encoding)
    )
    assert begin.startswith("2026")
    assert "10:00:02" in begin.replace("时", ":").replace("分", ":")


def test_a_heading_gives_time_and_direction_to_the_lines_below(tmp_path):
    text = (
        f"> 2026/07/01 10:00:01.000000  length=18 from=0 to=17\n {SPACED}\n--\n"
        f"< 2026/07/01 10:00:02.000000  length=18 from=0 to=17\n {SPACED}\n--\n"
    )
    found = replay(save(tmp_path, text))
    assert found.tally.frames == {"dlt645-2007": 2}
    assert found.readings["time"].to_pylist() == [dt.datetime(2026, 7, 1, 10, 0, 2)]


def test_packets_in_a_dump_give_what_they_carry(tmp_path):
    def packet(source, destination, seq, payload):
        return tcp(source, destination, seq, payload)[14:]  # tcpdump -x begins at the IP header

    one, two = packet(METER, MASTER, 100, ANSWER[:7]), packet(METER, MASTER, 107, ANSWER[7:])
    asked = packet(MASTER, METER, 500, REQUEST)
    lines = ["10:00:01.000001 IP 10.0.0.1.50000 > 10.0.0.7.4001: Flags [P.], seq 1:17, ack 1, win 229, length 16"]
    lines += [dump(asked, "tcpdump").rstrip()]
    for piece in (one, one, two):  # the first one twice: sent again
        lines += [
            "10:00:02.000001 IP 10.0.0.7.4001 > 10.0.0.1.50000: Flags [P.], length 7",
            dump(piece, "tcpdump").rstrip(),
        ]
    found = replay(save(tmp_path, "\n".join(lines) + "\n"), date=dt.date(2026, 7, 1))
    assert found.readings["value"].to_pylist() == [237.1]
    assert (found.tally.frames, found.tally.noise_bytes) == ({"dlt645-2007": 2}, 0)
    ethernet = "No.  Time  Source\n1 0.000000 10.0.0.7 10.0.0.1 TCP 72 4001 → 50000\n\n" + dump(
        tcp(METER, MASTER, 100, ANSWER), "wireshark"
    )
    assert replay(save(tmp_path, ethernet)).readings["value"].to_pylist() == [237.1]


# Eastron SDM630: a read of register 0, and the answer 230.2 V that arendst/Tasmota quotes.
ASK, TELL = bytes.fromhex("01040000000271CB"), bytes.fromhex("010404436633341B38")


def test_modbus_is_known_where_it_fills_lines_packets_or_the_file(tmp_path):
    log = f"TX {ASK.hex()}\nRX {TELL.hex()}\n"
    for content in (log.encode(), (ASK + TELL) * 3):
        found = replay(save(tmp_path, content), model="sdm630")
        assert found.readings["value"].to_pylist()[0] == pytest.approx(230.2, abs=1e-3)
        assert set(found.tally.frames) == {"modbus-rtu"}
        assert found.tally.noise_bytes == 0
    asked = struct.pack(">HHHBBHH", 7, 0, 6, 1, 4, 0, 2)
    told = struct.pack(">HHH", 7, 0, 7) + TELL[:-2]
    packets = pcap([tcp(MASTER, METER, 1, asked), tcp(METER, MASTER, 1, told)])
    found = replay(save(tmp_path, packets), model="sdm630")
    assert found.tally.frames == {"modbus-tcp": 2}
    assert found.readings["value"].to_pylist() == [pytest.approx(230.2, abs=1e-3)]


def test_meters_of_several_protocols_share_a_line(tmp_path):
    read_698 = "681700430502000000000010485E0501070010020000040116"  # YuChaoYuan1/LYZD.WPF
    rtu, other = f"{TELL.hex()}\n", f"{ANSWER.hex()}\n{read_698}\n"
    for text in (rtu + other, other + rtu):
        found = replay(save(tmp_path, text))
        assert found.tally.frames == {"dlt645-2007": 1, "dlt698.45": 1, "modbus-rtu": 1}
        assert found.tally.noise_bytes == 0


def test_noise_is_not_taken_for_modbus(tmp_path):
    import random

    noise = random.Random(11).randbytes(200_000)
    found = replay(save(tmp_path, noise + ANSWER))
    assert set(found.tally.frames) <= {"dlt645-2007"}


def test_a_file_that_breaks_midway_keeps_what_came_before(tmp_path):
    whole = pcap([tcp(METER, MASTER, 1, ANSWER), tcp(METER, MASTER, 1 + len(ANSWER), ANSWER)])
    cut = replay(save(tmp_path, whole[:-9]))
    assert cut.readings["value"].to_pylist() == [237.1]
    assert cut.failure is not None
    assert (cut.failure.code, cut.failure.where["offset"]) == ("input.format", 24 + 16 + 72 + 16)
    lying = bytearray(whole)
    lying[24 + 16 + 72 + 8 : 24 + 16 + 72 + 12] = struct.pack("<I", 0xFFFF_FFF0)
    found = replay(save(tmp_path, bytes(lying)))
    assert found.readings["value"].to_pylist() == [237.1]
    assert "damaged" in str(found.failure)
    packed = gzip.compress((f"RX {SPACED}\n" * 5000).encode())
    broken = replay(save(tmp_path, packed[: len(packed) // 2]))
    assert 0 < broken.readings.num_rows < 5000
    assert broken.failure is not None
    assert broken.failure.hint
    nul = replay(save(tmp_path, f"RX {SPACED}\n" * 700 + "RX 68\0AA\n"))
    assert nul.readings.num_rows == 700
    assert nul.failure is not None
    assert nul.failure.where == {"file": str(tmp_path / "log.txt"), "line": 701, "offset": 700 * len(f"RX {SPACED}\n")}


def test_a_bomb_is_stopped_and_told_in_both_languages(tmp_path):
    bomb = gzip.compress(b"\x68" * (64 << 20), compresslevel=9)
    try:
        for lang, words in (("en", "more than 200 times"), ("zh", "解压倍数超过 200")):
            set_language(lang)
            with pytest.raises(InputError, match=words) as caught:
                replay(save(tmp_path, bomb))
            assert caught.value.code == "input.limit"
            assert caught.value.hint
    finally:
        set_language(None)


def test_the_tally_names_the_first_of_every_cause_with_its_place(tmp_path):
    wrong = ANSWER[:-2] + b"\x00\x16"
    file = save(tmp_path, f"RX {SPACED}\nRX 00 01 {wrong.hex(' ')}\nRX {wrong.hex(' ')}\nRX {ANSWER[:-1].hex()}17\n")
    tally = replay(file).tally
    assert tally.invalid == {"frame.checksum": 2, "frame.end_byte": 1}
    line, offset, en, zh = tally.first_invalid["frame.checksum"]
    assert (line, offset) == (2, len(f"RX {SPACED}\n"))
    assert (en, zh) == ("checksum 00H, computed AFH", "校验和为 00H, 计算值为 AFH")
    assert tally.first_invalid["frame.end_byte"][0] == 4


def test_a_datagram_in_fragments_is_put_together(tmp_path):
    datagram = struct.pack(">HHHH", METER[1], MASTER[1], 8 + len(ANSWER), 0) + ANSWER
    pieces = [(0, True, datagram[:16]), (16, False, datagram[16:])]

    def packet(at, more, piece):
        word = at // 8 | (0x2000 if more else 0)
        hosts = bytes(int(n) for host in (METER[0], MASTER[0]) for n in host.split("."))
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(piece), 77, word, 64, 17, 0) + hosts
        return b"\0" * 12 + b"\x08\x00" + header + piece

    for order in (pieces, pieces[::-1]):
        found = replay(save(tmp_path, pcap([packet(*piece) for piece in order])))
        assert found.readings["value"].to_pylist() == [237.1]
        assert found.tally.container["reassembled_datagrams"] == 1
        assert "ip_fragments" not in found.tally.container
    lost = replay(save(tmp_path, pcap([packet(*pieces[0]), tcp(METER, MASTER, 1, ANSWER)])))
    assert lost.tally.container["ip_fragments"] == 1
    assert lost.tally.container["first_dropped"] == {"ip_fragments": 24 + 16}


def test_a_file_of_start_bytes_is_one_stream_of_noise(tmp_path):
    found = replay(save(tmp_path, b"\x68" * (4 << 20) + ANSWER))
    assert found.tally.frames == {"dlt645-2007": 1}
    assert found.tally.noise_bytes == 4 << 20
    assert found.tally.first_noise == (0, 0)
