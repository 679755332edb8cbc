"""`keyacct shed draft`: the folder it writes, what it never touches, what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from office import BAKERY, CLOSED, FOUNDRY, HOSPITAL, LINES, PAPER, make_office, with_table

from keyacct.database import audit
from keyacct.database.engine import ConstraintError, open_database
from keyacct.database.shedding_tables import shed_burden, shed_draft
from keyacct.plan.checks import check

ROUNDS = "17:00-19:00,19:00-21:00"
EVENING = ("--date", "2026-06-24", "--rounds", ROUNDS)
QUICK = ("--mode", "weights")


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def draft(shed, office, out, *more, level="yellow", target="1500", mode=QUICK, **keywords):
    return shed(office, "draft", *EVENING, *mode, "--level", level, "--target", target, "--out", out, *more, **keywords)


def test_a_draft_is_written_checked_explained_and_recorded(shed, office, tmp_path):
    found = draft(shed, office, tmp_path / "d", "--format", "json", "--order", "DD-17", "--margin", "0.1", mode=())
    assert found.code == 0, found.err
    (header,) = found.json
    folder = tmp_path / "d"
    assert sorted(p.name for p in folder.iterdir()) == [
        "accounts.csv", "draft.json", "explanation.json", "methods.csv", "plan.csv", "problem", "reasons.csv", "reserve.csv",
    ]  # fmt: skip
    assert json.loads((folder / "draft.json").read_text()) == header
    assert header["table"]["version"] == "2026-1"
    assert (header["mode"], header["method"], header["order"]) == ("strict", "optimise", "DD-17")
    assert check(folder / "problem", folder / "plan.csv").accepted
    assert [r["method"] for r in rows_of(folder / "methods.csv")] == ["optimise", "list", "list_hardest_first"]
    assert {r["customer"] for r in rows_of(folder / "reasons.csv")} == set(LINES)
    told = {r["customer"]: r["sentence"] for r in rows_of(folder / "reasons.csv")}
    assert "has no safety load in the registry" in told[BAKERY]
    ordered = {r["customer"] for r in rows_of(folder / "plan.csv")}
    assert {r["customer"] for r in rows_of(folder / "reasons.csv") if r["verdict"] == "chosen"} == ordered
    assert all(block["cost_of_one_more_mw"] is not None for block in header["blocks"])
    assert header["reliefs"][0]["saving_at_most"] == max(r["saving_at_most"] for r in header["reliefs"])
    status = shed(office, "status", "--format", "json").json
    assert header["draft"] in {row["draft"] for row in status}
    with open_database(office).read() as connection:
        actions = [row.action for row in connection.execute(audit.audit.select().order_by(audit.audit.c.seq))]
    assert actions[-1] == "shed.draft"
    # The margin is in the demand, and the plan gives it.
    system = {int(r["period"]): float(r["required_kw"]) for r in rows_of(tmp_path / "d" / "problem" / "system.csv")}
    assert {t for t, kw in system.items() if kw} == set(range(68, 84))
    assert all(kw == 1650 for kw in system.values() if kw)
    given = dict.fromkeys(range(68, 84), 0.0)
    for row in rows_of(tmp_path / "d" / "plan.csv"):
        if row["measure"] != "rebound":
            given[int(row["period"])] += float(row["kw"])
    assert min(given.values()) >= 1650 - 0.01


def test_the_same_input_gives_the_same_bytes(shed, office, tmp_path):
    for name, threads in (("a", "1"), ("b", "2")):
        assert shed(
            office, "draft", "--date", "2026-06-24", "--rounds", ROUNDS, "--level", "red", "--target", "2500", *QUICK,
            "--threads", threads, "--out", tmp_path / name,
        ).code == 0  # fmt: skip
    first = {p.relative_to(tmp_path / "a"): p.read_bytes() for p in (tmp_path / "a").rglob("*") if p.is_file()}
    again = {p.relative_to(tmp_path / "b"): p.read_bytes() for p in (tmp_path / "b").rglob("*") if p.is_file()}
    assert first.keys() == again.keys()
    headers = [json.loads(files.pop(Path("draft.json"))) for files in (first, again)]
    assert first == again
    assert headers[0].pop("draft") != headers[1].pop("draft")
    assert headers[0] == headers[1]


@pytest.mark.parametrize("target", ["2500", "9000"])
def test_protected_unknown_and_closed_accounts_are_never_in_a_plan(shed, office, tmp_path, target):
    found = draft(shed, office, tmp_path / "d", level="red", target=target)
    assert found.code == (6 if target == "9000" else 0)
    ordered = {r["customer"] for r in rows_of(tmp_path / "d" / "plan.csv")}
    # The hospital is kept by its safety data, the bakery has no safety load, the closed works no room above its own.
    assert not ordered & {HOSPITAL, BAKERY, CLOSED}
    assert f"account {HOSPITAL}: its safety data say" in found.err
    assert f"account {BAKERY} has no safety load" in found.err
    assert f"customer '{CLOSED}': the safety load of 9000 kW is above" in found.err


def test_demand_beyond_reach_exits_6_and_names_period_and_area(shed, office, tmp_path):
    target = tmp_path / "target.csv"
    target.write_text("from,to,required_kw,area\n17:00,19:00,900,\n17:00,19:00,5000,L2\n")
    found = shed(office, "draft", "--date", "2026-06-24", "--level", "yellow", "--target", target, "--out", tmp_path / "d",
                 "--format", "json", *QUICK)  # fmt: skip
    assert found.code == 6
    (header,) = found.json
    assert {(row["area"], row["period"]) for row in header["shortfall"]} == {("L2", t) for t in range(68, 76)}
    assert header["shortfall"][0]["at"] == "2026-06-24T17:00:00+08:00"
    assert "area L2 2026-06-24T17:00:00+08:00" in found.err
    assert check(tmp_path / "d" / "problem", tmp_path / "d" / "plan.csv").accepted


def test_a_level_allows_its_measures_only(shed, office, tmp_path):
    draft(shed, office, tmp_path / "blue", level="blue", target="5000")
    draft(shed, office, tmp_path / "red", "--measures", "trip,shift", level="blue", target="7000")
    assert {r["measure"] for r in rows_of(tmp_path / "blue" / "plan.csv")} <= {"shift", "avoid", "rebound"}
    assert {r["measure"] for r in rows_of(tmp_path / "red" / "plan.csv")} == {"shift", "trip", "rebound"}
    header = json.loads((tmp_path / "blue" / "draft.json").read_text())
    assert header["measures"] == ["shift", "avoid"]


def test_the_level_comes_from_the_gap_unless_dispatch_names_another(shed, office):
    gap = ("--target", "1000", "--expected-max", "10000", "--dry-run", "--format", "json")
    found = shed(office, "draft", *EVENING, *QUICK, *gap)
    assert found.json[0]["level"] == "orange"  # exactly 10 %
    found = shed(office, "draft", *EVENING, *QUICK, *gap, "--level", "red")
    assert found.json[0]["level"] == "red"
    assert "that is orange, not red" in found.err
    assert shed(office, "draft", *EVENING, "--target", "1000").code == 2


def test_notices_of_use_plans_hold_and_an_emergency_lifts_them(shed, office, tmp_path):
    hour_before = "2026-06-24T16:15+08:00"
    draft(shed, office, tmp_path / "d", target="600", now=hour_before)
    first = {
        r["measure"] for r in rows_of(tmp_path / "d" / "plan.csv") if r["customer"] == FOUNDRY and int(r["period"]) < 76
    }
    assert not first & {"shift", "avoid"}  # eight hours, one hour
    draft(shed, office, tmp_path / "e", "--emergency", "line fault", target="600", now=hour_before)
    header = json.loads((tmp_path / "e" / "draft.json").read_text())
    assert header["emergency"] == "line fault"
    assert all(r["notice_shift"] == "0" for r in rows_of(tmp_path / "e" / "problem" / "customers.csv"))
    assert (
        header["figures"]["objective"]
        <= json.loads((tmp_path / "d" / "draft.json").read_text())["figures"]["objective"]
    )


def test_bought_response_is_taken_off_and_the_rule_of_2023_asks_for_it(shed, office, tmp_path):
    target = tmp_path / "target.csv"
    target.write_text("from,to,required_kw,demand_response_kw\n17:00,19:00,1500,500\n")
    arguments = ("draft", "--date", "2026-06-24", "--level", "yellow", *QUICK)
    found = shed(office, *arguments, "--target", target, "--margin", "0", "--out", tmp_path / "d")
    system = rows_of(tmp_path / "d" / "problem" / "system.csv")
    assert {r["required_kw"] for r in system} == {"0", "1000"}
    assert "demand response goes first" not in found.err
    target.write_text("from,to,required_kw\n17:00,19:00,1500\n")
    for rules, told in (("ou_2023", True), ("ou_2011", False)):
        found = shed(office, *arguments, "--target", target, "--rules", rules, "--dry-run")
        assert ("demand response goes first" in found.err) is told


def test_hours_borne_rest_an_account_and_count_as_history(shed, tmp_path):
    fresh = with_table(make_office(tmp_path / "office"))
    assert draft(shed, fresh, tmp_path / "one").code == 0
    name = json.loads((tmp_path / "one" / "draft.json").read_text())["draft"]
    with open_database(fresh).write() as connection:
        for day, hours in (("2026-06-23", 8.0), ("2026-06-10", 3.0), ("2026-04-01", 50.0)):
            connection.execute(
                shed_burden.insert().values(
                    draft=name, account_no=PAPER, day=day, hours=hours, energy_kwh=1.0, noted_at=0
                )
            )
    found = draft(shed, fresh, tmp_path / "two", level="red", target="4000")
    customer = {r["id"]: r for r in rows_of(tmp_path / "two" / "problem" / "customers.csv")}[PAPER]
    assert (customer["hist_h"], customer["rest"]) == ("11", "1")
    measures = {r["measure"] for r in rows_of(tmp_path / "two" / "plan.csv") if r["customer"] == PAPER}
    assert measures <= {"shift", "rebound"}
    assert found.code == 6


def test_a_dry_run_records_and_writes_nothing(shed, office, tmp_path):
    before = shed(office, "status", "--format", "json").json
    assert draft(shed, office, tmp_path / "d", "--dry-run").code == 0
    assert not (tmp_path / "d").exists()
    assert shed(office, "status", "--format", "json").json == before


def test_a_failed_check_records_and_publishes_nothing(shed, office, tmp_path, monkeypatch):
    from dataclasses import replace

    from keyacct.plan import planner

    plan = planner.plan

    def spoilt(folder, wishes=None):
        good = plan(folder, wishes)
        lines = good.content.decode().splitlines(keepends=True)
        return replace(good, content="".join([lines[0], *lines[2:]]).encode())

    monkeypatch.setattr(planner, "plan", spoilt)
    before = shed(office, "status", "--format", "json").json
    found = draft(shed, office, tmp_path / "d")
    assert found.code == 1
    assert "breach" in found.err
    assert not (tmp_path / "d").exists()
    assert shed(office, "status", "--format", "json").json == before


def test_status_shows_a_draft_and_writes_its_folder_again(shed, office, tmp_path):
    draft(shed, office, tmp_path / "d")
    name = json.loads((tmp_path / "d" / "draft.json").read_text())["draft"]
    found = shed(office, "status", name, "--out", tmp_path / "again", "--format", "json")
    assert found.json[0]["states"][0]["state"] == "draft"
    for path in (p for p in (tmp_path / "d").rglob("*") if p.is_file()):
        assert (tmp_path / "again" / path.relative_to(tmp_path / "d")).read_bytes() == path.read_bytes()
    assert shed(office, "status", "2020-01-01-1").code == 3
    assert draft(shed, office, tmp_path / "d").code == 2  # a folder that is not empty is left alone
    with pytest.raises(ConstraintError, match="append-only"), open_database(office).write() as connection:
        connection.execute(shed_draft.update().values(unmet_kwh=0.0))


@pytest.mark.parametrize(
    ("text", "row", "word"),
    [
        ("from,to,required_kw\n17:00,19:00,nan\n", 2, "nan"),
        ("from,to,required_kw\n17:00,19:00,-5\n", 2, "-5"),
        ("from,to,required_kw\n17:00,18:00,5\n17:30,19:00,5\n", 3, "17:30 has a demand already"),
        ("from,to,required_kw\n17:05,19:00,5\n", 2, "quarter of an hour"),
        ("from,to,required_kw\n19:00,17:00,5\n", 2, "no span"),
        ("from,required_kw\n17:00,5\n", 1, "'to' is missing"),
    ],
)
def test_a_faulty_demand_exits_4_and_names_file_and_row(shed, office, tmp_path, text, row, word):
    target = tmp_path / "target.csv"
    target.write_text(text)
    found = shed(office, "draft", "--date", "2026-06-24", "--level", "yellow", "--target", target, "--format", "json")
    assert found.code == 4
    assert (found.error["where"]["file"], found.error["where"]["row"]) == ("target.csv", row)
    assert word in found.error["message"]


def test_demands_that_cannot_be_are_named(shed, office, tmp_path):
    target = tmp_path / "target.csv"
    base = ("draft", "--date", "2026-06-24", "--level", "yellow", "--format", "json")
    target.write_text("from,to,required_kw,area\n17:00,19:00,5,L9\n")
    found = shed(office, *base, "--target", target)
    assert (found.code, "'L9' has no account" in found.error["message"]) == (4, True)
    target.write_text("from,to,required_kw\n17:00,19:00,0\n")
    assert shed(office, *base, "--target", target).code == 4
    overlap = shed(office, *base, "--target", "5", "--rounds", "17:00-19:00,18:00-20:00")
    assert (overlap.code, "overlap at 18:00" in overlap.error["message"]) == (2, True)
    for bad in (("--target", "nan"), ("--target", "-3"), ("--rounds", "17:10-19:00", "--target", "5"), ()):
        assert shed(office, *base, *bad).code == 2
    assert shed(office, *base, "--target", tmp_path / "none.csv").code == 4


def test_a_demand_curve_is_cut_into_blocks(shed, office, tmp_path):
    target = tmp_path / "target.csv"
    lines = [
        f"{16 + q // 4}:{q % 4 * 15:02d},{16 + (q + 1) // 4}:{(q + 1) % 4 * 15:02d},{800 + q}" for q in range(4, 16)
    ]
    target.write_text("\n".join(["from,to,required_kw", *lines]) + "\n")
    assert shed(office, "draft", "--date", "2026-06-24", "--level", "yellow", "--target", target, "--out", tmp_path / "d",
                *QUICK).code == 0  # fmt: skip
    meta = json.loads((tmp_path / "d" / "problem" / "meta.json").read_text())
    assert meta["blocks"] == [[68, 76], [76, 80]]
