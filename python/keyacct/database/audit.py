"""The audit chain: every change leaves a row whose hash covers the row before it; secrets never get into it."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.database.anchor import write_head
from keyacct.database.audit_check import check_chain
from keyacct.database.chain import GENESIS, RESTORED, Head, canonical, digest
from keyacct.database.tables import audit

__all__ = [
    "GENESIS", "RESTORED", "Head", "Writer", "Writing", "append", "branch_of", "canonical", "digest", "head", "introduce",
    "operating_user", "operator_of", "verify", "without_secrets",
]  # fmt: skip

OPERATOR_VARIABLE = "KEYACCT_OPERATOR"
_CONTEXT = "keyacct.audit"

_SECRET_KEY = re.compile(r"passw|secret|token|credential|private_?key|api_?key|密码|口令|密钥", re.IGNORECASE)
_SECRET_URL = re.compile(r"(?<=://)([^/\s:@]*):([^/\s@]+)@")
WITHHELD = "(withheld)"


@dataclass(frozen=True)
class Writer:
    """Who writes, and the file outside the workspace that is told of every new head (None: there is none)."""

    operator: str | None = None
    anchor: Path | None = None


def operating_user() -> str:
    """The user of the operating system that this process runs as."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return f"uid {os.getuid()}"


@dataclass
class Writing:
    """A write transaction: who writes, and the head that it makes."""

    writer: Writer
    head: Head | None = None

    def committed(self) -> None:
        """After the commit: tell the anchor the new head, where there is one. An anchor that cannot be written to is no
        reason to fail what is done: it lags behind, and `keyacct audit verify` and `doctor` say so.
        """
        if self.head is not None and self.writer.anchor is not None:
            write_head(self.writer.anchor, self.head)


def introduce(connection: sa.Connection, writer: Writer) -> Writing:
    """Say for whom this connection writes; `append` then knows, and what is given back is told of the commit."""
    connection.info[_CONTEXT] = writing = Writing(writer)
    return writing


def without_secrets(value: Any, key: str = "") -> Any:
    """A value as it may be kept: what stands under the name of a secret, and passwords in addresses, are withheld."""
    if isinstance(value, Mapping):
        return {str(name): without_secrets(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(inner, key) for inner in value]
    if value is not None and not isinstance(value, bool) and _SECRET_KEY.search(key):
        return WITHHELD
    if isinstance(value, str):
        return _SECRET_URL.sub(rf"\1:{WITHHELD}@", value)
    return value


def operator_of(connection: sa.Connection) -> str:
    """Who writes in this transaction: the named operator, else the user of the operating system."""
    writing = connection.info.get(_CONTEXT) or Writing(Writer())
    return os.environ.get(OPERATOR_VARIABLE) or writing.writer.operator or operating_user()


def append(connection: sa.Connection, action: str, body: Mapping[str, Any]) -> str:
    """Add a row in the caller's write transaction; its hash. The body also carries seq, time, operator and action.

    Writers stand in line, on SQLite and PostgreSQL alike (`Database.write`), so that two never continue the same row; a
    trigger refuses what is no next row.
    """
    last = connection.execute(sa.select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).first()
    seq, previous = (last.seq + 1, last.hash) if last is not None else (1, GENESIS)
    at = clock.now_ms()
    user = operating_user()
    writing = connection.info.get(_CONTEXT) or Writing(Writer())
    who = operator_of(connection)
    content = {
        "seq": seq, "at": at, "who": who, "os_user": user, "action": action, "body": without_secrets(dict(body)),
    }  # fmt: skip
    text = canonical(content)
    hash_ = digest(previous, text)
    connection.execute(
        audit.insert().values(seq=seq, at=at, who=who, action=action, body=text, previous_hash=previous, hash=hash_)
    )
    if writing.writer.anchor is not None:
        writing.head = Head(seq, at, hash_, branch_of(connection))
    return hash_


def branch_of(connection: sa.Connection) -> str:
    """The hash of the row with which this chain began: its first, or the last one that a restore has written."""
    restored = sa.select(audit.c.hash).where(audit.c.action == RESTORED).order_by(audit.c.seq.desc()).limit(1)
    first = sa.select(audit.c.hash).order_by(audit.c.seq).limit(1)
    return str(connection.execute(restored).scalar() or connection.execute(first).scalar() or GENESIS)


def head(connection: sa.Connection) -> Head | None:
    """The last row; None while there is none."""
    query = sa.select(audit.c.seq, audit.c.at, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
    last = connection.execute(query).first()
    return None if last is None else Head(last.seq, last.at, last.hash, branch_of(connection))


def verify(connection: sa.Connection) -> tuple[int, int | None, str]:
    """(rows checked, first bad row or None, hash of the last good row); `audit_check.check_chain` tells more."""
    found = check_chain(connection)
    return found.rows, None if found.broken is None else found.broken.seq, found.head_hash
