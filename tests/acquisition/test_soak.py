"""The service and cron at the same lines, one of them killed in between; `nox -s bench` does it for forty rounds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).resolve().parents[1] / "bench" / "soak.py"


def test_whoever_is_killed_the_other_takes_the_lock_and_nothing_is_lost_or_asked_twice(tmp_path):
    file = tmp_path / "figures.json"
    command = [sys.executable, str(SOAK), "--rounds", "3", "--meters", "8", "--seed", "4", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(file.read_text())
    assert told["killed"] >= 1
    assert told["lock take-overs"] == told["killed with the lock"] >= 1
    assert told["readings"] == 3 * 16 * 2
    assert (told["readings lost"], told["doubles"], told["double polls"], told["unfinished rounds"]) == (0, 0, 0, 0)
