"""A billing export as files: CSV tables for programs, one workbook for people, a manifest with the digests of both.

Column keys end in their unit and are the same in every language; the workbook's titles are in one. The bytes depend on the
export alone.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from keyacct.i18n import Lang, Text
from keyacct.report.csv import BOM, safe

Json = dict[str, Any]
PERIODS = ("total", "sharp", "peak", "flat", "valley")
ENERGIES = (
    *((q, p, f"{q}_{p}_kwh") for q in ("import", "export") for p in PERIODS),
    *((q, "total", f"{q}_kvarh") for q in ("q1", "q2", "q3", "q4", "reactive_import", "reactive_export")),
)


@dataclass(frozen=True)
class ExportItem:
    """A bill that is handed over, and the one that it takes the place of."""

    freeze_id: int
    bill: Json
    corrects_number: int | None = None
    corrects_freeze_id: int | None = None
    before: Json | None = None


@dataclass(frozen=True)
class ExportContent:
    """Everything that an export consists of. exported_at: UTC ms. missing: what it lacks, a row each."""

    number: int
    label: str
    exported_at: int
    office: str
    timezone: str
    items: tuple[ExportItem, ...]
    missing: tuple[Json, ...]
    lang: Lang

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what is handed over, whatever files it is written to."""
        meaning = [
            [self.number, self.label, list(self.missing)],
            [[i.freeze_id, i.bill, i.corrects_number, i.corrects_freeze_id, i.before] for i in self.items],
        ]
        text = json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class _Column:
    key: str
    title: Text
    number: bool = False


def _t(key: str, en: str, zh: str, *, number: bool = False) -> _Column:
    return _Column(key, Text(en, zh), number)


_NAMES = {
    "import": Text("import", "正向有功"), "export": Text("export", "反向有功"), "q1": Text("Q1", "一象限无功"),
    "q2": Text("Q2", "二象限无功"), "q3": Text("Q3", "三象限无功"), "q4": Text("Q4", "四象限无功"),
    "reactive_import": Text("reactive import", "正向无功"), "reactive_export": Text("reactive export", "反向无功"),
    "total": Text("total", "总"), "sharp": Text("sharp", "尖"), "peak": Text("peak", "峰"),
    "flat": Text("flat", "平"), "valley": Text("valley", "谷"),
}  # fmt: skip


def _energy_title(quantity: str, period: str, unit: str) -> Text:
    name, part = _NAMES[quantity], _NAMES[period]
    return Text(f"{name.en} {part.en}, {unit}", f"{name.zh} {part.zh}, {unit}")


