"""The tally of a replayed capture, as people read it: what was found, what was dropped, why, and where first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keyacct.cli.render import say
from keyacct.errors import KeyacctError
from keyacct.i18n import Text

_NAMES = {
    "bytes": Text("bytes", "字节"),
    "frames": Text("frames", "报文"),
    "noise_bytes": Text("noise bytes", "无关字节"),
    "invalid": Text("invalid frames", "坏帧"),
    "readings": Text("readings", "读数"),
    "events": Text("events", "事件"),
    "unknown_identifiers": Text("unknown identifiers", "未知数据标识"),
    "undated": Text("undated readings", "无时标读数"),
    "incomplete_answers": Text("incomplete answers", "不完整的分帧应答"),
    "stale_parts": Text("stale parts", "多余的后续帧"),
    "container": Text("file", "文件"),
}
_PUBLISHED = ("bytes", "frames", "noise_bytes", "invalid", "readings", "events", "unknown_identifiers")
_DROPPED = {
    "trailing_bytes": Text("bytes behind the last gzip member", "最后一个 gzip 成员之后的字节"),
    "other_packets": Text("packets that carry neither TCP nor UDP", "非 TCP/UDP 的包"),
    "unknown_link_packets": Text("packets of an unknown link type", "未知链路类型的包"),
    "ip_fragments": Text("IP fragments without the rest", "缺少其余部分的 IP 分片"),
    "broken_packets": Text("packets with an impossible header", "包头不合理的包"),
    "broken_blocks": Text("pcapng blocks that contradict themselves", "自相矛盾的 pcapng 块"),
    "truncated_packets": Text("packets cut by the snap length", "抓包时被截短的包"),
    "truncated_bytes": Text("bytes cut by the snap length", "抓包时被截去的字节"),
    "retransmitted_bytes": Text("bytes sent again", "重传字节"),
    "differing_retransmissions": Text("retransmissions that differ", "内容不同的重传"),
    "gaps": Text("gaps in connections", "连接中的缺口"),
    "lost_bytes": Text("bytes missing in connections", "连接中丢失的字节"),
    "evicted_streams": Text("connections ended for want of room", "因容量限制而结束的连接"),
    "stray_bytes": Text("bytes outside of their connection", "不属于其连接的字节"),
}


def say_tally(name: str, tally: dict[str, Any]) -> None:
    """Write the tally of a capture to stderr."""
    for line in _lines(tally):
        say(f"{name}: {line}")


def say_failure(error: KeyacctError) -> None:
    """Write an error that the run goes on after, and what to do about it."""
    say(f"{Text('error', '错误')}: {error}")
    if error.hint:
        say(f"{Text('hint', '提示')}: {error.hint}")


def _lines(tally: dict[str, Any]) -> Iterator[str]:
    container = dict(tally.get("container") or {})
    first_dropped = container.pop("first_dropped", {})
    for key, title in _NAMES.items():
        value = tally.get(key)
        if key == "invalid" and value:
            for code, count in value.items():
                yield f"{title} {code} {count}{_first(tally, code)}"
        elif key == "frames" and value:
            yield f"{title} " + ", ".join(f"{protocol} {count}" for protocol, count in value.items())
        elif key == "container":
            if container:
                kept = [f"{k.replace('_', ' ')} {v}" for k, v in container.items() if k not in _DROPPED]
                yield f"{title} " + ", ".join(kept)
            for sort, reason in _DROPPED.items():
                if sort in container:
                    where = f" ({_at(0, first_dropped[sort])})" if sort in first_dropped else ""
                    yield f"{Text('dropped', '丢弃')}: {reason} {container[sort]}{where}"
        elif key == "noise_bytes" and value:
            yield f"{title} {value}" + (f" ({_at(*tally['first_noise'])})" if tally.get("first_noise") else "")
        elif value or key in _PUBLISHED:
            yield f"{title} {value or 0}"


def _first(tally: dict[str, Any], code: str) -> str:
    line, offset, en, zh = (tally.get("first_invalid") or {}).get(code, (0, 0, "", ""))
    return f" ({_at(line, offset)}: {Text(en, zh)})" if en else ""


def _at(line: int, offset: int) -> str:
    if line:
        return str(Text(f"first in line {line}, byte {offset}", f"首个在第 {line} 行, 字节偏移 {offset}"))
    return str(Text(f"first at byte {offset}", f"首个在字节偏移 {offset}"))
