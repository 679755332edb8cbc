"""What a backup holds, file by file: `manifest.json`, and `manifest.sha256` beside it as `sha256sum -c` reads it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from keyacct.errors import InputError

FORM = 1
MANIFEST = "manifest.json"
DIGEST = "manifest.sha256"
DATABASE = "register.db"
NAME = re.compile(r"keyacct-[0-9a-f]{8}-\d{8}T\d{6}Z(?:-\d+)?")
"""Name of a backup: the chain it belongs to, when it was taken, a number where two fall into one second."""


@dataclass(frozen=True)
class FileEntry:
    """One file of a backup. path: relative to the workspace, with slashes."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Problem:
    """A file that is not in the backup as the index knows it, and why."""

    path: str
    problem: str


@dataclass(frozen=True)
class Manifest:
    """Everything about a backup. taken_at: UTC ms. audit_seq, audit_hash: the head of the chain that it holds."""

    name: str
    keyacct: str
    schema: str
    workspace: str
    database: str
    taken_at: int
    branch: str
    audit_seq: int
    audit_hash: str
    files: tuple[FileEntry, ...] = ()
    problems: tuple[Problem, ...] = field(default=())

    @property
    def total_bytes(self) -> int:
        """Size of all files."""
        return sum(entry.bytes for entry in self.files)

    def document(self) -> bytes:
        """The bytes of `manifest.json`."""
        content = {
            "form": FORM, "name": self.name, "keyacct": self.keyacct, "schema": self.schema,
            "workspace": self.workspace, "database": self.database, "taken_at": self.taken_at, "branch": self.branch,
            "audit_head": {"seq": self.audit_seq, "hash": self.audit_hash},
            "problems": [vars(problem) for problem in self.problems],
            "files": [vars(entry) for entry in self.files],
        }  # fmt: skip
        return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def digest_line(document: bytes) -> bytes:
    """The bytes of `manifest.sha256`."""
    return f"{hashlib.sha256(document).hexdigest()}  {MANIFEST}\n".encode()


def parse_manifest(document: bytes, digest: bytes, place: str) -> Manifest:
    """The manifest of a backup. Raises InputError when it is not what was written, or of a form not known here."""
    where = {"file": f"{place}/{MANIFEST}"}
    if digest.split()[:1] != digest_line(document).split()[:1]:
        raise InputError(
            "input.format", f"the manifest does not fit {DIGEST}: one of the two was changed or is damaged",
            hint="use another backup", where=where,
        )  # fmt: skip
    try:
        content = json.loads(document)
        if content["form"] != FORM:
            raise InputError(
                "input.format", f"a backup of form {content['form']!r}, this keyacct knows {FORM}",
                hint="use a newer keyacct", where=where,
            )  # fmt: skip
        head = content["audit_head"]
        files = tuple(FileEntry(_path(e["path"]), int(e["bytes"]), str(e["sha256"])) for e in content["files"])
        return Manifest(
            content["name"], content["keyacct"], content["schema"], content["workspace"], content["database"],
            content["taken_at"], content["branch"], head["seq"], head["hash"], files,
            tuple(Problem(_path(p["path"]), p["problem"]) for p in content["problems"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "input.format", f"not the manifest of a backup: {error}", hint="use another backup", where=where
        ) from None


def _path(text: Any) -> str:
    """A path that stays in its folder. Raises ValueError."""
    path = PurePosixPath(str(text))
    if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in str(text):
        raise ValueError(f"{text!r} leads out of the backup")
    return path.as_posix()
