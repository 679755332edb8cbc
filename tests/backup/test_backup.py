"""Backup and restore: complete or not there, consistent while others write, every damage named by its file."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from office_days import DAYS, METER, fill

from keyacct.config import Workspace, open_workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError, InputError, WriteError
from keyacct.store.read import read_table
from keyacct.store.verify import verify
from keyacct.workflow.auditing import AuditFilter, check_audit, list_audit
from keyacct.workflow.backup import snapshot, target
from keyacct.workflow.backup.check import verify_backup
from keyacct.workflow.backup.content import backups_in
from keyacct.workflow.backup.manifest import DIGEST, MANIFEST, digest_line
from keyacct.workflow.backup.restore import restore_backup
from keyacct.workflow.backup.take import take_backup, try_backup

FULL = os.environ.get("KEYACCT_FAULTS") == "full"
Empty = Callable[[], str | None]
ALL_TIME = (0, 2**42)


def samples(workspace: Workspace) -> pa.Table:
    return read_table(workspace, "voltage", *ALL_TIME)


def left_over(folder: Path) -> list[str]:
    """What an unfinished backup or restore has left."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith((".partial", ".backup", ".restore")))


def restore(backup: Path, place: Path, empty_database: Empty, **options: Any) -> Workspace:
    done = restore_backup(backup, place, database_url=empty_database(), **options)
    assert done is not None
    return done.workspace


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_what_is_restored_is_what_was_there(
    workspace: Workspace, tmp_path: Path, empty_database: Empty, form: str
) -> None:
    place = tmp_path / ("backups" if form == "folder" else "one.tar")
    taken = take_backup(workspace, place)
    checked = verify_backup(taken.path)
    assert (checked.findings, checked.files) == ([], DAYS + 2)
    before = list(list_audit(workspace, AuditFilter()))
    fill(workspace, DAYS + 1)  # what comes later is not in it
    back = restore(taken.path, tmp_path / "restored", empty_database)
    assert samples(back).num_rows == 96 * DAYS
    assert samples(back).equals(samples(workspace).slice(0, 96 * DAYS))
    assert not verify(back).damaged
    rows = list(list_audit(back, AuditFilter()))
    assert rows[:-1] == before[: len(rows) - 1]
    assert rows[-1]["action"] == "backup.restore"
    assert rows[-1]["body"]["backup"] == taken.manifest.name
    fill(back, 20)  # and it goes on working
    assert samples(back).num_rows == 96 * (DAYS + 1)
    assert left_over(tmp_path) == left_over(back.root) == left_over(workspace.root) == []


def test_a_second_backup_shares_what_did_not_change(workspace: Workspace, tmp_path: Path) -> None:
    first = take_backup(workspace, tmp_path / "backups")
    fill(workspace, DAYS + 1)
    second = take_backup(workspace, tmp_path / "backups")
    assert (first.linked, second.linked) == (0, DAYS)
    segments = [entry for entry in second.manifest.files if entry.path.startswith("samples/")]
    old = [entry for entry in first.manifest.files if entry.path.startswith("samples/")]
    for entry in old:
        assert (first.path / entry.path).samefile(second.path / entry.path)
        assert not (workspace.root / entry.path).samefile(second.path / entry.path), "no link into the live store"
    fresh = sum(entry.bytes for entry in segments) - sum(entry.bytes for entry in old)
    other = sum(entry.bytes for entry in second.manifest.files if entry not in segments)
    assert second.copied_bytes == fresh + other
    assert take_backup(workspace, tmp_path / "backups", full=True).linked == 0
    shutil.rmtree(first.path)
    assert verify_backup(second.path).findings == [], "a backup stands by itself when an earlier one goes"


