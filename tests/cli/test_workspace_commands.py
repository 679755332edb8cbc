"""init, registry, samples, store, config, doctor: output, exit codes, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REGISTRY = """[[account]]
account_no = "1000000001"
account_name = "Works 工厂"

[[meter]]
meter_no = "M1"
"""


@pytest.fixture
def office(keyacct: Callable[..., Any], tmp_path: Path) -> Path:
    assert keyacct("init", tmp_path / "office", "--name", "Office").code == 0
    (tmp_path / "r.toml").write_text(REGISTRY, encoding="utf-8")
    (tmp_path / "a.csv").write_text("ts,kwh\n2026-06-01 00:15,1.5\n2026-06-01 00:30,2\n")
    return tmp_path / "office"


def test_init_refuses_an_existing_workspace(keyacct: Callable[..., Any], office: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in office.rglob("*") if not path.name.endswith("-shm")}
    result = keyacct("init", office)
    assert (result.code, result.out) == (3, "")
    assert "there is a workspace already" in result.err
    assert before.items() <= {path: path.stat().st_mtime_ns for path in office.rglob("*")}.items()


def test_init_checks_the_zone_and_leaves_nothing(keyacct: Callable[..., Any], tmp_path: Path) -> None:
    assert keyacct("init", tmp_path / "x", "--timezone", "Mars/Olympus").code == 3
    assert not (tmp_path / "x").exists()
    assert keyacct("init", tmp_path / "y", "--dry-run").code == 0
    assert not (tmp_path / "y").exists()


def test_the_settings_file_is_valid_and_names_every_setting(keyacct: Callable[..., Any], office: Path) -> None:
    rows = keyacct("config", "show", "--workspace", office, "--format", "json").json
    assert {row["key"]: row["value"] for row in rows}["workspace.name"] == "Office"
    text = (office / "keyacct.toml").read_text("utf-8")
    assert all(row["key"].partition(".")[2] + " = " in text for row in rows)
    (office / "keyacct.toml").write_text("\n".join(line.removeprefix("# ") if " = " in line else line
                                                   for line in text.splitlines()), encoding="utf-8")  # fmt: skip
    assert keyacct("config", "show", "--workspace", office).code == 0, "every commented default is itself valid"


def test_registry_round_trip_and_listing(keyacct: Callable[..., Any], office: Path, tmp_path: Path) -> None:
    imported = keyacct("registry", "import", tmp_path / "r.toml", "--workspace", office, "--format", "json")
    assert imported.json == [
        {"entity": "account", "added": 1, "changed": 0, "removed": 0, "unchanged": 0},
        {"entity": "meter", "added": 1, "changed": 0, "removed": 0, "unchanged": 0},
    ]
    text = keyacct("registry", "export", "--workspace", office).out
    assert 'account_name = "Works 工厂"' in text
    listed = keyacct("registry", "list", "accounts", "--workspace", office, "--format", "jsonl")
    assert json.loads(listed.out)["account_no"] == "1000000001"
    for what in ("points", "meters", "tariffs"):
        assert keyacct("registry", "list", what, "--workspace", office).code == 0
    shown = keyacct("registry", "show", "account", "1000000001", "--workspace", office, "--format", "json")
    assert shown.json["account_name"] == "Works 工厂"
    missing = keyacct("registry", "show", "account", "1000000002", "--workspace", office, "--format", "json")
    assert (missing.code, missing.error["hint"]) == (3, "did you mean 1000000001?")


def test_a_bad_registry_file_exits_3_with_the_place(keyacct: Callable[..., Any], office: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('[[meter]]\nmeter_no = "M1"\nreading_side = "x"\n')
    result = keyacct("registry", "import", tmp_path / "bad.toml", "--workspace", office, "--format", "json")
    assert (result.code, result.error["code"], result.error["where"]["line"]) == (3, "config.registry_invalid", 1)


def test_samples_store_and_doctor(keyacct: Callable[..., Any], office: Path, tmp_path: Path) -> None:
    keyacct("registry", "import", tmp_path / "r.toml", "--workspace", office)
    command = ("samples", "import", tmp_path / "a.csv", "--map", "kwh=energy.import", "--meter", "M1",
               "--workspace", office, "--format", "json")  # fmt: skip
    dry = keyacct(*command, "--dry-run")
    assert (dry.code, dry.json[0]["rows"], dry.json[0]["added"]) == (0, 2, 0)
    assert keyacct(*command).json[0]["added"] == 2
    assert keyacct(*command).json[0]["already_ingested"] is True
    files = keyacct("store", "files", "--workspace", office, "--format", "json").json
    assert {"path", "rows", "min_ts", "max_ts", "bytes", "sha256"} <= files[0].keys()
    assert (files[0]["rows"], files[0]["min_ts"]) == (2, "2026-06-01T00:15:00+08:00")
    none = keyacct("store", "files", "--from", "2026-06-02", "--workspace", office, "--format", "json")
    assert none.json == []
    for arguments in (("verify",), ("verify", "--quick"), ("compact",), ("clean",)):
        assert keyacct("store", *arguments, "--workspace", office).code == 0
    doctor = keyacct("doctor", "--workspace", office, "--format", "json")
    assert (doctor.code, {row["state"] for row in doctor.json}) == (0, {"ok"})
    path = Path(files[0]["path"])
    path.write_bytes(path.read_bytes()[:-1])
    assert keyacct("store", "verify", "--workspace", office).code == 7
    assert keyacct("doctor", "--workspace", office).code == 9


def test_a_bad_row_exits_4_and_partial_exits_6(keyacct: Callable[..., Any], office: Path, tmp_path: Path) -> None:
    keyacct("registry", "import", tmp_path / "r.toml", "--workspace", office)
    (tmp_path / "b.csv").write_text("ts,kwh\n2026-06-01 00:15,x\n2026-06-01 00:30,2\n")
    command = ("samples", "import", tmp_path / "b.csv", "--map", "kwh=energy.import", "--meter", "M1",
               "--workspace", office, "--format", "json")  # fmt: skip
    bad = keyacct(*command)
    assert (bad.code, bad.error["where"]["row"], bad.error["where"]["column"]) == (4, 1, "kwh")
    partial = keyacct(*command, "--partial")
    assert (partial.code, partial.json[0]["added"], partial.json[0]["rejected_rows"]) == (6, 1, 1)
