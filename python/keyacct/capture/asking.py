"""How one item is asked of one meter: request, follow frames, refusal; and what the answer is made of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keyacct import wire
from keyacct.capture import dlt698, fence
from keyacct.capture.items import Item
from keyacct.capture.line import SPOKEN, ExchangeError, Failure, Line, Reply, built_in_registers
from keyacct.i18n import Text

_PREAMBLE = {"dlt645-2007": b"\xfe" * 4, "dlt645-1997": b"\xfe" * 4}
_MOST_FOLLOW_FRAMES = 255
_numbers: Iterator[int] = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """What came of asking one item of one meter.

    frames: the request and every frame of the answer, in order, as they went over the line (of an answer to several
    items at once, each item's own part as a frame); recv_at_ms: when the last one was whole. attempts: how often it was
    asked. failure: why there is no answer, or None. frozen_at: the instant of a freeze whose own frame has no time (naive
    civil time, ISO), read beside it. doubtful: it may be the late answer to an earlier request for the same.
    """

    meter: str
    address: str
    item: Item
    frames: tuple[bytes, ...] = ()
    recv_at_ms: int = 0
    attempts: int = 1
    failure: Failure | None = None
    frozen_at: str | None = None
    doubtful: bool = False
    values: tuple[Mapping[str, Any], ...] = field(default=(), compare=False)

    @property
    def heard(self) -> bool:
        """Whether a device spoke: an answer came, or a refusal, or a frame that broke on its way."""
        return len(self.frames) > 1 or (self.failure is not None and self.failure.cause in SPOKEN)


def request_of(item: Item, address: str) -> bytes:
    """The frame that asks for an item of DL/T 645 or Modbus. Raises InputError for an address that there cannot be."""
    protocol = item.protocol
    if protocol == "dlt645-2007":
        message: dict[str, Any] = {"address": address, "control": "0x11", "di": item.key}
        if item.data:
            message["data"] = item.data
    elif protocol == "dlt645-1997":
        message = {"address": address, "control": "0x01", "di": item.key}
    else:
        message = {
            "unit": unit_of(address), "function": int(item.key[:2], 16), "address": int(item.key[2:], 16),
            "count": item.registers_read,
        }  # fmt: skip
        if protocol == "modbus-tcp":
            message["transaction"] = next(_numbers) % 65_536
    return wire.encode(message, protocol, registers=built_in_registers())


def unit_of(address: str) -> int:
    """The Modbus unit of an address. Raises UsageError."""
    from keyacct.errors import UsageError

    if not (address.isascii() and address.isdigit() and 1 <= int(address) <= 247):
        raise UsageError(
            "usage.invalid",
            str(Text(f"address {address!r} is no Modbus unit", f"地址 {address!r} 不是 Modbus 站号")),
            hint=str(Text("a unit is a number from 1 to 247", "站号为 1 至 247")),
        )
    return int(address)


def check_address(address: str, protocol: str) -> str:
    """The address in full (12 digits for DL/T 645). Raises UsageError; broadcast and wildcards are refused."""
    from keyacct.errors import UsageError

    if protocol.startswith("modbus"):
        return str(unit_of(address))
    text = address.strip().upper()
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise UsageError(
            "usage.invalid",
            str(Text(f"address {address!r} is no meter address", f"地址 {address!r} 不是表地址")),
            hint=str(
                Text(
                    "up to 12 digits, as on the name plate; `keyacct scan` asks with wildcards",
                    "不超过 12 位数字, 见铭牌; 通配地址用 `keyacct scan`",
                )
            ),
        )
    text = text.rjust(12, "0")
    if text == "9" * 12:
        raise UsageError(
            "usage.invalid",
            str(Text("999999999999 is the broadcast address, nobody answers it", "999999999999 是广播地址, 无应答")),
            hint=str(Text("name the meters", "请给出各表地址")),
        )
    return text


def ask(line: Line, meter: str, address: str, item: Item) -> Answer:
    """One attempt to read one item, follow frames included. Raises LinkError when the line is gone."""
    if item.protocol == dlt698.PROTOCOL:
        return _ask_698(line, meter, address, item)
    frozen_at = None
    frames: list[bytes] = []
    doubtful = False
    try:
        if item.protocol in fence.QUESTIONS:
            doubtful = not fence.pass_late_answers(line, address, item.protocol)
        if _needs_time(item):
            stamp = Item(item.protocol, item.key[:4] + "00" + item.key[6:], "freeze_time", item.kind)
            reply = _exchange(line, address, item.protocol, request_of(stamp, address))
            frozen_at = next((value["value"] for value in _values(reply.message) if value["value"]), None)
            if _refusal(reply.message) is None and frozen_at is None:
                return Answer(meter, address, item, failure=Failure("no_data"))
        request = request_of(item, address)
        reply = _exchange(line, address, item.protocol, request)
        frames += [request, reply.frame]
        refused = _refusal(reply.message)
        if refused is not None:
            return Answer(meter, address, item, tuple(frames), reply.recv_at_ms, failure=refused)
        number = 0
        while _more(reply.message, item.protocol):
            number += 1
            if number > _MOST_FOLLOW_FRAMES:
                return Answer(
                    meter, address, item, tuple(frames), reply.recv_at_ms,
                    failure=Failure("unreadable", str(Text("follow frames without end", "后续帧无休止"))),
                )  # fmt: skip
            request = _follow_request(item, address, number)
            reply = _exchange(line, address, item.protocol, request)
            frames += [request, reply.frame]
            refused = _refusal(reply.message)
            if refused is not None:
                return Answer(meter, address, item, tuple(frames), reply.recv_at_ms, failure=refused)
    except ExchangeError as error:
        return Answer(meter, address, item, tuple(frames), failure=error.failure)
    return Answer(meter, address, item, tuple(frames), reply.recv_at_ms, frozen_at=frozen_at, doubtful=doubtful)


def _exchange(line: Line, address: str, protocol: str, request: bytes) -> Reply:
    """One exchange of DL/T 645 or Modbus; what stays unanswered is remembered. Raises ExchangeError, LinkError."""
    try:
        return line.exchange(request, protocol, preamble=_PREAMBLE.get(protocol, b""))
    except ExchangeError as error:
        fence.note(line, address, protocol, request, error.failure.cause)
        raise


def _needs_time(item: Item) -> bool:
    """Whether it is a single item of a DL/T 645-2007 freeze, whose frame does not say of when it is."""
    return item.protocol == "dlt645-2007" and item.key.startswith("05") and item.key[4:6] not in ("00", "FF")


def _more(message: Mapping[str, Any], protocol: str) -> bool:
    return protocol.startswith("dlt645") and bool(int(str(message["control"]), 16) & 0x20)


def _follow_request(item: Item, address: str, number: int) -> bytes:
    message: dict[str, Any] = {"address": address, "control": "0x02", "di": item.key}
    if item.protocol == "dlt645-2007":
        message |= {"control": "0x12", "seq": number}
    return wire.encode(message, item.protocol, registers=built_in_registers())


def _values(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    values = message.get("values")
    return values if isinstance(values, list) else []


def _refusal(message: Mapping[str, Any]) -> Failure | None:
    """What an answer says that is a refusal: 645's error word, Modbus' exception."""
    error = message.get("error")
    if isinstance(error, dict):
        word = f"{error.get('byte', '')} {error.get('meaning', '')}".strip()
        return Failure("refused", str(Text(f"error word {word}", f"错误字 {word}")))
    exception = message.get("exception")
    if exception is not None:
        told = exception.get("meaning", exception) if isinstance(exception, dict) else exception
        return Failure("refused", str(Text(f"Modbus exception {told}", f"Modbus 异常 {told}")))
    return None


def can_be_listed(item: Item) -> bool:
    """Whether an item can be asked for together with others of its meter, in one request."""
    return item.protocol == dlt698.PROTOCOL and item.rows is None


def ask_list(line: Line, meter: str, address: str, items: Sequence[Item]) -> list[Answer]:
    """One attempt to read items that can be listed, in one request. Raises LinkError when the line is gone.

    A server that takes no lists is asked one by one, now and from then on.
    """
    try:
        association = dlt698.associate(line, address)
        if len(items) == 1 or not association.lists:
            return [_ask_698(line, meter, address, item) for item in items]
        said = dlt698.ask(line, address, {"service": "GetRequestNormalList", "oads": [item.key for item in items]})
        if said.refusal is not None:
            dlt698.associate(line, address).lists = False  # it may be another one than before
    except ExchangeError as error:
        return [Answer(meter, address, item, error.frames, failure=error.failure) for item in items]
    if said.refusal is not None:
        return [_ask_698(line, meter, address, item) for item in items]
    results: dict[str, tuple[dict[str, Any], int]] = {}
    for apdu, received_ms in zip(said.apdus, said.received_ms, strict=True):
        for result in apdu.get("results", ()):
            results.setdefault(result["oad"], (result, received_ms))
    answers = []
    for item in items:
        found, received_ms = results.get(item.key, (None, said.recv_at_ms))
        if found is None:
            failure: Failure | None = Failure("unreadable", str(Text("the list leaves it out", "列表应答缺少此项")))
            frames = said.frames
        else:
            failure = Failure("refused", dlt698.dar_text(found["dar"])) if "dar" in found else None
            frames = (said.frames[0], dlt698.single_answer(address, said.apdus[0], found))
        answers.append(Answer(meter, address, item, frames, received_ms, failure=failure))
    return answers


def _ask_698(line: Line, meter: str, address: str, item: Item) -> Answer:
    """One item of a server of DL/T 698.45: an attribute, or rows of a record table."""
    requests: list[dict[str, Any]] = [{"service": "GetRequestNormal", "oad": item.key}]
    if item.rows is not None:
        requests = item.rows.requests(item.key)
    frames: tuple[bytes, ...] = ()
    received_ms = 0
    for number, request in enumerate(requests):
        try:
            said = dlt698.ask(line, address, request)
        except ExchangeError as error:
            return Answer(meter, address, item, frames + error.frames, received_ms, failure=error.failure)
        failure = said.refusal
        if failure is None and item.rows is not None and not any(_rows_of(apdu) for apdu in said.apdus):
            failure = Failure("no_data", str(Text("the table has no such rows", "记录表中没有这些行")))
        if failure is not None:
            if number:
                break  # so many rows are not there; what there is has come
            return Answer(meter, address, item, said.frames, said.recv_at_ms, failure=failure)
        frames, received_ms = frames + said.frames, said.recv_at_ms
    return Answer(meter, address, item, frames, received_ms)


def _rows_of(apdu: Mapping[str, Any]) -> bool:
    """Whether an answer, or a block of one, holds rows of a record table."""
    return bool(apdu.get("rows")) or any(record.get("rows") for record in apdu.get("records", ()))
