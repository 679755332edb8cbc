"""`keyacct roster`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keyacct.cli.options import DryRunOption, Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app, open_workspace
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.config import Workspace

app = make_app(
    no_args_is_help=True,
    help=str(Text("The list of key accounts: rules, decisions, yearly review.", "大客户名单: 规则、审批与年度复核。")),
)

AccountsArgument = Annotated[
    list[str], typer.Argument(metavar="ACCOUNT…", help=str(Text("Account numbers.", "户号。")))
]
OnOption = Annotated[
    str | None, typer.Option("--on", metavar="DATE", help=str(Text("Day of the decision (else today).", "决定日期。")))
]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help=str(Text("As it was on this day.", "截至此日。")))
]
ByOption = Annotated[
    str, typer.Option("--by", metavar="STAFF", help=str(Text("Who decides (staff_no).", "决定人 (工号)。")))
]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help=str(Text("Why.", "理由。")))]
ProfileOption = Annotated[str, typer.Option("--profile", metavar="NAME", help=str(Text("Rule profile.", "规则名称。")))]
MeasuredOption = Annotated[
    bool,
    typer.Option(
        "--measured",
        help=str(
            Text(
                "Annual use from the samples of the last 12 months, where complete, before the registry's figure.",
                "年用电量优先取近 12 个月采样 (完整时), 其次取台账值。",
            )
        ),
    ),
]
TierOption = Annotated[str, typer.Option("--tier", metavar="NAME", help=str(Text("Tier on the list.", "级别。")))]

_HEADS = {
    "account_no": Text("account", "户号"), "account_name": Text("name", "户名"), "state": Text("state", "状态"),
    "decided_on": Text("on", "日期"), "decided_by": Text("by", "决定人"), "reason": Text("reason", "理由"),
    "profile": Text("profile", "规则"), "tier": Text("tier", "级别"), "labels": Text("labels", "标签"),
    "finding": Text("finding", "结论"), "meets": Text("meets", "符合"), "due": Text("review due", "需复核"),
    "contract_capacity_kva": Text("capacity kVA", "容量kVA"), "annual_energy_kwh": Text("annual kWh", "年电量kWh"),
    "voltage_level_kv": Text("kV", "电压kV"), "supplies": Text("supplies", "电源数"), "title": Text("rule", "内容"),
    "label_kind": Text("label", "标签类"), "proposed": Text("proposed", "建议"), "assigned": Text("assigned", "已定"),
    "capacity_kva_min": Text("from kVA", "容量起"), "annual_energy_kwh_min": Text("from kWh/a", "年电量起"),
    "size_logic": Text("sizes", "逻辑"), "voltage_kv_min": Text("from kV", "电压起"),
    "multi_source": Text("multi-source", "多电源"), "account_class": Text("class", "类别"),
}  # fmt: skip


def _columns(*names: str) -> list[Column]:
    return [Column(name, _HEADS[name]) for name in names]


def _day(workspace: Workspace, text: str | None) -> dt.date:
    from keyacct import clock
    from keyacct.errors import UsageError
    from keyacct.model import civil

    if text is None:
        return civil(clock.now_ms(), workspace.zone).date()
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError("usage.invalid", f"{text!r} is no date, write for example 2026-07-01") from None


@command(app, help=str(Text("The rule profiles.", "规则列表。")))
def profiles(format: FormatOption = Format.table) -> int | None:
    """List the profiles."""
    from dataclasses import asdict

    from keyacct.registry import roster

    columns = _columns(
        "profile", "capacity_kva_min", "annual_energy_kwh_min", "size_logic", "voltage_kv_min", "multi_source",
        "account_class", "title",
    )  # fmt: skip
    write_rows((asdict(profile) for profile in roster.profiles(open_workspace()).values()), columns, format)
    return None


@command(app, name="list", help=str(Text("The list as of a day.", "某日的名单。")))
def list_(
    state: Annotated[
        str,
        typer.Option("--state", help=str(Text("nominated, approved, rejected, removed or all.", "状态或 all。"))),
    ] = "approved",
    as_of: AsOfOption = None,
    format: FormatOption = Format.table,
) -> int | None:
    """Show the list."""
    from keyacct.errors import UsageError
    from keyacct.registry import roster

    if state not in (*roster.STATES, "all"):
        raise UsageError("usage.invalid", f"{state!r} is none of {', '.join(roster.STATES)}, all")
    workspace = open_workspace()
    rows = roster.roster(workspace, _day(workspace, as_of), None if state == "all" else state)
    columns = _columns(
        "account_no", "account_name", "state", "decided_on", "decided_by", "profile", "tier", "labels", "reason"
    )
    write_rows(rows, columns, format)
    return None


@command(
    app,
    help=str(
        Text(
            "Rule against list: who meets it and is not on the list, who is on it and no longer meets, what is due.",
            "规则与名单对照: 符合而未列入、已列入而不再符合、需复核。",
        )
    ),
)
def review(
    profile: ProfileOption,
    as_of: AsOfOption = None,
    measured: MeasuredOption = False,
    finding: Annotated[str, typer.Option("--finding", help=str(Text("Only this finding.", "只列此结论。")))] = "",
    format: FormatOption = Format.table,
) -> int | None:
    """Review the list."""
    from keyacct.registry import roster

    workspace = open_workspace()
    rows = _review(workspace, profile, as_of, measured)
    columns = _columns(
        "account_no", "account_name", "finding", "state", "meets", "due", "contract_capacity_kva", "annual_energy_kwh",
        "voltage_level_kv", "supplies",
    )  # fmt: skip
    write_rows([row for row in rows if not finding or row["finding"] == finding], columns, format)
    counts = {name: sum(row["finding"] == name for row in rows) for name in roster.FINDINGS}
    say(
        Text(
            f"{counts['ok']} on the list and meeting it, {counts['meets_rule_not_on_list']} meet it and are not on the"
            f" list, {counts['on_list_not_meeting_rule']} no longer meet it, {sum(bool(r['due']) for r in rows)} due",
            f"在册且符合 {counts['ok']}, 符合未列入 {counts['meets_rule_not_on_list']}, 不再符合"
            f" {counts['on_list_not_meeting_rule']}, 需复核 {sum(bool(r['due']) for r in rows)}",
        )
    )
    return None


def _review(workspace: Workspace, profile: str, as_of: str | None, measured: bool) -> list[dict[str, Any]]:
    from keyacct.registry import roster

    day = _day(workspace, as_of)
    chosen = roster.choose_profile(workspace, profile)
    energies = None
    if measured:
        from keyacct.workflow.annual_energy import rolling_year_kwh

        energies = rolling_year_kwh(workspace, day)
    return roster.review(workspace, chosen, day, energies)


@command(
    app, help=str(Text("Propose accounts; without numbers all that meet the rule.", "提名; 不给户号则为全部符合者。"))
)
def nominate(
    by: ByOption,
    reason: ReasonOption,
    profile: ProfileOption,
    accounts: Annotated[
        list[str] | None, typer.Argument(metavar="ACCOUNT…", help=str(Text("Account numbers.", "户号。")))
    ] = None,
    on: OnOption = None,
    tier: TierOption = "",
    measured: MeasuredOption = False,
    dry_run: DryRunOption = False,
) -> int | None:
    """Nominate accounts."""
    from keyacct.registry import roster

    workspace = open_workspace()
    roster.choose_profile(workspace, profile)
    if not accounts:
        free = roster.FOLLOWS["nominated"]
        rows = _review(workspace, profile, on, measured)
        accounts = [r["account_no"] for r in rows if r["meets"] and r["state"] in free and r["state"] != "rejected"]
    _decide("nominated", accounts, on, by, reason, profile, tier, dry_run)
    return None


def _decide(
    state: str, accounts: list[str], on: str | None, by: str, reason: str, profile: str, tier: str, dry_run: bool
) -> None:
    from keyacct.registry import roster

    workspace = open_workspace()
    count = roster.decide(
        workspace, state, accounts, on=_day(workspace, on), by=by, reason=reason, profile=profile, tier=tier,
        dry_run=dry_run,
    )  # fmt: skip
    words = {"nominated": "提名", "approved": "批准", "rejected": "否决", "removed": "移出"}
    say(Text(f"{state}: {count} accounts", f"{words[state]}: {count} 户"))
    if dry_run:
        say(Text("dry run: nothing was written", "试运行: 未写入"))


@command(app, help=str(Text("Approve nominated accounts.", "批准提名。")))
def approve(
    accounts: AccountsArgument, by: ByOption, reason: ReasonOption, on: OnOption = None, tier: TierOption = "",
    dry_run: DryRunOption = False,
) -> int | None:  # fmt: skip
    """Approve."""
    _decide("approved", accounts, on, by, reason, "", tier, dry_run)
    return None


@command(app, help=str(Text("Reject nominated accounts.", "否决提名。")))
def reject(
    accounts: AccountsArgument, by: ByOption, reason: ReasonOption, on: OnOption = None, dry_run: DryRunOption = False
) -> int | None:
    """Reject."""
    _decide("rejected", accounts, on, by, reason, "", "", dry_run)
    return None


@command(app, help=str(Text("Take accounts off the list.", "移出名单。")))
def remove(
    accounts: AccountsArgument, by: ByOption, reason: ReasonOption, on: OnOption = None, dry_run: DryRunOption = False
) -> int | None:
    """Remove."""
    _decide("removed", accounts, on, by, reason, "", "", dry_run)
    return None


@command(app, help=str(Text("Every decision about one account.", "一户的全部决定。")))
def history(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help=str(Text("Account number.", "户号。")))],
    format: FormatOption = Format.table,
) -> int | None:
    """Show decisions."""
    from keyacct.registry import roster

    columns = _columns("account_no", "state", "decided_on", "decided_by", "profile", "tier", "reason")
    write_rows(roster.decisions(open_workspace(), account_no=account), columns, format)
    return None


@command(app, help=str(Text("Labels that the registry suggests, beside those assigned.", "建议标签与已定标签。")))
def labels(as_of: AsOfOption = None, format: FormatOption = Format.table) -> int | None:
    """Show labels."""
    from keyacct.registry import roster

    workspace = open_workspace()
    rows = roster.proposed_labels(workspace, _day(workspace, as_of))
    write_rows(rows, _columns("account_no", "label_kind", "proposed", "assigned"), format)
    return None
