"""The office's own templates: what each may be called, what it is given, and whether it works."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from keyacct.errors import ConfigError, KeyacctError
from keyacct.i18n import Lang, Text
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

LANGS: tuple[Lang, ...] = ("en", "zh")
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
    from keyacct.report.kinds import KINDS
    from keyacct.report.writers import parts

    if kind not in KINDS:
        hint = "`keyacct report --list` names them"
        return ConfigError("config.invalid", f"the template is for {kind!r}, which is no kind of report", hint=hint)
    makers: tuple[Callable[[str], Document], ...] = (sample_document, empty_document)
    try:
        for make in makers:
            for lang in LANGS:
                parts(make(kind), lang, format, look, root)
        return _unknown_names(look, kind) if format == "xlsx" else None
    except KeyacctError as error:
        return error


def _unknown_names(look: Look, kind: str) -> KeyacctError | None:
    """What is wrong with the named cells of a workbook: keys that no figure, table or column has."""
    from keyacct.report.kinds import KINDS
    from keyacct.report.xlsx import TEMPLATE
    from keyacct.report.xlsx_template import unknown_keys

    file = look.template(kind, TEMPLATE)
    if file is None:
        return None
    chosen = [KINDS[kind]] if file.name != TEMPLATE else list(KINDS.values())
    keys = {f"figure_{column.key}" for one in chosen for column in one.figures}
    keys |= {f"table_{table.key}" for one in chosen for table in one.tables}
    keys |= {f"column_{table.key}.{column.key}" for one in chosen for table in one.tables for column in table.columns}
    unknown = unknown_keys(file, keys)
    if not unknown:
        return None
    near = difflib.get_close_matches(unknown[0], keys, n=1)
    return ConfigError(
        "config.invalid",
        f"no report has what these cells are named for: {', '.join(unknown)}",
        hint=f"did you mean {near[0]}?" if near else "docs/reports.md lists the keys",
        where={"file": str(file)},
    )


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
