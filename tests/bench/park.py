"""A park of simulated meters polled by the real `keyacct poll`, in processes of their own. `nox -s bench`.

    python tests/bench/park.py [--lines 500] [--meters 20] [--timeout 2] [--dir DIR] [--json FILE]

The park is `fixtures/meters/park.toml` in the size asked for: 1 % of the meters fail for good, each kind of failure in
turn, 1 % are slow, 0.5 % lose their first answer. Two rounds of the same due time, then in a new workspace one that is
killed in its middle and started again. Everything is compared with what the simulator knows: who was read with which
value, who failed of which cause, first-pass and final success, rows in the files. Exit 1 when anything differs.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FIXTURE = HERE.parents[1] / "fixtures" / "meters" / "park.toml"
NOW = "2026-07-01T08:20:00+08:00"
ITEMS = {"02010100": ("voltage", "a"), "00010000": ("energy", "import")}
PLAN = (
    '[[poll_plan]]\npoll_plan = "quarter"\nitems = "voltage_a,active_import"\nschedule = "*/15 * * * *"\n'
    '[[poll_assignment]]\npoll_plan = "quarter"\n'
)
ENVIRONMENT = {**os.environ, "KEYACCT_NOW": NOW, "LANG": "C.UTF-8"}
KEYACCT = [sys.executable, "-m", "keyacct.cli"]


class Park:
    """The simulator, until `stop`, which gives the truth."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        text = FIXTURE.read_text(encoding="utf-8")
        text = re.sub(r"count = 500\b", f"count = {options.lines}", text)
        text = re.sub(r"count = 20\b", f"count = {options.meters}", text)
        text = re.sub(r"slow_s = [\d.]+", f"slow_s = {options.timeout / 2}", text)
        for name in ("failing", "slow", "stumbling"):
            if (share := getattr(options, name)) is not None:
                text = re.sub(rf"\b{name} = [\d.]+", f"{name} = {share}", text)
        (folder / "park.toml").write_text(text, encoding="utf-8")
        self.truth, self.registry = folder / "truth.jsonl", folder / "park-registry.toml"
        self.process = subprocess.Popen(
            [*KEYACCT, "simulate", str(folder / "park.toml"), "--registry", str(self.registry), "--truth", str(self.truth)],
            env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        if not self.process.stdout.readline():
            raise SystemExit("the simulator did not start")

    def stop(self) -> list[dict[str, Any]]:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=120)
        return [json.loads(line) for line in self.truth.read_text(encoding="utf-8").splitlines()]


def office(folder: Path, park: Park, options: argparse.Namespace) -> Path:
    """A workspace that knows the park."""
    workspace = folder / "office"
    text = park.registry.read_text(encoding="utf-8").replace("link = ", f"timeout_s = {options.timeout}\nlink = ")
    (folder / "registry.toml").write_text(text + PLAN, encoding="utf-8")
    for words in (["init", str(workspace)],
                  ["registry", "import", str(folder / "registry.toml"), "--workspace", str(workspace)]):  # fmt: skip
        subprocess.run([*KEYACCT, *words], env=ENVIRONMENT, check=True, capture_output=True)
    toml = workspace / "keyacct.toml"
    settings = toml.read_text(encoding="utf-8")
    settings, found = re.subn(r"# commit_items = \d+", f"commit_items = {options.commit_items}", settings)
    assert found == 1, "poll.commit_items is not in the file of settings"
    toml.write_text(settings, encoding="utf-8")
    return workspace


def poll(workspace: Path, retries: int, kill_at: int | None = None) -> dict[str, Any]:
    """One `keyacct poll --due`: its row, and what it took. kill_at: kill -9 when so many items are stored."""
    began = time.perf_counter()
    command = [*KEYACCT, "poll", "--due", "--retries", str(retries), "--format", "json",
               "--workspace", str(workspace)]  # fmt: skip
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=out, stderr=err)
        if kill_at is not None:
            while stored_items(workspace) < kill_at:
                if process.poll() is not None:
                    raise SystemExit("the round ended before it could be killed")
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text, told = out.read(), err.read()
    if "Traceback" in told or process.returncode not in (0, 5, 6, -9):
        raise SystemExit(f"exit {process.returncode}\n{told[-3000:]}")
    return {
        **(json.loads(text)[0] if text.strip() else {}), "exit": process.returncode,
        "wall_s": round(time.perf_counter() - began, 2), "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "rss_mib": round(used.ru_maxrss / 1024, 1),
    }  # fmt: skip


def stored_items(workspace: Path) -> int:
    with sqlite3.connect(f"file:{workspace / 'register.db'}?mode=ro", uri=True, timeout=10) as connection:
        (count,) = connection.execute("SELECT coalesce(sum(final), 0) FROM poll_tally").fetchone()
    connection.close()
    return int(count)


