"""Dual and own-source customers (list no. 2.6.8): sources, roles, interlocks, own generation, tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from keyacct.config import Workspace
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import Column, Document, Figure, Note, Section, TableSpec, Value
from keyacct.report.kind import Kind
from keyacct.report.registry_rows import RegistryRows, Row, read_registry
from keyacct.report.sections import office
from keyacct.report.sections.account_columns import KVA, MISSING, SOURCE_ROLES
from keyacct.report.sections.common import COMPLETENESS_FIGURE, KW, PERCENT
from keyacct.report.sections.office import amount, share, words
from keyacct.report.subject import load_subjects

TITLE = Text("Dual and own-source customers", "双电源、自备电源客户报表")
NO_OWN = Text("no generation of its own", "无自备电源")
INTERLOCKS = {
    "mechanical": Text("mechanical", "机械闭锁"),
    "electrical": Text("electrical", "电气闭锁"),
    "none": Text("none", "无闭锁"),
}
YES_NO = {0: Text("no", "无"), 1: Text("yes", "有")}
COUNTED = ("supply_line", "substation", "capacity_kva", "interlock", "agreement_no", "last_test_on")
OWN_COUNTED = ("own_generation_kw", "interlock", "agreement_no", "last_test_on")
TABLE = TableSpec(
    "sources",
    Text("Sources by account", "各户电源"),
    Text("Sources", "电源"),
    (
        office.ACCOUNT_NO,
        office.ACCOUNT_NAME,
        words("source", Text("Source", "电源"), Text("Source of supply.", "供电电源。")),
        words("role", Text("Role", "主备"), Text("Main, standby or own emergency source.", "主供、备用或自备应急。")),
        words("supply_line", Text("Line", "线路"), Text("Line of the source.", "电源线路。")),
        words("substation", Text("Substation", "变电站"), Text("Substation of the source.", "电源变电站。")),
        amount(
            "capacity_kva",
            Text("Capacity", "容量"),
            Text("Capacity of the source.", "电源容量。"),
            KVA,
            0,
            absent=MISSING,
        ),
        words("auto_transfer", Text("ATS", "备自投"), Text("Automatic transfer switching.", "是否装设备自投。")),
        words("interlock", Text("Interlock", "闭锁"), Text("Interlock against feeding back.", "防倒送闭锁方式。")),
        amount(
            "own_generation_kw",
            Text("Own generation", "自备发电"),
            Text("Own generation.", "自备发电容量。"),
            KW,
            0,
            absent=NO_OWN,
        ),
        words("agreement_no", Text("Agreement", "协议编号"), Text("Number of the agreement.", "协议编号。")),
        Column(
            "last_test_on",
            Text("Last test", "最近试验"),
            Text("Day of the last test.", "最近试验日期。"),
            "date",
            absent=Text("never tested", "未试验"),
        ),
        Column(
            "completeness_pct",
            Text("Fields filled", "资料完整率"),
            Text(
                "Share of line, substation, capacity, interlock, agreement and test (own source: generation, interlock, "
                "agreement, test) that the registry holds.",
                "线路、变电站、容量、闭锁、协议、试验(自备电源: 发电容量、闭锁、协议、试验)中已登记的比例。",
            ),
            "share",
            PERCENT,
            0,
        ),
    ),
)
DUAL_FIGURE = Column(
    "dual_accounts",
    Text("Dual-source accounts", "双(多)电源户数"),
    Text("Accounts with two or more lines of supply.", "有两路及以上供电电源的客户数。"),
)
OWN_FIGURE = Column(
    "own_source_accounts",
    Text("Accounts with own sources", "自备电源户数"),
    Text("Accounts with an own emergency source.", "有自备应急电源的客户数。"),
)
UNLOCKED_FIGURE = Column(
    "own_without_interlock",
    Text("Own sources without interlock", "无闭锁自备电源"),
    Text(
        "Own sources for which the registry names no mechanical or electrical interlock.",
        "档案未登记机械或电气闭锁的自备电源数。",
    ),
)
FILLED_FIGURE = share(
    "source_fields_filled_pct",
    Text("Fields filled", "资料完整率"),
    Text("Mean over the sources.", "各电源资料完整率平均值。"),
)


def build(workspace: Workspace, period: Period, accounts: Sequence[str], generated_at: dt.datetime) -> list[Document]:
    """One document over the accounts that have more than one source or one of their own. Raises KeyacctError."""
    accounts = sorted(accounts)
    subjects = load_subjects(workspace, accounts)
    as_of = min(period.last, generated_at.astimezone(workspace.zone).date())
    found = read_registry(workspace, as_of)
    chosen = [subject for subject in subjects if _counts(found.of("source", subject.account_no))]
    rows = [
        _row(subject.account_no, subject.account_name, row, found)
        for subject in chosen
        for row in sorted(
            found.of("source", subject.account_no),
            key=lambda row: (list(SOURCE_ROLES).index(row["role"]), row["source"]),
        )
    ]
    sources = [row for subject in chosen for row in found.of("source", subject.account_no)]
    own = [row for row in sources if row["role"] == "emergency_own"]
    filled = [share_filled(row) for row in sources]
    mean = sum(filled) / len(filled) if filled else None
    dual = sum(_lines(found.of("source", subject.account_no)) > 1 for subject in chosen)
    notes = []
    if not rows:
        notes.append(
            Note(
                "info",
                Text(
                    "No account has a second source or one of its own in the registry.",
                    "档案中没有双电源或自备电源客户。",
                ),
            )
        )
    unlocked = [row for row in own if row["interlock"] not in ("mechanical", "electrical")]
    for row in unlocked:
        text = Text(
            f"{row['account_no']}: own source {row['source']} without a known interlock; it could feed back.",
            f"{row['account_no']}: 自备电源{row['source']}未登记闭锁, 有倒送风险。",
        )
        notes.append(Note("warning", text))
    return [
        office.document(
            "sources",
            TITLE,
            Text("Sources, interlocks, tests", "电源、闭锁与试验"),
            workspace,
            period,
            generated_at,
            accounts=accounts,
            completeness=mean,
            figures=[
                Figure(DUAL_FIGURE, DUAL_FIGURE.cell(dual)),
                Figure(OWN_FIGURE, OWN_FIGURE.cell(len({row["account_no"] for row in own}))),
                Figure(UNLOCKED_FIGURE, UNLOCKED_FIGURE.cell(len(unlocked))),
                Figure(FILLED_FIGURE, FILLED_FIGURE.cell(mean)),
            ],
            sections=[Section("sources", TITLE, (TABLE.fill(rows),) if rows else (), (), tuple(notes))],
            inputs={"sources": sources},
            notes=[Note("info", Text(f"What the registry says of {as_of}.", f"档案内容以{as_of}为准。"))],
        )
    ]


def _lines(rows: Sequence[Row]) -> int:
    return sum(row["role"] != "emergency_own" for row in rows)


def _counts(rows: Sequence[Row]) -> bool:
    return _lines(rows) > 1 or any(row["role"] == "emergency_own" for row in rows)


def share_filled(row: Row) -> float:
    """Share of the fields that a source of its role should have."""
    names = OWN_COUNTED if row["role"] == "emergency_own" else COUNTED
    return sum(row[name] is not None for name in names) / len(names)


def _row(account: str, name: str, row: Row, found: RegistryRows) -> dict[str, Value]:
    line = found.entry("supply_line", row["supply_line"] or "")
    shown = f"{row['supply_line']} {line.get('line_name') or ''}".strip() if row["supply_line"] else None
    return {
        "account": account,
        "account_name": name or None,
        "source": row["source"],
        "role": SOURCE_ROLES[row["role"]],
        "supply_line": shown,
        "substation": row["substation"],
        "capacity_kva": row["capacity_kva"],
        "auto_transfer": YES_NO[1 if row["auto_transfer"] else 0],
        "interlock": INTERLOCKS.get(row["interlock"] or ""),
        "own_generation_kw": row["own_generation_kw"],
        "agreement_no": row["agreement_no"],
        "last_test_on": dt.date.fromisoformat(row["last_test_on"]) if row["last_test_on"] else None,
        "completeness_pct": share_filled(row),
    }


KIND = Kind(
    "sources",
    TITLE,
    "2.6.8",
    build=build,
    scope="office",
    figures=(DUAL_FIGURE, OWN_FIGURE, UNLOCKED_FIGURE, FILLED_FIGURE, COMPLETENESS_FIGURE),
    tables=(TABLE,),
)
