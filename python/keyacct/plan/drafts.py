"""Drafted plans as the database keeps them: header, every file of the folder, states. Read here by what comes later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.database.shedding_tables import shed_draft, shed_draft_file, shed_state
from keyacct.errors import ConfigError, WriteError
from keyacct.plan.digests import sha256

STATES = ("draft", "approved", "notified", "executing", "released", "evaluated", "replaced", "withdrawn")
FOLLOWS: Mapping[str, tuple[str, ...]] = {
    "draft": (), "approved": ("draft",), "notified": ("approved",), "executing": ("notified",),
    "released": ("executing",), "evaluated": ("released", "evaluated"),
    "replaced": ("draft", "approved", "notified", "executing"), "withdrawn": ("draft", "approved", "notified"),
}  # fmt: skip
"""Which states each may follow. A draft is only ever made here; the commands that lead further come with control."""


@dataclass(frozen=True)
class StoredDraft:
    """A draft. header: its draft.json. files: by path below its folder (`plan.csv`, `problem/meta.json` …)."""

    draft: str
    day: str
    level: str
    rule_set: str
    method: str
    mode: str
    state: str
    table_version: str
    table_digest: str
    input_digest: str
    plan_digest: str
    from_draft: str | None
    begins_ms: int
    ends_ms: int
    made_by: str
    made_at: int
    header: dict[str, Any] = field(repr=False)
    files: dict[str, bytes] = field(repr=False)

    @property
    def plan(self) -> bytes:
        """The plan file."""
        return self.files["plan.csv"]

    def problem_tables(self) -> dict[str, bytes]:
        """The files of the problem folder by their names (`meta.json`, `customers.csv` …)."""
        return {path.removeprefix("problem/"): data for path, data in self.files.items() if path.startswith("problem/")}


def _states(connection: sa.Connection) -> dict[str, str]:
    query = sa.select(shed_state.c.draft, shed_state.c.state).order_by(shed_state.c.draft, shed_state.c.number)
    return {row.draft: row.state for row in connection.execute(query)}


def list_drafts(workspace: Workspace) -> list[dict[str, Any]]:
    """Every draft with its present state, the latest day first: columns of `shed_draft` but the header."""
    columns = [column for column in shed_draft.c if column.name != "header"]
    query = sa.select(*columns).order_by(
        shed_draft.c.day.desc(), shed_draft.c.made_at.desc(), shed_draft.c.draft.desc()
    )
    with open_database(workspace).read() as connection:
        states = _states(connection)
        return [{**row, "state": states[row["draft"]]} for row in connection.execute(query).mappings()]


def state_history(workspace: Workspace, draft: str) -> list[dict[str, Any]]:
    """The states of a draft in their order: number, state, reason, noted_by, noted_at."""
    query = sa.select(shed_state).where(shed_state.c.draft == draft).order_by(shed_state.c.number)
    with open_database(workspace).read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def load_draft(workspace: Workspace, draft: str) -> StoredDraft:
    """A draft with its files, each held to its digest. Raises ConfigError for an unknown one, WriteError if damaged."""
    with open_database(workspace).read() as connection:
        row = connection.execute(sa.select(shed_draft).where(shed_draft.c.draft == draft)).mappings().first()
        if row is None:
            raise ConfigError(
                "config.registry_not_found", f"there is no draft {draft!r}", hint="`keyacct shed status` lists them"
            )
        query = sa.select(shed_draft_file).where(shed_draft_file.c.draft == draft).order_by(shed_draft_file.c.path)
        files: dict[str, bytes] = {}
        for file in connection.execute(query).mappings():
            data = file["content"].encode("utf-8")
            if sha256(data) != file["sha256"]:
                raise WriteError(
                    "write.store_damaged", f"the stored file {file['path']} of draft {draft} is not what was written",
                    hint="restore the database from a backup",
                )  # fmt: skip
            files[file["path"]] = data
        state = _states(connection)[draft]
    names = (
        "draft", "day", "level", "rule_set", "method", "mode", "table_version", "table_digest", "input_digest",
        "plan_digest", "from_draft", "begins_ms", "ends_ms", "made_by", "made_at",
    )  # fmt: skip
    return StoredDraft(
        **{name: row[name] for name in names}, state=state, header=json.loads(row["header"]), files=files
    )


def next_name(connection: sa.Connection, day: str) -> str:
    """The next free name of a day: `2026-07-15-1`, `…-2`."""
    count = connection.execute(
        sa.select(sa.func.count()).select_from(shed_draft).where(shed_draft.c.day == day)
    ).scalar()
    return f"{day}-{(count or 0) + 1}"


def add_draft(
    connection: sa.Connection, row: Mapping[str, Any], files: Mapping[str, bytes], noted_by: str, noted_at: int
) -> None:
    """Keep a draft in the caller's write transaction, in the state `draft`, with its audit row."""
    connection.execute(shed_draft.insert().values(**row, made_by=noted_by, made_at=noted_at))
    connection.execute(
        shed_draft_file.insert(),
        [
            {"draft": row["draft"], "path": path, "sha256": sha256(data), "content": data.decode("utf-8")}
            for path, data in sorted(files.items())
        ],
    )
    connection.execute(
        shed_state.insert().values(
            draft=row["draft"], number=1, state="draft", reason=None, noted_by=noted_by, noted_at=noted_at
        )
    )
    body = {
        name: row[name]
        for name in ("draft", "day", "level", "rule_set", "method", "mode", "table_version", "table_digest",
                     "input_digest", "plan_digest", "from_draft", "unmet_kwh")
    }  # fmt: skip
    audit.append(connection, "shed.draft", body)
