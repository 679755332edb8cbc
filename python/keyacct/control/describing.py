"""What a command would do, in sentences."""

from __future__ import annotations

import datetime as dt

from keyacct.control.commands import Alarm, DownFloat, EnableLimit, KeepSupply, PermitClose, PowerLimit, Trip
from keyacct.control.orders import Order
from keyacct.i18n import Text


def describe(order: Order, zone: dt.tzinfo) -> tuple[Text, ...]:
    """What would happen, and until when the device may obey."""
    until = dt.datetime.fromtimestamp(order.not_after_ms / 1000, zone).isoformat(timespec="seconds")
    return (*_deeds(order), Text(f"not after {until}", f"{until} 之后不得执行"))


def _deeds(order: Order) -> tuple[Text, ...]:
    command, meter = order.command, order.target.protocol == "dlt645-2007"
    relay = order.relay_round
    which = Text("the meter's relay", "电表继电器") if relay is None else Text(f"relay round {relay}", f"第 {relay} 轮")
    if isinstance(command, Trip):
        alarm = command.alarm_delay_min
        when = Text(f"after {alarm} min of alarm", f"告警 {alarm} 分钟后") if alarm else Text("at once", "立即")
        first = Text(f"{which.en} opens {when.en}", f"{which.zh}{when.zh}跳闸")
        end = Text(f"it may be closed again after {command.duration_min} min", f"{command.duration_min} 分钟后允许合闸")
        if meter:
            end = Text(
                f"the meter does not end it by itself: permit-close is due after {command.duration_min} min",
                f"电表不会自行结束: {command.duration_min} 分钟后须下发 permit-close",
            )
        return first, end
    if isinstance(command, PermitClose):
        return (Text(f"{which.en} may be closed; the customer's electrician closes it",
                     f"{which.zh}允许合闸, 由客户电工合闸"),)  # fmt: skip
    if isinstance(command, PowerLimit):
        span = f"{command.from_day} 00:00 – {command.to_day} 00:00"
        return (
            Text(f"totals group {command.group} is given the limit {command.limit_kw} kW, {span}",
                 f"总加组 {command.group} 限值 {command.limit_kw} kW, {span}"),
            Text(f"above it only {which.en} will open, once enable-limit is given",
                 f"下发 enable-limit 后, 超限时只跳{which.zh}"),
        )  # fmt: skip
    if isinstance(command, EnableLimit):
        return (Text(f"from then on {which.en} opens by itself above {command.limit_kw} kW, until {command.to_day} 00:00",
                     f"此后超过 {command.limit_kw} kW 即自动跳{which.zh}, 至 {command.to_day} 00:00"),)  # fmt: skip
    if isinstance(command, DownFloat):
        return (
            Text(f"totals group {command.group} is held {command.down_pct} % below its load for {command.duration_min} min",
                 f"总加组 {command.group} 下浮 {command.down_pct} %, 持续 {command.duration_min} 分钟"),
            Text(f"above it only {which.en} opens, after its alarm", f"超限时告警后只跳{which.zh}"),
        )  # fmt: skip
    if isinstance(command, KeepSupply):
        if command.duration_min is None:
            return (Text("the device refuses every trip until keep-supply is ended on site",
                         "设备拒绝一切跳闸, 直至现场解除保电"),)  # fmt: skip
        return (Text(f"the device refuses every trip for {command.duration_min} min",
                     f"{command.duration_min} 分钟内设备拒绝一切跳闸"),)  # fmt: skip
    return (_alarm(command),)


def _alarm(command: Alarm) -> Text:
    if command.on:
        return Text("the alarm sounds; no breaker moves", "发出告警, 开关不动作")
    return Text("the alarm ends; no breaker moves", "解除告警, 开关不动作")
