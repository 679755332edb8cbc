"""Changes from a date on: history stays, the audit chain says why; an exchange keeps both part-readings."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

from keyacct.analysis.load import load
from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError, UsageError
from keyacct.model import Period
from keyacct.registry.editing import add_entry, end_entry, history, set_fields
from keyacct.registry.importing import import_registry
from keyacct.registry.listing import list_rows, show_account
from keyacct.store.families import FAMILIES
from keyacct.store.ingest import ingest
from keyacct.workflow.exchange import exchange_meter

TEXT = """
[[account]]
account_no = "1"
account_name = "Works"
contract_capacity_kva = 1000
voltage_level_kv = 10

[[point]]
point = "P"

[[point_account]]
point = "P"
account_no = "1"

[[meter]]
meter_no = "OLD"
interval_min = 60

[[meter_point]]
meter_no = "OLD"
point = "P"

[[point_ratio]]
point = "P"
wiring = "3p4w"
pt = 1
ct = "100/5"
"""


@pytest.fixture(autouse=True)
def _registry(workspace: Workspace) -> None:
    import_registry(workspace, TEXT)


def ms(workspace: Workspace, month: int, day: int, hour: int = 0) -> int:
    return int(dt.datetime(2026, month, day, hour, tzinfo=workspace.zone).timestamp() * 1000)


def test_a_change_holds_from_its_date_and_the_past_stays(workspace: Workspace) -> None:
    given = {"account_no": "1", "contract_capacity_kva": "1600"}
    set_fields(workspace, "account_terms", given, from_ms=ms(workspace, 7, 1), reason="second transformer")
    spans = [(r["contract_capacity_kva"], r["voltage_level_kv"], r["valid_from"], r["valid_to"])
             for r in list_rows(workspace, "account_terms")]  # fmt: skip
    assert spans == [(1000, 10, None, "2026-07-01"), (1600, 10, "2026-07-01", None)]
    march = list(list_rows(workspace, "accounts", as_of_ms=ms(workspace, 3, 1)))
    august = list(list_rows(workspace, "accounts", as_of_ms=ms(workspace, 8, 1)))
    assert [r[0]["contract_capacity_kva"] for r in (march, august)] == [1000, 1600]
    assert show_account(workspace, "1", as_of_ms=ms(workspace, 3, 1))["contract_capacity_kva"] == 1000
    rows = history(workspace, "account_terms", {"account_no": "1"})
    assert {row["reason"] for row in rows} == {"second transformer"}
    assert ("contract_capacity_kva", None, 1600) in [(r["field"], r["before"], r["after"]) for r in rows]
    with open_database(workspace).read() as connection:
        assert audit.verify(connection)[1] is None


def test_the_same_day_again_changes_the_row_itself(workspace: Workspace) -> None:
    for value in ("1600", "1800"):
        given = {"account_no": "1", "contract_capacity_kva": value}
        set_fields(workspace, "account_terms", given, from_ms=ms(workspace, 7, 1), reason="r")
    assert [r["contract_capacity_kva"] for r in list_rows(workspace, "account_terms")] == [1000, 1800]


def test_an_entry_is_added_ended_and_refused_with_reasons(workspace: Workspace) -> None:
    day = ms(workspace, 6, 1)
    given = {"account_no": "1", "pf_standard": "0.9"}
    add_entry(workspace, "account_pf_standard", given, from_ms=day, to_ms=None, reason="contract")
    with pytest.raises(ConfigError, match="in the registry already"):
        add_entry(workspace, "account_pf_standard", given, from_ms=day, to_ms=None, reason="again")
    with pytest.raises(ConfigError, match="validity overlaps"):
        add_entry(workspace, "account_pf_standard", given, from_ms=day + 1, to_ms=None, reason="again")
    end_entry(workspace, "account_pf_standard", {"account_no": "1"}, at_ms=ms(workspace, 9, 1), reason="closed")
    assert [r["valid_to"] for r in list_rows(workspace, "account_pf_standard")] == ["2026-09-01"]
    for call, message in (
        (lambda: set_fields(workspace, "account_terms", {"account_no": "1"}, from_ms=None, reason="r"), "is dated"),
        (lambda: set_fields(workspace, "meter", {"meter_no": "OLD", "mak": "x"}, from_ms=None, reason="r"), "no field"),
        (lambda: set_fields(workspace, "meter", {"meter_no": "OLD", "make": "x"}, from_ms=None, reason=" "), "reason"),
        (
            lambda: add_entry(workspace, "meter_point", {"meter_no": "OLD"}, from_ms=day, to_ms=None, reason="r"),
            "point",
        ),
        (lambda: end_entry(workspace, "meter", {"meter_no": "OLD"}, at_ms=day, reason="r"), "is not dated"),
    ):
        with pytest.raises(UsageError, match=message):
            call()
    with pytest.raises(ConfigError, match="there is no point Q"):
        add_entry(workspace, "meter_point", {"meter_no": "OLD", "point": "Q"}, from_ms=day, to_ms=day + 1, reason="r")
    with pytest.raises(ConfigError, match="there is no meter of meter_no X"):
        set_fields(workspace, "meter", {"meter_no": "X", "make": "y"}, from_ms=None, reason="r")


def test_a_dry_run_changes_nothing(workspace: Workspace) -> None:
    given = {"account_no": "1", "contract_capacity_kva": "1600"}
    changes = set_fields(
        workspace, "account_terms", given, from_ms=ms(workspace, 7, 1), reason="r", dry_run=True
    )  # fmt: skip
    assert changes.total == 2
    assert len(list(list_rows(workspace, "account_terms"))) == 1


def registers(workspace: Workspace, meter: str, first: int, last: int, start: str, step: str) -> None:
    """One register value an hour, the first at `first`."""
    rows = [
        {
            **dict.fromkeys(FAMILIES["energy"].input_schema.names), "meter": meter, "kind": "register",
            "ts": dt.datetime.fromtimestamp(t / 1000, dt.UTC), "quality": 0,
            "import": Decimal(start) + Decimal(step) * n,
        }
        for n, t in enumerate(range(first, last + 1, 3_600_000))
    ]  # fmt: skip
    ingest(workspace, {"energy": pa.Table.from_pylist(rows, schema=FAMILIES["energy"].input_schema)}, source="t")


def test_an_exchange_and_a_new_ratio_leave_last_march_as_it_was(workspace: Workspace) -> None:
    """March by the ratio of March; June is joined from both meters, each by the ratio of its time.

    By hand: March 1, 24 h of 0.5 kWh · 20 = 240 kWh. June 1: the old meter runs 00:00 to 10:30 at 0.5 kWh/h on 20, the
    exchange reading closes it: 10.5 h · 0.5 · 20 = 105; the new one 10:30 to 24:00 at 0.25 kWh/h on 40: 13.5 h · 0.25 ·
    40 = 135. Together 240 kWh.
    """
    march, june = ms(workspace, 3, 1), ms(workspace, 6, 1)
    exchange = june + 10 * 3_600_000 + 1_800_000
    registers(workspace, "OLD", march, march + 24 * 3_600_000, "100", "0.5")
    registers(workspace, "OLD", june, june + 10 * 3_600_000, "5000", "0.5")
    registers(workspace, "NEW", june + 11 * 3_600_000, june + 24 * 3_600_000, "0.125", "0.25")
    before = load(workspace, Period.parse("2026-03-01")).total["energy_kwh"].to_pylist()
    exchange_meter(
        workspace, "P", "NEW", at_ms=exchange, reason="age", old_readings={"import_kwh": "5005.25"},
        new_readings={"import_kwh": "0"}, meter={"interval_min": "60"},
    )  # fmt: skip
    set_fields(workspace, "point_ratio", {"point": "P", "ct": "200/5"}, from_ms=exchange, reason="larger transformers")
    exchange_meter(
        workspace, "P", "NEW", at_ms=exchange, reason="age", old_readings={"import_kwh": "5005.25"},
        new_readings={"import_kwh": "0"},
    )  # fmt: skip
    assert before == [240.0], "and the same exchange again changes nothing"
    assert load(workspace, Period.parse("2026-03-01")).total["energy_kwh"].to_pylist() == [240.0]
    assert load(workspace, Period.parse("2026-06-01")).total["energy_kwh"].to_pylist() == [240.0]
    readings = list(list_rows(workspace, "exchange_reading"))
    assert [(r["meter_no"], r["import_kwh"]) for r in readings] == [("NEW", "0"), ("OLD", "5005.25")]
    spans = [(r["meter_no"], r["valid_from"], r["valid_to"]) for r in list_rows(workspace, "meter_point")]
    assert spans == [("NEW", "2026-06-01T10:30:00+08:00", None), ("OLD", None, "2026-06-01T10:30:00+08:00")]
    ratio = [(r["ct"], r["ct_primary_a"]) for r in list_rows(workspace, "point_ratio")]
    assert ratio == [(20, 100), (40, 200)]


def test_an_exchange_at_a_bare_point_or_onto_a_used_meter_is_refused(workspace: Workspace) -> None:
    def exchange(point: str, meter: str) -> None:
        exchange_meter(workspace, point, meter, at_ms=ms(workspace, 6, 1), reason="r", old_readings={}, new_readings={})

    with pytest.raises(ConfigError, match="no meter at point Q"):
        exchange("Q", "NEW")
    with pytest.raises(UsageError, match="the same meter"):
        exchange("P", "OLD")
