"""What a link of the audit chain is: a canonical text and the hash that joins it to the link before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GENESIS = "0" * 64
"""What stands for the previous hash in the first row."""

RESTORED = "backup.restore"
"""The action with which a restored copy begins a branch of its own."""


@dataclass(frozen=True)
class Head:
    """The last row of a chain. branch: hash of the row with which the chain, or its last restored copy, began."""

    seq: int
    at: int
    hash: str
    branch: str


def canonical(body: Mapping[str, Any]) -> str:
    """One JSON text for one meaning: sorted keys, no blanks, UTF-8 as it is."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(previous: str, body: str) -> str:
    """The hash of a row: SHA-256 of the previous row's hash and the row's body."""
    return hashlib.sha256((previous + body).encode("utf-8", "surrogatepass")).hexdigest()
