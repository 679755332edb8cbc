"""Summary of a day, week, month or other period: the office's figures at a glance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal

from keyacct.config import Workspace
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import (
    Absent,
    Axis,
    Chart,
    Column,
    Document,
    Figure,
    Note,
    Section,
    Series,
    TableSpec,
    Value,
)
from keyacct.report.gather import Gathered, gather
from keyacct.report.kind import Kind
from keyacct.report.kinds.energy import change
from keyacct.report.kinds.voltage import COMBINED_FIGURE, MEETING_FIGURE
from keyacct.report.sections import office
from keyacct.report.sections.common import COMPLETENESS, COMPLETENESS_FIGURE, DAY, KW, KWH, Scope, number
from keyacct.report.sections.office import NO_BEFORE, amount, share, words
from keyacct.report.subject import Subject, all_accounts, load_subjects

TITLE = Text("Summary", "综合汇总报表")
NO_RATED = Text("no account to assess", "无可考核客户")
ENERGY_FIGURE = amount(
    "summary_energy_kwh", Text("Energy", "总用电量"), Text("Sum of the accounts' energies.", "各户用电量之和。"), KWH
)
CHANGE_FIGURE = share(
    "summary_change_pct",
    Text("Change on the period before", "环比"),
    Text("Change of the energy over the accounts with data in both periods.", "两期均有数据的客户电量变化率。"),
)
PF_FIGURE = share(
    "summary_pf_meeting_pct",
    Text("Power factors meeting the standard", "功率因数达标率"),
    Text("Share of the assessed accounts that meet their standard.", "考核客户中达标的比例。"),
)
DATA_FIGURE = share(
    "accounts_with_data_pct",
    Text("Accounts with data", "有数据客户比例"),
    Text("Share of the accounts that have energies in the period.", "本期有电量数据的客户比例。"),
)
ACCOUNTS = Column(
    "accounts_measured",
    Text("Accounts", "客户数"),
    Text("Accounts with an energy on that day.", "当日有电量的客户数。"),
)
DAILY = TableSpec(
    "summary_daily",
    Text("By day", "逐日汇总"),
    Text("By day", "逐日"),
    (
        DAY,
        amount("energy_kwh", Text("Energy", "用电量"), Text("Sum of the accounts' energies.", "各户用电量之和。"), KWH),
        ACCOUNTS,
        amount(
            "highest_kw",
            Text("Highest demand", "单户最大需量"),
            Text("Highest demand of an account on that day.", "当日单户最大需量。"),
            KW,
        ),
        words(
            "highest_account",
            Text("of account", "户号"),
            Text("The account of the highest demand.", "最大需量所属户号。"),
            Text("no demand", "无需量"),
        ),
        COMPLETENESS,
    ),
)
WHAT = words("finding", Text("Finding", "事项"), Text("What to look at.", "需关注的事项。"))
FINDINGS = TableSpec(
    "summary_findings",
    Text("To look at", "需关注"),
    Text("To look at", "需关注"),
    (
        office.ACCOUNT_NO,
        office.ACCOUNT_NAME,
        WHAT,
        words("value", Text("Value", "数值"), Text("The value found.", "相应数值。")),
    ),
)
JUMP = 0.30
"""A change of energy on the period before from here on is named [D]."""


def build(workspace: Workspace, period: Period, accounts: Sequence[str], generated_at: dt.datetime) -> list[Document]:
    """One document over all the accounts. Raises KeyacctError of the registry or of an analysis."""
    from keyacct.analysis.combined_voltage import combined_rate
    from keyacct.analysis.comparison import previous_period

    accounts = sorted(accounts)
    subjects = load_subjects(workspace, accounts)
    now = gather(
        workspace,
        period,
        accounts,
        power_factor=True,
        voltage=True,
        office_points=set(accounts) >= set(all_accounts(workspace)),
    )
    before = gather(workspace, previous_period(period), accounts)
    scope = Scope(period, generated_at.astimezone(workspace.zone).date())
    pairs = {a: (now.energy(a), before.energy(a)) for a in accounts}
    energies = [_exact(value) for value, _ in pairs.values() if value is not None]
    both = [(n, b) for n, b in pairs.values() if n is not None and b is not None]
    points = [row for rows in now.voltage.values() for row in rows if row["phase"] == "total"]
    rated = [row for row in points if row["rate"] is not None]
    combined = combined_rate((row["monitoring_class"], row["rate"]) for row in points)
    assessed = [row for row in now.power_factor.values() if row["passed"] is not None]
    met = sum(bool(row["passed"]) for row in assessed)
    findings = [row for subject in subjects for row in _findings(subject, now, pairs[subject.account_no], scope)]
    changed = change(sum(n for n, _ in both), sum(b for _, b in both), scope, NO_BEFORE) if both else NO_BEFORE
    met_points = sum(bool(row["passed"]) for row in rated)
    nothing = Text("Nothing stands out in the period.", "本期无突出事项。")
    return [
        office.document(
            "summary",
            TITLE,
            Text("Energy, power factor, voltage, data", "电量、功率因数、电压与数据"),
            workspace,
            period,
            generated_at,
            accounts=accounts,
            completeness=office.lowest(
                [row["completeness"] for row in now.load.values() if row["energy_kwh"] is not None]
            ),
            figures=[
                Figure(ENERGY_FIGURE, ENERGY_FIGURE.cell(sum(energies) if energies else None)),
                Figure(CHANGE_FIGURE, CHANGE_FIGURE.cell(changed)),
                Figure(PF_FIGURE, PF_FIGURE.cell(met / len(assessed) if assessed else Absent(NO_RATED))),
                Figure(COMBINED_FIGURE, COMBINED_FIGURE.cell(combined.rate)),
                Figure(MEETING_FIGURE, MEETING_FIGURE.cell(met_points / len(rated) if rated else None)),
                Figure(DATA_FIGURE, DATA_FIGURE.cell(len(energies) / len(accounts))),
            ],
            sections=[
                _daily(now, scope),
                Section(
                    "findings",
                    FINDINGS.title,
                    (FINDINGS.fill(findings),) if findings else (),
                    notes=() if findings else (Note("info", nothing),),
                ),
            ],
            inputs={"rows": [now.load, now.load_day, now.power_factor, now.voltage, before.load], "subjects": subjects},
        )
    ]


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))


def _daily(now: Gathered, scope: Scope) -> Section:
    by_day: dict[dt.date, list[Mapping[str, object]]] = {}
    for rows in now.load_day.values():
        for row in rows:
            if row["energy_kwh"] is not None:
                by_day.setdefault(row["day"], []).append(row)
    cells: list[dict[str, Value]] = []
    sums: list[Decimal | None] = []
    for day in scope.days():
        own = by_day.get(day, [])
        if not own:
            cells.append({column.key: scope.missing(day) for column in DAILY.columns} | {"day": day})
            sums.append(None)
            continue
        whole = sum((_exact(float(str(row["energy_kwh"]))) for row in own), Decimal(0))
        peaks = [(float(str(row["md_kw"])), str(row["account_no"])) for row in own if row["md_kw"] is not None]
        shares = [float(str(row["completeness"])) for row in own if row["completeness"] is not None]
        cells.append(
            {
                "day": day,
                "energy_kwh": whole,
                "accounts_measured": len(own),
                "highest_kw": max(peaks)[0] if peaks else None,
                "highest_account": max(peaks)[1] if peaks else None,
                "completeness_pct": min(shares) if shares else None,
            }
        )
        sums.append(number(whole, 2))
    charts = []
    if any(value is not None for value in sums):
        charts.append(
            Chart(
                "summary_daily",
                "bar",
                Text("Energy by day", "逐日用电量"),
                Text("Sum of the accounts' energies of each day.", "各日各户用电量之和。"),
                scope.day_axis(),
                tuple(scope.day_name(day) for day in scope.days()),
                (Series("energy_kwh", Text("energy", "用电量"), tuple(sums), 0, "bar"),),
                Axis(Text("Energy", "用电量"), KWH),
                2,
                wide=True,
            )
        )
    return Section("daily", DAILY.title, (DAILY.fill(cells),), tuple(charts))


def _findings(
    subject: Subject, now: Gathered, pair: tuple[float | None, float | None], scope: Scope
) -> list[dict[str, Value]]:
    account = subject.account_no
    found: list[tuple[Text, str]] = []
    load, factor = now.load.get(account), now.power_factor.get(account)
    if load is None:
        found.append((Text("no meter in this period", "本期无电能表"), "–"))
    elif load["energy_kwh"] is None:
        found.append((Text("no energy data", "无电量数据"), "–"))
    elif load["completeness"] is not None and load["completeness"] < 1:
        found.append((Text("data incomplete", "数据不完整"), office.per(load["completeness"])))
    if factor is not None and factor["passed"] is False:
        found.append(
            (
                Text("power factor below standard", "功率因数未达标"),
                f"{factor['pf_assessed']} < {factor['pf_standard']}",
            )
        )
    for row in now.voltage.get(account, ()):
        if row["phase"] == "total" and row["passed"] is False:
            found.append(
                (
                    Text(f"voltage below target at {row['point']}", f"{row['point']}电压合格率未达标"),
                    office.per(row["rate"], 3),
                )
            )
    energy, before = pair
    if energy is not None and before and not scope.unfinished and abs(energy / before - 1) >= JUMP:
        found.append(
            (Text("energy changed much on the period before", "电量环比变化较大"), office.per(energy / before - 1))
        )
    return [
        {"account": account, "account_name": subject.account_name or None, "finding": text, "value": value}
        for text, value in found
    ]


KIND = Kind(
    "summary",
    Text("Summary of a day, week, month or other period", "日、周、月综合汇总报表"),
    build=build,
    scope="office",
    figures=(
        ENERGY_FIGURE,
        CHANGE_FIGURE,
        PF_FIGURE,
        COMBINED_FIGURE,
        MEETING_FIGURE,
        DATA_FIGURE,
        COMPLETENESS_FIGURE,
    ),
    tables=(DAILY, FINDINGS),
)
