"""The door: a real device is refused, always, with every reason; approvals are for one digest and one time."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import json
import sqlite3

import pytest
from control_orders import order_of

from keyacct import clock
from keyacct.config import ControlSettings, Workspace, open_workspace
from keyacct.control import door as door_module
from keyacct.control.approvals import Approval, check_approvals
from keyacct.control.commands import (
    Alarm,
    DownFloat,
    EnableLimit,
    KeepSupply,
    PermitClose,
    PowerLimit,
    Trip,
    check_for,
)
from keyacct.control.door import Device, Gate, pass_door
from keyacct.control.evidence import FACTS, NOBODY_AT_WORK, NOTICE, PROVED, STAGE_ALARMS
from keyacct.control.journal import list_attempts
from keyacct.control.rehearsal import Rehearsal
from keyacct.control.targets import (
    Commissioned,
    CommissionedMapping,
    RelayRound,
    Target,
    TimeBlock,
    one_device,
    one_round,
)
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.errors import InputError, RefusedError, UsageError, WriteError
from keyacct.registry.importing import import_registry

R2 = RelayRound(2)
TRIP = Trip(R2, 60, 5)
DAYS = (dt.date(2026, 7, 1), dt.date(2026, 7, 3))
MINUTE_MS = 60_000

REGISTRY = """
[[customer]]
customer = "C1"
customer_name = "Works"
[[account]]
account_no = "1001"
account_name = "Works"
customer = "C1"
[[account_terms]]
account_no = "1001"
valid_from = 2026-01-01
status = "active"
[[source]]
account_no = "1001"
source = "main"
valid_from = 2026-01-01
role = "main"
[[safety_data]]
account_no = "1001"
valid_from = 2026-01-01
safety_load_kw = 300.0
safety_load_breaker = "QF9"
[[point]]
point = "P1"
[[point_account]]
point = "P1"
account_no = "1001"
valid_from = 2026-01-01
[[meter]]
meter_no = "M1"
protocol = "dlt645-2007"
address = "000000005001"
[[meter_point]]
meter_no = "M1"
point = "P1"
valid_from = 2026-01-01
[[terminal]]
terminal_no = "T1"
protocol = "gdw1376.1"
address = "3701-0001"
[[terminal_site]]
terminal_no = "T1"
account_no = "1001"
valid_from = 2026-01-01
control_rounds = 4
"""
TARGET = Target("gdw1376.1", "3701-0001", "1001", terminal_no="T1")


def refusal(order, gate=None):
    with pytest.raises(RefusedError) as error:
        pass_door(order, gate or Gate(), Device("somewhere"))
    assert error.value.exit_code == 8
    return set(str(error.value.where["reasons"]).split())


class Known:
    """Evidence that somebody gives, all of it unless said otherwise."""

    def __init__(self, **facts):
        self.given = {**dict.fromkeys(FACTS, True), **facts}

    def facts(self, order):
        return {name: so for name, so in self.given.items() if so is not None}


class Chain:
    def __init__(self, *approvals):
        self.given = approvals

    def approvals(self, order):
        return self.given


def commissioned(*, safety=False, signed=("wang", "zhao")):
    return CommissionedMapping((Commissioned("T1", R2, "1001", "QF2", safety, signed),))


@pytest.fixture
def office(workspace):
    """A workspace whose registry knows the terminal, with power seen a minute ago, and everything switched on."""
    import_registry(workspace, REGISTRY)
    _power(workspace, clock.now_ms() - MINUTE_MS)
    return switched(workspace)


def switched(workspace, **more):
    control = ControlSettings.model_construct(**{"enabled": True, "terminals": ("T1",), **more})
    return Workspace(workspace.root, workspace.settings.model_copy(update={"control": control}))


def _power(workspace, at_ms):
    import pyarrow as pa

    from keyacct.store.families import FAMILIES
    from keyacct.store.ingest import BatchWriter

    schema = pa.schema([field for field in FAMILIES["power"].schema if field.name != "batch"])
    row = {"meter": "M1", "kind": "snapshot", "ts": dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC), "quality": 0}
    row |= {"p": decimal.Decimal("12.5"), "recv_at": row["ts"]}
    with BatchWriter(workspace, source="test", sha256=None, decoder="test") as writer:
        writer.add("power", pa.Table.from_pylist([row], schema=schema))
        writer.commit()


def approved(order, *, approver="chen", role="control_approver", given_at_ms=None, digest=None):
    return Approval(digest or order.digest, approver, role, clock.now_ms() if given_at_ms is None else given_at_ms)


@pytest.fixture
def locked(monkeypatch):
    """As if the settings were not writable for who runs this (tests may run as root, who can write anything)."""
    monkeypatch.setattr(door_module, "_can_be_changed", lambda file: False)


# a real device -----------------------------------------------------------------------------------------------------------


def test_with_everything_right_only_the_missing_sender_refuses(office, locked):
    order = order_of(TRIP, target=TARGET)
    gate = Gate(office, commissioned(), Chain(approved(order)), Known())
    assert refusal(order, gate) == {"check.no_sender"}


@pytest.mark.parametrize(
    "command",
    [TRIP, PermitClose(R2), PowerLimit(1, R2, 480, *DAYS), EnableLimit(1, 480, *DAYS, R2), DownFloat(1, R2, 20, 60),
     KeepSupply(60)],
    ids=lambda command: command.action,
)  # fmt: skip
def test_every_command_to_a_device_is_refused_without_a_workspace(command):
    assert {"check.no_sender", "check.no_workspace"} <= refusal(order_of(command))


def test_nothing_but_a_rehearsal_counts_as_one():
    class Mine(Rehearsal):
        def __init__(self):
            pass

        def ask(self, frame):
            raise AssertionError("sent")

    for to in (Mine(), object(), "socket://127.0.0.1:1", Device()):
        with pytest.raises(RefusedError):
            pass_door(order_of(TRIP), Gate(), to)
    with pytest.raises(TypeError):
        Rehearsal(object())


def test_a_new_workspace_refuses_for_each_reason(workspace):
    reasons = refusal(order_of(TRIP, reason=" "), Gate(workspace))
    expected = {"no_sender", "not_enabled", "switch_writable", "no_reason", "not_registered", "no_approval"}
    assert {f"check.{name}" for name in expected} <= reasons


def test_the_inhibit_file_refuses_whatever_it_is(office, locked):
    order = order_of(TRIP, target=TARGET)
    gate = Gate(office, commissioned(), Chain(approved(order)), Known())
    stop = office.root / "CONTROL-INHIBIT"
    for make in (lambda: stop.write_text(""), stop.mkdir, lambda: stop.symlink_to("nowhere")):
        make()
        assert "check.inhibited" in refusal(order, gate)
        stop.rmdir() if stop.is_dir() and not stop.is_symlink() else stop.unlink()
    assert refusal(order, gate) == {"check.no_sender"}


@pytest.mark.sqlite
def test_without_a_database_nothing_leaves(office, locked):
    (office.root / "register.db").write_bytes(b"not a database" * 100)
    order = order_of(TRIP, target=TARGET)
    with pytest.raises(WriteError):
        pass_door(order, Gate(office, commissioned(), Chain(approved(order)), Known()), Device())


def test_the_switch_does_not_count_while_who_sends_can_turn_it(office):
    order = order_of(TRIP, target=TARGET)
    assert "check.switch_writable" in refusal(order, Gate(office, commissioned(), Chain(approved(order)), Known()))


def test_time_is_over_or_not_yet(office, locked):
    order = order_of(TRIP, target=TARGET)
    gate = Gate(office, commissioned(), Chain(approved(order)), Known())
    clock.fix("2026-07-01T10:10:00+08:00")
    assert "check.expired" in refusal(order, gate)
    assert list_attempts(office)[0].state == "expired"
    early = order_of(TRIP, target=TARGET, not_before_ms=clock.now_ms() + MINUTE_MS)
    assert "check.too_early" in refusal(early, gate)


def set_row(workspace, text):
    import_registry(workspace, text)


INTERLOCKS = [
    ('[[account_terms]]\naccount_no="1001"\nvalid_from=2026-01-01\nstatus="suspended"', TRIP, "contract"),
    ('[[account_terms]]\naccount_no="1001"\nvalid_from=2026-01-01\naccount_class="critical"\ncritical_grade="1"', TRIP,
     "critical"),
    ('[[safety_data]]\naccount_no="1001"\nvalid_from=2026-01-01\nsafety_load_kw=300.0\nguarantee_flag=true', TRIP, "guaranteed"),
    ('[[safety_data]]\naccount_no="1001"\nvalid_from=2026-01-01\nsafety_load_kw=300.0\nprotected_class="4"', TRIP, "protected"),
    ('[[safety_data]]\naccount_no="1001"\nvalid_from=2026-01-01', TRIP, "no_safety_data"),
    ('[[source]]\naccount_no="1001"\nsource="2"\nvalid_from=2026-01-01\nrole="standby"', TRIP, "dual_source"),
    ('[[source]]\naccount_no="1001"\nsource="main"\nvalid_from=2026-01-01\nvalid_to=2026-02-01\nrole="main"', TRIP,
     "no_source"),
    ('[[account_terms]]\naccount_no="1001"\nvalid_from=2026-01-01\nvalid_to=2026-02-01\nstatus="active"', TRIP,
     "no_contract"),
    ("", PowerLimit(1, R2, 299, *DAYS), "below_safety"),
    ("", EnableLimit(1, 299, *DAYS, R2), "below_safety"),
    ("", DownFloat(1, R2, 20, 60), "float_safety"),
    ("", Trip(RelayRound(3), 60, 5), "no_mapping"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "command", "reason"), INTERLOCKS, ids=[f"{n}-{r}" for n, (_, _, r) in enumerate(INTERLOCKS)]
)
def test_an_interlock_of_the_registry_refuses(office, locked, rows, command, reason):
    if rows:
        set_row(office, rows)
    order = order_of(command, target=TARGET)
    reasons = refusal(order, Gate(office, commissioned(), Chain(approved(order)), Known()))
    assert reasons == {"check.no_sender", f"check.{reason}"}


@pytest.mark.parametrize("so", [False, None], ids=["not_so", "not_known"])
@pytest.mark.parametrize(
    ("command", "needs"),
    [(TRIP, {NOBODY_AT_WORK, NOTICE, STAGE_ALARMS, PROVED}), (PermitClose(R2), {NOBODY_AT_WORK, PROVED}),
     (KeepSupply(60), {NOBODY_AT_WORK, PROVED})],
    ids=lambda each: getattr(each, "action", ""),
)  # fmt: skip
def test_what_nobody_knows_refuses_as_what_is_not_so(office, locked, command, needs, so):
    order = order_of(command, target=TARGET)
    for fact in FACTS:
        reasons = refusal(order, Gate(office, commissioned(), Chain(approved(order)), Known(**{fact: so})))
        expected = {"check.not_known" if so is None else "check.not_so"} if fact in needs else set()
        assert reasons - {"check.no_mapping"} == {"check.no_sender", *expected}, fact


def test_nobody_knows_anything_in_this_version(office, locked):
    order = order_of(TRIP, target=TARGET)
    assert "check.not_known" in refusal(order, Gate(office, commissioned(), Chain(approved(order))))


def test_a_limit_at_the_safety_load_passes_the_interlock(office, locked):
    order = order_of(PowerLimit(1, R2, 300, *DAYS), target=TARGET)
    assert refusal(order, Gate(office, commissioned(), Chain(approved(order)), Known())) == {"check.no_sender"}


def test_a_protected_account_of_the_priority_table_refuses(office, locked):
    with open_database(office).write() as connection:
        from keyacct.database.shedding_tables import priority_entry, priority_table

        connection.execute(
            priority_table.insert().values(
                version="v1", title="t", issued_by="g", valid_from="2026-01-01", valid_to="2026-12-31", file="f",
                digest="d", noted_at=0,
            )
        )  # fmt: skip
        connection.execute(priority_entry.insert().values(version="v1", account_no="1001", seq=1, cls=0, protected=1))
    order = order_of(TRIP, target=TARGET)
    reasons = refusal(order, Gate(office, commissioned(), Chain(approved(order)), Known()))
    assert reasons == {"check.no_sender", "check.protected"}


def test_the_mapping_must_be_signed_by_two_and_without_safety_load(office, locked):
    order = order_of(TRIP, target=TARGET)
    chain = Chain(approved(order))
    assert "check.no_mapping" in refusal(order, Gate(office, commissioned(signed=("wang", "wang ")), chain))
    assert "check.safety_breaker" in refusal(order, Gate(office, commissioned(safety=True), chain))


def test_old_telemetry_and_a_device_off_the_list_refuse(office, locked):
    order = order_of(TRIP, target=TARGET)
    gate = Gate(switched(office, terminals=()), commissioned(), Chain(approved(order)))
    assert "check.not_on_list" in refusal(order, gate)
    clock.fix("2026-07-01T10:15:00+08:00")
    later = order_of(TRIP, target=TARGET)
    gate = Gate(office, commissioned(), Chain(approved(later)))
    assert "check.telemetry_old" in refusal(later, gate)


def test_a_command_that_may_have_been_given_is_not_given_again(office, locked):
    from keyacct.control import journal

    order = order_of(TRIP, target=TARGET)
    number = journal.begin(office, "device", order, ["68"], "requested", {})
    journal.advance(office, number, "sent", {})
    assert list_attempts(office)[0].state == "unknown"
    gate = Gate(switched(office, trips_in_10_min=1), commissioned(), Chain(approved(order)))
    assert {"never.resend", "check.too_many_trips"} <= refusal(order, gate)


# approvals ---------------------------------------------------------------------------------------------------------------


def test_the_digest_changes_with_everything_an_approval_is_bound_to():
    order = order_of(TRIP, target=TARGET, plan="D1", table_version="v1")
    others = [
        dataclasses.replace(order, reason="other"),
        dataclasses.replace(order, not_before_ms=order.not_before_ms + 1),
        dataclasses.replace(order, not_after_ms=order.not_after_ms + 1),
        dataclasses.replace(order, plan="D2"),
        dataclasses.replace(order, table_version="v2"),
        dataclasses.replace(order, requested_by="sun"),
        dataclasses.replace(order, command=Trip(RelayRound(3), 60, 5)),
        dataclasses.replace(order, command=Trip(R2, 90, 5)),
        dataclasses.replace(order, command=Trip(R2, 60, 6)),
        dataclasses.replace(order, command=PermitClose(R2)),
        dataclasses.replace(order, target=dataclasses.replace(TARGET, account_no="1002")),
        dataclasses.replace(order, target=dataclasses.replace(TARGET, meter_no="M2")),
        dataclasses.replace(order, target=dataclasses.replace(TARGET, terminal_no="T2")),
        dataclasses.replace(order, target=dataclasses.replace(TARGET, address="3701-0002")),
    ]
    digests = {order.digest, *(other.digest for other in others)}
    assert len(digests) == len(others) + 1
    for other in others:
        assert check_approvals(other, [approved(order)], ControlSettings(), clock.now_ms())


APPROVALS = [
    ({}, set()),
    ({"approver": "li"}, {"approval_own", "no_approval"}),
    ({"approver": " LI "}, {"approval_own", "no_approval"}),
    ({"approver": "root"}, {"approval_shared", "no_approval"}),
    ({"approver": ""}, {"approval_shared", "no_approval"}),
    ({"role": "clerk"}, {"approval_role", "no_approval"}),
    ({"age_min": 10}, set()),
    ({"age_min": 11}, {"approval_old", "no_approval"}),
    ({"age_min": -1}, {"approval_old", "no_approval"}),
    ({"digest": "0" * 64}, {"approval_other", "no_approval"}),
]


@pytest.mark.parametrize(("given", "reasons"), APPROVALS, ids=[str(n) for n in range(len(APPROVALS))])
def test_an_approval_is_of_another_person_with_the_role_within_ten_minutes(given, reasons):
    order = order_of(TRIP, target=TARGET)
    given = dict(given)
    at_ms = clock.now_ms() - given.pop("age_min", 0) * MINUTE_MS
    found = check_approvals(order, [approved(order, given_at_ms=at_ms, **given)], ControlSettings(), clock.now_ms())
    assert {reason.code for reason in found} == {f"check.{name}" for name in reasons}


def test_an_approval_of_a_plan_holds_to_the_orders_end():
    order = order_of(TRIP, target=TARGET, plan="D1", minutes=60)
    old = dataclasses.replace(approved(order, given_at_ms=clock.now_ms() - 30 * MINUTE_MS), of_plan=True)
    assert check_approvals(order, [old], ControlSettings(), clock.now_ms()) == []
    single = dataclasses.replace(order, plan=None)
    assert check_approvals(single, [dataclasses.replace(old, digest=single.digest)], ControlSettings(), clock.now_ms())


def test_a_shared_account_asks_for_nothing():
    order = order_of(TRIP, target=TARGET, requested_by="Root")
    found = check_approvals(order, [approved(order)], ControlSettings(), clock.now_ms())
    assert [reason.code for reason in found] == ["check.approval_shared"]


# what is never done ------------------------------------------------------------------------------------------------------

GROUPS = [
    ("gdw1376.1", "3701-FFFF"), ("gdw1376.1", "3701-0000"), ("dlt645-2007", "999999999999"),
    ("dlt645-2007", "AAAAAAAAAAAA"), ("dlt645-2007", "0000000001AA"), ("dlt698.45", "AA"), ("dlt698.45", "00000000000A"),
    ("dlt645-2007", "0"),
]  # fmt: skip


@pytest.mark.parametrize(("protocol", "address"), GROUPS)
def test_an_address_of_more_than_one_device_is_refused(protocol, address):
    with pytest.raises(RefusedError) as error:
        one_device(address, protocol)
    assert error.value.where["reasons"] == "never.group_address"


@pytest.mark.parametrize("text", ["1,2", "1-3", "all", "0xFF", "1;2", "1 2"])
def test_more_than_one_round_is_refused(text):
    with pytest.raises(RefusedError) as error:
        one_round(text)
    assert error.value.where["reasons"] == "never.several_rounds"


@pytest.mark.parametrize("text", ["0", "9", "block A", "", "-1"])
def test_what_is_no_round_is_a_usage_error(text):
    with pytest.raises((UsageError, RefusedError)):
        one_round(text)


@pytest.mark.parametrize(
    "make", [lambda: Trip(R2, 0), lambda: KeepSupply(0), lambda: DownFloat(1, R2, 20, 0),
             lambda: check_for(KeepSupply(None), "gdw1376.1")],
)  # fmt: skip
def test_nothing_lasts_until_further_notice(make):
    with pytest.raises(RefusedError) as error:
        make()
    assert error.value.where["reasons"] == "never.no_end"


UNSAYABLE = [
    ("gdw1376.1", Trip(None, 60)), ("gdw1376.1", Trip(R2, 45)), ("gdw1376.1", Trip(R2, 480)),
    ("gdw1376.1", Trip(R2, 60, 16)), ("gdw1376.1", Alarm(True)), ("dlt645-2007", Trip(R2, 60)),
    ("dlt645-2007", Trip(None, 60, 5)), ("dlt645-2007", KeepSupply(60)),
    ("dlt645-2007", PowerLimit(1, R2, 480, *DAYS)), ("dlt698.45", DownFloat(1, R2, 20, 60)),
    ("dlt698.45", KeepSupply(60)), ("dlt698.45", PermitClose(None)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("protocol", "command"), UNSAYABLE, ids=[f"{n}-{c.action}" for n, (_, c) in enumerate(UNSAYABLE)]
)
def test_what_a_protocol_cannot_say_is_a_usage_error(protocol, command):
    with pytest.raises(UsageError):
        check_for(command, protocol)


def test_a_time_block_is_no_relay_round():
    block = TimeBlock("D1", "2", 0, MINUTE_MS)
    with pytest.raises(TypeError):
        RelayRound(block)
    with pytest.raises(TypeError):
        RelayRound("2")
    with pytest.raises(TypeError):
        RelayRound(True)
    assert not hasattr(block, "output")
    assert [e.relay_round for e in commissioned().rounds_of("1001", block)] == [R2]
    assert commissioned(signed=("wang",)).rounds_of("1001", block) == ()


# what is kept ------------------------------------------------------------------------------------------------------------


def audit_rows(workspace):
    with open_database(workspace).read() as connection:
        rows = connection.exec_driver_sql("SELECT action, body FROM audit ORDER BY seq").fetchall()
    return [(action, json.loads(body)["body"]) for action, body in rows]


def test_each_attempt_is_kept_with_its_audit_row(workspace):
    pass_door(order_of(TRIP), Gate(workspace))
    refusal(order_of(TRIP), Gate(workspace))
    kept = list_attempts(workspace)
    assert [(a.kind, a.state) for a in kept] == [("device", "refused"), ("dry_run", "shown")]
    actions = [action for action, _ in audit_rows(workspace) if action.startswith("control.")]
    assert actions == ["control.shown", "control.requested", "control.refused"]
    body = audit_rows(workspace)[-1][1]
    assert "check.no_sender" in {reason["code"] for reason in body["reasons"]}
    with open_database(workspace).read() as connection:
        assert audit.verify(connection)[1] is None


@pytest.mark.sqlite
def test_the_record_cannot_be_changed(workspace):
    pass_door(order_of(TRIP), Gate(workspace))
    with sqlite3.connect(workspace.database) as connection:
        for change in ("UPDATE control_step SET state = 'confirmed'", "DELETE FROM control_attempt"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(change)


def test_a_dry_run_says_what_would_happen(workspace):
    passed = pass_door(order_of(TRIP), Gate(workspace))
    assert [str(text.en) for text in passed.says] == [
        "relay round 2 opens after 5 min of alarm",
        "it may be closed again after 60 min",
        "not after 2026-07-01T10:10:00+08:00",
    ]
    assert passed.frames[0].shown == passed.frames[0].data.hex().upper()
    assert passed.state == "shown"


def test_settings_of_control_are_read(workspace):
    (workspace.root / "keyacct.toml").write_text('[control]\nenabled = true\nterminals = ["T1"]\n', encoding="utf-8")
    assert open_workspace(workspace.root).settings.control.terminals == ("T1",)


def test_a_rehearsal_needs_a_device_of_the_description(description):
    with pytest.raises(InputError):
        Rehearsal.of_file(description, Target("gdw1376.1", "3701-0009"))