_HEAD = (
    _t("account_no", "account", "户号"), _t("account_name", "name", "户名"),
    _t("cycle_from", "cycle from", "结算起"), _t("cycle_to", "cycle to", "结算止"),
)  # fmt: skip
_ACCOUNTS = (
    *_HEAD,
    *(_Column(key, _energy_title(q, p, "kWh" if key.endswith("kwh") else "kvarh"), True) for q, p, key in ENERGIES),
    _t("demand_kw", "max. demand, kW", "最大需量, kW", number=True), _t("demand_at", "at", "发生时间"),
    _t("demand_basis", "basis of demand", "需量依据"),
    _t("pf", "power factor", "功率因数", number=True), _t("pf_assessed", "assessed", "考核值", number=True),
    _t("pf_standard", "standard", "标准", number=True),
    _t("adjustment_pct", "adjustment, %", "力调, %", number=True),
    _t("tariff_mode", "tariff mode", "电价方式"),
    _t("contract_capacity_kva", "contract, kVA", "合同容量, kVA", number=True),
    _t("running_capacity_kva", "running, kVA", "运行容量, kVA", number=True),
    _t("contract_demand_kw", "contract demand, kW", "合同需量, kW", number=True),
    _t("complete", "complete", "完整"), _t("estimated", "estimated", "含估算"), _t("flags", "remarks", "标记"),
    _t("corrects_export", "corrects export", "更正第几号", number=True), _t("freeze_id", "freeze", "冻结号", number=True),
    _t("digest", "digest", "摘要"),
)  # fmt: skip
LOSSES = (*((p, f"loss_{p}_kwh") for p in PERIODS[1:]),)
_ACCOUNT_LOSSES = (
    _t("loss_kwh", "transformer loss, kWh", "变损电量, kWh", number=True),
    *(_t(key, f"loss {_NAMES[p].en}, kWh", f"变损{_NAMES[p].zh}, kWh", number=True) for p, key in LOSSES),
    _t("loss_kvarh", "transformer loss, kvarh", "变损无功, kvarh", number=True),
    _t("settled_import_kwh", "import with loss, kWh", "结算正向有功 (含变损), kWh", number=True),
    _t("demand_loss_kw", "of the demand losses, kW", "需量中变损, kW", number=True),
    _t("loss_state", "state of the loss", "变损状态"),
)  # fmt: skip
"""Of an export in which somebody is metered behind a transformer."""
_ACCOUNT_DEMAND = (_t("demand_provisional", "demand provisional", "需量暂定原因"),)
_LOSSES = (
    *_HEAD,
    _t("point", "point", "计量点"), _t("meter", "meter", "表号"), _t("part_from", "from", "起"),
    _t("part_to", "to", "止"), _t("transformers", "transformers", "变压器"),
    _t("iron_kwh", "no-load loss, kWh", "铁损有功, kWh", number=True),
    _t("copper_kwh", "load loss, kWh", "铜损有功, kWh", number=True),
    _t("kwh", "loss, kWh", "变损有功, kWh", number=True),
    _t("iron_kvarh", "no-load loss, kvarh", "铁损无功, kvarh", number=True),
    _t("copper_kvarh", "load loss, kvarh", "铜损无功, kvarh", number=True),
    _t("kvarh", "loss, kvarh", "变损无功, kvarh", number=True),
    *(_t(key, f"loss {_NAMES[p].en}, kWh", f"变损{_NAMES[p].zh}, kWh", number=True) for p, key in LOSSES),
    _t("state", "state", "状态"), _t("why", "why", "原因"),
)  # fmt: skip
_READINGS = (
    *_HEAD,
    _t("point", "point", "计量点"), _t("meter", "meter", "表号"), _t("part_from", "from", "起"),
    _t("part_to", "to", "止"), _t("quantity", "register", "示数"), _t("tariff", "tariff", "时段"),
    _t("unit", "unit", "单位"), _t("begin", "begin", "起码", number=True),
    _t("begin_basis", "basis of begin", "起码依据"), _t("begin_quality", "quality of begin", "起码质量", number=True),
    _t("end", "end", "止码", number=True), _t("end_basis", "basis of end", "止码依据"),
    _t("end_quality", "quality of end", "止码质量", number=True),
    _t("difference", "difference", "差值", number=True), _t("pt", "PT", "PT", number=True),
    _t("ct", "CT", "CT", number=True), _t("multiplier", "multiplier", "倍率", number=True),
    _t("energy", "energy", "电量", number=True), _t("flags", "remarks", "标记"),
)  # fmt: skip
_DEMANDS = (
    *_HEAD,
    _t("point", "point", "计量点"), _t("meter", "meter", "表号"), _t("part_to", "frozen at", "冻结时间"),
    _t("tariff", "tariff", "时段"), _t("reading_kw", "reading, kW", "示数, kW", number=True),
    _t("multiplier", "multiplier", "倍率", number=True), _t("kw", "demand, kW", "需量, kW", number=True),
    _t("at", "at", "发生时间"), _t("basis", "basis", "依据"),
)  # fmt: skip
_EXCHANGES = (
    *_HEAD,
    _t("point", "point", "计量点"), _t("at", "exchanged at", "换表时间"), _t("old_meter", "old meter", "旧表"),
    _t("new_meter", "new meter", "新表"), _t("reason", "reason", "原因"),
)  # fmt: skip
_CORRECTIONS = (
    *_HEAD,
    _t("corrects_export", "corrects export", "更正第几号", number=True),
    _t("corrects_freeze", "earlier freeze", "原冻结号", number=True), _t("item", "item", "项目"),
    _t("before", "before", "原值", number=True), _t("now", "now", "现值", number=True),
    _t("difference", "difference", "差值", number=True),
)  # fmt: skip
_MISSING = (
    _t("account_no", "account", "户号"), _t("cycle_to", "cycle to", "结算止"), _t("point", "point", "计量点"),
    _t("meter", "meter", "表号"), _t("at", "at", "时间"), _t("what", "what", "缺什么"), _t("why", "why", "原因"),
)  # fmt: skip


