"""Polling by the registry: plans, due times, what is stored, and what a crash leaves."""

import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zoneinfo

import pytest
import sqlalchemy as sa

from keyacct import clock, wire
from keyacct.cli.run import run
from keyacct.config import open_workspace
from keyacct.database import acquisition_tables as tables
from keyacct.database.engine import open_database
from keyacct.errors import RefusedError
from keyacct.store.read import read_table
from keyacct.workflow.poll_due import due_jobs, latest_due, missed_between
from keyacct.workflow.poll_round import poll_lock, run_round
from keyacct.workflow.poll_targets import read_plans, read_targets
from keyacct.workflow.workspace import init_workspace

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
NOW = "2026-07-01T08:20:00+08:00"


@pytest.fixture(autouse=True)
def _clock():
    clock.fix(NOW)
    yield
    clock.fix(None)


def address_of(frame):
    """Address of a request that has four wake-up bytes."""
    return frame[5:11][::-1].hex()


def identifier_of(frame):
    return bytes((byte - 0x33) % 256 for byte in frame[14:18])[::-1].hex().upper()


def voltage_of(address):
    """What the meter of an address says: a number of its own."""
    return 200 + int(address) % 500 / 10


def answer(request):
    address, di = address_of(request), identifier_of(request)
    value = voltage_of(address) if di == "02010100" else 123.45
    return wire.encode({"address": address, "control": "0x91", "di": di, "values": [value]}, "dlt645-2007")


def registry_text(ports, meters, *, items="voltage_a,active_import", schedule="*/15 * * * *", timeout_s=0.3):
    """Lines to the ports, `meters` meters on each."""
    parts = []
    for line, port in enumerate(ports):
        parts.append(
            f'[[poll_line]]\npoll_line = "L{line}"\nlink = "socket://127.0.0.1:{port}"\ntimeout_s = {timeout_s}\n'
        )
        for number in range(meters):
            address = line * 1000 + number + 1
            name = f"M{line}-{number}"
            parts.append(
                f'[[meter]]\nmeter_no = "{name}"\nprotocol = "dlt645-2007"\naddress = "{address:012d}"\n'
                f'[[meter_link]]\nmeter_no = "{name}"\npoll_line = "L{line}"\npoll_group = "g{line}"\n'
            )
    parts.append(
        f'[[poll_plan]]\npoll_plan = "quarter"\nitems = "{items}"\nschedule = "{schedule}"\n'
        '[[poll_assignment]]\npoll_plan = "quarter"\n'
    )
    return "\n".join(parts)


@pytest.fixture
def office(tmp_path, respond, capsys):
    """A workspace with two lines of three meters each that all answer; and the two servers."""

    def make(answers=(answer, answer), meters=3, **more):
        servers = [respond(one) for one in answers]
        folder = tmp_path / "office"
        init_workspace(folder)
        (tmp_path / "poll.toml").write_text(registry_text([s.port for s in servers], meters, **more))
        assert run(["registry", "import", str(tmp_path / "poll.toml"), "--workspace", str(folder)]) == 0
        capsys.readouterr()
        clock.fix(NOW)
        return open_workspace(folder), servers

    return make


def jobs_of(workspace):
    return due_jobs(workspace, read_targets(workspace), read_plans(workspace), clock.now())


def stored(workspace, family="voltage"):
    day = dt.datetime(2026, 7, 1, tzinfo=ZONE).timestamp() * 1000
    return read_table(workspace, family, int(day), int(day) + 2 * 86_400_000).to_pylist()


def marks(workspace):
    with open_database(workspace).read() as connection:
        return [dict(row) for row in connection.execute(sa.select(tables.poll_mark)).mappings()]


def tally(workspace):
    with open_database(workspace).read() as connection:
        return dict(connection.execute(sa.select(tables.poll_tally)).mappings().one())


