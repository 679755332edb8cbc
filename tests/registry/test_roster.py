"""The roster: rules with their boundary values, decisions and who may take them, rule against list."""

from __future__ import annotations

import datetime as dt

import pytest

from keyacct import clock
from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError, RefusedError, UsageError
from keyacct.registry import roster
from keyacct.registry.editing import set_fields
from keyacct.registry.importing import import_registry
from keyacct.registry.roster import Facts, Profile, decide, meets, proposed_labels, review

DAY = dt.date(2026, 6, 30)
RULE = roster.PROFILES[0]


@pytest.fixture(autouse=True)
def _now():
    clock.fix("2026-07-01T00:00:00+08:00")
    yield
    clock.fix(None)


def account(no: str, **terms: object) -> str:
    lines = [f"{key} = {value!r}".replace("'", '"') for key, value in terms.items()]
    return "\n".join(["[[account]]", f'account_no = "{no}"', f'account_name = "Works {no}"', *lines, ""])


def facts(
    capacity: float | None = None, energy: float | None = None, supplies: int = 1, kv: float | None = None
) -> Facts:
    return Facts("1", "n", capacity, energy, kv, None, supplies)


@pytest.mark.parametrize(
    ("given", "logic", "good"),
    [
        (facts(1000), "any", True),  # 以上 includes the number
        (facts(999.99), "any", False),
        (facts(10, 5_000_000), "any", True),
        (facts(10, 4_999_999.99), "any", False),
        (facts(1000, 4_999_999), "all", False),
        (facts(1000, 5_000_000), "all", True),
        (facts(1000, None), "all", False),
        (facts(10, 10, supplies=2), "all", True),  # every dual-source customer, whatever the size
        (facts(None, None), "any", False),
    ],
)
def test_a_boundary_value_meets_the_rule_and_sizes_join_by_their_logic(given: Facts, logic: str, good: bool) -> None:
    profile = Profile("p", capacity_kva_min=1000, annual_energy_kwh_min=5e6, size_logic=logic, multi_source=True)
    assert (meets(profile, given) is not None) is good


@pytest.mark.parametrize(("name", "kv", "kva", "good"), [
    ("wenzhou_2017_hv", 10, 50, True), ("wenzhou_2017_hv", 0.38, 5000, False), ("wenzhou_2017_hv", None, 5000, False),
    ("wenzhou_2017_large", 0.38, 2000, True), ("wenzhou_2017_large", 10, 1999, False),
])  # fmt: skip
def test_profiles_of_the_program(name: str, kv: float | None, kva: float, good: bool) -> None:
    profile = next(p for p in roster.PROFILES if p.profile == name)
    assert (meets(profile, facts(kva, kv=kv)) is not None) is good


def test_a_profile_is_data_of_the_registry(workspace: Workspace) -> None:
    own = '[[roster_profile]]\nprofile = "own"\ncapacity_kva_min = 800\n'
    import_registry(workspace, account("1", contract_capacity_kva=800) + own)
    profile = roster.choose_profile(workspace, "own")
    assert [row["account_no"] for row in review(workspace, profile, DAY)] == ["1"]
    with pytest.raises(ConfigError, match="no roster profile 'ownn'"):
        roster.choose_profile(workspace, "ownn")


def test_the_way_of_an_account_on_and_off_the_list(workspace: Workspace) -> None:
    import_registry(workspace, account("1", contract_capacity_kva=1000))

    def take(state: str, day: int, by: str) -> None:
        decide(workspace, state, ["1"], on=dt.date(2026, 1, day), by=by, reason="r", profile="zhangqiu_2006")

    with pytest.raises(RefusedError, match="must be nominated"):
        take("approved", 1, "G1")
    take("nominated", 1, "M1")
    with pytest.raises(RefusedError, match="cannot decide on it"):
        take("approved", 2, "M1")
    take("rejected", 2, "G1")
    take("nominated", 3, "M1")
    with pytest.raises(UsageError, match="was nominated on 2026-01-03"):
        take("approved", 2, "G1")
    take("approved", 4, "G1")
    assert [r["state"] for r in roster.roster(workspace, dt.date(2026, 1, 3))] == ["nominated"]
    assert [r["account_no"] for r in roster.roster(workspace, DAY, "approved")] == ["1"]
    take("removed", 5, "G1")
    assert roster.roster(workspace, DAY, "approved") == []
    assert [(r["state"], r["decided_on"], r["decided_by"]) for r in roster.decisions(workspace, account_no="1")] == [
        ("nominated", "2026-01-01", "M1"), ("rejected", "2026-01-02", "G1"), ("nominated", "2026-01-03", "M1"),
        ("approved", "2026-01-04", "G1"), ("removed", "2026-01-05", "G1"),
    ]  # fmt: skip
    with open_database(workspace).read() as connection:
        assert audit.verify(connection)[1] is None


