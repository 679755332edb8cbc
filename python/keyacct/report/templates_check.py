"""The office's own templates: what each may be called, what it is given, and whether it works."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from keyacct.errors import ConfigError, KeyacctError
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.document import (
    Absent,
    Axis,
    Chart,
    Column,
    Document,
    Fact,
    Figure,
    Note,
    Section,
    Series,
    TableSpec,
)
from keyacct.report.look import Look

NAMES: dict[str, str] = {"report.typ": "pdf", "report.html.j2": "html", "report.xlsx": "xlsx"}
"""File of the template folder → the format that it changes. For one kind only: `month.report.typ` and so on."""


@dataclass(frozen=True)
class Finding:
    """One template: the format that it changes, and what is wrong with it (None: it works)."""

    file: str
    format: str
    error: KeyacctError | None


def check_templates(look: Look, root: Path | None) -> list[Finding]:
    """Every file of the look's template folder, tried with a small document that has a bit of everything."""
    if look.templates is None:
        return []
    findings = []
    for file in sorted(path for path in look.templates.iterdir() if path.is_file()):
        if file.name.startswith(".") or file.suffix in (".md", ".txt"):
            continue
        name = next((known for known in NAMES if file.name == known or file.name.endswith(f".{known}")), None)
        if name is None:
            hint = (
                f"a template is called {', '.join(NAMES)}, for one kind only with its name in front (month.report.typ)"
            )
            unknown = ConfigError("config.invalid", "no template has such a name", hint=hint, where={"file": str(file)})
            findings.append(Finding(file.name, "", unknown))
            continue
        kind = file.name.removesuffix(name).removesuffix(".") or "month"
        findings.append(Finding(file.name, NAMES[name], _try(look, root, NAMES[name], kind)))
    return findings


def _try(look: Look, root: Path | None, format: str, kind: str) -> KeyacctError | None:
    from keyacct.report.writers import parts

    makers: tuple[Callable[[str], Document], ...] = (sample_document, empty_document)
    for make in makers:
        for lang in ("en", "zh"):
            try:
                parts(make(kind), "zh" if lang == "zh" else "en", format, look, root)
            except KeyacctError as error:
                return error
    return None


_POINT = Column("point", Text("Metering point", "计量点"), Text("A point.", "计量点。"), "text")
_ENERGY = Column("energy_kwh", Text("Energy", "电量"), Text("Energy.", "电量。"), unit=Text("kWh", "kWh"), decimals=2)
_PASSED = Column("passed", Text("Assessment", "评价"), Text("Met or not.", "是否达标。"), "verdict")
_TABLE = TableSpec("sample", Text("Sample <table>", "样表"), Text("Sample", "样表"), (_POINT, _ENERGY, _PASSED))


def sample_document(kind: str = "month") -> Document:
    """A document with a bit of everything: missing values, markup in names, a chart with a gap."""
    table = _TABLE.fill(
        [
            {"point": "P1 =1+1 <b>#eval(1)</b>", "energy_kwh": Decimal("1234.5"), "passed": True},
            {"point": "P2", "energy_kwh": Absent(Text("no data", "无数据")), "passed": False},
        ]
    )
    chart = Chart(
        "sample", "bar", Text("Energy", "电量"), Text("Energy by day.", "逐日电量。"), Text("Day", "日"),
        tuple(Text(str(n), str(n)) for n in range(1, 4)),
        (Series("energy_kwh", Text("energy", "电量"), (Decimal(1), None, Decimal(3)), role="bar"),),
        Axis(Text("Energy", "电量"), Text("kWh", "kWh")),
    )  # fmt: skip
    section = Section(
        "sample",
        Text("Sample", "样例"),
        (table,),
        (chart,),
        (Note("warning", Text("One day is missing.", "缺一日。")),),
    )
    figures = (Figure(_ENERGY, _ENERGY.cell(Decimal("1234.5")), "pass", Text("detail", "说明")),)
    return _document(kind, figures, (section,))


def empty_document(kind: str = "month") -> Document:
    """A document of an account without any data."""
    section = Section("sample", Text("Sample", "样例"), notes=(Note("warning", Text("No data.", "无数据。")),))
    return _document(kind, (Figure(_ENERGY, _ENERGY.cell(None)),), (section,))


def _document(kind: str, figures: tuple[Figure, ...], sections: tuple[Section, ...]) -> Document:
    share = Column(
        "data_completeness_pct", Text("Completeness", "完整率"), Text("Share.", "比例。"), "share", Text("%", "%"), 2
    )
    return Document(
        kind, Text("Sample report", "样本报告"), Text("made by check-template", "模板检查"), "Office 供电公司", "0000000001",
        "Account 户名", Period.parse("2026-06"), (Fact(Text("Fact", "信息"), Text("value", "值")),),
        (Fact(Text("Parameter", "参数"), Text("1", "1")),), Figure(share, share.cell(1)), figures, sections,
        (Note("rule", Text("A rule.", "规则。")),), "0" * 64, dt.datetime(2026, 7, 1, 8, 30, tzinfo=dt.UTC),
    )  # fmt: skip
