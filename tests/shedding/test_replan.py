"""Planning a recorded draft again in the middle of its event."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from test_draft import EVENING, QUICK, rows_of

from keyacct.plan.checks import check


def orders(path: Path, *, before: int | None = None) -> set[tuple[str, ...]]:
    return {
        (r["customer"], r["period"], r["measure"], r["kw"])
        for r in rows_of(path)
        if r["measure"] != "rebound" and (before is None or int(r["period"]) < before)
    }


@pytest.fixture(scope="module")
def folder(office, tmp_path_factory):
    """The folder of the draft that is planned again."""
    from keyacct.cli.run import run

    out = tmp_path_factory.mktemp("first") / "first"
    shared = ["--workspace", str(office.root), "--now", "2026-06-23T08:00+08:00", "--out", str(out)]
    assert run(["shed", "draft", *EVENING, *QUICK, "--level", "yellow", "--target", "1200", *shared]) == 0
    return out


@pytest.fixture
def first(folder):
    return json.loads((folder / "draft.json").read_text())["draft"]


def test_without_a_new_demand_nothing_changes(shed, office, tmp_path, folder, first):
    now = "2026-06-24T17:20+08:00"
    found = shed(office, "draft", "--from-draft", first, "--at", "17:30", "--out", tmp_path / "again", "--format", "json", *QUICK,
                 now=now)  # fmt: skip
    assert found.code == 0, found.err
    (header,) = found.json
    assert header["figures"]["changes"] == 0
    assert (header["from_draft"], header["replan_from"]) == (first, "2026-06-24T17:30:00+08:00")
    assert orders(tmp_path / "again" / "plan.csv") == orders(folder / "plan.csv")


def test_what_has_begun_stays_and_the_rest_meets_the_new_demand(shed, office, tmp_path, folder, first):
    now = "2026-06-24T17:20+08:00"
    found = shed(office, "draft", "--from-draft", first, "--at", "17:30", "--target", "2400", "--out", tmp_path / "again",
                 "--format", "json", *QUICK, now=now)  # fmt: skip
    assert found.code in (0, 6), found.err
    begun = orders(folder / "plan.csv", before=76)
    assert begun
    assert begun == orders(tmp_path / "again" / "plan.csv", before=76)
    given = dict.fromkeys(range(76, 84), 0.0)
    for customer, period, measure, kw in orders(tmp_path / "again" / "plan.csv"):
        assert customer
        assert measure
        if int(period) >= 76:
            given[int(period)] += float(kw)
    assert min(given.values()) >= 2400 * 1.05 - 0.01
    # The orders that stand are in fixed.csv, so the folder passes a check that knows nothing of the first draft.
    assert check(tmp_path / "again" / "problem", tmp_path / "again" / "plan.csv").accepted
    assert (tmp_path / "again" / "previous.csv").read_bytes() == (folder / "plan.csv").read_bytes()
    listed = {row["draft"]: row for row in shed(office, "status", "--format", "json").json}
    assert listed[found.json[0]["draft"]]["from_draft"] == first


def test_planning_again_refuses_what_it_cannot_do(shed, office, first):
    assert shed(office, "draft", "--from-draft", first).code == 2
    assert shed(office, "draft", "--from-draft", "2020-01-01-1", "--at", "17:30").code == 3
    assert shed(office, "draft", "--from-draft", first, "--at", "17:30", "--rounds", "08:00-09:00").code == 2
    assert shed(office, "draft", "--from-draft", first, "--at", "half past five").code == 4
    assert (
        shed(office, "draft", "--from-draft", first, "--at", "2027-01-01T00:00", now="2026-06-24T17:20+08:00").code == 2
    )


def test_a_draft_that_is_over_is_not_planned_again(shed, office, first):
    from keyacct.database.engine import open_database
    from keyacct.database.shedding_tables import shed_state

    with open_database(office).write() as connection:
        connection.execute(
            shed_state.insert().values(
                draft=first, number=2, state="withdrawn", reason="test", noted_by="x", noted_at=0
            )
        )
    assert shed(office, "draft", "--from-draft", first, "--at", "17:30").code == 8
    states = shed(office, "status", first, "--format", "csv").out
    assert "withdrawn" in {row["state"] for row in csv.DictReader(states.splitlines())}
