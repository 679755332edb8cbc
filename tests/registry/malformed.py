"""Malformed registry files, made systematically: every field with a value it cannot have, every rule of the whole
broken once, every container damaged. Each names where the fault is to be found.
"""

from __future__ import annotations

import csv
import io
import itertools
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import xlsxwriter

from keyacct.registry.entities import BY_NAME, ENTITIES
from keyacct.registry.entity import Entity, Field


@dataclass(frozen=True)
class Malformed:
    """A file, and what must be said of it: sheet, row, column (empty: any) and words of the reason."""

    name: str
    file: str
    data: bytes
    reason: str
    row: int = 0
    column: str = ""
    sheet: str = ""


BAD: dict[str, tuple[str, ...]] = {
    "ratio": ("nan", "0", "-1", "inf", "1/0", "many", "1e13", "0x10", "12,5", "=1+1"),
    "amount": ("-0.5", "nan", "inf", "plenty", "1e99"),
    "signed": ("nan", "x", "-inf"),
    "decimal": ("-1", "1.234567891", "NaN", "abc", "1e30"),
    "whole": ("1.5", "-1", "ten", "99999999999999999999"),
    "season": ("13-01", "02-30", "7-1", "summer"),
    "clock": ("24:01", "8:30", "12:60", "noon"),
    "date": ("2026-02-30", "01/02/2026", "2026-13-01", "yesterday"),
    "moment": ("2026-02-30", "2026-01-01T25:00:00", "soon"),
    "flag": ("yes", "2", "T"),
    "text": ("x" * 5000, "a\x07b", "   ", "=SUM(A1:A2)", "line\nbreak", "tab\tin"),
}
GOOD = {
    "ratio": "10", "amount": "1", "signed": "1", "decimal": "1", "whole": "1", "season": "01-01", "clock": "08:00",
    "date": "2026-01-01", "moment": "2026-01-01", "flag": "true",
}  # fmt: skip
SPECIAL = {
    ("poll_plan", "schedule"): "*/15 * * * *",
    ("voltage_limit", "nominal_v"): "10000", ("voltage_limit", "lower_v"): "9300", ("voltage_limit", "upper_v"): "10700",
    ("tariff_slot", "start_min"): "00:00", ("tariff_slot", "end_min"): "24:00", ("tariff_slot", "season_to"): "12-31",
    ("account_pf_standard", "pf_standard"): "0.9", ("meter_exchange", "new_meter_no"): "meter2",
}  # fmt: skip


def good_value(entity: Entity, field: Field) -> str:
    """A value that the field can have; a reference leads to `<target>1`."""
    if (entity.name, field.name) in SPECIAL:
        return SPECIAL[entity.name, field.name]
    if field.refers:
        return f"{field.refers}1"
    if field.choices:
        return field.choices[0]
    return GOOD.get(field.kind, f"{field.name}1" if field.name != entity.key[0] else f"{entity.name}1")


def good_row(entity: Entity, **more: str) -> dict[str, str]:
    """The smallest row of an entity that is accepted."""
    row = {f.name: good_value(entity, f) for f in entity.fields if f.required or f.name in entity.key}
    return row | more


def csv_of(rows: list[dict[str, str]]) -> bytes:
    names = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row.get(name, "") for name in names] for row in rows)
    return out.getvalue().encode()


def base() -> list[tuple[str, bytes]]:
    """One entry of every kind, so that references lead somewhere; two meters, for exchanges."""
    files = []
    for entity in ENTITIES:
        rows = [good_row(entity)]
        if entity.name == "meter":
            rows.append(good_row(entity, meter_no="meter2"))
        files.append((f"{entity.name}.csv", csv_of(rows)))
    return files


def bad_cells() -> Iterator[Malformed]:
    """Every field of every entity with values it cannot have."""
    turn = {kind: itertools.cycle(values) for kind, values in BAD.items()}
    for entity in ENTITIES:
        for field in entity.fields:
            values = ["bogus"] if field.choices else [next(turn[field.kind])]
            if field.kind == "text" and field.most:
                values = ["a\x07b"]
            for value in values:
                row = good_row(entity) | {field.name: value}
                at = 2 + (value.count("\n") if field.name in row else 0)
                yield Malformed(
                    f"{entity.name}.{field.name}={value[:12]!r}",
                    f"{entity.name}.csv",
                    csv_of([row]),
                    "",
                    at,
                    field.name,
                )


