"""Opens what the reports write with outside programs: LibreOffice, poppler, Chromium. `nox -s looks`.

    python tests/looks/run.py [--shots DIR] [--only KIND]

Each kind is written in both languages for a tiny account (no data), a normal one, and the month report for a monstrous one
(60 metering points with names of 24 characters). Then:

- xlsx: LibreOffice opens it headless and writes a PDF of it, whose text holds the report's key figures;
- PDF: poppler's pdftotext gives back every number and the Chinese names;
- HTML: Chromium renders it with the network cut off; no request leaves, nothing is reported on the console.

All data are SYNTHETIC. --shots keeps small pictures for the documents.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from keyacct.config import Workspace
from keyacct.model import Period
from keyacct.report.document import Document
from keyacct.report.inputs import split_by_account
from keyacct.report.kinds.month import build_from
from keyacct.report.subject import Subject
from keyacct.report.writers import parts

REPORT_TESTS = Path(__file__).resolve().parents[1] / "report"
NEEDED = {
    "soffice": "libreoffice-calc-nogui (or libreoffice-calc)",
    "pdftotext": "poppler-utils",
    "pdftoppm": "poppler-utils",
    "chromium": "chromium",
}
"""Program → Debian's package."""

MONSTER_POINTS = 60
MONSTER_NAME = "日月化工集团有限公司第二热电分公司高压配电室甲乙"
LANGS = ("zh", "en")
SHOT_DPI = 50


