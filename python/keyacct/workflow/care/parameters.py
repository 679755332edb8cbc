"""Parameters of meters compared with the registry: ratios, demand window, constant, freeze time, tariff tables, any set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from keyacct import clock
from keyacct.capture.device_clock import CLOCKED
from keyacct.capture.items import Item, ItemCatalogue
from keyacct.capture.line import ExchangeError, Failure, Line
from keyacct.capture.parameters import read_parameter
from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.errors import UsageError
from keyacct.i18n import Text
from keyacct.workflow.care.findings import GENERAL, PARAMETER, SEVERE, Check, note_findings, open_parameters
from keyacct.workflow.care.journal import METER
from keyacct.workflow.care.lines import Lines
from keyacct.workflow.care.profiles import MeterTables, differences, meter_slots, meter_zones, shortened
from keyacct.workflow.care.reference import Reference, References, read_references
from keyacct.workflow.poll_targets import Target

KEYS: Mapping[str, Mapping[str, str]] = {
    "ct_ratio": {"dlt645-2007": "04000306"},
    "pt_ratio": {"dlt645-2007": "04000307"},
    "demand_window": {"dlt645-2007": "04000103", "dlt645-1997": "C111", "dlt698.45": "41000200"},
    "demand_slip": {"dlt645-2007": "04000104", "dlt645-1997": "C112", "dlt698.45": "41010200"},
    "constant": {"dlt645-2007": "04000409", "dlt645-1997": "C030"},
    "freeze_time": {"dlt645-2007": "04000B01", "dlt645-1997": "C117"},
}
"""Identifier of each parameter. Freeze time: when the meter's own settlement freezes the registers, day and hour."""
TARIFF = "tariff_table"
_SEVERE = ("ct_ratio", "pt_ratio", TARIFF)
_WEEKEND = 0x3E
"""Weekend word of a meter that rests on Saturday and Sunday: bits 0 and 6; the order of the bits is unsure. With any other the
weekend table is left out."""
_QUANTITY = {"freeze_time": "settlement_day"}
STATES: Mapping[str, Text] = {
    "agrees": Text("agrees", "一致"),
    "differs": Text("differs", "不符"),
    "no_reference": Text("the registry says nothing of it", "台账未规定"),
    "not_offered": Text("this meter does not offer it", "该表不提供"),
    "unset": Text("not set in this meter, whose values are secondary", "表内未设置, 该表为二次值"),
    "failed": Text("not read", "未读到"),
}


@dataclass(frozen=True)
class Compared:
    """One parameter of one meter. state: a key of `STATES`."""

    target: Target
    parameter: str
    state: str
    expected: str = ""
    found: str = ""
    detail: str = ""

    def row(self) -> dict[str, Any]:
        """As it is printed."""
        return {
            "meter": self.target.meter_no, "line": self.target.line.name, "parameter": self.parameter,
            "state": self.state, "expected": self.expected, "found": self.found,
            "detail": self.detail or str(STATES[self.state]),
        }  # fmt: skip

    def check(self) -> Check:
        """As a finding; what was not read, or is not there, says nothing."""
        said = {"differs": True, "agrees": False, "no_reference": False, "unset": False}
        severity = SEVERE if self.parameter in _SEVERE else GENERAL
        return Check(PARAMETER, self.parameter, said.get(self.state), self.expected, self.found, severity, self.detail)


def compare_parameters(lines: Lines, targets: Sequence[Target]) -> list[Compared]:
    """Read and compare the parameters of meters, meter by meter. Nothing is kept. Raises UsageError for an item of a
    reference set that there is not in any protocol of the meters that have the set.
    """
    workspace = lines.workspace
    references = read_references(workspace)
    catalogue = ItemCatalogue()
    periods = workspace.settings.billing.tariffs
    asked = [target for target in targets if target.protocol in CLOCKED]
    extras = {target.meter_no: _extras(catalogue, target, references.meters[target.meter_no]) for target in asked}

    def work(line: Line, target: Target) -> list[Compared]:
        return _compare(line, target, references, extras[target.meter_no], periods)

    found: dict[str, list[Compared]] = {}
    for done in lines.each(asked, work, retries=workspace.settings.poll.retries):
        found[done.target.meter_no] = done.result or [Compared(done.target, "", "failed", detail=str(done.failure))]
    missing = "not_offered"
    return [
        each
        for target in targets
        for each in found.get(target.meter_no, [Compared(target, "", missing)])
    ]  # fmt: skip


def keep_parameters(workspace: Workspace, compared: Iterable[Compared]) -> tuple[int, int]:
    """Keep what differs as findings; how many were opened and closed. A parameter that left the set is closed."""
    by_meter: dict[str, list[Compared]] = {}
    for each in compared:
        if each.parameter:
            by_meter.setdefault(each.target.meter_no, []).append(each)
    opened = closed = 0
    with open_database(workspace).write() as connection:
        now = clock.now_ms()
        for meter, group in by_meter.items():
            checks = [each.check() for each in group]
            named = {check.parameter for check in checks}
            checks += [
                Check(PARAMETER, parameter, False)
                for parameter in open_parameters(connection, (METER, meter), PARAMETER)
                if parameter not in named
            ]
            new, old = note_findings(connection, (METER, meter), checks, now)
            opened, closed = opened + new, closed + old
        if by_meter:
            audit.append(connection, "care.parameters", {"meters": len(by_meter), "opened": opened, "closed": closed})
    return opened, closed


def _extras(catalogue: ItemCatalogue, target: Target, reference: Reference) -> list[tuple[str, Item, str]]:
    """The further items of the meter's reference set, as far as its protocol has them."""
    found = []
    for name, expected in reference.more.items():
        try:
            found.append((name, catalogue.find(name, target.protocol), expected))
        except UsageError as error:
            raise UsageError(
                "usage.invalid",
                f"reference_parameter {name!r}, meter {target.meter_no}: {error.message}",
                hint=error.hint,
            ) from None
    return found


