"""The month report of an account: voltage, power factor, load and demand over one period."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from keyacct.config import Settings, Workspace
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import Document, Fact, Figure, Note
from keyacct.report.inputs import AccountRows, Results, digest, split_by_account
from keyacct.report.kind import Kind
from keyacct.report.sections import (
    load,
    load_columns,
    power_factor,
    power_factor_columns,
    voltage,
    voltage_columns,
)
from keyacct.report.sections.common import COMPLETENESS, COMPLETENESS_FIGURE, Scope, number, plain
from keyacct.report.subject import Subject, facts, load_subjects, with_points

TITLES: dict[str, Text] = {
    "day": Text("Daily report", "日报"),
    "week": Text("Weekly report", "周报"),
    "ten_day": Text("Ten-day report", "旬报"),
    "month": Text("Monthly report", "月报"),
    "quarter": Text("Quarterly report", "季报"),
    "year": Text("Annual report", "年报"),
    "span": Text("Period report", "时段报告"),
}
SUBTITLE = Text("Supply quality, power factor, load and demand", "供电质量、功率因数、负荷与需量")
NO_POINT = Note(
    "warning", Text("No metering point belongs to this account in the period.", "本期该客户名下没有计量点。")
)
REACTIVE_MODES = {
    "abs_sum": Text("absolute values added", "绝对值相加"),
    "net": Text("net", "相抵"),
    "forward_only": Text("forward only", "仅计正向"),
}


def build(workspace: Workspace, period: Period, accounts: Sequence[str], generated_at: dt.datetime) -> list[Document]:
    """One document an account. Raises KeyacctError of the registry or of an analysis."""
    subjects = load_subjects(workspace, accounts)
    fitted = with_points(workspace, period, accounts)
    rows = split_by_account(analyse(workspace, period, fitted), workspace.zone) if fitted else {}
    documents = [
        build_from(rows.get(subject.account_no, AccountRows()), subject, workspace, period, generated_at)
        for subject in subjects
    ]
    bare = set(accounts) - set(fitted)
    return [
        replace(document, notes=(NO_POINT, *document.notes)) if document.account_no in bare else document
        for document in documents
    ]


def analyse(workspace: Workspace, period: Period, accounts: Sequence[str]) -> Results:
    """The analyses that the report shows."""
    from keyacct.analysis.billable_demand import billable_demands
    from keyacct.analysis.load import load as load_figures
    from keyacct.analysis.power_factor import power_factor as power_factor_figures
    from keyacct.analysis.voltage import voltage_compliance

    loads = load_figures(workspace, period, accounts=accounts)
    blocks = {row["account_no"]: row for row in loads.total.to_pylist()}
    return Results(
        voltage=voltage_compliance(workspace, period, accounts=accounts),
        power_factor=power_factor_figures(workspace, period, accounts=accounts),
        load=loads,
        demand=billable_demands(workspace, period, accounts=accounts, blocks=blocks),
    )


def build_from(
    rows: AccountRows, subject: Subject, workspace: Workspace, period: Period, generated_at: dt.datetime
) -> Document:
    """The document of one account from the rows of the analyses."""
    settings = workspace.settings
    local = generated_at.astimezone(workspace.zone)
    scope = Scope(period, local.date())
    title = TITLES[period.kind]
    return Document(
        kind="month",
        title=title,
        subtitle=SUBTITLE,
        office=settings.workspace.name,
        account_no=subject.account_no,
        account_name=subject.account_name or _name(rows),
        period=period,
        facts=facts(subject),
        parameters=_parameters(settings),
        completeness=_completeness(rows),
        figures=(
            *load.figures(rows.load_total, rows.demand),
            *power_factor.figures(rows.pf_account),
            voltage.figure(rows.voltage_total),
        ),
        sections=(
            voltage.section(rows.voltage_total, rows.voltage_day, scope),
            power_factor.section(rows.pf_account, rows.pf_point, rows.pf_hour),
            load.section(rows.load_total, rows.demand, rows.load_day, rows.load_curve, scope),
        ),
        notes=tuple(_notes(settings, scope)),
        inputs_sha256=digest(
            rows,
            {
                "period": [str(period.first), str(period.last)],
                "settings": settings.model_dump(mode="json"),
                "subject": {key: str(value) for key, value in subject.attributes.items()},
            },
        ),
        generated_at=local,
    )


def _name(rows: AccountRows) -> str:
    """The account's name as the analyses have it, for a registry that has none."""
    named: list[Any] = [row["account_name"] for row in (*rows.voltage_total, *rows.pf_account)]
    return next((str(name) for name in named if name), "")


