"""Opens every line of the registry and asks one device on it: `keyacct doctor --probe`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import sqlalchemy as sa

from keyacct.capture.asking import ask
from keyacct.capture.items import Item, ItemCatalogue
from keyacct.capture.line import Failure, Line
from keyacct.capture.link import Link, parse_link
from keyacct.capture.open_files import allow_lines
from keyacct.capture.scan import who_answers
from keyacct.config import Workspace
from keyacct.database import acquisition_tables as tables
from keyacct.database.engine import open_database
from keyacct.errors import KeyacctError, LinkError, UsageError
from keyacct.i18n import Text
from keyacct.workflow.doctor import Check
from keyacct.workflow.poll_targets import Target, read_targets, sources_of

MOST_ASKED = 3
"""Meters of a line that are asked before it is said to be silent. [D]"""
CONNECT_S = 5.0
_AT_ONCE = 64
_ITEMS = {
    "dlt645-2007": "02010100", "dlt645-1997": "B611", "dlt698.45": "20000200",
    "modbus-rtu": "voltage_a", "modbus-tcp": "voltage_a",
}  # fmt: skip
"""What every meter of a protocol has, or refuses, which is an answer too: voltage of phase A."""


@dataclass(frozen=True)
class Probe:
    """What came of one line. state: `answered`, `silent` (open, but no usable answer), `closed`, `busy` (not asked)."""

    line: str
    place: str
    state: str
    message: str
    advice: str = ""

    def as_check(self) -> Check:
        """As a finding of the doctor."""
        good = self.state in ("answered", "busy")
        return Check("probe", "ok" if good else "look", f"{self.line} ({self.place}): {self.message}", self.advice)


def probe_lines(workspace: Workspace, progress: Callable[[int, int], None] | None = None) -> list[Probe]:
    """Every line in use, by name. Lines are asked side by side, devices of a line one after the other.

    progress: called with (done, total). Raises ConfigError for a registry that cannot be used.
    """
    targets = read_targets(workspace)
    with open_database(workspace).read() as connection:
        table = tables.poll_line
        query = sa.select(table).where(table.c.out_of_use == 0).order_by(table.c.poll_line)
        rows = connection.execute(query).mappings().all()
    of_line: dict[str, list[Target]] = {row["poll_line"]: [] for row in rows}
    for target in targets.values():
        of_line[target.line.name].append(target)
    if not rows:
        return []
    catalogue = ItemCatalogue()
    probes = []
    with ThreadPoolExecutor(min(len(rows), allow_lines(_AT_ONCE))) as pool:
        found = pool.map(
            lambda row: _probe(
                row["poll_line"], parse_link(row["link"]), row["timeout_s"], of_line[row["poll_line"]], catalogue
            ),
            rows,
        )
        for probe in found:
            probes.append(probe)
            if progress is not None:
                progress(len(probes), len(rows))
    return probes


def _probe(
    name: str, link: Link, timeout_s: float | None, targets: Sequence[Target], catalogue: ItemCatalogue
) -> Probe:
    line = Line(link, timeout_s=timeout_s, connect_s=CONNECT_S, source_of=sources_of(targets))
    if line.is_taken:
        return Probe(name, link.place, "busy", str(Text("is being talked on right now, not asked", "正在使用, 未探测")))
    try:
        line.open()
    except LinkError as error:
        return Probe(name, link.place, "closed", _reason(error, link), error.hint)
    try:
        return _asked(name, line, targets, catalogue)
    except LinkError as error:
        return Probe(name, link.place, "closed", _reason(error, link), error.hint)
    finally:
        line.close()


def _reason(error: KeyacctError, link: Link) -> str:
    return error.message.removeprefix(f"{link.place}: ")


def _asked(name: str, line: Line, targets: Sequence[Target], catalogue: ItemCatalogue) -> Probe:
    place = line.link.place
    if not targets:
        return _wild(name, line, (line.link.protocol or "dlt645-2007",), None)
    silent: list[tuple[Target, Failure]] = []
    for target in targets[:MOST_ASKED]:
        item = _item(target, catalogue)
        if item is None:
            continue
        answer = ask(line, target.meter_no, target.address, item)
        failure = answer.failure
        if failure is None or answer.frames:
            told = Text(f"meter {target.meter_no} answers", f"电表 {target.meter_no} 应答")
            return Probe(name, place, "answered", str(told))
        silent.append((target, failure))
    if not silent:
        return Probe(
            name, place, "answered", str(Text("opens; nothing to ask a meter of this model", "可打开; 无可问项目"))
        )
    target, failure = silent[0]
    if failure.cause == "timeout" and not target.protocol.startswith("modbus"):
        return _wild(name, line, (target.protocol,), (target, failure))
    more = Text(f" (so do {len(silent) - 1} more)", f" (另有 {len(silent) - 1} 表)") if len(silent) > 1 else ""
    told = Text(f"meter {target.meter_no} {target.address}: ", f"电表 {target.meter_no} {target.address}: ")
    return Probe(name, place, "silent", f"{told}{failure}{more}", failure.hint)


def _item(target: Target, catalogue: ItemCatalogue) -> Item | None:
    name = _ITEMS[target.protocol]
    if target.protocol.startswith("modbus"):
        if not target.model:
            return None
        name = f"{target.model}:{name}"
    try:
        return catalogue.find(name, target.protocol)
    except UsageError:
        return None


def _wild(name: str, line: Line, protocols: Sequence[str], silent: tuple[Target, Failure] | None) -> Probe:
    """Ask every address at once: who answers shows that the line is right and an address is wrong."""
    place = line.link.place
    if protocols[0].startswith("modbus"):
        return Probe(
            name, place, "answered", str(Text("opens; no meter of the registry is on it", "可打开; 台账中无电表"))
        )
    found = [address for protocol in protocols for address in who_answers(line, protocol)]
    if silent is None:
        if found:
            told = Text(f"{found[0]} answers; the registry has no meter on it", f"{found[0]} 应答; 台账中无电表")
            return Probe(name, place, "answered", str(told), str(Text("add a [[meter_link]]", "请加入 [[meter_link]]")))
        hint = Text("add a [[meter_link]], or set the line out of use", "请加入 [[meter_link]] 或停用线路")
        return Probe(name, place, "silent", str(Text("opens, but nobody answers", "可打开, 但无应答")), str(hint))
    target, failure = silent
    asked = Text(f"meter {target.meter_no} {target.address}", f"电表 {target.meter_no} {target.address}")
    if found:
        told = Text(f"{asked.en} does not answer, but {found[0]} does", f"{asked.zh} 无应答, 但 {found[0]} 应答")
        hint = Text(
            "the line is right, the address in the registry is not, or the meter is off: compare the name plate",
            "线路正常, 台账地址有误或电表断电: 请核对铭牌",
        )
        return Probe(name, place, "silent", str(told), str(hint))
    return Probe(name, place, "silent", f"{asked}: {failure}", failure.hint)
