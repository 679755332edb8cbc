"""From the draft of a workspace to its papers, its evaluation from the store, and the rotation account of the next draft."""

from __future__ import annotations

import csv
import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from office import DAY_BEFORE, EVENT, FOUNDRY, PAPER, load_kw, make_office, with_table
from test_draft import EVENING, QUICK, draft

from keyacct.cli.run import run
from keyacct.config import Workspace, open_workspace
from keyacct.database.engine import open_database
from keyacct.database.shedding_tables import shed_burden, shed_state
from keyacct.workflow.mapping import build_mapping
from keyacct.workflow.samples import import_samples

ORDER = """[order]
number = "D-7"
issued_at = 2026-06-23T09:00:00+08:00
level = "yellow"
"""
AFTER = "2026-06-25T12:00+08:00"
SILENT = (FOUNDRY, 70)
"""The foundry's meter has no value at 17:45 of the event."""


def test_a_draft_becomes_papers_with_its_own_reserve_and_prices(shed, office, tmp_path):
    assert draft(shed, office, tmp_path / "d", target="1200").code == 0
    name = json.loads((tmp_path / "d" / "draft.json").read_text())["draft"]
    (tmp_path / "order.toml").write_text(ORDER)
    found = shed(office, "document", "--draft", name, "--order", tmp_path / "order.toml", "--out", tmp_path / "out",
                 "--as", "html,csv", "--format", "json")  # fmt: skip
    assert found.code == 0, found.err
    page = (tmp_path / "out" / "shed_plan_2026-06-24_en.html").read_text(encoding="utf-8")
    for words in (name, "2026-1", "Works 1", "What one more MW would cost", "D-7"):
        assert words in page, words
    with (tmp_path / "out" / "shed_plan_2026-06-24_en_shed_targets.csv").open(encoding="utf-8") as file:
        told = {row["account"] for row in csv.DictReader(file)}
    with (tmp_path / "d" / "plan.csv").open(encoding="utf-8") as file:
        assert told == {row["customer"] for row in csv.DictReader(file)}
    again = shed(office, "document", "--draft", name, "--order", tmp_path / "order.toml", "--out", tmp_path / "out",
                 "--as", "html,csv", "--format", "json", now="2026-06-23T10:00+08:00")  # fmt: skip
    assert [row["sha256"] for row in again.json] == [row["sha256"] for row in found.json]
    assert shed(office, "document", "--draft", "none", "--order", tmp_path / "order.toml", "--out", tmp_path).code == 3
    extra = ("--draft", name, "--reserve", tmp_path / "d" / "reserve.csv")
    assert shed(office, "document", *extra, "--order", tmp_path / "order.toml", "--out", tmp_path / "x").code == 2


After = tuple[Workspace, str, dict[tuple[str, int], float]]


