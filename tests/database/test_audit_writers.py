"""The audit chain on either database: writers stand in line, and the database itself refuses what is no next row."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from keyacct.config import Workspace, open_workspace
from keyacct.database.engine import open_database
from keyacct.workflow.auditing import check_audit, record
from keyacct.workflow.workspace import init_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    init_workspace(tmp_path / "office")
    marker = tmp_path / "office" / "keyacct.toml"
    text = marker.read_text("utf-8").replace('# anchor = ""', f'anchor = "{tmp_path}/anchor.jsonl"')
    marker.write_text(text, encoding="utf-8")
    return open_workspace(tmp_path / "office")


WRITER = """
import sys
from keyacct.config import open_workspace
from keyacct.workflow.auditing import record
workspace = open_workspace(sys.argv[1])
for n in range(25):
    record(workspace, "test.concurrent", {"writer": sys.argv[2], "n": n})
"""


def test_concurrent_writers_keep_one_chain(workspace: Workspace) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(workspace.root), str(number)]) for number in range(4)
    ]
    assert [process.wait(120) for process in started] == [0, 0, 0, 0]
    found = check_audit(workspace)
    assert (found.broken, found.rows, found.anchored) == (None, 101, 100)
    print("concurrent writers: 4 × 25 rows, one chain of 101, each anchored")


COLUMNS = "(seq, at, action, body, previous_hash, hash)"
REFUSED = [
    "UPDATE audit SET body = '' WHERE seq = 2",
    "DELETE FROM audit WHERE seq = 4",
    "DELETE FROM audit",
    f"INSERT INTO audit {COLUMNS} VALUES (9, 0, 'x', '{{}}', 'p', 'h')",
    f"INSERT INTO audit {COLUMNS} VALUES (0, 0, 'x', '{{}}', 'p', 'h')",
    f"INSERT INTO audit {COLUMNS} VALUES (5, 0, 'x', '{{}}', 'not the last hash', 'h')",
]
if os.environ.get("KEYACCT_TEST_DATABASE") == "postgresql":
    REFUSED += ["TRUNCATE audit", "TRUNCATE billing_freeze CASCADE"]


@pytest.mark.parametrize("statement", REFUSED)
def test_the_database_itself_refuses_what_is_no_next_row(workspace: Workspace, statement: str) -> None:
    for number in range(3):
        record(workspace, "test.row", {"n": number})
    with (
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
        open_database(workspace).write() as connection,
    ):
        connection.exec_driver_sql(statement)
    found = check_audit(workspace)
    assert (found.broken, found.rows) == (None, 4)
