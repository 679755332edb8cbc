"""The encoders' door: what decoding published becomes the captured frame again; answers belong to their requests."""

import ast
import json
import re
from pathlib import Path

import pytest

from keyacct import wire
from keyacct.errors import InputError, KeyacctError

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames"


def records(name):
    lines = (FRAMES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return {record["id"]: record for record in map(json.loads, lines)}


def captured(name, key):
    return bytes.fromhex(records(name)[key]["hex"].replace(" ", ""))


def again(name):
    """Of every whole frame of a file: its id, its bytes, and those encoded from its description or the error."""
    for key, record in records(name).items():
        bare = record.get("layer") == "apdu"
        raw = bytes.fromhex(record["hex"].replace(" ", ""))
        for text in wire.describe([record["hex"]], "dlt698.45-apdu" if bare else record["protocol"]):
            message = json.loads(text)
            if not message.get("valid"):
                continue
            start = 0 if bare else message["offset"]
            frame = raw if bare else raw[start : start + message["length"]]
            try:
                yield key, frame, wire.encode(message, "dlt698.45-apdu" if bare else message["protocol"])
            except InputError as error:
                yield key, frame, error


# What the published form does not hold, cause by cause; docs/encoding.md has the same list. Everything else comes back.
PASSWORDS_645 = {
    "django-smart-meter-05", "django-smart-meter-06", "stm32-watch-10", "stm32-watch-11", "gwm-376-04", "gwm-376-05",
    "nblowpower-01", "yk-dl645-01", "stm-power-01", "stm-power-02", "stm-power-03",
}  # fmt: skip
REFUSED = {
    "dlt645-2007": {
        "password": PASSWORDS_645,
        "its digits are no number": {"dltcpp-02"},  # a broadcast time of 65 58 44
    },
    "dlt645-2007-synthetic": {
        "password": {"synthetic-write-98", "synthetic-write-99", "synthetic-command-98"},
        "cannot be put back": {"synthetic-load-record-2"},  # a broken record before a good one
    },
    "gdw1376.1": {
        "password": {"gs078", "gs080", "gs081", "gs082"},
        "its digits are no number": {"gs068"},  # another frame inside the points of a curve
    },
}
NOT_CANONICAL = {
    # Separators AAH inside the hourly block, which a meter may send or not.
    "dlt645-2007-synthetic": {"synthetic-freeze-hourly-aa"},
    # ds029: reserved bits of the block header are set. ds051, ds054: a length below 128 sent in two bytes (82 00 07).
    "dlt698.45": {"ds029", "ds051", "ds054"},
    # gs054, gs057: one byte of a value is sent, EEH stands for its others. gs073: EFH instead of EEH for no data.
    "gdw1376.1": {"gs054", "gs057", "gs073"},
}
COUNTS = {
    "dlt645-1997": 26, "dlt645-2007": 206, "dlt645-2007-synthetic": 23, "dlt698.45": 94, "dlt698.45-synthetic": 24,
    "gdw1376.1": 94, "gdw1376.1-synthetic": 4, "modbus": 16,
}  # fmt: skip


def test_every_file_of_frames_is_counted():
    assert {file.stem for file in FRAMES.glob("*.jsonl")} == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_every_canonical_frame_is_encoded_again_from_its_published_form(name):
    frames = list(again(name))
    assert len(frames) == COUNTS[name]
    refused = {key: str(made) for key, _, made in frames if isinstance(made, InputError)}
    different = {key for key, frame, made in frames if made != frame and key not in refused}
    assert different == NOT_CANONICAL.get(name, set())
    expected = {key: cause for cause, keys in REFUSED.get(name, {}).items() for key in keys}
    assert set(refused) == set(expected)
    for key, cause in expected.items():
        assert cause in refused[key], key


def test_a_modbus_poller_asks_as_the_captured_one_did():
    ask = {"unit": 1, "function": 3, "address": 0, "count": 2}
    assert wire.encode(ask, "modbus-rtu") == captured("modbus", "bms-doc-01")
    say = {"unit": 1, "function": 3, "registers": [6, 5]}
    assert wire.encode(say, "modbus-rtu") == captured("modbus", "bms-doc-02")


def test_a_645_poller_asks_as_the_captured_one_did():
    ask = {"address": "000000000161", "control": 0x11, "di": "00010000", "preamble": 4}
    assert wire.encode(ask, "dlt645-2007") == captured("dlt645-2007", "meter-161-01")


def test_answers_belong_to_device_identifier_and_direction():
    ask = captured("dlt645-2007", "meter-161-01").lstrip(b"\xfe")
    say = captured("dlt645-2007", "meter-161-02").lstrip(b"\xfe")
    other = captured("dlt645-2007", "meter-161-03").lstrip(b"\xfe")
    device = captured("dlt645-2007", "peru-meter-04")
    assert wire.answers(ask, say, "dlt645-2007")
    assert not wire.answers(other, say, "dlt645-2007")
    assert not wire.answers(device, say, "dlt645-2007")
    assert not wire.answers(say, ask, "dlt645-2007")


def test_modbus_answers_belong_to_unit_and_function():
    ask, say = captured("modbus", "bms-doc-01"), captured("modbus", "bms-doc-02")
    assert wire.answers(ask, say, "modbus-rtu")
    assert not wire.answers(captured("modbus", "bms-doc-03"), say, "modbus-rtu")
    assert not wire.answers(captured("modbus", "temp-logger-01"), captured("modbus", "bms-doc-04"), "modbus-rtu")
    assert not wire.answers(say, ask, "modbus-rtu")


def test_errors_name_the_key_and_show_no_password():
    message = {"address": "161", "control": 0x14, "di": "04000101", "password": "hunter2"}
    with pytest.raises(InputError) as caught:
        wire.encode(message, "dlt645-2007")
    assert "password" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def nested(depth):
    return {"unit": nested(depth - 1)} if depth else {}


@pytest.mark.parametrize(
    ("message", "protocol"),
    [
        ({"unit": 1}, "auto"),
        ({"unit": 1}, "no-such-protocol"),
        ({"unit": float("nan"), "function": 3}, "modbus-rtu"),
        (nested(100), "modbus-rtu"),
        ({"unit": 1, "function": 3, "registers": [0] * 200}, "modbus-rtu"),
        ({"address": "161", "control": 0x14, "data": "00" * 256}, "dlt645-2007"),
    ],
)
def test_what_is_no_message_is_refused(message, protocol):
    with pytest.raises(KeyacctError):
        wire.encode(message, protocol)


def test_every_example_of_the_documentation_makes_a_valid_frame():
    page = (Path(__file__).parents[2] / "docs" / "encoding.md").read_text(encoding="utf-8")
    calls = [
        statement.value
        for block in re.findall(r"```python\n(.*?)```", page, re.S)
        for statement in ast.parse(block).body
    ]
    assert len(calls) == 8
    for call in calls:
        message, protocol = (ast.literal_eval(argument) for argument in call.args)
        frame = wire.encode(message, protocol)
        (text,) = wire.describe([frame.hex()], protocol)
        assert json.loads(text)["valid"], message
