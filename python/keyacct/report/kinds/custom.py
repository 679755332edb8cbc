"""Reports of the user's own (list no. 2.6.5), one document a saved definition."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

from keyacct.config import Workspace
from keyacct.errors import ConfigError
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import Axis, Chart, Column, Document, Fact, Figure, Note, Section, Series, TableSpec, Value
from keyacct.report.gather import Gathered, gather
from keyacct.report.kind import Kind
from keyacct.report.kinds.register import account_cells
from keyacct.report.own_definition import Definition, definitions, spellings
from keyacct.report.own_fields import FIELDS
from keyacct.report.registry_rows import RegistryRows, read_registry
from keyacct.report.sections import office
from keyacct.report.sections.common import COMPLETENESS_FIGURE, number, plain
from keyacct.report.sections.load import demand_cells
from keyacct.report.subject import load_subjects

TITLE = Text("Customer-defined report", "自定义报表")
TABLE = TableSpec(
    "custom",
    Text("Accounts", "客户"),
    Text("Accounts", "客户"),
    (office.ACCOUNT_NO, *(field.column for field in FIELDS.values())),
)
GROUP = office.words(
    "group", Text("Group", "分组"), Text("Value of the field that the report is grouped by.", "分组字段的取值。")
)
ACCOUNTS = Column("group_accounts", Text("Accounts", "客户数"), Text("Accounts of the group.", "该组客户数。"))
GROUPS = TableSpec(
    "custom_groups",
    Text("By group", "分组汇总"),
    Text("By group", "分组汇总"),
    (GROUP, ACCOUNTS, *(field.column for field in FIELDS.values() if field.adds)),
)
SHOWN_FIGURE = Column(
    "accounts_shown",
    Text("Accounts shown", "列示客户数"),
    Text("Accounts that meet the conditions.", "满足条件的客户数。"),
)


def build(
    workspace: Workspace,
    period: Period,
    accounts: Sequence[str],
    generated_at: dt.datetime,
    names: Sequence[str] | None = None,
) -> list[Document]:
    """One document a definition (those named, else all). Raises ConfigError without any; KeyacctError of the registry."""
    accounts = sorted(accounts)
    found = definitions(workspace, names)
    if not found:
        raise ConfigError(
            "config.report_unavailable",
            "no report of your own is saved",
            hint="make one: keyacct report define --name mine --field account_name --field energy_kwh",
        )
    needs = {
        FIELDS[key].origin
        for d in found
        for key in (*d.fields, *(c.field for c in d.where), *([d.group] if d.group else []))
    }
    now = gather(
        workspace,
        period,
        accounts,
        load=True,
        demand="demand" in needs,
        power_factor="power_factor" in needs,
        voltage="voltage" in needs,
    )
    registry = read_registry(workspace, min(period.last, generated_at.astimezone(workspace.zone).date()))
    names_of = {subject.account_no: subject.account_name for subject in load_subjects(workspace, accounts)}
    values = [_values(account, names_of[account], registry, now) for account in accounts]
    return [_document(definition, workspace, period, accounts, values, generated_at, now) for definition in found]


def named(name: str) -> Kind:
    """The kind that writes one saved definition."""
    return replace(KIND, name=f"custom-{name}", build=partial(build, names=[name]))


def _values(account: str, name: str, registry: RegistryRows, now: Gathered) -> dict[str, Any]:
    """Every field of an account."""
    own = account_cells(account, name, registry)
    points = [
        row["rate"] for row in now.voltage.get(account, ()) if row["phase"] == "total" and row["rate"] is not None
    ]
    rows: dict[str, Mapping[str, Any]] = {
        "account": own,
        "registry": own,
        "load": now.load.get(account, {}),
        "demand": demand_cells(now.demand.get(account)),
        "power_factor": now.power_factor.get(account, {}),
        "voltage": {"rate": min(points) if points else None},
    }
    return {"account": account} | {key: rows[field.origin].get(field.key) for key, field in FIELDS.items()}


def _document(
    definition: Definition,
    workspace: Workspace,
    period: Period,
    accounts: Sequence[str],
    values: Sequence[dict[str, Any]],
    generated_at: dt.datetime,
    now: Gathered,
) -> Document:
    rows = [row for row in values if all(condition.holds(row) for condition in definition.where)]
    if definition.group:
        rows = sorted(
            rows, key=lambda row: (row[definition.group] is None, spellings(row[definition.group])[0], row["account"])
        )
    columns = [office.ACCOUNT_NO, *(FIELDS[key].column for key in definition.fields)]
    if definition.group and definition.group not in definition.fields:
        columns.insert(1, FIELDS[definition.group].column)
    spec = replace(TABLE, columns=tuple(columns))
    tables = [spec.fill(rows)] if rows else []
    charts: list[Chart] = []
    if definition.group and rows:
        adding = [FIELDS[key].column for key in definition.fields if FIELDS[key].adds]
        groups = _groups(rows, definition.group, adding)
        tables.insert(0, replace(GROUPS, columns=(GROUP, ACCOUNTS, *adding)).fill(groups))
        charts = _chart(groups, adding, FIELDS[definition.group].column)
    notes = [] if rows else [Note("warning", Text("No account meets the conditions.", "没有满足条件的客户。"))]
    conditions = ", ".join(map(str, definition.where))
    parameters = [
        Fact(Text("Definition", "定义"), plain(definition.name)),
        Fact(Text("Conditions", "条件"), plain(conditions) if conditions else Text("none", "无")),
    ]
    if definition.group:
        parameters.append(Fact(Text("Grouped by", "分组"), FIELDS[definition.group].column.title))
    shown = {row["account"] for row in rows}
    shares = [row["completeness"] for a, row in now.load.items() if a in shown and row["energy_kwh"] is not None]
    return office.document(
        f"custom-{definition.name}",
        plain(definition.title),
        TITLE,
        workspace,
        period,
        generated_at,
        accounts=accounts,
        completeness=office.lowest(shares),
        figures=[Figure(SHOWN_FIGURE, SHOWN_FIGURE.cell(len(rows)))],
        sections=[Section("custom", plain(definition.title), tuple(tables), tuple(charts), tuple(notes))],
        inputs={"definition": definition, "rows": [{k: _spelled(v) for k, v in row.items()} for row in rows]},
        parameters=parameters,
    )


def _spelled(value: Any) -> Any:
    return value if isinstance(value, int | float | None) else list(spellings(value))


def _groups(rows: Sequence[Mapping[str, Any]], group: str, adding: Sequence[Column]) -> list[dict[str, Value]]:
    found: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row[group], []).append(row)
    result: list[dict[str, Value]] = []
    for key, own in found.items():
        cells: dict[str, Value] = {"group": key, "group_accounts": len(own)}
        for column in adding:
            parts = [Decimal(repr(row[column.key])) for row in own if row[column.key] is not None]
            cells[column.key] = sum(parts, Decimal(0)) if parts else None
        result.append(cells)
    return result


def _chart(groups: Sequence[Mapping[str, Any]], adding: Sequence[Column], by: Column) -> list[Chart]:
    if not adding or not any(row[adding[0].key] is not None for row in groups):
        return []
    column = adding[0]
    top = sorted(groups, key=lambda row: (-(row[column.key] or Decimal(0)), spellings(row["group"])[0]))[: office.TOP]
    unknown = Text("not in the registry", "档案未登记")
    return [
        Chart(
            "custom_groups",
            "bar",
            Text(f"{column.title.en} by {by.title.en.lower()}", f"按{by.title.zh}汇总{column.title.zh}"),
            column.definition,
            by.title,
            tuple(
                unknown if (g := row["group"]) is None else g if isinstance(g, Text) else plain(str(g)) for row in top
            ),
            (
                Series(
                    column.key, column.title, tuple(number(row[column.key], column.decimals) for row in top), 0, "bar"
                ),
            ),
            Axis(column.title, column.unit),
            column.decimals,
            wide=True,
        )
    ]


KIND = Kind(
    "custom",
    Text(
        "Customer-defined report: fields, filter and group saved under a name",
        "自定义报表: 按名称保存的字段、条件与分组",
    ),
    "2.6.5",
    build=build,
    scope="office",
    figures=(SHOWN_FIGURE, COMPLETENESS_FIGURE),
    tables=(GROUPS, TABLE),
    named=named,
)
