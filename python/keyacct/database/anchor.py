"""The anchor of the audit chain: a file outside the workspace that is told of every new head, one line each.

A chain shows by itself that a row was changed, not that its end was cut off. The anchor does, as long as who can change
the database cannot change it: another host's folder, an append-only file, another user's. Many workspaces may share one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from keyacct.database.chain import Head, canonical
from keyacct.errors import from_os_error

TORN = " #torn"
"""Put behind a line that was not finished, so that it is not taken for one that somebody has changed."""


@dataclass
class Anchor:
    """What an anchor file holds. heads: branch → sequence number → hashes. bad_lines: numbers of unreadable lines."""

    heads: dict[str, dict[int, set[str]]] = field(default_factory=dict)
    bad_lines: list[int] = field(default_factory=list)
    exists: bool = True

    def add(self, branch: str, seq: int, hash_: str) -> None:
        """Take one more head into account."""
        self.heads.setdefault(branch, {}).setdefault(seq, set()).add(hash_)


def head_line(head: Head) -> str:
    """A head as it is written and printed."""
    at = dt.datetime.fromtimestamp(head.at / 1000, dt.UTC).isoformat(timespec="milliseconds")
    return canonical({"at": at, "branch": head.branch, "seq": head.seq, "hash": head.hash})


def write_head(path: Path, head: Head) -> bool:
    """Add a head to an anchor; False when that was not possible."""
    with contextlib.suppress(OSError):
        add_head(path, head)
        return True
    return False


def add_head(path: Path, head: Head) -> None:
    """Add a head to an anchor, in one write that other processes cannot get between. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        os.write(handle, (_torn(path) + head_line(head) + "\n").encode())
    finally:
        os.close(handle)


def _torn(path: Path) -> str:
    """What ends the last line, where a power cut left it unfinished."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return ""
            file.seek(-1, os.SEEK_END)
            return "" if file.read(1) == b"\n" else f"{TORN}\n"
    except OSError:  # an anchor that may be written but not read
        return ""


def read_anchor(path: Path) -> Anchor:
    """Every head of an anchor. A last line without its end is one that a power cut left, and no fault.

    Raises InputError when the file is there and cannot be read.
    """
    anchor = Anchor()
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Anchor(exists=False)
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(path)) from None
    lines = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.endswith(TORN.encode()):
            continue
        entry = _entry(line)
        if entry is not None:
            anchor.add(*entry)
        elif number < len(lines):
            anchor.bad_lines.append(number)
    return anchor


def _entry(line: bytes) -> tuple[str, int, str] | None:
    """Branch, sequence number and hash of a line."""
    try:
        entry = json.loads(line)
        branch, seq, hash_ = entry["branch"], entry["seq"], entry["hash"]
    except (ValueError, KeyError, TypeError):
        return None
    whole = isinstance(branch, str) and isinstance(seq, int) and isinstance(hash_, str)
    return (branch, seq, hash_) if whole else None
