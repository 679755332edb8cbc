"""A slow or failing meter starves nobody on its line, and what is urgent goes first, also from another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest
from park_at_work import at_work

from keyacct import clock
from keyacct.capture.line_lock import LineLock
from keyacct.cli.run import run
from keyacct.simulation.account import registry_text
from keyacct.simulation.device import Habits
from keyacct.workflow.workspace import init_workspace

NOW = "2026-07-01T12:00:00+08:00"
KEYACCT = [sys.executable, "-m", "keyacct.cli"]
PLAN = (
    '[[poll_plan]]\npoll_plan = "quarter"\nitems = "voltage_a,voltage_b,active_import"\nschedule = "*/15 * * * *"\n'
    '[[poll_assignment]]\npoll_plan = "quarter"\n'
)


@pytest.fixture(autouse=True)
def _clock():
    yield
    clock.fix(None)


def line_of(tmp_path, text):
    (tmp_path / "park.toml").write_text(text)
    return at_work(tmp_path / "park.toml")


def workspace_of(tmp_path, park, plan=PLAN):
    folder = tmp_path / "office"
    init_workspace(folder)
    (tmp_path / "registry.toml").write_text(registry_text(park) + plan)
    assert run(["registry", "import", str(tmp_path / "registry.toml"), "--workspace", str(folder)]) == 0
    return folder


def test_a_silent_meter_and_a_slow_one_do_not_keep_the_others_from_being_read(tmp_path, capsys):
    meters = '[[line]]\n[[line.meter]]\nprotocol = "dlt645-2007"\naddress = "100"\ncount = 8\n'
    with line_of(tmp_path, meters) as park:
        all_of_them = park.description.lines[0].meters
        all_of_them[0].trouble = "silent"  # the first to be asked
        all_of_them[1].habits = Habits(late=1.0, late_s=0.25)
        folder = workspace_of(tmp_path, park)
        capsys.readouterr()
        began = time.monotonic()
        code = run(["poll", "--due", "--workspace", str(folder), "--now", NOW, "--timeout", "0.5", "--format", "json"])
        took_s = time.monotonic() - began
        answered = [meter.answered for meter in all_of_them]
        (row,) = json.loads(capsys.readouterr().out)
    assert code == 6
    assert answered[0] == 0
    assert all(count >= 3 for count in answered[1:])
    assert (row["read"], row["failed"], row["first_pass_rate"]) == (21, 3, round(21 / 24, 6))
    # three attempts of one question each, not of every item: the silent meter costs its timeout and no more
    assert all_of_them[0].asked <= 6
    assert took_s < 30


def test_the_first_attempts_of_all_meters_come_before_any_second_one(tmp_path, capsys):
    meters = '[[line]]\n[[line.meter]]\nprotocol = "dlt645-2007"\naddress = "100"\ncount = 5\n'
    with line_of(tmp_path, meters) as park:
        first = park.description.lines[0].meters[0]
        first.trouble = "silent"
        folder = workspace_of(tmp_path, park)
        trace = tmp_path / "order.pcap"
        options = ["--workspace", str(folder), "--now", NOW, "--timeout", "0.4", "--trace", str(trace)]
        assert run(["poll", "--due", *options]) == 6
        requests = [int(n) for n in _addresses(trace.read_bytes())]
    tries = [at for at, number in enumerate(requests) if number == 100]
    others = [at for at, number in enumerate(requests) if number != 100]
    assert tries[0] < max(others) < tries[1]


def _addresses(capture):
    """Addresses of the requests (four wake-up bytes before them) in the order in which they went out."""
    at = 0
    while (at := capture.find(b"\xfe\xfe\xfe\xfe\x68", at)) >= 0:
        yield capture[at + 5 : at + 11][::-1].hex()
        at += 5


@pytest.mark.parametrize("door", ["ad_hoc", "workspace"])
def test_an_on_demand_read_overtakes_a_backfill_that_another_process_runs(tmp_path, door):
    text = '[[line]]\n[[line.meter]]\nprotocol = "dlt645-2007"\naddress = "100"\nlate = 1.0\nlate_s = 0.4\n'
    with line_of(tmp_path, text) as park:
        folder = workspace_of(tmp_path, park)
        clock.fix(NOW)  # of the simulated meter
        place = park.places[0].place
        command = [*KEYACCT, "poll", "--backfill", "2026-07-01", "--workspace", str(folder), "--format", "json"]
        environment = {**os.environ, "KEYACCT_NOW": NOW, "LANG": "C.UTF-8"}
        backfill = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        meter = park.description.lines[0].meters[0]
        until = time.monotonic() + 60
        while meter.answered < 2 and time.monotonic() < until:
            time.sleep(0.05)
        if door == "ad_hoc":
            asked = ["read", "100", "voltage_a", "--link", f"socket://{place}"]
        else:
            asked = ["poll", "100".zfill(12), "--item", "voltage_a", "--workspace", str(folder)]
        done = subprocess.run([*KEYACCT, *asked, "--format", "json"], env=environment, capture_output=True, text=True,
                              timeout=120, check=False)  # fmt: skip
        still_running = backfill.poll() is None
        out, _ = backfill.communicate(timeout=120)
    assert done.returncode == 0, done.stderr
    assert still_running
    assert [row["quality"] for row in json.loads(done.stdout)] == ["good"]
    (summary,) = json.loads(out)
    assert (backfill.returncode, summary["failed"]) == (0, 0)  # it went on behind it and lost nothing


@pytest.mark.parametrize(("asked", "runs", "wanted"), [(0, 1, True), (1, 3, True), (2, 2, False), (3, 2, False)])
def test_only_what_is_more_urgent_wants_a_line(asked, runs, wanted):
    holder, waiter = LineLock("sim-urgent:1"), LineLock("sim-urgent:1")
    holder.take(0)
    thread = threading.Thread(target=waiter.take, args=(30, asked))
    thread.start()
    try:
        seen = False
        until = time.monotonic() + (20 if wanted else 1)
        while not seen and time.monotonic() < until:
            seen = holder.is_wanted(runs)
            time.sleep(0.02)
        assert seen == wanted
    finally:
        holder.give_back()
        thread.join(20)
        waiter.give_back()


def test_who_gave_up_waiting_wants_nothing_any_more():
    from keyacct.errors import LinkError

    holder, waiter = LineLock("sim-gone:1"), LineLock("sim-gone:1")
    holder.take(0)
    try:
        with pytest.raises(LinkError, match="is talking"):
            waiter.take(0.3, 0)
        assert not holder.is_wanted(3)
        waiter.give_back()
    finally:
        holder.give_back()


@pytest.mark.parametrize(
    ("trouble", "code"),
    [("checksum", 6), ("broken_off", 6), ("wrong_address", 6), ("refuses", 6), ("noise", 5), ("silent", 5)],
)
def test_no_device_answered_is_said_only_when_none_did(tmp_path, trouble, code):
    """Exit 5 is for lines on which nobody speaks; a broken answer is a failure of some (6)."""
    meters = '[[line]]\n[[line.meter]]\nprotocol = "dlt645-2007"\naddress = "100"\n'
    with line_of(tmp_path, meters) as park:
        park.description.lines[0].meters[0].trouble = trouble
        folder = workspace_of(tmp_path, park)
        options = ["--now", NOW, "--timeout", "0.3", "--retries", "0"]
        assert run(["poll", "--due", "--workspace", str(folder), *options]) == code
        link = f"socket://{park.places[0].place}"
        assert run(["poll", "--link", link, "--protocol", "dlt645-2007", "--address", "100", "--item", "voltage_a",
                    *options]) == code  # fmt: skip