def test_bit_rot_is_named_by_file_and_nothing_damaged_is_restored(
    workspace: Workspace, tmp_path: Path, empty_database: Empty
) -> None:
    taken = take_backup(workspace, tmp_path / "backups")
    chance = random.Random(7)
    files = [entry.path for entry in taken.manifest.files]
    found = 0
    for number, name in enumerate(files):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(taken.path, copy)
        data = bytearray((copy / name).read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        (copy / name).write_bytes(data)
        checked = verify_backup(copy)
        assert checked.damaged
        found += [(f.code, f.path) for f in checked.findings] == [("damaged", name)]
        with pytest.raises(InputError) as caught:
            restore_backup(copy, tmp_path / "restored", database_url=empty_database())
        assert str(caught.value.where["file"]).endswith(name)
        assert not (tmp_path / "restored").exists()
    print(f"bit rot: {found} of {len(files)} found and named, 0 restored")
    assert found == len(files)


@pytest.mark.parametrize("what", ["missing", "cut", "manifest", "digest", "no manifest", "link", "foreign file"])
def test_other_damage_of_a_backup(workspace: Workspace, tmp_path: Path, what: str, empty_database: Empty) -> None:
    path = take_backup(workspace, tmp_path / "backups").path
    name = next(entry.path for entry in verify_backup(path).manifest.files if entry.path.startswith("samples/"))
    if what == "missing":
        (path / name).unlink()
    elif what == "cut":
        with (path / name).open("r+b") as file:
            file.truncate(100)
    elif what == "manifest":
        (path / MANIFEST).write_bytes((path / MANIFEST).read_bytes().replace(b'"bytes": ', b'"bytes": 1', 1))
    elif what == "digest":
        (path / DIGEST).write_text("0" * 64)
    elif what == "no manifest":
        (path / MANIFEST).unlink()
    elif what == "link":
        (path / name).unlink()
        (path / name).symlink_to("/etc/hostname")
    else:
        (path / "more.txt").write_text("what is this?")
        assert [(f.code, f.path) for f in verify_backup(path).findings] == [("unknown", "more.txt")]
        assert not verify_backup(path).damaged
        restored = restore(path, tmp_path / "restored", empty_database)
        assert not (restored.root / "more.txt").exists()
        return
    if what in ("missing", "cut", "link"):
        assert [f.path for f in verify_backup(path).findings if f.code != "unknown"] == [name]
    else:
        with pytest.raises(InputError):
            verify_backup(path)
    with pytest.raises(InputError):
        restore_backup(path, tmp_path / "restored", database_url=empty_database())
    assert not (tmp_path / "restored").exists()


@pytest.mark.parametrize("bad", ["../outside", "/etc/passwd", "a/../../b"])
def test_a_manifest_cannot_lead_out_of_the_place(workspace: Workspace, tmp_path: Path, bad: str) -> None:
    path = take_backup(workspace, tmp_path / "backups").path
    document = json.loads((path / MANIFEST).read_text())
    document["files"][0]["path"] = bad
    text = json.dumps(document).encode()
    (path / MANIFEST).write_bytes(text)
    (path / DIGEST).write_bytes(digest_line(text))
    with pytest.raises(InputError, match="leads out"):
        restore_backup(path, tmp_path / "restored")
    assert not (tmp_path / "outside").exists()


def test_a_damaged_tar_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    path = take_backup(workspace, tmp_path / "one.tar").path
    with tarfile.open(path) as archive:
        member = next(m for m in archive.getmembers() if "samples/" in m.name)
    data = bytearray(path.read_bytes())
    data[member.offset_data + 50] ^= 4
    path.write_bytes(data)
    assert [(f.code, f.path) for f in verify_backup(path).findings] == [("damaged", member.name.partition("/")[2])]
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError):
        verify_backup(path)
    with pytest.raises(WriteError, match="there already"):
        take_backup(workspace, path)


def test_a_segment_lost_or_damaged_in_the_store_is_said_or_healed(
    workspace: Workspace, tmp_path: Path, empty_database: Empty
) -> None:
    sound = take_backup(workspace, tmp_path / "sound")
    names = [entry.path for entry in sound.manifest.files if entry.path.startswith("samples/")]
    (workspace.root / names[0]).unlink()
    damaged = workspace.root / names[1]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    for place in (tmp_path / "new", tmp_path / "new.tar"):
        taken = take_backup(workspace, place)
        assert [(p.path, p.problem.split()[0]) for p in taken.manifest.problems] == [
            (names[0], "missing"), (names[1], "damaged"),
        ]  # fmt: skip
        assert {f.code for f in verify_backup(taken.path).findings} == {"absent"}
        with pytest.raises(InputError, match="lacks 2 files"):
            restore_backup(taken.path, tmp_path / "restored", database_url=empty_database())
        partly = restore(taken.path, tmp_path / f"partly-{place.name}", empty_database, allow_partial=True)
        assert {f.path for f in verify(partly).findings if f.damage} == set(names[:2])
    healed = take_backup(workspace, tmp_path / "sound")
    assert healed.manifest.problems == ()
    assert verify_backup(healed.path).findings == []


