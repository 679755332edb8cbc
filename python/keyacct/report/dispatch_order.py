"""Dispatch's order behind a plan of orderly power use, `order.toml`: number, time, level, target, and who acts.

What is not said stays open in the document. Every fault names the file, the line and the key.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from keyacct.errors import InputError, from_os_error
from keyacct.i18n import Text

Level = Literal["blue", "yellow", "orange", "red"]

LEVELS: dict[Level, Text] = {
    "blue": Text("IV blue: shortage up to 5 % of the expected maximum", "Ⅳ级 蓝色: 缺口占预计最大负荷 5% 以下"),
    "yellow": Text("III yellow: shortage of 5 % to 10 %", "Ⅲ级 黄色: 缺口 5%~10%"),
    "orange": Text("II orange: shortage of 10 % to 20 %", "Ⅱ级 橙色: 缺口 10%~20%"),
    "red": Text("I red: shortage of 20 % and more", "Ⅰ级 红色: 缺口 20% 及以上"),
}
"""Alarm levels of 有序用电管理办法 (发改运行〔2011〕832号)."""

_HEADER = re.compile(r"\s*\[(\[?)\s*\"?([\w-]+)\"?\s*\]")
_KEY = re.compile(r"\s*\"?([\w-]+)\"?\s*=")
_KIND = {
    "text": Text("a text", "文本"),
    "time": Text("a time with offset, as 2026-07-15T08:00:00+08:00", "带时区偏移的时间, 如 2026-07-15T08:00:00+08:00"),
    "date": Text("a date, as 2026-07-15", "日期, 如 2026-07-15"),
    "number": Text("a number from 0 up", "不小于 0 的数"),
    "level": Text("one of blue, yellow, orange, red", "blue、yellow、orange、red 之一"),
}

_FORM: dict[str, dict[str, str]] = {
    "order": {
        "office": "text",
        "number": "text!", "issued_at": "time!", "level": "level!", "issued_by": "text", "trigger": "text",
        "legal_basis": "text", "approval_no": "text", "valid_from": "time", "valid_to": "time", "note": "text",
    },
    "priority_table": {
        "version": "text!", "approved_by": "text!", "approval_no": "text!", "valid_from": "date!", "valid_to": "date!",
    },
    "target": {"from": "time!", "to": "time!", "kw": "number!", "area": "text"},
    "contact": {"customer": "text!", "name": "text!", "phone": "text", "role": "text"},
    "team": {"name": "text!", "phone": "text", "role": "text"},
    "monitor": {"point": "text!", "watch": "text"},
    "reporting": {"at": "text!", "to": "text", "what": "text"},
    "signoff": {"role": "text!", "name": "text"},
}  # fmt: skip
"""Section → key → form; `!` marks what must be there. `order` and `priority_table` stand once, the others any number
of times (`[[target]]`)."""

_ONCE = ("order", "priority_table")


@dataclass(frozen=True)
class Target:
    """Demanded reduction over a span of time, of the whole system or of one area."""

    from_at: dt.datetime
    to_at: dt.datetime
    kw: float
    area: str | None = None


@dataclass(frozen=True)
class TableVersion:
    """The version of the government's priority table (限电序位表) that a plan used."""

    version: str
    approved_by: str
    approval_no: str
    valid_from: dt.date
    valid_to: dt.date


@dataclass(frozen=True)
class Person:
    """Somebody of a customer or of the execution team."""

    name: str
    phone: str = ""
    role: str = ""


