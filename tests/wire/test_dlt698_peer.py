"""DL/T 698.45 against an independent implementation: the PyPI package `dlt698` (C++)."""

import json
from pathlib import Path

import pytest
from dlt698 import _native as peer
from dlt698 import codec

from keyacct import wire

BUILT = Path(__file__).parents[2] / "fixtures" / "peers" / "dlt698.45-built.tsv"
LINES = [line.split("\t") for line in BUILT.read_text(encoding="utf-8").splitlines()]

# Written by hand by the rules of the standard; the peer must accept them and write them again unchanged.
CONNECTED = "04000400010400 00000064 00 01 02 0102 02 0304 0000"
WRITTEN = [
    ("SetThenGetResponseNormalList", "8603020140000200004000020001 1C07E00114101B0B 0000"),
    ("ActionThenGetResponseNormalList", "8703020140007F0000004000020001 1C07E00114101B0B 0000"),
    ("RELEASE-Notification", "840007E0010517150107E001051715010000"),
    ("ReportNotificationTransData", "880301F2010201 01 03 010203 0000"),
    ("ProxySetResponseList", "8903010107050000000000010140000200000000"),
    (
        "ProxySetThenGetResponseList",
        "89040101070500000000000101 40000200 00 40000200 01 1C07E00114101B0B 0000",
    ),
    ("ProxyActionResponseList", "89050101070500000000000101 40007F00 00 00 0000"),
    ("ProxyActionThenGetResponseList", "89060101070500000000000101 40007F00 00 01 0F00 40000200 00 06 0000"),
    ("GetResponseNormal", "85010140000200011C07E00114101B0B 01 01 01 30110200 01 0600000001 00"),
    ("GetResponseNormal", "85010140000200011C07E00114101B0B 01 02 01 50040200 01 00 20210200 01 01 00 00"),
    ("GetResponseNormal", "85010140000200000600 01 07E00114101B0B 01 0005"),
    ("GetResponseNext", "850501010002000900 00"),
    ("SECURITY-Response", "90021600"),
    ("SECURITY-Response", "9001040102030401000401020304"),
    ("SECURITY-Request", "10010401020304 02 02 0102 02 0304"),
    ("CONNECT-Response", "8200" + "30" * 32 + "0010" + "FF" * 24 + CONNECTED),
    ("ERROR-Response", "6E000100"),
]  # fmt: skip


def describe(data):
    (found,) = (json.loads(text) for text in wire.describe([data.hex()], "dlt698.45-apdu"))
    return found


def again(data):
    """What the peer writes after having read."""
    if data[0] & 0x7F == 0x10:
        return codec.encode_security(codec.decode_security(data))
    return codec.encode_apdu(codec.decode_apdu(data))


@pytest.mark.parametrize(("name", "text"), LINES, ids=[f"{n}-{name}" for n, (name, _) in enumerate(LINES)])
def test_the_peer_reads_what_is_built_here(name, text):
    data = bytes.fromhex(text)
    assert again(data) == data
    assert describe(data)["service"] == name


@pytest.mark.parametrize(("name", "text"), WRITTEN, ids=[f"{n}-{name}" for n, (name, _) in enumerate(WRITTEN)])
def test_both_read_the_other_services(name, text):
    data = bytes.fromhex(text.replace(" ", ""))
    assert again(data) == data
    found = describe(data)
    assert found["valid"], found["error"]
    assert found["service"] == name


SYNTHETIC = [
    json.loads(line)
    for line in (BUILT.parents[1] / "frames" / "dlt698.45-synthetic.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("row", SYNTHETIC, ids=lambda row: row["id"])
def test_frames_built_by_hand_say_what_their_bytes_mean_and_the_peer_reads_them_too(row):
    data = bytes.fromhex(row["hex"])
    found = describe(data)
    assert found["service"] == row["expect"]["service"]
    if "apdu" in row["expect"]:
        assert found["apdu"] == row["expect"]["apdu"]
    assert wire.encode(found, "dlt698.45-apdu") == data
    assert again(data) == data


def test_the_peer_and_the_built_lines_cover_every_service_that_is_built():
    assert len({name for name, _ in LINES}) >= 38


VALUES = [
    (peer.Data.null(), {"null": None}),
    (peer.Data.boolean(True), {"bool": True}),
    (peer.Data.int8(-3), {"integer": -3}),
    (peer.Data.int16(-300), {"long": -300}),
    (peer.Data.int32(-70000), {"double-long": -70000}),
    (peer.Data.int64(-(2**40)), {"long64": -(2**40)}),
    (peer.Data.uint8(200), {"unsigned": 200}),
    (peer.Data.uint16(60000), {"long-unsigned": 60000}),
    (peer.Data.uint32(4000000000), {"double-long-unsigned": 4000000000}),
    (peer.Data.uint64(2**60), {"long64-unsigned": 2**60}),
    (peer.Data.enumeration(7), {"enum": 7}),
    (peer.Data.float32(1.5), {"float32": 1.5}),
    (peer.Data.float64(-0.25), {"float64": -0.25}),
    (peer.Data.octet_string(b"\x01\xff"), {"octet-string": "01FF"}),
    (peer.Data.visible_string("V1.1"), {"visible-string": "V1.1"}),
    (peer.Data.bit_string(3, b"\xc0"), {"bit-string": {"bits": 3, "hex": "C0"}}),
    (peer.Data.oi(0x2000), {"OI": "2000"}),
    (
        peer.Data.array([peer.Data.uint8(1), peer.Data.structure([peer.Data.null()])]),
        {"array": [{"unsigned": 1}, {"structure": [{"null": None}]}]},
    ),
]


@pytest.mark.parametrize(("value", "tree"), VALUES, ids=[next(iter(tree)) for _, tree in VALUES])
def test_typed_values_of_the_peer_are_read_as_it_means_them(value, tree):
    setting = peer.SetRequest()
    item = peer.SetAttribute()
    item.attribute = peer.Oad(oi=0x4000, attribute=2, index=0)
    item.value = value
    setting.attributes = [item]
    assert describe(codec.encode_apdu(setting))["apdu"]["data"] == tree


def test_frames_of_the_peer_are_read_and_its_stream_reader_reads_ours():
    payload = bytes.fromhex("0501010010020000")
    server = peer.ServerAddress(bytes=bytes.fromhex("000000000002")[::-1])
    sent = peer.Frame(control=0x43, client=16, server=server, payload=payload)
    data = codec.encode_frame(sent)
    (found,) = (json.loads(text) for text in wire.describe([data.hex()], "auto"))
    assert (found["valid"], found["address"], found["oad"]) == (True, "000000000002", "00100200")
    assert codec.decode_frame(data).payload == payload