def test_bit_rot_in_an_earlier_backup_is_not_handed_on(workspace: Workspace, tmp_path: Path) -> None:
    first = take_backup(workspace, tmp_path / "backups")
    name = next(entry.path for entry in first.manifest.files if entry.path.startswith("samples/"))
    (first.path / name).write_bytes(b"rotten")
    second = take_backup(workspace, tmp_path / "backups")
    assert second.linked == DAYS - 1
    assert verify_backup(second.path).findings == []


def test_only_an_empty_place_is_restored_into(workspace: Workspace, tmp_path: Path, empty_database: Empty) -> None:
    path = take_backup(workspace, tmp_path / "backups").path
    place = tmp_path / "place"
    place.mkdir()
    (place / "letter.txt").write_text("mine")
    for folder in (place, workspace.root):
        names = sorted(p.name for p in folder.iterdir())
        with pytest.raises(ConfigError) as caught:
            restore_backup(path, folder, database_url=empty_database())
        assert caught.value.code == "config.workspace_exists"
        assert sorted(p.name for p in folder.iterdir()) == names
    (place / "letter.txt").unlink()
    assert samples(restore(path, place, empty_database)).num_rows == 96 * DAYS


def test_a_restored_copy_and_the_one_that_went_on_share_an_anchor(
    workspace: Workspace, tmp_path: Path, empty_database: Empty
) -> None:
    marker = workspace.root / "keyacct.toml"
    text = marker.read_text("utf-8")
    marker.write_text(text.replace('# anchor = ""', f'anchor = "{tmp_path}/anchor.jsonl"'), encoding="utf-8")
    workspace = open_workspace(workspace.root)
    fill(workspace, 10)
    taken = take_backup(workspace, tmp_path / "backups")
    fill(workspace, 11, 12)
    back = restore(taken.path, tmp_path / "restored", empty_database)
    fill(back, 13)
    for office in (workspace, back):
        assert check_audit(office).broken is None
    notes = check_audit(back).notes
    assert any(note.startswith("restored: ") for note in notes), notes
    with open_database(back).read() as connection:
        branch = audit.branch_of(connection)
    (row,) = list_audit(back, AuditFilter(action="backup.restore"))
    assert branch == row["hash"]


def test_a_password_stays_out_of_a_backup(workspace: Workspace, tmp_path: Path) -> None:
    from keyacct.workflow.backup.take import without_password

    text = b'[database]\nurl = "postgresql://clerk:s3cret@db.example/office"\n# url = "postgresql://a:b@c/d"\n'
    assert b"s3cret" not in without_password(text)
    assert b'url = "postgresql://clerk@db.example/office"' in without_password(text)
    taken = take_backup(workspace, tmp_path / "backups")
    address = workspace.settings.database.url
    secret = (address.password() if address is not None else None) or "no secret at all"
    found = [e.path for e in taken.manifest.files if secret.encode() in (taken.path / e.path).read_bytes()]
    assert found == []
    assert (taken.path.stat().st_mode & 0o077, (taken.path / MANIFEST).stat().st_mode & 0o077) == (0, 0)


