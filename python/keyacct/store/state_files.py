"""Kept day states as the store sees them: files that hang on the samples of a day and go with them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from keyacct.config import Workspace
from keyacct.store.index import Segment

FAMILIES_OF = {
    "voltage": ("voltage",), "load": ("power", "energy"), "energy": ("energy",), "integrated": ("power",),
}  # fmt: skip
"""Kind of state → the families that it is made of."""
_DAY = "day="


def of_no_use(workspace: Workspace, segments: Iterable[Segment]) -> list[Path]:
    """Folders of day states whose days have no samples any more, for instance because their time was over."""
    there = {(segment.family, segment.day) for segment in segments if segment.dead_at is None}
    return [
        folder
        for kind, families in FAMILIES_OF.items()
        for folder in sorted((workspace.states / kind).glob(f"{_DAY}*"))
        if not any((family, folder.name.removeprefix(_DAY)) in there for family in families)
    ]
