"""What an older database holds is carried over into the present form."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from keyacct.config import Workspace
from keyacct.database.engine import open_database
from keyacct.database.migrate import upgrade
from keyacct.database.sqlite import Database
from keyacct.registry.document import export_registry
from keyacct.workflow.workspace import init_workspace

FIRST = """
INSERT INTO account VALUES ('1', 'Works', 'River Ltd', 'Street 1', '3391', 'critical', '1', 'East', 10, 1000, 800);
INSERT INTO account VALUES ('2', 'Bare', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO point VALUES ('P', NULL, 'billing', 'B');
INSERT INTO point_supply VALUES ('P', 0, 1000, 'Eastgate', 'I', 'L1', 'T1');
INSERT INTO point_supply VALUES ('P', 1000, 4611686018427387904, NULL, 'II', 'L2', NULL);
INSERT INTO meter VALUES ('M', 'dlt645-2007', '1', 'secondary', 15);
INSERT INTO tariff_table VALUES ('T', NULL);
INSERT INTO tariff_slot VALUES ('T', 101, 1231, 'all', 0, 1440, 'flat');
INSERT INTO point_ratio VALUES ('P', 0, 4611686018427387904, '3p4w', 100, 20);
"""


def of_revision(folder: Path, revision: str) -> Workspace:
    """A new workspace whose database has an older form."""
    workspace: Workspace = init_workspace(folder)
    for end in ("", "-wal", "-shm"):
        workspace.database.with_name(f"register.db{end}").unlink(missing_ok=True)
    connection = sqlite3.connect(workspace.database)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    with Database(workspace.database).write() as first:
        upgrade(first, revision)
    return workspace


@pytest.mark.sqlite
def test_the_first_form_is_carried_over_without_loss(tmp_path: Path) -> None:
    workspace = of_revision(tmp_path / "office", "0001")
    connection = sqlite3.connect(workspace.database)
    connection.executescript(FIRST)
    connection.close()
    assert open_database(workspace).integrity() == []
    text = export_registry(workspace)
    for part in (
        '[[customer]]\ncustomer = "River Ltd"\ncustomer_name = "River Ltd"\n',
        '[[account]]\naccount_no = "1"\naccount_name = "Works"\ncustomer = "River Ltd"\nservice_address = "Street 1"\n',
        '[[account_terms]]\naccount_no = "1"\nindustry_code = "3391"\naccount_class = "critical"\ncritical_grade = "1"\n'
        'supply_station = "East"\nvoltage_level_kv = 10\ncontract_capacity_kva = 1000\nrunning_capacity_kva = 800\n',
        '[[busbar]]\nbusbar = "I"\nsubstation = "Eastgate"\n', '[[busbar]]\nbusbar = "II"\nsubstation = "II"\n',
        '[[transformer]]\ntransformer = "T1"\n',
        '[[point_supply]]\npoint = "P"\nsubstation = "Eastgate"\nbusbar = "I"\nsupply_line = "L1"\ntransformer = "T1"\n',
        '[[point_supply]]\npoint = "P"\nbusbar = "II"\nsupply_line = "L2"\n',
        'wiring = "3p4w"\npt = 100\nct = 20\n',
        '[[tariff_slot]]\ntariff_table = "T"\n', 'period = "flat"\n',
    ):  # fmt: skip
        assert part in text, part
    assert text.count("[[account_terms]]") == 1


@pytest.mark.sqlite
def test_what_each_clock_said_last_begins_its_past(tmp_path: Path) -> None:
    workspace = of_revision(tmp_path / "office", "0011")
    connection = sqlite3.connect(workspace.database)
    connection.execute("INSERT INTO care_clock VALUES ('meter', 'M1', 1000, '2026-06-01T00:00:00', 540.5, 1.0, 'set')")
    connection.commit()
    connection.close()
    assert open_database(workspace).integrity() == []
    connection = sqlite3.connect(workspace.database)
    assert connection.execute("SELECT * FROM care_clock_past").fetchall() == [("meter", "M1", 1000, 540.5)]
    connection.close()
