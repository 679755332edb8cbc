"""What is asked of a meter: register names and identifiers, found in the catalogue."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from keyacct import wire
from keyacct.capture.records import Rows, parse_rows
from keyacct.errors import UsageError
from keyacct.i18n import Text

PROTOCOLS = ("dlt645-2007", "dlt645-1997", "dlt698.45", "modbus-rtu", "modbus-tcp")
"""Protocols in which a meter can be asked on a line. Terminals of Q/GDW 1376.1 dial in: `keyacct listen`."""

_KEY_DIGITS = {"dlt645-2007": 8, "dlt645-1997": 4, "dlt698.45": 8}
_NAMED = {
    "p": r"(?:_(total|a|b|c))", "q": r"(?:_(total|a|b|c))", "t": r"(?:_t(\d+))?", "l": r"(?:_t(\d+))?",
    "i": r"_(\d+)", "s": r"(?:_settlement(\d+))?",
}  # fmt: skip
_PHASES = {"total": 0, "a": 1, "b": 2, "c": 3}
_DEFAULT_RANGE = {"t": (0, 0x3F), "s": (0, 0x0C), "p": (1, 3), "q": (0, 3), "n": (1, 0x0A)}


@dataclass(frozen=True)
class Item:
    """One register of one protocol. key: the identifier as on the wire; model: whose register it is (Modbus).

    registers_read: how many registers a Modbus read takes. data: what a load record is asked with, in hex (count, time).
    rows: which rows of the record table `key` (DL/T 698.45), None for a plain attribute. span: of which stamps (first,
    last, minutes between them) records are wanted; an answer with none of them is no answer, another raster a wrong clock.
    """

    protocol: str
    key: str
    name: str
    kind: str = "snapshot"
    model: str | None = None
    registers_read: int = 0
    data: str = ""
    rows: Rows | None = None
    span: tuple[str, str, int] | None = None
    quantity: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.model}:{self.name}" if self.model else self.name


class ItemCatalogue:
    """Finds items by name or identifier. Reading the catalogue costs some milliseconds, so keep one."""

    def __init__(self, registers: Sequence[str] = ()) -> None:
        self.registers = tuple(registers)
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._found: dict[tuple[str, str], Item] = {}
        for row in wire.register_rows(wire.open_registers(self.registers)):
            self._rows.setdefault(row["protocol"], []).append(row)

    def models(self) -> list[str]:
        """Modbus device models of the catalogue."""
        return sorted(name.removeprefix("modbus:") for name in self._rows if name.startswith("modbus:"))

    def find(self, text: str, protocol: str) -> Item:
        """The item that a text names: `voltage_a`, `02010100`, with Modbus `sdm630:voltage_a`, with DL/T 698.45 also rows
        of a record table: `freeze_day:active_import@last`. Raises UsageError.
        """
        item = self._found.get((text, protocol))
        if item is None:
            item = self._found[text, protocol] = self._find(text, protocol)
        return item

    def _find(self, text: str, protocol: str) -> Item:
        if protocol not in PROTOCOLS:
            raise UsageError(
                "usage.invalid",
                str(Text(f"{protocol!r} cannot be polled on a line", f"{protocol!r} 不能在线路上召测")),
                hint=str(Text(f"choose one of {', '.join(PROTOCOLS)}", f"可选 {', '.join(PROTOCOLS)}")),
            )
        text = text.strip()
        if protocol.startswith("modbus"):
            return self._modbus(text, protocol)
        if protocol == "dlt698.45":
            named = parse_rows(text, *[lambda name: self._plain(name, protocol).key] * 2)
            if named is not None:
                return Item(protocol, named[0], text, "record", rows=named[1])
        return self._plain(text, protocol)

    def _plain(self, text: str, protocol: str) -> Item:
        rows = [row for row in self._rows.get(protocol, ()) if row["access"] != "w"]
        digits = _KEY_DIGITS[protocol]
        if re.fullmatch(rf"[0-9A-Fa-f]{{{digits}}}", text):
            key = text.upper()
            row = next((row for row in rows if _holds(row["key"], key)), None)
            name = _name_of(row, key) if row is not None else key
            return Item(protocol, key, name, row["kind"] if row else "", quantity=row["quantity"] if row else "")
        for row in rows:
            found = _key_of(row, text)
            if found is not None:
                return Item(protocol, found, text, row["kind"], quantity=row["quantity"])
        raise self._unknown(text, protocol, [str(row["name"]) for row in rows])

    def _modbus(self, text: str, protocol: str) -> Item:
        model, colon, name = text.partition(":")
        if not colon or f"modbus:{model}" not in self._rows:
            listed = ", ".join(self.models())
            raise UsageError(
                "usage.invalid",
                str(
                    Text(
                        f"item {text!r}: say of which model, as sdm630:voltage_a",
                        f"项目 {text!r}: 应写明型号, 如 sdm630:voltage_a",
                    )
                ),
                hint=str(Text(f"models: {listed}", f"可用型号: {listed}")),
            )
        rows = self._rows[f"modbus:{model}"]
        for row in rows:
            if name in (row["name"], row["key"]) or name.upper() == row["key"]:
                size = _registers_of(str(row["format"]))
                return Item(
                    protocol, row["key"], row["name"], row["kind"], model, registers_read=size, quantity=row["quantity"]
                )
        raise self._unknown(name, model, [str(row["name"]) for row in rows])

    def _unknown(self, text: str, place: str, names: Sequence[str]) -> UsageError:
        plain = sorted({re.sub(r"\{[a-z]\}", "", name) for name in names} | {_example(name) for name in names})
        near = ", ".join(difflib.get_close_matches(text, plain, n=3, cutoff=0.5))
        hint = Text(
            (f"did you mean {near}? " if near else "") + f"`keyacct registers --protocol {place}` lists them",
            (f"是否为 {near}? " if near else "") + f"`keyacct registers --protocol {place}` 可列出",
        )
        if place in self.models():
            hint = Text(f"it has {', '.join(names[:12])} …", f"该型号有 {', '.join(names[:12])} …")
        return UsageError(
            "usage.invalid",
            str(Text(f"no register {text!r} in {place}", f"{place} 中没有寄存器 {text!r}")),
            hint=str(hint),
        )


def _example(name: str) -> str:
    return re.sub(r"\{[pq]\}", "_a", re.sub(r"\{[tsl]\}", "", re.sub(r"\{[ni]\}", "_1", name)))


def _parts(key: str) -> list[tuple[str, int, int]]:
    """The bytes of a spelled key: (letter, low, high); the letter is empty where the byte is fixed."""
    parts = []
    for fixed, letter, low, high in re.findall(
        r"([0-9A-Fa-f]{2})|\{([a-z])(?:=([0-9A-F]{2})\.\.([0-9A-F]{2}))?\}", key
    ):
        if fixed:
            parts.append(("", int(fixed, 16), int(fixed, 16)))
        elif low:
            parts.append((letter, int(low, 16), int(high, 16)))
        else:
            parts.append((letter, *_DEFAULT_RANGE.get(letter, (1, 0x0A))))
    return parts


def _holds(spelled: str, key: str) -> bool:
    parts = _parts(spelled)
    octets = bytes.fromhex(key)
    return len(parts) == len(octets) and all(
        low <= octet <= high for octet, (_, low, high) in zip(octets, parts, strict=True)
    )


def _key_of(row: dict[str, Any], name: str) -> str | None:
    """The key of a row that has this name; None when the row has another one."""
    letters: list[str] = []

    def group(match: re.Match[str]) -> str:
        letters.append(match[1])
        return _NAMED.get(match[1], r"_(\d+)")

    pattern = "".join(
        re.sub(r"\{([a-z])\}", group, piece) if piece.startswith("{") else re.escape(piece)
        for piece in re.split(r"(\{[a-z]\})", row["name"])
    )
    match = re.fullmatch(pattern, name)
    if match is None:
        return None
    said = dict(zip(letters, match.groups(), strict=True))
    key = ""
    for letter, low, high in _parts(row["key"]):
        if not letter:
            key += f"{low:02X}"
            continue
        text = said.get(letter)
        if letter in "pq":
            octet = _PHASES.get(text or "", -1)
        elif letter in "li":
            octet = (low & 0xF0) | int(text or 0) if int(text or 0) < 16 else -1
        else:
            octet = int(text or 0)
        if not low <= octet <= high:
            return None
        key += f"{octet:02X}"
    return key


def _name_of(row: dict[str, Any], key: str) -> str:
    """The name of one key of a row, spelled as decoding spells it."""
    name = str(row["name"])
    for octet, (letter, _, _) in zip(bytes.fromhex(key), _parts(row["key"]), strict=True):
        if not letter:
            continue
        small = octet & 0x0F if letter in "li" else octet
        text = f"_{small}"
        if letter in "pq":
            text = "_" + ["total", "a", "b", "c"][small]
        elif letter in "tl":
            text = f"_t{small}" if small else ""
        elif letter == "s":
            text = f"_settlement{small}" if small else ""
        name = name.replace(f"{{{letter}}}", text)
    return name


def _registers_of(format: str) -> int:
    """How many 16-bit registers a format takes: F32 two, U16 one, I64 four."""
    match = re.match(r"[A-Z]+(\d+)", format)
    return max(int(match[1]) // 16, 1) if match else 1
