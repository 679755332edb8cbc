"""How `keyacct control` shows what came of a command, and the state of a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyacct.cli.render import Column
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.control.door import Passed
    from keyacct.control.journal import Attempt
    from keyacct.control.readback import ControlState

PASSED = (
    Column("part", Text("part", "部分")), Column("name", Text("name", "名称")), Column("text", Text("text", "内容")),
)  # fmt: skip
STATE = (
    Column("name", Text("state", "状态")),
    Column("value", Text("value", "值")),
    Column("unit", Text("unit", "单位")),
)
ATTEMPTS = (
    Column("attempt", Text("no.", "编号"), 0), Column("made_at", Text("at", "时间")),
    Column("action", Text("command", "命令")), Column("device", Text("device", "设备")),
    Column("kind", Text("kind", "方式")), Column("state", Text("state", "状态")),
    Column("requested_by", Text("by", "申请人")), Column("why", Text("why", "原因")),
)  # fmt: skip


def passed_rows(passed: Passed) -> list[dict[str, Any]]:
    """Frames, what they do, what speaks against giving it to a real device, and the looks at a simulated one."""
    rows: list[dict[str, Any]] = [
        {"part": "frame", "name": frame.says, "text": frame.shown, "bytes": len(frame.data)} for frame in passed.frames
    ]
    rows += [{"part": "does", "name": passed.order.command.action, "text": str(text)} for text in passed.says]
    rows += [
        {"part": "look", "name": str(look.moment), "text": _summary(look.state), "after_min": look.after_min}
        for look in passed.looks
    ]
    rows += [{"part": "against", "name": reason.code, "text": str(reason)} for reason in passed.against]
    rows.append({"part": "result", "name": "hash", "text": passed.order.digest})
    rows.append({"part": "result", "name": "state", "text": passed.state})
    return rows


def _summary(state: ControlState) -> str:
    return ", ".join(
        f"{row['name']} {row['value']}{' ' + row['unit'] if row['unit'] else ''}" for row in state_rows(state)
    )


def state_rows(state: ControlState) -> list[dict[str, Any]]:
    """A row for everything that the device said."""
    rows = [
        _row("open_rounds", _rounds(state.open_rounds)), _row("alarming_rounds", _rounds(state.alarming)),
        _row("keep_supply", _flag(state.keep_supply)), _row("excluded", _flag(state.excluded)),
    ]  # fmt: skip
    for limit in state.limits:
        name = f"group_{limit.group}"
        rows += [
            _row(f"{name}_limit_kw", limit.limit_kw, "kW"), _row(f"{name}_from", limit.from_day),
            _row(f"{name}_to", limit.to_day), _row(f"{name}_rounds", _rounds(limit.relay_rounds)),
            _row(f"{name}_enabled", _flag(limit.enabled)), _row(f"{name}_down_float", _flag(limit.down_float)),
        ]  # fmt: skip
    rows.append(_row("power_kw", state.power_kw, "kW"))
    rows.append(_row("clock", state.clock.isoformat() if state.clock is not None else None))
    return [row for row in rows if row["value"] is not None]


def _row(name: str, value: Any, unit: str = "") -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit}


def _rounds(rounds: tuple[int, ...] | None) -> str | None:
    """`2, 3`, `relay` for the one of a meter, `none`; None where nothing was said."""
    if rounds is None:
        return None
    return ", ".join("relay" if number == 0 else str(number) for number in rounds) or "none"


def _flag(flag: bool | None) -> str | None:
    return None if flag is None else "on" if flag else "off"


def attempt_rows(attempts: list[Attempt], iso: Any) -> list[dict[str, Any]]:
    """Attempts as rows; iso: makes a text of UTC milliseconds."""
    return [
        {
            "attempt": a.number, "made_at": iso(a.made_at_ms), "action": a.action, "device": f"{a.protocol} {a.address}",
            "kind": a.kind, "state": a.state, "requested_by": a.requested_by,
            "why": " ".join(reason["code"] for reason in a.detail.get("reasons", [])), "settings": dict(a.settings),
        }
        for a in attempts
    ]  # fmt: skip
