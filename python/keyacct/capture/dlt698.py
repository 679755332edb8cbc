"""A conversation with a server of DL/T 698.45: association, long answers, refusals. Source: DL/T 698.45-2017 §6 to §8.

What is long comes in one of two ways, and servers choose: as blocks of the application layer that are asked for one by
one (GetResponseNext), or as split frames of the link layer that are confirmed one by one. Both are put together by the
core's assembler; here is only what is said in between.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keyacct import clock, wire
from keyacct.capture.line import ExchangeError, Failure, Line, Reply, built_in_registers
from keyacct.capture.masking import without_password
from keyacct.errors import KeyacctError, LinkError
from keyacct.i18n import Text
from keyacct.secrets import Secrets

PROTOCOL = "dlt698.45"
MOST_BLOCKS = 255
"""Blocks of one answer; split frames count in 12 bits, but no answer of a meter comes so far."""
FRAME_BYTES, WINDOW, APDU_BYTES = 1024, 1, 4096
"""What we send and take at most, as offered in CONNECT; a server may name less."""
ASSOCIATION_S = 600
"""How long an association may be silent before the server forgets it, as wished in CONNECT."""
_PREAMBLE = b"\xfe" * 4
_CONFORMANCE = "FFFFFFFFFFFFFFFF"
_WRONG_PASSWORD, _OTHER = (
    1,
    255,
)  # results of CONNECT; 255 is for another reason, servers that are just logging in say so
_ZONE = "Asia/Shanghai"  # of the instants of the protocol's link layer, wherever we are
_HEADROOM = 32  # of a frame: start, lengths, control, addresses up to 16 bytes, checksums, end
_numbers: Iterator[int] = itertools.count(1)


@dataclass
class Association:
    """What was agreed with a server. frame_bytes: the longest frame that it takes; lists: whether it answers lists.

    connected: whether there is anything to release: some servers know only what was agreed beforehand.
    """

    connected: bool = False
    frame_bytes: int = FRAME_BYTES
    lists: bool = True


@dataclass(frozen=True)
class Said:
    """What a server said to one request. frames: request and answer as they went over the line, all parts of them.

    apdus: of the answer, one, or one a block; received_ms: when each of them was whole.
    """

    frames: tuple[bytes, ...]
    apdus: tuple[Mapping[str, Any], ...]
    received_ms: tuple[int, ...]

    @property
    def recv_at_ms(self) -> int:
        """When the last of it was whole."""
        return self.received_ms[-1]

    @property
    def refusal(self) -> Failure | None:
        """Why the server gave nothing, or not all; None for an answer in which single objects may still be denied."""
        for apdu in self.apdus:
            if apdu.get("service") == "ERROR-Response":
                kind = apdu.get("error_type")
                return Failure("refused", str(Text(f"ERROR-Response {kind}", f"异常响应 {kind}")))
            if apdu.get("service") == "SECURITY-Response":
                return Failure("refused", str(Text("it answers secured only", "仅接受安全传输")))
            if apdu.get("dar") not in (0, None):
                return Failure("refused", dar_text(int(apdu["dar"])))
        return None


def described(frames: Sequence[bytes]) -> list[dict[str, Any]]:
    """What each frame of a conversation says; the last part of a split APDU has the whole `apdu`."""
    texts = wire.describe([b"".join(frames).hex()], PROTOCOL, registers=built_in_registers())
    return [json.loads(text) for text in texts]


def dar_text(dar: int) -> str:
    """What a result code means: `DAR 6 object does not exist`."""
    answer = {
        "service": "GetResponseNormal", "piid_acd": 0, "oad": "40000200", "dar": dar, "follow_report": None,
        "time_tag": None,
    }  # fmt: skip
    frame = wire.encode({"address": "000000000001", "apdu": answer}, PROTOCOL, registers=built_in_registers()).hex()
    words = []
    for chinese in (False, True):
        shown = json.loads(next(iter(wire.describe([frame], PROTOCOL, fields=True, chinese=chinese))))
        names = (str(field["name"]) for field in shown["fields"])
        words.append(next((name for name in names if re.match(rf"{dar}( |$)", name)), str(dar)))
    return str(Text(f"DAR {words[0]}", f"DAR {words[1]}"))


def confirm_of(part: Mapping[str, Any]) -> bytes:
    """The frame that confirms a part of a split APDU, so that the next one is sent."""
    link = part["link"]
    message = {
        "address": part["address"], "link": {"dir": 0, "prm": link["prm"], "split": 1, "func": 3, "ca": link["ca"]},
        "fragment": {"block": part["fragment"]["block"], "kind": "confirm", "payload": ""},
    }  # fmt: skip
    return wire.encode(message, PROTOCOL, registers=built_in_registers())


def is_part(message: Mapping[str, Any]) -> bool:
    """Whether a frame is a part of a split APDU, and no confirmation of one."""
    return "fragment" in message and message["fragment"]["kind"] != "confirm"


def next_of(apdu: Mapping[str, Any]) -> dict[str, Any] | None:
    """The request for the block behind this one; None when it is the last, or no block."""
    if apdu.get("service") != "GetResponseNext" or apdu.get("last") or apdu.get("dar") is not None:
        return None
    piid = int(apdu["piid_acd"]) & 0x3F
    return {"service": "GetRequestNext", "piid": piid, "last_block": apdu["block"], "time_tag": None}


def single_answer(address: str, answer: Mapping[str, Any], result: Mapping[str, Any]) -> bytes:
    """One result of a list as the answer to a request of its own: what the server said of it, and nothing else."""
    apdu = {
        "service": "GetResponseNormal", "piid_acd": answer["piid_acd"], **result, "follow_report": None, "time_tag": None,
    }  # fmt: skip
    return wire.encode({"address": address, "apdu": apdu}, PROTOCOL, registers=built_in_registers())


def link_response(request: Mapping[str, Any], here: dt.datetime, *, trusted: bool) -> bytes:
    """The answer to a described LINK-Request (log-in, heartbeat, log-out): all is well.

    here: the civil time of its place; trusted: whether our clock is to be relied upon.
    """
    told = here.isoformat(timespec="milliseconds")
    apdu = {
        "service": "LINK-Response", "piid": request["apdu"]["piid_acd"] & 0x3F,
        "result": {"code": 0, "clock_trusted": trusted}, "request_time": request["apdu"].get("time"),
        "receive_time": told, "response_time": told,
    }  # fmt: skip
    return wire.encode({"address": request["address"], "apdu": apdu}, PROTOCOL, registers=built_in_registers())


def _unasked(frame: bytes, message: Mapping[str, Any]) -> bytes | None:
    """What is sent to a server that logs in on a line that we opened."""
    if message.get("service") != "LINK-Request":
        return None
    here = clock.now().astimezone(zoneinfo.ZoneInfo(_ZONE)).replace(tzinfo=None)
    return link_response(message, here, trusted=False)


def say(line: Line, address: str, apdu: Mapping[str, Any], *, most_frame: int = FRAME_BYTES) -> Said:
    """One request and its whole answer. apdu: without `piid`. Raises ExchangeError, LinkError, InputError.

    A request that is longer than the server takes goes in split frames.
    """
    asked = {"piid": next(_numbers) % 64, "time_tag": None, **apdu}
    frames: list[bytes] = []
    apdus: list[Mapping[str, Any]] = []
    received_ms: list[int] = []
    try:
        request = wire.encode({"address": address, "apdu": asked}, PROTOCOL, registers=built_in_registers())
        reply = _sent(line, address, request, asked, most_frame, frames)
        while True:
            reply, said = _whole(line, request, reply, frames)
            apdus.append(said)
            received_ms.append(reply.recv_at_ms)
            following = next_of(said)
            if following is None:
                return Said(tuple(frames), tuple(apdus), tuple(received_ms))
            _bound(len(apdus))
            request = wire.encode({"address": address, "apdu": following}, PROTOCOL, registers=built_in_registers())
            frames.append(request)
            reply = _exchanged(line, request)
            frames.append(reply.frame)
    except ExchangeError as error:
        error.frames = tuple(frames) if len(frames) > 1 else ()  # a request alone is no sign of anybody
        raise


def _bound(parts: int) -> None:
    """An answer has an end. Raises ExchangeError."""
    if parts >= MOST_BLOCKS:
        raise ExchangeError(Failure("unreadable", str(Text("an answer without end", "应答分块无休止"))))


def _exchanged(line: Line, request: bytes) -> Reply:
    return line.exchange(request, PROTOCOL, preamble=_PREAMBLE, accept=_answers_or_begins, unasked=_unasked)


def _answers_or_begins(request: bytes, frame: bytes, message: Mapping[str, Any]) -> bool:
    """Whether a frame answers, or is the first part of what may answer."""
    if message.get("direction") != "uplink":
        return False
    if is_part(message):
        return message["fragment"]["kind"] == "first" and _same_server(request, frame)
    return wire.answers(request, frame, PROTOCOL)


def _same_server(request: bytes, frame: bytes) -> bool:
    """Whether both frames have one server and one client: address flags, address, client."""
    size = (request[4] & 0x0F) + 3
    return request[4 : 4 + size] == frame[4 : 4 + size]


def _sent(
    line: Line, address: str, request: bytes, apdu: Mapping[str, Any], most_frame: int, frames: list[bytes]
) -> Reply:
    """Send a request, in parts where it must be, and get the first frame of the answer."""
    if len(request) <= most_frame:
        frames.append(without_password(request, PROTOCOL))
        reply = _exchanged(line, request)
        frames.append(reply.frame)
        return reply
    body = wire.encode({"apdu": dict(apdu)}, "dlt698.45-apdu", registers=built_in_registers())
    size = most_frame - _HEADROOM
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    for number, piece in enumerate(pieces):
        kind = "first" if number == 0 else "last" if number == len(pieces) - 1 else "middle"
        part = wire.encode(
            {
                "address": address, "link": {"dir": 0, "prm": 1, "split": 1, "func": 3},
                "fragment": {"block": number, "kind": kind, "payload": piece.hex()},
            }, PROTOCOL, registers=built_in_registers(),
        )  # fmt: skip
        frames.append(part)
        if kind == "last":
            reply = line.exchange(
                part, PROTOCOL, preamble=_PREAMBLE, unasked=_unasked, part_of=request,
                accept=lambda _, frame, message: _answers_or_begins(request, frame, message),
            )  # fmt: skip
        else:
            reply = line.exchange(
                part, PROTOCOL, preamble=_PREAMBLE, unasked=_unasked, part_of=request,
                accept=lambda _, frame, message, n=number: (  # type: ignore[misc]  # `n` binds this turn's number, which mypy cannot type
                    _same_server(request, frame)
                    and message.get("fragment", {}).get("kind") == "confirm"
                    and message["fragment"]["block"] == n
                ),
            )  # fmt: skip
        frames.append(reply.frame)
    return reply


def _whole(line: Line, request: bytes, reply: Reply, frames: list[bytes]) -> tuple[Reply, Mapping[str, Any]]:
    """The APDU of an answer whose first frame has come: its other parts are confirmed and awaited."""
    if not is_part(reply.message):
        return reply, reply.message["apdu"]
    parts = [reply.frame]
    while reply.message["fragment"]["kind"] != "last":
        _bound(len(parts))
        wanted = reply.message["fragment"]["block"] + 1 & 0x0FFF
        confirm = confirm_of(reply.message)
        frames.append(confirm)
        reply = line.exchange(
            confirm, PROTOCOL, preamble=_PREAMBLE, unasked=_unasked,
            accept=lambda _, frame, message, n=wanted: (  # type: ignore[misc]  # `n` binds this turn's number, which mypy cannot type
                is_part(message) and message["fragment"]["block"] == n and _same_server(request, frame)
            ),
        )  # fmt: skip
        frames.append(reply.frame)
        parts.append(reply.frame)
    apdu = described(parts)[-1].get("apdu")
    if apdu is None:
        raise ExchangeError(Failure("unreadable", str(Text("the parts make no APDU", "分帧不能拼成APDU"))))
    joined = wire.encode({"address": reply.message["address"], "apdu": apdu}, PROTOCOL, registers=built_in_registers())
    if not wire.answers(request, joined, PROTOCOL):
        raise ExchangeError(
            Failure("late", str(Text("a split answer to another request came", "收到其他请求的分帧应答")))
        )
    return reply, apdu


def associate(line: Line, address: str) -> Association:
    """The association with a server on this line, made when there is none. Raises ExchangeError, LinkError.

    With a password where the line has one for it, else as public client. A server that does not know CONNECT is asked as
    it is. One that does not answer it is taken as silent; the next attempt asks without, unless there is a password.
    """
    known = line.associations.get(address)
    if isinstance(known, Association):
        return known
    if address in line.locked_out:
        raise ExchangeError(line.locked_out[address])
    secrets = _secrets(line, address)
    auth = {"mechanism": "password", "password": secrets.password_698} if secrets.given else "public"
    request = {
        "service": "CONNECT-Request", "protocol_version": 16, "protocol_conformance": _CONFORMANCE,
        "function_conformance": _CONFORMANCE * 2, "client_tx_size": FRAME_BYTES, "client_rx_size": FRAME_BYTES,
        "client_window": WINDOW, "max_apdu": APDU_BYTES, "timeout_s": ASSOCIATION_S, "auth": auth,
    }  # fmt: skip
    made = Association()
    try:
        said = say(line, address, request)
        if said.apdus[0].get("result") == _OTHER:
            said = say(line, address, request)
    except ExchangeError as error:
        if error.failure.cause == "timeout" and not secrets.given:
            line.associations[address] = made
        raise
    answer = said.apdus[0]
    if answer.get("service") == "CONNECT-Response":
        result = int(answer.get("result") or 0)
        if result == _WRONG_PASSWORD:
            line.locked_out[address] = _refused(given=secrets.given)
            raise ExchangeError(line.locked_out[address], said.frames)
        if result:
            word = Text(f"association refused, result {result}", f"拒绝建立应用连接, 结果 {result}")
            if secrets.given:
                line.locked_out[address] = Failure("refused", str(word))
            raise ExchangeError(Failure("refused", str(word)), said.frames)
        made = Association(connected=True, frame_bytes=max(int(answer["server_rx_size"]), 2 * _HEADROOM))
    line.associations[address] = made
    return made


def _secrets(line: Line, address: str) -> Secrets:
    """The password of a server. Raises ExchangeError when it should have one that cannot be read."""
    source = line.source_of(PROTOCOL, address)
    try:
        return source.read(PROTOCOL) if source is not None else Secrets()
    except KeyacctError as error:
        place = error.where.get("file")
        raise ExchangeError(
            Failure("password", f"{error.message}: {place}" if place else error.message, error.hint)
        ) from None


def _refused(*, given: bool) -> Failure:
    if given:
        return Failure(
            "password", str(Text("the server says that it is wrong", "服务器称密码错误")),
            str(Text("put the right one into the password file; it is not tried again in this run, "
                     "as servers lock after a few wrong ones",
                     "请更正口令文件; 本次不再尝试, 因多次错误会锁定")),
        )  # fmt: skip
    return Failure(
        "password", str(Text("the server wants one", "服务器要求密码")),
        str(Text("give --password-file FILE, in a workspace password_file of the meter_link or poll_line",
                 "用 --password-file 文件 给出, 工作区内为 meter_link 或 poll_line 的 password_file")),
    )  # fmt: skip


def ask(line: Line, address: str, apdu: Mapping[str, Any]) -> Said:
    """One request within an association, made anew once when the server has forgotten it. Raises as `say` does."""
    association = associate(line, address)
    said = say(line, address, apdu, most_frame=association.frame_bytes)
    if said.apdus[0].get("service") == "ERROR-Response" and association.connected:
        del line.associations[address]
        association = associate(line, address)
        said = say(line, address, apdu, most_frame=association.frame_bytes)
    return said


def release(line: Line) -> None:
    """Release what was agreed on a line; a server that keeps silent ends it, for it forgets by itself."""
    if not line.is_open:
        return
    try:
        for address, association in list(line.associations.items()):
            del line.associations[address]
            if isinstance(association, Association) and association.connected:
                say(line, address, {"service": "RELEASE-Request"})
    except (ExchangeError, LinkError):
        line.associations.clear()
