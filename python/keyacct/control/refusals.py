"""Why a command is not given: one sentence each, and what would have to be so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from keyacct.errors import RefusedError
from keyacct.i18n import Lang, Text

NEVER: dict[str, Text] = {
    "group_address": Text(
        "{} is a group, broadcast or wildcard address: a command is for exactly one device",
        "{} 是组地址、广播或通配地址: 控制命令只能针对一台设备",
    ),
    "several_rounds": Text(
        "{} names more than one relay round: a command is for exactly one", "{} 涉及多个轮次: 一条命令只能针对一个轮次"
    ),
    "direct_close": Text(
        "closing directly is never done: people may be working behind the breaker. permit-close allows it, the customer's "
        "electrician closes",
        "从不直接合闸: 开关后可能有人作业。请用 permit-close, 由客户电工合闸",
    ),
    "keep_supply_off": Text(
        "keep-supply is never ended from here: it protects somebody. It ends by its own time, or on site",
        "从不远程解除保电: 保电用于保护用户。到期自动结束或现场解除",
    ),
    "exclude_off": Text(
        "an exclusion is never ended from here: somebody was taken out of group commands for a reason",
        "从不远程解除剔除: 剔除必有其原因",
    ),
    "no_end": Text(
        "{} has no end: nothing is restricted until further notice", "{} 没有结束时间: 不允许无限期限电",
    ),
    "resend": Text(
        "{} was given already: a command is never given twice by itself. Read the state back; a person decides",
        "{} 已下发过: 命令从不自动重发。请先回读控制状态, 由人决定",
    ),
}  # fmt: skip
"""What is never done, whoever asks for it."""

CHECKS: dict[str, Text] = {
    "no_sender": Text(
        "the approval chain does not exist in this version, so nothing here sends control to a device",
        "本版本尚无审批流程, 因此不会向真实设备下发控制命令",
    ),
    "no_workspace": Text(
        "there is no workspace: without registry and audit chain nothing is checked and nothing recorded",
        "没有工作区: 没有台账和审计链, 无法校核也无法留痕",
    ),
    "inhibited": Text("the inhibit file {} is there: all sending is stopped", "存在闭锁文件 {}: 停止一切下发"),
    "not_enabled": Text("control.enabled is off in keyacct.toml", "keyacct.toml 中 control.enabled 未开启"),
    "switch_writable": Text(
        "{} can be written by the user that runs this: who sends must not be able to switch it on",
        "运行用户可写 {}: 下发者不得自行开启",
    ),
    "not_on_list": Text("{} is not on the allow-list control.terminals", "{} 不在允许名单 control.terminals 中"),
    "not_registered": Text("{} is no device of the registry", "{} 不在台账中"),
    "no_account": Text("the registry does not say whose {} is", "台账未说明 {} 属于哪一户"),
    "no_mapping": Text(
        "no commissioned mapping, signed by two persons, says which breaker {} is",
        "没有经两人签字的投运对照, 不知 {} 对应哪个开关",
    ),
    "no_approval": Text(
        "nobody but who asks has approved exactly this command (hash {})", "除申请人外无人审批此命令 (摘要 {})",
    ),
    "approval_other": Text("an approval is for something else (hash {})", "审批对应的是另一条命令 (摘要 {})"),
    "approval_old": Text("the approval of {} has expired", "{} 的审批已过期"),
    "approval_own": Text("{} asked for it and may not approve it", "{} 是申请人, 不得审批"),
    "approval_shared": Text("{} is a shared account or root, which approves nothing", "{} 是共用账号或 root, 不得审批"),
    "approval_role": Text("{} has no role that may approve ({})", "{} 没有审批权限 (岗位 {})"),
    "no_reason": Text("a reason is missing", "缺少原因"),
    "too_early": Text("it may not be given before {}", "{} 之前不得下发"),
    "expired": Text("it has expired at {}: nothing is given late", "已于 {} 过期: 不得迟发"),
    "guaranteed": Text("account {} is under supply guarantee", "户 {} 处于保电状态"),
    "protected": Text("account {} is protected ({})", "户 {} 受保护 ({})"),
    "critical": Text("account {} is a critical customer of grade {}", "户 {} 为 {} 级重要客户"),
    "contract": Text("the contract of account {} is {}", "户 {} 的合同状态为 {}"),
    "no_contract": Text("the registry has no terms of account {} that hold now", "台账没有户 {} 现行的合同信息"),
    "no_source": Text(
        "the registry does not say from what account {} is supplied, so nobody knows where load would move",
        "台账没有户 {} 的电源信息, 无法判断负荷转移",
    ),
    "not_known": Text("nobody has said whether this is so: {}", "无人确认: {}"),
    "not_so": Text("this is not so: {}", "不成立: {}"),
    "no_safety_data": Text("the registry has no safety load of account {}", "台账没有户 {} 的保安负荷"),
    "safety_breaker": Text(
        "the safety load of account {} is behind the breaker {}", "户 {} 的保安负荷接在开关 {} 之后",
    ),
    "below_safety": Text(
        "a limit of {} kW is below the safety load of {} kW of account {}", "限值 {} kW 低于保安负荷 {} kW (户 {})",
    ),
    "float_safety": Text(
        "what a share of the present load leaves is not known beforehand: account {} has a safety load of {} kW",
        "下浮后剩余负荷无法预知: 户 {} 有保安负荷 {} kW",
    ),
    "dual_source": Text(
        "account {} has more than one source ({}): load may move over, which nobody has judged",
        "户 {} 有多路电源 ({}): 负荷可能转移, 尚未评估",
    ),
    "telemetry_old": Text("the last telemetry of {} is {}: at most {} min", "{} 最近一次遥测为 {}: 不得超过 {} 分钟"),
    "too_many_trips": Text("{} trips in 10 min are the most outside a plan", "方案外 10 分钟内最多 {} 次跳闸"),
    "kept": Text("the device says that supply is kept: it refuses trips", "设备处于保电状态, 拒绝跳闸"),
    "clock": Text("the clock of the device is {} s wrong", "设备时钟偏差 {} 秒"),
    "not_applied": Text("the device did not take what was written: {}", "设备未接受写入的参数: {}"),
    "no_answer": Text("the device did not answer the read before sending", "下发前召测无应答"),
}  # fmt: skip
"""What is checked before a command is given."""


@dataclass(frozen=True)
class Refusal:
    """One reason. code: stable for scripts, `never.group_address`, `check.not_enabled`."""

    code: str
    text: Text

    def __str__(self) -> str:
        return str(self.text)


def never(what: str, *told: object) -> Refusal:
    """A reason of the list of what is never done."""
    return Refusal(f"never.{what}", _filled(NEVER[what], told))


def check(what: str, *told: object) -> Refusal:
    """A reason of the list of what is checked."""
    return Refusal(f"check.{what}", _filled(CHECKS[what], told))


def _filled(text: Text, told: tuple[object, ...]) -> Text:
    def told_in(lang: Lang) -> list[object]:
        return [each.to(lang) if isinstance(each, Text) else each for each in told]

    return Text(text.en.format(*told_in("en")), text.zh.format(*told_in("zh")))


def refusing(refusals: Iterable[Refusal]) -> RefusedError:
    """The error that says why the command is not given (exit 8); `where` has the codes."""
    reasons = tuple(refusals)
    return RefusedError(
        "refused.not_approved",
        "; ".join(str(reason) for reason in reasons),
        hint=str(
            Text(
                "docs/control.md says what each reason means; without --execute the frame is only shown",
                "各原因含义见 docs/control.md; 不加 --execute 只演示报文",
            )
        ),
        where={"reasons": " ".join(reason.code for reason in reasons)},
    )
