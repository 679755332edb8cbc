"""`keyacct registry list` and `show`: what the registry holds, for the eye and for programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from keyacct.cli.options import Format, FormatOption
from keyacct.cli.render import Column, write_json, write_rows
from keyacct.cli.session import command, open_workspace
from keyacct.i18n import Text

AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help=str(Text("As it was at this date.", "按此日期。")))
]


def register(app: typer.Typer) -> None:
    """Add the two commands to `keyacct registry`."""
    command(
        app,
        name="list",
        help=str(
            Text(
                "List accounts, points, meters, tariffs or any kind of entry.",
                "列出户、计量点、电表、电价时段或任一种条目。",
            )
        ),
    )(list_)
    command(app, help=str(Text("Everything about one account, by date.", "一户的全部台账, 含生效日期。")))(show)


def list_(
    what: Annotated[
        str,
        typer.Argument(
            help=str(
                Text(
                    "accounts, points, meters, tariffs, or a kind of entry.",
                    "accounts、points、meters、tariffs 或条目。",
                )
            )
        ),
    ],
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="FIELD=VALUE",
            help=str(Text("Condition: = != < <= > >= ~ (contains); all must hold.", "条件, ~ 为包含, 须全部满足。")),
        ),
    ] = None,
    as_of: AsOfOption = None,
    format: FormatOption = Format.table,
) -> int | None:
    """List what the registry holds."""
    from keyacct.registry.editing import instant
    from keyacct.registry.listing import list_rows, listed_columns

    names = listed_columns(what)
    if format is Format.table:  # a table for the eye; the other formats hold every column
        names = _SHORT.get(what, names)
    columns = [_column(name) for name in names]
    workspace = open_workspace()
    at = instant(workspace, as_of) if as_of is not None else None
    write_rows(list_rows(workspace, what, where=where or (), as_of_ms=at), columns, format)
    return None


_NAMES = {
    "account_no": Text("account", "户号"), "account_name": Text("name", "户名"), "customer": Text("customer", "客户"),
    "voltage_level_kv": Text("kV", "电压kV"), "contract_capacity_kva": Text("capacity kVA", "合同容量kVA"),
    "pf_standard": Text("PF standard", "功率因数标准"), "points": Text("points", "计量点数"),
    "point": Text("point", "计量点"), "kind": Text("kind", "类别"), "meter": Text("meter", "表号"),
    "meter_no": Text("meter", "表号"), "wiring": Text("wiring", "接线"), "pt": Text("PT", "PT变比"),
    "ct": Text("CT", "CT变比"), "lower_v": Text("lower V", "下限V"), "upper_v": Text("upper V", "上限V"),
    "monitoring_class": Text("class", "监测类别"), "protocol": Text("protocol", "规约"), "address": Text("address", "地址"),
    "reading_side": Text("side", "示数侧"), "interval_min": Text("interval min", "间隔min"),
    "tariff_table": Text("tariff table", "时段表"), "season_from": Text("from", "季起"), "season_to": Text("to", "季止"),
    "day_type": Text("days", "日类"), "start": Text("start", "开始"), "end": Text("end", "结束"),
    "period": Text("period", "时段"),
    "service_address": Text("address", "用电地址"), "industry_code": Text("industry", "行业分类"),
    "account_class": Text("class", "客户类别"), "critical_grade": Text("grade", "重要等级"),
    "supply_station": Text("station", "供电所"), "running_capacity_kva": Text("running kVA", "运行容量kVA"),
    "annual_energy_kwh": Text("annual kWh", "年用电量kWh"), "tariff_mode": Text("tariff mode", "电价方式"),
    "contract_demand_kw": Text("contract demand kW", "合同需量kW"), "reading_day": Text("reading day", "抄表例日"),
    "status": Text("status", "状态"), "substation": Text("substation", "变电站"), "busbar": Text("busbar", "母线"),
    "supply_line": Text("line", "供电线路"), "line_kind": Text("kind", "线路性质"), "source": Text("source", "电源"),
    "role": Text("role", "角色"), "capacity_kva": Text("capacity kVA", "容量kVA"),
    "transformer": Text("transformer", "变压器"),
    "rated_kva": Text("rated kVA", "额定容量kVA"), "terminal_no": Text("terminal", "采集终端"),
    "contact": Text("contact", "联系人"), "mobile": Text("mobile", "手机"), "staff_no": Text("staff", "工号"),
    "staff_name": Text("name", "姓名"), "desk_manager": Text("desk manager", "内勤经理"),
    "field_manager": Text("field manager", "外勤经理"), "safety_load_kw": Text("safety load kW", "保安负荷kW"),
    "shift_pattern": Text("shifts", "生产班次"), "rest_day": Text("rest day", "厂休日"),
    "exchanged_at": Text("exchanged", "换表时间"), "reason": Text("reason", "原因"),
    "price_table": Text("price table", "电价表"), "point_name": Text("name", "名称"),
    "valid_from": Text("from", "生效"), "valid_to": Text("to", "失效"),
}  # fmt: skip


_SHORT = {
    "accounts": ("account_no", "account_name", "voltage_level_kv", "contract_capacity_kva", "pf_standard", "points"),
    "points": ("point", "account_no", "kind", "meter", "wiring", "pt", "ct", "lower_v", "upper_v", "monitoring_class"),
    "meters": ("meter_no", "point", "protocol", "address", "reading_side", "interval_min"),
}
_DECIMALS = {"voltage_level_kv": 2, "contract_capacity_kva": 0, "pf_standard": 2, "points": 0, "pt": 2, "ct": 2,
             "lower_v": 1, "upper_v": 1, "interval_min": 0}  # fmt: skip


def _column(name: str) -> Column:
    return Column(name, _NAMES.get(name, Text(name, name)), _DECIMALS.get(name))


class Shown(StrEnum):
    """What `registry show` shows."""

    account = "account"


def show(
    what: Annotated[Shown, typer.Argument(help=str(Text("account", "account (户)")))],
    number: Annotated[str, typer.Argument(metavar="NO", help=str(Text("Account number.", "户号。")))],
    as_of: AsOfOption = None,
    format: FormatOption = Format.table,
) -> int | None:
    """Show one account."""
    from keyacct.registry.editing import instant
    from keyacct.registry.listing import show_account

    workspace = open_workspace()
    document = show_account(workspace, number, as_of_ms=instant(workspace, as_of) if as_of is not None else None)
    if format is Format.json:
        write_json(document)
        return None
    rows = [
        {"entry": what.value, "key": key, "value": value}
        for key, value in document.items()
        if not isinstance(value, list) and value is not None
    ]
    for entry, listed in document.items():
        if isinstance(listed, list):
            rows += [
                {"entry": f"{entry} {number}", "key": key, "value": value}
                for number, row in enumerate(listed, 1)
                for key, value in row.items()
                if value is not None
            ]
    columns = (
        Column("entry", Text("entry", "条目")),
        Column("key", Text("key", "键")),
        Column("value", Text("value", "值")),
    )
    write_rows(rows, columns, format)
    return None
