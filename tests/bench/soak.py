"""`poll --due --every` and cron's `poll --due` against the same lines, one of them killed in between, round after round.

    python tests/bench/soak.py [--rounds 40] [--meters 20] [--seed 1] [--json FILE]

Every round is the next quarter hour of a clock that is set. Both poll at once, one is killed with SIGKILL at a random
moment, then cron's next runs finish what is left. In the end the store and the tallies are compared with what had to
come: readings lost, rows that are there twice, readings that were counted twice. Exit 1 when one is not 0.
"""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KEYACCT = [sys.executable, "-m", "keyacct.cli"]
BEGIN = dt.datetime.fromisoformat("2026-07-01T00:15:00+08:00")
ITEMS = {"voltage_a": ("voltage", "a"), "active_import": ("energy", "import")}
PARK = """
[[line]]
count = 2
  [[line.meter]]
  protocol = "dlt645-2007"
  address = "000000000161"
  count = {meters}
  late = 1.0
  late_s = 0.06
"""
PLAN = (
    '[[poll_plan]]\npoll_plan = "quarter"\nitems = "' + ",".join(ITEMS) + '"\nschedule = "*/15 * * * *"\n'
    '[[poll_assignment]]\npoll_plan = "quarter"\n'
)
REFUSED = 8
MOST_RUNS = 6


def start(now: dt.datetime, folder: Path, *options: str) -> subprocess.Popen[str]:
    """A `poll` at a time."""
    environment = {**os.environ, "KEYACCT_NOW": now.isoformat(), "LANG": "C.UTF-8"}
    command = [*KEYACCT, "poll", "--due", *options, "--workspace", str(folder), "--format", "json"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def holder_of(folder: Path) -> int:
    """Process number of who had the lock of the workspace last."""
    try:
        return int((folder / "poll.lock").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def wait_for_holder(folder: Path, both: tuple[subprocess.Popen[str], ...]) -> subprocess.Popen[str]:
    """Which of the two got the lock first."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        pid = holder_of(folder)
        for process in both:
            if process.pid == pid:
                return process
        time.sleep(0.01)
    raise SystemExit("nobody took the lock within a minute")


def one_round(now: dt.datetime, folder: Path, chance: random.Random, told: collections.Counter[str]) -> None:
    """Service and cron at once; one is killed; cron's next runs finish."""
    service, cron = start(now, folder, "--every", "1s"), start(now, folder)
    holder = wait_for_holder(folder, (service, cron))
    time.sleep(chance.uniform(0.0, 1.0))
    both = [service, cron]
    victim = both.pop(holder is cron) if chance.random() < 0.8 else both.pop(holder is not cron)
    (other,) = both
    held = victim is holder and victim.poll() is None
    if victim.poll() is None:
        victim.send_signal(signal.SIGKILL)
        told["killed"] += 1
        told["killed with the lock"] += held
    victim.communicate()
    if other is service:
        time.sleep(chance.uniform(0.0, 1.5))
        other.send_signal(signal.SIGTERM)
    other.communicate(timeout=120)
    told["refused by the lock"] += REFUSED in (service.returncode, cron.returncode)
    for _ in range(MOST_RUNS):
        last = start(now, folder)
        out, _ = last.communicate(timeout=120)
        if last.returncode != 0:
            told[f"exit {last.returncode}"] += 1
            continue
        if not out.strip():
            told["lock take-overs"] += held and holder_of(folder) != victim.pid
            return
        told["runs that found work left"] += 1
    told["unfinished rounds"] += 1


def compare(folder: Path, rounds: int, meters: int, told: collections.Counter[str]) -> None:
    """What is stored, and what the tallies say, against what had to come."""
    from keyacct.config import open_workspace
    from keyacct.store.read import read_table

    workspace = open_workspace(folder)
    begin = int(BEGIN.timestamp() * 1000)
    for family, column in ITEMS.values():
        rows = read_table(workspace, family, begin, begin + rounds * 900_000).to_pylist()
        keys = collections.Counter((row["meter"], row["ts"]) for row in rows if row[column] is not None)
        told["readings"] += len(keys)
        told["readings lost"] += rounds * meters - len(keys)
        told["doubles"] += sum(count - 1 for count in keys.values())
    with sqlite3.connect(folder / "register.db") as database:
        scheduled, final = database.execute("SELECT sum(scheduled), sum(final) FROM poll_tally").fetchone()
    told["double polls"] += max(int(scheduled) - rounds * meters * len(ITEMS), int(final) - int(scheduled), 0)


def quiet(words: list[str]) -> None:
    """A command that has to succeed."""
    subprocess.run([*KEYACCT, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> int:
    """Run, print the figures; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--meters", type=int, default=20, help="on each of the two lines")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chance, told = random.Random(options.seed), collections.Counter[str]()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "park.toml").write_text(PARK.format(meters=options.meters), encoding="utf-8")
        registry = folder / "registry.toml"
        park = subprocess.Popen(
            [*KEYACCT, "simulate", str(folder / "park.toml"), "--registry", str(registry)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            assert park.stdout is not None
            if not park.stdout.readline():
                raise SystemExit("the simulator did not start")
            with registry.open("a", encoding="utf-8") as file:
                file.write(PLAN)
            office = folder / "office"
            quiet(["init", str(office)])
            toml = office / "keyacct.toml"
            text = toml.read_text(encoding="utf-8")
            few = "commit_items = 10"
            text = text.replace("# commit_items = 2000", few) if "[poll]" in text else f"{text}\n[poll]\n{few}\n"
            toml.write_text(text, encoding="utf-8")
            quiet(["registry", "import", str(registry), "--workspace", str(office)])
            for number in range(options.rounds):
                one_round(BEGIN + number * dt.timedelta(minutes=15), office, chance, told)
            compare(office, options.rounds, 2 * options.meters, told)
        finally:
            park.terminate()
            park.communicate(timeout=30)
    names = (
        "killed", "killed with the lock", "lock take-overs", "runs that found work left", "refused by the lock",
        "readings", "readings lost", "doubles", "double polls", "unfinished rounds",
    )  # fmt: skip
    figures = {"rounds": options.rounds, **{name: told[name] for name in names}}
    figures |= {name: count for name, count in sorted(told.items()) if name.startswith("exit ")}
    for name, value in figures.items():
        print(f"{name:<26}{value:>8}")
    print(f"{'seconds':<26}{time.monotonic() - began:>8.0f}")
    if options.json is not None:
        options.json.write_text(json.dumps(figures), encoding="utf-8")
    stuck = told["killed with the lock"] != told["lock take-overs"]
    return int(stuck or any(told[name] for name in ("readings lost", "doubles", "double polls", "unfinished rounds")))


if __name__ == "__main__":
    raise SystemExit(main())
