"""A workspace and simulated devices of each protocol, at a fixed time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from keyacct import clock
from keyacct.control.rehearsal import Rehearsal
from keyacct.control.targets import Target
from keyacct.workflow.workspace import init_workspace

sys.path.insert(0, str(Path(__file__).parent))  # control_orders
sys.path.insert(0, str(Path(__file__).parents[1] / "simulation"))  # park_at_work.py

from control_orders import ADDRESSES

NOW = "2026-07-01T10:00:00+08:00"
DESCRIPTION = """
seed = 3
[[line]]
  [[line.meter]]
  protocol = "dlt645-2007"
  address = "000000000161"
  kw = 25.0
[[terminal]]
protocol = "gdw1376.1"
master = "127.0.0.1:1"
address = "3701-0001"
  [[terminal.meter]]
  protocol = "dlt645-2007"
  address = "000000005001"
  kw = 25.0
[[terminal]]
protocol = "dlt698.45"
master = "127.0.0.1:1"
address = "000000000002"
  [[terminal.meter]]
  protocol = "dlt645-2007"
  address = "000000005002"
  kw = 25.0
"""


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setenv("KEYACCT_OPERATOR", "li")
    clock.fix(NOW)
    yield
    clock.fix(None)


@pytest.fixture
def workspace(tmp_path):
    return init_workspace(tmp_path / "office")


@pytest.fixture
def description(tmp_path):
    file = tmp_path / "devices.toml"
    file.write_text(DESCRIPTION, encoding="utf-8")
    return file


@pytest.fixture
def rehearsal(description):
    """Makes the simulated device of a protocol."""
    return lambda protocol: Rehearsal.of_file(description, Target(protocol, ADDRESSES[protocol]))
