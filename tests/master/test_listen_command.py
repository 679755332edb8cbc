"""`keyacct listen` and `keyacct simulate` as their user runs them: two processes, a trace, a store."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from keyacct.capture.master.clocks import ClockBook, ClockRule
from keyacct.capture.master.limits import Limits
from keyacct.capture.master.plan import load_plan
from keyacct.config import parse_settings
from keyacct.errors import InputError

KEYACCT = [sys.executable, "-m", "keyacct.cli"]
TERMINALS = """
[[terminal]]
protocol = "{protocol}"
master = "127.0.0.1:{port}"
address = "{address}"
count = 4
clock_offset_s = 150.0
  [[terminal.meter]]
  protocol = "dlt645-2007"
  address = "000000005001"
  kw = 40.0
"""
PLANS = {
    "gdw1376.1": """
[[read]]
pn = 1
fn = [25, 33]
[[read]]
afn = "0D"
pn = 1
fn = 161
[[relay]]
meter = "000000005001"
di = "00010000"
""",
    "dlt698.45": '[[read]]\noad = ["20000200", "20010200", "20040200", "00100200"]\n',
}


def listening(tmp_path: Path, protocol: str, *more: str) -> tuple[subprocess.Popen[str], int]:
    plan = tmp_path / "plan.toml"
    plan.write_text(PLANS[protocol], encoding="utf-8")
    command = [*KEYACCT, "listen", "--bind", "127.0.0.1:0", "--protocol", protocol, "--plan", str(plan), *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["port"]


def simulating(tmp_path: Path, protocol: str, port: int) -> subprocess.Popen[str]:
    file = tmp_path / "terminals.toml"
    address = "3701-0001" if protocol == "gdw1376.1" else "000000000002"
    file.write_text(TERMINALS.format(protocol=protocol, port=port, address=address), encoding="utf-8")
    return subprocess.Popen(
        [*KEYACCT, "simulate", str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str]:
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    return process.returncode, err


def readings(file: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        row.pop("offset", None)
        found[json.dumps(row, sort_keys=True)] += 1
    return found


@pytest.mark.parametrize("protocol", ["gdw1376.1", "dlt698.45"])
def test_a_replay_of_the_trace_gives_the_same_readings(tmp_path: Path, protocol: str) -> None:
    out, trace, again = tmp_path / "out.jsonl", tmp_path / "trace.pcap", tmp_path / "again.jsonl"
    more = ("--allow-any", "--out", str(out), "--trace", str(trace), "--rounds", "2", "--terminals", "4")
    master, port = listening(tmp_path, protocol, *more)
    devices = simulating(tmp_path, protocol, port)
    _, err = master.communicate(timeout=30)
    assert master.returncode == 0, err
    code, _ = stop(devices)
    assert code == 0
    subprocess.run([*KEYACCT, "replay", str(trace), "--out", str(again)], check=True, capture_output=True, timeout=30)
    heard = readings(out)
    assert heard == readings(again)
    assert sum('"voltage"' in row for row in heard.elements()) == 2 * 4 * 3


def test_what_was_heard_is_in_the_store_after_a_stop(tmp_path: Path) -> None:
    town = tmp_path / "town"
    subprocess.run([*KEYACCT, "init", str(town)], check=True, capture_output=True, timeout=30)
    master, port = listening(tmp_path, "gdw1376.1", "--allow-any", "--workspace", str(town))
    devices = simulating(tmp_path, "gdw1376.1", port)
    assert master.stderr is not None
    logins = 0
    while logins < 4:
        logins += '"login"' in master.stderr.readline()
    signal.sigtimedwait([], 2.0)
    code, err = stop(master, signal.SIGINT)
    stop(devices)
    assert code == 130, err
    sql = "SELECT count(DISTINCT meter) AS meters FROM energy"
    done = subprocess.run(
        [*KEYACCT, "sql", sql, "--format", "json", "--workspace", str(town)],
        check=True, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert json.loads(done.stdout) == [{"meters": 5}]  # four terminals' points and the meter behind


def test_terminals_must_be_named_or_all_be_wanted(tmp_path: Path) -> None:
    command = [*KEYACCT, "listen", "--bind", "127.0.0.1:0", "--out", str(tmp_path / "o.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "--allow" in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[read]]\npn = 1\n", "fn is missing"),
        ("[[read]]\nfn = 1\nafn = '05'\n", "afn '05'"),
        ("[[read]]\nfn = 1\nevery = 'often'\n", "no span of time"),
        ("[[relay]]\nmeter = '1'\ndi = '00010000'\nbaud = 31\n", "baud 31"),
        ("[[reads]]\n", "unknown: reads"),
    ],
)
def test_a_wrong_plan_names_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_plan(file, "gdw1376.1")
    assert told in str(caught.value)


def test_clocks_are_set_within_the_rules_only() -> None:
    import datetime as dt

    def at(hour: int, minute: int, day: int = 1) -> dt.datetime:
        return dt.datetime(2026, 7, day, hour, minute)

    book = ClockBook()
    assert book.judge("t", 30, at(8, 30)) == "right"
    assert book.judge("t", -150, at(8, 30)) == "set"
    assert book.judge("t", 150, at(8, 57)) == "later"
    assert book.judge("t", 150, at(0, 2)) == "later"
    assert book.judge("t", 1000, at(8, 30)) == "too_far"
    book.was_set("t", at(8, 30, 1))
    book.was_set("t", at(8, 30, 5))
    assert book.judge("t", 310, at(8, 30, 20)) == "fault"
    assert book.judge("t", 310, dt.datetime(2026, 9, 1, 8, 30)) == "set"


def test_a_clock_is_not_set_over_a_freeze() -> None:
    import datetime as dt

    book = ClockBook()
    at = dt.datetime(2026, 7, 1, 8, 10)
    assert book.judge("t", -660, at) == "later"  # it shows 07:59: the freeze of 08:00 would be jumped over
    assert book.judge("t", -599, at) == "set"
    assert book.judge("t", 660, dt.datetime(2026, 7, 1, 8, 50)) == "later"  # 09:01: 09:00 would come twice
    assert book.judge("t", 150, dt.datetime(2026, 7, 1, 23, 31)) == "later"
    assert book.judge("t", 150, dt.datetime(2026, 7, 1, 0, 29)) == "later"


def test_rule_and_limits_are_those_of_the_settings() -> None:
    import datetime as dt

    settings = parse_settings({
        "care": {"clock_right_s": 10.0, "terminal_sync_most_s": 100.0, "hour_guard_min": 0, "midnight_guard_min": 0},
        "listen": {"junk_bytes": 4096, "tries": 5, "answer_s": 2.0},
    })  # fmt: skip
    book = ClockBook(ClockRule.of(settings.care))
    assert book.judge("t", 20, dt.datetime(2026, 7, 1, 0, 1)) == "set"
    assert book.judge("t", 101, dt.datetime(2026, 7, 1, 0, 30)) == "too_far"
    limits = Limits.of(settings.listen, answer_s=4.0, tries=None)
    assert (limits.junk, limits.tries, limits.answer_s, limits.frame) == (4096, 5, 4.0, None)