def _compare(
    line: Line, target: Target, references: References, extras: Sequence[tuple[str, Item, str]], periods: Sequence[str]
) -> list[Compared]:
    reference = references.meters[target.meter_no]
    compared = []
    for name, expected in _expected(reference).items():
        key = KEYS[name].get(target.protocol)
        if key is None or expected is None:
            state = "no_reference" if expected is None else "not_offered"
            compared.append(Compared(target, name, state, expected or ""))
            continue
        compared.append(
            _one(line, target, name, Item(target.protocol, key, name), expected, secondary=reference.secondary)
        )
    compared.append(_tariff(line, target, reference, references, periods))
    compared += [_one(line, target, name, item, expected) for name, item, expected in extras]
    return compared


def _expected(reference: Reference) -> dict[str, str | None]:
    day = reference.reading_day
    return {
        "ct_ratio": _number(reference.ct), "pt_ratio": _number(reference.pt),
        "demand_window": _number(reference.demand_window_min), "demand_slip": _number(reference.demand_slip_min),
        "constant": _number(reference.constant), "freeze_time": None if day is None else f"d{day:02} 00",
    }  # fmt: skip


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:g}" if value < 1e6 else str(Decimal(str(value)).normalize())


def _one(line: Line, target: Target, name: str, item: Item, expected: str, *, secondary: bool = False) -> Compared:
    values = _asked(line, target, item)
    if isinstance(values, Failure):
        return Compared(target, name, "not_offered", expected, detail=str(values))
    quantity = _QUANTITY.get(name)
    said = [value["value"] for value in values if quantity is None or value["quantity"] == quantity]
    if name in KEYS:
        said = said[:1]
    found = " ".join(str(value) for value in said)
    if same(expected, found):
        return Compared(target, name, "agrees", expected, found)
    if name in ("ct_ratio", "pt_ratio") and secondary and found in ("0", "1"):
        return Compared(target, name, "unset", expected, found)
    return Compared(target, name, "differs", expected, found)


def same(expected: str, found: str) -> bool:
    """Whether two say the same: as numbers, else letter by letter without what only sets them apart (`: - T`)."""
    try:
        return Decimal(expected) == Decimal(found)
    except InvalidOperation:
        return _bare(expected) == _bare(found)


def _bare(text: str) -> str:
    return re.sub(r"[\s:T-]", "", text).upper()


def _asked(line: Line, target: Target, item: Item) -> list[Mapping[str, Any]] | Failure:
    """Values, or why the meter has none. What may be gone the next time is raised."""
    try:
        return read_parameter(line, target.address, item)
    except ExchangeError as error:
        if error.failure.cause in ("refused", "no_data"):
            return error.failure
        raise


def _tariff(
    line: Line, target: Target, reference: Reference, references: References, periods: Sequence[str]
) -> Compared:
    name = reference.tariff_table
    if name is None or not references.slots.get(name):
        return Compared(target, TARIFF, "no_reference")
    read = {"dlt645-2007": _tables_2007, "dlt645-1997": _tables_1997}.get(target.protocol)
    tables = read(line, target) if read is not None else Failure("no_data")
    if isinstance(tables, Failure):
        return Compared(target, TARIFF, "not_offered", name, detail=str(tables))
    told = differences(references.slots[name], tables, periods)
    if not told:
        return Compared(target, TARIFF, "agrees", name, name)
    return Compared(target, TARIFF, "differs", name, shortened(told))


def _tables_2007(line: Line, target: Target) -> MeterTables | Failure:
    """The sets in use by status word 3; of the day tables only those that a zone or the weekend names."""
    protocol = target.protocol
    word = _asked(line, target, Item(protocol, "04000503", "status_word_3"))
    bits = {} if isinstance(word, Failure) else {value["quantity"]: value["value"] for value in word}
    zone_set = "0402" if bits.get("zone_table_in_use") else "0401"
    slot_set = "0402" if bits.get("slot_table_in_use") else "0401"
    zones = _asked(line, target, Item(protocol, f"{zone_set}0000", "zone_table"))
    if isinstance(zones, Failure):
        return zones
    weekend = 0
    rest = _asked(line, target, Item(protocol, "04000801", "weekend_word"))
    if not isinstance(rest, Failure) and int(str(rest[0]["value"]), 16) & 0x7F == _WEEKEND:
        table = _asked(line, target, Item(protocol, "04000802", "weekend_table"))
        weekend = 0 if isinstance(table, Failure) else int(table[0]["value"])
    return _with_days(line, target, meter_zones(zones), weekend, lambda number: f"{slot_set}00{number:02X}")


def _tables_1997(line: Line, target: Target) -> MeterTables | Failure:
    zones = _asked(line, target, Item(target.protocol, "C32F", "zones_block"))
    if isinstance(zones, Failure):
        return zones
    return _with_days(line, target, meter_zones(zones), 0, lambda number: f"C3{number + 2:X}F")


def _with_days(line: Line, target: Target, zones: Any, weekend: int, key_of: Any) -> MeterTables | Failure:
    numbers = sorted({number for _, number in zones} | ({weekend} if weekend else set()))
    if not zones or not all(1 <= number <= 8 for number in numbers):
        return Failure("no_data", str(Text("its zone table names no day table", "时区表未指定日时段表")))
    days = {}
    for number in numbers:
        values = _asked(line, target, Item(target.protocol, key_of(number), f"day_table_{number}"))
        if isinstance(values, Failure):
            return values
        days[number] = meter_slots(values)
    return MeterTables(zones, days, weekend)
