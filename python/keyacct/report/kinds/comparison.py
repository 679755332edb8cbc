"""Energy comparison and analysis (list no. 2.6.4): by account, industry, line and voltage level, with cause tags."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from keyacct.config import Workspace
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import Absent, Axis, Chart, Document, Figure, Note, Section, Series, TableSpec, Value
from keyacct.report.kind import Kind
from keyacct.report.sections import office
from keyacct.report.sections.common import COMPLETENESS, COMPLETENESS_FIGURE, KWH, Scope, number, plain
from keyacct.report.sections.office import NO_BEFORE, NO_YEAR_AGO, NOT_OVER, amount, share, words
from keyacct.report.subject import load_subjects

if TYPE_CHECKING:
    from keyacct.analysis.comparison import Comparison, Group

TITLE = Text("Energy comparison and analysis", "电量对比分析报表")
DIMENSIONS: dict[str, Text] = {
    "account": Text("account", "客户"),
    "industry": Text("industry", "行业"),
    "line": Text("line", "线路"),
    "voltage_level": Text("voltage level", "电压等级"),
}
CAUSES: dict[str, Text] = {
    "days_differ": Text("unequal days", "天数不同"),
    "incomplete_now": Text("data missing now", "本期缺数"),
    "incomplete_before": Text("data missing before", "上期缺数"),
    "incomplete_year_ago": Text("data missing a year ago", "上年缺数"),
    "points_changed": Text("other metering points", "计量点变动"),
    "capacity_changed": Text("capacity changed", "容量变更"),
    "meter_changed": Text("meter exchanged", "换表"),
    "ratio_changed": Text("ratio changed", "变比变更"),
    "provisional": Text("doubtful readings", "示数存疑"),
}
NONE_FOUND = Text("none found", "未发现")
GROUP = words("group", Text("Group", "分组"), Text("What the energies are grouped by.", "电量的分组。"))
NAME = words("group_name", Text("Name", "名称"), Text("Name of the account.", "户名。"), Text("no name", "无名称"))
NOW = amount("energy_kwh", Text("This period", "本期"), Text("Active energy imported.", "用电(正向)有功电量。"), KWH)
BEFORE = amount(
    "before_kwh",
    Text("Period before", "上期"),
    Text("Energy of the period of the same kind before this one.", "上一同类统计期的用电量。"),
    KWH,
)
DELTA = amount("before_delta_kwh", Text("Δ", "增减"), Text("This period − period before.", "本期 − 上期。"), KWH)
DELTA_PCT = share("before_delta_pct", Text("Δ%", "环比"), Text("Δ / period before.", "增减 / 上期。"))
AGO = amount(
    "year_ago_kwh", Text("Year ago", "上年同期"), Text("Energy of the same period a year ago.", "上年同期用电量。"), KWH
)
AGO_DELTA = amount(
    "year_ago_delta_kwh", Text("Δ on year", "同比增减"), Text("This period − year ago.", "本期 − 上年同期。"), KWH
)
AGO_PCT = share(
    "year_ago_delta_pct", Text("Δ% on year", "同比"), Text("Δ on year / year ago.", "同比增减 / 上年同期。")
)
SHARE = share(
    "share_pct", Text("Share", "占比"), Text("Share of this period's energy of all.", "占本期总用电量的比例。")
)
CAUSE = words(
    "causes",
    Text("Cause tags", "原因标签"),
    Text(
        "What besides the use itself differs between the periods, as far as registry and readings tell. Weather, market and "
        "policy are not known here.",
        "除用电本身外各期间的差异, 以档案与读数可知者为限; 天气、市场、政策等不在此列。",
    ),
)
COLUMNS = (GROUP, NOW, BEFORE, DELTA, DELTA_PCT, AGO, AGO_DELTA, AGO_PCT, SHARE, CAUSE, COMPLETENESS)
SPECS = {
    key: TableSpec(
        f"comparison_{key}",
        Text(f"By {name.en}", f"按{name.zh}"),
        Text(f"By {name.en}", f"按{name.zh}"),
        (COLUMNS[0], NAME, *COLUMNS[1:]) if key == "account" else COLUMNS,
    )
    for key, name in DIMENSIONS.items()
}
ENERGY_FIGURE = amount(
    "comparison_energy_kwh", Text("Energy", "用电量"), Text("Energy of all accounts.", "全部客户用电量。"), KWH
)
BEFORE_FIGURE = share(
    "comparison_before_pct",
    Text("Against the period before", "环比"),
    Text("Δ / period before, all accounts.", "全部客户环比。"),
)
AGO_FIGURE = share(
    "comparison_year_ago_pct", Text("Against a year ago", "同比"), Text("Δ / year ago, all accounts.", "全部客户同比。")
)


def build(workspace: Workspace, period: Period, accounts: Sequence[str], generated_at: dt.datetime) -> list[Document]:
    """One document over all the accounts. Raises KeyacctError of the registry or of an analysis."""
    from keyacct.analysis.comparison import compare

    accounts = sorted(accounts)
    load_subjects(workspace, accounts)
    scope = Scope(period, generated_at.astimezone(workspace.zone).date())
    found = compare(workspace, period, ["account", "industry", "line", "voltage_level"], accounts=accounts)
    total = found[0].total
    sections = [_section(comparison, scope) for comparison in found]
    before, ago = found[0].before, found[0].year_ago
    text = Text(
        f"Compared: {period.label} with {before.label} and {ago.label if ago else 'no period a year ago'}.",
        f"对比期: {period.label} 与 {before.label}、{ago.label if ago else '上年无对应统计期'}。",
    )
    changes = {key: _changes(total, scope)[key] for key in ("before_delta_pct", "year_ago_delta_pct")}
    return [
        office.document(
            "comparison",
            TITLE,
            Text("This period, the one before and a year ago", "本期、上期与上年同期"),
            workspace,
            period,
            generated_at,
            accounts=accounts,
            completeness=total.completeness[0] if total.energy_kwh.now is not None else None,
            figures=[
                Figure(ENERGY_FIGURE, ENERGY_FIGURE.cell(total.energy_kwh.now)),
                Figure(BEFORE_FIGURE, BEFORE_FIGURE.cell(changes["before_delta_pct"]), detail=plain(before.label)),
                Figure(
                    AGO_FIGURE,
                    AGO_FIGURE.cell(changes["year_ago_delta_pct"]),
                    detail=plain(ago.label) if ago else plain(""),
                ),
            ],
            sections=sections,
            inputs={"comparison": found},
            notes=[Note("info", text), Note("rule", _RULE)],
        )
    ]


_RULE = Text(
    "An energy belongs to the industry, line and voltage level that the registry gave its point while it flowed. Billing "
    "points only, so nothing counts twice.",
    "电量按其发生时档案所载的行业、线路与电压等级归组。仅计计费点, 不重复计算。",
)


def _section(comparison: Comparison, scope: Scope) -> Section:
    spec, dimension = SPECS[comparison.dimension], DIMENSIONS[comparison.dimension]
    rows = [_cells(group, scope, dimension) for group in comparison.groups]
    total = _cells(comparison.total, scope, dimension) | {"group": Text("all", "合计")}
    tables = (spec.fill([*rows, total]),) if rows else ()
    notes = []
    if not rows:
        notes.append(Note("warning", Text("No metering point in any of the periods.", "各统计期均无计量点。")))
    elif all(group.key is None for group in comparison.groups):
        text = Text(f"The registry gives no {dimension.en} of these points.", f"档案未登记这些计量点的{dimension.zh}。")
        notes.append(Note("warning", text))
    return Section(f"by_{comparison.dimension}", spec.title, tables, tuple(_chart(comparison)), tuple(notes))


def _changes(group: Group, scope: Scope) -> dict[str, Value]:
    energy = group.energy_kwh
    cells: dict[str, Value] = {}
    for side, key, missing in (("before", "before_delta", NO_BEFORE), ("year_ago", "year_ago_delta", NO_YEAR_AGO)):
        base = energy.before if side == "before" else energy.year_ago
        delta: Value
        rate: Value
        if base is None:
            delta = rate = missing
        elif scope.unfinished:
            delta = rate = NOT_OVER
        elif side == "before":
            delta, rate = energy.change("before"), energy.change_rate("before")
        else:
            delta, rate = energy.change("year_ago"), energy.change_rate("year_ago")
        cells |= {f"{key}_kwh": delta, f"{key}_pct": rate}
    return cells


def _cells(group: Group, scope: Scope, dimension: Text) -> dict[str, Value]:
    energy = group.energy_kwh
    tags = [CAUSES[cause] for cause in group.causes]
    causes = Text(", ".join(tag.en for tag in tags), "、".join(tag.zh for tag in tags)) if tags else NONE_FOUND
    unit = " kV" if dimension.en == "voltage level" else ""
    return {
        "group": Absent(Text("not in the registry", "档案未登记")) if group.key is None else f"{group.key}{unit}",
        "group_name": group.name or None,
        "energy_kwh": energy.now,
        "before_kwh": NO_BEFORE if energy.before is None else energy.before,
        "year_ago_kwh": NO_YEAR_AGO if energy.year_ago is None else energy.year_ago,
        **_changes(group, scope),
        "share_pct": group.share,
        "causes": causes,
        "completeness_pct": group.completeness[0] if energy.now is not None else None,
    }


def _chart(comparison: Comparison) -> list[Chart]:
    known = [group for group in comparison.groups if group.energy_kwh.now is not None and group.key is not None]
    top = sorted(known, key=lambda group: (-(group.energy_kwh.now or Decimal(0)), str(group.key)))[: office.TOP]
    if not top:
        return []
    names = {
        "now": Text("this period", "本期"),
        "before": Text("period before", "上期"),
        "year_ago": Text("year ago", "上年同期"),
    }
    colors = {"now": 0, "before": 4, "year_ago": 3}
    series = tuple(
        Series(key, name, tuple(number(getattr(group.energy_kwh, key), 2) for group in top), colors[key], "bar")
        for key, name in names.items()
        if any(getattr(group.energy_kwh, key) is not None for group in top)
    )
    dimension = DIMENSIONS[comparison.dimension]
    return [
        Chart(
            f"comparison_{comparison.dimension}",
            "bar",
            Text(f"Energy by {dimension.en}", f"按{dimension.zh}对比用电量"),
            Text(f"Energy of the largest groups by {dimension.en}.", f"按{dimension.zh}用电量最大的分组。"),
            dimension,
            tuple(plain(str(group.key)) for group in top),
            series,
            Axis(Text("Energy", "用电量"), KWH),
            2,
            wide=comparison.dimension == "account",
        )
    ]


KIND = Kind(
    "comparison",
    TITLE,
    "2.6.4",
    build=build,
    scope="office",
    figures=(ENERGY_FIGURE, BEFORE_FIGURE, AGO_FIGURE, COMPLETENESS_FIGURE),
    tables=tuple(SPECS.values()),
)
