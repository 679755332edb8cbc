"""The registry: TOML in and out, validity by date, faults with their place, the parameters of a question."""

from __future__ import annotations

import datetime as dt
import sqlite3
import tomllib
import zoneinfo
from pathlib import Path

import pytest

from keyacct.config import Workspace
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.database.tables import point_ratio
from keyacct.errors import ConfigError, InputError
from keyacct.model import midnight_ms
from keyacct.registry.document import export_registry
from keyacct.registry.entity_checks import check_voltage_limit
from keyacct.registry.importing import import_registry
from keyacct.registry.parameters import point_parameters, tariff_slots
from keyacct.workflow.workspace import init_workspace

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
ROOT = Path(__file__).resolve().parents[2]

BASE = """
[[account]]
account_no = "1000000001"
account_name = "Riyue Chemical 日月化工"
voltage_level_kv = 35
contract_capacity_kva = 30500

[[account_pf_standard]]
account_no = "1000000001"
pf_standard = 0.90

[[point]]
point = "P1"
kind = "billing"
monitoring_class = "B"

[[point_account]]
point = "P1"
account_no = "1000000001"
valid_from = 2026-01-01

[[meter]]
meter_no = "M1"
protocol = "dlt645-2007"
address = "000000000001"

[[meter]]
meter_no = "M2"
interval_min = 5

[[meter_point]]
meter_no = "M1"
point = "P1"
valid_to = 2026-06-16T10:00:00

[[meter_point]]
meter_no = "M2"
point = "P1"
valid_from = 2026-06-16T10:00:00

[[point_ratio]]
point = "P1"
wiring = "3p3w"
pt = "35000/100"
ct = "500/5"
valid_to = 2026-06-20

[[point_ratio]]
point = "P1"
wiring = "3p3w"
pt = 350
ct = 120
valid_from = 2026-06-20

[[voltage_limit]]
point = "P1"
nominal_v = 35000
lower_v = 33250
upper_v = 36750

[[tariff_table]]
tariff_table = "T"

[[tariff_slot]]
tariff_table = "T"
start_min = "00:00"
end_min = "08:00"
period = "valley"

[[tariff_slot]]
tariff_table = "T"
start_min = "08:00"
end_min = "24:00"
period = "peak"

[[account_tariff]]
account_no = "1000000001"
tariff_table = "T"
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "office")


def ms(day: int, hour: int = 0, month: int = 6) -> int:
    return int(dt.datetime(2026, month, day, hour, tzinfo=ZONE).timestamp() * 1000)


def test_export_gives_back_the_same_bytes(workspace: Workspace, tmp_path: Path) -> None:
    import_registry(workspace, BASE)
    text = export_registry(workspace)
    tomllib.loads(text)
    other = init_workspace(tmp_path / "other")
    import_registry(other, text)
    assert export_registry(other) == text
    assert 'account_name = "Riyue Chemical 日月化工"' in text
    assert "valid_to = 2026-06-16T10:00:00+08:00" in text
    assert "valid_from = 2026-06-20\n" in text


def test_the_same_file_again_changes_nothing(workspace: Workspace) -> None:
    first = import_registry(workspace, BASE)
    with open_database(workspace).read() as connection:
        before = audit.verify(connection)
    again = import_registry(workspace, BASE)
    with open_database(workspace).read() as connection:
        assert audit.verify(connection) == before
    assert (first.total, again.total) == (16, 0)


def test_the_demo_registry_is_good(workspace: Workspace) -> None:
    assert import_registry(workspace, (ROOT / "fixtures/demo/registry.toml").read_text("utf-8")).total > 0


def test_every_fault_is_listed_with_its_line_and_nothing_is_written(workspace: Workspace) -> None:
    import_registry(workspace, BASE)
    before = export_registry(workspace)
    bad = """[[account]]
account_no = "1000000002"
account_name = "Good"

[[acount]]
account_no = "x"

[[meter]]
meter_no = "M3"
reading_side = "tertiary"

[[meter_point]]
meter_no = "M9"
point = "P1"

[[point_ratio]]
point = "P1"
wiring = "3p4w"
pt = -1
ct = "a/b"

[[voltage_limit]]
point = "P1"
nominal_v = 35000
lower_v = 33000
upper_v = 37000
valid_from = 2027-01-01
"""
    with pytest.raises(ConfigError) as caught:
        import_registry(workspace, bad, file="bad.toml")
    message = caught.value.message
    assert caught.value.code == "config.registry_invalid"
    assert caught.value.where == {"file": "bad.toml", "line": 5}
    for part in (
        "line 5, [[acount]]: unknown kind of entry, did you mean [[account]]?",
        "line 8, [[meter]] 1: reading_side: 'tertiary' is none of secondary, primary",
        "line 12, [[meter_point]] 1 (M9): there is no meter M9",
        "line 16, [[point_ratio]] 1: pt: -1 is no positive number",
        "line 16, [[point_ratio]] 1: ct: 'a/b' is no number and no ratio",
        "line 22, [[voltage_limit]] 1: limits -5.71 % and +5.71 % of nominal span 11.43 %",
    ):
        assert part in message, part
    assert export_registry(workspace) == before


def test_overlapping_validity_is_refused_and_the_sentence_says_what_to_do(workspace: Workspace) -> None:
    import_registry(workspace, BASE)
    overlap = """[[point_ratio]]
point = "P1"
wiring = "3p3w"
pt = 350
ct = 200
valid_from = 2026-07-01
"""
    with pytest.raises(
        ConfigError, match="overlaps for point P1: one entry holds 2026-06-20 to open, another from 2026-07-01"
    ):
        import_registry(workspace, overlap)
    ended = (
        overlap
        + """[[point_ratio]]
