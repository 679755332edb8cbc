"""Losses of lines and substation transformers in a report: what was measured beside what is to be expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from keyacct.i18n import Text
from keyacct.report.document import Column, Note, Section, TableSpec, Value
from keyacct.report.sections import office
from keyacct.report.sections.common import KWH, PERCENT
from keyacct.report.sections.office import amount, words

if TYPE_CHECKING:
    from keyacct.analysis.line_loss import LineLoss
    from keyacct.analysis.station_loss import StationLoss

TITLE = Text("Losses of lines and transformers", "线损与主变损耗")
NO_SUPPLY = Text("the line's supply or sales are not measured", "供电量或售电量未计量")
NOT_TOLD = Text("not to be told: see what lacks", "无法计算, 见缺项")
NOT_EXPECTED = Text("not to be told: see the basis", "无法计算, 见计算依据")
LINE = words("supply_line", Text("Line", "线路"), Text("Line with its branches.", "线路(含支线)。"))
SUPPLIED = amount(
    "supplied_kwh",
    Text("Supplied", "供电量"),
    Text("Energy at the line's head.", "线路首端供电量。"),
    KWH,
    absent=NO_SUPPLY,
)
SOLD = amount(
    "sold_kwh", Text("Sold", "售电量"),
    Text("Energy of the billing points, with transformer losses as they are billed.", "计费点电量, 含按规定计收的变压器损耗。"),
    KWH, absent=NO_SUPPLY,
)  # fmt: skip
LOSS = amount(
    "loss_kwh", Text("Measured loss", "统计线损"), Text("Supplied − sold.", "供电量 − 售电量。"), KWH, absent=NO_SUPPLY
)
EXPECTED = amount(
    "expected_kwh", Text("Theoretical loss", "理论损耗"),
    Text("3·I²·R·t of the line, P0·t + Pk·β²·t of public transformers.", "线路3·I²·R·t, 公用变压器P0·t + Pk·β²·t。"),
    KWH, absent=NOT_EXPECTED,
)  # fmt: skip
EXCESS = amount(
    "excess_kwh", Text("Excess", "超出理论"), Text("Measured less theoretical.", "统计线损 − 理论损耗。"), KWH,
    absent=Text("measured or theoretical loss lacks", "缺统计或理论值"),
)  # fmt: skip


def _rate(key: str, name: Text, definition: Text, absent: Text) -> Column:
    return Column(key, name, definition, "share", PERCENT, 3, absent=absent)


LOSS_RATE = _rate(
    "loss_pct", Text("Measured rate", "线损率"), Text("Loss / supplied.", "损失电量 / 供电量。"), NO_SUPPLY
)
EXPECTED_RATE = _rate(
    "expected_pct", Text("Theoretical rate", "理论率"), Text("Theoretical loss / supplied.", "理论损耗 / 供电量。"),
    NOT_EXPECTED,
)  # fmt: skip
BASIS = words(
    "theory_basis", Text("Basis of theory", "理论依据"),
    Text(
        "Load curve: mean square of the current by quarter hours; energy: mean current × `balance.form_factor`; or what lacks.",
        "负荷曲线: 按15分钟电流均方值; 电量: 平均电流 × `balance.form_factor`; 或所缺资料。",
    ),
)  # fmt: skip
STATE = words(
    "state", Text("State", "状态"),
    Text("Final, or provisional because of what is named.", "确定, 或因所列原因为暂定。"),
)  # fmt: skip
LINES = TableSpec(
    "line_losses", Text("Line loss, measured and theoretical", "各线路统计线损与理论线损"), Text("Line loss", "线损"),
    (LINE, SUPPLIED, SOLD, LOSS, LOSS_RATE, EXPECTED, EXPECTED_RATE, EXCESS, BASIS, STATE),
)  # fmt: skip
TRANSFORMER = words(
    "transformer", Text("Transformer", "变压器"), Text("Transformer of the substation.", "变电站主变压器。")
)
SUBSTATION = words("substation", Text("Substation", "变电站"), Text("Its substation.", "所属变电站。"))
RATED = amount(
    "rated_kva", Text("Rating", "额定容量"), Text("Of the nameplate.", "铭牌容量。"), Text("kVA", "kVA"), 0,
    absent=Text("not in the registry", "档案未登记"),
)  # fmt: skip
CARRIED = amount(
    "energy_kwh", Text("Carried", "通过电量"),
    Text("Active energy of its points at the busbar, both directions.", "其母线侧计量点有功电量, 双向相加。"), KWH,
    absent=Text("no readings", "无示数"),
)  # fmt: skip
NO_LOAD = amount(
    "no_load_kwh",
    Text("No-load loss", "空载损耗"),
    Text("P0·t in operation.", "运行时间内P0·t。"),
    KWH,
    absent=NOT_TOLD,
)
LOAD = amount(
    "load_kwh", Text("Load loss", "负载损耗"), Text("Pk·β²·t, β: mean loading.", "Pk·β²·t, β为平均负载率。"), KWH,
    absent=NOT_TOLD,
)  # fmt: skip
TOGETHER = amount(
    "station_loss_kwh", Text("Theoretical loss", "理论损耗"), Text("No-load and load loss.", "空载与负载损耗之和。"), KWH,
    absent=NOT_TOLD,
)  # fmt: skip
SHARE = _rate(
    "station_loss_pct",
    Text("Theoretical rate", "损耗率"),
    Text("Of the energy carried.", "占通过电量的比例。"),
    NOT_TOLD,
)
LACKS = words("lacks", Text("Lacks", "缺项"), Text("What the registry or the readings lack.", "档案或示数所缺。"))
STATIONS = TableSpec(
    "station_losses", Text("Theoretical loss of substation transformers", "主变压器理论损耗"), Text("Transformers", "主变损耗"),
    (TRANSFORMER, SUBSTATION, RATED, CARRIED, NO_LOAD, LOAD, TOGETHER, SHARE, LACKS),
)  # fmt: skip
TABLES = (LINES, STATIONS)
LINE_CAUSES: dict[str, Text] = {
    "missing_supply": Text("supply not measured", "供电量未计量"),
    "no_sales": Text("no billing point", "无计费点"),
    "loss_unknown": Text("losses of a customer's transformer unknown", "用户变压器损耗未知"),
}
WAYS = {"curve": Text("load curve", "负荷曲线"), "energy": Text("energy", "电量")}
LACKING = {
    "resistance": Text("no resistance", "缺电阻"), "voltage": Text("no voltage level", "缺电压等级"),
    "energy": Text("readings missing", "缺示数"), "nameplate": Text("no nameplate", "缺铭牌参数"),
}  # fmt: skip
_RULE = Text(
    "The theoretical loss is what physics leaves of the measured one: heat of the line and its branches, and losses of public "
    "transformers on them. A line's excess is what readings, ratios or theft must explain. A substation transformer is one that "
    "points of a busbar name; its loss lies between two busbars and is in no line's. Not in it: losses of busbars, instrument "
    "transformers and cable insulation, station service.",
    "理论损耗为统计线损中物理上应有的部分: 线路及支线发热, 线上公用变压器损耗; 超出部分须由示数、倍率或窃电等解释。主变压器为母线"
    "计量点所指明者, 其损耗在两级母线之间, 不计入任何线路。未含: 母线、互感器、电缆介质损耗及站用电。",
)


def section(lines: Sequence[LineLoss], stations: Sequence[StationLoss], causes: Mapping[str, Text]) -> list[Section]:
    """The section of losses; none where nothing of a line's supply or a substation transformer is known.

    causes: words of the causes that lines and busbars share.
    """
    told = [line for line in lines if line.head]
    if not told and not stations:
        return []
    tables = [LINES.fill([_line(line, causes) for line in told])] if told else []
    if stations:
        tables.append(STATIONS.fill(map(_station, stations)))
    notes = [Note("rule", _RULE)]
    if silent := [line.supply_line for line in lines if not line.head]:
        names = office.listed(silent)
        text = Text(
            f"No point measures what these lines are given: {names.en}.",
            f"以下线路首端无计量点, 未计算线损: {names.zh}。",
        )
        notes.append(Note("info", text))
    return [Section("line_loss", TITLE, tuple(tables), (), tuple(notes))]


def _line(line: LineLoss, causes: Mapping[str, Text]) -> dict[str, Value]:
    names = [LINE_CAUSES.get(cause) or causes[cause] for cause in line.causes]
    if line.read_skew_h:
        names.append(Text(f"readings {line.read_skew_h:.1f} h apart", f"抄表时差{line.read_skew_h:.1f}小时"))
    state = Text("final", "确定")
    if names:
        state = Text(f"provisional: {', '.join(n.en for n in names)}", f"暂定: {'、'.join(n.zh for n in names)}")
    return {
        "supply_line": f"{line.supply_line} {line.line_name}".strip(), "supplied_kwh": line.supplied_kwh,
        "sold_kwh": line.sold_kwh, "loss_kwh": line.loss_kwh, "loss_pct": line.loss_rate,
        "expected_kwh": line.expected_kwh, "expected_pct": line.expected_rate, "excess_kwh": line.excess_kwh,
        "theory_basis": _lacking(line.theory_lacks) or WAYS.get(line.theory_basis or ""), "state": state,
    }  # fmt: skip


def _station(of: StationLoss) -> dict[str, Value]:
    return {
        "transformer": of.transformer, "substation": of.substation, "rated_kva": of.rated_kva,
        "energy_kwh": of.energy_kwh, "no_load_kwh": of.no_load_kwh, "load_kwh": of.load_kwh,
        "station_loss_kwh": of.expected_kwh, "station_loss_pct": of.expected_rate,
        "lacks": _lacking(of.lacks) or Text("nothing", "无"),
    }  # fmt: skip


def _lacking(codes: Sequence[str]) -> Text | None:
    """What lacks (`resistance:L1`, `nameplate`) in words."""
    if not codes:
        return None
    found = [(LACKING[code.partition(":")[0]], code.partition(":")[2]) for code in codes]
    return Text(
        ", ".join(f"{word.en} {name}".strip() for word, name in found),
        "、".join(f"{word.zh} {name}".strip() for word, name in found),
    )
