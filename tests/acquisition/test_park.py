"""A park of simulated meters in another process, polled by the real command and compared with what the simulator knows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from keyacct.errors import InputError
from keyacct.simulation.description import load_description
from keyacct.simulation.trouble import TROUBLES

BENCH = Path(__file__).resolve().parents[1] / "bench" / "park.py"


def test_a_park_is_read_completely_twice_and_after_a_kill_without_loss_or_doubles(tmp_path):
    """300 meters behind 15 lines, every kind of failure once; `nox -s bench` does the same with 10 000 behind 500."""
    command = [
        sys.executable, str(BENCH), "--lines", "15", "--meters", "20", "--failing", "0.0234", "--commit-items", "80",
        "--timeout", "0.5", "--retries", "1", "--dir", str(tmp_path), "--json", str(tmp_path / "figures.json"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "figures.json").read_text())
    first = told["first"]
    assert first["causes"] == dict.fromkeys(TROUBLES.values(), 2)
    assert (first["items"], first["failed"]) == (600, 14)
    assert first["first_pass_rate"] == round((600 - 14 - 4) / 600, 6)  # two meters lost their first answer
    assert first["final_rate"] == round((600 - 14) / 600, 6)
    assert 0 < told["stored when killed"] < 586
    assert told["killed"]["exit"] == -9


def test_exactly_the_shares_of_the_meters_fail_stumble_and_are_slow_whatever_the_size(tmp_path):
    file = tmp_path / "park.toml"
    file.write_text(
        'seed = 3\n[[line]]\ncount = 7\n[[line.meter]]\nprotocol = "dlt645-2007"\naddress = "1"\ncount = 30\n'
        "failing = 0.1\nslow = 0.05\nslow_s = 2.5\nstumbling = 0.02\n"
    )
    meters = [meter for line in load_description(file).lines for meter in line.meters]
    troubles = [meter.trouble for meter in meters if meter.trouble]
    assert len(meters) == 210
    assert {kind: troubles.count(kind) for kind in TROUBLES} == dict.fromkeys(TROUBLES, 3)
    slow = [meter for meter in meters if meter.habits.late == 1]
    assert {meter.habits.late_s for meter in slow} == {2.5}
    assert (len(troubles), len(slow), sum(meter.stumbles for meter in meters)) == (21, 10, 4)
    assert not any(meter.trouble or meter.stumbles for meter in slow)


@pytest.mark.parametrize("shares", ["failing = 0.7\nslow = 0.4\n", "failing = -0.1\n", "slow = 1.5\n"])
def test_shares_of_more_than_everybody_are_refused(tmp_path, shares):
    file = tmp_path / "park.toml"
    file.write_text(f'[[line]]\n[[line.meter]]\nprotocol = "dlt645-2007"\naddress = "1"\ncount = 10\n{shares}')
    with pytest.raises(InputError, match="shares from 0 to 1"):
        load_description(file)