def _tables(content: ExportContent) -> list[tuple[str, Text, tuple[_Column, ...], list[Json]]]:
    def of(name: str) -> list[Json]:
        return [{**_head(item.bill), **row} for item in content.items for row in item.bill.get(name, ())]

    # What an export does not hold adds no column: one made by an earlier release is written again byte for byte.
    columns = _ACCOUNTS
    if any("losses" in item.bill for item in content.items):
        columns += _ACCOUNT_LOSSES
    if any("provisional" in item.bill["demand"] for item in content.items):
        columns += _ACCOUNT_DEMAND
    losses = [{**row, **_by_tariff(row["by_tariff"])} for row in of("losses")]
    accounts = [_account(item) for item in content.items]
    corrections = [row for item in content.items for row in _differences(item)]
    found = [
        ("accounts", Text("Accounts", "用户"), columns, accounts),
        ("readings", Text("Readings", "示数"), _READINGS, of("readings")),
        ("demands", Text("Demands", "需量"), _DEMANDS, of("demands")),
        ("losses", Text("Transformer losses", "变压器损耗"), _LOSSES, losses),
        ("exchanges", Text("Meter exchanges", "换表"), _EXCHANGES, of("exchanges")),
        ("corrections", Text("Corrections", "更正"), _CORRECTIONS, corrections),
        ("missing", Text("Missing", "缺项"), _MISSING, [dict(row) for row in content.missing]),
    ]
    return [table for table in found if table[3] or table[0] in ("accounts", "readings")]


def _head(bill: Json) -> Json:
    return {name: bill[name] for name in ("account_no", "account_name", "cycle_from", "cycle_to")}


