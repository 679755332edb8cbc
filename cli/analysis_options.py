"""Options that the analysis commands (`voltage`, `pf`, `load` …) share, and how they are understood."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from keyacct import clock
from keyacct.cli import render
from keyacct.i18n import Text
from keyacct.model import Period

if TYPE_CHECKING:
    import pyarrow as pa

    from keyacct.config import Workspace


AccountOption = Annotated[
    list[str] | None,
    typer.Option(
        "--account",
        metavar="A",
        help=str(Text("Account number; may be repeated (else all).", "户号, 可重复 (缺省全部)。")),
    ),
]
PeriodOption = Annotated[
    str | None,
    typer.Option(
        "--period",
        metavar="P",
        help=str(
            Text(
                "2026, 2026Q2, 2026-06, 2026-06/2, 2026-W23, 2026-06-01, FROM..TO (else the last month).",
                "2026、2026Q2、2026-06、2026-06/2、2026-W23、2026-06-01 或 起..止 (缺省上一整月)。",
            )
        ),
    ),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="ATTRIBUTE=VALUE",
        help=str(
            Text(
                "Only what belongs to that set: supply_line, transformer, busbar, voltage_level_kv, industry_code, …; "
                "repeated for one attribute: one of them.",
                "按对象筛选: supply_line、transformer、busbar、voltage_level_kv、industry_code 等, 可重复。",
            )
        ),
    ),
]


def chosen_period(text: str | None, workspace: Workspace) -> Period:
    """The period that was asked for; the last complete civil month when none was."""
    if text is not None:
        return Period.parse(text)
    today = clock.now().astimezone(workspace.zone).date()
    before = today.replace(day=1) - dt.timedelta(days=1)
    return Period.parse(f"{before:%Y-%m}")


def chosen_set(given: list[str] | None) -> dict[str, list[str]] | None:
    """The set that `--where` names: attribute → values; None without. Raises UsageError."""
    from keyacct.errors import UsageError

    found: dict[str, list[str]] = {}
    for text in given or ():
        name, sign, value = text.partition("=")
        if not sign:
            raise UsageError("usage.invalid", f"{text!r} chooses nothing", hint="write for example industry_code=2611")
        found.setdefault(name.strip(), []).append(value.strip())
    return found or None


def chosen_accounts(
    workspace: Workspace, span: Period, accounts: list[str] | None, where: list[str] | None
) -> list[str] | None:
    """The accounts that `--account` and `--where` leave; None is all."""
    chosen = chosen_set(where)
    if chosen is None:
        return accounts
    from keyacct.analysis.query import accounts_of

    return accounts_of(workspace, span, chosen, accounts)


@dataclass(frozen=True)
class Asked:
    """What an analysis command is asked: where, over which time, and of which accounts (None: all)."""

    workspace: Workspace
    span: Period
    accounts: list[str] | None


def asked(
    account: list[str] | None, where: list[str] | None, period: str | None, *, by: str | None = None,
    kinds: Sequence[str] = (), hint: str = "",
) -> Asked:  # fmt: skip
    """The beginning of every analysis command: the rows that `--by` chooses of `kinds`, the workspace, time and accounts.

    hint: why there are no others. Raises UsageError before anything is opened.
    """
    from keyacct.cli import session
    from keyacct.errors import UsageError

    if by is not None and by not in kinds:
        names = ", ".join(kinds[:-1]) + f" or {kinds[-1]}"
        raise UsageError("usage.invalid", f"--by {by!r}", hint=f"choose {names}" + (f": {hint}" if hint else ""))
    workspace = session.open_workspace()
    span = chosen_period(period, workspace)
    return Asked(workspace, span, chosen_accounts(workspace, span, account, where))


def rows_of(table: pa.Table) -> list[dict[str, object]]:
    """The rows of a result as they are printed."""
    return list(table.to_pylist())


def with_percent(row: dict[str, object], *names: str) -> dict[str, object]:
    """A row for people, in which shares are percent."""
    shown = dict(row)
    for name in names:
        value = shown.get(name)
        if isinstance(value, float):
            shown[name] = 100.0 * value
    return shown


def verdict(passed: object) -> str | None:
    """PASS, FAIL, or nothing when it was not judged."""
    if passed is None:
        return None
    return str(Text("PASS", "合格") if passed else Text("FAIL", "不合格"))


def note_missing(rows: list[dict[str, object]], measured: str, period: Period) -> None:
    """Say on stderr which accounts have no values at all; their rows stand with nulls."""
    accounts = {str(row["account_no"]) for row in rows if row["account_no"]}
    seen = {str(row["account_no"]) for row in rows if row[measured] is not None}
    if not rows:
        render.say(Text(f"no metering points in {period.label}", f"{period.label} 内没有计量点"))
    elif missing := sorted(accounts - seen):
        names = ", ".join(missing[:10]) + (" …" if len(missing) > 10 else "")
        render.say(
            Text(
                f"no data in {period.label} for {len(missing)} account(s): {names}",
                f"{period.label} 内 {len(missing)} 户没有数据: {names}",
            )
        )
