"""`keyacct replay`: a text log into the workspace and into files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def frame(address: str, data: str) -> str:
    """A DL/T 645-2007 reply (91H): data in wire order, before 33H is added."""
    payload = bytes((byte + 0x33) & 0xFF for byte in bytes.fromhex(data))
    body = b"\x68" + bytes.fromhex(address)[::-1] + b"\x68\x91" + bytes([len(payload)]) + payload
    return (body + bytes([sum(body) & 0xFF, 0x16])).hex(" ").upper()


# DI 02010100 (voltage of phase A), value 220.1 V as XXX.X in BCD, low byte first: DL/T 645-2007 A.2.
VOLTAGE = frame("000000000001", "00010102" + "0122")


@pytest.fixture
def office(keyacct: Callable[..., Any], tmp_path: Path) -> Path:
    assert keyacct("init", tmp_path / "office").code == 0
    (tmp_path / "dated.log").write_text(f"2026-06-01 12:00:00.000 RX {VOLTAGE}\n")
    (tmp_path / "undated.log").write_text(f"RX {VOLTAGE}\n")
    return tmp_path / "office"


def test_a_log_goes_into_the_workspace_once(keyacct: Callable[..., Any], office: Path, tmp_path: Path) -> None:
    command = ("replay", tmp_path / "dated.log", "--workspace", office, "--format", "json")
    first = keyacct(*command)
    assert (first.code, first.json[0]["added"], first.json[0]["undated"]) == (0, 1, 0)
    assert "unknown device ?dlt645-2007:000000000001" in first.err
    assert keyacct(*command).json[0]["already_ingested"] is True
    assert keyacct(*command, "--strict").json[0]["already_ingested"] is True


def test_an_undated_log_is_refused_and_taken_with_a_time(
    keyacct: Callable[..., Any], office: Path, tmp_path: Path
) -> None:
    command = ("replay", tmp_path / "undated.log", "--workspace", office, "--format", "json")
    refused = keyacct(*command)
    assert (refused.code, refused.error["code"]) == (4, "input.no_time")
    assert "--date" in refused.error["hint"]
    assert "--assume-time" in refused.error["hint"]
    both = keyacct("replay", tmp_path / "undated.log", tmp_path / "dated.log", "--workspace", office)
    assert both.code == 6, "one capture failed, the other is stored"
    taken = keyacct(*command, "--assume-time", "2026-06-01T00:00+15min")
    assert (taken.code, taken.json[0]["added"]) == (0, 1)


def test_readings_to_files_and_against_a_golden_list(keyacct: Callable[..., Any], tmp_path: Path, office: Path) -> None:
    log = tmp_path / "dated.log"
    assert keyacct("replay", log, "--out", tmp_path / "r.jsonl").code == 0
    row = json.loads((tmp_path / "r.jsonl").read_text("utf-8").splitlines()[0])
    expected = {"quantity": "voltage", "phase": "A", "value": 220.1, "unit": "V", "time": "2026-06-01T12:00:00"}
    assert expected.items() <= row.items()
    assert json.loads(keyacct("replay", log, "--out", "-").out.splitlines()[0]) == row
    (tmp_path / "golden.jsonl").write_text(json.dumps(expected) + "\n")
    assert keyacct("replay", log, "--expect", tmp_path / "golden.jsonl").code == 0
    (tmp_path / "golden.jsonl").write_text(json.dumps({**expected, "value": 220.2}) + "\n")
    differs = keyacct("replay", log, "--expect", tmp_path / "golden.jsonl")
    assert differs.code == 7
    assert '"value": 220.2' in differs.err
    assert keyacct("replay", log, log, "--out", tmp_path / "folder").code == 0
    assert len(list((tmp_path / "folder").iterdir())) == 2
    assert keyacct("replay", log, "--out", tmp_path / "r.txt").code == 2
    assert keyacct("replay", log, "--date", "yesterday", "--out", "-").code == 2
    assert keyacct("replay", tmp_path / "missing.log", "--out", "-").code == 4