def test_decisions_are_all_or_none_and_cannot_be_changed(workspace: Workspace) -> None:
    import_registry(workspace, account("1") + account("2"))
    with pytest.raises(ConfigError, match="no account '3'"):
        decide(workspace, "nominated", ["1", "3"], on=DAY, by="M", reason="r")
    assert roster.decisions(workspace) == []
    decide(workspace, "nominated", ["1", "2"], on=DAY, by="M", reason="r")
    with pytest.raises(Exception, match="append-only"), open_database(workspace).write() as connection:
        connection.exec_driver_sql("DELETE FROM roster_decision")
    with pytest.raises(UsageError, match="future"):
        decide(workspace, "approved", ["1"], on=dt.date(2026, 7, 2), by="G", reason="r")


def test_where_a_leading_group_is_registered_only_it_decides(workspace: Workspace) -> None:
    people = """
[[staff]]
staff_no = "G1"
staff_name = "Li"

[[staff_role]]
staff_no = "G1"
role = "leading_group"
valid_from = 2026-01-01
"""
    import_registry(workspace, account("1") + people)
    decide(workspace, "nominated", ["1"], on=DAY, by="M1", reason="r")
    with pytest.raises(RefusedError, match="M2 is not of the leading group"):
        decide(workspace, "approved", ["1"], on=DAY, by="M2", reason="r")
    decide(workspace, "approved", ["1"], on=DAY, by="G1", reason="r")


def test_rule_against_list_and_what_is_due(workspace: Workspace) -> None:
    text = (
        account("1", contract_capacity_kva=1000) + account("2", contract_capacity_kva=500)
        + account("3", contract_capacity_kva=2000) + account("4", contract_capacity_kva=400)
        + account("5", contract_capacity_kva=1200)
    )  # fmt: skip
    import_registry(workspace, text)
    for no, year in (("1", 2026), ("2", 2026), ("5", 2025)):
        decide(workspace, "nominated", [no], on=dt.date(year, 2, 1), by="M", reason="r")
        decide(workspace, "approved", [no], on=dt.date(year, 2, 2), by="G", reason="r")
    start = int(dt.datetime(2026, 5, 1, tzinfo=workspace.zone).timestamp() * 1000)
    set_fields(
        workspace, "account_terms", {"account_no": "1", "contract_capacity_kva": "1600"}, from_ms=start, reason="more"
    )
    found = {row["account_no"]: (row["finding"], row["due"]) for row in review(workspace, RULE, DAY)}
    assert found == {
        "1": ("ok", "capacity changed on 2026-05-01"), "2": ("on_list_not_meeting_rule", None),
        "3": ("meets_rule_not_on_list", None), "5": ("ok", "12 months since 2025-02-02"),
    }  # fmt: skip
    measured = review(workspace, RULE, DAY, {"4": 5_000_000.0})
    assert [row["finding"] for row in measured if row["account_no"] == "4"] == ["meets_rule_not_on_list"]


def test_labels_are_suggested_beside_those_assigned(workspace: Workspace) -> None:
    text = (
        account("1", contract_capacity_kva=10_000, account_class="critical", industry_code="2611")
        + """
[[account_label]]
account_no = "1"
label_kind = "tier"
label = "A"
"""
    )
    import_registry(workspace, text)
    labels = {row["label_kind"]: (row["proposed"], row["assigned"]) for row in proposed_labels(workspace, DAY)}
    assert labels == {
        "industry": ("2611", None), "load": ("I", None), "risk": ("critical_single_source", None), "tier": (None, "A"),
    }  # fmt: skip