point = "P1"
wiring = "3p3w"
pt = 350
ct = 120
valid_from = 2026-06-20
valid_to = 2026-07-01
"""
    )
    assert import_registry(workspace, ended).total == 2


def test_the_database_itself_refuses_overlapping_validity(workspace: Workspace) -> None:
    import_registry(workspace, BASE)
    row = {"point": "P1", "valid_from": ms(25), "valid_to": ms(26), "wiring": "3p4w", "pt": 1.0, "ct": 1.0}
    with (
        pytest.raises(sqlite3.IntegrityError, match="validity overlaps in point_ratio"),
        open_database(workspace).write() as connection,
    ):
        connection.execute(point_ratio.insert(), row)


def test_two_meters_cannot_sit_at_one_point_at_once(workspace: Workspace) -> None:
    text = BASE.replace("valid_to = 2026-06-16T10:00:00", "valid_to = 2026-06-17")
    with pytest.raises(ConfigError, match="overlaps for point P1"):
        import_registry(workspace, text)


def test_parameters_are_maximal_constant_spans_clipped_to_the_question(workspace: Workspace) -> None:
    import_registry(workspace, BASE)
    rows = point_parameters(workspace, ms(1), ms(1, month=7)).to_pylist()
    spans = [(row["from_ms"], row["to_ms"], row["meter"], row["pt"], row["ct"], row["interval_min"]) for row in rows]
    assert spans == [
        (ms(1), ms(16, 10), "M1", 350.0, 100.0, 15),
        (ms(16, 10), ms(20), "M2", 350.0, 100.0, 5),
        (ms(20), ms(1, month=7), "M2", 350.0, 120.0, 5),
    ]
    assert {row["tariff_table"] for row in rows} == {"T"}
    assert {row["pf_standard"] for row in rows} == {0.9}
    assert {(row["nominal_v"], row["lower_v"], row["upper_v"]) for row in rows} == {(35000.0, 33250.0, 36750.0)}
    before = point_parameters(workspace, midnight_ms(dt.date(2025, 12, 1), ZONE), ms(1, month=1)).to_pylist()
    assert [row["account_no"] for row in before] == [None], "the account owns the point only from 2026 on"


def test_an_equal_neighbour_joins_the_span(workspace: Workspace) -> None:
    import_registry(workspace, BASE.replace("ct = 120", "ct = 100"))
    rows = point_parameters(workspace, ms(17), ms(25)).to_pylist()
    assert [(row["from_ms"], row["to_ms"]) for row in rows] == [(ms(17), ms(25))]


def test_an_unknown_account_names_the_nearest(workspace: Workspace) -> None:
    import_registry(workspace, BASE)
    assert point_parameters(workspace, ms(1), ms(2), ["1000000001"]).num_rows == 1
    with pytest.raises(ConfigError) as caught:
        point_parameters(workspace, ms(1), ms(2), ["1000000010"])
    assert (caught.value.code, caught.value.hint) == ("config.registry_not_found", "did you mean 1000000001?")


def test_tariff_slots_must_cover_the_day(workspace: Workspace) -> None:
    import_registry(workspace, BASE)
    assert tariff_slots(workspace).to_pylist()[0] == {
        "tariff_table": "T", "season_from": 101, "season_to": 1231, "day_type": "all", "start_min": 0,
        "end_min": 480, "period": "valley",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="leaves a gap before it: the day is covered up to 08:00"):
        import_registry(workspace, BASE.replace('"08:00"\nend_min = "24:00"', '"09:00"\nend_min = "24:00"'))
    with pytest.raises(ConfigError, match="covered only up to 22:00"):
        import_registry(workspace, BASE.replace('"24:00"', '"22:00"'))


@pytest.mark.parametrize(
    ("nominal", "lower", "upper", "good"),
    [
        (35_000, 33_250, 36_750, True),  # ±5 %: GB/T 12325-2008 sum of the two is 10 %
        (35_000, 33_250, 36_751, False),
        (110_000, 110_000, 121_000, True),  # 0 and +10 %
        (110_000, 112_200, 121_000, True),  # +2 and +10 %: of one sign the larger counts
        (110_000, 112_200, 121_001, False),
        (10_000, 9_000, 11_000, True),  # below 35 kV the contract may say so
        (220, 235.4, 198, False),
    ],
)
def test_voltage_limits_at_35_kv_span_at_most_10_percent(
    nominal: float, lower: float, upper: float, good: bool
) -> None:
    fault = check_voltage_limit({"nominal_v": nominal, "lower_v": lower, "upper_v": upper})
    assert (fault is None) is good


def test_replace_removes_what_the_file_leaves_out(workspace: Workspace) -> None:
    import_registry(workspace, BASE)
    small = BASE[: BASE.index("[[point]]")]
    changes = import_registry(workspace, small, replace=True)
    assert sum(changes.removed.values()) == 13
    assert "[[meter]]" not in export_registry(workspace)


def test_a_dry_run_writes_nothing(workspace: Workspace) -> None:
    assert import_registry(workspace, BASE, dry_run=True).total == 16
    assert export_registry(workspace) == ""


def test_broken_toml_is_an_input_error(workspace: Workspace) -> None:
    with pytest.raises(InputError) as caught:
        import_registry(workspace, "[[account]\n", file="r.toml")
    assert (caught.value.code, caught.value.where) == ("input.format", {"file": "r.toml"})
