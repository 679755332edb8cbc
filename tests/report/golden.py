"""Golden texts: what every kind of report says in every format and language, as lines that a person can compare.

A kind that is registered is covered without a line here. One that needs another period or its own data has an entry in
`PERIODS` or a line in `prepare`. `pytest tests/report --refresh-golden` writes the files anew.
"""

from __future__ import annotations

import datetime as dt
import difflib
import importlib.util
import io
import re
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pypdfium2

from keyacct.config import Workspace, open_workspace
from keyacct.model import Period
from keyacct.registry.importing import import_registry
from keyacct.report import wording
from keyacct.report.document import Document
from keyacct.report.kinds import KINDS
from keyacct.report.own_definition import define, save
from keyacct.report.writers import parts
from keyacct.store.families import FAMILIES
from keyacct.store.ingest import ingest
from keyacct.workflow.demo import REGISTRY
from keyacct.workflow.samples import import_samples
from keyacct.workflow.town import town_mapping, write_town
from keyacct.workflow.workspace import init_workspace

FOLDER = Path(__file__).with_name("golden")
NOW = dt.datetime(2026, 7, 1, 0, 30, tzinfo=dt.UTC)
ACCOUNTS = ("3301000103", "1000000002")
"""A hospital with a blown fuse on 11 June 2026 (SYNTHETIC), and an account without any value in that month."""

PERIOD = "2026-06-10..2026-06-12"
PERIODS: dict[str, str] = {"raw": "2026-06-11", "customer": "2026-06", "pf": "2026-06"}
"""Kinds that need another period than `PERIOD`."""

LANGS = ("en", "zh")
AVAILABLE = tuple(kind.name for kind in KINDS.values() if kind.needs is None)
SHOWN_LINES = 80


def prepare(workspace: Workspace) -> None:
    """What single kinds need beside the registry and the samples (saved definitions, prices …)."""
    fields = ["account_name", "energy_kwh", "demand_kw", "pf_assessed", "voltage_compliance_pct"]
    _yard(workspace)
    save(
        workspace,
        define("by-class", title="By class", fields=fields, where=["voltage_level_kv<35"], group="account_class"),
    )


YARD = {
    "Y-IN": (None, 20.5),
    "Y-H1": ("YARD-L1", 12),
    "Y-H2": ("YARD-L2", 8),
    "Y-C1": ("YARD-L1", 11.5),
    "Y-C2": ("YARD-L2", 7.8),
}
"""Points of the yard by line, with the kWh (secondary, 4000 times that primary) of the three days of `PERIOD`. SYNTHETIC."""


def _yard(workspace: Workspace) -> None:
    """A busbar behind a transformer with a nameplate; of its two lines one has a resistance."""
    text = """
[[busbar]]
busbar = "YARD-10KV"
substation = "SUB-TOWN"
voltage_level_kv = 10
[[transformer]]
transformer = "YARD-T1"
rated_kva = 3150
no_load_loss_kw = 3.4
load_loss_kw = 24.5
i0_pct = 0.6
uk_pct = 7.0
"""
    for line, ohm in (("YARD-L1", "resistance_ohm = 0.62"), ("YARD-L2", "")):
        text += f'[[supply_line]]\nsupply_line = "{line}"\nvoltage_level_kv = 10\n{ohm}\n'
        text += f'[[line_feed]]\nsupply_line = "{line}"\nbusbar = "YARD-10KV"\n'
    rows = []
    for number, (point, (line, kwh)) in enumerate(YARD.items()):
        kind, meter = "billing" if "C" in point else "assessment", f"33010000090{number}"
        text += f'[[point]]\npoint = "{point}"\nkind = "{kind}"\n[[meter]]\nmeter_no = "{meter}"\n'
        text += f'[[meter_point]]\nmeter_no = "{meter}"\npoint = "{point}"\n[[point_ratio]]\npoint = "{point}"\n'
        text += 'wiring = "3p3w"\npt = "10000/100"\nct = "200/5"\n[[point_supply]]\n'
        text += f'point = "{point}"\nsubstation = "SUB-TOWN"\n'
        text += f'supply_line = "{line}"\n' if line else 'transformer = "YARD-T1"\n'
        text += 'busbar = "YARD-10KV"\n' if kind == "assessment" else ""
        for day, value in (("2026-06-10", Decimal(5)), ("2026-06-13", 5 + Decimal(str(kwh)))):
            at = dt.datetime.fromisoformat(day).replace(tzinfo=workspace.zone)
            values = {"import": value, "q1": value / 4, "q4": Decimal(0)}
            rows.append({"meter": meter, "kind": "register", "ts": at, **values, "quality": 0, "recv_at": None})
    import_registry(workspace, text)
    ingest(workspace, {"energy": pa.Table.from_pylist(rows, schema=FAMILIES["energy"].input_schema)}, source="yard")