def _account(item: ExportItem) -> Json:
    bill = item.bill
    return {
        **_head(bill), **_figures(bill), "demand_at": bill["demand"]["at"], "demand_basis": bill["demand"]["basis"],
        **{name: bill["contract"][name] for name in ("tariff_mode", "contract_capacity_kva", "running_capacity_kva",
                                                     "contract_demand_kw")},
        "complete": "yes" if bill["complete"] else "no", "estimated": "yes" if bill["estimated"] else "no",
        "demand_provisional": " ".join(bill["demand"].get("provisional", ())),
        "flags": " ".join(bill["flags"]), "corrects_export": item.corrects_number, "freeze_id": item.freeze_id,
        "digest": hashlib.sha256(
            json.dumps(bill, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        ).hexdigest(),
    }  # fmt: skip


def _figures(bill: Json) -> Json:
    factor = bill["power_factor"]
    return {
        **{key: bill["energies"].get(q, {}).get(p) for q, p, key in ENERGIES},
        "demand_kw": bill["demand"]["kw"],
        **_loss_figures(bill),
        **{name: factor[name] for name in ("pf", "pf_assessed", "pf_standard", "adjustment_pct")},
    }


def _by_tariff(amounts: Json) -> Json:
    return {key: amounts.get(period) for period, key in LOSSES}


def _loss_figures(bill: Json) -> Json:
    """Losses of the account's transformers; nothing for one without."""
    if "losses" not in bill:
        return {}
    return {
        "loss_kwh": bill["loss"]["kwh"], **_by_tariff(bill["loss"]["by_tariff"]), "loss_kvarh": bill["loss"]["kvarh"],
        "settled_import_kwh": bill["settled"].get("import", {}).get("total"),
        "demand_loss_kw": bill["demand"].get("loss_kw"),
        "loss_state": " ".join(sorted({row["state"] for row in bill["losses"]})),
    }  # fmt: skip


def _differences(item: ExportItem) -> Iterator[Json]:
    """What a correction changes: figures of the account, then readings."""
    if item.before is None:
        return
    head = {
        **_head(item.bill), "corrects_export": item.corrects_number, "corrects_freeze": item.corrects_freeze_id,
    }  # fmt: skip
    before, now = _named(item.before), _named(item.bill)
    for name in [*now, *(name for name in before if name not in now)]:
        old, new = before.get(name), now.get(name)
        if old != new:
            yield {**head, "item": name, "before": old, "now": new, "difference": _minus(new, old)}


def _named(bill: Json) -> dict[str, str | None]:
    """Every figure of a bill under a name that says which."""
    result: dict[str, str | None] = dict(_figures(bill))
    result |= {"cycle_from": bill["cycle_from"], "cycle_to": bill["cycle_to"], "demand_at": bill["demand"]["at"]}
    for row in bill["readings"]:
        name = f"{row['meter']} {row['part_from']}..{row['part_to']} {row['quantity']} {row['tariff']}"
        result |= {f"{name} {part}": row[part] for part in ("begin", "end", "multiplier", "energy")}
        result |= {f"{name} {part}_quality": str(row[f"{part}_quality"]) for part in ("begin", "end")}
    for row in bill.get("losses", ()):
        name = f"{row['meter']} {row['part_from']}..{row['part_to']} loss"
        result |= {f"{name} {key}": row[key] for key in ("iron_kwh", "copper_kwh", "iron_kvarh", "copper_kvarh")}
    for row in bill["demands"]:
        result[f"{row['meter']} {row['part_to']} demand {row['tariff']}"] = row["kw"]
    return {name: value for name, value in result.items() if value is not None}


def _minus(new: str | None, old: str | None) -> str | None:
    try:
        return None if new is None or old is None else format(Decimal(new) - Decimal(old), "f")
    except ArithmeticError:
        return None  # a time


def render_export(content: ExportContent, formats: Sequence[str]) -> dict[str, bytes]:
    """File name → bytes; the manifest last."""
    stem = f"billing-{content.number:06d}"
    tables = _tables(content)
    files: dict[str, bytes] = {}
    if "csv" in formats:
        for name, _, columns, rows in tables:
            files[f"{stem}.{name}.csv"] = _csv(columns, rows)
    if "xlsx" in formats:
        files[f"{stem}.xlsx"] = _xlsx(content, tables)
    corrected = sorted({i.corrects_number for i in content.items if i.corrects_number is not None})
    manifest = {
        "number": content.number, "period": content.label, "office": content.office,
        "exported_at": _local(content).isoformat(timespec="seconds"), "complete": not content.missing,
        "corrects_exports": corrected, "missing": len(content.missing), "digest": content.digest,
        "bills": len(content.items),
        "files": [
            {"file": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
        ],
    }  # fmt: skip
    files[f"{stem}.json"] = (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode()
    return files


def _local(content: ExportContent) -> dt.datetime:
    return dt.datetime.fromtimestamp(content.exported_at / 1000, zoneinfo.ZoneInfo(content.timezone))


def _csv(columns: Sequence[_Column], rows: Sequence[Json]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([column.key for column in columns])
    for row in rows:
        writer.writerow([_field(column, row.get(column.key)) for column in columns])
    return (BOM + buffer.getvalue()).encode("utf-8")


def _field(column: _Column, value: Any) -> str:
    text = _plain(value)
    return text if column.number and _is_number(text) else safe(text)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return " ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except ArithmeticError:
        return False


def _xlsx(content: ExportContent, tables: Sequence[tuple[str, Text, tuple[_Column, ...], list[Json]]]) -> bytes:
    import xlsxwriter

    buffer = io.BytesIO()
    options = {
        "in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
    }  # fmt: skip
    book = xlsxwriter.Workbook(buffer, options)
    book.set_properties(
        {
            "title": f"{Text('Billing export', '结算数据').to(content.lang)} {content.number}",
            "company": content.office, "created": _local(content).astimezone(dt.UTC).replace(tzinfo=None),
        }
    )  # fmt: skip
    head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
    number = book.add_format({"num_format": "0.00##", "align": "right"})
    whole = book.add_format({"num_format": "0", "align": "right"})
    marked = book.add_format({"bold": True, "font_color": "#9C0006"})
    for name, title, columns, rows in tables:
        sheet = book.add_worksheet(title.to(content.lang))
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.freeze_panes(1, 1)
        for n, column in enumerate(columns):
            sheet.write_string(0, n, column.title.to(content.lang), head)
            texts = [_plain(row.get(column.key)) for row in rows[:500]]
            sheet.set_column(n, n, min(44, max(10, *(len(text) + 2 for text in ["", *texts]))))
        for line, row in enumerate(rows, 1):
            for n, column in enumerate(columns):
                text = _plain(row.get(column.key))
                if not text:
                    continue
                if column.number and _is_number(text):
                    sheet.write_number(line, n, float(text), number if "." in text else whole)
                else:
                    sheet.write_string(line, n, text, marked if name == "missing" and column.key == "what" else None)
    book.close()
    return buffer.getvalue()
