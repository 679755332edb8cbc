"""Freezes bills and hands them over: numbered exports that are kept, corrections that name what they correct."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from keyacct import clock
from keyacct.analysis.bill import bills
from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.bills import billing_export, billing_export_item, billing_freeze
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError, KeyacctError, RefusedError, WriteError
from keyacct.i18n import Lang
from keyacct.model import Period
from keyacct.report.billing_files import ExportContent, ExportItem, render_export
from keyacct.report.files import make_folder, settle, write_whole

Json = dict[str, Any]
State = Literal["new", "same", "changed", "incomplete"]


@dataclass(frozen=True)
class FrozenBill:
    """A bill and how it stands to what was frozen before. version: of the freeze that holds it, 0 where none does."""

    bill: Json
    digest: str
    state: State
    version: int

    def as_row(self) -> Json:
        """As a row for printing."""
        bill = self.bill
        return {
            "account_no": bill["account_no"], "account_name": bill["account_name"], "cycle_from": bill["cycle_from"],
            "cycle_to": bill["cycle_to"], "state": self.state, "version": self.version,
            "complete": bill["complete"], "estimated": bill["estimated"],
            "import_kwh": bill["energies"].get("import", {}).get("total"), "demand_kw": bill["demand"]["kw"],
            "pf_assessed": bill["power_factor"]["pf_assessed"], "flags": bill["flags"], "digest": self.digest,
        }  # fmt: skip


def digest_of(bill: Json) -> str:
    """SHA-256 of a bill's canonical JSON: the same readings and registry give the same."""
    return hashlib.sha256(audit.canonical(bill).encode()).hexdigest()


def missing_of(found: Iterable[Json]) -> list[Json]:
    """What lacks in bills, a row each with its account and cycle."""
    return [
        {"account_no": bill["account_no"], "cycle_to": bill["cycle_to"], **row}
        for bill in found
        for row in bill["missing"]
    ]


def freeze(
    workspace: Workspace, period: Period, accounts: Sequence[str] | None = None, *, allow_partial: bool = False,
    dry_run: bool = False,
) -> list[FrozenBill]:  # fmt: skip
    """Compute and keep the bills of every cycle that ends in a period. A bill that came out the same is not kept again;
    one that changed is kept as the next version. Incomplete ones are kept with allow_partial only, those of a cycle that
    runs still never. Raises ConfigError for unknown accounts.
    """
    return _freeze(
        workspace, period, list(bills(workspace, period, accounts)), allow_partial=allow_partial, dry_run=dry_run
    )


def _freeze(
    workspace: Workspace, period: Period, found: Sequence[Json], *, allow_partial: bool, dry_run: bool
) -> list[FrozenBill]:
    digests = [digest_of(bill) for bill in found]
    together = list(zip(found, digests, strict=True))
    with open_database(workspace).read() as connection:
        known = _latest(connection, found)
    result = [_compare(bill, digest, known, allow_partial=allow_partial) for bill, digest in together]
    if not dry_run and any(f.state in ("new", "changed") for f in result):
        with open_database(workspace).write() as connection:
            known = _latest(connection, found)  # again, now that nobody else can be at it
            result = [_compare(bill, digest, known, allow_partial=allow_partial) for bill, digest in together]
            _keep(connection, result, period.label)
    return result


def _key(bill: Json) -> tuple[str, int, int]:
    return bill["account_no"], bill["from_ms"], bill["to_ms"]


def _latest(connection: sa.Connection, found: Sequence[Json]) -> dict[tuple[str, int, int], Any]:
    """The newest freeze of each cycle."""
    if not found:
        return {}
    table = billing_freeze.c
    query = (
        sa.select(table.id, table.account_no, table.cycle_from, table.cycle_to, table.version, table.digest)
        .where(table.cycle_to >= min(b["to_ms"] for b in found), table.cycle_to <= max(b["to_ms"] for b in found))
        .order_by(table.version)
    )
    return {(row.account_no, row.cycle_from, row.cycle_to): row for row in connection.execute(query)}