def missing_fields() -> Iterator[Malformed]:
    """Every field that must be given, left out of its row."""
    for entity in ENTITIES:
        for field in entity.fields:
            if field.required and len(good_row(entity)) > 1:
                row = good_row(entity) | {field.name: ""}
                yield Malformed(
                    f"{entity.name} without {field.name}", f"{entity.name}.csv", csv_of([row]),
                    f"{field.name} is missing", 2,
                )  # fmt: skip


def broken_rules() -> Iterator[Malformed]:
    """Duplicate keys, names that lead nowhere, overlaps, reversed dates, circles, and the rules of single entries."""
    for entity in ENTITIES:
        file = f"{entity.name}.csv"
        row = good_row(entity)
        yield Malformed(f"{entity.name} twice", file, csv_of([row, row]), "the same entry as in line 2", 3)
        for field in entity.fields:
            if field.refers:
                bad = csv_of([row | {field.name: "nowhere"}])
                yield Malformed(f"{entity.name}.{field.name} nowhere", file, bad, f"no {field.refers} nowhere", 2)
        if entity.dated:
            late = csv_of([row | {"valid_from": "2026-05-01"}])
            yield Malformed(f"{entity.name} overlaps", file, late, "validity overlaps", 2)
            back = csv_of([row | {"valid_from": "2026-05-01", "valid_to": "2026-05-01"}])
            yield Malformed(f"{entity.name} reversed", file, back, "valid_to is not after valid_from", 2)
            for name, value in (("valid_from", "2026-02-30"), ("valid_to", "never")):
                bad = csv_of([row | {name: value}])
                yield Malformed(f"{entity.name}.{name}={value}", file, bad, "is no date", 2, name)
    for name in ("substation", "supply_line", "customer"):
        entity = BY_NAME[name]
        field = entity.tree[0] if entity.tree else ""
        for length in (2, 3, 5):
            ring = [
                good_row(entity) | {name: f"r{n}", field: f"r{(n + 1) % length}"} for n in range(length)
            ]  # fmt: skip
            yield Malformed(f"{name} ring of {length}", f"{name}.csv", csv_of(ring), "leads in a circle", 2)
        alone = csv_of([good_row(entity) | {name: "s", field: "s"}])
        yield Malformed(f"{name} above itself", f"{name}.csv", alone, "names the entry itself", 2)
    source = BY_NAME["source"]
    for length in (2, 3):
        ring = [
            good_row(source) | {"source": f"s{n}", "stands_in_for": f"s{(n + 1) % length}"} for n in range(length)
        ]  # fmt: skip
        yield Malformed(f"sources in a ring of {length}", "source.csv", csv_of(ring), "leads in a circle", 2)
    for name, more, reason in (
        ("source", {"stands_in_for": "gone"}, "no source gone of this account_no"),
        ("source", {"stands_in_for": "source1"}, "names the source itself"),
        ("source", {"role": "emergency_own", "supply_line": "supply_line1"}, "hangs on no supply_line"),
        ("point_ratio", {"ct": "0.5"}, "impossible"), ("point_ratio", {"pt": "1/100"}, "impossible"),
        ("point_ratio", {"ct": "5/500"}, "impossible"), ("point_ratio", {"ct": "999999"}, "more than"),
        ("point_ratio", {"ct": "500/3"}, "rated secondary currents"),
        ("point_ratio", {"ct": "100", "ct_primary_a": "600", "ct_secondary_a": "5"}, "is not 600/5"),
        ("point_ratio", {"pt_primary_v": "10000"}, "belong together"),
        ("meter", {"meter_no": "?x"}, "must not begin with"), ("meter", {"protocol": "dlt645-2007"}, "belong together"),
        ("meter", {"interval_min": "0"}, "between 1 and 1440"), ("meter", {"interval_min": "1441"}, "between 1 and"),
        ("account_pf_standard", {"pf_standard": "90"}, "is a ratio"),
        ("account_terms", {"contract_capacity_kva": "100", "running_capacity_kva": "200"}, "is more than"),
        ("account_terms", {"reading_day": "32"}, "no day of a month"),
        ("account_terms", {"settlements_per_month": "9"}, "between 1 and 6"),
        ("account_terms", {"account_class": "economic", "critical_grade": "1"}, "belongs to account_class critical"),
        ("voltage_limit", {"lower_v": "10700", "upper_v": "9300"}, "is not below"),
        ("voltage_limit", {"nominal_v": "35000", "lower_v": "30000", "upper_v": "38000"}, "allows 10 %"),
        ("tariff_slot", {"start_min": "10:00", "end_min": "09:00"}, "ends before it starts"),
        ("tariff_slot", {"end_min": "23:00"}, "covered only up to 23:00"),
        ("tariff_slot", {"start_min": "01:00"}, "leaves a gap"),
        ("meter_exchange", {"new_meter_no": "meter1"}, "the same meter"),
        ("exchange_reading", {"exchanged_at": "2026-03-01"}, "no meter_exchange"),
        ("meter_setting", {"interval_min": "0"}, "no interval"),
    ):  # fmt: skip
        rows = [good_row(BY_NAME[name]) | more]
        yield Malformed(f"{name} {more}", f"{name}.csv", csv_of(rows), reason, 2)
    slots = [good_row(BY_NAME["tariff_slot"]), good_row(BY_NAME["tariff_slot"]) | {"start_min": "12:00"}]
    yield Malformed("slots overlap", "tariff_slot.csv", csv_of(slots), "overlaps the slot before it", 3)
    two = [good_row(BY_NAME["meter_point"]) | {"meter_no": "meter2"}]
    yield Malformed("two meters at a point", "meter_point.csv", csv_of(two), "validity overlaps for point point1", 2)


