"""P2: an acknowledged batch survives power loss, on a disk that keeps what was synced and forgets the rest by chance.

A writer runs under strace. Its file operations, SQLite's and Arrow's too, are replayed into a model of a disk on which
bytes count from the file's fsync on and a name from its folder's fsync on; of what came after any part may be there.
The power is cut between operations; the workspace of that instant is laid out, opened, and compared with what had been
acknowledged by then. Where strace may not run, the order of the store's own operations is checked instead.
"""

from __future__ import annotations

import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keyacct.config import Workspace

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from fault_figures import note  # noqa: E402  found beside this file

LONG = os.environ.get("KEYACCT_FAULTS") == "full"
CUTS = 200 if LONG else 24
CALLS = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,ftruncate,close"
LINE = re.compile(r"^(?:\[pid +)?\d*\]? *(\w+)\((.*)\) += (-?\d+)")


@dataclass
class Inode:
    """A file: what is surely on the disk, and the writes since its last sync."""

    safe: bytes = b""
    loose: list[tuple[int, bytes | None]] = field(default_factory=list)

    def put(self, content: bytearray, at: int, data: bytes | None) -> None:
        if data is None:  # ftruncate
            del content[at:]
            content.extend(b"\0" * (at - len(content)))
            return
        content.extend(b"\0" * (at - len(content)))
        content[at : at + len(data)] = data

    def sync(self) -> None:
        content = bytearray(self.safe)
        for at, data in self.loose:
            self.put(content, at, data)
        self.safe, self.loose = bytes(content), []

    def size(self) -> int:
        content = bytearray(self.safe)
        for at, data in self.loose:
            self.put(content, at, data)
        return len(content)

    def after_cut(self, chance: random.Random) -> bytes:
        content = bytearray(self.safe)
        for at, data in self.loose:
            if chance.random() < 0.5:
                continue
            part = data if data is None or chance.random() < 0.7 else data[: chance.randrange(len(data) + 1)]
            self.put(content, at, part)
        return bytes(content)


@dataclass
class Name:
    """A change of names: (folder, entry) → inode or None for gone; a rename is two that stand or fall together."""

    changes: list[tuple[str, Inode | None]]
    safe: bool = False


class Disk:
    """The model. Folders are not modelled apart from their names: a file's path is one entry of its folder."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.names: dict[str, Inode] = {}
        self.handles: dict[int, tuple[str, Inode | None]] = {}
        self.where: dict[int, int] = {}
        self.base: dict[str, Inode] = {}
        self.journal: list[Name] = []
        for path in root.rglob("*"):
            if path.is_file() and not path.name.endswith("-shm"):
                self.names[str(path)] = self.base[str(path)] = Inode(path.read_bytes())

    def step(self, call: str, text: str, result: int) -> None:
        strings = [bytes.fromhex(s.replace("\\x", "")) for s in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', text)]
        inside = [s.decode(errors="replace") for s in strings if s.startswith(self.root.encode())]
        numbers = re.match(r"(\d+)", text)
        handle = int(numbers[1]) if numbers else -1
        if result < 0:
            return
        if call == "openat" and inside:
            path = inside[0]
            if "O_CREAT" in text and path not in self.names and not path.endswith("-shm"):
                self._change((path, Inode()))
            inode = self.names.get(path)
            if inode is not None and "O_TRUNC" in text:
                inode.loose.append((0, None))
            self.handles[result], self.where[result] = (path, inode), 0
        elif call == "close":
            self.handles.pop(handle, None)
        elif call in ("write", "pwrite64") and handle in self.handles and strings:
            inode = self.handles[handle][1]
            if inode is not None:
                at = int(text.rsplit(",", 1)[1]) if call == "pwrite64" else self.where[handle]
                inode.loose.append((at, strings[0][:result]))
                self.where[handle] = at + result
        elif call == "ftruncate" and handle in self.handles and self.handles[handle][1] is not None:
            self.handles[handle][1].loose.append((int(text.rsplit(",", 1)[1]), None))
        elif call in ("fsync", "fdatasync") and handle in self.handles:
            path, inode = self.handles[handle]
            if inode is not None:
                inode.sync()
            else:  # a folder: its entries
                for name in self.journal:
                    if any(os.path.dirname(entry) == path.rstrip("/") for entry, _ in name.changes):
                        name.safe = True
        elif call.startswith("rename") and len(inside) == 2:
            self._change((inside[0], None), (inside[1], self.names.get(inside[0])))
        elif call.startswith("unlink") and inside:
            self._change((inside[0], None))

    def _change(self, *changes: tuple[str, Inode | None]) -> None:
        self.journal.append(Name(list(changes)))
        for path, inode in changes:
            self.names.pop(path, None)
            if inode is not None:
                self.names[path] = inode

    def cut(self, target: Path, chance: random.Random) -> None:
        """Lay out what a machine finds that comes up again: names in journal order, the unsynced tail by chance."""
        names = dict(self.base)
        keep = chance.randrange(sum(not name.safe for name in self.journal) + 1)
        for name in self.journal:
            if not name.safe:
                if keep == 0:
                    continue
                keep -= 1
            for path, inode in name.changes:
                names.pop(path, None)
                if inode is not None:
                    names[path] = inode
        for folder in ("samples", "stage", "reports"):
            (target / folder).mkdir(parents=True, exist_ok=True)
        for path, inode in names.items():
            place = target / os.path.relpath(path, self.root)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(inode.after_cut(chance))


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import kill_worker as work
workspace = work.open_workspace(Path(sys.argv[2]))
import os
for batch in range(1, int(sys.argv[3]) + 1):
    work.write_batch(workspace, batch)
    os.write(1, f"ACK {batch}\\n".encode())
    if batch % 4 == 0:
        list(__import__("keyacct.store.compact", fromlist=["compact"]).compact(workspace))
"""