def test_what_is_due_is_asked_once_and_stored_under_its_meter(office):
    workspace, servers = office()
    result = run_round(workspace, jobs_of(workspace))
    assert (result.first_pass_rate, result.final_rate) == (1.0, 1.0)
    rows = stored(workspace)
    assert {row["meter"]: float(row["a"]) for row in rows} == {
        f"M{line}-{n}": voltage_of(f"{line * 1000 + n + 1:012d}") for line in (0, 1) for n in range(3)
    }
    assert {float(row["import"]) for row in stored(workspace, "energy")} == {123.45}
    asked = sum(len(server.requests) for server in servers)
    assert asked == 12
    assert jobs_of(workspace) == []
    clock.fix("2026-07-01T08:30:00+08:00")
    assert len(jobs_of(workspace)) == 6


def test_an_item_that_failed_is_asked_again_for_the_same_due_time_and_only_that(office):
    broken = {"M": True}

    def flaky(request):
        return None if broken["M"] and address_of(request) == "000000000002" else answer(request)

    workspace, servers = office((flaky,))
    result = run_round(workspace, jobs_of(workspace), retries=0)
    assert {(one.meter, one.failure.cause) for one in result.failed} == {("M0-1", "timeout")}
    assert result.final_rate == 4 / 6
    (job,) = jobs_of(workspace)
    assert (job.target.meter_no, len(job.items), job.tries) == ("M0-1", 2, 1)
    broken["M"] = False
    before = len(servers[0].requests)
    run_round(workspace, [job])
    assert len(servers[0].requests) - before == 2
    assert jobs_of(workspace) == []
    counts = tally(workspace)
    assert (counts["scheduled"], counts["first_pass"], counts["final"]) == (6, 4, 6)
    assert len(stored(workspace)) == 3


