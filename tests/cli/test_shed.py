"""`keyacct shed` on plain files: what it writes, what it refuses, and with which exit code."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from keyacct.cli.run import run

sys.path.insert(0, str(Path(__file__).parents[1] / "plan"))
from shed_instances import Problem, make, write  # lies beside the planner's tests


@pytest.fixture
def problem() -> Problem:
    return make(5, 30)


def shed(*arguments: str) -> int:
    return run(["shed", *arguments])


def test_plan_is_written_checked_and_shown_beside_the_list(
    problem: Problem, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = write(problem, tmp_path / "p"), tmp_path / "plan.csv"
    extra = ["--explain", str(tmp_path / "why.json"), "--reserve", str(tmp_path / "reserve.csv")]
    code = shed("plan", "--problem", str(folder), "--out", str(out), "--format", "json", "--lang", "en", *extra)
    rows = json.loads(capsys.readouterr().out)
    assert [r["method"] for r in rows] == ["optimise", "list", "list_hardest_first"]
    assert code == (6 if rows[0]["unmet_kwh"] >= 0.0005 else 0)
    assert rows[0]["objective"] <= min(r["objective"] for r in rows)
    assert rows[0]["bound"] <= rows[0]["objective"]
    assert shed("check", "--problem", str(folder), "--plan", str(out)) == 0
    why = json.loads((tmp_path / "why.json").read_text())
    assert [c["customer"] for c in why["customers"]] == sorted(c["id"] for c in problem["customers"])
    for customer in why["customers"]:
        assert customer["verdict"] == ("chosen" if customer["orders"] else "spared")
    planned = {row["customer"] for row in csv.DictReader(out.read_text().splitlines())}
    assert planned == {c["customer"] for c in why["customers"] if c["verdict"] == "chosen"}
    assert {r["rule"] for r in why["reliefs"]} == {"notice", "rest", "remote_switch", "max_blocks", "rebound"}
    assert (tmp_path / "reserve.csv").read_text().startswith("block,")


def test_dry_run_writes_nothing(problem: Problem, tmp_path: Path) -> None:
    folder, out = write(problem, tmp_path / "p"), tmp_path / "plan.csv"
    shed("plan", "--problem", str(folder), "--out", str(out), "--dry-run", "-q")
    assert not out.exists()


def test_demand_beyond_reach_is_written_and_exits_6(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = write(make(3, 20, share=0.95), tmp_path / "p"), tmp_path / "plan.csv"
    assert shed("plan", "--problem", str(folder), "--out", str(out), "--lang", "en") == 6
    assert "cannot be met" in capsys.readouterr().err
    assert shed("check", "--problem", str(folder), "--plan", str(out)) == 0


def test_breach_exits_7_and_names_customer_period_and_rule(
    problem: Problem, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(problem, tmp_path / "p")
    protected = next(c["id"] for c in problem["customers"] if c["cls"] == 0)
    bad = tmp_path / "bad.csv"
    bad.write_text(
        f"customer,period,measure,kw\n{protected},2,avoid,5.0\nnobody,2,avoid,5.0\n{protected},3,avoid,nan\n"
    )
    assert shed("check", "--problem", str(folder), "--plan", str(bad), "--format", "json") == 7
    found = {(b["customer"], b["period"], b["rule"]) for b in json.loads(capsys.readouterr().out)}
    assert (protected, 2, "protected") in found
    assert {"unknown_customer", "bad_kw"} <= {rule for _, _, rule in found}


def spoil_meta(problem: Problem) -> None:
    problem["meta"]["blocks"] = [[2, 5], [4, 7]]


def spoil_negative_block(problem: Problem) -> None:
    problem["meta"]["blocks"] = [[-1, 5], [5, 7]]


def spoil_kw(problem: Problem) -> None:
    problem["customers"][3]["shift_kw"] = -4


def spoil_nan(problem: Problem) -> None:
    problem["loads"]["c4"][2] = "nan"


def spoil_unknown(problem: Problem) -> None:
    problem["loads"]["stranger"] = [1.0] * 12


def spoil_area(problem: Problem) -> None:
    problem["areas"] = [["nowhere", 2, 50.0]]


@pytest.mark.parametrize(
    ("spoil", "file", "place", "word"),
    [
        (spoil_meta, "meta.json", "row", "overlaps"),
        (spoil_negative_block, "meta.json", "row", "-1"),
        (spoil_kw, "customers.csv", "line", "-4"),
        (spoil_nan, "baseline.csv", "line", "finite"),
        (spoil_unknown, "baseline.csv", "line", "stranger"),
        (spoil_area, "areas.csv", "line", "no customer"),
    ],
)
def test_faulty_input_exits_4_and_names_file_and_row(
    *,
    problem: Problem,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: object,
    file: str,
    place: str,
    word: str,
) -> None:
    spoil(problem)
    folder, out = write(problem, tmp_path / "p"), tmp_path / "plan.csv"
    assert shed("plan", "--problem", str(folder), "--out", str(out), "--format", "json") == 4
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["where"]["file"] == file
    assert place in error["where"]
    assert word in error["message"]
    assert not out.exists()


@pytest.mark.parametrize(
    ("approved", "until", "protected", "code"),
    [("gov", "2025-12-31", 0, 0), ("", "2025-12-31", 0, 8), ("gov", "2025-07-14", 0, 8), ("gov", "2025-12-31", 1, 8)],
)
def test_priority_table_must_be_approved_and_valid(
    *, problem: Problem, tmp_path: Path, approved: str, until: str, protected: int, code: int
) -> None:
    folder = write(problem, tmp_path / "p")
    account = next(c["id"] for c in problem["customers"] if c["cls"] > 0)
    (folder / "priority.csv").write_text(
        "seq,version,approved_by,approval_no,valid_from,valid_to,account_no,protected\n"
        f"1,v1,{approved},7,2025-01-01,{until},{account},{protected}\n"
    )
    assert shed("plan", "--problem", str(folder), "--out", str(tmp_path / "plan.csv"), "-q") in (
        (code,) if code else (0, 6)
    )


def test_safety_load_above_the_baseline_is_a_warning_and_no_room(
    problem: Problem, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    customer = next(c for c in problem["customers"] if c["cls"] > 0)
    customer["safety_kw"] = 5000
    folder, out = write(problem, tmp_path / "p"), tmp_path / "plan.csv"
    assert shed("plan", "--problem", str(folder), "--out", str(out), "--lang", "en") in (0, 6)
    assert f"customer '{customer['id']}': the safety load" in capsys.readouterr().err
    assert customer["id"] not in {row["customer"] for row in csv.DictReader(out.read_text().splitlines())}


def test_planning_again_needs_both_options(problem: Problem, tmp_path: Path) -> None:
    folder, out = write(problem, tmp_path / "p"), tmp_path / "plan.csv"
    assert shed("plan", "--problem", str(folder), "--out", str(out), "-q") in (0, 6)
    again = ["plan", "--problem", str(folder), "--out", str(tmp_path / "again.csv"), "--replan", str(out), "-q"]
    assert shed(*again) == 2
    assert shed(*again, "--from", "2025-07-15T09:15+08:00") in (0, 6)
