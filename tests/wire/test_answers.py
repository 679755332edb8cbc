"""Which frames answer which: the pairs of all protocols that the native tests read too, and the captured dialogues."""

import json
from pathlib import Path

import pytest

from keyacct import wire

FIXTURES = Path(__file__).parents[2] / "fixtures"
PAIRS = [
    line.split("\t") for line in (FIXTURES / "conversations" / "answers.tsv").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize(
    ("protocol", "verdict", "request_hex", "reply_hex", "rule"), PAIRS, ids=[f"{p[0]}-{p[4]}" for p in PAIRS]
)
def test_a_reply_answers_what_was_asked_and_nothing_else(protocol, verdict, request_hex, reply_hex, rule):
    request, reply = bytes.fromhex(request_hex), bytes.fromhex(reply_hex)
    assert wire.answers(request, reply, protocol) is (verdict == "yes"), rule


def test_every_frame_of_a_pair_is_valid_and_every_protocol_has_both_verdicts():
    seen = set()
    for protocol, verdict, request, reply, rule in PAIRS:
        for text in wire.describe([request, reply], protocol):
            assert json.loads(text)["valid"], rule
        seen.add((protocol, verdict))
    assert len(seen) == 2 * len({protocol for protocol, _ in seen}) == 12


@pytest.mark.parametrize(
    ("name", "protocol", "request_id", "reply_id"),
    [
        ("dlt645-2007", "dlt645-2007", "meter-161-01", "meter-161-02"),
        ("gdw1376.1", "gdw1376.1", "gs045", "gs055"),
        ("gdw1376.1", "gdw1376.1", "gs046", "gs056"),
        ("gdw1376.1", "gdw1376.1", "gs048", "gs057"),
        ("modbus", "modbus-rtu", "bms-doc-01", "bms-doc-02"),
    ],
)
def test_captured_answers_answer_their_requests(name, protocol, request_id, reply_id):
    lines = (FIXTURES / "frames" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    frames = {r["id"]: bytes.fromhex(r["hex"].replace(" ", "")).lstrip(b"\xfe") for r in map(json.loads, lines)}
    assert wire.answers(frames[request_id], frames[reply_id], protocol)
    others = [key for key in frames if key != reply_id and wire.answers(frames[request_id], frames[key], protocol)]
    assert len(others) <= 1, others
