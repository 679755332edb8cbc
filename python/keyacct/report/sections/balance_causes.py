"""Suspected causes of a violated balance in words."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.analysis.balance_causes import Suspect

CAUSES: dict[str, Text] = {
    "missing_reading": Text("reading missing or doubtful", "缺示数或示数存疑"),
    "wrong_multiplier": Text("wrong multiplier", "倍率错误"),
    "voltage_loss": Text("voltage of a phase lost", "失压或断相"),
    "clock_skew": Text("clock skew", "时钟偏差"),
    "class_error": Text("error of the accuracy classes", "计量器具等级误差"),
}


def told(suspect: Suspect) -> Text:
    """The figure of a suspect as a sentence."""
    figure, detail = suspect.figure, suspect.detail
    match suspect.cause:
        case "missing_reading" if suspect.point is None:
            return Text("the line has no metering point", "该线路无计量点")
        case "missing_reading":
            share = _number(100 * figure, 2)
            return Text(f"{share} % of the time without readings ({detail})", f"{share}%的时间缺示数 ({detail})")
        case "wrong_multiplier":
            left = _left(suspect.remaining_rate)
            ratio = _number(figure, 4)
            return Text(
                f"fits × {ratio}, {detail}; the rate would be {left} %",
                f"符合倍率 ×{ratio}, {detail}; 更正后不平衡率{left}%",
            )
        case "voltage_loss":
            minutes, left = _number(figure, 0), _left(suspect.remaining_rate)
            return Text(
                f"{minutes} min of phase {detail} lost; the rate would be {left} %",
                f"{detail}相失压(断相)累计{minutes}分钟; 计入后不平衡率{left}%",
            )
        case "clock_skew":
            most = _number(suspect.explained_kwh or Decimal(0), 1)
            return Text(
                f"clock off by {figure:+.0f} s, at most {most} kWh", f"时钟偏差{figure:+.0f}秒, 至多影响{most}kWh"
            )
    share = _number(100 * figure, 3)
    return Text(
        f"the classes allow {share} % of the inflow ({detail})",
        f"各等级允许误差合计为流入电量的{share}% ({_classes(detail)})",
    )


def _classes(detail: str) -> str:
    return "均已登记" if detail == "registered" else f"其中{detail.split(maxsplit=1)[0]}项按缺省等级"


def _left(rate: Decimal | None) -> str:
    return "–" if rate is None else _number(100 * rate, 3)


def _number(value: Decimal, digits: int) -> str:
    return f"{value:.{digits}f}"