def child(workspace: Workspace, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "keyacct.cli", *arguments, "--workspace", str(workspace.root)],
        env={**os.environ, **environment}, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_kill_9_leaves_no_half_backup(workspace: Workspace, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    take_backup(workspace, place)
    for step in range(1, 7):
        before = len(backups_in(place))
        process = child(workspace, "backup", "--to", str(place), KEYACCT_CRASH_AT=f"backup-{step}")
        assert process.communicate()[1] is not None
        assert process.returncode == -signal.SIGKILL, step
        assert len(backups_in(place)) == before + (step >= 5), "finished, or not there"
        assert all(verify_backup(path).findings == [] for path in backups_in(place))
        time.sleep(1.1 if step >= 5 else 0)  # a name says the second
    last = take_backup(workspace, place)
    assert verify_backup(last.path).findings == []
    assert left_over(place) == left_over(workspace.root) == []
    print(f"kill -9: 6 of 6 steps, finished backups {len(backups_in(place))}, all whole")


def test_kill_9_at_random_moments(workspace: Workspace, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    chance = random.Random(11)
    kills = 40 if FULL else 5
    for _ in range(kills):
        process = child(workspace, "backup", "--to", str(place))
        time.sleep(chance.uniform(0.3, 1.2))
        process.kill()
        process.communicate()
        assert all(verify_backup(path).findings == [] for path in backups_in(place))
    assert verify_backup(take_backup(workspace, place).path).findings == []
    assert not verify(workspace).damaged
    print(f"kill -9 at random: {kills} of {kills}, half backups 0")


def test_kill_9_while_restoring_can_be_begun_anew(workspace: Workspace, tmp_path: Path, empty_database: Empty) -> None:
    path = take_backup(workspace, tmp_path / "backups").path
    for step in range(1, 4):
        place = tmp_path / f"place{step}"
        url = empty_database()
        options = [] if url is None else [f"--database-url={url}"]
        code = (
            "import sys; from pathlib import Path; from keyacct.workflow.backup.restore import restore_backup\n"
            f"restore_backup(Path({str(path)!r}), Path({str(place)!r}), database_url={url!r})"
        )
        assert options is not None
        process = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "KEYACCT_CRASH_AT": f"restore-{step}"}, check=False
        )
        assert process.returncode == -signal.SIGKILL
        with pytest.raises(ConfigError):
            open_workspace(place)
        assert samples(restore(path, place, empty_database)).num_rows == 96 * DAYS
        assert left_over(place) == []
    print("kill -9 while restoring: 3 of 3 begun anew")


@pytest.mark.parametrize("after", [0, 1, 3, 5, 7])
@pytest.mark.parametrize("form", ["folder", "tar"])
def test_a_full_disk_is_an_error_and_leaves_nothing(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, form: str
) -> None:
    place = tmp_path / "backups"
    kept = take_backup(workspace, place).path
    written = 0
    real = target.os.fsync if form == "tar" else target.sync_file

    def full(*arguments: Any) -> Any:
        nonlocal written
        written += 1
        if written > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    if form == "folder":
        monkeypatch.setattr(target, "sync_file", full)
    else:
        monkeypatch.setattr(target.TarTarget, "_info", lambda *_: full() if after == 0 else _no_space())
    with pytest.raises(WriteError) as caught:
        take_backup(workspace, place if form == "folder" else tmp_path / "one.tar", full=True)
    assert caught.value.code == "write.disk_full"
    monkeypatch.undo()
    assert backups_in(place) == [kept]
    assert not (tmp_path / "one.tar").exists()
    assert left_over(place) == left_over(tmp_path) == left_over(workspace.root) == []
    assert verify_backup(kept).findings == []


def _no_space() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_cannot_fit_is_refused_before_it_is_begun(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: Empty
) -> None:
    path = take_backup(workspace, tmp_path / "backups").path
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(WriteError, match="1000 are free"):
        take_backup(workspace, tmp_path / "other")
    with pytest.raises(WriteError, match="1000 are free"):
        restore_backup(path, tmp_path / "restored", database_url=empty_database())
    assert left_over(tmp_path / "restored") == []


@contextlib.contextmanager
def writers(workspace: Workspace, count: int, seconds: float) -> Iterator[None]:
    script = str(Path(__file__).with_name("office_days.py"))
    started = [
        subprocess.Popen([sys.executable, script, str(workspace.root), str(seconds), str(n)]) for n in range(count)
    ]
    try:
        yield
    finally:
        codes = [process.wait(60) for process in started]
    assert codes == [0] * count


def test_a_backup_under_ingest_compaction_and_clean_up_is_one_instant(
    workspace: Workspace, tmp_path: Path, empty_database: Empty
) -> None:
    seconds, place = (60.0 if FULL else 6.0), tmp_path / "backups"
    began = time.monotonic()
    taken = []
    with writers(workspace, 1, seconds):
        while time.monotonic() - began < seconds or len(taken) < 2:
            taken.append(take_backup(workspace, place))
    good = 0
    for backup in taken:
        assert backup.manifest.problems == ()
        good += verify_backup(backup.path).findings == []
    print(f"backups {len(taken)}, verify ok {good}")
    assert good == len(taken) > 1
    back = restore(taken[-1].path, tmp_path / "restored", empty_database)
    meters = samples(back)["meter"].value_counts().to_pylist()
    assert {row["counts"] for row in meters} <= {96, 96 * DAYS}, "batches are there whole or not at all"
    assert METER in {row["values"] for row in meters}


