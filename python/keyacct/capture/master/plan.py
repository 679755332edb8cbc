"""What the terminals are asked, and when: a TOML file."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keyacct.errors import InputError
from keyacct.i18n import Text
from keyacct.toml_file import read_toml

_UNITS_S = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_EPOCH = dt.datetime(1970, 1, 1)
_BAUD = {300: 0, 600: 1, 1200: 2, 2400: 3, 4800: 4, 7200: 5, 9600: 6, 19200: 7}


@dataclass(frozen=True)
class Read:
    """One thing that is asked of every terminal, every so often.

    message: for `keyacct.wire.encode`, without address; dated: a class 2 read, which names the day before.
    offset_s: how long after the beginning of each span (local civil time from midnight on).
    """

    name: str
    every_s: int
    offset_s: int
    message: dict[str, Any]
    dated: bool = False

    def slot(self, local: dt.datetime) -> int:
        """The number of the span that a local time lies in: one is asked once in each."""
        return (int((local - _EPOCH).total_seconds()) - self.offset_s) // self.every_s

    def at(self, local: dt.datetime) -> dict[str, Any]:
        """The message as it is asked at a local time."""
        if not self.dated:
            return self.message
        day = (local.date() - dt.timedelta(days=1)).isoformat()
        return {**self.message, "items": [{**item, "at": day} for item in self.message["items"]]}


@dataclass(frozen=True)
class Plan:
    """What is asked. clock: read the clocks, once a day and at each log-in; sync: set those that are wrong."""

    reads: tuple[Read, ...] = ()
    clock: bool = True
    sync: bool = False
    source: str = field(default="", compare=False)


def default_plan(protocol: str) -> Plan:
    """The present values of point 1 every 15 minutes and its readings of yesterday once a day."""
    if protocol == "dlt698.45":
        return Plan(tuple(_object(oad, 900, 0) for oad in ("20000200", "20010200", "20040200", "00100200")))
    day = tuple(_function("0D", 1, fn, 86_400, 3900) for fn in (161, 163))
    return Plan((_function("0C", 1, 25, 900, 0), _function("0C", 1, 33, 900, 0), *day))


def load_plan(file: Path, protocol: str) -> Plan:
    """The plan of a file. Raises InputError with the place of what is wrong."""
    document = read_toml(file, lambda said: _wrong(file, said))
    unknown = set(document) - {"clock", "read", "relay"}
    if unknown:
        raise _wrong(file, f"unknown: {', '.join(sorted(unknown))}")
    clock = document.get("clock", {})
    if not isinstance(clock, dict) or not all(isinstance(clock.get(k, True), bool) for k in ("read", "sync")):
        raise _wrong(file, "[clock] takes read and sync, true or false")
    reads: list[Read] = []
    for key in ("read", "relay"):
        for number, entry in enumerate(document.get(key, []), 1):
            try:
                reads.extend(_reads(key, entry, protocol))
            except (KeyError, TypeError, ValueError) as error:
                missing = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
                raise _wrong(file, f"[[{key}]] {number}: {missing}") from None
    return Plan(tuple(reads), clock.get("read", True), clock.get("sync", False), str(file))


def _wrong(file: Path, message: str) -> InputError:
    return InputError(
        "input.format",
        str(Text(f"the plan is not of the expected form: {message}", f"召测计划格式不对: {message}")),
        hint=str(Text("docs/listening.md shows a plan", "格式见 docs/listening.md")),
        where={"file": str(file)},
    )


def _reads(key: str, entry: dict[str, Any], protocol: str) -> Iterator[Read]:
    every, offset = seconds(entry.get("every", "15min")), seconds(entry.get("offset", "0s"))
    if every <= 0:
        raise ValueError("every: more than nothing")
    if protocol == "dlt698.45":
        if key == "relay":
            raise ValueError("a relay needs Q/GDW 1376.1")
        if "rows" in entry:
            for text in _list(entry["rows"]):
                yield _record(str(text), every, offset)
        else:
            oads = [str(oad) for oad in _list(entry["oad"])]
            yield from (
                (_object(oad, every, offset) for oad in oads)
                if not entry.get("list")
                else [_objects(oads, every, offset)]
            )
        return
    if key == "read":
        for pn in _list(entry.get("pn", 0)):
            for fn in _list(entry["fn"]):
                yield _function(str(entry.get("afn", "0C")), int(pn), int(fn), every, offset)
        return
    for di in _list(entry["di"]):
        yield _relay(entry, str(di), every, offset)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def seconds(text: str) -> int:
    """`15min` in seconds. Raises ValueError."""
    match = re.fullmatch(r"\s*(\d+)\s*(s|min|h|d)\s*", str(text))
    if match is None:
        raise ValueError(f"{text!r} is no span of time (write 30s, 15min, 1h or 1d)")
    return int(match[1]) * _UNITS_S[match[2]]


def _function(afn: str, pn: int, fn: int, every_s: int, offset_s: int) -> Read:
    if afn not in ("0C", "0D"):
        raise ValueError(f"afn {afn!r}: a plan reads 0C (present) and 0D (history)")
    message = {"afn": afn, "items": [{"pn": pn, "fn": fn}]}
    return Read(f"{afn} P{pn} F{fn}", every_s, offset_s, message, dated=afn == "0D")


def _object(oad: str, every_s: int, offset_s: int) -> Read:
    if not re.fullmatch(r"[0-9A-Fa-f]{8}", oad):
        raise ValueError(f"oad {oad!r}: eight hex digits")
    return Read(oad, every_s, offset_s, {"service": "GetRequestNormal", "oad": oad.upper()})


def _objects(oads: list[str], every_s: int, offset_s: int) -> Read:
    """Several attributes in one request."""
    single = [_object(oad, every_s, offset_s) for oad in oads]
    message = {"service": "GetRequestNormalList", "oads": [read.message["oad"] for read in single]}
    return Read(",".join(oads), every_s, offset_s, message)


def _record(text: str, every_s: int, offset_s: int) -> Read:
    """Rows of a record table, as `keyacct poll` takes them."""
    from keyacct.capture.items import ItemCatalogue
    from keyacct.errors import UsageError

    try:
        item = ItemCatalogue().find(text, "dlt698.45")
    except UsageError as error:
        raise ValueError(error.message) from None
    requests = item.rows.requests(item.key) if item.rows is not None else []
    if len(requests) != 1:
        raise ValueError(f"{text!r}: one request, such as freeze_day:active_import@last")
    return Read(text, every_s, offset_s, requests[0])


def _relay(entry: dict[str, Any], di: str, every_s: int, offset_s: int) -> Read:
    """A DL/T 645 read that the terminal hands on to a meter behind it (AFN 10 F1)."""
    from keyacct import wire

    meter, protocol = str(entry["meter"]), str(entry.get("protocol", "dlt645-2007"))
    control = "0x11" if protocol == "dlt645-2007" else "0x01"
    inner = wire.encode({"address": meter, "control": control, "di": di}, protocol)
    baud = int(entry.get("baud", 2400))
    if baud not in _BAUD:
        raise ValueError(f"baud {baud}: one of {', '.join(map(str, _BAUD))}")
    head = bytes((int(entry.get("port", 1)), _BAUD[baud] << 5 | 0x0B, 0x85, 50)) + len(inner).to_bytes(2, "little")
    message = {"afn": "10", "items": [{"pn": 0, "fn": 1, "data": (head + inner).hex()}]}
    return Read(f"relay {meter} {di}", every_s, offset_s, {**message, "aux": {"pw": "00" * 16}})
