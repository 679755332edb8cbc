"""A new workspace: the folder, its `keyacct.toml` with every default in comments, the database."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from keyacct import clock
from keyacct.config import (
    FILE_NAME,
    Settings,
    Workspace,
    describe_settings,
    parse_settings,
)
from keyacct.database import audit
from keyacct.database.engine import create_database, create_server_database
from keyacct.errors import ConfigError, UsageError, WriteError, from_os_error

NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph"})
"""File systems on which SQLite's locks cannot be relied on."""


def default_settings_text(name: str, timezone: str, database_url: str = "") -> str:
    """The `keyacct.toml` of a new workspace: its name and zone, everything else as a commented default."""
    lines = ["# Settings of this keyacct workspace. A line without # overrides the default that stands there."]
    section = ""
    for row in describe_settings(Settings()):
        here, _, key = str(row["key"]).partition(".")
        if here != section:
            section = here
            lines += ["", f"[{section}]"]
        value = {"workspace.name": name, "workspace.timezone": timezone, "database.url": database_url or None}.get(
            str(row["key"])
        )
        lines.append(f"# {row['description']}")
        lines.append(f"{'' if value is not None else '# '}{key} = {_toml(row['default'] if value is None else value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def file_system_of(folder: Path, mounts: str = "/proc/mounts") -> str:
    """Type of the file system a folder lies on; empty where the system does not tell."""
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    here = os.fspath(folder.resolve())
    best, kind = "", ""
    for line in lines:
        parts = line.split()
        if len(parts) < 3:
            continue
        point = parts[1].replace("\\040", " ")
        inside = here == point or here.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, parts[2]
    return kind


def _refuse_network_drive(folder: Path) -> None:
    kind = file_system_of(folder)
    if kind in NETWORK_FILE_SYSTEMS:
        raise WriteError(
            "write.failed",
            f"this folder is on a network drive ({kind}), where the database cannot be locked",
            hint="choose a folder on a local disk",
            where={"file": str(folder)},
        )


def check_new_workspace(
    folder: Path, *, name: str | None = None, timezone: str = "Asia/Shanghai", database_url: str = ""
) -> Settings:
    """The settings of a workspace that could be made here. Raises ConfigError `config.workspace_exists`,
    `config.invalid` (name, zone). Nothing is written.
    """
    if (folder / FILE_NAME).exists() or (folder / "register.db").exists():
        raise ConfigError(
            "config.workspace_exists",
            "there is a workspace already",
            hint="choose another folder, or use this one with --workspace",
            where={"file": str(folder)},
        )
    title = name if name is not None else (folder.resolve().name or "keyacct")
    return parse_settings(
        {"workspace": {"name": title, "timezone": timezone}, "database": {"url": database_url}},
        str(folder / FILE_NAME),
    )


def new_database_url() -> str:
    """Where the database of a new workspace goes when nothing is said: `KEYACCT_DATABASE_URL`, else a file."""
    return os.environ.get("KEYACCT_DATABASE_URL", "")


def refuse_password(database_url: str) -> None:
    """A password on the command line is seen by everybody on the machine. Raises UsageError."""
    settings = parse_settings({"database": {"url": database_url}}, "--database-url")
    if settings.database.url is not None and settings.database.url.holds_password:
        raise UsageError(
            "usage.invalid", "a password must not stand on the command line",
            hint="leave it out of the address and set KEYACCT_DATABASE_PASSWORD, or write it into keyacct.toml",
        )  # fmt: skip


def init_workspace(
    folder: Path, *, name: str | None = None, timezone: str = "Asia/Shanghai", database_url: str | None = None
) -> Workspace:
    """Make a workspace. Raises as `check_new_workspace`, and WriteError; then nothing remains of it.

    database_url: an empty PostgreSQL database; "" is the file register.db, None asks `new_database_url`.
    """
    url = new_database_url() if database_url is None else database_url
    settings = check_new_workspace(folder, name=name, timezone=timezone, database_url=url)
    title = settings.workspace.name
    existed = folder.exists()
    made: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_network_drive(folder)
        workspace = Workspace(folder, settings)
        for path in (workspace.samples, workspace.stage, folder / "reports"):
            if not path.exists():
                path.mkdir()
                made.append(path)
        made += [folder / f"register.db{end}" for end in ("", "-wal", "-shm")]
        address = settings.database.url
        database = create_database(workspace.database) if address is None else create_server_database(address)
        with database.write() as connection:
            body = {"name": title, "timezone": timezone, "made_at": clock.now_ms()}
            audit.append(connection, "workspace.init", body)
        marker = folder / FILE_NAME
        made.append(marker)
        secret = address is not None and address.holds_password
        marker.touch(0o600 if secret else 0o666)
        marker.write_text(default_settings_text(title, timezone, url), encoding="utf-8")
    except BaseException as error:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        if not existed:
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
        if isinstance(error, OSError):
            raise from_os_error(error, writing=True, file=str(folder)) from error
        raise
    return workspace