READER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import kill_worker as work
for line in sys.stdin:
    folder, acknowledged = line.split(" ")
    workspace = work.open_workspace(Path(folder))
    try:
        torn, lost, twice = work.check(workspace, set(range(1, int(acknowledged) + 1)))
        print("ok", torn, lost, twice, flush=True)
    except Exception as error:
        print("unreadable", type(error).__name__, str(error).replace("\\n", " "), flush=True)
"""


def may_trace(tmp_path: Path) -> bool:
    if shutil.which("strace") is None:
        return False
    return (
        subprocess.run(["strace", "-o", tmp_path / "probe", "true"], check=False, capture_output=True).returncode == 0
    )


@pytest.mark.sqlite
def test_p2_acknowledged_batches_survive_power_cuts(workspace: Workspace, tmp_path: Path) -> None:
    if not may_trace(tmp_path):
        check_order(workspace)
        return
    batches = 24 if LONG else 6
    disk = Disk(workspace.root.absolute())
    log = tmp_path / "trace"
    subprocess.run(
        ["strace", "-f", "-xx", "-s", "1000000", "-e", f"trace={CALLS}", "-o", log,
         sys.executable, "-c", WRITER, HERE, workspace.root.absolute(), str(batches)],
        check=True, capture_output=True,
    )  # fmt: skip
    calls = list(finished(log.read_text()))
    relevant = [n for n, (call, text, _) in enumerate(calls) if call != "close"]
    chance = random.Random(20260701)
    cuts = sorted(chance.sample(relevant, min(CUTS, len(relevant))))
    acknowledged, results = 0, []
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, HERE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdin is not None
    assert reader.stdout is not None
    with reader:
        for number, (call, text, result) in enumerate(calls):
            disk.step(call, text, result)
            if call == "write" and text.startswith("1, ") and "\\x41\\x43\\x4b\\x20" in text:
                acknowledged += 1
            if number in cuts:
                target = tmp_path / f"cut-{number}"
                disk.cut(target, chance)
                reader.stdin.write(f"{target} {acknowledged}\n")
                reader.stdin.flush()
                results.append(reader.stdout.readline().split())
                shutil.rmtree(target)
        reader.stdin.close()
    assert acknowledged == batches
    unreadable = [" ".join(line) for line in results if line[0] != "ok"]
    torn, lost, twice = (sum(int(line[n]) for line in results if line[0] == "ok") for n in (1, 2, 3))
    print(
        f"power cuts: {len(results)}, acknowledged {acknowledged}, lost {lost}, torn {torn}, unreadable {len(unreadable)}"
    )
    note("power cut", len(results), lost=lost, doubled=twice, torn=torn + len(unreadable))
    assert (unreadable, torn, lost, twice) == ([], 0, 0, 0)
    assert len(results) >= 20


def finished(trace: str):
    """(call, arguments, result) in order; a call that another thread cut in two is put together again."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        pid, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[pid] = rest.removesuffix("<unfinished ...>")
            continue
        if rest.startswith("<... "):
            rest = begun.pop(pid, "") + rest.partition("resumed>")[2]
        match = LINE.match(rest)
        if match:
            yield match[1], match[2], int(match[3])


def check_order(workspace: Workspace) -> None:
    """Bytes before names, names before the commit: as the store itself calls them."""
    done: list[tuple[str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        fsync, rename = os.fsync, pathlib.Path.rename

        def synced(handle: int) -> None:
            done.append(("sync", os.readlink(f"/proc/self/fd/{handle}")))
            fsync(handle)

        def renamed(path: Path, target: Path) -> Path:
            done.append(("rename", f"{path}|{target}"))
            return rename(path, target)

        patch.setattr(os, "fsync", synced)
        patch.setattr(pathlib.Path, "rename", renamed)
        import kill_worker as work

        work.write_batch(workspace, 1)
    renames = [(at, *what.split("|")) for at, (kind, what) in enumerate(done) if kind == "rename"]
    assert renames
    for at, source, target in renames:
        assert ("sync", str(Path(source).resolve())) in done[:at]
        assert ("sync", str(Path(target).parent.resolve())) in done[at:]
    print(f"power cuts: order of {len(done)} operations right")