def compared(workspace: Path, truth: list[dict[str, Any]]) -> dict[str, int]:
    """Every difference between what is stored and the truth, counted by its kind; all zero when they are equal."""
    import pyarrow.parquet as pq

    from keyacct.config import open_workspace
    from keyacct.store.read import read_table
    from keyacct.workflow.poll_status import failing

    opened = open_workspace(workspace)
    wrong: dict[str, int] = collections.Counter()
    good = {row["meter"]: row for row in truth if row["cause"] is None}
    rows_in_files = collections.Counter()
    for file in workspace.glob("samples/family=*/day=*/*.parquet"):
        rows_in_files[file.parts[-3].removeprefix("family=")] += pq.read_metadata(file).num_rows
    for key, (family, column) in ITEMS.items():
        rows = read_table(opened, family, 0, 4_102_444_800_000).select(["meter", column]).to_pylist()
        found = {row["meter"]: float(row[column]) for row in rows}
        wrong["doubled"] += len(rows) - len(found) + rows_in_files[family] - len(rows)
        wrong["lost"] += len(good.keys() - found.keys())
        wrong["read of a failing meter"] += len(found.keys() - good.keys())
        wrong["other values"] += sum(found[name] != good[name]["said"][key][0] for name in found.keys() & good.keys())
    told = {(row["meter_no"], row["cause"]) for row in failing(opened)}
    wrong["causes"] = len(told ^ {(row["meter"], row["cause"]) for row in truth if row["cause"] is not None})
    return dict(wrong)


def expected(truth: list[dict[str, Any]]) -> dict[str, Any]:
    """What the row of a first round must say."""
    items, per_meter = len(truth) * len(ITEMS), len(ITEMS)
    failed = collections.Counter(row["cause"] for row in truth if row["cause"] is not None)
    stumbled = sum(row["stumbling"] for row in truth)
    missing = per_meter * failed.total()
    return {
        "meters": len(truth), "items": items, "read": items - missing, "failed": missing,
        "first_pass_rate": round((items - missing - per_meter * stumbled) / items, 6),
        "final_rate": round((items - missing) / items, 6),
        "causes": {cause: per_meter * count for cause, count in sorted(failed.items())},
    }  # fmt: skip


def differences(row: dict[str, Any], truth: list[dict[str, Any]]) -> dict[str, Any]:
    wanted = expected(truth)
    found = {**row, "causes": dict(sorted(row["causes"].items()))}
    return {key: [found[key], value] for key, value in wanted.items() if found[key] != value}


def run(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    for name in ("rounds", "killed"):
        (folder / name).mkdir()
    park = Park(folder / "rounds", options)
    try:
        workspace = office(folder / "rounds", park, options)
        first = poll(workspace, options.retries)
        print("first round", first, flush=True)
        second = poll(workspace, options.retries)
        print("second round", second, flush=True)
    finally:
        truth = park.stop()
    exchanges = sum(row["asked"] for row in truth)
    result: dict[str, Any] = {
        "first": first, "second": second, "exchanges": exchanges,
        "us_cpu_per_item": round(first["cpu_s"] / first["items"] * 1e6, 1),
        "of the round": differences(first, truth), "rows of the second round": second["rows_added"],
        "of the store": compared(workspace, truth),
    }  # fmt: skip
    park = Park(folder / "killed", options)
    try:
        workspace = office(folder / "killed", park, options)
        killed = poll(workspace, options.retries, kill_at=expected(truth)["items"] // 3)
        result["stored when killed"] = stored_items(workspace)
        again = poll(workspace, options.retries)
    finally:
        truth = park.stop()
    result |= {"killed": killed, "again": again, "of the store after the kill": compared(workspace, truth)}
    result["equal"] = (
        not result["of the round"] and not second["rows_added"] and killed["exit"] == -9
        and not any(result["of the store"].values()) and not any(result["of the store after the kill"].values())
        and result["stored when killed"] + again["read"] == expected(truth)["read"]
    )  # fmt: skip
    return result


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=500)
    parser.add_argument("--meters", type=int, default=20)
    parser.add_argument("--timeout", type=float, default=2.0)
    parser.add_argument("--retries", type=int, default=2)
    parser.add_argument("--commit-items", type=int, default=2000)
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--json", type=Path)
    for name in ("failing", "slow", "stumbling"):
        parser.add_argument(f"--{name}", type=float)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keyacct-park-", dir=options.dir) as folder:
        result = run(Path(folder), options)
    print(f"{options.lines * options.meters} meters behind {options.lines} lines")
    for key, value in result.items():
        print(key.ljust(28), value)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    return 0 if result["equal"] else 1


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    sys.exit(main())
