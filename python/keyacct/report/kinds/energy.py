"""Energy statistics of accounts (list no. 2.6.3): energies, power factor, demand, load rate, other periods."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from keyacct.config import Workspace
from keyacct.i18n import Text
from keyacct.model import TARIFF_PERIODS, Period
from keyacct.report.document import NO_UNIT, Absent, Axis, Chart, Document, Figure, Section, Series, TableSpec, Value
from keyacct.report.gather import Gathered, gather
from keyacct.report.kind import Kind
from keyacct.report.sections import office
from keyacct.report.sections.account_columns import ENERGY, MODE, MODES, SPLIT
from keyacct.report.sections.common import COMPLETENESS, COMPLETENESS_FIGURE, KW, KWH, Scope, number, plain
from keyacct.report.sections.load import TARIFF_COLORS, demand_cells, demand_note
from keyacct.report.sections.load_columns import DEMAND, DEMAND_AT, LOAD_RATE, SHARE, TARIFF, TARIFF_ENERGY
from keyacct.report.sections.office import NO_BEFORE, NO_YEAR_AGO, NOT_OVER, amount, share
from keyacct.report.sections.power_factor import judged
from keyacct.report.sections.power_factor_columns import ASSESSED, REACTIVE
from keyacct.report.subject import Subject, load_subjects

TITLE = Text("Energy statistics", "电量统计报表")
BEFORE = amount(
    "before_kwh",
    Text("Period before", "上期电量"),
    Text("Energy of the period of the same kind before this one.", "上一同类统计期的用电量。"),
    KWH,
)
BEFORE_CHANGE = share(
    "before_change_pct",
    Text("Change", "环比"),
    Text("(This period − period before) / period before.", "(本期 − 上期) / 上期。"),
)
YEAR_AGO = amount(
    "year_ago_kwh",
    Text("Year ago", "上年同期电量"),
    Text("Energy of the same period a year ago.", "上年同期用电量。"),
    KWH,
)
YEAR_CHANGE = share(
    "year_ago_change_pct",
    Text("Change on year", "同比"),
    Text("(This period − same period a year ago) / same period a year ago.", "(本期 − 上年同期) / 上年同期。"),
)
ACCOUNTS = TableSpec(
    "energy_accounts",
    Text("Energy, demand and power factor by account", "各户电量、需量与功率因数"),
    Text("Energy by account", "各户电量"),
    (
        office.ACCOUNT_NO,
        office.ACCOUNT_NAME,
        ENERGY,
        *SPLIT,
        REACTIVE,
        ASSESSED,
        DEMAND,
        DEMAND_AT,
        LOAD_RATE,
        MODE,
        COMPLETENESS,
    ),
)
OTHER_PERIODS = TableSpec(
    "energy_other_periods",
    Text("Against the period before and a year ago", "与上期、上年同期对比"),
    Text("Other periods", "同比环比"),
    (office.ACCOUNT_NO, office.ACCOUNT_NAME, ENERGY, BEFORE, BEFORE_CHANGE, YEAR_AGO, YEAR_CHANGE),
)
BY_TARIFF = TableSpec(
    "energy_tariff_total",
    Text("Energy of all accounts by tariff period", "全部客户分时电量"),
    Text("Energy by tariff", "分时电量"),
    (TARIFF, TARIFF_ENERGY, SHARE),
)
TOTAL_FIGURE = amount(
    "total_energy_kwh",
    Text("Energy of all accounts", "总用电量"),
    Text("Sum of the accounts' energies.", "各户用电量之和。"),
    KWH,
)
CHANGE_FIGURE = share(
    "total_before_change_pct",
    Text("Change on the period before", "环比"),
    Text("Change of the sum over the accounts that have data in both periods.", "两期均有数据的客户电量合计的变化率。"),
)
YEAR_FIGURE = share(
    "total_year_ago_change_pct",
    Text("Change on year", "同比"),
    Text("Change of the sum over the accounts that have data in both years.", "两年均有数据的客户电量合计的变化率。"),
)
PEAK_FIGURE = amount(
    "highest_demand_kw",
    Text("Highest demand of an account", "单户最大需量"),
    DEMAND.definition,
    KW,
)


def build(workspace: Workspace, period: Period, accounts: Sequence[str], generated_at: dt.datetime) -> list[Document]:
    """One document over all the accounts. Raises KeyacctError of the registry or of an analysis."""
    from keyacct.analysis.comparison import last_year, previous_period

    accounts = sorted(accounts)
    subjects = load_subjects(workspace, accounts)
    now = gather(workspace, period, accounts, demand=True, power_factor=True)
    before = gather(workspace, previous_period(period), accounts)
    year = last_year(period)
    ago = gather(workspace, year, accounts) if year is not None else Gathered()
    scope = Scope(period, generated_at.astimezone(workspace.zone).date())
    rows = [_row(subject, now) for subject in subjects]
    energies = {a: (now.energy(a), before.energy(a), ago.energy(a)) for a in accounts}
    measured = [value for value, _, _ in energies.values() if value is not None]
    others = [_other(subject, *energies[subject.account_no], scope) for subject in subjects]
    sections = [
        Section(
            "energy",
            Text("Energy by account", "各户电量"),
            (ACCOUNTS.fill(rows),),
            tuple(_chart(subjects, now)),
            (
                *office.without_data(accounts, lambda a: now.energy(a) is not None, TITLE),
                *demand_note(now.demand),
            ),
        ),
        Section(
            "other_periods",
            OTHER_PERIODS.title,
            (OTHER_PERIODS.fill(others),),
            tuple(_periods_chart(subjects, energies)),
        ),
    ]
    if measured:
        sections.insert(1, Section("tariff", BY_TARIFF.title, (BY_TARIFF.fill(_tariff_rows(now)),)))
    peaks = [(demand.kw, account) for account, demand in now.demand.items() if demand.kw is not None]
    figures = [
        Figure(office.COUNT_FIGURE, office.COUNT_FIGURE.cell(len(accounts))),
        Figure(TOTAL_FIGURE, TOTAL_FIGURE.cell(sum(map(_exact, measured)) if measured else None)),
        Figure(CHANGE_FIGURE, CHANGE_FIGURE.cell(_both(energies.values(), 1, scope, NO_BEFORE))),
        Figure(YEAR_FIGURE, YEAR_FIGURE.cell(_both(energies.values(), 2, scope, NO_YEAR_AGO))),
        Figure(
            PEAK_FIGURE,
            PEAK_FIGURE.cell(max(peaks)[0] if peaks else None),
            detail=plain(max(peaks)[1]) if peaks else NO_UNIT,
        ),
    ]
    return [
        office.document(
            "energy",
            TITLE,
            Text("Energies, demand, power factor and other periods", "电量、需量、功率因数与同比环比"),
            workspace,
            period,
            generated_at,
            accounts=accounts,
            figures=figures,
            sections=sections,
            completeness=office.lowest([r["completeness"] for r in now.load.values() if r["energy_kwh"] is not None]),
            inputs={"rows": [now.load, now.demand, now.power_factor, before.load, ago.load], "subjects": subjects},
        )
    ]


def _row(subject: Subject, now: Gathered) -> dict[str, Value]:
    head: dict[str, Value] = {
        "account": subject.account_no,
        "account_name": subject.account_name or None,
        "tariff_mode": MODES.get(subject.attributes.get("tariff_mode")),
    }
    load, factor = now.load.get(subject.account_no), now.power_factor.get(subject.account_no)
    if load is None:
        return {column.key: office.NO_POINT for column in ACCOUNTS.columns} | head
    cells: dict[str, Value] = {
        **load,
        **demand_cells(now.demand.get(subject.account_no)),
        **head,
        "load_rate_pct": load["load_rate"],
        "completeness_pct": load["completeness"],
    }
    if factor is not None:
        cells |= {"wq_kvarh": factor["wq_kvarh"], "pf_assessed": judged(factor)["pf_assessed"]}
    return cells


def _other(
    subject: Subject, now: float | None, before: float | None, ago: float | None, scope: Scope
) -> dict[str, Value]:
    return {
        "account": subject.account_no,
        "account_name": subject.account_name or None,
        "energy_kwh": now,
        "before_kwh": NO_BEFORE if before is None else before,
        "before_change_pct": change(now, before, scope, NO_BEFORE),
        "year_ago_kwh": NO_YEAR_AGO if ago is None else ago,
        "year_ago_change_pct": change(now, ago, scope, NO_YEAR_AGO),
    }


def change(now: float | None, other: float | None, scope: Scope, missing: Absent) -> Value:
    """Rate of change, or why there is none: no other data, a running period, a base of zero."""
    if other is None:
        return missing
    if scope.unfinished:
        return NOT_OVER
    return None if now is None or not other else (_exact(now) - _exact(other)) / _exact(other)


def _both(found: Any, place: int, scope: Scope, missing: Absent) -> Value:
    """The change of the sum over what has both values."""
    pairs = [(row[0], row[place]) for row in found if row[0] is not None and row[place] is not None]
    if not pairs:
        return missing
    return change(sum(now for now, _ in pairs), sum(other for _, other in pairs), scope, missing)


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))


def _tariff_rows(now: Gathered) -> list[dict[str, Value]]:
    whole = sum(_exact(row["energy_kwh"]) for row in now.load.values() if row["energy_kwh"] is not None)
    rows: list[dict[str, Value]] = []
    known = Decimal(0)
    for key, name in TARIFF_PERIODS.items():
        parts = [_exact(row[f"{key}_kwh"]) for row in now.load.values() if row[f"{key}_kwh"] is not None]
        part = sum(parts, Decimal(0)) if parts else None
        known += part or 0
        rows.append(
            {
                "tariff_period": name,
                "energy_kwh": part,
                "share_pct": part / whole if part is not None and whole else None,
            }
        )
    rest = whole - known
    if rest > Decimal("0.005"):
        rows.append(
            {
                "tariff_period": Text("not split", "未分时"),
                "energy_kwh": rest,
                "share_pct": rest / whole if whole else None,
            }
        )
    rows.append({"tariff_period": Text("all", "合计"), "energy_kwh": whole, "share_pct": 1 if whole else None})
    return rows


def _largest(subjects: Sequence[Subject], of: Any) -> list[Subject]:
    found = [subject for subject in subjects if of(subject) is not None]
    return sorted(found, key=lambda subject: (-of(subject), subject.account_no))[: office.TOP]


def _chart(subjects: Sequence[Subject], now: Gathered) -> list[Chart]:
    """The largest accounts, stacked by tariff period where all of them have the split."""
    top = _largest(subjects, lambda subject: now.energy(subject.account_no))
    if not top:
        return []
    loads = [now.load[subject.account_no] for subject in top]
    keys = [key for key in TARIFF_PERIODS if any(row[f"{key}_kwh"] is not None for row in loads)]
    stacked = bool(keys) and all(any(row[f"{key}_kwh"] is not None for key in keys) for row in loads)
    wanted = [f"{key}_kwh" for key in reversed(keys)] if stacked else ["energy_kwh"]
    return [
        Chart(
            "energy_accounts",
            "bar",
            Text("Largest accounts by energy", "用电量最大的客户"),
            Text("Energy of the accounts that used most.", "用电量最大的若干客户。"),
            Text("Account no.", "户号"),
            tuple(plain(subject.account_no) for subject in top),
            tuple(
                Series(
                    key,
                    TARIFF_PERIODS.get(key.removesuffix("_kwh"), Text("energy", "用电量")),
                    tuple(number(row[key], 2) for row in loads),
                    TARIFF_COLORS.get(key.removesuffix("_kwh"), 0),
                    "bar",
                )
                for key in wanted
            ),
            Axis(Text("Energy", "用电量"), KWH),
            2,
            stacked=stacked,
            wide=True,
        )
    ]


def _periods_chart(subjects: Sequence[Subject], energies: Mapping[str, tuple[float | None, ...]]) -> list[Chart]:
    top = _largest(subjects, lambda subject: energies[subject.account_no][0])
    names = (Text("this period", "本期"), Text("period before", "上期"), Text("year ago", "上年同期"))
    places = [place for place in range(3) if any(energies[s.account_no][place] is not None for s in top)]
    if len(places) < 2:
        return []
    return [
        Chart(
            "energy_periods",
            "bar",
            Text("This period and the others", "本期与上期、上年同期"),
            Text("Energy of the largest accounts in the compared periods.", "用电量最大客户各期电量。"),
            Text("Account no.", "户号"),
            tuple(plain(subject.account_no) for subject in top),
            tuple(
                Series(
                    f"period{place}",
                    names[place],
                    tuple(number(energies[s.account_no][place], 2) for s in top),
                    (0, 4, 3)[place],
                    "bar",
                )
                for place in places
            ),
            Axis(Text("Energy", "用电量"), KWH),
            2,
            wide=True,
        )
    ]


KIND = Kind(
    "energy",
    TITLE,
    "2.6.3",
    build=build,
    scope="office",
    figures=(office.COUNT_FIGURE, TOTAL_FIGURE, CHANGE_FIGURE, YEAR_FIGURE, PEAK_FIGURE, COMPLETENESS_FIGURE),
    tables=(ACCOUNTS, BY_TARIFF, OTHER_PERIODS),
)