@dataclass(frozen=True)
class DispatchOrder:
    """What `order.toml` says. contacts: by customer, in the order in which they stand there."""

    number: str
    issued_at: dt.datetime
    level: Level
    office: str = ""
    issued_by: str = ""
    trigger: str = ""
    legal_basis: str = ""
    approval_no: str = ""
    valid_from: dt.datetime | None = None
    valid_to: dt.datetime | None = None
    note: str = ""
    priority_table: TableVersion | None = None
    targets: tuple[Target, ...] = ()
    contacts: Mapping[str, tuple[Person, ...]] | None = None
    team: tuple[Person, ...] = ()
    monitors: tuple[tuple[str, str], ...] = ()
    reporting: tuple[tuple[str, str, str], ...] = ()
    signoffs: tuple[tuple[str, str], ...] = ()

    def contact_of(self, customer: str) -> tuple[Person, ...]:
        """The contacts of a customer that the order names."""
        return (self.contacts or {}).get(customer, ())


def read_order(path: Path) -> DispatchOrder:
    """The order of a file. Raises InputError (exit 4) that names file, line and key."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(path)) from None
    return parse_order(content, path.name)


def parse_order(content: bytes, file: str = "order.toml") -> DispatchOrder:
    """The order of a document in TOML. Raises InputError that names line and key."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where: dict[str, str | int] = {"file": file, "line": content.count(b"\n", 0, error.start) + 1}
        message = Text("the file is not UTF-8", "文件不是 UTF-8 编码")
        raise InputError(
            "input.format", str(message), hint=str(Text("save it as UTF-8", "请另存为 UTF-8")), where=where
        ) from None
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"line (\d+)", str(error))
        where = {"file": file, "line": int(found[1])} if found else {"file": file}
        raise InputError(
            "input.format",
            str(Text(f"not valid TOML: {error}", f"不是有效的 TOML: {error}")),
            hint=str(Text("mend this line", "请改正此行")),
            where=where,
        ) from None
    return _Reader(document, text, file).order()


