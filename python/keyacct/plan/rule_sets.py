"""The rules of orderly power use: levels of an alarm, order of the measures, who is kept supplied and who is first.

Rules are data: `ou_2011` is 有序用电管理办法 (发改运行〔2011〕832号), `ou_2023` 电力负荷管理办法
(发改运行规〔2023〕1261号), which took its place. What a level allows is a choice of the office (`[shedding] measures_*`),
not of the rules.
"""

from __future__ import annotations

from dataclasses import dataclass

from keyacct.i18n import Text

MEASURES = ("shift", "avoid", "limit", "trip")
"""In the order in which the rules want them used: 错峰, 避峰, 限电, 拉闸 [V]."""

MEASURE_NAMES = {
    "shift": Text("shift", "错峰"), "avoid": Text("avoid", "避峰"), "limit": Text("limit", "限电"),
    "trip": Text("trip", "拉闸"),
}  # fmt: skip

LEVELS = ("blue", "yellow", "orange", "red")
"""Levels of an alarm from the least on."""

LEVEL_NAMES = {
    "blue": Text("IV blue", "IV级 (蓝色)"), "yellow": Text("III yellow", "III级 (黄色)"),
    "orange": Text("II orange", "II级 (橙色)"), "red": Text("I red", "I级 (红色)"),
}  # fmt: skip

_LEAST_GAP = {"yellow": 0.05, "orange": 0.10, "red": 0.20}
"""Share of the expected maximum demand from which a level holds, 2011 rule [V]; at exactly 5 or 10 % the text names
two levels, the higher is taken [D]."""


@dataclass(frozen=True)
class RuleSet:
    """One set of rules. demand_response_first: bought response goes before any measure. plan_size: share of the
    region's highest load that the plans must cover, in at least `steps` steps of `step` each; None where the rule says
    nothing. kept: who is kept supplied, in the rule's order; first: who is restricted before others.
    """

    key: str
    title: Text
    basis: str
    demand_response_first: bool
    plan_size: float | None
    step: float | None
    steps: int | None
    kept: tuple[Text, ...]
    first: tuple[Text, ...]

    def level_of(self, gap: float) -> str:
        """The level of a gap, a share of the expected maximum demand."""
        return next((level for level in reversed(LEVELS) if gap >= _LEAST_GAP.get(level, 0.0)), "blue")


_KEPT = (
    Text("command and emergency bodies, main bodies of Party, government and army, broadcasting, telecommunication, "
         "transport, prisons", "应急指挥和处置部门, 主要党政军机关, 广播, 电信, 交通, 监狱等"),
    Text("safety loads of dangerous-chemical plants and mines", "危险化学品生产, 矿井等的保安负荷"),
    Text("venues of major events, hospitals, finance, schools", "重大社会活动场所, 医院, 金融机构, 学校等"),
    Text("water, heat and energy utilities", "供水, 供热, 供能等基础设施"),
    Text("households, irrigation, fertiliser and farm production", "居民生活, 排灌, 化肥等农业生产"),
    Text("national key projects, military industry", "国家重点工程, 军工企业"),
)  # fmt: skip
"""2011 rule, order of categories, in our own words [U]."""

_FIRST = (
    Text("projects built or being built against the rules", "违规建成或在建项目"),
    Text("eliminated and restricted industry classes", "淘汰类, 限制类企业"),
    Text("energy use per unit above mandatory norms", "单位产品能耗高于强制性标准的企业"),
    Text("landscape and decorative lighting", "景观照明, 亮化工程"),
    Text("other energy-intensive, high-emission firms", "其他高耗能, 高排放企业"),
)
"""Restricted first [V]."""

RULE_SETS: dict[str, RuleSet] = {
    rules.key: rules
    for rules in (
        RuleSet(
            "ou_2011", Text("Orderly power use rules of 2011", "有序用电管理办法 (2011)"), "发改运行〔2011〕832号",
            demand_response_first=False, plan_size=None, step=None, steps=None, kept=_KEPT, first=_FIRST,
        ),
        RuleSet(
            "ou_2023", Text("Power load management rules of 2023", "电力负荷管理办法 (2023)"), "发改运行规〔2023〕1261号",
            demand_response_first=True, plan_size=0.30, step=0.05, steps=6, kept=_KEPT, first=_FIRST,
        ),
    )
}  # fmt: skip
"""plan_size 30 % of the region's highest load [V], at least six steps of 5 % [U]."""


def size_sentence(rules: RuleSet, sheddable_kw: float, historical_max_kw: float) -> Text | None:
    """What is amiss with the size of the plans: what all accounts of a table can give against the highest load so far.
    None where it suffices, or where rule or load say nothing.
    """
    if rules.plan_size is None or historical_max_kw <= 0:
        return None
    share = sheddable_kw / historical_max_kw
    steps = int(share / rules.step + 1e-9) if rules.step else 0
    if share >= rules.plan_size and steps >= (rules.steps or 0):
        return None
    return Text(
        f"the accounts of the table can give {100 * share:.1f} % of the region's highest load ({steps} steps of "
        f"{100 * (rules.step or 0):.0f} %); {rules.basis} asks for {100 * rules.plan_size:.0f} % in {rules.steps} steps",
        f"序位表可控负荷为历史最大负荷的 {100 * share:.1f} % ({steps} 档, 每档 {100 * (rules.step or 0):.0f} %); "
        f"{rules.basis} 要求 {100 * rules.plan_size:.0f} %, {rules.steps} 档",
    )