def _compare(bill: Json, digest: str, known: dict[tuple[str, int, int], Any], *, allow_partial: bool) -> FrozenBill:
    before = known.get(_key(bill))
    if before is not None and before.digest == digest:
        return FrozenBill(bill, digest, "same", before.version)
    if not bill["complete"] and (not allow_partial or _runs_still(bill)):
        return FrozenBill(bill, digest, "incomplete", 0)
    return FrozenBill(bill, digest, "new" if before is None else "changed", 1 if before is None else before.version + 1)


def _runs_still(bill: Json) -> bool:
    return any(row["what"] == "cycle" for row in bill["missing"])


def _keep(connection: sa.Connection, frozen: Sequence[FrozenBill], label: str) -> None:
    new = [f for f in frozen if f.state in ("new", "changed")]
    first = (connection.execute(sa.select(sa.func.max(billing_freeze.c.id))).scalar() or 0) + 1
    now = clock.now_ms()
    rows = [
        {
            "id": first + n, "account_no": f.bill["account_no"], "cycle_from": f.bill["from_ms"],
            "cycle_to": f.bill["to_ms"], "version": f.version, "frozen_at": now, "complete": int(f.bill["complete"]),
            "estimated": int(f.bill["estimated"]), "digest": f.digest, "body": audit.canonical(f.bill),
        }
        for n, f in enumerate(new)
    ]  # fmt: skip
    if not rows:
        return
    connection.execute(billing_freeze.insert(), rows)
    together = hashlib.sha256("".join(f.digest for f in new).encode()).hexdigest()
    body = {
        "period": label, "ids": [first, first + len(rows) - 1], "digest": together,
        "changed": sorted(f.bill["account_no"] for f in new if f.state == "changed"),
        "incomplete": sum(not f.bill["complete"] for f in new),
    }  # fmt: skip
    audit.append(connection, "billing.freeze", body)


@dataclass
class Export:
    """A hand-over. number: None where there was nothing to hand over. files: what was written. missing: what lacks."""

    number: int | None
    content: ExportContent | None = None
    files: list[Path] = field(default_factory=list)
    missing: list[Json] = field(default_factory=list)
    unchanged: int = 0

    def as_row(self) -> Json:
        """As a row for printing."""
        content = self.content
        return {
            "number": self.number, "accounts": len({i.bill["account_no"] for i in content.items}) if content else 0,
            "bills": len(content.items) if content else 0,
            "corrections": sum(i.corrects_number is not None for i in content.items) if content else 0,
            "unchanged": self.unchanged, "missing": len(self.missing), "digest": content.digest if content else None,
            "files": [str(path) for path in self.files],
        }  # fmt: skip


