"""Raw data (list no. 2.6.1): every stored value of an account's meters, as the meters said it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from keyacct.config import Workspace
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import Axis, Chart, Column, Document, Figure, Note, Section, Series, TableSpec, Value
from keyacct.report.inputs import by_account, digest_of
from keyacct.report.kind import Kind
from keyacct.report.sections import office
from keyacct.report.sections.common import COMPLETENESS_FIGURE, KVARH, KW, KWH, METER, POINT, VOLT, Scope
from keyacct.report.sections.office import amount, words
from keyacct.report.subject import facts, load_subjects

TITLE = Text("Raw data", "原始数据报表")
AMPERE, KVAR = Text("A", "A"), Text("kvar", "kvar")
EMPTY = Text("not sent by the meter", "表计未上送")
KINDS: dict[str, Text] = {
    "snapshot": Text("snapshot", "瞬时"),
    "interval": Text("interval", "区间"),
    "register": Text("register", "示数"),
    "freeze_minute": Text("minute freeze", "分钟冻结"),
    "freeze_hour": Text("hourly freeze", "整点冻结"),
    "freeze_day": Text("daily freeze", "日冻结"),
    "freeze_ten_day": Text("ten-day freeze", "旬冻结"),
    "freeze_month": Text("monthly freeze", "月冻结"),
    "freeze_settlement": Text("settlement freeze", "结算冻结"),
}
QUALITY: dict[int, Text] = {
    1: Text("no data", "无数据"),
    2: Text("invalid digit", "无效数字"),
    4: Text("clock suspect", "时钟存疑"),
    8: Text("substituted", "替代值"),
    16: Text("out of range", "超范围"),
    32: Text("time assumed", "时间为假定"),
    64: Text("time of receipt", "接收时间"),
    128: Text("year assumed", "年份为假定"),
    512: Text("suspect", "存疑"),
    1024: Text("estimated", "估算"),
    2048: Text("edited", "人工修改"),
    4096: Text("rounded", "已取整"),
    8192: Text("retracted", "已撤销"),
}
GOOD = Text("good", "正常")


def _value(key: str, en: str, zh: str, unit: Text, decimals: int) -> Column:
    return amount(
        key,
        Text(en, zh),
        Text(f"{en}, on the side that the meter reads.", f"{zh}(表计侧)。"),
        unit,
        decimals,
        absent=EMPTY,
    )


VALUES = (
    _value("ua_v", "Ua", "Ua", VOLT, 1),
    _value("ub_v", "Ub", "Ub", VOLT, 1),
    _value("uc_v", "Uc", "Uc", VOLT, 1),
    _value("ia_a", "Ia", "Ia", AMPERE, 3),
    _value("ib_a", "Ib", "Ib", AMPERE, 3),
    _value("ic_a", "Ic", "Ic", AMPERE, 3),
    _value("p_kw", "P", "有功功率", KW, 4),
    _value("q_kvar", "Q", "无功功率", KVAR, 4),
    _value("pf", "cosφ", "功率因数", Text("", ""), 3),
    _value("import_kwh", "Import", "正向有功", KWH, 4),
    _value("export_kwh", "Export", "反向有功", KWH, 4),
    _value("q1_kvarh", "Q1", "一象限无功", KVARH, 4),
    _value("q2_kvarh", "Q2", "二象限无功", KVARH, 4),
    _value("q3_kvarh", "Q3", "三象限无功", KVARH, 4),
    _value("q4_kvarh", "Q4", "四象限无功", KVARH, 4),
    *(_value(f"tariff_{n}_kwh", f"Tariff {n}", f"费率{n}", KWH, 4) for n in (1, 2, 3, 4)),
)
AT = Column(
    "at",
    Text("Time", "时间"),
    Text("Stamp: the end of the interval, or the instant.", "时标: 时段止点或瞬时时刻。"),
    "instant",
)
MULTIPLIER = amount(
    "multiplier",
    Text("Multiplier", "倍率"),
    Text("Multiplier of power and energy at that time.", "当时功率与电量的综合倍率。"),
    Text("", ""),
    0,
    absent=Text("no ratio in the registry", "档案未登记变比"),
)
SORT = words("value_kind", Text("Kind", "数据类型"), Text("What the values are of their time.", "数值的时间属性。"))
STATE = words("quality", Text("Quality", "质量"), Text("Quality marks of the stored values.", "数值的质量标志。"))
TABLE = TableSpec(
    "raw",
    Text("Stored values", "原始数据"),
    Text("Raw data", "原始数据"),
    (POINT, METER, AT, SORT, *VALUES, MULTIPLIER, STATE),
    detail=True,
)
COUNTS = TableSpec(
    "raw_meters",
    Text("Stamps by meter", "各表数据量"),
    Text("By meter", "各表数据量"),
    (
        POINT,
        METER,
        SORT,
        Column("stamps", Text("Stamps", "时标数"), Text("Different stamps with values.", "有数据的时标数。")),
        Column("first_at", Text("First", "最早"), Text("First stamp.", "最早时标。"), "instant"),
        Column("last_at", Text("Last", "最晚"), Text("Last stamp.", "最晚时标。"), "instant"),
        Column("marked", Text("Marked", "带标志"), Text("Stamps with a quality mark.", "带质量标志的时标数。")),
    ),
)
ROWS_FIGURE = Column("raw_rows", Text("Rows", "行数"), Text("Rows of the report.", "报表行数。"))
METERS_FIGURE = Column("raw_meters", Text("Meters", "表计数"), Text("Meters with values.", "有数据的表计数。"))
MARKED_FIGURE = Column(
    "raw_marked", Text("Marked rows", "带标志行数"), Text("Rows with a quality mark.", "带质量标志的行数。")
)


def build(workspace: Workspace, period: Period, accounts: Sequence[str], generated_at: dt.datetime) -> list[Document]:
    """One document an account. Raises KeyacctError of the registry or of the store, UsageError for too many rows."""
    from keyacct.analysis.question import measurable
    from keyacct.analysis.raw_samples import raw_samples
    from keyacct.report.gather import gather

    subjects = load_subjects(workspace, accounts)
    known = measurable(workspace, period, accounts)
    rows = by_account(raw_samples(workspace, period, accounts=known), workspace.zone) if known else {}
    shares = gather(workspace, period, accounts, power_factor=True, voltage=True)
    local = generated_at.astimezone(workspace.zone)
    scope = Scope(period, local.date())
    documents = []
    for subject in subjects:
        own: Sequence[Mapping[str, Any]] = rows.get(subject.account_no, ())
        marked = sum(bool(row["quality"]) for row in own)
        documents.append(
            Document(
                kind="raw",
                title=TITLE,
                subtitle=Text("Values as the meters said them", "表计上送的原始数值"),
                office=workspace.settings.workspace.name,
                account_no=subject.account_no,
                account_name=subject.account_name,
                period=period,
                facts=facts(subject),
                parameters=(),
                completeness=Figure(
                    COMPLETENESS_FIGURE,
                    COMPLETENESS_FIGURE.cell(_completeness(subject.account_no, shares) if own else None),
                ),
                figures=(
                    Figure(ROWS_FIGURE, ROWS_FIGURE.cell(len(own))),
                    Figure(METERS_FIGURE, METERS_FIGURE.cell(len({row["meter"] for row in own}))),
                    Figure(MARKED_FIGURE, MARKED_FIGURE.cell(marked)),
                ),
                sections=(_section(own, scope, known=subject.account_no in known),),
                notes=(*office.unfinished(scope), office.DASHES, _RULE),
                inputs_sha256=digest_of(
                    {"rows": own, "period": [str(period.first), str(period.last)], "account": subject}
                ),
                generated_at=local,
            )
        )
    return documents


_RULE = Note(
    "rule",
    Text(
        "Values are what the meters sent, merged by the store's rule of precedence, not multiplied by any ratio. A meter with "
        "one pair of reactive registers has them as Q1 and Q4.",
        "数值为表计上送的原值, 按入库优先规则合并, 未乘倍率。仅有一对无功示数的表计列于Q1与Q4。",
    ),
)


def _completeness(account: str, shares: Any) -> float | None:
    rows = [
        *(row["completeness"] for row in shares.voltage.get(account, ()) if row["monitored_min"] is not None),
        *(
            row["completeness"]
            for row in (shares.power_factor.get(account),)
            if row is not None and row["wp_kwh"] is not None
        ),
        *(
            row["completeness"]
            for row in (shares.load.get(account),)
            if row is not None and row["energy_kwh"] is not None
        ),
    ]
    return office.lowest(rows)


def _section(rows: Sequence[Mapping[str, Any]], scope: Scope, *, known: bool) -> Section:
    if not rows:
        text = (
            Text("No value of this account's meters is stored in the period.", "本期该客户表计没有入库数据。")
            if known
            else Text("The account has no meter in this period.", "该客户本期无电能表。")
        )
        return Section("raw", TITLE, notes=(Note("warning", text),))
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["point"], row["meter"], row["kind"]), []).append(row)
    counts = [
        {
            "point": point,
            "meter": meter,
            "value_kind": KINDS.get(kind, kind),
            "stamps": len(own),
            "first_at": own[0]["ts"],
            "last_at": own[-1]["ts"],
            "marked": sum(bool(row["quality"]) for row in own),
        }
        for (point, meter, kind), own in groups.items()
    ]
    return Section("raw", TITLE, (COUNTS.fill(counts), TABLE.fill(map(_cells, rows))), (_chart(rows, scope),))


def _cells(row: Mapping[str, Any]) -> dict[str, Value]:
    return {
        **row,
        "at": row["ts"],
        "value_kind": KINDS.get(row["kind"], row["kind"]),
        "quality": quality_words(row["quality"]),
    }


def quality_words(bits: int) -> Text:
    """Quality marks in words."""
    names = [name for bit, name in QUALITY.items() if bits & bit]
    return Text(", ".join(name.en for name in names), "、".join(name.zh for name in names)) if names else GOOD


def _chart(rows: Sequence[Mapping[str, Any]], scope: Scope) -> Chart:
    counts = Counter((row["ts"] - dt.timedelta(milliseconds=1)).date() for row in rows)
    days = scope.days()
    return Chart(
        "raw_daily",
        "bar",
        Text("Rows by day", "逐日数据量"),
        Text("Stored rows of each day.", "各日入库行数。"),
        scope.day_axis(),
        tuple(scope.day_name(day) for day in days),
        (
            Series(
                "rows",
                Text("rows", "行数"),
                tuple(Decimal(counts[day]) if day in counts else None for day in days),
                0,
                "bar",
            ),
        ),
        Axis(Text("Rows", "行数"), low=Decimal(0)),
        0,
        wide=True,
    )


KIND = Kind(
    "raw",
    TITLE,
    "2.6.1",
    build=build,
    figures=(ROWS_FIGURE, METERS_FIGURE, MARKED_FIGURE, COMPLETENESS_FIGURE),
    tables=(COUNTS, TABLE),
)