def load(name: str) -> ModuleType:
    """A module of tests/report."""
    spec = importlib.util.spec_from_file_location(name, REPORT_TESTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


golden = load("golden")
sample = load("sample_results")


def monster(workspace: Workspace) -> Document:
    """The month report of an account with very many metering points and long names."""
    import pyarrow as pa

    results = sample.month_results("3301000001", MONSTER_NAME, MONSTER_POINTS)
    for table in (results.voltage.total, results.voltage.day):
        names = [f"{name} 110kV进线总开关站第一母线段备用出线"[:24] for name in table["point"].to_pylist()]
        place = table.column_names.index("point")
        renamed = table.set_column(place, "point", pa.array(names))
        which = "day" if "day" in table.column_names else "total"
        object.__setattr__(results.voltage, which, renamed)
    rows = split_by_account(results, workspace.zone)["3301000001"]
    address = {"service_address": "山东省济南市章丘区明水街道双山路1号" * 3, "customer": "ABCDEFGHIJ0123456789" * 5}
    made = dt.datetime(2026, 7, 1, 0, 30, tzinfo=dt.UTC)
    return build_from(rows, Subject("3301000001", MONSTER_NAME, address), workspace, Period.parse("2026-06"), made)


def cases(workspace: Workspace, only: str | None) -> Iterator[tuple[str, Document]]:
    """(name, document) of everything that is looked at."""
    for kind in golden.AVAILABLE:
        if only in (None, kind):
            for size, document in zip(("normal", "tiny"), golden.documents(workspace, kind), strict=False):
                yield f"{kind}-{size}", document
    if only in (None, "month"):
        yield "month-monster", monster(workspace)


def run(command: list[str], **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, **more)


def text_of(pdf: Path) -> str:
    done = run(["pdftotext", "-layout", "-enc", "UTF-8", str(pdf), "-"])
    if done.returncode != 0 or done.stderr.strip():
        return f"pdftotext: {done.stderr.strip() or done.returncode}"
    return done.stdout


def check_pdf(pdf: Path, document: Document, lang: str) -> list[str]:
    """What a reader cannot take out of the PDF: numbers, names, titles."""
    text = text_of(pdf)
    words = set(text.replace("\u200b", "").split())
    close = re.sub(r"\s", "", text.replace("\u200b", ""))
    faults = [
        f"the number {cell.text.to(lang)} is not in the PDF's text"
        for table in document.tables()
        for row in table.rows
        for cell in row
        if cell.number is not None and cell.text.to(lang) not in words
    ]
    wanted = [document.account_name, document.title.to(lang), document.office]
    wanted += [table.spec.title.to(lang) for table in document.tables()]
    faults += [f"{name!r} is not in the PDF's text" for name in wanted if re.sub(r"\s", "", name) not in close]
    return faults


def check_books(books: list[tuple[Path, Document, str]], folder: Path) -> list[str]:
    """LibreOffice opens every workbook and prints it; what it prints holds the key figures."""
    profile = folder / "profile"
    out = folder / "printed"
    command = ["soffice", "--headless", "--norestore", f"-env:UserInstallation=file://{profile}", "--convert-to", "pdf"]
    done = run([*command, "--outdir", str(out), *(str(book) for book, _, _ in books)])
    if done.returncode != 0:
        return [f"soffice ended with {done.returncode}: {done.stderr.strip()}"]
    faults = [
        f"soffice said: {line}"
        for line in done.stderr.splitlines()
        if "repair" in line.lower() or "corrupt" in line.lower()
    ]
    for book, document, lang in books:
        printed = out / f"{book.stem}.pdf"
        if not printed.is_file():
            faults.append(f"{book.name}: LibreOffice did not open it")
            continue
        text = text_of(printed)
        close = re.sub(r"\s", "", text)
        for figure in document.figures:
            shown = figure.cell.text.to(lang)
            if figure.cell.number is not None and shown not in text.split():
                faults.append(f"{book.name}: {figure.column.key} = {shown} is not in what LibreOffice prints")
        for table in document.tables():
            if re.sub(r"\s", "", table.spec.title.to(lang)) not in close:
                faults.append(f"{book.name}: the table {table.spec.key} is not in what LibreOffice prints")
        if "###" in text:
            faults.append(f"{book.name}: a number does not fit its column")
    return faults


def check_page(page: Path, shot: Path, *, dark: bool = False) -> list[str]:
    """Chromium shows the page with every host unreachable; a request or a console message is a fault."""
    log = shot.with_suffix(".netlog.json")
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,1500",
        "--force-device-scale-factor=0.5", "--host-resolver-rules=MAP * ~NOTFOUND", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0",
        f"--user-data-dir={shot.parent / 'chromium'}", f"--log-net-log={log}", f"--screenshot={shot}",
        *(["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []), page.as_uri(),
    ]  # fmt: skip
    done = run(command)
    if not shot.is_file():
        return [f"{page.name}: chromium made no picture: {done.stderr.strip()[-300:]}"]
    faults = [f"{page.name}: {line.strip()}" for line in done.stderr.splitlines() if ":CONSOLE" in line]
    traffic = log.read_text(encoding="utf-8", errors="replace")
    addresses = set(re.findall(r'"url":"((?:https?|wss?)://[^"]+)"', traffic))
    initiated = {address for address in addresses if not re.match(r"https?://[\w.-]*(google|gstatic)[\w.-]*/", address)}
    faults += [f"{page.name}: asked for {address}" for address in sorted(initiated)]
    return faults


def shoot(pdf: Path, shot: Path) -> None:
    run(
        [
            "pdftoppm",
            "-png",
            "-r",
            str(SHOT_DPI),
            "-f",
            "1",
            "-l",
            "1",
            "-singlefile",
            str(pdf),
            str(shot.with_suffix("")),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shots", type=Path, help="folder for small pictures of the pages")
    parser.add_argument("--only", help="one kind")
    options = parser.parse_args()
    absent = {program: package for program, package in NEEDED.items() if shutil.which(program) is None}
    if absent:
        wanted = " ".join(sorted({package.split()[0] for package in absent.values()}))
        sys.stderr.write(f"these programs are missing: {', '.join(absent)}. Debian: apt install {wanted}\n")
        return 3
    folder = Path(tempfile.mkdtemp(prefix="keyacct-looks-"))
    workspace = golden.make_town(folder / "town")
    faults: list[str] = []
    books: list[tuple[Path, Document, str]] = []
    pages = 0
    for name, document in cases(workspace, options.only):
        for lang in LANGS:
            stem = f"{name}-{lang}"
            files = {}
            for suffix in ("xlsx", "pdf", "html"):
                files[suffix] = folder / f"{stem}.{suffix}"
                files[suffix].write_bytes(parts(document, lang, suffix)[0].content)
            faults += [f"{stem}.pdf: {fault}" for fault in dict.fromkeys(check_pdf(files["pdf"], document, lang))]
            faults += check_page(files["html"], folder / f"{stem}-html.png")
            books.append((files["xlsx"], document, lang))
            pages += 1
            if options.shots is not None and document.kind == "month":
                options.shots.mkdir(parents=True, exist_ok=True)
                shutil.copy(folder / f"{stem}-html.png", options.shots / f"{stem}-html.png")
                shoot(files["pdf"], options.shots / f"{stem}-pdf.png")
    faults += (
        check_page(folder / "month-normal-zh.html", folder / "dark.png", dark=True)
        if options.only in (None, "month")
        else []
    )
    faults += check_books(books, folder)
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    sys.stdout.write(
        f"{pages} reports, {3 * pages} files opened with LibreOffice, poppler and Chromium: {len(faults)} faults\n"
    )
    if faults:
        sys.stderr.write(f"the files are in {folder}\n")
        return 7
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
