"""A plan of orderly power use that was checked: from plain files, with what the planner wrote beside it."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from keyacct import clock
from keyacct.analysis.shed_event import ShedEvent
from keyacct.config import Workspace
from keyacct.errors import InputError, RefusedError, WriteError, from_os_error
from keyacct.i18n import Text
from keyacct.plan import checks
from keyacct.plan.event_files import read_event
from keyacct.plan.folder import ProblemFolder, read_folder
from keyacct.plan.priority import FILE as PRIORITY_FILE
from keyacct.plan.priority import hold_to_priority_table
from keyacct.report.dispatch_order import TableVersion

RESERVE_COLUMNS = ("block", "place", "customer", "measure", "mean_kw", "premium_per_kw")


@dataclass(frozen=True)
class PlanSource:
    """A plan that the independent check accepted. zone: of the problem folder. figures: as the check counts them.
    table: version of the priority table, where the folder holds one. draft, state: its name in the workspace, and its state.
    """

    event: ShedEvent
    zone: dt.tzinfo
    figures: Mapping[str, float]
    table: TableVersion | None = None
    reserve: list[dict[str, Any]] = field(default_factory=list)
    explanation: Mapping[str, Any] | None = None
    draft: str = ""
    state: str = ""


def read_source(
    problem: Path, plan: Path, *, reserve: Path | None = None, explanation: Path | None = None, draft: str = ""
) -> PlanSource:
    """A plan from a problem folder and its plan file.

    reserve, explanation: what `shed plan --reserve FILE.csv|.json` and `--explain FILE.json` wrote. Raises RefusedError
    (exit 8) when the independent check finds a breach, or the priority table may not be used; InputError (exit 4).
    """
    folder = read_folder(problem)
    hold_to_priority_table(folder, clock.now().date())
    content = _read(plan)
    verdict = checks.check(problem, plan)
    if verdict.breaches:
        first = verdict.breaches[0].sentence()
        raise RefusedError(
            "refused.not_approved",
            str(
                Text(
                    f"the plan breaks {len(verdict.breaches)} rule(s), first: {first}",
                    f"方案违反 {len(verdict.breaches)} 处规则, 首处: {first}",
                )
            ),
            hint=str(
                Text(
                    "nothing was written; `keyacct shed check` lists every breach",
                    "未写出任何文件; `keyacct shed check` 列出全部违规",
                )
            ),
            where={"file": plan.name},
        )
    event = read_event(folder, content, plan.name)
    return PlanSource(
        event=event,
        zone=_zone(problem, event),
        figures=verdict.figures,
        table=_table(folder),
        reserve=[] if reserve is None else _reserve(reserve, event),
        explanation=None if explanation is None else _explanation(explanation),
        draft=draft,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(path)) from None


def _zone(problem: Path, event: ShedEvent) -> dt.tzinfo:
    """The zone that `meta.json` names, else the offset of its start."""
    name = json.loads(_read(problem / "meta.json").decode("utf-8-sig")).get("zone")
    if name is None:
        return event.start.tzinfo or dt.UTC
    try:
        return zoneinfo.ZoneInfo(str(name))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(
            "input.value",
            f"zone: {str(name)[:60]!r} is no time zone",
            hint="write for example Asia/Shanghai",
            where={"file": "meta.json"},
        ) from None


def _table(folder: ProblemFolder) -> TableVersion | None:
    """The priority table of the folder; its one version was checked before."""
    content = folder.tables.get(PRIORITY_FILE)
    if content is None:
        return None
    first = next(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))), None)
    if first is None:
        return None
    return TableVersion(
        version=(first.get("version") or "").strip() or str(Text("(unnumbered)", "(无版本号)")),
        approved_by=first["approved_by"].strip(),
        approval_no=first["approval_no"].strip(),
        valid_from=dt.date.fromisoformat(first["valid_from"].strip()[:10]),
        valid_to=dt.date.fromisoformat(first["valid_to"].strip()[:10]),
    )


def _reserve(path: Path, event: ShedEvent) -> list[dict[str, Any]]:
    content = _read(path).decode("utf-8-sig", errors="replace")
    if path.suffix.lower() == ".json":
        try:
            rows = json.loads(content)
        except ValueError as error:
            raise InputError("input.format", f"no JSON document: {error}", where={"file": path.name}) from None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise InputError("input.format", "a list of objects is needed", where={"file": path.name})
        numbered = list(enumerate(rows, 1))
    else:
        reader = csv.DictReader(io.StringIO(content, newline=""))
        numbered = [(reader.line_num, dict(row)) for row in reader]
    for line, row in numbered:
        row.setdefault("customer", row.get("account_no"))
        name = str(row["customer"])
        if name not in event.customers and name.startswith("'"):  # escaped, so that no spreadsheet runs it
            row["customer"] = name[1:]
        where: dict[str, str | int] = {"file": path.name, "line": line}
        missing = [column for column in RESERVE_COLUMNS if row.get(column) in (None, "")]
        if missing:
            raise InputError(
                "input.schema", f"the column '{missing[0]}' is missing or empty",
                hint="give the file that `shed plan --reserve` wrote", where=where,
            )  # fmt: skip
        try:
            numbers = [float(row[column]) for column in ("block", "place", "mean_kw", "premium_per_kw")]
        except (TypeError, ValueError):
            numbers = []
        known = str(row["customer"]) in event.customers
        if not numbers or not known or str(row["measure"]) not in ("shift", "avoid", "limit", "trip"):
            raise InputError(
                "input.value", f"the row is no reserve of this plan (customer '{str(row['customer'])[:60]}')",
                hint="give the file that `shed plan --reserve` wrote with this plan", where=where,
            )  # fmt: skip
    return [row for _, row in numbered]


def _explanation(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(_read(path).decode("utf-8-sig"))
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(
            "input.format", f"no JSON document: {error}", hint="give the file that `shed plan --explain FILE.json` wrote",
            where={"file": path.name},
        ) from None  # fmt: skip
    if not isinstance(found, dict) or not {"blocks", "customers", "reliefs"} <= set(found):
        raise InputError(
            "input.schema", "this is no explanation of a plan",
            hint="give the file that `shed plan --explain FILE.json` wrote", where={"file": path.name},
        )  # fmt: skip
    return found


def read_draft(workspace: Workspace, name: str, folder: Path) -> PlanSource:
    """A draft of the workspace, checked again from its stored files; folder: an empty one to lay them out in.

    Raises ConfigError for an unknown draft, and as `read_source`.
    """
    from keyacct.plan.drafts import load_draft

    stored = load_draft(workspace, name)
    for path, content in stored.files.items():
        target = folder / path
        if not target.resolve().is_relative_to(folder.resolve()):
            raise WriteError(
                "write.store_damaged", f"draft {name} holds a file outside its folder", hint="restore the database",
            )  # fmt: skip
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def own(path: str) -> Path | None:
        return folder / path if path in stored.files else None

    source = read_source(
        folder / "problem", folder / "plan.csv", reserve=own("reserve.csv"), explanation=own("explanation.json"),
        draft=name,
    )  # fmt: skip
    return replace(source, state=stored.state)