def _completeness(rows: AccountRows) -> Figure:
    parts = {
        voltage.TITLE: (rows.voltage_total, "monitored_min"),
        power_factor.TITLE: (rows.pf_account, "wp_kwh"),
        load.TITLE: (rows.load_total, "energy_kwh"),
    }
    shares = {
        title: min(found)
        for title, (part, measured) in parts.items()
        if any(row[measured] is not None for row in part)
        if (found := [row["completeness"] for row in part if row["completeness"] is not None])
    }
    detail = Text(
        *(
            " · ".join(f"{title.to(lang)} {number(share, 2, percent=True)}\u00a0%" for title, share in shares.items())
            for lang in ("en", "zh")
        )
    )
    lowest = min(shares.values()) if shares else None
    return Figure(COMPLETENESS_FIGURE, COMPLETENESS_FIGURE.cell(lowest), detail=detail)


def _parameters(settings: Settings) -> tuple[Fact, ...]:
    """The settings that the numbers depend on."""
    share = COMPLETENESS.cell
    mode = REACTIVE_MODES[settings.power_factor.reactive_mode]
    quadrants = ", ".join(settings.power_factor.quadrants).upper()
    return (
        Fact(Text("Time zone", "时区"), plain(settings.workspace.timezone)),
        Fact(
            Text("Voltage assessment floor", "电压考核下限"),
            _of_nominal(share(settings.voltage.assessment_floor).text.en),
        ),
        Fact(Text("Over-voltage above", "过压门槛"), _of_nominal(share(settings.voltage.overvoltage).text.en)),
        Fact(
            Text("Reactive energy", "无功电量计算"),
            Text(f"{quadrants}, {mode.en}", f"{quadrants}, {mode.zh}"),
        ),
        Fact(
            Text("Demand window", "需量周期"),
            Text(f"{settings.demand.window_min} min", f"{settings.demand.window_min}分钟"),
        ),
        Fact(
            Text("Longest gap bridged", "允许的最大数据间隔"),
            Text(
                f"{settings.samples.max_gap_intervals} intervals",
                f"{settings.samples.max_gap_intervals}个时段",
            ),
        ),
    )


def _of_nominal(percent: str) -> Text:
    return Text(f"{percent}\u00a0% of nominal", f"标称电压的{percent}%")


def _notes(settings: Settings, scope: Scope) -> list[Note]:
    notes = []
    if scope.unfinished:
        notes.append(
            Note(
                "warning",
                Text(
                    f"The period runs to {scope.period.last}; it was not over when the report was made. "
                    "Figures are provisional.",
                    f"统计期至{scope.period.last}止, 出报表时尚未结束, 数据为阶段性结果。",
                ),
            )
        )
    notes += [
        Note(
            "info",
            Text(
                "Voltage-loss time, which needs currents beside the voltages, stands in the voltage report.",
                "失压时间需同时刻电流数据, 见电压合格率月报。",
            ),
        ),
        Note(
            "info",
            Text(
                "A time is the end of its interval; 24:00 belongs to the day it closes. An en dash is a "
                "missing value, its reason stands under the table.",
                "时间为时段止点, 24:00属于其所结束的当日。短横线表示缺值, 原因列于表下。",
            ),
        ),
        Note(
            "rule",
            Text(
                "Voltage compliance: GB/T 12325-2008; the rate of a span comes from its minutes, not from daily rates.",
                "电压合格率: GB/T 12325-2008; 时段合格率按该时段分钟数计算, 不取日合格率平均值。",
            ),
        ),
        Note(
            "rule",
            Text(
                "Power factor and adjustment: (83)水电财字215号; from energies, rounded half up to two "
                "decimals before the table is read.",
                "功率因数与力调: (83)水电财字215号; 按电量计算, 四舍五入取两位小数后查表。",
            ),
        ),
        Note(
            "rule",
            Text(
                "Maximum demand: largest mean power of a window of "
                f"{settings.demand.window_min} minutes that readings cover to at least "
                f"{number(settings.demand.minimum_coverage, 0, percent=True)}\u00a0%.",
                f"最大需量: 数据覆盖率不低于{number(settings.demand.minimum_coverage, 0, percent=True)}%的"
                f"{settings.demand.window_min}分钟周期内平均功率的最大值。",
            ),
        ),
    ]
    return notes


KIND = Kind(
    "month",
    Text(
        "Period report of an account: voltage, power factor, load and demand",
        "客户时段报告: 电压、功率因数、负荷与需量",
    ),
    build=build,
    figures=(
        load_columns.ENERGY_FIGURE,
        load_columns.DEMAND_FIGURE,
        load_columns.LOAD_RATE_FIGURE,
        power_factor_columns.PF_FIGURE,
        power_factor_columns.ADJUSTMENT_FIGURE,
        voltage_columns.FIGURE,
        COMPLETENESS_FIGURE,
    ),
    tables=(*voltage_columns.TABLES, *power_factor_columns.TABLES, *load_columns.TABLES),
)
