"""The audit chain: whatever is done to it by SQL shows, at the first row concerned; its end by the anchor."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from keyacct.cli.run import run
from keyacct.config import Workspace, open_workspace
from keyacct.database import audit
from keyacct.database.audit_check import check_chain
from keyacct.database.engine import Database, open_database
from keyacct.workflow.auditing import AuditFilter, anchor_now, audit_head, check_audit, list_audit, record
from keyacct.workflow.workspace import init_workspace

ROWS = 9


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; a test takes a copy of its folder."""
    return init_workspace(tmp_path_factory.mktemp("audit") / "office", database_url="").root


@pytest.fixture
def workspace(tmp_path: Path, template: Path) -> Workspace:
    shutil.copytree(template, tmp_path / "office")
    return with_settings(tmp_path / "office", 'anchor = "../anchor.jsonl"', 'operator = "zhang"')


def with_settings(root: Path, *lines: str) -> Workspace:
    file = root / "keyacct.toml"
    text = file.read_text("utf-8")
    for line in lines:
        name = line.partition(" ")[0]
        text = "\n".join(line if old.startswith(f"# {name} =") else old for old in text.splitlines()) + "\n"
    file.write_text(text, encoding="utf-8")
    return open_workspace(root)


def fill(workspace: Workspace, rows: int = ROWS) -> None:
    for number in range(rows):
        record(workspace, "test.row", {"n": number, "text": "日"})


def tamper(workspace: Workspace, *statements: str | tuple[str, tuple[Any, ...]]) -> None:
    """What somebody does who may write to the file: the guards first."""
    connection = sqlite3.connect(workspace.database, isolation_level=None)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"):
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(*((statement,) if isinstance(statement, str) else statement))
    connection.close()


def rehash(workspace: Workspace, start: int) -> None:
    """Make every hash anew from a row on, as one who knows the rule would."""
    connection = sqlite3.connect(workspace.database, isolation_level=None)
    previous = connection.execute("SELECT hash FROM audit WHERE seq = ?", (start - 1,)).fetchone()
    last = previous[0] if previous else "0" * 64
    for seq, body in connection.execute("SELECT seq, body FROM audit WHERE seq >= ? ORDER BY seq", (start,)).fetchall():
        new = hashlib.sha256((last + body).encode()).hexdigest()
        connection.execute("UPDATE audit SET previous_hash = ?, hash = ? WHERE seq = ?", (last, new, seq))
        last = new
    connection.close()


