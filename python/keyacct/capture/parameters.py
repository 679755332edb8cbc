"""One parameter of a meter on a line, as values and as the digits of what no register explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keyacct.capture import dlt698, fence
from keyacct.capture.asking import request_of
from keyacct.capture.items import Item
from keyacct.capture.line import ExchangeError, Failure, Line, Reply
from keyacct.i18n import Text

_WAKE = b"\xfe" * 4
_SHIFT = 0x33  # added to every byte of data by the sender, DL/T 645


def exchange_item(line: Line, address: str, protocol: str, key: str) -> Reply:
    """One register of a meter of DL/T 645. Raises ExchangeError (`refused` for an error word), LinkError."""
    request = request_of(Item(protocol, key, key), address)
    try:
        reply = line.exchange(request, protocol, preamble=_WAKE)
    except ExchangeError as error:
        fence.note(line, address, protocol, request, error.failure.cause)
        raise
    error_word = reply.message.get("error")
    if isinstance(error_word, Mapping):
        raise ExchangeError(refusal_of(error_word))
    return reply


def refusal_of(error: Mapping[str, Any]) -> Failure:
    """What an error word of DL/T 645 says."""
    told = f"{error.get('byte', '')} {error.get('meaning', '')}".strip()
    return Failure("refused", str(Text(f"error word {told}", f"错误字 {told}")))


def read_parameter(line: Line, address: str, item: Item) -> list[Mapping[str, Any]]:
    """Its values in order, each with `quantity` and `value`; what no register explains as hex digits in reading order.

    Raises ExchangeError (`refused`, `no_data`), LinkError.
    """
    if item.protocol == dlt698.PROTOCOL:
        said = dlt698.ask(line, address, {"service": "GetRequestNormal", "oad": item.key})
        if said.refusal is not None:
            raise ExchangeError(said.refusal, said.frames)
        message: Mapping[str, Any] = dlt698.described([said.frames[-1]])[0]
    else:
        if not fence.pass_late_answers(line, address, item.protocol):
            raise ExchangeError(Failure("late", str(Text("an earlier answer may still come", "先前的应答可能迟到"))))
        message = exchange_item(line, address, item.protocol, item.key).message
    values = [value for value in message.get("values", ()) if value.get("value") is not None]
    if not values and item.protocol != dlt698.PROTOCOL:
        values = [{"quantity": item.name, "value": digits} for digits in _digits(message.get("unknown", ()))]
    if not values:
        raise ExchangeError(Failure("no_data"))
    return values


def _digits(unknown: Sequence[Mapping[str, Any]]) -> list[str]:
    data = [bytes(byte - _SHIFT & 0xFF for byte in bytes.fromhex(each["hex"]))[::-1] for each in unknown]
    return [each.hex().upper() for each in data if each.strip(b"\xff")]