ACCOUNTS = "account_no,account_name\n1,日月化工\n2,钢铁厂\n"
TOML = '[[account]]\naccount_no = "1"\naccount_name = "日月化工"\n'


def bad_texts() -> Iterator[Malformed]:
    """Wrong encodings, broken CSV, broken TOML."""
    for encoding in ("gbk", "gb18030", "big5", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp437"):
        text = (
            ACCOUNTS
            if encoding not in ("latin-1", "cp437")
            else ACCOUNTS.replace("日月化工", "é").replace("钢铁厂", "ä")
        )
        if encoding == "big5":
            text = text.replace("钢铁厂", "鋼鐵廠")
        document = TOML if encoding not in ("latin-1", "cp437") else TOML.replace("日月化工", "é")
        reason = "" if encoding in ("utf-16-le", "utf-16-be") else "is not UTF-8"
        yield Malformed(f"csv in {encoding}", "account.csv", text.encode(encoding), reason)
        yield Malformed(f"toml in {encoding}", "a.toml", document.encode(encoding), reason)
    for name, text, reason in (
        ("open quote", 'account_no,account_name\n1,"a\n2,b\n', "not valid CSV"),
        ("quote inside", 'account_no,account_name\n1,"a"b\n', "not valid CSV"),
        ("NUL", "account_no,account_name\n1,a\0b\n", ""),
        ("header twice", "account_no,account_no,account_name\n1,1,a\n", "stands twice"),
        ("header without name", "account_no,,account_name\n1,x,a\n", "has no name"),
        ("unknown header", "account_no,account_name,colour\n1,a,red\n", "no field of account"),
        ("required header missing", "account_no\n1\n", "is missing in the first row"),
        ("too many cells", "account_no,account_name\n1,a,b\n", "without a name"),
        ("header only", "account_no,account_name\n", "no entry"),
        ("nothing", "", "no entry"),
        ("semicolons", "account_no;account_name\n1;a\n", "no field of account"),
        ("over-long line", "account_no,account_name\n1," + "x" * 2_000_000 + "\n", "longer than"),
        ("over-long cell", "account_no,account_name\n1," + "x" * 200_000 + "\n", ""),
        ("html", "<html><table><tr><td>1</td></tr></table></html>", "no field of account"),
    ):
        yield Malformed(f"csv: {name}", "account.csv", text.encode(), reason)
    yield Malformed("csv named after nothing", "acount.csv", ACCOUNTS.encode(), "did you mean account")
    for name, text, reason in (
        ("open bracket", "[[account]\n", "not valid TOML"), ("no quotes", "[[account]]\naccount_no = x\n", "not valid TOML"),
        ("key twice", '[[account]]\naccount_no = "1"\naccount_no = "2"\n', "not valid TOML"),
        ("table", '[account]\naccount_no = "1"\n', "write entries as [[account]]"),
        ("plain value", 'account = "1"\n', "write entries as [[account]]"),
        ("unknown kind", '[[acount]]\naccount_no = "1"\n', "did you mean [[account]]?"),
        ("unknown key", TOML + 'colour = "red"\n', "unknown key colour"),
        ("number for text", '[[account]]\naccount_no = 1\naccount_name = "a"\n', "is no text"),
        ("text for flag", '[[terminal]]\nterminal_no = "1"\nac_sampling = "true"\n', "neither true nor false"),
        ("list", '[[account]]\naccount_no = ["1"]\naccount_name = "a"\n', "is no text"),
        ("nested", '[[account]]\naccount_no = "1"\naccount_name = "a"\n[account.customer]\nx = 1\n', "is no text"),
        ("nan", TOML + "contract_capacity_kva = nan\n", "is no positive number"),
        ("inf", TOML + "contract_capacity_kva = inf\n", "is no positive number"),
        ("date of a month that is not", TOML + "[[account_pf_standard]]\nvalid_from = 2026-02-30\n", "not valid TOML"),
        ("comment only", "# nothing\n", "no entry"), ("deep", "a = " + "[" * 5000 + "]" * 5000, ""),
        ("same entry twice", TOML + TOML, "the same entry as in line 1"),
    ):  # fmt: skip
        yield Malformed(f"toml: {name}", "a.toml", text.encode(), reason)


def workbook(fill: Callable[[Any], None]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        fill(book)
    return out.getvalue()


def sheet_of(name: str, rows: list[list[Any]]) -> bytes:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)

    return workbook(fill)


HEAD = ["account_no", "account_name"]


def repacked(data: bytes, change: Callable[[str, bytes], bytes], more: dict[str, bytes] | None = None) -> bytes:
    """The workbook with its parts changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, change(member.filename, old.read(member)))
        for name, content in (more or {}).items():
            new.writestr(name, content)
    return out.getvalue()


def bad_workbooks() -> Iterator[Malformed]:
    """Wrong sheets, merged cells, formulas, wrong types, damaged and hostile containers."""
    good = sheet_of("account", [HEAD, ["1", "a"]])
    file = "r.xlsx"
    for name in ("Sheet1", "acount", "accounts", "户", "meter (2)"):
        yield Malformed(f"sheet {name}", file, sheet_of(name, [HEAD, ["1", "a"]]), "named after no kind", 0, "", name)
    for row, cells in ((2, "A2:B2"), (3, "A2:A3"), (1, "A1:B1")):

        def merge(book: Any, cells: str = cells) -> None:
            sheet = book.add_worksheet("account")
            sheet.write_row(0, 0, HEAD)
            sheet.write_row(1, 0, ["1", "a"])
            sheet.write_row(2, 0, ["2", "b"])
            sheet.merge_range(cells, "m")

        at = int(cells[1])
        yield Malformed(f"merged {cells}", file, workbook(merge), f"merged cells {cells}", at, "A", "account")
        assert row
    for formula in ("=1+1", "=A1", '=HYPERLINK("http://x")', "{=SUM(A1:A2)}", '=IMPORTXML("http://x","y")'):

        def write(book: Any, formula: str = formula) -> None:
            sheet = book.add_worksheet("account")
            sheet.write_row(0, 0, HEAD)
            sheet.write_string(1, 0, "1")
            if formula.startswith("{"):
                sheet.write_array_formula("B2", formula, None, 7)
            else:
                sheet.write_formula(1, 1, formula, None, "cached")

        yield Malformed(f"formula {formula}", file, workbook(write), "is a formula", 2, "B", "account")
    for name, rows, reason, column in (
        ("number for text", [HEAD, [1000000001, "a"]], "is a number here", "account_no"),
        ("fraction for text", [HEAD, [1.5, "a"]], "is no text", "account_no"),
        ("truth for text", [HEAD, [True, "a"]], "is no text", "account_no"),
        ("unknown field", [[*HEAD, "colour"], ["1", "a", "red"]], "no field of account", "colour"),
        ("field twice", [[*HEAD, "account_no"], ["1", "a", "1"]], "stands twice", "account_no"),
        ("field missing", [["account_no"], ["1"]], "is missing in the first row", "account_name"),
        ("cell without head", [HEAD, ["1", "a", "b"]], "without a name", "column 3"),
        ("title row first", [["List of accounts"], HEAD, ["1", "a"]], "no field of account", "List of accounts"),
        ("formula as text", [HEAD, ["1", "'x"]], None, ""),
    ):
        if reason:
            row = 1 if "field" in name or "title" in name else 2
            yield Malformed(f"xlsx: {name}", file, sheet_of("account", rows), reason, row, column, "account")
    for length in (0, 1, 10, 100, len(good) // 4, len(good) // 2, len(good) * 3 // 4, len(good) - 100, len(good) - 10):
        yield Malformed(f"truncated to {length}", file, good[:length], "not a workbook")
    with zipfile.ZipFile(io.BytesIO(good)) as container:
        sheet = container.getinfo("xl/worksheets/sheet1.xml")
        spot = sheet.header_offset + 30 + len(sheet.filename) + 20
    for shift in (0, 7, 21):
        damaged = bytearray(good)
        damaged[spot + shift] ^= 0xFF
        yield Malformed(f"a flipped byte at {spot + shift}", file, bytes(damaged), "damaged workbook")

    def bomb(name: str, content: bytes) -> bytes:
        return content + b" " * 50_000_000 if name.endswith("sheet1.xml") else content

    def doctype(name: str, content: bytes) -> bytes:
        lol = b'<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]>'
        return content.replace(b"?>", b"?>" + lol, 1) if name.endswith("sheet1.xml") else content

    def same(_: str, content: bytes) -> bytes:
        return content

    yield Malformed("zip bomb", file, repacked(good, bomb), "unpack to")
    yield Malformed("bomb beside the sheets", file, repacked(good, same, {"x": b"\0" * 80_000_000}), "unpack to")
    yield Malformed("document type", file, repacked(good, doctype), "declares a document type")
    yield Malformed(
        "1100 parts", file, repacked(good, same, {f"p{n}": b"" for n in range(1100)}), "parts in the workbook"
    )
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as container:
        container.writestr("a.txt", "x")
    yield Malformed("a zip of something else", file, empty.getvalue(), "no xl/workbook.xml")
    encrypted = bytearray(good)
    entry = encrypted.find(b"PK\x01\x02")
    encrypted[entry + 8] |= 1
    yield Malformed("encrypted", file, bytes(encrypted), "encrypted")
    yield Malformed("an old .xls", file, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000, "not a workbook")
    yield Malformed("a CSV called .xlsx", file, ACCOUNTS.encode(), "not a workbook")
    yield Malformed("a PDF called .xlsx", file, b"%PDF-1.7\n" * 50, "not a workbook")
    yield Malformed("an empty workbook", file, sheet_of("_notes", [["x"]]), "no entry")

    def cut(name: str, content: bytes) -> bytes:
        return content[: len(content) // 2] if name.endswith("sheet1.xml") else content

    yield Malformed("half a sheet", file, repacked(good, cut), "")

    def gone(name: str, content: bytes) -> bytes:
        return b"" if name == "xl/workbook.xml" else content

    yield Malformed("an empty workbook.xml", file, repacked(good, gone), "")


def every_case() -> list[Malformed]:
    """All of them, names unique."""
    cases = [*bad_cells(), *missing_fields(), *broken_rules(), *bad_texts(), *bad_workbooks()]
    assert len({case.name for case in cases}) == len(cases)
    return cases