def test_after_so_many_tries_a_due_time_is_given_up_and_the_failure_stays_on_the_list(office, capsys):
    workspace, _ = office((lambda _: None,), meters=1)
    for _ in range(workspace.settings.poll.tries_per_due):
        (job,) = jobs_of(workspace)
        run_round(workspace, [job], retries=0)
    assert jobs_of(workspace) == []
    assert run(["poll", "--failing", "--format", "json", "--workspace", str(workspace.root)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {(row["meter_no"], row["item"], row["cause"], row["times"]) for row in rows} == {
        ("M0-0", "voltage_a", "timeout", 3), ("M0-0", "active_import", "timeout", 3),
    }  # fmt: skip


def test_after_downtime_the_last_due_time_is_served_and_the_missed_ones_are_counted(office):
    workspace, _ = office()
    run_round(workspace, jobs_of(workspace))
    clock.fix("2026-07-01T10:02:00+08:00")  # 08:30 … 09:45 had nobody
    jobs = jobs_of(workspace)
    assert {job.due_at_ms for job in jobs} == {int(dt.datetime(2026, 7, 1, 10, tzinfo=ZONE).timestamp() * 1000)}
    run_round(workspace, jobs)
    assert {mark["missed"] for mark in marks(workspace)} == {6}


@pytest.mark.parametrize(
    ("schedule", "now", "last"),
    [
        ("*/15 * * * *", (2026, 7, 1, 8, 15), (2026, 7, 1, 8, 15)),
        ("0 * * * *", (2026, 7, 1, 8, 59), (2026, 7, 1, 8, 0)),
        ("5 0 1,11,21 * *", (2026, 7, 10, 1, 0), (2026, 7, 1, 0, 5)),
        ("settlement", (2026, 3, 30, 1, 0), (2026, 2, 28, 0, 0)),  # reading day 31 is a short month's last
        ("settlement", (2026, 3, 31, 0, 0), (2026, 3, 31, 0, 0)),
    ],
)
def test_due_times(schedule, now, last):
    assert latest_due(schedule, dt.datetime(*now, tzinfo=ZONE), 31) == dt.datetime(*last, tzinfo=ZONE)


def test_missed_due_times_are_counted_as_a_slow_reference_does():
    before, last = dt.datetime(2026, 7, 1, 8, tzinfo=ZONE), dt.datetime(2026, 7, 1, 12, tzinfo=ZONE)
    slow = sum(1 for minute in range(1, 240) if minute % 15 == 0)
    assert missed_between("*/15 * * * *", before, last) == slow


def test_the_settlement_day_is_the_accounts_own(office, tmp_path):
    workspace, _ = office((answer,), meters=2, schedule="settlement")
    (tmp_path / "account.toml").write_text(
        '[[account]]\naccount_no = "A"\naccount_name = "A"\nreading_day = 25\n[[point]]\npoint = "P"\nkind = "billing"\n'
        '[[point_account]]\npoint = "P"\naccount_no = "A"\n[[meter_point]]\nmeter_no = "M0-1"\npoint = "P"\n'
    )
    assert run(["registry", "import", str(tmp_path / "account.toml"), "--workspace", str(workspace.root)]) == 0
    clock.fix(NOW)
    due = {job.target.meter_no: dt.datetime.fromtimestamp(job.due_at_ms / 1000, ZONE) for job in jobs_of(workspace)}
    assert due["M0-0"] == dt.datetime(2026, 7, 1, tzinfo=ZONE)
    assert due["M0-1"] == dt.datetime(2026, 6, 25, tzinfo=ZONE)


def test_two_devices_of_one_modbus_unit_on_two_lines_are_two_meters(office, tmp_path, respond):
    def device(value):
        def reply(request):
            head, unit = request[:2], request[6]
            return wire.encode(
                {"transaction": int.from_bytes(head, "big"), "unit": unit, "function": 4, "registers": [value, 0]},
                "modbus-tcp",
            )

        return respond(reply)

    workspace, _ = office(meters=0)
    # 230.0 and 115.0 as float32, high word first
    for name, value in (("X", 0x4366), ("Y", 0x42E6)):
        text = (
            f'[[poll_line]]\npoll_line = "{name}"\nlink = "modbus+tcp://127.0.0.1:{device(value).port}"\n'
            f'[[meter]]\nmeter_no = "{name}"\nprotocol = "modbus-tcp"\naddress = "1"\n'
            f'[[meter_link]]\nmeter_no = "{name}"\npoll_line = "{name}"\nregister_model = "sdm630"\n'
        )
        (tmp_path / "m.toml").write_text(text)
        assert run(["registry", "import", str(tmp_path / "m.toml"), "--workspace", str(workspace.root)]) == 0
    assert run(["poll", "X", "Y", "--item", "voltage_a", "--workspace", str(workspace.root), "--now", NOW]) == 0
    assert {row["meter"]: float(row["a"]) for row in stored(workspace)} == {"X": 230.0, "Y": 115.0}


def test_two_processes_never_poll_a_workspace_at_once(office):
    workspace, _ = office(meters=1)
    with poll_lock(workspace), pytest.raises(RefusedError, match="is polling"), poll_lock(workspace):
        pass
    with poll_lock(workspace):
        pass


def test_an_interrupted_round_keeps_what_was_read_and_the_next_one_asks_the_rest(office):
    workspace, _ = office((answer,), meters=4)
    seen = []

    def interrupt(progress):
        seen.append(progress.done)
        if progress.done == 3:
            raise KeyboardInterrupt

    result = run_round(workspace, jobs_of(workspace), progress=interrupt)
    assert result.interrupted
    read = len(stored(workspace)) + len(stored(workspace, "energy"))
    assert read >= 3
    rest = jobs_of(workspace)
    assert sum(len(job.items) for job in rest) == 8 - read
    run_round(workspace, rest)
    assert len(stored(workspace)) == len(stored(workspace, "energy")) == 4
    assert jobs_of(workspace) == []
    assert tally(workspace)["scheduled"] == tally(workspace)["final"] == 8


CHILD = """
import sys
from keyacct import clock
from keyacct.config import open_workspace
from keyacct.workflow.poll_due import due_jobs
from keyacct.workflow.poll_round import poll_lock, run_round
from keyacct.workflow.poll_targets import read_plans, read_targets
workspace = open_workspace(sys.argv[1])
with poll_lock(workspace):
    jobs = due_jobs(workspace, read_targets(workspace), read_plans(workspace), clock.now())
    def tell(progress):
        print(progress.done, flush=True)
    run_round(workspace, jobs, progress=tell)
"""


def test_killed_in_mid_round_and_started_again_it_is_complete_without_duplicates(office):
    def slow(request):
        time.sleep(0.01)
        return answer(request)

    workspace, _ = office((slow, slow), meters=15)
    toml = workspace.root / "keyacct.toml"
    toml.write_text(toml.read_text() + "\n[poll]\ncommit_items = 7\n" if "\n[poll]" not in toml.read_text()
                    else toml.read_text().replace("# commit_items = 2000", "commit_items = 7"))  # fmt: skip
    workspace = open_workspace(workspace.root)
    kills = 0
    for at in (9, 20):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(workspace.root)], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "KEYACCT_NOW": NOW},
        ) as child:  # fmt: skip
            for line in child.stdout:
                if int(line) >= at:
                    child.send_signal(signal.SIGKILL)
                    kills += 1
                    break
    assert kills == 2
    run_round(workspace, jobs_of(workspace))
    assert jobs_of(workspace) == []
    for family, column in (("voltage", "a"), ("energy", "import")):
        rows = stored(workspace, family)
        assert len({row["meter"] for row in rows}) == len(rows) == 30
        assert all(row[column] is not None for row in rows)
    counts = tally(workspace)
    assert (counts["scheduled"], counts["final"]) == (60, 60)


