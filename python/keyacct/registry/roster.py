"""The list of key accounts: who meets a rule, who is on the list, who decided it and when.

The manager nominates by a rule profile, the leading group approves; decisions are kept for ever. Profiles are data: the
ones below come with the program, more stand in the registry (`roster_profile`), where one of the same name goes first.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from keyacct import clock
from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.database.registry_tables import roster_decision
from keyacct.errors import ConfigError, RefusedError, UsageError
from keyacct.model import civil, midnight_ms
from keyacct.registry.listing import list_rows

STATES = ("nominated", "approved", "rejected", "removed")
FOLLOWS: Mapping[str, tuple[str | None, ...]] = {
    "nominated": (None, "rejected", "removed"), "approved": ("nominated",), "rejected": ("nominated",),
    "removed": ("approved",),
}  # fmt: skip
"""Which states each may follow."""
FINDINGS = ("ok", "meets_rule_not_on_list", "on_list_not_meeting_rule")
REVIEW_MONTHS = 12


@dataclass(frozen=True)
class Profile:
    """A rule. The size tests that are given (capacity, annual use) are joined by `size_logic`; voltage and class must
    hold as well where they are given; `multi_source` takes in whoever has two supplies, whatever the size. A boundary
    value meets its test; what the registry does not tell does not.
    """

    profile: str
    title: str = ""
    capacity_kva_min: float | None = None
    annual_energy_kwh_min: float | None = None
    size_logic: str = "any"
    voltage_kv_min: float | None = None
    multi_source: bool = False
    account_class: str | None = None


PROFILES: tuple[Profile, ...] = (
    Profile(
        "zhangqiu_2006", "1000 kVA or 5 GWh a year, and every dual-source customer (S0 §1.3; and/or is [D])",
        capacity_kva_min=1000, annual_energy_kwh_min=5_000_000, multi_source=True,
    ),
    Profile("wenzhou_2017_hv", "every customer supplied at 10 kV or more (S3 二)", voltage_kv_min=10),
    Profile("wenzhou_2017_large", "2000 kVA or more: a tier within the high-voltage customers (S3 一(二))",
            capacity_kva_min=2000),
    Profile("critical", "critical customers by their grade (S1 C art. 2)", account_class="critical"),
)  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What a rule looks at, of one account on one day."""

    account_no: str
    account_name: str
    capacity_kva: float | None
    annual_energy_kwh: float | None
    voltage_kv: float | None
    account_class: str | None
    supplies: int


def meets(profile: Profile, facts: Facts) -> str | None:
    """Why an account meets the rule, as words with the figures; None where it does not."""
    if profile.multi_source and facts.supplies >= 2:
        return f"{facts.supplies} supplies"
    tests = [
        (name, value is not None and value >= least, value)
        for name, value, least in (
            ("kVA", facts.capacity_kva, profile.capacity_kva_min),
            ("kWh/a", facts.annual_energy_kwh, profile.annual_energy_kwh_min),
        )
        if least is not None
    ]
    reasons = [f"{value:g} {name}" for name, good, value in tests if good]
    if tests and not (len(reasons) == len(tests) if profile.size_logic == "all" else reasons):
        return None
    if profile.voltage_kv_min is not None:
        if facts.voltage_kv is None or facts.voltage_kv < profile.voltage_kv_min:
            return None
        reasons.append(f"{facts.voltage_kv:g} kV")
    if profile.account_class is not None:
        if facts.account_class != profile.account_class:
            return None
        reasons.append(f"class {profile.account_class}")
    return ", ".join(reasons) or None


def profiles(workspace: Workspace) -> dict[str, Profile]:
    """Every profile by its name, those of the registry before those of the program."""
    known = {profile.profile: profile for profile in PROFILES}
    for row in list_rows(workspace, "roster_profile"):
        values = {name: value for name, value in row.items() if value is not None}
        known[row["profile"]] = Profile(**{**values, "multi_source": values.get("multi_source") == "true"})
    return known


def choose_profile(workspace: Workspace, name: str) -> Profile:
    """The profile of a name. Raises ConfigError naming the nearest."""
    known = profiles(workspace)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise ConfigError(
            "config.registry_not_found", f"there is no roster profile {name!r}",
            hint=f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}",
        )  # fmt: skip
    return known[name]


def facts_on(workspace: Workspace, day: dt.date, energies: Mapping[str, float] | None = None) -> list[Facts]:
    """Every account as of the end of a day. energies: measured kWh of the twelve months before, where known."""
    at = _end_of(workspace, day)
    supplies: dict[str, int] = {}
    for row in list_rows(workspace, "source", as_of_ms=at):
        if row["role"] != "emergency_own":
            supplies[row["account_no"]] = supplies.get(row["account_no"], 0) + 1
    return [
        Facts(
            row["account_no"], row["account_name"], row["contract_capacity_kva"],
            (energies or {}).get(row["account_no"], row["annual_energy_kwh"]), row["voltage_level_kv"],
            row["account_class"], supplies.get(row["account_no"], 0),
        )
        for row in list_rows(workspace, "accounts", as_of_ms=at)
    ]  # fmt: skip