def test_one_backup_at_a_time(workspace: Workspace, tmp_path: Path) -> None:
    with snapshot.only_one(workspace) as alone:
        assert alone
        assert try_backup(workspace, tmp_path / "backups") is None
        with pytest.raises(WriteError, match="running"):
            take_backup(workspace, tmp_path / "backups")
    take_backup(workspace, tmp_path / "backups")


@pytest.mark.parametrize("folder", ["samples", "samples/x", "stage", "."])
def test_a_backup_does_not_go_into_the_store(workspace: Workspace, folder: str) -> None:
    with pytest.raises(ConfigError):
        take_backup(workspace, workspace.root / folder)


def test_a_file_system_without_second_names_is_backed_up_too(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    first = take_backup(workspace, tmp_path / "backups")
    second = take_backup(workspace, tmp_path / "backups")
    assert (first.linked, second.linked) == (0, 0)
    assert verify_backup(second.path).findings == []


@pytest.mark.sqlite
def test_a_backup_of_an_older_form_is_brought_up_to_date(workspace: Workspace, tmp_path: Path) -> None:
    """A database as the second migration left it, with a row of the chain as it was written then."""
    import hashlib
    import sqlite3

    from keyacct.database.engine import Database
    from keyacct.database.migrate import upgrade

    path = take_backup(workspace, tmp_path / "backups").path
    old = path / "register.db"
    old.unlink()
    with contextlib.closing(sqlite3.connect(old)) as connection:
        connection.execute("PRAGMA user_version = 0")
    for revision in ("0001", "0002"):
        with Database(old).write() as connection:
            upgrade(connection, revision)
    body = audit.canonical({"seq": 1, "at": 5, "action": "workspace.init", "body": {}})
    hash_ = hashlib.sha256(("0" * 64 + body).encode()).hexdigest()
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("INSERT INTO audit VALUES (1, 5, 'workspace.init', ?, ?, ?)", (body, "0" * 64, hash_))
    document = json.loads((path / MANIFEST).read_text())
    data = old.read_bytes()
    document |= {"schema": "0002", "branch": hash_, "audit_head": {"seq": 1, "hash": hash_}}
    for entry in document["files"]:
        if entry["path"] == "register.db":
            entry |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    text = json.dumps(document).encode()
    (path / MANIFEST).write_bytes(text)
    (path / DIGEST).write_bytes(digest_line(text))
    assert verify_backup(path).findings == []
    assert old.read_bytes() == data, "looking at a backup changes nothing in it"
    done = restore_backup(path, tmp_path / "restored")
    assert done is not None
    assert [row["action"] for row in list_audit(done.workspace, AuditFilter())] == ["workspace.init", "backup.restore"]
    document["schema"] = "9999"
    text = json.dumps(document).encode()
    (path / MANIFEST).write_bytes(text)
    (path / DIGEST).write_bytes(digest_line(text))
    with pytest.raises(ConfigError, match="9999"):
        restore_backup(path, tmp_path / "newer")
    assert not (tmp_path / "newer").exists()


@pytest.mark.postgresql
def test_a_backup_moves_between_the_kinds_of_database(workspace: Workspace, tmp_path: Path, postgres: Any) -> None:
    first = take_backup(workspace, tmp_path / "backups")
    on_server = restore(first.path, tmp_path / "server", postgres.new_database)
    as_file = restore_backup(take_backup(on_server, tmp_path / "more").path, tmp_path / "file", database_url="")
    assert as_file is not None
    assert (tmp_path / "file" / "register.db").exists()
    assert not (tmp_path / "server" / "register.db").exists()
    for office in (on_server, as_file.workspace):
        assert samples(office).equals(samples(workspace))
        assert not verify(office).damaged
        assert check_audit(office).broken is None
    with pytest.raises(ConfigError):  # the server's database holds a workspace now
        restore_backup(first.path, tmp_path / "again", database_url=str(_url(on_server)))
    assert not (tmp_path / "again").exists()


def _url(workspace: Workspace) -> str:
    text = (workspace.root / "keyacct.toml").read_text("utf-8")
    return next(line.partition("=")[2].strip().strip('"') for line in text.splitlines() if line.startswith("url ="))
