"""Care by plan: served once a due time with `poll --due`, again what failed, never beside the rules of setting."""

import json

import pytest
from care_office import meter

from keyacct import clock
from keyacct.cli.run import run
from keyacct.database.care_tables import care_action, care_clock, care_finding
from keyacct.workflow.care.due import due_care, run_care
from keyacct.workflow.poll_due import due_jobs
from keyacct.workflow.poll_status import plan_status
from keyacct.workflow.poll_targets import read_plans, read_targets

PLAN = """
[[poll_plan]]
poll_plan = "care"
items = "ITEMS"
schedule = "0 12 * * *"
[[poll_assignment]]
poll_plan = "care"
"""


def due(office):
    workspace = office.workspace
    return due_care(workspace, read_targets(workspace), read_plans(workspace), clock.now())


def serve(office):
    return run_care(office.at_work(), due(office))


def test_items_of_care_are_no_registers_and_those_beside_them_are_polled(office):
    whole = office([meter(1)])
    whole.registry(PLAN.replace("ITEMS", "care:clock,voltage_a,care:sync"))
    (plan,) = read_plans(whole.workspace)
    assert (plan.items, plan.care) == (("voltage_a",), ("care:clock", "care:sync"))
    jobs = due_jobs(whole.workspace, read_targets(whole.workspace), [plan], clock.now())
    assert [[str(item) for item in job.items] for job in jobs] == [["voltage_a"]]


def test_an_unknown_care_is_refused_by_the_import(office, capsys):
    whole = office([meter(1)])
    file = whole.folder / "wrong.toml"
    file.write_text(PLAN.replace("ITEMS", "care:clocks"))
    assert run(["registry", "import", str(file), "--workspace", str(whole.folder)]) == 3
    assert "care:clocks" in capsys.readouterr().out


def test_a_due_time_is_served_once_and_the_next_day_again(office, move):
    whole = office([meter(1, clock_offset_s=400)], [meter(2, "modbus-rtu")])
    whole.registry(PLAN.replace("ITEMS", "care:clock,care:parameters"))
    summary = serve(whole)
    assert (summary.meters, summary.failed, summary.opened) == (2, 0, 1)
    assert due(whole) == []
    move("2026-07-02T12:20:00+08:00")
    assert [job.care for job in due(whole)] == ["care:clock", "care:parameters"]
    assert serve(whole).opened == 0
    assert len(whole.rows(care_finding)) == 1


def test_clocks_are_set_by_plan_when_no_freeze_is_near(office, move):
    whole = office([meter(1, clock_offset_s=120)])
    whole.registry(PLAN.replace("ITEMS", "care:sync"))
    move("2026-07-01T12:02:00+08:00")
    assert due(whole) == []  # it waits
    move("2026-07-01T12:06:00+08:00")
    assert serve(whole).set == 1
    assert due(whole) == []


def test_without_the_switch_clocks_are_only_read(office):
    whole = office([meter(1, clock_offset_s=120)])
    whole.care(sync_clock=False)
    whole.registry(PLAN.replace("ITEMS", "care:sync"))
    summary = serve(whole)
    assert (summary.set, summary.refused) == (0, ["care.sync_clock is off"])
    assert whole.rows(care_action) == []
    assert whole.rows(care_clock)[0]["verdict"] == "set"


def test_what_failed_is_tried_again_so_often_as_a_plan_may(office):
    whole = office([meter(1, trouble="silent")])
    whole.registry(PLAN.replace("ITEMS", "care:clock"))
    rounds = 0
    while due(whole):
        assert serve(whole).failed == 1
        rounds += 1
    assert rounds == whole.workspace.settings.poll.tries_per_due


@pytest.mark.parametrize("items", ["care:clock", "care:clock,voltage_a"])
def test_poll_due_serves_registers_and_care(office, capsys, items):
    whole = office([meter(1, clock_offset_s=400)])
    whole.registry(PLAN.replace("ITEMS", items))
    arguments = ["poll", "--due", "--workspace", str(whole.folder), "--now", clock.now().isoformat()]
    capsys.readouterr()
    assert run([*arguments, "--dry-run", "--format", "json"]) == 0
    told = [row["items"] for row in json.loads(capsys.readouterr().out)]
    assert ["care:clock"] in told
    assert whole.rows(care_clock) == []
    assert run(arguments) == 0
    assert '"care_round"' in capsys.readouterr().err
    assert [row["device"] for row in whole.rows(care_finding)] == ["M1"]
    clock.fix("2026-07-01T12:20:00+08:00")
    status = {row["plan"]: row for row in plan_status(whole.workspace)}
    assert (status["care care:clock"]["due"], "care" in status) == (0, "voltage_a" in items)
    assert run(arguments) == 0
    assert "nothing is due" in capsys.readouterr().err
