"""Reports of the user's own (list no. 2.6.5): fields, filter, group and period under a name, a TOML file in the workspace."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from keyacct.config import Workspace
from keyacct.errors import ConfigError, UsageError
from keyacct.i18n import Text
from keyacct.model import Period
from keyacct.report.files import make_folder, write_whole
from keyacct.report.own_fields import FIELDS
from keyacct.toml_file import read_toml

FOLDER = "own_reports"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
CONDITION = re.compile(r"\s*([a-z_0-9]+)\s*(!=|>=|<=|=|>|<)\s*(.*?)\s*")
RELATIVE = ("yesterday", "this-month", "last-month", "this-year", "last-year")
KEYS = {"title", "fields", "where", "group", "period"}


def spellings(value: Any) -> tuple[str, ...]:
    """How a value of words may be written in a condition: in either language; yes and no as pass and fail."""
    if isinstance(value, Text):
        return value.en, value.zh
    if isinstance(value, bool):
        return ("pass", "达标") if value else ("fail", "未达标")
    return (str(value),)


@dataclass(frozen=True)
class Condition:
    """A row is kept when its field compares so with the value; a missing value is kept by `!=` only."""

    field: str
    operator: str
    value: str

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether the row meets the condition."""
        found = row.get(self.field)
        if found is None:
            return self.operator == "!="
        if FIELDS[self.field].column.numeric:
            left: Any = Decimal(repr(found)) if isinstance(found, float) else Decimal(found)
            right: Any = Decimal(self.value)
            if FIELDS[self.field].column.kind == "share":
                left *= 100
        else:
            spelled = spellings(found)
            left, right = self.value if self.value in spelled else spelled[0], self.value
        return bool(
            {
                "=": left == right, "!=": left != right, ">": left > right, "<": left < right, ">=": left >= right,
                "<=": left <= right,
            }[self.operator]
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{self.value}"


@dataclass(frozen=True)
class Definition:
    """A report of the user's own. group: a field of words, or empty; period: as on the command line or of `RELATIVE`."""

    name: str
    title: str
    fields: tuple[str, ...]
    where: tuple[Condition, ...] = ()
    group: str = ""
    period: str = ""


def define(
    name: str, *, title: str = "", fields: Sequence[str], where: Sequence[str] = (), group: str = "", period: str = ""
) -> Definition:
    """A definition from what a user writes. Raises UsageError with what is wrong and the nearest known field."""
    if not NAME.fullmatch(name):
        raise UsageError(
            "usage.invalid", f"{name!r} is no name of a report", hint="use lower-case letters, digits and -, at most 40"
        )
    if not fields:
        raise UsageError("usage.invalid", "a report needs fields", hint=f"choose of {', '.join(FIELDS)}")
    wanted = tuple(dict.fromkeys(_known(field) for field in fields))
    if group and FIELDS[_known(group)].column.kind != "text":
        words = ", ".join(key for key, field in FIELDS.items() if field.column.kind == "text")
        raise UsageError("usage.invalid", f"a report cannot be grouped by {group}", hint=f"choose of {words}")
    if period and period not in RELATIVE:
        Period.parse(period)
    return Definition(name, title or name, wanted, tuple(map(_condition, where)), group, period)


def _known(field: str) -> str:
    if field in FIELDS:
        return field
    near = difflib.get_close_matches(field, FIELDS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError("usage.invalid", f"there is no field {field!r}", hint=f"{hint}known are {', '.join(FIELDS)}")


def _condition(text: str) -> Condition:
    found = CONDITION.fullmatch(text)
    if found is None:
        raise UsageError(
            "usage.invalid",
            f"{text!r} is no condition",
            hint="write FIELD, one of = != > < >= <=, VALUE: voltage_level_kv=10",
        )
    field, operator, value = _known(found[1]), found[2], found[3]
    if FIELDS[field].column.numeric:
        try:
            Decimal(value)
        except InvalidOperation:
            raise UsageError(
                "usage.invalid",
                f"{text!r} compares a number with {value!r}",
                hint="write a number, of percents the percent",
            ) from None
    return Condition(field, operator, value)


def save(workspace: Workspace, definition: Definition) -> Path:
    """Write a definition into the workspace, over an older one of its name; the file. Raises WriteError."""
    folder = workspace.root / FOLDER
    make_folder(folder)
    lines = [f"title = {_quoted(definition.title)}", f"fields = [{', '.join(map(_quoted, definition.fields))}]"]
    if definition.where:
        lines.append(f"where = [{', '.join(_quoted(str(condition)) for condition in definition.where)}]")
    if definition.group:
        lines.append(f"group = {_quoted(definition.group)}")
    if definition.period:
        lines.append(f"period = {_quoted(definition.period)}")
    file = folder / f"{definition.name}.toml"
    write_whole(file, ("\n".join(lines) + "\n").encode())
    return file


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if ord(c) >= 32 and c != "\x7f" else f"\\u{ord(c):04X}" for c in escaped) + '"'


def definitions(workspace: Workspace, names: Sequence[str] | None = None) -> list[Definition]:
    """The saved definitions, sorted by name, or those named. Raises ConfigError for one that is missing or wrong."""
    folder = workspace.root / FOLDER
    known = {file.stem: file for file in sorted(folder.glob("*.toml")) if NAME.fullmatch(file.stem)}
    for name in names or ():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                "config.registry_not_found", f"there is no report of your own named {name!r}",
                hint=f"did you mean {near[0]!r}?" if near else "`keyacct report list-own` lists them, `report define` makes one",
            )  # fmt: skip
    return [_read(name, known[name]) for name in (known if names is None else names)]


def _read(name: str, file: Path) -> Definition:
    where = {"file": str(file)}
    document = read_toml(
        file, lambda said: ConfigError("config.invalid", f"not valid TOML: {said}", hint="mend the line", where=where)
    )
    unknown = sorted(set(document) - KEYS)
    if unknown:
        raise ConfigError(
            "config.unknown_key",
            f"unknown key {unknown[0]!r}",
            hint=f"known are {', '.join(sorted(KEYS))}",
            where=where,
        )
    lists = {key: document.get(key, []) for key in ("fields", "where")}
    texts = {key: document.get(key, "") for key in ("title", "group", "period")}
    if not all(isinstance(v, list) and all(isinstance(x, str) for x in v) for v in lists.values()) or not all(
        isinstance(v, str) for v in texts.values()
    ):
        raise ConfigError(
            "config.invalid",
            "fields and where are lists of texts, the others are texts",
            hint="mend the file",
            where=where,
        )
    try:
        return define(name, **lists, **texts)
    except UsageError as error:
        raise ConfigError("config.invalid", str(error), hint=error.hint, where=where) from None


def resolve_period(text: str, today: dt.date) -> Period:
    """The period of a definition on a day. Raises UsageError for a text that is none."""
    month = today.replace(day=1)
    last = month - dt.timedelta(days=1)
    names = {
        "yesterday": str(today - dt.timedelta(days=1)), "this-month": f"{today:%Y-%m}", "last-month": f"{last:%Y-%m}",
        "this-year": str(today.year), "last-year": str(today.year - 1),
    }  # fmt: skip
    return Period.parse(names.get(text, text))