def test_urgent_work_is_asked_before_the_schedule_and_backfill_last(office):
    from keyacct.capture.items import ItemCatalogue
    from keyacct.workflow.poll_due import Job
    from keyacct.workflow.poll_targets import PRIORITIES

    workspace, servers = office((answer,), meters=4)
    target = read_targets(workspace)
    item = ItemCatalogue().find("voltage_a", "dlt645-2007")
    order = ["backfill", "schedule", "alarm", "on_demand"]
    jobs = [Job(target[f"M0-{n}"], (item,), PRIORITIES[name]) for n, name in enumerate(order)]
    run_round(workspace, jobs)
    asked = [int(address_of(request)) - 1 for request in servers[0].requests]
    assert [order[n] for n in asked] == ["alarm", "on_demand", "schedule", "backfill"]


def test_many_lines_with_failing_meters_success_is_what_the_truth_says(office):
    dead = {f"{line * 1000 + 3:012d}" for line in range(0, 20, 4)}

    def mixed(request):
        return None if address_of(request) in dead else answer(request)

    workspace, _ = office((mixed,) * 20, meters=5, timeout_s=1.5)
    result = run_round(workspace, jobs_of(workspace), retries=1)
    assert {one.address for one in result.failed} == dead
    assert result.final_rate == (200 - 2 * len(dead)) / 200
    assert len(stored(workspace)) == 100 - len(dead)
    run_round(workspace, jobs_of(workspace), retries=0)
    assert len(stored(workspace)) == 100 - len(dead)


def test_the_command_tells_status_and_metrics(office, capsys, tmp_path):
    workspace, _ = office()
    where = ["--workspace", str(workspace.root), "--now", NOW]
    assert run(["poll", "--due", *where, "--format", "json", "--metrics", str(tmp_path / "k.prom")]) == 0
    told = capsys.readouterr()
    (row,) = json.loads(told.out)
    assert (row["items"], row["read"], row["first_pass_rate"], row["final_rate"]) == (12, 12, 1.0, 1.0)
    assert json.loads(told.err.splitlines()[-1])["event"] == "poll_round"
    assert run(["poll", "--due", *where]) == 0
    assert "nothing is due" in capsys.readouterr().err
    assert run(["poll", "--status", *where, "--format", "json"]) == 0
    (status,) = json.loads(capsys.readouterr().out)
    assert (status["plan"], status["meters"], status["due"], status["final_rate"]) == ("quarter", 6, 0, 1.0)
    text = (tmp_path / "k.prom").read_text()
    assert 'keyacct_poll_success_ratio{plan="quarter"} 1.0' in text


