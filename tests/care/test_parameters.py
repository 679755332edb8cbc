"""Parameters compared with the registry: what differs is one finding, severe for ratios and tariffs, until it agrees."""

import json

import pytest
from care_office import meter

from keyacct import clock
from keyacct.cli.run import run
from keyacct.database.care_tables import care_finding
from keyacct.errors import UsageError
from keyacct.workflow.care.parameters import compare_parameters, keep_parameters, same
from keyacct.workflow.care.profiles import (
    MINUTES,
    MeterTables,
    differences,
    meter_slots,
    meter_zones,
    registry_profile,
)

PERIODS = ("sharp", "peak", "flat", "valley")
REFERENCE = """
[[customer]]
customer = "C1"
customer_name = "Works"
[[account]]
account_no = "A1"
customer = "C1"
account_name = "Works"
reading_day = 5
[[point]]
point = "P1"
[[point_account]]
point = "P1"
account_no = "A1"
[[point_ratio]]
point = "P1"
wiring = "3p4w"
pt = 1
ct = 50
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
[[meter_point]]
meter_no = "M1"
point = "P1"
[[meter]]
meter_no = "M1"
protocol = "PROTOCOL"
address = "000000000001"
constant_imp_per_kwh = 6400
[[meter_setting]]
meter_no = "M1"
tou_table = "T"
demand_window_min = 15
demand_slip_min = 1
parameter_set = "standard"
[[reference_parameter]]
parameter_set = "standard"
item = "ITEM"
expected = "EXPECTED"
"""
GOOD_2007 = {
    "04000306": [50], "04000307": [1], "04000103": [15], "04000104": [1], "04000409": [6400],
    "04000B01": "0005",  # hour 00, day 05 as on the wire
    "04000503": "0000", "04010000": "010101", "04010001": "040000" + "020008", "04001203": "3000",
}  # fmt: skip


def compare(office):
    found = compare_parameters(office.at_work(), office.targets())
    kept = keep_parameters(office.workspace, found)
    return {each.parameter: each for each in found}, kept


def reference(protocol="dlt645-2007", item="04001203", expected="00:30"):
    return REFERENCE.replace("PROTOCOL", protocol).replace("ITEM", item).replace("EXPECTED", expected)


def test_what_agrees_is_no_finding(office):
    whole = office([meter(1, parameters=dict(GOOD_2007))])
    whole.registry(reference())
    found, kept = compare(whole)
    assert {name: each.state for name, each in found.items()} == dict.fromkeys(
        ("ct_ratio", "pt_ratio", "demand_window", "demand_slip", "constant", "freeze_time", "tariff_table", "04001203"),
        "agrees",
    )
    assert kept == (0, 0)


DIFFERENCES = (
    ("04000306", [60], "ct_ratio", "50", "60", "severe"),
    ("04000307", [100], "pt_ratio", "1", "100", "severe"),
    ("04000103", [30], "demand_window", "15", "30", "general"),
    ("04000104", [5], "demand_slip", "1", "5", "general"),
    ("04000409", [3200], "constant", "6400", "3200", "general"),
    ("04000B01", "0001", "freeze_time", "d05 00", "d01 00", "general"),
    ("04010001", "040000" + "020009", "tariff_table", "T", "01-01 workday 08:00-09:00 peak, meter valley", "severe"),
    ("04001203", "4523", "04001203", "00:30", "2345", "general"),
)


def test_each_difference_is_told_with_what_where_expected_and_found(office):
    whole = office([meter(1)])
    whole.registry(reference())
    for key, says, parameter, expected, found, severity in DIFFERENCES:
        whole.lines[0].meters[0].parameters = {**GOOD_2007, key: says}
        assert compare(whole)[1][0] == 1
        (row,) = [row for row in whole.rows(care_finding) if row["resolved_at"] is None]
        assert (row["device"], row["rule"], row["parameter"]) == ("M1", "param_mismatch", parameter)
        assert (row["expected"], row["found"], row["severity"]) == (expected, found, severity)


