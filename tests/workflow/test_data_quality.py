"""Validation, estimation, editing: every rule finds its fault and only that; estimates give way; edits are taken back."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from keyacct import clock
from keyacct.cli.run import run
from keyacct.config import Workspace
from keyacct.database import audit, tables
from keyacct.database.engine import open_database
from keyacct.errors import InputError, UsageError
from keyacct.model import Period
from keyacct.registry.importing import import_registry
from keyacct.store import quality
from keyacct.store.compact import compact
from keyacct.store.families import FAMILIES
from keyacct.store.ingest import ingest
from keyacct.store.read import read_table
from keyacct.workflow import quality as workflow
from keyacct.workflow.care.findings import Check, note_findings
from keyacct.workflow.edits import EditRequest, edit_value, edits, undo_edit
from keyacct.workflow.workspace import init_workspace

REGISTRY = """
[[account]]
account_no = "A1"
account_name = "Mill"
[[account_terms]]
account_no = "A1"
contract_capacity_kva = 100.0
running_capacity_kva = 100.0
status = "active"
[[point]]
point = "P1"
kind = "billing"
[[point_account]]
point = "P1"
account_no = "A1"
[[meter]]
meter_no = "m"
reading_side = "secondary"
interval_min = 15
[[meter_point]]
meter_no = "m"
point = "P1"
[[point_ratio]]
point = "P1"
wiring = "3p4w"
pt = 1.0
ct = 10.0
"""
DAY = "2026-07-01"
START = int(dt.datetime(2026, 7, 1, tzinfo=dt.timezone(dt.timedelta(hours=8))).timestamp() * 1000)
QUARTER = 900_000


@pytest.fixture
def workspace(tmp_path: Path):
    clock.fix("2026-07-03T00:00+08:00")
    office = init_workspace(tmp_path / "office", name="office")
    import_registry(office, REGISTRY)
    yield office
    clock.fix(None)


def put(workspace: Workspace, family: str, *values: dict[str, object]):
    schema = FAMILIES[family].input_schema
    default = {**dict.fromkeys(schema.names), "meter": "m", "kind": "interval", "quality": 0}
    table = pa.Table.from_pylist([{**default, **value} for value in values], schema=schema)
    return ingest(workspace, {family: table}, source="x")


def curve(column: str, values: list[object], **more: object) -> list[dict[str, object]]:
    """Values of the quarters 00:15, 00:30 …; None is left out."""
    return [
        {"ts": START + (n + 1) * QUARTER, column: Decimal(str(v)), **more}
        for n, v in enumerate(values)
        if v is not None
    ]


def wave(n: int) -> str:
    return f"{10 + n % 7}.{n % 5}"


DAY_VALUES: list[object] = [wave(n) for n in range(96)]


def found(workspace: Workspace, *rules: str) -> list[tuple[str, str, str, str]]:
    rows = workflow.check(workspace, Period.parse(DAY), rules=list(rules) or None)
    return [(row["rule"], row["family"], row["column"], row["from"].strftime("%d %H:%M")) for row in rows]


def test_a_sound_day_has_no_finding(workspace: Workspace) -> None:
    put(workspace, "power", *curve("p", DAY_VALUES))
    put(workspace, "energy", *curve("import", list(range(96)), kind="register"))
    assert found(workspace) == []


def test_missing_values_are_counted_per_day_and_a_silent_meter_is_severe(workspace: Workspace) -> None:
    rows = workflow.check(workspace, Period.parse(DAY))
    assert [(r["rule"], r["severity"], r["family"], r["detail"]) for r in rows] == [
        ("completeness", "severe", "", "0 of 96 values")
    ]
    put(workspace, "power", *curve("p", [None if n in (5, 6, 90) else v for n, v in enumerate(DAY_VALUES)]))
    rows = workflow.check(workspace, Period.parse(DAY))
    assert [(r["severity"], r["family"], r["values_found"], r["value"]) for r in rows] == [
        ("general", "power", 3, 93 / 96)
    ], "the earlier finding is replaced"
    assert [r["values_found"] for r in workflow.findings(workspace, Period.parse(DAY))] == [3]


def _care_finding(workspace: Workspace, device: tuple[str, str], at: str, **more: object) -> None:
    now = int(dt.datetime.fromisoformat(at).timestamp() * 1000)
    with open_database(workspace).write() as connection:
        note_findings(connection, device, [Check("param_mismatch", "ct_ratio", **more)], now)


def test_findings_of_devices_stand_in_the_same_list_while_they_last(workspace: Workspace, capsys) -> None:
    workflow.check(workspace, Period.parse(DAY))
    differs = {"differs": True, "expected": "100", "found": "80"}
    _care_finding(workspace, ("meter", "m"), "2026-07-01T10:00+08:00", **differs)
    _care_finding(workspace, ("terminal", "9612-3456"), "2026-07-01T11:00+08:00", **differs)
    _care_finding(workspace, ("meter", "m"), "2026-07-02T10:00+08:00", differs=False)

    def listed(period: str, **only: str) -> list[tuple[object, ...]]:
        rows = workflow.findings(workspace, Period.parse(period), **only)
        return [(row["source"], row["meter"], row["terminal"], row["rule"]) for row in rows]

    sample = ("samples", "m", None, "completeness")
    meter, terminal = ("devices", "m", None, "param_mismatch"), ("devices", None, "9612-3456", "param_mismatch")
    assert sorted(listed(DAY)[:2]) == sorted([sample, meter])
    assert listed(DAY)[2:] == [terminal]
    assert listed("2026-07-02", source="devices") == [meter, terminal]  # put right on that day
    assert listed("2026-07-03", source="devices") == [terminal]
    assert listed("2026-06-30", source="devices") == []
    assert listed(DAY, source="samples") == [sample]
    assert listed(DAY, meter="m", rule="param_mismatch") == [meter]
    asked = ["quality", "list", DAY, "--source", "devices", "--workspace", str(workspace.root)]
    capsys.readouterr()
    assert run([*asked, "--format", "json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["meter"], first["column"], first["detail"]) == ("m", "ct_ratio", "found 80, expected 100")
    assert (first["from"], first["to"]) == ("2026-07-01T10:00:00+08:00", "2026-07-02T10:00:00+08:00")
    assert (second["terminal"], second["to"], second["values_found"]) == ("9612-3456", None, 1)


def test_a_spike_is_above_the_third_highest_and_a_voltage_above_its_neighbours(workspace: Workspace) -> None:
    put(workspace, "power", *curve("p", ["90" if n == 40 else v for n, v in enumerate(DAY_VALUES)]))
    put(workspace, "voltage", *curve("a", ["150" if n == 20 else f"22{n % 7}" for n in range(96)]))
    assert found(workspace, "spike") == [("spike", "power", "p", "01 10:15"), ("spike", "voltage", "a", "01 05:15")]


def test_registers_that_fall_leap_or_roll_over(workspace: Workspace) -> None:
    """Capacity 100 kVA, CT 10: in 15 min at most 1.5 × 100 × 0.25 / 10 = 3.75 kWh on the register."""
    put(workspace, "energy", *curve("import", ["10", "13.75", "13.5", "17", "21"], kind="register"))
    assert found(workspace, "register") == [
        ("register_decrease", "energy", "import", "01 00:30"), ("register_jump", "energy", "import", "01 01:00"),
    ]  # fmt: skip
    other = [{"ts": START + 2 * 3_600_000 + n * QUARTER, "export": Decimal(v), "kind": "register"}
             for n, v in enumerate(["999999", "1", "0.5"])]  # fmt: skip
    put(workspace, "energy", *other)
    assert [row for row in found(workspace, "register") if row[2] == "export"] == [
        ("register_rollover", "energy", "export", "01 02:00"), ("register_decrease", "energy", "export", "01 02:15"),
    ]  # fmt: skip


def test_total_and_tariffs_may_differ_by_a_step_each(workspace: Workspace) -> None:
    put(workspace, "energy", *curve("import", ["100.00", "101.00"], kind="freeze_day"))
    for tariff, values in ((1, ["60", "60.5"]), (2, ["39.98", "40.47"])):
        put(workspace, "tariff_energy", *curve("import", values, kind="freeze_day", tariff=tariff))
    assert found(workspace, "tariff_sum") == [("tariff_sum", "tariff_energy", "import", "01 00:30")]


def test_two_values_of_one_key_are_a_finding(workspace: Workspace) -> None:
    put(workspace, "power", *curve("p", ["1", "2"]))
    put(workspace, "power", *curve("p", ["1", "3"]))
    assert found(workspace, "duplicate") == [("duplicate", "power", "p", "01 00:30")]


def test_a_stamp_ahead_of_its_receipt_is_a_finding(workspace: Workspace) -> None:
    put(workspace, "power", *curve("p", ["1"], recv_at=START + QUARTER - 300_000))
    assert found(workspace, "future_time") == []
    put(workspace, "power", {"ts": START + 2 * QUARTER, "p": 1, "recv_at": START + 2 * QUARTER - 301_000})
    assert found(workspace, "future_time") == [("future_time", "power", "", "01 00:30")]


def test_a_stuck_curve_is_a_finding_and_a_curve_of_zeros_is_none(workspace: Workspace) -> None:
    put(workspace, "power", *curve("p", ["0"] * 40 + ["5"] * 24 + ["6"] * 23 + ["7"]))
    assert found(workspace, "stuck") == [("stuck", "power", "p", "01 10:15")]


def test_an_unknown_meter_is_checked_too(workspace: Workspace) -> None:
    for meter in ("a", "k", "z"):
        put(workspace, "power", *curve("p", ["5"] * 30, meter=meter))
    rows = workflow.check(workspace, Period.parse(DAY), rules=["stuck"])
    assert [row["meter"] for row in rows] == ["a", "k", "z"]


def power(workspace: Workspace) -> list[tuple[str, Decimal | None, int]]:
    zone = workspace.zone
    rows = read_table(workspace, "power", 0, 2**42).to_pylist()
    return [(row["ts"].astimezone(zone).strftime("%H:%M"), row["p"], row["quality"]) for row in rows]


def test_an_estimate_is_flagged_and_gives_way_when_the_true_value_comes(workspace: Workspace) -> None:
    put(workspace, "power", *curve("p", ["10", None, None, "16"]))
    gaps, summary = workflow.estimate(workspace, Period.parse(DAY))
    assert ([g["values"] for g in gaps], summary.added) == ([2], 2)
    estimated = quality.ESTIMATED
    assert power(workspace)[1:3] == [("00:30", Decimal(12), estimated), ("00:45", Decimal(14), estimated)]
    assert workflow.estimate(workspace, Period.parse(DAY))[1].added == 0, "again adds nothing"
    put(workspace, "power", {"ts": START + 2 * QUARTER, "p": 11, "recv_at": START - 10**9})
    assert power(workspace)[1] == ("00:30", Decimal(11), 0), "received long ago, yet true"
    list(compact(workspace))
    assert power(workspace)[1:3] == [("00:30", Decimal(11), 0), ("00:45", Decimal(14), estimated)]
    (row,) = workflow.check(workspace, Period.parse(DAY), rules=["completeness"])
    assert row["detail"] == "3 of 96 values", "an estimate is no value that came"


def test_a_long_gap_and_a_falling_register_are_not_estimated(workspace: Workspace) -> None:
    put(workspace, "power", *curve("p", ["10", *[None] * 9, "16"]))
    put(workspace, "energy", *curve("import", ["10", None, "9"], kind="register"))
    gaps, summary = workflow.estimate(workspace, Period.parse(DAY))
    assert (gaps, summary.added) == ([], 0)


def request(value: str | None, **more: object) -> EditRequest:
    base = {"reason": "read on site", "person": "Li", "kind": None}
    return EditRequest("power", "p", "m", START + QUARTER, value, **{**base, **more})


def test_an_edit_wins_is_audited_and_is_taken_back_exactly(workspace: Workspace) -> None:
    put(workspace, "power", {"ts": START + QUARTER, "p": 10, "q": 3}, {"ts": START + 2 * QUARTER, "p": 5})
    before = read_table(workspace, "power", 0, 2**42)
    made = edit_value(workspace, request("12.5"))
    put(workspace, "power", {"ts": START + QUARTER, "p": 11, "recv_at": START + 10**9})
    assert power(workspace)[0][1:] == (Decimal("12.5"), quality.EDITED), "what comes later does not beat it"
    list(compact(workspace))
    undo_edit(workspace, made["id"], reason="wrong meter", person="Wang")
    row = read_table(workspace, "power", 0, 2**42).to_pylist()[0]
    assert (row["p"], row["q"], row["quality"]) == (Decimal(11), Decimal(3), 0), "the re-poll that came meanwhile"
    assert before.num_rows == 2
    with pytest.raises(InputError, match="taken back already"):
        undo_edit(workspace, made["id"], reason="again", person="Wang")
    assert [(e["old_value"], e["new_value"], e["undone_by"]) for e in edits(workspace)] == [
        ("10.0000", "12.5000", "Wang")
    ]
    with open_database(workspace).read() as connection:
        actions = [
            (row.action, json.loads(row.body)["body"])
            for row in connection.execute(sa.select(tables.audit).order_by(tables.audit.c.seq))
        ]
        assert audit.verify(connection)[1] is None
    assert next(b for a, b in actions if "edit" in b)["edit"]["reason"] == "read on site"
    assert next(b for a, b in actions if a == "store.undo_edit")["person"] == "Wang"


def test_edits_one_over_the_other_are_taken_back_in_any_order(workspace: Workspace) -> None:
    put(workspace, "power", {"ts": START + QUARTER, "p": 10})
    first = edit_value(workspace, request("20"))
    clock.fix("2026-07-03T00:01+08:00")
    second = edit_value(workspace, request("30"))
    undo_edit(workspace, first["id"], reason="x", person="y")
    assert power(workspace)[0][1] == 30
    undo_edit(workspace, second["id"], reason="x", person="y")
    assert power(workspace)[0][1:] == (Decimal(10), 0)


def test_a_value_is_retracted_and_comes_back(workspace: Workspace) -> None:
    put(workspace, "power", {"ts": START + QUARTER, "p": 10, "q": 1})
    made = edit_value(workspace, request(None))
    assert power(workspace)[0][1] is None
    undo_edit(workspace, made["id"], reason="x", person="y")
    assert power(workspace)[0][1:] == (Decimal(10), 0)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"reason": "  "}, UsageError, "needs a reason"),
        ({"person": ""}, UsageError, "needs a person"),
    ],
)
def test_an_edit_needs_a_reason_and_a_person(workspace: Workspace, change: dict, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        edit_value(workspace, request("1", **change))
    with pytest.raises(InputError, match="is no value of p"):
        edit_value(workspace, request("1.00001"))
    with pytest.raises(InputError, match="no value to retract"):
        edit_value(workspace, request(None))
    assert edits(workspace) == []


def test_the_command_checks_lists_edits_and_fails_on_request(
    workspace: Workspace, capsys: pytest.CaptureFixture
) -> None:
    put(workspace, "power", *curve("p", ["5"] * 30))
    where = ["--workspace", str(workspace.root), "--now", "2026-07-03T00:00+08:00"]
    assert run(["quality", "check", DAY, "--rule", "stuck", "--fail-on", "severe", *where]) == 0
    assert run(["quality", "check", DAY, "--rule", "stuck", "--fail-on", "any", *where]) == 7
    capsys.readouterr()
    assert run(["quality", "list", DAY, "--format", "json", *where]) == 0
    assert [row["values_found"] for row in json.loads(capsys.readouterr().out)] == [30]
    assert run(["quality", "edit", "m", "2026-07-01 00:15", "power.p=6", "--reason", "r", "--by", "b", *where]) == 0
    assert run(["quality", "edit", "m", "2026-07-01 00:15", "power.p=6", "--reason", "", "--by", "b", *where]) == 2
    assert run(["quality", "undo", "1", "--reason", "r", "--by", "b", *where]) == 0
    assert run(["quality", "estimate", DAY, "--dry-run", *where]) == 0
    assert run(["quality", "check", DAY, "--rule", "stick", *where]) == 2
