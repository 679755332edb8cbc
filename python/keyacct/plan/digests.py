"""Digests of plans and of what they were made from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def sha256(data: bytes) -> str:
    """SHA-256 as lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def folder_digest(files: Mapping[str, bytes]) -> str:
    """One digest of several files: SHA-256 over the lines `<sha256>  <name>`, sorted by name."""
    return sha256("".join(f"{sha256(data)}  {name}\n" for name, data in sorted(files.items())).encode())
