"""What `keyacct doctor` looks at: each check is one function that returns one or more findings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database import tables
from keyacct.database.engine import open_database, schema_version
from keyacct.model import civil
from keyacct.store.resolve import device_aliases
from keyacct.store.verify import verify
from keyacct.workflow.auditing import check_audit
from keyacct.workflow.backup.schedule import backup_state
from keyacct.workflow.workspace import NETWORK_FILE_SYSTEMS, file_system_of

LEAST_FREE_BYTES = 1 << 30
LEAST_FREE_SHARE = 0.02


@dataclass(frozen=True)
class Check:
    """One finding. state: ok, look (somebody should look at it) or damaged."""

    check: str
    state: Literal["ok", "look", "damaged"]
    message: str
    advice: str = ""

    def as_row(self) -> dict[str, Any]:
        """As a row for printing."""
        return asdict(self)


def check_workspace(workspace: Workspace) -> list[Check]:
    """Every check, in order. Raises ConfigError where there is no database, or a newer one than this keyacct knows."""
    database = open_database(workspace)
    checks = [
        Check("workspace", "ok", f"{workspace.settings.workspace.name}, {workspace.settings.workspace.timezone}"),
        Check("database", "ok", f"form {schema_version(database)}"),
    ]
    for check in (_store, _states, _devices, _bare_points, _anchor, _backup, _disk, _drive, _fonts):
        checks += check(workspace)
    return checks


def _store(workspace: Workspace) -> Iterator[Check]:
    result = verify(workspace, quick=True)
    for finding in result.findings:
        state: Literal["look", "damaged"] = "damaged" if finding.damage else "look"
        advice = "restore it from a backup" if finding.damage else "keyacct store clean"
        yield Check("store", state, f"{finding.path}: {finding.message}", advice)
    if not result.findings:
        yield Check("store", "ok", f"{result.files} files, {result.bytes} bytes, {result.audit_rows} audit rows")


def _states(workspace: Workspace) -> Iterator[Check]:
    """Whether what the figures of closed days rest on can be kept by who asks."""
    folder = workspace.states if workspace.states.exists() else workspace.root
    if workspace.settings.samples.day_states and not os.access(folder, os.W_OK):
        yield Check(
            "states", "look", "day states cannot be kept: closed months are computed from their samples again and again",
            "let who asks write the folder states/ of the workspace",
        )  # fmt: skip


def unresolved_devices(workspace: Workspace) -> list[dict[str, Any]]:
    """Devices whose values are stored under an alias because the registry cannot name their meter, now as then."""
    with open_database(workspace).read() as connection:
        query = sa.select(tables.unresolved_device).order_by(tables.unresolved_device.c.device)
        rows = [dict(row) for row in connection.execute(query).mappings()]
        named: dict[str, list[tuple[int, int]]] = {}
        for row in device_aliases(connection).to_pylist():
            named.setdefault(row["alias"], []).append((row["valid_from"], row["valid_to"]))
    return [
        row
        for row in rows
        if not any(start <= row["min_ts"] and row["max_ts"] < end for start, end in named.get(row["device"], []))
    ]


def _devices(workspace: Workspace) -> Iterator[Check]:
    rows = unresolved_devices(workspace)
    zone = workspace.zone
    for row in rows:
        span = f"{civil(row['min_ts'], zone):%Y-%m-%d} to {civil(row['max_ts'], zone):%Y-%m-%d}"
        yield Check(
            "devices", "look", f"{row['device']}: {row['rows']} rows, {span}, of an unknown device",
            "add a [[device]] or [[meter]] entry with `keyacct registry import`",
        )  # fmt: skip
    if not rows:
        yield Check("devices", "ok", "every stored device is known to the registry")


def _bare_points(workspace: Workspace) -> Iterator[Check]:
    """Points that have a meter but no ratio: nothing primary can be computed for them."""
    with open_database(workspace).read() as connection:
        fitted = set(connection.execute(sa.select(tables.meter_point.c.point).distinct()).scalars())
        rated = set(connection.execute(sa.select(tables.point_ratio.c.point).distinct()).scalars())
    for point in sorted(fitted - rated):
        yield Check("registry", "look", f"point {point} has a meter but no ratio", "add a [[point_ratio]] entry")
    if fitted <= rated:
        yield Check("registry", "ok", f"{len(fitted)} points with meter and ratio")


def _anchor(workspace: Workspace) -> Iterator[Check]:
    """The end of the audit chain, which only something outside can vouch for."""
    if not workspace.settings.audit.anchor:
        yield Check(
            "audit", "ok", "no anchor: rows cut off at the end of the audit chain would not show",
            "set audit.anchor in keyacct.toml to a file on another disk or host",
        )  # fmt: skip
        return
    found = check_audit(workspace)
    if found.broken is not None:
        yield Check("audit", "damaged", found.broken.message, "keyacct audit verify")
    for note in found.notes:
        yield Check("audit", "look", note, "keyacct audit head --anchor, once you know why")
    if found.broken is None and not found.notes:
        yield Check("audit", "ok", f"{found.rows} rows, {found.anchored} of them compared with the anchor")


def _backup(workspace: Workspace) -> Iterator[Check]:
    state = backup_state(workspace)
    hours = state.age_ms // 3_600_000
    if state.place is not None and state.name is not None and not (Path(state.place) / state.name).exists():
        yield Check("backup", "look", f"the newest backup is not in {state.place} any more", "keyacct backup")
    elif state.overdue:
        yield Check("backup", "look", f"no backup for {hours} h", "keyacct backup, or `keyacct backup --due` by cron")
    elif state.last_at is None:
        yield Check("backup", "ok", "none yet, none overdue")
    else:
        yield Check("backup", "ok", f"{state.name}, {hours} h ago")


def _disk(workspace: Workspace) -> Iterator[Check]:
    usage = shutil.disk_usage(workspace.root)
    text = f"{usage.free / 2**30:.1f} GiB free"
    if usage.free < LEAST_FREE_BYTES or usage.free < LEAST_FREE_SHARE * usage.total:
        yield Check("disk", "look", text, "free some space; a full disk stops the polling, nothing stored is lost")
    else:
        yield Check("disk", "ok", text)


def _drive(workspace: Workspace) -> Iterator[Check]:
    kind = file_system_of(workspace.root)
    if kind in NETWORK_FILE_SYSTEMS:
        yield Check("drive", "look", f"the workspace is on a network drive ({kind})", "move it to a local disk")


def _fonts(workspace: Workspace) -> Iterator[Check]:
    """Which font PDFs are set in, and whether it has Chinese characters."""
    from keyacct.errors import ConfigError
    from keyacct.report.fonts import HINT, find_font

    try:
        font = find_font(workspace.settings.report.font, workspace.root)
    except ConfigError as error:
        yield Check("fonts", "look", error.message, error.hint)
        return
    place = font.origin if font.file is None else f"{font.origin}, {font.file}"
    if font.chinese:
        yield Check("fonts", "ok", f"PDFs are set in {font.family} ({place})")
    else:
        yield Check("fonts", "look", f"no font with Chinese characters; PDFs are set in {font.family}", HINT)