def _end_of(workspace: Workspace, day: dt.date) -> int:
    return midnight_ms(day + dt.timedelta(days=1), workspace.zone) - 1


def decisions(
    workspace: Workspace, *, account_no: str | None = None, day: dt.date | None = None
) -> list[dict[str, Any]]:
    """Every decision up to a day, in the order in which they were taken."""
    query = sa.select(roster_decision).order_by(roster_decision.c.id)
    if account_no is not None:
        query = query.where(roster_decision.c.account_no == account_no)
    if day is not None:
        query = query.where(roster_decision.c.decided_on <= day.isoformat())
    with open_database(workspace).read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def roster(workspace: Workspace, day: dt.date, state: str | None = None) -> list[dict[str, Any]]:
    """The last decision about each account up to a day, with its name and labels; `state` chooses."""
    last = {row["account_no"]: row for row in decisions(workspace, day=day)}
    at = _end_of(workspace, day)
    labels: dict[str, list[str]] = {}
    for row in list_rows(workspace, "account_label", as_of_ms=at):
        labels.setdefault(row["account_no"], []).append(f"{row['label_kind']}={row['label']}")
    names = {row["account_no"]: row["account_name"] for row in list_rows(workspace, "account")}
    return [
        {**row, "account_name": names.get(no), "labels": ", ".join(labels.get(no, []))}
        for no, row in sorted(last.items())
        if state is None or row["state"] == state
    ]


def decide(
    workspace: Workspace, state: str, accounts: Sequence[str], *, on: dt.date, by: str, reason: str, profile: str = "",
    tier: str = "", dry_run: bool = False,
) -> int:  # fmt: skip
    """Take one decision about accounts, all of them or none; how many. Audited.

    Raises UsageError (empty name or reason, a day before the last decision), ConfigError (unknown account), RefusedError
    (the state does not follow; the nominator decides; somebody outside the leading group, where one is registered).
    """
    if not by.strip() or not reason.strip():
        raise UsageError("usage.invalid", "a decision needs who took it (--by) and why (--reason)")
    if on > civil(clock.now_ms(), workspace.zone).date():
        raise UsageError("usage.invalid", f"{on} is in the future")
    group = {
        row["staff_no"]
        for row in list_rows(workspace, "staff_role", as_of_ms=_end_of(workspace, on))
        if row["role"] == "leading_group"
    }
    if state != "nominated" and group and by not in group:
        raise RefusedError(
            "refused.not_approved", f"{by} is not of the leading group on {on}",
            hint=f"its members are {', '.join(sorted(group))} (staff_role)",
        )  # fmt: skip
    with open_database(workspace).write() as connection:
        known = {row[0] for row in connection.execute(sa.text("SELECT account_no FROM account"))}
        last = {
            row.account_no: row for row in connection.execute(sa.select(roster_decision).order_by(roster_decision.c.id))
        }
        number = connection.execute(sa.select(sa.func.coalesce(sa.func.max(roster_decision.c.id), 0))).scalar_one()
        for account_no in dict.fromkeys(accounts):
            before = _may_follow(account_no, state, last.get(account_no), known, on, by)
            number += 1
            row = {
                "id": number, "account_no": account_no, "state": state, "decided_on": on.isoformat(), "decided_by": by,
                "reason": reason, "profile": profile or (before.profile if before else None),
                "tier": tier or (before.tier if before else None), "noted_at": clock.now_ms(),
            }  # fmt: skip
            if not dry_run:
                connection.execute(roster_decision.insert(), row)
                audit.append(connection, f"roster.{state}", {k: v for k, v in row.items() if k != "noted_at"})
    return len(set(accounts))


def _may_follow(
    account_no: str, state: str, before: sa.Row[Any] | None, known: Iterable[str], on: dt.date, by: str
) -> sa.Row[Any] | None:
    if account_no not in known:
        near = difflib.get_close_matches(account_no, list(known), n=1)
        raise ConfigError(
            "config.registry_not_found", f"there is no account {account_no!r} in the registry",
            hint=f"did you mean {near[0]}?" if near else "see `keyacct registry list accounts`",
        )  # fmt: skip
    now = before.state if before is not None else None
    if now not in FOLLOWS[state]:
        needed = " or ".join(name or "not on the list" for name in FOLLOWS[state])
        raise RefusedError(
            "refused.not_approved", f"account {account_no} is {now or 'not on the list'}, to be {state} it must be {needed}",
            hint="see `keyacct roster history`",
        )  # fmt: skip
    if before is not None and on.isoformat() < before.decided_on:
        raise UsageError("usage.invalid", f"account {account_no} was {now} on {before.decided_on}, after {on}")
    if state in ("approved", "rejected") and before is not None and before.decided_by == by:
        raise RefusedError("refused.not_approved", f"{by} nominated account {account_no} and cannot decide on it")
    return before