def export(
    workspace: Workspace, period: Period, out: Path, *, formats: Sequence[str] = ("csv", "xlsx"),
    accounts: Sequence[str] | None = None, allow_partial: bool = False, dry_run: bool = False, lang: Lang = "en",
    tell_missing: Callable[[list[Json]], None] | None = None,
) -> Export:  # fmt: skip
    """Freeze the bills of a period and hand over those that were not handed over yet, or came out differently since.

    The hand-over gets the next number and is kept in the database before its files are written, so `again` can write them
    once more, byte for byte. tell_missing: told
    what lacks, before anything else. A bill that takes the place of one handed over earlier is a correction and names it. Raises
    RefusedError `refused.incomplete` when something lacks and allow_partial is not given: then nothing is kept or written.
    """
    found = list(bills(workspace, period, accounts))
    planned = _freeze(workspace, period, found, allow_partial=allow_partial, dry_run=True)
    missing = missing_of(f.bill for f in planned)
    if missing and tell_missing is not None:
        tell_missing(missing)
    if missing and not allow_partial:
        lacking = len({(row["account_no"], row["cycle_to"]) for row in missing})
        raise RefusedError(
            "refused.incomplete", f"{lacking} of {len(planned)} bills are incomplete, nothing was exported",
            hint="complete the readings named, or hand over what there is with --allow-partial",
        )  # fmt: skip
    if dry_run:
        return Export(None, None, [], missing, sum(f.state == "same" for f in planned))
    _freeze(workspace, period, found, allow_partial=allow_partial, dry_run=False)
    keys = {_key(f.bill): f.digest for f in planned if f.state != "incomplete"}
    with open_database(workspace).write() as connection:
        items, unchanged = _items(connection, keys)
        if not items:
            return Export(None, None, [], missing, unchanged)
        number = (connection.execute(sa.select(sa.func.max(billing_export.c.number))).scalar() or 0) + 1
        content = ExportContent(
            number, period.label, clock.now_ms(), workspace.settings.workspace.name,
            workspace.settings.workspace.timezone, tuple(items), tuple(missing), lang,
        )  # fmt: skip
        _record(connection, content)
    result = Export(number, content, [], missing, unchanged)
    try:
        result.files = _write(content, out, formats)
    except KeyacctError as error:
        raise WriteError(
            error.code if error.kind == "write" else "write.failed",
            f"export {number} is kept, but its files could not be written: {error.message}",
            hint=f"write them with: keyacct billing export --again {number} --out DIR", where=error.where,
        ) from error  # fmt: skip
    return result


def _items(connection: sa.Connection, keys: dict[tuple[str, int, int], str]) -> tuple[list[ExportItem], int]:
    """What of some bills is to be handed over: (items, how many were handed over as they are)."""
    if not keys:
        return [], 0
    freezes = billing_freeze.c
    low, high = min(key[1] for key in keys), max(key[2] for key in keys)
    span = sa.and_(freezes.cycle_to > low, freezes.cycle_from < high)
    names = (freezes.id, freezes.account_no, freezes.cycle_from, freezes.cycle_to, freezes.digest)
    query = (
        sa.select(billing_export_item.c.number, *names)
        .join(billing_freeze, freezes.id == billing_export_item.c.freeze_id)
        .where(span)
        .order_by(billing_export_item.c.number)
    )
    told: dict[tuple[str, int, int], Any] = {}
    spans: dict[str, list[Any]] = {}
    for row in connection.execute(query):
        told[row.account_no, row.cycle_from, row.cycle_to] = row
        spans.setdefault(row.account_no, []).append(row)
    rows = connection.execute(sa.select(*names).where(span).order_by(freezes.version))
    latest = {(row.account_no, row.cycle_from, row.cycle_to): row for row in rows}
    chosen, unchanged = [], 0
    for key in sorted(keys, key=lambda key: (key[0], key[2])):
        newest = latest[key]
        before = told.get(key)
        if before is None:  # a reading day that was moved afterwards: another cycle, over the same time
            overlapping = [r for r in spans.get(key[0], []) if r.cycle_from < key[2] and r.cycle_to > key[1]]
            before = overlapping[-1] if overlapping else None
        if before is not None and before.digest == newest.digest:
            unchanged += 1
        else:
            chosen.append((newest.id, before))
    bodies = _bodies(connection, {i for i, _ in chosen} | {before.id for _, before in chosen if before is not None})
    items = [
        ExportItem(i, bodies[i])
        if before is None
        else ExportItem(i, bodies[i], before.number, before.id, bodies[before.id])
        for i, before in chosen
    ]
    return items, unchanged


def _bodies(connection: sa.Connection, ids: set[int]) -> dict[int, Json]:
    """Frozen bills by number."""
    freezes = billing_freeze.c
    found: dict[int, Json] = {}
    wanted = sorted(ids)
    for start in range(0, len(wanted), 500):
        query = sa.select(freezes.id, freezes.body).where(freezes.id.in_(wanted[start : start + 500]))
        for entry in connection.execute(query):
            found[entry.id] = json.loads(entry.body)
    return found


