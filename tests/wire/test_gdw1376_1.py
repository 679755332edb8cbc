"""Q/GDW 1376.1 through the public door: header, points and functions, values and what must not be shown."""

import json
import math
from pathlib import Path

import pytest

from keyacct import wire

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames"
FILES = [FRAMES / "gdw1376.1.jsonl", FRAMES / "gdw1376.1-synthetic.jsonl"]
ROWS = [json.loads(line) for file in FILES for line in file.read_text(encoding="utf-8").splitlines()]
VALID = [row for row in ROWS if row["expect"]["valid"]]
CORE = ("voltage", "current", "active_power", "reactive_power", "apparent_power", "power_factor")


def decode(text, **wish):
    return [json.loads(line) for line in wire.describe([text], "gdw1376.1", **wish)]


def same(want, got):
    """Equal within half the source's last digit; a power factor in percent is a ratio here."""
    value, unit = want["value"], want.get("unit")
    if value is None or got["value"] is None:
        return value is None and got["value"] is None
    if isinstance(value, int | float):
        scale = 0.01 if want["quantity"].startswith("power_factor") and unit == "%" else 1
        tolerance = want.get("tolerance") or (0.05 if isinstance(value, float) else 1e-9)
        fits = scale != 1 or not unit or not got["unit"] or unit == got["unit"]
        number = isinstance(got["value"], int | float)
        return fits and number and math.isclose(got["value"], value * scale, abs_tol=tolerance * scale)
    return value == got["value"]


def named(want, got):
    """Phase and tariff agree where the source's name tells them."""
    stem, _, last = want["quantity"].rpartition("_")
    if stem in CORE and last in ("a", "b", "c"):
        return got["quantity"] == stem and got["phase"] == last.upper()
    if "active" in want["quantity"] and (last == "total" or last[1:].isdigit()):
        return got["tariff"] == (0 if last == "total" else int(last[1:]))
    return True


@pytest.mark.parametrize("row", VALID, ids=lambda row: row["id"])
def test_a_public_frame_says_what_its_source_says(row):
    want, [got] = row["expect"], decode(row["hex"])
    for key in ("address", "afn", "control", "seq", "protocol_id", "msa", "group"):
        assert got.get(key) == want[key], key
    assert got.get("aux") == want.get("aux")
    assert got["direction"] == row["direction"]
    items = got.get("items", [])
    assert [(i["pn"], i["fn"]) for i in items] == [(i["pn"], i["fn"]) for i in want["items"]]
    for item, found in zip(want["items"], items, strict=True):
        left = list(found["values"])
        for value in item.get("values", []):
            if isinstance(value["value"], dict | list):
                continue  # for reading only: the same fields are values of their own here
            match = next((v for v in left if same(value, v) and named(value, v)), None)
            assert match is not None, (value, found["values"])
            left.remove(match)


@pytest.mark.parametrize("row", VALID, ids=lambda row: row["id"])
def test_the_tree_covers_every_byte_once(row):
    [got] = decode(row["hex"], fields=True)
    at = 0
    for field in got["fields"]:
        assert field["offset"] == at
        at += field["length"]
    assert at == got["length"]


def test_a_password_is_told_but_not_shown():
    # corpus gs007: the password is 1E 1E 1E 1E 1E 1E and zeros
    [row] = [row for row in ROWS if row["id"] == "gs007"]
    [got] = decode(row["hex"], fields=True)
    [field] = [f for f in got["fields"] if f["name"] == "Password"]
    assert set(field["hex"]) == {"*"}
    assert field["length"] == 16
    assert "1E1E1E1E" not in json.dumps(got["fields"])


def test_bytes_behind_a_function_without_layout_stay_unexplained():
    # corpus gs050: F167 differs from maker to maker
    [row] = [row for row in ROWS if row["id"] == "gs050"]
    [got] = decode(row["hex"], fields=True)
    (unknown,) = got["unknown"]
    assert (unknown["key"], unknown["offset"], unknown["length"]) == ("0C F167", 18, 46)
    assert unknown["hex"].startswith("2016280818EEEE")  # the bytes behind the identifier 01 01 40 14
    assert [f["length"] for f in got["fields"] if not f["explained"]] == [46]