class _Reader:
    def __init__(self, document: dict[str, Any], text: str, file: str) -> None:
        self.document, self.file = document, file
        self.lines = _lines(text)

    def bad(self, section: str, place: int, key: str, what: Text, hint: Text) -> InputError:
        line = self.lines.get((section, place, key)) or self.lines.get((section, place, ""))
        where: dict[str, str | int] = {"file": self.file}
        if line is not None:
            where["line"] = line
        name = f"{section}.{key}" if key else section
        return InputError("input.value", f"{name}: {what}", hint=str(hint), where=where)

    def order(self) -> DispatchOrder:
        for section in self.document:
            if section not in _FORM:
                near = difflib.get_close_matches(section, _FORM, n=1)
                known = Text(f"known are {', '.join(_FORM)}", f"可用: {', '.join(_FORM)}")
                hint = Text(f"did you mean {near[0]}?", f"是否为 {near[0]}?") if near else known
                raise self.bad(section, 0, "", Text("unknown section", "未知的节"), hint)
        listed = {section: self.entries(section) for section in _FORM}
        if not listed["order"]:
            raise InputError(
                "input.schema",
                str(Text("order: the section is missing", "order: 缺少此节")),
                hint=str(
                    Text("write [order] with number, issued_at and level", "请写 [order], 含 number、issued_at、level")
                ),
                where={"file": self.file},
            )
        head = listed["order"][0]
        self.in_order("order", 0, head, "valid_from", "valid_to")
        targets = []
        for place, entry in enumerate(listed["target"]):
            self.in_order("target", place, entry, "from", "to")
            targets.append(Target(entry["from"], entry["to"], float(entry["kw"]), entry.get("area") or None))
        contacts: dict[str, list[Person]] = {}
        for entry in listed["contact"]:
            contacts.setdefault(entry["customer"], []).append(_person(entry))
        table = listed["priority_table"][0] if listed["priority_table"] else None
        if table is not None:
            self.in_order("priority_table", 0, table, "valid_from", "valid_to")
        return DispatchOrder(
            **head,
            priority_table=None if table is None else TableVersion(**table),
            targets=tuple(targets),
            contacts={customer: tuple(people) for customer, people in contacts.items()},
            team=tuple(_person(entry) for entry in listed["team"]),
            monitors=tuple((entry["point"], entry.get("watch", "")) for entry in listed["monitor"]),
            reporting=tuple((e["at"], e.get("to", ""), e.get("what", "")) for e in listed["reporting"]),
            signoffs=tuple((entry["role"], entry.get("name", "")) for entry in listed["signoff"]),
        )

    def entries(self, section: str) -> list[dict[str, Any]]:
        """The entries of a section, each value held to its form."""
        given = self.document.get(section, [])
        once = section in _ONCE
        listed = [given] if once and isinstance(given, dict) else given
        if (
            not isinstance(listed, list)
            or not all(isinstance(entry, dict) for entry in listed)
            or (once and section in self.document and not isinstance(given, dict))
        ):
            written = f"[{section}]" if once else f"[[{section}]]"
            raise self.bad(
                section, 0, "", Text("of another form", "形式不符"), Text(f"write {written}", f"请写作 {written}")
            )
        return [self.entry(section, place, entry) for place, entry in enumerate(listed)]

    def entry(self, section: str, place: int, entry: dict[str, Any]) -> dict[str, Any]:
        form = _FORM[section]
        for key in entry:
            if key not in form:
                near = difflib.get_close_matches(key, form, n=1)
                known = Text(f"known are {', '.join(form)}", f"可用: {', '.join(form)}")
                hint = Text(f"did you mean {near[0]}?", f"是否为 {near[0]}?") if near else known
                raise self.bad(section, place, key, Text("unknown key", "未知的键"), hint)
        for key, kind in form.items():
            if key not in entry:
                if kind.endswith("!"):
                    raise self.bad(
                        section, place, "", Text(f"the key {key} is missing", f"缺少键 {key}"),
                        Text(f"write {key} = …, {_KIND[kind[:-1]].en}", f"请写 {key} = …, {_KIND[kind[:-1]].zh}"),
                    )  # fmt: skip
            elif not _fits(entry[key], kind.rstrip("!"), needed=kind.endswith("!")):
                needed = _KIND[kind.rstrip("!")]
                shown = str(entry[key])[:80]
                raise self.bad(
                    section, place, key, Text(f"{shown!r} is not {needed.en}", f"{shown!r} 不是{needed.zh}"),
                    Text(f"write {needed.en}", f"请写{needed.zh}"),
                )  # fmt: skip
        return entry

    def in_order(self, section: str, place: int, entry: Mapping[str, Any], first: str, last: str) -> None:
        """Raises InputError when a span ends before it begins (or, of times, where it begins)."""
        begin, end = entry.get(first), entry.get(last)
        if begin is None or end is None:
            return
        empty = end <= begin if isinstance(begin, dt.datetime) else end < begin
        if empty:
            what = Text(f"{end} does not lie after {begin}", f"{end} 不晚于 {begin}")
            raise self.bad(section, place, last, what, Text("mend the span", "请改正时间范围"))


def _person(entry: Mapping[str, Any]) -> Person:
    return Person(entry["name"], entry.get("phone", ""), entry.get("role", ""))


def _fits(value: object, kind: str, *, needed: bool) -> bool:
    match kind:
        case "text":
            return isinstance(value, str) and (bool(value.strip()) or not needed)
        case "time":
            return isinstance(value, dt.datetime) and value.tzinfo is not None
        case "date":
            return isinstance(value, dt.date) and not isinstance(value, dt.datetime)
        case "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            return math.isfinite(value) and value >= 0
    return value in LEVELS


def _lines(text: str) -> dict[tuple[str, int, str], int]:
    """Line of every key, by section, number of the entry and key; the header's own line under the key ""."""
    found: dict[tuple[str, int, str], int] = {}
    counts: dict[str, int] = {}
    section, place = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            section = header[2]
            place = counts.get(section, -1) + 1 if header[1] else 0
            counts[section] = place
            found.setdefault((section, place, ""), number)
        elif key := _KEY.match(line):
            if section:
                found.setdefault((section, place, key[1]), number)
            else:
                found.setdefault((key[1], 0, ""), number)
    return found
