"""Terminals that dial in are asked at their log-in what the store lacks: class 2 data, rows of freeze tables."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import zoneinfo

import pytest

from keyacct import clock
from keyacct.cli.run import run
from keyacct.config import open_workspace
from keyacct.simulation.description import load_description
from keyacct.store.read import read_table
from keyacct.workflow.workspace import init_workspace

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
KEYACCT = [sys.executable, "-m", "keyacct.cli"]
NOW = "2026-07-01T06:00:00+08:00"
ADDRESSES = {"gdw1376.1": "3701-0001", "dlt698.45": "000000000002"}
PLANS = {
    "gdw1376.1": "[clock]\nread = false\n[[read]]\npn = 1\nfn = 25\n",
    "dlt698.45": '[clock]\nread = false\n[[read]]\noad = "20000200"\n',
}
TERMINAL = """
[[terminal]]
protocol = "{protocol}"
master = "127.0.0.1:{port}"
address = "{address}"
  [[terminal.meter]]
  protocol = "dlt645-2007"
  address = "000000005001"
  kw = 12.0
  shape = "flat"
  memory = {{ holes = [["2026-07-01T02:00", "2026-07-01T03:00"]] }}
"""


@pytest.fixture(autouse=True)
def _clock():
    yield
    clock.fix(None)


@pytest.mark.parametrize("protocol", ["gdw1376.1", "dlt698.45"])
def test_what_the_store_lacks_comes_from_what_the_terminal_recorded(tmp_path, protocol):
    folder, address = tmp_path / "office", ADDRESSES[protocol]
    init_workspace(folder)
    point = 1 if protocol == "gdw1376.1" else 0
    (tmp_path / "registry.toml").write_text(
        f'[[terminal]]\nterminal_no = "T"\naddress = "{address}"\nprotocol = "{protocol}"\n[[meter]]\nmeter_no = "M"\n'
        f'[[device]]\nprotocol = "{protocol}"\naddress = "{address}"\npoint_no = {point}\nmeter_no = "M"\n'
    )
    clock.fix("2026-01-01T00:00:00+08:00")
    where = ["--workspace", str(folder)]
    assert (
        run(["registry", "import", str(tmp_path / "registry.toml"), *where, "--now", "2026-01-01T00:00:00+08:00"]) == 0
    )
    (tmp_path / "plan.toml").write_text(PLANS[protocol])
    environment = {**os.environ, "KEYACCT_NOW": NOW, "LANG": "C.UTF-8"}
    command = [*KEYACCT, "listen", "--bind", "127.0.0.1:0", "--protocol", protocol, "--plan", str(tmp_path / "plan.toml"),
               "--rounds", "1", "--backfill", "0", *where]  # fmt: skip
    master = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    port = json.loads(master.stdout.readline())["port"]
    file = tmp_path / "terminals.toml"
    file.write_text(TERMINAL.format(protocol=protocol, port=port, address=address))
    devices = subprocess.Popen([*KEYACCT, "simulate", str(file)], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        _, err = master.communicate(timeout=120)
    finally:
        devices.terminate()
        devices.communicate(timeout=30)
    (meter,) = load_description(file).terminals[0].meters
    workspace = open_workspace(folder)
    begin = int(dt.datetime(2026, 7, 1, tzinfo=ZONE).timestamp() * 1000)
    got = {}
    for family in ("power", "voltage"):
        rows = read_table(workspace, family, begin + 1, begin + 6 * 3_600_000 + 1).to_pylist()
        got[family] = {row["ts"].astimezone(ZONE).replace(tzinfo=None): row for row in rows}
    quarter = dt.timedelta(minutes=15)
    there = {dt.datetime(2026, 7, 1) + n * quarter for n in range(1, 25) if not 8 <= n <= 12}
    assert there <= set(got["power"]), err
    for at in there:
        assert float(got["power"][at]["p"]) == pytest.approx(meter.load.power_kw(at), abs=1e-3)
        assert float(got["voltage"][at]["c"]) == pytest.approx(meter.load.voltage(at, 2), abs=0.06)
    hole = [at for at, row in got["power"].items() if dt.datetime(2026, 7, 1, 2) <= at <= dt.datetime(2026, 7, 1, 3)
            and row["p"] is not None]  # fmt: skip
    assert hole == []
    gaps = [json.loads(line) for line in err.splitlines() if '"gap"' in line]
    assert {(gap["family"], gap["count"], gap["cause"]) for gap in gaps} >= {
        ("power", 24, "open"),
        ("voltage", 24, "open"),
    }
