"""The government's priority table (限电序位表) of a problem folder, `priority.csv`: only an approved, currently valid
version may be used, and nobody it protects may be planned.

Columns: `account_no` (the customer), `approved_by`, `approval_no`, `valid_from`, `valid_to` (dates, inclusive);
optional `version`, `seq`, `protected` (0/1). Further columns are ignored.
"""

from __future__ import annotations

import csv
import datetime as dt
import io

from keyacct.errors import InputError, RefusedError
from keyacct.plan.folder import ProblemFolder

FILE = "priority.csv"
_NEEDED = ("account_no", "approved_by", "approval_no", "valid_from", "valid_to")


def hold_to_priority_table(folder: ProblemFolder, today: dt.date) -> None:
    """Passes when the folder has no priority table, or a good one.

    today: civil day for folders that do not say when their event begins. Raises RefusedError (exit 8) for a table that
    is not approved or not valid on the day of the event, or that protects a customer whom `customers.csv` does not;
    InputError (exit 4) for one that cannot be read.
    """
    content = folder.tables.get(FILE)
    if content is None:
        return
    day = folder.terms.start.date() if folder.terms.start is not None else today
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
        header = rows.fieldnames or []
    except UnicodeDecodeError:
        raise InputError("input.format", "the text is not UTF-8", where={"file": FILE}) from None
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise InputError("input.schema", f"the column '{missing[0]}' is missing", where={"file": FILE})
    classes = _classes(folder.tables["customers.csv"])
    versions: set[str] = set()
    for row in rows:
        line = rows.line_num
        where: dict[str, str | int] = {"file": FILE, "line": line}
        account = (row["account_no"] or "").strip()
        if account not in classes:
            raise InputError(
                "input.value",
                f"account '{account}' is unknown",
                hint="every account of the priority table must stand in customers.csv",
                where=where,
            )
        if not (row["approved_by"] or "").strip() or not (row["approval_no"] or "").strip():
            raise RefusedError(
                "refused.not_approved",
                f"the priority table is not approved for account '{account}'",
                hint="only an approved table may be used: approved_by and approval_no",
                where=where,
            )
        first, last = _date(row, "valid_from", where), _date(row, "valid_to", where)
        if not first <= day <= last:
            raise RefusedError(
                "refused.not_approved",
                f"the priority table holds from {first} to {last}, the event is on {day} (account '{account}')",
                hint="use the version that is valid on the day of the event",
                where=where,
            )
        if (row.get("protected") or "0").strip() not in ("", "0", "false", "no") and classes[account] != "0":
            raise RefusedError(
                "refused.not_approved",
                f"account '{account}' is protected by the table, but of class {classes[account]} in customers.csv",
                hint="set cls to 0 in customers.csv",
                where=where,
            )
        versions.add((row.get("version") or "").strip())
    if len(versions) > 1:
        raise RefusedError(
            "refused.not_approved",
            f"the priority table mixes the versions {', '.join(sorted(versions))}",
            hint="one version of the table per plan",
            where={"file": FILE},
        )


def _classes(customers: bytes) -> dict[str, str]:
    reader = csv.DictReader(io.StringIO(customers.decode("utf-8-sig", errors="replace")))
    return {row.get("id") or "": (row.get("cls") or "").strip() for row in reader}


def _date(row: dict[str, str], column: str, where: dict[str, str | int]) -> dt.date:
    try:
        return dt.date.fromisoformat((row[column] or "").strip()[:10])
    except ValueError:
        raise InputError(
            "input.value", f"'{row[column]}' is no date", hint="write 2026-07-15", where={**where, "column": column}
        ) from None
