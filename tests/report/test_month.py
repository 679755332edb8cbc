"""The month report says what the analyses found, and says what is not there."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from types import ModuleType

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from keyacct.config import Workspace
from keyacct.errors import InternalError
from keyacct.report.document import DASH, NOT_MEASURED, Document, Section
from keyacct.report.inputs import EXPECTED, digest, split_by_account
from keyacct.report.kinds import KINDS
from keyacct.report.kinds.month import KIND, TITLES
from keyacct.report.sections import voltage

Make = Callable[..., Document]


def section(document: Document, key: str) -> Section:
    return next(section for section in document.sections if section.key == key)


def rows(document: Document, table: str) -> list[dict[str, str]]:
    found = next(t for t in document.tables() if t.spec.key == table)
    return [{c.key: cell.text.en for c, cell in zip(found.spec.columns, row, strict=True)} for row in found.rows]


def warnings(part: Section | Document) -> str:
    return " ".join(note.text.en for note in part.notes if note.level == "warning")


def test_key_figures_stand_at_the_top(document: Document) -> None:
    figures = {figure.column.key: figure for figure in document.figures}
    assert list(figures) == [
        "period_energy_kwh", "max_demand_kw", "period_load_rate_pct", "power_factor", "pf_adjustment_pct",
        "voltage_compliance_pct",
    ]  # fmt: skip
    assert figures["max_demand_kw"].detail.en == "2026-06-17 10:15"
    # A worked case of the tariff rule: 100 000 kWh, 40 000 + 20 000 kvarh, standard 0.90: 0.86, +2.0 %.
    assert figures["power_factor"].cell.text.en == "0.86"
    assert (figures["power_factor"].verdict, figures["power_factor"].detail.en) == ("fail", "standard 0.90")
    assert (figures["pf_adjustment_pct"].cell.text.en, figures["pf_adjustment_pct"].detail.zh) == (
        "2.00",
        "增收电费",
    )
    assert figures["voltage_compliance_pct"].verdict == "pass"


def test_every_figure_and_table_is_in_the_dictionary(document: Document) -> None:
    assert {figure.column for figure in (*document.figures, document.completeness)} == set(KIND.figures)
    assert {table.spec for table in document.tables()} == set(KIND.tables)
    keys = [table.key for table in KIND.tables]
    assert len(keys) == len(set(keys))
    for columns in (KIND.figures, *(table.columns for table in KIND.tables)):
        assert len({column.key for column in columns}) == len(columns)
        for column in columns:
            assert all(column.title)
            assert all(column.definition)
            unit = {
                "kWh": "_kwh",
                "kvarh": "_kvarh",
                "kW": "_kw",
                "V": "_v",
                "min": "_min",
                "%": "_pct",
                "": "",
            }
            assert column.key.endswith(unit[column.unit.en])


def test_completeness_is_the_lowest_of_the_parts(document: Document) -> None:
    assert document.completeness.cell.text.en == "98.77"
    assert (
        document.completeness.detail.en
        == "Voltage 99.57\u00a0% · Power factor 98.77\u00a0% · Load and demand 100.00\u00a0%"
    )


def test_voltage_rows_are_ordered_by_point_and_phase(document: Document) -> None:
    table = rows(document, "voltage_compliance")
    assert [(row["point"][:2], row["phase"]) for row in table] == [
        ("P1", "AB"), ("P1", "CB"), ("P1", "all"), ("P2", "AB"), ("P2", "CB"), ("P2", "all"),
    ]  # fmt: skip
    assert {row["lower_v"] for row in table} == {"9,300.0"}


def test_a_day_without_data_is_named_and_stays_a_row(document: Document) -> None:
    day = rows(document, "load_daily")[11]
    assert (day["day"], day["energy_kwh"], day["md_at"]) == ("2026-06-12", DASH, DASH)
    assert "no data on 1 of 30 days: 2026-06-12." in warnings(section(document, "load"))
    assert "gaps on 1 of 30 days: 2026-06-09 (87.50\u00a0%)." in warnings(section(document, "voltage"))
    chart = next(c for c in section(document, "load").charts if c.key == "energy_daily")
    assert all(series.values[11] is None for series in chart.series)


def test_an_hour_without_energy_is_a_dash_not_one(document: Document) -> None:
    hour = rows(document, "power_factor_hour")[3]
    assert (hour["pf"], hour["leading"]) == (DASH, DASH)


def test_tariff_shares_are_of_the_whole(document: Document) -> None:
    split = rows(document, "energy_tariff")
    assert [row["tariff_period"] for row in split] == ["sharp", "peak", "flat", "valley", "all"]
    # 4200 : 15300.25 : 18200.5 : 9100 of 46800.75
    assert [row["share_pct"] for row in split] == ["8.97", "32.69", "38.89", "19.44", "100.00"]


def test_an_account_without_data_says_so_in_every_part(make: Make, sample: ModuleType) -> None:
    document = make(results=sample.empty_results())
    assert document.row_count() == 0
    for part in document.sections:
        assert (part.tables, part.charts) == ((), ())
        assert warnings(part)
    for figure in document.figures:
        assert (figure.cell.text.en, figure.cell.absent, figure.verdict) == (DASH, NOT_MEASURED, None)


def test_an_account_with_voltage_points_only(make: Make, sample: ModuleType) -> None:
    results = dataclasses.replace(sample.empty_results(), voltage=sample.month_results().voltage)
    document = make(results=results)
    assert section(document, "voltage").tables
    assert not section(document, "power_factor").tables
    assert not section(document, "load").tables
    assert document.completeness.cell.text.en == "99.57"


def test_a_period_that_still_runs_is_provisional(make: Make, sample: ModuleType) -> None:
    document = make(now=dt.datetime(2026, 6, 20, 3, tzinfo=dt.UTC), results=sample.month_results())
    assert "provisional" in warnings(document)
    assert "no data on 1 of 19 days" in warnings(section(document, "load"))
    late = make(now=dt.datetime(2026, 6, 30, 16, 1, tzinfo=dt.UTC))  # 00:01 of 1 July in Shanghai
    assert "provisional" not in warnings(late)


def test_a_day_still_to_come_is_not_a_gap(make: Make, sample: ModuleType) -> None:
    results = sample.month_results()
    keep = pc.less(results.load.day.column("day"), pa.scalar(dt.date(2026, 6, 20)))
    results = dataclasses.replace(results, load=dataclasses.replace(results.load, day=results.load.day.filter(keep)))
    document = make(now=dt.datetime(2026, 6, 20, 3, tzinfo=dt.UTC), results=results)
    table = next(t for t in document.tables() if t.spec.key == "load_daily")
    reasons = [row[1].absent.en if row[1].absent else "" for row in table.rows]
    assert reasons[11] == "no data of this day"
    assert set(reasons[19:]) == {"not yet over when the report was made"}


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [((True, True), "pass"), ((True, False), "fail"), ((True, None), None), ((None, False), "fail")],
)
def test_an_account_passes_only_if_every_point_is_known_to_pass(
    sample: ModuleType, outcomes: tuple[bool | None, ...], verdict: str | None
) -> None:
    total: list[dict] = []
    for number, outcome in enumerate(outcomes):
        group, _ = sample.voltage_rows("1", "n", f"P{number}", f"{number}", sample.month_days())
        total += [row | {"passed": outcome} for row in group]
    assert voltage.figure(total).verdict == verdict


def test_the_lowest_point_is_the_figure(sample: ModuleType) -> None:
    total = sample.month_results(points=2).voltage.total.to_pylist()
    lowest = min((row for row in total if row["phase"] == "total"), key=lambda row: row["rate"])
    figure = voltage.figure(total)
    assert lowest["point"] in figure.detail.en
    assert figure.cell.number == voltage.FIGURE.cell(lowest["rate"]).number


def test_more_points_than_colours_are_charted_by_the_lowest_rate(make: Make, sample: ModuleType) -> None:
    part = section(make(results=sample.month_results(points=8)), "voltage")
    assert len(next(c for c in part.charts if c.key == "voltage_compliance_daily").series) == 6
    assert len([c for c in part.charts if c.kind == "band"]) == 6
    assert any("6 of 8 points" in note.text.en for note in part.notes)
    assert len(part.tables[0].rows) == 8 * 3


def test_flags_of_the_analysis_are_told(document: Document) -> None:
    assert "No reading at the end of the period" in warnings(section(document, "power_factor"))


@pytest.mark.parametrize(
    ("period", "title"),
    [("2026", "Annual report"), ("2026Q2", "Quarterly report"), ("2026-06", "Monthly report"),
     ("2026-06/2", "Ten-day report"), ("2026-W23", "Weekly report"), ("2026-06-01", "Daily report"),
     ("2026-05-20..2026-06-10", "Period report")],
)  # fmt: skip
def test_every_kind_of_period_has_its_title(make: Make, sample: ModuleType, period: str, title: str) -> None:
    document = make(period=period, results=sample.empty_results())
    assert document.title.en == title
    assert title in {text.en for text in TITLES.values()}


def nulled(table: pa.Table, keep: set[str], where: dict[str, object]) -> pa.Table:
    """Rows that match `where` lose every value but those of `keep`, as the analyses give what has no data."""
    rows = [
        {k: v if k in keep else None for k, v in row.items()} | ({"completeness": 0.0} if "completeness" in row else {})
        if all(row[key] == value for key, value in where.items())
        else row
        for row in table.to_pylist()
    ]
    return pa.Table.from_pylist(rows, schema=table.schema)


KEEP = {
    "account_no",
    "account_name",
    "point",
    "meter",
    "phase",
    "day",
    "target_rate",
    "lower_v",
    "upper_v",
    "hour",
}


def test_rows_without_values_are_no_data(make: Make, sample: ModuleType) -> None:
    """The analyses give a row for every account, point and day, null where there is nothing."""
    full = sample.month_results()
    results = dataclasses.replace(
        full,
        voltage=dataclasses.replace(
            full.voltage, total=nulled(full.voltage.total, KEEP, {}), day=nulled(full.voltage.day, KEEP, {})
        ),
        power_factor=dataclasses.replace(
            full.power_factor,
            accounts=nulled(full.power_factor.accounts, KEEP, {}),
            hours=nulled(full.power_factor.hours, KEEP, {}),
        ),
        load=dataclasses.replace(
            full.load, total=nulled(full.load.total, KEEP, {}), day=nulled(full.load.day, KEEP, {}),
            peak_day_curve=full.load.peak_day_curve.slice(0, 0),
        ),
        demand={},
    )  # fmt: skip
    document = make(results=results)
    assert document.row_count() == 0
    assert all(figure.cell.absent == NOT_MEASURED for figure in document.figures)
    assert document.completeness.cell.absent is not None


def test_a_silent_point_is_named_and_does_not_spoil_the_others(make: Make, sample: ModuleType) -> None:
    full = sample.month_results()
    point = full.voltage.total.to_pylist()[-1]["point"]
    changed = dataclasses.replace(
        full.voltage,
        total=nulled(full.voltage.total, KEEP, {"point": point}),
        day=nulled(full.voltage.day, KEEP, {"point": point}),
    )
    document = make(results=dataclasses.replace(full, voltage=changed))
    part = section(document, "voltage")
    assert f"No voltage in the period at: {point}." in warnings(part)
    assert "no data on 1 of 30 days: 2026-06-12." in warnings(part)
    assert len([chart for chart in part.charts if chart.kind == "band"]) == 1
    assert next(f for f in document.figures if f.column.key == "voltage_compliance_pct").verdict is None


def test_a_point_without_limits_says_so(make: Make, sample: ModuleType) -> None:
    full = sample.month_results(points=1)
    total = full.voltage.total
    for name in ("lower_v", "upper_v", "rate", "passed", "over_limit_min", "under_limit_min"):
        place = total.column_names.index(name)
        total = total.set_column(
            place, total.schema.field(name), pa.nulls(total.num_rows, total.schema.field(name).type)
        )
    document = make(results=dataclasses.replace(full, voltage=dataclasses.replace(full.voltage, total=total)))
    table = section(document, "voltage").tables[0]
    assert [(reason.en, len(columns)) for reason, columns in table.reasons()] == [
        ("no voltage limits in the registry", 6)
    ]
    figure = next(f for f in document.figures if f.column.key == "voltage_compliance_pct")
    assert figure.cell.absent is not None
    assert figure.cell.absent.en == "no voltage limits in the registry"


def test_missing_reactive_energy_is_told_apart_from_no_energy(make: Make, sample: ModuleType) -> None:
    full = sample.month_results()
    row = full.power_factor.accounts.to_pylist()[0]
    lost = dict.fromkeys(("wq_kvarh", "q1_kvarh", "q4_kvarh", "pf", "pf_assessed", "passed", "adjustment_pct"))
    accounts = pa.Table.from_pylist([row | lost | {"flags": ["no_reactive"]}], schema=full.power_factor.accounts.schema)
    changed = dataclasses.replace(full.power_factor, accounts=accounts)
    document = make(results=dataclasses.replace(full, power_factor=changed))
    figure = next(f for f in document.figures if f.column.key == "power_factor")
    assert figure.cell.absent is not None
    assert figure.cell.absent.en == "no reactive energy is known"
    assert "No reactive energy is known" in warnings(section(document, "power_factor"))


def test_the_digest_follows_the_inputs_not_their_order(sample: ModuleType, workspace: Workspace) -> None:
    results = sample.month_results()
    split = split_by_account(results, workspace.zone)["3301000001"]
    first = digest(split, {"a": 1})
    turned = dataclasses.replace(split, voltage_day=split.voltage_day[::-1])
    assert digest(turned, {"a": 1}) == first
    assert digest(split, {"a": 2}) != first
    changed = [dict(row) for row in split.voltage_day]
    changed[0]["max_v"] += 0.001
    assert digest(dataclasses.replace(split, voltage_day=changed), {"a": 1}) != first


def test_a_missing_column_of_an_analysis_is_named(sample: ModuleType, workspace: Workspace) -> None:
    results = sample.month_results()
    short = dataclasses.replace(results.load, total=results.load.total.drop_columns(["md_at"]))
    with pytest.raises(InternalError, match=r"load_total lacks md_at"):
        split_by_account(dataclasses.replace(results, load=short), workspace.zone)
    assert "md_at" in EXPECTED["load_total"]


def test_unavailable_kinds_say_what_they_need_in_both_languages() -> None:
    wanted = {f"2.6.{n}" for n in range(1, 17)}
    assert {kind.number for kind in KINDS.values() if kind.number} == wanted
    for kind in KINDS.values():
        assert (kind.needs is None) == (kind.build is not None or kind.made_by != "")
        assert kind.needs is None or all(kind.needs)