def review(
    workspace: Workspace, profile: Profile, day: dt.date, energies: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Rule against list on a day: one row per account that meets the rule or is on the list.

    finding: `ok`, `meets_rule_not_on_list`, `on_list_not_meeting_rule`. due: why the account is to be looked at again
    (a year since the decision, or a change of capacity since), empty when it is not.
    """
    last = {row["account_no"]: row for row in decisions(workspace, day=day)}
    changes = _capacity_changes(workspace, day)
    rows = []
    for facts in facts_on(workspace, day, energies):
        why, decision = meets(profile, facts), last.get(facts.account_no)
        listed = decision is not None and decision["state"] == "approved"
        if not listed and why is None:
            continue
        due = ""
        if decision is not None:
            decided = dt.date.fromisoformat(decision["decided_on"])
            if (changed := changes.get(facts.account_no)) is not None and changed > decided:
                due = f"capacity changed on {changed}"
            elif _anniversary(decided) <= day:
                due = f"{REVIEW_MONTHS} months since {decided}"
        finding = "ok" if listed and why else "on_list_not_meeting_rule" if listed else "meets_rule_not_on_list"
        rows.append(
            {
                "account_no": facts.account_no, "account_name": facts.account_name, "finding": finding,
                "state": decision["state"] if decision else None, "meets": why, "due": due or None,
                "contract_capacity_kva": facts.capacity_kva, "annual_energy_kwh": facts.annual_energy_kwh,
                "voltage_level_kv": facts.voltage_kv, "supplies": facts.supplies,
            }
        )  # fmt: skip
    return rows


def _anniversary(day: dt.date) -> dt.date:
    try:
        return day.replace(year=day.year + 1)
    except ValueError:  # 29 February
        return dt.date(day.year + 1, 3, 1)


def _capacity_changes(workspace: Workspace, day: dt.date) -> dict[str, dt.date]:
    """Per account the last day on which another contract capacity began."""
    changes: dict[str, dt.date] = {}
    before: dict[str, Any] = {}
    for row in list_rows(workspace, "account_terms"):
        no, capacity = row["account_no"], row["contract_capacity_kva"]
        if no in before and before[no] != capacity and row["valid_from"] is not None:
            began = dt.date.fromisoformat(str(row["valid_from"])[:10])
            if began <= day:
                changes[no] = began
        before[no] = capacity
    return changes


def proposed_labels(workspace: Workspace, day: dt.date) -> list[dict[str, Any]]:
    """Labels that the registry itself suggests, beside those assigned (`account_label`): industry by its code, use by
    the shifts, load by the capacity classes of DL/T 448-2000, pf by the standard, risk by what is missing of a supply.
    """
    at = _end_of(workspace, day)
    sources: dict[str, list[dict[str, Any]]] = {}
    for row in list_rows(workspace, "source", as_of_ms=at):
        sources.setdefault(row["account_no"], []).append(row)
    safety = {row["account_no"]: row["safety_load_kw"] for row in list_rows(workspace, "safety_data", as_of_ms=at)}
    shifts = {
        row["account_no"]: row["shift_pattern"] for row in list_rows(workspace, "production_profile", as_of_ms=at)
    }
    assigned = {
        (row["account_no"], row["label_kind"]): row["label"]
        for row in list_rows(workspace, "account_label", as_of_ms=at)
    }
    result = []
    for row in list_rows(workspace, "accounts", as_of_ms=at):
        no, capacity = row["account_no"], row["contract_capacity_kva"]
        supplies = [s for s in sources.get(no, []) if s["role"] != "emergency_own"]
        own_kw = sum(s["own_generation_kw"] or 0 for s in sources.get(no, []) if s["role"] == "emergency_own")
        risk = "none"
        if row["account_class"] == "critical" and len(supplies) < 2:
            risk = "critical_single_source"
        elif (safety.get(no) or 0) * 1.2 > own_kw and safety.get(no):
            risk = "own_source_below_120_pct"  # GB/T 29328: 120 % of the safety load
        proposals = {
            "industry": row["industry_code"], "use": shifts.get(no) and f"shifts_{shifts[no]}",
            "load": _capacity_class(capacity), "pf": row["pf_standard"] and f"{row['pf_standard']:.2f}", "risk": risk,
        }  # fmt: skip
        for kind, label in proposals.items():
            if label is not None or (no, kind) in assigned:
                result.append(
                    {"account_no": no, "label_kind": kind, "proposed": label, "assigned": assigned.get((no, kind))}
                )
        if (no, "tier") in assigned:
            result.append({"account_no": no, "label_kind": "tier", "proposed": None, "assigned": assigned[no, "tier"]})
    return result


def _capacity_class(capacity_kva: float | None) -> str | None:
    if capacity_kva is None:
        return None
    return next((name for name, least in (("I", 10_000), ("II", 2000), ("III", 315)) if capacity_kva >= least), "IV")