TAMPERINGS: dict[str, tuple[tuple[Any, ...], int, str]] = {
    "body": (("UPDATE audit SET body = replace(body, '\"n\":2', '\"n\":3') WHERE seq = 4",), 4, "changed"),
    "body is no JSON": (("UPDATE audit SET body = '{broken' WHERE seq = 4",), 4, "changed"),
    "body is a number": (("UPDATE audit SET body = 7 WHERE seq = 4",), 4, "changed"),
    "hash": (("UPDATE audit SET hash = upper(hash) WHERE seq = 4",), 4, "changed"),
    "previous hash": (("UPDATE audit SET previous_hash = substr(hash, 1, 64) WHERE seq = 4",), 4, "changed"),
    "time": (("UPDATE audit SET at = at + 1 WHERE seq = 4",), 4, "changed"),
    "time as text": (("UPDATE audit SET at = 'never' WHERE seq = 4",), 4, "changed"),
    "action": (("UPDATE audit SET action = 'test.other' WHERE seq = 4",), 4, "changed"),
    "who": (("UPDATE audit SET who = 'li' WHERE seq = 4",), 4, "changed"),
    "who taken away": (("UPDATE audit SET who = NULL WHERE seq = 4",), 4, "changed"),
    "one row deleted": (("DELETE FROM audit WHERE seq = 4",), 4, "missing"),
    "three rows deleted": (("DELETE FROM audit WHERE seq BETWEEN 4 AND 6",), 4, "missing"),
    "first row deleted": (("DELETE FROM audit WHERE seq = 1",), 1, "missing"),
    "gap closed": (("DELETE FROM audit WHERE seq = 4", "UPDATE audit SET seq = seq - 1 WHERE seq > 4"), 4, "reordered"),
    "two rows exchanged": (
        ("UPDATE audit SET seq = 100 WHERE seq = 4", "UPDATE audit SET seq = 4 WHERE seq = 5",
         "UPDATE audit SET seq = 5 WHERE seq = 100"), 4, "reordered",
    ),
    "foreign row before the first": (
        ("INSERT INTO audit (seq, at, action, body, previous_hash, hash) VALUES (-3, 0, 'x', '{}', 'a', 'b')",),
        -3, "foreign",
    ),
    "row added in the middle": (
        ("UPDATE audit SET seq = seq + 1 WHERE seq = 10",
         "INSERT INTO audit (seq, at, action, body, previous_hash, hash) VALUES (10, 0, 'x', '{}', 'a', 'b')"),
        10, "changed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_the_first_broken_link_is_named(workspace: Workspace, name: str) -> None:
    fill(workspace)
    statements, seq, fault = TAMPERINGS[name]
    assert check_audit(workspace).broken is None
    tamper(workspace, *statements)
    found = check_audit(workspace).broken
    assert found is not None
    assert (found.seq, found.fault) == (seq, fault), found.message
    with open_database(workspace).read() as connection:  # and without an anchor as well
        assert check_chain(connection).broken == found
        assert audit.verify(connection)[1] == seq


def test_a_row_replaced_with_its_hash_breaks_the_link_behind_it(workspace: Workspace) -> None:
    fill(workspace)
    connection = sqlite3.connect(workspace.database)
    previous, body = connection.execute("SELECT previous_hash, body FROM audit WHERE seq = 4").fetchone()
    connection.close()
    body = body.replace('"n":2', '"n":7')
    forged = hashlib.sha256((previous + body).encode()).hexdigest()
    tamper(workspace, ("UPDATE audit SET body = ?, hash = ? WHERE seq = 4", (body, forged)))
    with open_database(workspace).read() as database:
        found = check_chain(database).broken
    assert found is not None
    assert (found.seq, found.fault) == (5, "replaced")
    anchored = check_audit(workspace).broken
    assert anchored is not None
    assert (anchored.seq, anchored.fault) == (4, "rewritten"), "the anchor knows row 4 itself"


@pytest.mark.parametrize("first", [1, 2, 4, ROWS + 1])
def test_a_chain_made_anew_shows_against_the_anchor(workspace: Workspace, first: int) -> None:
    record(workspace, "test.row", {"n": -1})
    fill(workspace)
    tamper(workspace, (f"UPDATE audit SET body = replace(body, '\"os_user\"', '\"os_wser\"') WHERE seq = {first}"))
    rehash(workspace, first)
    with open_database(workspace).read() as connection:
        assert check_chain(connection).broken is None, "by itself the chain holds"
    found = check_audit(workspace).broken
    assert found is not None
    assert (found.seq, found.fault) == ((first, "rewritten") if first > 1 else (1, "anchor"))


@pytest.mark.parametrize("cut", [1, 3, ROWS])
def test_a_cut_tail_shows_against_the_anchor_and_a_kept_head(workspace: Workspace, cut: int) -> None:
    fill(workspace)
    kept = audit_head(workspace)
    assert kept is not None
    tamper(workspace, f"DELETE FROM audit WHERE seq > {ROWS + 1 - cut}")
    found = check_audit(workspace).broken
    assert found is not None
    assert (found.seq, found.fault) == (ROWS + 2 - cut, "truncated")
    assert str(kept.seq) in found.message
    plain = with_settings(workspace.root)
    (workspace.root / "keyacct.toml").write_text('[workspace]\nname = "office"\n', encoding="utf-8")
    plain = open_workspace(workspace.root)
    assert check_audit(plain).broken is None, "without anything outside a cut tail cannot show"
    by_hand = check_audit(plain, [f"{kept.seq}:{kept.hash}"]).broken
    assert by_hand is not None
    assert by_hand.fault == "truncated"


def test_an_emptied_chain_shows_against_a_kept_head(workspace: Workspace) -> None:
    fill(workspace)
    kept = audit_head(workspace)
    assert kept is not None
    tamper(workspace, "DELETE FROM audit")
    found = check_audit(workspace, [f"{kept.seq}:{kept.hash}"]).broken
    assert found is not None
    assert (found.seq, found.fault) == (1, "missing")


def test_a_missing_or_foreign_anchor_is_not_silence(workspace: Workspace) -> None:
    fill(workspace, 2)
    anchor = workspace.root.parent / "anchor.jsonl"
    text = anchor.read_text("utf-8")
    anchor.unlink()
    missing = check_audit(workspace).broken
    assert missing is not None
    assert missing.fault == "anchor"
    lines = text.splitlines()
    anchor.write_text("\n".join([lines[0], "scribble", *lines[1:]]) + "\n", encoding="utf-8")
    scribbled = check_audit(workspace).broken
    assert scribbled is not None
    assert "line 2" in scribbled.message
    anchor.write_text(text + '{"at":"2026-', encoding="utf-8")  # a power cut in the middle of a line
    assert check_audit(workspace).broken is None
    fill(workspace, 1)
    assert check_audit(workspace).broken is None, "the next head begins a line of its own"
    assert check_audit(workspace).anchored == 3


def test_an_anchor_that_cannot_be_written_stops_nothing_and_is_behind(workspace: Workspace) -> None:
    fill(workspace, 1)
    anchor = workspace.root.parent / "anchor.jsonl"
    text = anchor.read_text("utf-8")
    anchor.unlink()
    anchor.mkdir()
    fill(workspace, 2)
    anchor.rmdir()
    anchor.write_text(text, encoding="utf-8")
    found = check_audit(workspace)
    assert found.broken is None
    assert [note.partition(":")[0] for note in found.notes] == ["anchor_behind"]
    anchor_now(workspace)
    assert check_audit(workspace).notes == []


def test_the_database_itself_refuses_what_is_no_next_row(workspace: Workspace) -> None:
    fill(workspace, 3)
    connection = sqlite3.connect(workspace.database, isolation_level=None)
    columns = "(seq, at, action, body, previous_hash, hash)"
    for statement in (
        "UPDATE audit SET body = '' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 4",
        f"INSERT OR REPLACE INTO audit {columns} VALUES (2, 0, 'x', '{{}}', 'p', 'h')",
        f"INSERT OR REPLACE INTO audit {columns} VALUES (4, 0, 'x', '{{}}', 'p', 'h')",
        f"INSERT INTO audit {columns} VALUES (9, 0, 'x', '{{}}', 'p', 'h')",
        f"INSERT INTO audit {columns} VALUES (5, 0, 'x', '{{}}', 'not the last hash', 'h')",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()
    assert check_audit(workspace).rows == 4


def test_secrets_never_get_into_the_chain(workspace: Workspace) -> None:
    planted = ["hunter2", "s3cret-token", "Pa55word-zh", "swordfish"]
    record(
        workspace, "test.secrets",
        {
            "password": planted[0], "nested": [{"access_token": planted[1], "登录密码": planted[2]}],
            "url": f"postgresql://office:{planted[3]}@db.example/keyacct", "account_no": "1000000001",
            "has_password": True,
        },
    )  # fmt: skip
    data = workspace.database.read_bytes() + b"".join(
        file.read_bytes() for file in workspace.root.glob("register.db-*")
    )
    assert [word for word in planted if word.encode() in data] == []
    (row,) = list_audit(workspace, AuditFilter(action="test.secrets"))
    assert row["body"]["url"] == "postgresql://office:(withheld)@db.example/keyacct"
    assert (row["body"]["account_no"], row["body"]["has_password"]) == ("1000000001", True)
    print(f"secrets planted {len(planted)}, found 0")


def test_who_and_when_stand_in_every_row(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYACCT_NOW", "2026-07-01T08:00+08:00")
    record(workspace, "test.a", {"account_no": "1000000001"})
    monkeypatch.setenv(audit.OPERATOR_VARIABLE, "王五")
    monkeypatch.setenv("KEYACCT_NOW", "2026-07-02T08:00+08:00")
    record(workspace, "test.b", {"account_no": "1000000002"})
    rows = list(list_audit(workspace, AuditFilter(action="test")))
    assert [(row["who"], row["at"].isoformat()) for row in rows] == [
        ("zhang", "2026-07-01T08:00:00+08:00"),
        ("王五", "2026-07-02T08:00:00+08:00"),
    ]
    assert {row["os_user"] for row in rows} == {audit.operating_user()}
    seqs = lambda **asked: [row["seq"] for row in list_audit(workspace, AuditFilter(**asked))]  # noqa: E731  short
    assert seqs(who="王五") == [3]
    assert seqs(about="1000000001") == [2]
    assert seqs(about="100%0000001") == [], "what is searched for is text, no pattern"
    assert seqs(limit=1) == [3]
    assert seqs(action="test.a", limit=5) == [2]
    assert seqs(action="tes") == [], "an action is named whole or up to a dot"
    day = rows[1]["at"].timestamp() * 1000
    assert seqs(from_ms=int(day), to_ms=int(day) + 1) == [3]
    assert seqs(after=2) == [3]


def test_verify_names_the_break_and_exits_7(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    fill(workspace)
    command = ["audit", "verify", "--workspace", str(workspace.root), "--format", "json"]
    assert (run(command), capsys.readouterr().out) == (0, "[]\n")
    tamper(workspace, "DELETE FROM audit WHERE seq = 4")
    assert run(command) == 7
    assert [(row["seq"], row["fault"]) for row in json.loads(capsys.readouterr().out)] == [(4, "missing")]


def test_checking_needs_little_memory(tmp_path: Path) -> None:
    """Pages, not the whole chain: the check holds no more than a page of rows."""
    import tracemalloc

    workspace = init_workspace(tmp_path / "office", database_url="")
    first = audit_head(workspace)
    assert first is not None
    previous, rows = first.hash, []
    for seq in range(2, 12_002):
        body = audit.canonical({"seq": seq, "at": 0, "who": "w", "action": "test.many", "body": {"pad": "x" * 500}})
        hash_ = hashlib.sha256((previous + body).encode()).hexdigest()
        rows.append((seq, 0, "w", "test.many", body, previous, hash_))
        previous = hash_
    connection = sqlite3.connect(workspace.database)
    connection.executemany(
        "INSERT INTO audit (seq, at, who, action, body, previous_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
    )
    connection.commit()
    connection.close()
    rows.clear()
    with Database(workspace.database).read() as connection:
        tracemalloc.start()
        found = check_chain(connection)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (found.rows, found.broken) == (12_001, None)
    assert peak < 16 << 20, f"{peak >> 20} MiB"