def _record(connection: sa.Connection, content: ExportContent) -> None:
    connection.execute(
        billing_export.insert().values(
            number=content.number, label=content.label, exported_at=content.exported_at, lang=content.lang,
            complete=int(not content.missing), accounts=len({i.bill["account_no"] for i in content.items}),
            corrections=sum(i.corrects_number is not None for i in content.items), digest=content.digest,
            missing=json.dumps(content.missing, ensure_ascii=False),
        )
    )  # fmt: skip
    connection.execute(
        billing_export_item.insert(),
        [
            {
                "number": content.number, "freeze_id": item.freeze_id, "corrects_number": item.corrects_number,
                "corrects_freeze_id": item.corrects_freeze_id,
            }
            for item in content.items
        ],
    )  # fmt: skip
    body = {
        "number": content.number, "period": content.label, "digest": content.digest,
        "accounts": sorted({item.bill["account_no"] for item in content.items}),
        "corrects": sorted({i.corrects_number for i in content.items if i.corrects_number is not None}),
        "missing": len(content.missing),
    }  # fmt: skip
    audit.append(connection, "billing.export", body)


def _write(content: ExportContent, out: Path, formats: Sequence[str]) -> list[Path]:
    make_folder(out)
    files = []
    for name, data in render_export(content, formats).items():
        write_whole(out / name, data)
        files.append(out / name)
    settle(out)
    return files


def again(workspace: Workspace, number: int, out: Path, *, formats: Sequence[str] = ("csv", "xlsx")) -> Export:
    """Write the files of an export once more, the same bytes. Raises ConfigError for an unknown number, WriteError when
    what is kept is not what was handed over.
    """
    with open_database(workspace).write() as connection:
        content = load_export(connection, workspace, number)
        audit.append(connection, "billing.export_again", {"number": number, "digest": content.digest})
    return Export(number, content, _write(content, out, formats), [dict(row) for row in content.missing])


def load_export(connection: sa.Connection, workspace: Workspace, number: int) -> ExportContent:
    """An export as it was handed over."""
    row = connection.execute(sa.select(billing_export).where(billing_export.c.number == number)).first()
    if row is None:
        raise ConfigError(
            "config.registry_not_found", f"there is no export {number}", hint="see `keyacct billing list`"
        )
    freezes = billing_freeze.c
    entries = connection.execute(
        sa.select(billing_export_item).where(billing_export_item.c.number == number)
        .join(billing_freeze, freezes.id == billing_export_item.c.freeze_id).order_by(freezes.account_no, freezes.cycle_to)
    ).all()  # fmt: skip
    ids = {e.freeze_id for e in entries} | {e.corrects_freeze_id for e in entries if e.corrects_freeze_id is not None}
    found = _bodies(connection, ids)
    content = ExportContent(
        number, row.label, row.exported_at, workspace.settings.workspace.name,
        workspace.settings.workspace.timezone,
        tuple(
            ExportItem(e.freeze_id, found[e.freeze_id], e.corrects_number, e.corrects_freeze_id,
                       found.get(e.corrects_freeze_id) if e.corrects_freeze_id is not None else None)
            for e in entries
        ),
        tuple(json.loads(row.missing)), "zh" if row.lang == "zh" else "en",
    )  # fmt: skip
    if content.digest != row.digest:
        raise WriteError(
            "write.store_damaged", f"what is kept of export {number} is not what was handed over",
            hint="see `keyacct audit verify`; restore the database from a backup",
        )  # fmt: skip
    return content


def list_exports(workspace: Workspace) -> list[Json]:
    """Every hand-over, the oldest first."""
    with open_database(workspace).read() as connection:
        rows = connection.execute(sa.select(billing_export).order_by(billing_export.c.number)).mappings().all()
    return [
        {
            "number": row["number"], "period": row["label"], "exported_at": row["exported_at"],
            "accounts": row["accounts"], "corrections": row["corrections"], "complete": bool(row["complete"]),
            "missing": json.loads(row["missing"]), "digest": row["digest"],
        }
        for row in rows
    ]  # fmt: skip
