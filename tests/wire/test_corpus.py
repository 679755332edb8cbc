"""Frames from public material, through the public door: the description says what the source says."""

import json
import math
from pathlib import Path

import pytest

from keyacct import wire

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames"
MODBUS = ("unit", "function", "address", "count", "value", "byte_count", "registers", "exception", "transaction")
CORE = ("voltage", "current", "active_power", "reactive_power", "apparent_power", "power_factor")


def rows():
    for file in sorted(FRAMES.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


ROWS = list(rows())


def decode(row, protocol=None):
    name = protocol or row["protocol"] + ("-apdu" if row.get("layer") == "apdu" else "")
    return [json.loads(text) for text in wire.describe([row["hex"]], name)]


def flat(frame):
    values = list(frame.get("values") or [])
    for item in frame.get("items") or []:
        values += item.get("values") or []
    return [v for v in values if not isinstance(v["value"], dict | list)]


def same(want, got):
    value = want["value"]
    if value is None:
        return got["value"] is None
    if isinstance(value, int | float):
        number = got["value"]
        if isinstance(number, bool) or not isinstance(number, int | float):
            return False
        if want.get("unit") and got.get("unit") and want["unit"] != got["unit"]:
            return False
        places = len(repr(value).partition(".")[2]) if "." in repr(value) else 0
        return math.isclose(number, value, rel_tol=0, abs_tol=want.get("tolerance") or 0.5 * 10.0**-places)
    plain = [c for c in str(value) if c.isalnum()]
    return plain == [c for c in str(got["value"]) if c.isalnum()]


def named(want, got):
    """Phase and tariff agree where the source's name tells them."""
    name = want["quantity"]
    for core in CORE:
        if name.startswith(core + "_") and name[len(core) + 1 :] in ("a", "b", "c", "total"):
            phase = name[len(core) + 1 :]
            return got["quantity"] == core and got["phase"] == (phase.upper() if phase != "total" else "total")
    if name.startswith("energy_active_forward_"):
        tariff = name.rpartition("_")[2]
        return got["quantity"] == "active_import" and got["tariff"] == (0 if tariff == "total" else int(tariff[1:]))
    return True


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_a_public_frame_says_what_its_source_says(row):
    expect = row["expect"]
    frames = [frame for frame in decode(row) if frame["valid"]]
    assert bool(frames) == expect["valid"]
    wanted = expect.get("frames") or ([expect] if expect["valid"] else [])
    if "frames" in expect:
        assert [f["offset"] for f in frames] == [f["offset"] for f in wanted]
    for want, got in zip(wanted, frames, strict=False):
        for key in ("address", "control", "di", "seq", "password_level", "operator", "n1"):
            if row["protocol"].startswith("dlt645") and key in want:
                assert got[key] == want[key]
        if row["protocol"].startswith("modbus"):
            for key in MODBUS:
                if key in want:
                    assert got[key] == want[key], key
        if "error" in want and row["protocol"].startswith("dlt645"):
            assert got["error"]["byte"] == want["error"].removeprefix("0x")
        left = flat(got)
        for value in want.get("values") or []:
            match = next((v for v in left if same(value, v) and named(value, v)), None)
            assert match is not None, (value, flat(got))
            left.remove(match)


@pytest.mark.parametrize("row", [r for r in ROWS if r["expect"]["valid"]], ids=lambda row: row["id"])
def test_auto_recognises_the_protocol(row):
    if row.get("layer") == "apdu":
        return  # an APDU has no link frame that could be recognised
    frames = [frame for frame in decode(row, "auto") if frame["valid"]]
    assert row["protocol"] in {frame["protocol"] for frame in frames}
