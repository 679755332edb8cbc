"""The registry as files: TOML, a folder of CSV files, a workbook; and empty ones to fill in."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zoneinfo
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from keyacct.config import Workspace
from keyacct.database.engine import open_database
from keyacct.errors import from_os_error
from keyacct.registry.cells import INSTANT, cell_of_value
from keyacct.registry.document import stored_rows, toml_parts
from keyacct.registry.entities import ENTITIES
from keyacct.registry.entity import Entity, Field

MADE_ON = dt.datetime(2000, 1, 1)
"""Stamp inside a workbook, so that the same registry gives the same bytes."""


def fields_of(entity: Entity) -> list[Field]:
    """The fields of a table file, in their order."""
    return [entity.field(name) or Field(name, INSTANT.kind) for name in entity.columns]


def export_to(workspace: Workspace, target: Path, kind: str) -> list[Path]:
    """Write the registry: `toml` and `xlsx` a file, `csv` a folder with one file per entity that holds something.

    Importing it into an empty workspace and exporting again gives the same bytes. Raises WriteError.
    """
    try:
        with open_database(workspace).read() as connection:
            if kind == "toml":
                with target.open("w", encoding="utf-8", newline="\n") as stream:
                    stream.writelines(toml_parts(connection, workspace.zone))
                return [target]
            filled = [(e, stored_rows(connection, e)) for e in ENTITIES if _holds(connection, e)]
            if kind == "csv":
                return _write_folder(target, filled, workspace.zone)
            _write_workbook(target, filled, workspace.zone)
            return [target]
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(target)) from None


def _holds(connection: sa.Connection, entity: Entity) -> bool:
    return connection.execute(sa.select(sa.literal(1)).select_from(entity.table).limit(1)).first() is not None


def _write_folder(
    target: Path, filled: Sequence[tuple[Entity, Iterator[dict[str, Any]]]], zone: zoneinfo.ZoneInfo
) -> list[Path]:
    target.mkdir(parents=True, exist_ok=True)
    files = []
    for entity, rows in filled:
        path = target / f"{entity.name}.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            _write_csv(stream, entity, rows, zone)
        files.append(path)
    return files


def _write_csv(stream: IO[str], entity: Entity, rows: Iterator[dict[str, Any]], zone: zoneinfo.ZoneInfo) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    fields = fields_of(entity)
    writer.writerow([field.name for field in fields])
    for row in rows:
        writer.writerow([cell_of_value(field, row[field.name], zone) for field in fields])


def _write_workbook(
    target: Path | io.BytesIO, filled: Sequence[tuple[Entity, Iterator[dict[str, Any]]]], zone: zoneinfo.ZoneInfo,
    help_sheet: bool = False,
) -> None:  # fmt: skip
    import xlsxwriter

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
               "strings_to_numbers": False}  # fmt: skip
    with xlsxwriter.Workbook(target, options) as book:
        book.set_properties({"created": MADE_ON})
        head, text = book.add_format({"bold": True}), book.add_format({"num_format": "@"})
        if help_sheet:
            sheet = book.add_worksheet("_help")
            sheet.write_row(0, 0, ["entry", "field", "must be given", "form", "values"], head)
            for number, row in enumerate(field_help(), 1):
                sheet.write_row(number, 0, [row["entry"], row["field"], row["required"], row["form"], row["values"]])
        for entity, rows in filled:
            sheet = book.add_worksheet(entity.name)
            fields = fields_of(entity)
            for column, field in enumerate(fields):
                number_like = field.kind in ("ratio", "amount", "signed", "whole")
                sheet.set_column(column, column, max(12, len(field.name) + 2), None if number_like else text)
            sheet.write_row(0, 0, [field.name for field in fields], head)
            for number, row in enumerate(rows, 1):
                for column, field in enumerate(fields):
                    value = cell_of_value(field, row[field.name], zone)
                    if isinstance(value, str):
                        sheet.write_string(number, column, value, text)
                    elif value is not None:
                        sheet.write_number(number, column, value)
        if not filled and not help_sheet:
            book.add_worksheet("_empty")


FORMS = {
    "text": "text", "ratio": "number above 0, or 500/5", "amount": "number from 0", "signed": "number",
    "decimal": "exact number from 0", "whole": "whole number", "season": "MM-DD", "clock": "HH:MM",
    "date": "YYYY-MM-DD", "moment": "date or date and time", "flag": "true or false",
}  # fmt: skip


def field_help(entities: Sequence[Entity] = ENTITIES) -> Iterator[dict[str, str]]:
    """One row per field: what it is, what may stand in it."""
    for entity in entities:
        for field in fields_of(entity):
            values = ", ".join(field.choices) or (f"a {field.refers}" if field.refers else "")
            yield {
                "entry": entity.name, "field": field.name, "required": "yes" if field.required else "",
                "form": FORMS[field.kind], "values": values,
            }  # fmt: skip


def write_template(target: Path, kind: str, entities: Sequence[Entity] = ENTITIES) -> list[Path]:
    """An empty registry to fill in: a workbook with a sheet of help, CSV files, or TOML in comments. WriteError."""
    zone = zoneinfo.ZoneInfo("UTC")
    empty: list[tuple[Entity, Iterator[dict[str, Any]]]] = [(entity, iter(())) for entity in entities]
    try:
        if kind == "xlsx":
            _write_workbook(target, empty, zone, help_sheet=True)
            return [target]
        if kind == "csv":
            return _write_folder(target, empty, zone)
        target.write_text(toml_template(entities), encoding="utf-8")
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(target)) from None
    return [target]


def toml_template(entities: Sequence[Entity] = ENTITIES) -> str:
    """Every kind of entry as commented TOML."""
    lines = ["# One entry [[name]] is one row. Take the # away where you write; what has no value stays out.", ""]
    for entity in entities:
        lines.append(f"# [[{entity.name}]]")
        for row in field_help((entity,)):
            must = "must be given; " if row["required"] else ""
            lines.append(f"# {row['field']} =     # {must}{row['values'] or row['form']}")
        lines.append("")
    return "\n".join(lines)
