"""What the reports about the whole office share: the head of the document, its completeness, what is not over yet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keyacct.config import Workspace
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import NO_UNIT, Absent, Column, Document, Fact, Figure, Note, Section, Value
from keyacct.report.inputs import digest_of
from keyacct.report.sections.common import COMPLETENESS_FIGURE, PERCENT, Scope, number, plain

YUAN = Text("CNY", "元")
NOT_AVAILABLE = Text("not available", "暂无")
NO_YEAR_AGO = Absent(Text("not available: no data of a year ago", "暂无: 无上年同期数据"))
NO_BEFORE = Absent(Text("not available: no data of the period before", "暂无: 无上期数据"))
NOT_OVER = Absent(Text("not available: the period is not over", "暂无: 统计期尚未结束"))
NO_POINT = Absent(Text("the account has no meter in this period", "该客户本期无电能表"))
TOP = 12
"""Bars that a chart of accounts or groups shows; the tables have all."""

ACCOUNT_NO = Column("account", Text("Account no.", "户号"), Text("Account number.", "客户户号。"), "text")
ACCOUNT_NAME = Column(
    "account_name",
    Text("Account name", "户名"),
    Text("Name of the account.", "客户名称。"),
    "text",
    absent=Text("no name in the registry", "档案未登记户名"),
)
COUNT_FIGURE = Column(
    "accounts", Text("Accounts", "客户数"), Text("Accounts that the report covers.", "报告所含客户数。")
)


def amount(
    key: str,
    name: Text,
    definition: Text,
    unit: Text,
    decimals: int = 2,
    *,
    source: Text = NO_UNIT,
    absent: Text | None = None,
) -> Column:
    """A column of numbers."""
    column = Column(key, name, definition, unit=unit, decimals=decimals, source=source)
    return column if absent is None else Column(key, name, definition, "number", unit, decimals, source, absent)


def share(key: str, name: Text, definition: Text, decimals: int = 2, *, source: Text = NO_UNIT) -> Column:
    """A column of percents."""
    return Column(key, name, definition, "share", PERCENT, decimals, source)


def words(key: str, name: Text, definition: Text, absent: Text | None = None) -> Column:
    """A column of texts; absent: why there may be none."""
    return Column(key, name, definition, "text", absent=absent or Text("not in the registry", "档案未登记"))


def document(
    kind: str,
    title: Text,
    subtitle: Text,
    workspace: Workspace,
    period: Period,
    generated_at: dt.datetime,
    *,
    accounts: Sequence[str],
    completeness: float | None,
    completeness_column: Column = COMPLETENESS_FIGURE,
    figures: Sequence[Figure],
    sections: Sequence[Section],
    inputs: Mapping[str, Any],
    notes: Sequence[Note] = (),
    parameters: Sequence[Fact] = (),
) -> Document:
    """A document about all the accounts asked for."""
    settings = workspace.settings
    local = generated_at.astimezone(workspace.zone)
    scope = Scope(period, local.date())
    about = {
        "kind": kind,
        "period": [str(period.first), str(period.last)],
        "accounts": list(accounts),
        "settings": settings.model_dump(mode="json"),
        "unfinished": scope.unfinished,
    }
    return Document(
        kind=kind,
        title=title,
        subtitle=subtitle,
        office=settings.workspace.name,
        account_no="",
        account_name="",
        period=period,
        facts=(Fact(COUNT_FIGURE.title, plain(str(len(accounts)))),),
        parameters=(Fact(Text("Time zone", "时区"), plain(settings.workspace.timezone)), *parameters),
        completeness=Figure(completeness_column, completeness_column.cell(completeness)),
        figures=tuple(figures),
        sections=tuple(sections),
        notes=(*unfinished(scope), *notes, DASHES),
        inputs_sha256=digest_of({**inputs, "about": about}),
        generated_at=local,
    )


DASHES = Note(
    "info",
    Text(
        "A time is the end of its interval; 24:00 belongs to the day it closes. An en dash is a missing value, its reason "
        "stands under the table.",
        "时间为时段止点, 24:00属于其所结束的当日。短横线表示缺值, 原因列于表下。",
    ),
)


def unfinished(scope: Scope) -> list[Note]:
    """The warning that a period still runs."""
    if not scope.unfinished:
        return []
    last = scope.period.last
    text = Text(
        f"The period runs to {last}; it was not over when the report was made. Figures are provisional, and what needs the "
        "whole period is not available.",
        f"统计期至{last}止, 出报表时尚未结束, 数据为阶段性结果; 须按整期计算的项目暂无。",
    )
    return [Note("warning", text)]


def lowest(shares: Sequence[float | None]) -> float | None:
    """The lowest share, None without any."""
    known = [value for value in shares if value is not None]
    return min(known) if known else None


def listed(names: Sequence[str], most: int = 20) -> Text:
    """Names in a row; of a long list the first ones and how many more there are."""
    head, more = ", ".join(names[:most]), len(names) - most
    return Text(f"{head} and {more} more", f"{head} 等, 另有{more}个") if more > 0 else plain(head)


def without_data(accounts: Sequence[str], measured: Callable[[str], bool], what: Text) -> list[Note]:
    """Which accounts have no data in the period."""
    empty = [account for account in accounts if not measured(account)]
    if not empty:
        return []
    names = listed(empty)
    text = Text(
        f"{what.en}: no data of {len(empty)} of {len(accounts)} accounts: {names.en}.",
        f"{what.zh}: {len(accounts)}户中{len(empty)}户无数据: {names.zh}。",
    )
    return [Note("warning", text)]


def per(value: Value, digits: int = 2) -> str:
    """A share as percent with its sign, for running text."""
    shown = number(value, digits, percent=True)
    return "–" if shown is None else f"{shown}\u00a0%"