def test_compared_twice_it_is_one_finding_and_right_again_closes_it(office, move):
    whole = office([meter(1, parameters={**GOOD_2007, "04000103": [30]})])
    whole.registry(reference())
    compare(whole)
    move("2026-07-02T12:20:00+08:00")
    assert compare(whole)[1] == (0, 0)
    (row,) = whole.rows(care_finding)
    assert row["times"] == 2
    whole.lines[0].meters[0].parameters["04000103"] = [15]
    assert compare(whole)[1] == (0, 1)
    assert whole.rows(care_finding)[0]["resolved_at"] is not None


def test_what_a_meter_does_not_offer_or_does_not_say_now_leaves_findings_as_they_are(office):
    whole = office([meter(1, parameters={**GOOD_2007, "04000104": [5]})])
    whole.registry(reference())
    compare(whole)
    del whole.lines[0].meters[0].parameters["04000104"]
    found, kept = compare(whole)
    assert found["demand_slip"].state == "not_offered"
    assert kept == (0, 0)
    whole.lines[0].meters[0].trouble = "silent"
    whole.care()
    found, kept = compare(whole)
    assert (found[""].state, kept) == ("failed", (0, 0))
    assert whole.rows(care_finding)[0]["resolved_at"] is None


def test_what_left_the_reference_set_is_closed(office):
    whole = office([meter(1, parameters={**GOOD_2007, "04001203": "4523"})])
    whole.registry(reference())
    assert compare(whole)[1] == (1, 0)
    whole.registry(reference().replace('parameter_set = "standard"', 'parameter_set = "other"', 1))
    assert compare(whole)[1] == (0, 1)


def test_a_ratio_that_was_never_set_in_a_meter_of_secondary_values_says_nothing(office):
    whole = office([meter(1, parameters={**GOOD_2007, "04000306": [1]})])
    whole.registry(reference())
    found, kept = compare(whole)
    assert (found["ct_ratio"].state, kept) == ("unset", (0, 0))


def test_a_meter_of_1997_is_compared_by_its_own_identifiers(office):
    said = {
        "C111": [15], "C112": [3], "C030": [6400], "C117": "0005", "C32F": "010101", "C33F": "040000" + "020008",
    }  # fmt: skip
    whole = office([meter(1, "dlt645-1997", parameters=said)])
    whole.registry(reference("dlt645-1997", "C115", "2"))
    found, _ = compare(whole)
    assert {name: each.state for name, each in found.items()} == {
        "ct_ratio": "not_offered", "pt_ratio": "not_offered", "demand_window": "agrees", "demand_slip": "differs",
        "constant": "agrees", "freeze_time": "agrees", "tariff_table": "agrees", "C115": "not_offered",
    }  # fmt: skip


def test_a_modbus_meter_is_not_asked(office):
    whole = office([meter(1, "modbus-rtu")])
    found, kept = compare(whole)
    assert ([each.state for each in found.values()], kept) == (["not_offered"], (0, 0))
    assert whole.lines[0].heard == []


def test_an_item_that_there_is_not_is_named(office):
    whole = office([meter(1)])
    whole.registry(reference(item="demand_perod"))
    with pytest.raises(UsageError, match=r"reference_parameter 'demand_perod', meter M1"):
        compare(whole)


def test_the_second_set_of_tables_is_compared_when_it_is_in_use(office):
    second = {"04000503": "2100", "04020000": "010101", "04020001": "040000" + "020008", "04010001": "030000"}
    whole = office([meter(1, parameters={**GOOD_2007, **second})])
    whole.registry(reference())
    assert compare(whole)[0]["tariff_table"].state == "agrees"
    whole.lines[0].meters[0].parameters["04000503"] = "0000"
    assert compare(whole)[0]["tariff_table"].state == "differs"


def test_the_meters_weekend_table_is_compared_where_it_rests_on_saturday_and_sunday(office):
    rest = {"04000801": "3E", "04000802": "02", "04010002": "040000"}
    whole = office([meter(1, parameters={**GOOD_2007, **rest})])
    whole.registry(reference())
    assert compare(whole)[0]["tariff_table"].found == "01-01 weekend 08:00-24:00 peak, meter valley"
    whole.lines[0].meters[0].parameters["04000801"] = "7F"  # it works every day
    assert compare(whole)[0]["tariff_table"].state == "agrees"