@pytest.fixture(scope="module")
def event(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[tuple[str, int], float]]:
    """A workspace after its event, to be copied: the draft `d`, and the meters of the afternoon, as far as they obeyed."""
    folder = tmp_path_factory.mktemp("event")
    workspace = with_table(make_office(folder / "office"))
    shared = ["--workspace", str(workspace.root), "--now", DAY_BEFORE]
    wanted = ["--level", "yellow", "--target", "1200", "--out", str(folder / "d")]
    assert run(["shed", "draft", *EVENING, *QUICK, *wanted, *shared]) == 0
    name = json.loads((folder / "d" / "draft.json").read_text())["draft"]
    given: dict[tuple[str, int], float] = {}
    with (folder / "d" / "plan.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["measure"] != "rebound":
                given[row["customer"], int(row["period"])] = float(row["kw"])
    used: dict[tuple[str, int], float] = {}
    lines = ["meter,ts,kw"]
    for number, account in ((1, FOUNDRY), (2, PAPER)):  # whoever else is ordered has no values
        for slot in range(48, 96):
            if (account, slot) == SILENT:
                continue
            kw = round(max(load_kw(account, EVENT, slot) - given.get((account, slot), 0.0), 0.0), 3)
            used[account, slot] = kw
            at = dt.datetime.combine(EVENT, dt.time()) + dt.timedelta(minutes=15 * (slot + 1))
            lines.append(f"M{number},{at.isoformat()},{kw}")
    path = folder / "afternoon.csv"
    path.write_text("\n".join(lines) + "\n")
    mapping = build_mapping(
        {"kw": "power.p"}, {}, {}, meter_column="meter", time_column="ts", kind="interval", stamp="end", side="primary"
    )
    import_samples(workspace, path, mapping)
    return folder, name, used


@pytest.fixture
def after(event, tmp_path) -> After:
    """A workspace of its own after the event."""
    folder, name, used = event
    shutil.copytree(folder / "office", tmp_path / "office")
    shutil.copytree(folder / "d", tmp_path / "d")
    return open_workspace(tmp_path / "office"), name, used


def baseline_of(folder: Path) -> dict[str, list[float]]:
    with (folder / "problem" / "baseline.csv").open() as file:
        return {row["id"]: [float(row[f"p{t}"]) for t in range(len(row) - 1)] for row in csv.DictReader(file)}


def orders_of(folder: Path) -> dict[str, set[int]]:
    """Periods of every account's orders: the whole block, rows or not."""
    blocks = json.loads((folder / "problem" / "meta.json").read_text())["blocks"]
    found: dict[str, set[int]] = {}
    with (folder / "plan.csv").open() as file:
        for row in csv.DictReader(file):
            if row["measure"] != "rebound":
                span = next(b for b in blocks if b[0] <= int(row["period"]) < b[1])
                found.setdefault(row["customer"], set()).update(range(*span))
    return found


def test_an_evaluation_reads_the_store_and_writes_the_rotation_account(shed, after, tmp_path):
    workspace, name, used = after
    found = shed(workspace, "evaluate", "--draft", name, "--show", "burdens", "--format", "json", now=AFTER)
    assert found.code == 6, found.err  # accounts without values, and the foundry's gap
    base, orders = baseline_of(tmp_path / "d"), orders_of(tmp_path / "d")
    wanted: dict[str, tuple[float, float]] = {}
    for account, periods in orders.items():
        given = [base[account][t] - used[account, t] for t in periods if (account, t) in used]
        wanted[account] = (sum(g > 1 for g in given) / 4, sum(max(g, 0) for g in given) / 4)
    rows = {row["customer"]: row for row in found.json}
    assert set(rows) == set(wanted)
    assert any(hours > 0 for hours, _ in wanted.values())
    for account, (hours, kwh) in wanted.items():
        assert rows[account]["borne_h"] == pytest.approx(hours)
        assert rows[account]["borne_kwh"] == pytest.approx(kwh, abs=0.01)
    if FOUNDRY in rows:
        assert rows[FOUNDRY]["measured_h"] == rows[FOUNDRY]["ordered_h"] - 0.25 * (SILENT[1] in orders[FOUNDRY])
    assert account_rows(workspace, name) == {
        account: (pytest.approx(hours), pytest.approx(kwh, abs=0.01)) for account, (hours, kwh) in wanted.items()
    }


def account_rows(workspace: Workspace, name: str) -> dict[str, tuple[Any, Any]]:
    with open_database(workspace).read() as connection:
        rows = connection.execute(shed_burden.select().where(shed_burden.c.draft == name)).mappings()
        return {row["account_no"]: (row["hours"], row["energy_kwh"]) for row in rows}


def test_the_next_draft_reads_the_hours_as_history(shed, after, tmp_path):
    workspace, name, _ = after
    assert shed(workspace, "evaluate", "--draft", name, now=AFTER).code == 6
    borne = account_rows(workspace, name)
    assert draft(shed, workspace, tmp_path / "next", "--date", "2026-06-26", target="900", now=AFTER).code in (0, 6)
    with (tmp_path / "next" / "problem" / "customers.csv").open() as file:
        history = {row["id"]: float(row["hist_h"]) for row in csv.DictReader(file)}
    for account, (hours, _) in borne.items():
        assert history[account] == pytest.approx(hours)
    assert sum(history.values()) > 0


def test_a_repeated_evaluation_takes_the_place_of_the_first(shed, after):
    workspace, name, _ = after
    shed(workspace, "evaluate", "--draft", name, now=AFTER)
    first = account_rows(workspace, name)
    shed(workspace, "evaluate", "--draft", name, now=AFTER)
    assert account_rows(workspace, name) == first
    # With another baseline other hours may come out; still one row an account and day.
    assert shed(workspace, "evaluate", "--draft", name, "--baseline", "like-days", now=AFTER).code == 6
    assert set(account_rows(workspace, name)) == set(first)


def test_nothing_is_written_before_the_end_in_a_dry_run_or_for_a_withdrawn_draft(shed, after, tmp_path):
    workspace, name, _ = after
    early = shed(workspace, "evaluate", "--draft", name, "--out", tmp_path / "out", "--format", "json",
                 now="2026-06-24T17:30+08:00")  # fmt: skip
    assert (early.code, name in early.error["message"]) == (8, True)
    assert not (tmp_path / "out").exists()
    assert shed(workspace, "evaluate", "--draft", name, "--dry-run", now="2026-06-24T17:30+08:00").code == 6
    assert shed(workspace, "evaluate", "--draft", name, "--dry-run", now=AFTER).code == 6
    with open_database(workspace).write() as connection:
        connection.execute(
            shed_state.insert().values(draft=name, number=2, state="withdrawn", reason=None, noted_by="x", noted_at=0)
        )
    refused = shed(workspace, "evaluate", "--draft", name, "--format", "json", now=AFTER)
    assert (refused.code, "withdrawn" in refused.error["message"]) == (8, True)
    assert account_rows(workspace, name) == {}
    (tmp_path / "order.toml").write_text(ORDER)
    paper = ("--draft", name, "--order", tmp_path / "order.toml", "--out", tmp_path / "papers")
    assert shed(workspace, "document", *paper).code == 8
    assert not (tmp_path / "papers").exists()


def test_a_released_draft_becomes_an_evaluated_one(shed, after):
    workspace, name, _ = after
    with open_database(workspace).write() as connection:
        for number, state in enumerate(("approved", "notified", "executing", "released"), 2):
            connection.execute(
                shed_state.insert().values(
                    draft=name, number=number, state=state, reason=None, noted_by="x", noted_at=0
                )
            )
    shed(workspace, "evaluate", "--draft", name, now=AFTER)
    (status,) = shed(workspace, "status", "--format", "json").json
    assert status["state"] == "evaluated"
    shed(workspace, "evaluate", "--draft", name, now=AFTER)
    (status,) = shed(workspace, "status", name, "--format", "json").json
    assert [row["state"] for row in status["states"]].count("evaluated") == 1
    with open_database(open_workspace(workspace.root)).read() as connection:
        actions = [row.action for row in connection.exec_driver_sql("SELECT action FROM audit ORDER BY seq")]
    assert actions.count("shed.evaluate") == 2
