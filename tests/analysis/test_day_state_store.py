"""Kept day states in a workspace: whatever becomes of their files, every answer stays and the store stays sound."""

import contextlib
import datetime as dt
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from keyacct.cli.run import run
from keyacct.store.state_files import FAMILIES_OF

NOW = "2026-07-05T00:00+08:00"
DAYS, METERS = 4, 5
PERIOD = "2026-06-02..2026-06-03"
COMMANDS = ("voltage --by day", "voltage", "pf", "load --by day")
REGISTRY = "".join(
    f"""
[[account]]
account_no = "A{n}"
account_name = "Works {n}"
[[point]]
point = "P{n}"
[[point_account]]
point = "P{n}"
account_no = "A{n}"
[[meter]]
meter_no = "M{n}"
[[meter_point]]
meter_no = "M{n}"
point = "P{n}"
[[point_ratio]]
point = "P{n}"
wiring = "3p4w"
pt = 1.1
ct = {n + 3}.3
[[voltage_limit]]
point = "P{n}"
nominal_v = 242
lower_v = 218
upper_v = 258
"""
    for n in range(METERS)
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("office")
    rnd = random.Random(5)
    levels, registers = ["meter,ts,ua,ub,uc,p,q"], ["meter,ts,kwh"]
    for meter in range(METERS):
        register = 0.0
        for n in range(DAYS * 96 + 1):
            at = dt.datetime(2026, 6, 1) + n * dt.timedelta(minutes=15)
            register += rnd.randrange(0, 900) / 100
            volts = ",".join(f"{rnd.randrange(150_000, 260_000) / 1000}" for _ in "abc")
            levels.append(f"M{meter},{at},{volts},{rnd.randrange(90)},{rnd.randrange(30)}")
            registers.append(f"M{meter},{at},{register:.2f}")
    (folder / "registry.toml").write_text(REGISTRY, encoding="utf-8")
    root = folder / "w"
    assert run(["init", str(root)]) == 0
    assert run(["registry", "import", str(folder / "registry.toml"), "--workspace", str(root)]) == 0
    for kind, mapped, rows in (
        ("interval", "ua=voltage.a,ub=voltage.b,uc=voltage.c,p=power.p,q=power.q", levels),
        ("register", "kwh=energy.import", registers),
    ):
        file = folder / f"{kind}.csv"
        file.write_text("\n".join(rows) + "\n", encoding="utf-8")
        given = ["samples", "import", str(file), "--meter-column", "meter", "--map", mapped, "--kind", kind]
        assert run([*given, "--workspace", str(root)]) == 0
    return root


@pytest.fixture
def root(made):
    """The workspace without any states."""
    shutil.rmtree(made / "states", ignore_errors=True)
    yield made
    shutil.rmtree(made / "states", ignore_errors=True)


@pytest.fixture
def ask(capsys):
    def call(root, *arguments):
        capsys.readouterr()
        status = run([*arguments, "--workspace", str(root), "--now", NOW, "--format", "json"])
        return status, capsys.readouterr().out

    return call


@pytest.fixture
def answers(ask):
    def call(root):
        found = [ask(root, *command.split(), "--period", PERIOD) for command in COMMANDS]
        assert {status for status, _ in found} == {0}
        assert min(len(text) for _, text in found) > 200
        return found

    return call


@contextlib.contextmanager
def from_samples(root):
    """Switches states off."""
    config = root / "keyacct.toml"
    before = config.read_text(encoding="utf-8")
    config.write_text(before.replace("[samples]", "[samples]\nday_states = false", 1), encoding="utf-8")
    try:
        yield
    finally:
        config.write_text(before, encoding="utf-8")


@pytest.fixture
def without(root, answers):
    """The answers from samples."""
    with from_samples(root):
        found = answers(root)
    assert not (root / "states").exists()
    return found


def states(root):
    return sorted((root / "states").rglob("*.state"))


def sound(root, ask):
    """The store says of itself that it is sound."""
    status, out = ask(root, "store", "verify")
    checks = json.loads(ask(root, "doctor")[1])
    assert [check for check in checks if check["state"] == "damaged"] == []
    return status, json.loads(out)


def test_every_kind_of_states_is_made_and_serves(root, answers, without):
    assert answers(root) == without
    there = states(root)
    # Two days, and one on each side of them, of every kind; registers are there, so nothing is integrated.
    assert sorted({path.parent.parent.name for path in there}) == ["energy", "load", "voltage"]
    assert len(there) == 3 * (2 + 2)
    before = [path.stat().st_mtime_ns for path in there]
    assert answers(root) == without
    assert [path.stat().st_mtime_ns for path in states(root)] == before


ENERGIES = "energy export reactive_energy apparent_energy tariff_energy"


@pytest.mark.parametrize("bucket", ["day", "week", "ten_day", "month", "period"])
@pytest.mark.parametrize("by", [(), ("--by", "account_no"), ("--where", "account_no=A1", "--where", "account_no=A3")])
def test_energies_of_a_query_by_days_and_longer_open_no_segment(root, ask, opened, bucket, by):
    given = ("query", *ENERGIES.split(), "--bucket", bucket, "--period", PERIOD, *by)
    with from_samples(root):
        plain = ask(root, *given)
    assert plain[0] == 0
    assert opened != []
    assert ask(root, *given) == plain
    opened.clear()
    assert ask(root, *given) == plain
    assert opened == []
    rows = json.loads(plain[1])
    assert all(row["energy_kwh"] > 0 for row in rows)
    assert len(rows) == (2 if bucket == "day" else 1) * (METERS if "--by" in by else 1)


def test_energies_by_hours_are_cut_inside_a_day_and_come_from_samples(root, ask, opened):
    given = ("query", "energy", "--bucket", "hour", "--period", PERIOD)
    with from_samples(root):
        plain = ask(root, *given)
    opened.clear()
    assert ask(root, *given) == plain
    assert opened != []
    assert len(json.loads(plain[1])) == 48


@pytest.mark.parametrize("seed", range(4))
def test_lost_torn_and_damaged_files_change_no_answer(root, ask, answers, without, seed):
    answers(root)
    whole = states(root)
    rnd = random.Random(seed)
    for path in whole:
        content = path.read_bytes()
        match rnd.randrange(6):
            case 0:
                path.unlink()
            case 1:
                path.write_bytes(content[: rnd.randrange(len(content))])
            case 2:
                raw = bytearray(content)
                raw[rnd.randrange(len(raw))] ^= 1 << rnd.randrange(5)
                path.write_bytes(raw)
            case 3:  # what a file system leaves after a power cut
                path.write_bytes(bytes(len(content)))
            case 4:
                path.write_bytes(content + content)
            case _:
                path.unlink()
                path.mkdir()
    assert sound(root, ask) == (0, [])
    assert answers(root) == without
    kept = [path for path in states(root) if path.is_file()]
    assert answers(root) == without
    assert [path for path in states(root) if path.is_file()] == kept
    assert sound(root, ask) == (0, [])


@pytest.mark.parametrize("place", ["states", "states/voltage", "states/voltage/day=2026-06-02"])
def test_a_file_where_a_folder_belongs_is_worked_around(root, answers, without, place):
    target = root / place
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("in the way", encoding="utf-8")
    try:
        assert answers(root) == without
    finally:
        target.unlink()


def test_states_of_an_older_store_and_of_other_samples_are_not_taken(root, ask, answers, without, tmp_path):
    """A backup of the folder is put back after samples came late, and the states of one day lie under another."""
    answers(root)
    old = tmp_path / "old"
    shutil.copytree(root / "states", old)
    late = tmp_path / "late.csv"
    late.write_text("meter,ts,ua\nM1,2026-06-02 12:07,259.0\n", encoding="utf-8")
    given = ["--map", "ua=voltage.a", "--meter-column", "meter", "--workspace", str(root)]
    assert run(["samples", "import", str(late), *given]) == 0
    after = answers(root)
    assert after != without
    shutil.rmtree(root / "states")
    shutil.copytree(old, root / "states")
    assert answers(root) == after
    folder = root / "states" / "load"
    (folder / "day=2026-06-02").rename(tmp_path / "moved")
    shutil.copytree(folder / "day=2026-06-03", folder / "day=2026-06-02")
    assert answers(root) == after
    assert sound(root, ask) == (0, [])


def test_compaction_makes_states_again_and_changes_no_answer(root, ask, answers, tmp_path):
    again = tmp_path / "again.csv"
    again.write_text("meter,ts,ua\nM2,2026-06-02 12:08,219.5\n", encoding="utf-8")
    given = ["--map", "ua=voltage.a", "--meter-column", "meter", "--workspace", str(root)]
    assert run(["samples", "import", str(again), *given]) == 0
    before = answers(root)
    assert ask(root, "store", "compact")[0] == 0
    assert answers(root) == before
    assert ask(root, "store", "clean", "--grace", "0")[0] == 0
    assert answers(root) == before
    assert sound(root, ask) == (0, [])


@pytest.mark.sqlite  # restoring into a server is shown by tests/backup
def test_a_backup_holds_no_states_and_what_is_restored_makes_its_own(root, ask, answers, tmp_path):
    before = answers(root)
    assert run(["backup", "--to", str(tmp_path / "b"), "--workspace", str(root), "--now", NOW]) == 0
    (backup,) = (path for path in (tmp_path / "b").iterdir() if path.is_dir())
    assert [path for path in backup.rglob("*") if "states" in path.parts] == []
    back = tmp_path / "back"
    assert run(["restore", str(backup), str(back)]) == 0
    assert not (back / "states").exists()
    assert answers(back) == before
    assert states(back)
    # The states of the one hold for the other too: what they are made of is the same.
    shutil.rmtree(back / "states")
    shutil.copytree(root / "states", back / "states")
    made = {path: path.stat().st_mtime_ns for path in states(back)}
    assert answers(back) == before
    assert {path: path.stat().st_mtime_ns for path in states(back)} == made


def test_cleaning_takes_the_states_of_days_without_samples(root, ask, answers):
    assert run(["voltage", "--period", "2026-06-03..2026-06-10", "--workspace", str(root), "--now", NOW]) == 0
    folders = {path.name for path in (root / "states" / "voltage").iterdir()}
    assert "day=2026-06-09" in folders
    _, out = ask(root, "store", "clean", "--dry-run")
    assert "states/voltage/day=2026-06-09" in out
    assert {path.name for path in (root / "states" / "voltage").iterdir()} == folders
    assert ask(root, "store", "clean")[0] == 0
    assert sorted(path.name for path in (root / "states" / "voltage").iterdir()) == [
        f"day=2026-06-0{n}" for n in (2, 3, 4)
    ]


def test_the_store_knows_every_kind_of_states(root, answers, monkeypatch):
    from keyacct.analysis import day_states

    seen = {}
    made_of = day_states._made_of

    def noted(question, what, families):
        seen[what] = tuple(family for family, *_ in families)
        return made_of(question, what, families)

    monkeypatch.setattr(day_states, "_made_of", noted)
    answers(root)
    assert seen == {what: families for what, families in FAMILIES_OF.items() if what in seen}
    assert len(seen) >= 3


_WITHOUT_PRIVILEGE = """
import ctypes, os, sys
if os.getuid() == 0:  # else root writes where nobody may
    assert ctypes.CDLL(None, use_errno=True).prctl(28, 1, 0, 0, 0) == 0
os.execv(sys.executable, [sys.executable, "-m", "keyacct.cli", *sys.argv[1:]])
"""


def told(root, command, *before):
    span = [] if command == "doctor" else ["--period", PERIOD]
    arguments = [*command.split(), *span, "--workspace", str(root), "--now", NOW, "--format", "json"]
    start = before or ("-m", "keyacct.cli")
    return subprocess.run([sys.executable, *start, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("made_before", [False, True])
def test_who_may_not_write_is_answered_all_the_same(root, answers, without, made_before):
    if made_before:
        answers(root)
    with contextlib.closing(_ReadOnly(root)) as copy:
        for command, (_, expected) in zip(COMMANDS[:3], without, strict=False):
            found = told(copy.root, command, "-c", _WITHOUT_PRIVILEGE)
            assert (found.returncode, found.stderr) == (0, "")
            assert found.stdout == expected
        assert (copy.root / "states").exists() == made_before
        checks = json.loads(told(copy.root, "doctor", "-c", _WITHOUT_PRIVILEGE).stdout)
        assert [check["state"] for check in checks if check["check"] == "states"] == ["look"]


class _ReadOnly:
    """A copy of a workspace that nobody may write."""

    def __init__(self, root):
        self.folder = Path(tempfile.mkdtemp())
        self.root = self.folder / "w"
        shutil.copytree(root, self.root)
        for path in (self.root, *self.root.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)

    def close(self):
        for path in (self.root, *self.root.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
        shutil.rmtree(self.folder)


def test_several_processes_at_once_give_the_same_answers(root, without):
    commands = [COMMANDS[n % 4] for n in range(6)]
    line = "import sys; from keyacct.cli.run import run; sys.stdin.readline(); sys.exit(run(sys.argv[1:]))"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", line, *command.split(), "--period", PERIOD, "--workspace", str(root), "--now", NOW,
             "--format", "json"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for command in commands
    ]  # fmt: skip
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    for command, child in zip(commands, children, strict=True):
        out, err = child.communicate(timeout=300)
        assert (child.returncode, err) == (0, "")
        assert out == without[COMMANDS.index(command)][1]
    assert not list((root / "states").rglob("*.tmp"))


_WRITER = """
import shutil, sys
from pathlib import Path
from keyacct.cli.run import run
root, period, now = sys.argv[1:4]
while True:
    shutil.rmtree(Path(root) / "states", ignore_errors=True)
    print("begin", file=sys.stderr, flush=True)
    for command in (["voltage"], ["pf"], ["load"]):
        run([*command, "--period", period, "--workspace", root, "--now", now, "--format", "json"])
"""


def test_who_is_killed_while_states_are_written_leaves_nothing_false(root, ask, answers, without):
    rnd = random.Random(1)
    took = 0.05
    for kill in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(root), PERIOD, NOW],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with child:
            # The first round imports; the axe falls into the second.
            while child.stderr.readline() != "begin\n":
                pass
            started = time.monotonic()
            while child.stderr.readline() != "begin\n":
                pass
            took = time.monotonic() - started if kill == 0 else took
            time.sleep(rnd.uniform(0, took / 2))
            child.kill()
        if kill % 2:
            os.sync()
        assert answers(root) == without
        assert sound(root, ask) == (0, [])