def test_the_command_compares_clock_and_parameters(office, capsys):
    whole = office([meter(1, clock_offset_s=400, parameters={**GOOD_2007, "04000103": [30]})])
    whole.registry(reference())
    capsys.readouterr()
    arguments = ["care", "check", "--all", "--workspace", str(whole.folder), "--now", clock.now().isoformat()]
    assert run([*arguments, "--format", "json", "--fail-on-finding"]) == 7
    rows = {row["parameter"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["clock"]["state"], rows["demand_window"]["state"]) == ("differs", "differs")
    assert run(["care", "findings", "--format", "json", "--workspace", str(whole.folder)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {(row["account_no"], row["point"]) for row in told} == {("A1", "P1")}


# Profiles, minute by minute


def slots(*entries):
    return [
        {"season_from": first, "season_to": last, "day_type": kind, "start_min": start, "end_min": end, "period": period}
        for first, last, kind, start, end, period in entries
    ]  # fmt: skip


def test_before_its_first_slot_a_meter_is_in_the_last_tariff_of_the_day():
    tables = MeterTables(((101, 1),), {1: ((7 * 60, 2), (22 * 60, 4))})
    profile = tables.profile(601, "workday", PERIODS)
    assert (profile[0], profile[419], profile[420], profile[1319], profile[1320]) == (
        "valley", "valley", "peak", "peak", "valley",
    )  # fmt: skip


def test_before_its_first_zone_a_year_goes_on_with_the_last():
    tables = MeterTables(((401, 1), (1001, 2)))
    assert [tables.table_on(mmdd, "workday") for mmdd in (101, 331, 401, 930, 1001, 1231)] == [2, 2, 1, 1, 2, 2]


def test_the_same_tariffs_cut_differently_agree():
    wanted = slots((101, 1231, "all", 0, 480, "valley"), (101, 1231, "all", 480, 1440, "peak"))
    cut = MeterTables(((101, 1), (701, 2)), {1: ((0, 4), (240, 4), (480, 2)), 2: ((480, 2), (1439, 2), (0, 4))})
    assert differences(wanted, cut, PERIODS) == []


def test_a_season_that_the_meter_does_not_know_is_told_from_its_first_day():
    wanted = slots(
        (101, 1231, "all", 0, 1440, "flat"), (701, 831, "all", 600, 720, "sharp"),
    )  # fmt: skip
    assert differences(wanted, MeterTables(((101, 1),), {1: ((0, 3),)}), PERIODS) == [
        "07-01 workday 10:00-12:00 sharp, meter flat"
    ]


def test_weekends_are_compared_where_either_side_has_them():
    wanted = slots((101, 1231, "all", 0, 1440, "flat"), (101, 1231, "weekend", 0, 1440, "valley"))
    days = {1: ((0, 3),), 2: ((0, 4),)}
    assert differences(wanted, MeterTables(((101, 1),), days, 2), PERIODS) == []
    assert differences(wanted, MeterTables(((101, 1),), days), PERIODS) == [
        "01-01 weekend 00:00-24:00 valley, meter flat"
    ]


def test_a_season_over_new_year_and_day_types_go_before_all_days():
    wanted = slots((101, 1231, "all", 0, 1440, "flat"), (1201, 228, "workday", 0, 60, "peak"))
    assert registry_profile(wanted, 115, "workday")[:61] == ["peak"] * 60 + ["flat"]
    assert registry_profile(wanted, 115, "weekend") == ["flat"] * MINUTES
    assert registry_profile(wanted, 701, "workday") == ["flat"] * MINUTES


def test_padding_of_the_meters_tables_is_no_slot():
    def value(quantity, said):
        return {"quantity": quantity, "value": said}

    padded = [value("slot_tariff", 4), value("slot_start", "00:00")] + [
        value("slot_tariff", 2), value("slot_start", "08:00"),
    ] * 3 + [value("slot_tariff", 0), value("slot_start", "00:00")]  # fmt: skip
    assert meter_slots(padded) == ((0, 4), (480, 2))
    assert meter_zones([value("zone_day_table", 1), value("zone_start", "01-01"), value("zone_day_table", 0),
                        value("zone_start", "00-00")]) == ((101, 1),)  # fmt: skip


def test_two_say_the_same_as_numbers_or_letter_by_letter():
    assert same("15", "15.0")
    assert same("00:30", "0030")
    assert same("d05 00", "d0500")
    assert not same("0030", "30:00")
    assert not same("15", "150")