def make_town(root: Path) -> Workspace:
    """A workspace with the demo's registry and its SYNTHETIC town of June 2026."""
    init_workspace(root, name="章丘供电公司")
    workspace = open_workspace(root)
    import_registry(workspace, REGISTRY.read_text(encoding="utf-8"), file=REGISTRY.name)
    samples = root / "town.parquet"
    write_town(samples)
    import_samples(workspace, samples, town_mapping())
    prepare(workspace)
    return workspace


def shed_sample() -> ModuleType:
    """tests/report/shed_sample.py as a module."""
    name = "shed_sample"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def documents(workspace: Workspace, kind: str, accounts: Sequence[str] = ACCOUNTS) -> list[Document]:
    """The documents of a kind over its golden period; of a kind that another command makes, those of its sample."""
    if KINDS[kind].made_by:
        with tempfile.TemporaryDirectory() as folder:
            return shed_sample().documents(kind, Path(folder), workspace, NOW)
    build = KINDS[kind].build
    assert build is not None
    return build(workspace, Period.parse(PERIODS.get(kind, PERIOD)), accounts, NOW)


def texts(document: Document, lang: str) -> dict[str, str]:
    """Format → what it says, line by line."""
    content = {
        suffix: [(part.name, part.content) for part in parts(document, lang, suffix)]
        for suffix in ("csv", "html", "pdf", "xlsx")
    }
    return {
        "csv.txt": "".join(f"== {name}\n{data.decode().replace(chr(13), '')}" for name, data in content["csv"]),
        "html.txt": html_lines(content["html"][0][1].decode()),
        "pdf.txt": pdf_lines(content["pdf"][0][1]),
        "xlsx.txt": sheet_lines(content["xlsx"][0][1]),
    }


def html_lines(page: str) -> str:
    """A page, a block a line; of style and script only that they are there (their files are the truth)."""
    page = re.sub(r"(<style>).*?(</style>)", r"\1…\2", page, flags=re.DOTALL)
    page = re.sub(r"(<script>).*?(</script>)", r"\1…\2", page, flags=re.DOTALL)
    # The dictionary stands in docs/reports.md, where a test compares it with the code.
    page = re.sub(r'(<section id="dictionary">).*?(</section>)', r"\1…\2", page, flags=re.DOTALL)
    page = re.sub(r"sha256-[A-Za-z0-9+/=]+", "sha256-…", page)
    return re.sub(r"(?<=>)(?=<(?:rect|path|text|circle|g|svg|desc)\b)", "\n", page)


def pdf_lines(content: bytes) -> str:
    """The text that a reader can take out of a PDF, page by page."""
    document = pypdfium2.PdfDocument(content)
    lines = []
    for number in range(len(document)):
        page = document[number]
        text = page.get_textpage().get_text_bounded()
        lines += [f"== page {number + 1}, {page.get_width():.0f} x {page.get_height():.0f} pt"]
        lines += [line.rstrip() for line in text.replace("\r", "").split("\n")]
    document.close()
    return "\n".join(lines) + "\n"


def sheet_lines(content: bytes) -> str:
    """The XML of every sheet, a cell a line, shared texts in their place; of a chart its texts and references."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        shared = re.findall(r"<si>(.*?)</si>", book.read("xl/sharedStrings.xml").decode(), flags=re.DOTALL)
        workbook = book.read("xl/workbook.xml").decode()
        lines = ["== xl/workbook.xml", *re.split(r"(?<=>)(?=<(?:sheet|definedName))", workbook)]
        for number, title in enumerate(re.findall(r'<sheet name="([^"]+)"', workbook), 1):
            text = book.read(f"xl/worksheets/sheet{number}.xml").decode()
            if title in (wording.DICTIONARY.en, wording.DICTIONARY.zh):
                text = re.sub(r"<sheetData>.*</sheetData>", "<sheetData>…</sheetData>", text, flags=re.DOTALL)
            text = re.sub(r't="s"><v>(\d+)</v>', lambda found: f">{shared[int(found[1])]}", text)
            lines += [f"== {title}", *re.split(r"(?<=>)(?=<(?:c |row|col |sheet|merge|print|page|header))", text)]
        for number in range(1, 1 + sum(name.startswith("xl/charts/chart") for name in book.namelist())):
            text = book.read(f"xl/charts/chart{number}.xml").decode()
            lines += [f"== chart {number}", *(found[1] for found in re.finditer(r"<(?:a:t|c:f)>([^<]*)<", text))]
    return "\n".join(line.strip() for line in lines) + "\n"


def difference(file: Path, found: str) -> str:
    """A readable difference of a golden file and what there is now; empty when there is none."""
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    if before == found:
        return ""
    lines = list(
        difflib.unified_diff(before.splitlines(), found.splitlines(), f"golden/{file.name}", "now", lineterm="", n=1)
    )
    more = f"\n… and {len(lines) - SHOWN_LINES} lines more" if len(lines) > SHOWN_LINES else ""
    head = "" if file.exists() else "there is no such golden text yet\n"
    hint = "\nIf this is meant: pytest tests/report --refresh-golden, and read the difference before you commit it."
    return head + "\n".join(lines[:SHOWN_LINES]) + more + hint
