"""The registry handed out as files: what leaves the office is noted in the audit chain."""

from __future__ import annotations

from pathlib import Path

from keyacct.config import Workspace
from keyacct.registry.document import export_registry
from keyacct.registry.writing import export_to
from keyacct.workflow.auditing import record

ACTION = "registry.export"


def export_text(workspace: Workspace) -> str:
    """The whole registry as one TOML document. Raises WriteError when the audit row cannot be kept."""
    text = export_registry(workspace)
    record(workspace, ACTION, {"kind": "toml", "files": 1})
    return text


def export_files(workspace: Workspace, out: Path, kind: str) -> list[Path]:
    """The registry as files of a kind (toml, csv, xlsx) at `out`; the paths written.

    Raises WriteError for a place that cannot be written, and when the audit row cannot be kept.
    """
    paths = list(export_to(workspace, out, kind))
    record(workspace, ACTION, {"kind": kind, "files": len(paths)})
    return paths