def test_the_command_polls_by_name_group_and_all(office, capsys):
    workspace, _ = office()
    where = ["--workspace", str(workspace.root), "--now", NOW, "--format", "json"]
    for words, meters in ((["M0-1"], 1), (["--group", "g1"], 3), (["--all"], 6)):
        assert run(["poll", *words, "--item", "voltage_a", *where]) == 0
        assert len(json.loads(capsys.readouterr().out)) == meters
    assert run(["poll", "M9", *where]) == 2
    assert run(["poll", *where]) == 2
    assert run(["poll", "--all", "--dry-run", *where]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 6


def test_the_timeout_of_the_command_line_holds_for_meters_of_the_registry(office, capsys):
    def slow(request):
        time.sleep(0.6)  # longer than the 0.3 s of the line
        return answer(request)

    workspace, _ = office(answers=(slow,), meters=1)
    words = ["poll", "M0-0", "--item", "voltage_a", "--retries", "0", "--workspace", str(workspace.root), "--now", NOW]
    assert run([*words, "--format", "json"]) == 5
    capsys.readouterr()
    assert run([*words, "--timeout", "3", "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1
    assert run([*words, "--timeout", "0"]) == 2
    assert run(["read", "M0-0", "voltage_a", "--timeout", "3", "--workspace", str(workspace.root), "--now", NOW]) == 0


def test_a_users_registers_hold_for_meters_of_the_registry(office, capsys, tmp_path):
    def own(request):
        return wire.encode(
            {"address": address_of(request), "control": "0x91", "di": "02FE0001", "data": "3412"}, "dlt645-2007"
        )

    workspace, _ = office(answers=(own,), meters=1)
    file = tmp_path / "own.tsv"
    columns = ["key", "name", "quantity", "phase", "tariff", "kind", "format", "unit", "access", "source"]
    row = ["02FE0001", "line_noise", "voltage", "A", "-", "snapshot", "XXX.X", "V", "r", "maker"]
    file.write_text("# protocol: dlt645-2007\n" + "\t".join(columns) + "\n" + "\t".join(row) + "\n", encoding="utf-8")
    words = [
        "poll",
        "M0-0",
        "--item",
        "line_noise",
        "--workspace",
        str(workspace.root),
        "--now",
        NOW,
        "--format",
        "json",
    ]
    assert run(words) == 2  # nobody knows it
    capsys.readouterr()
    assert run([*words, "--registers", str(file)]) == 0
    assert [row["value"] for row in json.loads(capsys.readouterr().out)] == [123.4]


def test_a_wrong_link_in_the_registry_is_named(office, tmp_path, capsys):
    workspace, _ = office(meters=1)
    (tmp_path / "w.toml").write_text('[[poll_line]]\npoll_line = "bad"\nlink = "http://x"\n')
    assert run(["registry", "import", str(tmp_path / "w.toml"), "--workspace", str(workspace.root)]) == 0
    assert run(["poll", "--all", "--item", "voltage_a", "--workspace", str(workspace.root)]) == 3
    assert "poll_line bad" in capsys.readouterr().err


def test_a_wrong_schedule_is_refused_at_import(office, tmp_path):
    workspace, _ = office(meters=1)
    (tmp_path / "w.toml").write_text('[[poll_plan]]\npoll_plan = "p"\nitems = "voltage_a"\nschedule = "every day"\n')
    assert run(["registry", "import", str(tmp_path / "w.toml"), "--workspace", str(workspace.root)]) == 3


def test_a_service_polls_at_even_times_and_ends_cleanly(office, tmp_path):
    workspace, servers = office((answer,), meters=1)
    told = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(told))
        channel.settimeout(20)
        command = [sys.executable, "-m", "keyacct.cli", "poll", "--all", "--item", "voltage_a", "--every", "1s",
                   "--workspace", str(workspace.root)]  # fmt: skip
        with subprocess.Popen(
            command, env={**os.environ, "NOTIFY_SOCKET": str(told)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        ) as child:  # fmt: skip
            assert channel.recv(100) == b"READY=1"
            assert channel.recv(100).startswith(b"WATCHDOG=1")
            assert channel.recv(100).startswith(b"WATCHDOG=1")
            child.send_signal(signal.SIGTERM)
            _, said = child.communicate(timeout=20)
    assert child.returncode == 0, said
    assert len(servers[0].requests) >= 2


def load_records(request):
    """A meter that keeps every quarter-hour of class 1 and the freezes of midnight."""
    address, di = address_of(request), identifier_of(request)
    plain = bytes((byte - 0x33) % 256 for byte in request[14:-2])
    head = {"address": address, "control": "0x91", "di": di}
    if di.startswith("06"):
        count, stamp = int(plain[4:5].hex()), plain[5:10]
        at = dt.datetime.strptime(stamp[::-1].hex(), "%y%m%d%H%M")  # noqa: DTZ007  a civil time
        data = b""
        for number in range(count):
            now = at + dt.timedelta(minutes=15 * number)
            time_bytes = bytes.fromhex(f"{now:%M%H%d%m%y}")
            volts = bytes.fromhex("0122") * 3  # 220.1 V on each phase
            body = time_bytes + volts + bytes(9) + bytes.fromhex("0050") + b"\xaa" + b"\xaa" * 5
            record = b"\xa0\xa0" + bytes([len(body)]) + body
            data += record + bytes([sum(record) % 256, 0xE5])
        return wire.encode(head | {"data": data.hex()}, "dlt645-2007")
    back = int(di[6:], 16)
    midnight = dt.datetime(2026, 7, 1) - dt.timedelta(days=back - 1)
    data = f"{midnight:%M%H%d%m%y}" if di[4:6] == "00" else f"{back:02d}000000"
    return wire.encode(head | {"data": data}, "dlt645-2007")


def test_backfill_reads_the_missing_intervals_and_midnights_and_nothing_else(office, capsys):
    workspace, servers = office((load_records,), meters=1, items="voltage_a")
    where = ["--workspace", str(workspace.root), "--now", NOW, "--format", "json"]
    assert run(["poll", "--backfill", "2026-06-30", *where]) == 0
    day = int(dt.datetime(2026, 6, 30, tzinfo=ZONE).timestamp() * 1000)
    rows = read_table(workspace, "voltage", day, day + 86_400_001).to_pylist()
    stamps = [row["ts"].astimezone(ZONE) for row in rows]
    first = dt.datetime(2026, 6, 30, 0, 15, tzinfo=ZONE)
    assert stamps == [first + dt.timedelta(minutes=15 * n) for n in range(96)]
    assert {float(row["b"]) for row in rows} == {220.1}
    (freeze,) = read_table(workspace, "energy", day, day + 86_400_001).to_pylist()
    assert freeze["kind"] == "freeze_day"
    assert freeze["ts"].astimezone(ZONE) == dt.datetime(2026, 7, 1, tzinfo=ZONE)
    assert float(freeze["import"]) == 0.01
    asked = len(servers[0].requests)
    assert run(["poll", "--backfill", "2026-06-30", *where]) == 0
    assert len(servers[0].requests) == asked


@pytest.mark.parametrize("option", ["--backfill", "--gaps"])
def test_days_that_are_none_are_refused_by_the_name_of_the_option_that_was_given(office, capsys, option):
    workspace, _ = office(meters=1)
    assert run(["poll", option, "yesterday", "--workspace", str(workspace.root)]) == 2
    assert f"{option} 'yesterday' names no days" in capsys.readouterr().err
