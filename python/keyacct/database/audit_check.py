"""Checks the audit chain row by row, against itself and against an anchor: which link is the first that does not hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import sqlalchemy as sa

from keyacct.database.anchor import Anchor
from keyacct.database.chain import GENESIS, RESTORED, digest
from keyacct.database.tables import audit

PAGE_ROWS = 5_000

Fault = Literal["changed", "missing", "reordered", "replaced", "foreign", "truncated", "rewritten", "anchor"]


@dataclass(frozen=True)
class BrokenLink:
    """The first row that does not hold. fault: changed (the row does not fit its own hash), missing (rows before it are
    gone), reordered (it was written as another row), replaced (it does not continue the row before), foreign (a number
    that no row can have), truncated (rows behind it are gone), rewritten (not the row that the anchor knows), anchor
    (the anchor itself cannot be compared).
    """

    seq: int
    fault: Fault
    message: str

    def as_row(self) -> dict[str, Any]:
        """As a row for printing."""
        return {"seq": self.seq, "fault": self.fault, "message": self.message}


@dataclass
class ChainCheck:
    """Result of a check. rows: good ones. head_seq, head_hash: the last good one. anchored: heads of the anchor that
    were compared and hold. anchored_seq: the last of them. notes: what somebody should know, as codes and figures.
    """

    rows: int = 0
    head_seq: int = 0
    head_hash: str = GENESIS
    broken: BrokenLink | None = None
    anchored: int = 0
    anchored_seq: int = 0
    notes: list[str] = field(default_factory=list)


def rows_of(connection: sa.Connection, after: int | None = None) -> Iterator[Any]:
    """Rows of the chain in order, a page at a time."""
    while True:
        query = sa.select(audit).order_by(audit.c.seq).limit(PAGE_ROWS)
        if after is not None:
            query = query.where(audit.c.seq > after)
        page = connection.execute(query).all()
        yield from page
        if len(page) < PAGE_ROWS:
            return
        after = page[-1].seq


def check_chain(connection: sa.Connection, anchor: Anchor | None = None) -> ChainCheck:
    """Check every row. Stops at the first broken link; memory does not grow with the chain."""
    result = ChainCheck()
    branches: list[tuple[str, int]] = []
    heads = anchor.heads if anchor is not None else {}
    known: dict[int, set[str]] = {}
    for row in rows_of(connection):
        result.broken = _fault(row, result)
        if result.broken is not None:
            return result
        if result.rows == 0 or row.action == RESTORED:
            branches.append((row.hash, row.seq))
            # Heads of a copy that went on elsewhere after the backup was taken are not ours.
            known = dict(heads.get(row.hash, {}))
        expected = known.get(row.seq)
        if expected is not None:
            if row.hash not in expected:
                result.broken = BrokenLink(
                    row.seq, "rewritten", f"row {row.seq} is not the one that the anchor knows: it, or one before it"
                    f" since row {result.anchored_seq}, was changed and the hashes were made anew",
                )  # fmt: skip
                return result
            result.anchored += 1
            result.anchored_seq = row.seq
        result.rows, result.head_seq, result.head_hash = result.rows + 1, row.seq, row.hash
    if not branches:
        result.broken = BrokenLink(1, "missing", "the chain is empty: every row is missing, the first one too")
    elif anchor is not None:
        _compare_end(result, anchor, branches)
    return result


def _compare_end(result: ChainCheck, anchor: Anchor, branches: list[tuple[str, int]]) -> None:
    """The end of the chain against the anchor."""
    last = max(anchor.heads.get(branches[-1][0], {}), default=0)
    others = set(anchor.heads) - {branch for branch, _ in branches}
    if others:
        result.notes.append(f"other_chains: the anchor also holds heads of {len(others)} chains that are not this one")
    if not anchor.exists:
        result.broken = BrokenLink(
            result.head_seq, "anchor", "the anchor is not there: whether rows are missing at the end cannot be told"
        )
    elif anchor.bad_lines:
        result.broken = BrokenLink(
            result.head_seq, "anchor", f"line {anchor.bad_lines[0]} of the anchor is not one that keyacct has written"
        )
    elif last > result.head_seq:
        result.broken = BrokenLink(
            result.head_seq + 1, "truncated",
            f"rows {result.head_seq + 1} to {last} are missing: the anchor knows row {last}, the chain ends at"
            f" row {result.head_seq}",
        )  # fmt: skip
    elif not any(branch in anchor.heads for branch, _ in branches):
        result.broken = BrokenLink(
            branches[0][1], "anchor", "the anchor knows no head of this chain: the whole chain was made anew, or the"
            " anchor is another workspace's",
        )  # fmt: skip
    if result.broken is None and anchor.exists and result.anchored_seq < result.head_seq:
        result.notes.append(
            f"anchor_behind: {result.head_seq - result.anchored_seq} rows since row {result.anchored_seq}"
        )
    for (branch, _), (_, restored) in pairwise(branches):
        after = max(anchor.heads.get(branch, {}), default=0)
        if after >= restored:
            result.notes.append(
                f"restored: row {restored} follows a restore; before it the chain had reached row {after}"
            )


def _fault(row: Any, so_far: ChainCheck) -> BrokenLink | None:
    """What is wrong with the next row, or None."""
    expected, previous = so_far.head_seq + 1, so_far.head_hash
    seq = row.seq
    if not isinstance(seq, int) or seq < expected:
        return BrokenLink(seq, "foreign", f"a row with the number {seq} cannot be")
    if seq > expected:
        many = f"rows {expected} to {seq - 1} are" if seq - 1 > expected else f"row {expected} is"
        return BrokenLink(expected, "missing", f"{many} missing before row {seq}")
    content = _content(row.body)
    if not isinstance(row.previous_hash, str) or digest(row.previous_hash, str(row.body)) != row.hash:
        if digest(previous, str(row.body)) == row.hash:
            what = "its link to the row before (previous_hash)"
        elif content is None:
            what = "its body is no longer readable, so it"
        else:
            what = "its body or its hash"
        return BrokenLink(seq, "changed", f"row {seq} was changed: {what} does not fit")
    if content is None or content.get("seq") != seq:
        written = "another row" if content is None else f"row {content.get('seq')}"
        return BrokenLink(
            seq, "reordered", f"row {seq} was written as {written}: rows were exchanged, or one was taken out"
        )
    if row.previous_hash != previous:
        return BrokenLink(
            seq, "replaced", f"row {seq} does not continue row {seq - 1}: one of the two was replaced, hash and all"
        )
    for name in ("at", "who", "action"):
        if getattr(row, name) != content.get(name):
            return BrokenLink(
                seq, "changed",
                f"row {seq} was changed: column {name} says {getattr(row, name)!r}, the body {content.get(name)!r}",
            )  # fmt: skip
    return None


def _content(body: Any) -> dict[str, Any] | None:
    try:
        content = json.loads(body)
    except (TypeError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
