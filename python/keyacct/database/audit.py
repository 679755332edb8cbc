"""The audit chain: every change of registry or store leaves a row whose hash covers the row before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.database.tables import audit

GENESIS = "0" * 64
"""What stands for the previous hash in the first row."""


def canonical(body: Mapping[str, Any]) -> str:
    """One JSON text for one meaning: sorted keys, no blanks, UTF-8 as it is."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _digest(previous: str, body: str) -> str:
    return hashlib.sha256((previous + body).encode()).hexdigest()


def append(connection: sa.Connection, action: str, body: Mapping[str, Any]) -> str:
    """Add a row in the caller's write transaction; its hash. The body also carries seq, time and action."""
    last = connection.execute(sa.select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).first()
    seq, previous = (last.seq + 1, last.hash) if last is not None else (1, GENESIS)
    at = clock.now_ms()
    text = canonical({"seq": seq, "at": at, "action": action, "body": dict(body)})
    digest = _digest(previous, text)
    connection.execute(
        audit.insert().values(seq=seq, at=at, action=action, body=text, previous_hash=previous, hash=digest)
    )
    return digest


def verify(connection: sa.Connection) -> tuple[int, int | None, str]:
    """(rows checked, first bad row or None, hash of the head). A tail that was cut shows only against a kept head."""
    previous, expected, rows = GENESIS, 1, 0
    for row in connection.execute(sa.select(audit).order_by(audit.c.seq)):
        content = json.loads(row.body) if row.body.startswith("{") else {}
        good = (
            row.seq == expected
            and row.previous_hash == previous
            and row.hash == _digest(previous, row.body)
            and (content.get("seq"), content.get("at"), content.get("action")) == (row.seq, row.at, row.action)
        )
        if not good:
            return rows, row.seq, previous
        previous, expected, rows = row.hash, expected + 1, rows + 1
    return rows, None, previous
