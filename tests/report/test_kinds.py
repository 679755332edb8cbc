"""What the single kinds say of the SYNTHETIC town: numbers recomputed from its samples, honest pages where data lack."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import shutil
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import duckdb
import pytest
from python_calamine import CalamineWorkbook

from keyacct import clock
from keyacct.config import Workspace, open_workspace
from keyacct.errors import ConfigError, UsageError
from keyacct.model import Period
from keyacct.registry.importing import import_registry
from keyacct.report.document import Document, Table
from keyacct.report.kinds import KINDS
from keyacct.report.own_definition import define, definitions, resolve_period, save
from keyacct.report.subject import all_accounts
from keyacct.report.writers import parts
from keyacct.workflow.reports import find_kind

NOW = dt.datetime(2026, 7, 1, 0, 30, tzinfo=dt.UTC)
MULTIPLIERS = {"330100000105": 3000, "330100000106": 2000, "330100000107": 4000, "330100000108": 3000}
BUILT: dict[object, list[Document]] = {}
"""Documents are frozen: each is built once for all tests."""
OFFICE = ("summary", "register", "energy", "comparison", "sources", "voltage", "pf", "balance", "custom")


@pytest.fixture(autouse=True)
def _present() -> object:
    clock.fix("2026-07-01T08:30+08:00")
    yield
    clock.fix(None)


def build(
    workspace: Workspace, kind: str, *accounts: str, period: str = "2026-06", now: dt.datetime = NOW
) -> list[Document]:
    key = (str(workspace.root), kind, accounts, period, now)
    if key not in BUILT:
        made = KINDS[kind].build
        assert made is not None
        BUILT[key] = made(workspace, Period.parse(period), accounts or all_accounts(workspace), now)
    return BUILT[key]


def table(document: Document, key: str) -> Table:
    (found,) = [item for item in document.tables() if item.spec.key == key]
    return found


def rows(document: Document, key: str) -> list[dict[str, str | None]]:
    """Rows of a table as programs see them; words in English."""
    found = table(document, key)
    keys = [column.key for column in found.spec.columns]
    return [
        {k: None if c.absent else c.plain if c.plain is not None else c.text.en for k, c in zip(keys, row, strict=True)}
        for row in found.rows
    ]


def reasons(document: Document, key: str, column: str) -> set[str]:
    found = table(document, key)
    place = [c.key for c in found.spec.columns].index(column)
    return {row[place].absent.en for row in found.rows if row[place].absent is not None}


def samples(workspace: Workspace, sql: str) -> list[tuple[object, ...]]:
    """A query over the file that the town was imported from."""
    file = workspace.root / "town.parquet"
    return duckdb.sql(sql.replace("TOWN", f"(SELECT DISTINCT * FROM '{file}')")).fetchall()


def test_energies_are_the_sums_of_the_samples(town: Workspace) -> None:
    found = {row["account"]: row for row in rows(build(town, "energy")[0], "energy_accounts")}
    sums = dict(samples(town, "SELECT meter, sum(kwh) FROM TOWN GROUP BY meter"))
    for account, meter in (
        ("3301000106", "330100000106"),
        ("3301000107", "330100000107"),
        ("3301000108", "330100000108"),
    ):
        assert found[account]["energy_kwh"] == f"{sums[meter] * MULTIPLIERS[meter]:.2f}"
    exchanged = (sums["330100000104"] + sums["330100000114"]) * 240
    assert found["3301000104"]["energy_kwh"] == f"{exchanged:.2f}"


def test_charges_are_energies_by_tariff_period_times_prices(town: Workspace) -> None:
    (document,) = build(town, "customer", "3301000106")
    hour = "date_part('hour', ts - INTERVAL 1 SECOND)"
    split = dict(
        samples(
            town,
            f"SELECT CASE WHEN {hour} < 8 THEN 'valley' WHEN {hour} BETWEEN 9 AND 11 OR {hour} BETWEEN 17 AND 21 "
            "THEN 'peak' ELSE 'flat' END AS period, sum(kwh) * 2000 FROM TOWN WHERE meter = '330100000106' GROUP BY period",
        )
    )
    prices = {"valley": Decimal("0.31"), "flat": Decimal("0.63"), "peak": Decimal("0.92")}
    found = {row["item"]: row["amount_cny"] for row in rows(document, "customer_cost")}
    cents = Decimal("0.01")
    costs = {key: (split[key] * prices[key]) for key in prices}
    for key, cost in costs.items():
        assert found[f"Energy, {key}"] == str(cost.quantize(cents, ROUND_HALF_UP))
    energy, basic = sum(costs.values()).quantize(cents, ROUND_HALF_UP), Decimal(2000 * 28)  # 2 000 kVA at 28 yuan
    assert found["Basic charge"] == f"{basic:.2f}"
    (factor,) = [row for row in rows(build(town, "pf")[0], "pf_accounts") if row["account"] == "3301000106"]
    percent = Decimal(str(factor["adjustment_pct"]))
    adjustment = ((energy + basic) * percent / 100).quantize(cents, ROUND_HALF_UP)
    assert (percent, found["Power-factor adjustment"]) == (Decimal("-0.75"), str(adjustment))
    assert (factor["adjustment_cny"], found["Together"]) == (str(adjustment), str(energy + basic + adjustment))


def test_without_prices_yuan_are_not_available(town: Workspace) -> None:
    (found,) = [row for row in rows(build(town, "pf")[0], "pf_accounts") if row["account"] == "1000000001"]
    assert found["adjustment_cny"] is None
    assert "not available: no energy is known" in reasons(build(town, "pf")[0], "pf_accounts", "adjustment_cny")


def test_the_busbar_balances_with_its_incomer_but_for_the_silent_meter(town: Workspace) -> None:
    document = build(town, "balance")[0]
    first, second, _ = rows(document, "bus_balance")
    taken = dict(samples(town, "SELECT meter, sum(kwh) FROM TOWN GROUP BY meter"))
    into = taken["330100000100"] * 12_000
    out = sum(taken[meter] * multiplier for meter, multiplier in MULTIPLIERS.items())
    assert (first["in_kwh"], first["out_kwh"]) == (f"{into:.2f}", f"{out:.2f}")
    rate = ((into - out) / into * 100).quantize(Decimal("0.001"), ROUND_HALF_UP)
    assert (first["imbalance_pct"], first["passed"], first["limit_pct"]) == (str(rate), "pass", "2.00")
    assert first["state"] == "provisional: readings missing"  # meter 330100000107 was silent twice
    assert (second["in_kwh"], second["imbalance_pct"], second["passed"]) == (None, None, None)


def test_the_theoretical_loss_stands_beside_the_measured_one(town: Workspace) -> None:
    """12 × 4000 kWh in three days, reactive a quarter: I from S over √3·10 kV, form factor 1.05, 0.62 Ω."""
    document = build(town, "balance", period="2026-06-10..2026-06-12")[0]
    first, second = rows(document, "line_losses")
    hours, wp = 72, 48_000
    square = (1.05 * wp * math.hypot(1, 0.25) / hours) ** 2
    expected = square / 10**2 * 0.62 * hours / 1000
    assert (first["loss_kwh"], first["loss_pct"]) == ("2000.00", "4.167")
    assert first["expected_kwh"] == f"{expected:.2f}"
    assert first["excess_kwh"] == f"{2000 - expected:.2f}"
    assert (first["expected_pct"], first["theory_basis"]) == (f"{100 * expected / wp:.3f}", "energy")
    assert (second["loss_kwh"], second["expected_kwh"], second["theory_basis"]) == (
        "800.00", None, "no resistance YARD-L2",
    )  # fmt: skip


def test_a_transformer_of_the_substation_has_its_theoretical_loss(town: Workspace) -> None:
    """20.5 × 4000 kWh in three days through 3150 kVA: P0 3.4 kW, Pk 24.5 kW."""
    document = build(town, "balance", period="2026-06-10..2026-06-12")[0]
    (row,) = rows(document, "station_losses")
    beta = 82_000 * math.hypot(1, 0.25) / 3150 / 72
    assert (row["transformer"], row["rated_kva"], row["energy_kwh"]) == ("YARD-T1", "3150", "82000.00")
    assert (row["no_load_kwh"], row["load_kwh"]) == (f"{3.4 * 72:.2f}", f"{24.5 * beta**2 * 72:.2f}")
    assert row["station_loss_kwh"] == f"{3.4 * 72 + 24.5 * beta**2 * 72:.2f}"


def test_the_limit_is_told_as_it_is_set(town: Workspace) -> None:
    def told(workspace: Workspace, now: dt.datetime = NOW) -> tuple[str, str, str, str | None]:
        document = build(workspace, "balance", now=now)[0]
        limit = next(c for c in table(document, "bus_balance").spec.columns if c.key == "limit_pct")
        return limit.definition.en, limit.definition.zh, limit.source.en, rows(document, "bus_balance")[0]["limit_pct"]

    en, zh, source, shown = told(town)
    assert ("1 % from 220 kV on, 2 % below" in en, "1%, 以下2%" in zh, "1149" in source, shown) == (
        True,
        True,
        True,
        "2.00",
    )
    settings = town.settings.model_copy(
        update={"balance": town.settings.balance.model_copy(update={"limit_high": 0.005, "limit": 0.015})}
    )
    en, zh, source, shown = told(replace(town, settings=settings), NOW + dt.timedelta(minutes=1))
    assert ("0.5 % from 220 kV on, 1.5 % below" in en, "0.5%, 以下1.5%" in zh, shown) == (True, True, "1.50")
    assert source == "settings of the workspace"


def test_the_voltage_report_counts_minutes_and_joins_the_classes(town: Workspace) -> None:
    document = build(town, "voltage")[0]
    points = {row["point"]: row for row in rows(document, "voltage_points")}
    limits = {"TOWN-106": ("330100000106", 100, 9300, 10700), "TOWN-108": ("330100000108", 100, 9300, 10700)}
    for point, (meter, ratio, low, high) in limits.items():
        ((over, under, whole),) = samples(
            town,
            f"SELECT sum((v > {high})::INT) * 15, sum((v < {low})::INT) * 15, count(v) * 15 "
            f"FROM (SELECT unnest([ua, uc]) * {ratio} AS v FROM TOWN WHERE meter = '{meter}')",
        )
        found = points[point]
        assert (found["over_limit_min"], found["under_limit_min"], found["monitored_min"]) == (
            str(over),
            str(under),
            str(whole),
        )
        assert found["rate_pct"] == f"{(1 - Decimal(over + under) / whole) * 100:.3f}"
    rates = [row["class_rate_pct"] for row in rows(document, "voltage_classes")]
    a, b, c, d = (Decimal(str(rate)) for rate in rates)
    combined = document.figures[0].cell.number
    assert combined is not None
    assert abs(combined - (a / 2 + (b + c + d) / 6)) < Decimal("0.002")
    curve = {(r["point"], r["phase"], r["hour"]): r for r in rows(document, "voltage_curve")}
    ((mean,),) = samples(
        town,
        "SELECT avg(ua) * 100 FROM TOWN WHERE meter = '330100000106' AND date_part('hour', ts - INTERVAL 1 SECOND) = 9",
    )
    assert curve["TOWN-106", "AB", "9"]["mean_v"] == f"{mean:.1f}"
    assert reasons(document, "voltage_points", "loss_min") == {"no current beside the voltage, or no nominal voltage"}


def test_the_register_holds_people_sources_and_safety(town: Workspace) -> None:
    document = build(town, "register")[0]
    (hospital,) = [row for row in rows(document, "register_service") if row["account"] == "3301000103"]
    assert hospital["desk_manager"] == "Desk manager One (invented)"
    assert (hospital["safety_load_kw"], hospital["sources"]) == ("160", "Diesel set (own emergency), Main (main)")
    assert hospital["open_cases"] is None


def test_sources_are_listed_with_what_is_missing(town: Workspace) -> None:
    document = build(town, "sources")[0]
    found = {(row["account"], row["source"]): row for row in rows(document, "sources")}
    assert {account for account, _ in found} == {"3301000103", "3301000105", "3301000107"}
    assert found["3301000107", "Turbine"]["completeness_pct"] == "25"  # generation of four fields
    assert found["3301000105", "10 kV"]["completeness_pct"] == "100"
    (warning,) = document.sections[0].notes
    assert "3301000107" in warning.text.en


def test_raw_data_are_the_samples_as_they_came(town: Workspace) -> None:
    (document,) = build(town, "raw", "3301000103", period="2026-06-11")
    found = rows(document, "raw")
    day = samples(
        town,
        "SELECT ua, ub, uc, kwh, kvarh_lag FROM TOWN WHERE meter = '330100000103' AND ts > '2026-06-11' "
        "AND ts <= '2026-06-12' ORDER BY ts",
    )
    assert [(r["ua_v"], r["ub_v"], r["uc_v"], r["import_kwh"], r["q1_kvarh"]) for r in found] == [
        (f"{a:.1f}", f"{b:.1f}", f"{c:.1f}", f"{kwh:.4f}", f"{lag:.4f}") for a, b, c, kwh, lag in day
    ]
    assert (found[-1]["at"], found[-1]["quality"]) == ("2026-06-12T00:00+08:00", "good")
    assert reasons(document, "raw", "p_kw") == {"not sent by the meter"}


@pytest.mark.parametrize("kind", ["summary", "energy", "comparison", "customer", "voltage", "pf", "balance"])
def test_numbers_read_back_from_workbook_and_csv_are_those_of_the_document(town: Workspace, kind: str) -> None:
    accounts = () if kind != "customer" else ("3301000104",)
    (document,) = build(town, kind, *accounts)
    files = {part.name: part.content for part in parts(document, "en", "csv")}
    (book,) = parts(document, "en", "xlsx")
    sheets = CalamineWorkbook.from_filelike(io.BytesIO(book.content))
    for item in document.tables():
        columns = item.spec.columns
        lines = list(csv.reader(io.StringIO(files[item.spec.key].decode())))[1:]
        sheet = sheets.get_sheet_by_name(item.spec.short.en).to_python()
        head = next(n for n, line in enumerate(sheet) if line[: len(columns)] and line[0] == columns[0].heading("en"))
        for number, row in enumerate(item.rows):
            for place, cell in enumerate(row):
                if cell.number is None:
                    continue
                assert lines[number][place + 1] == cell.plain
                assert Decimal(str(sheet[head + 1 + number][place])) == pytest.approx(cell.number)


@pytest.mark.parametrize("kind", OFFICE)
def test_a_month_without_data_says_so_and_shows_no_zero(town: Workspace, kind: str) -> None:
    for document in build(town, kind, period="2026-04"):
        assert all(parts(document, lang, "html") for lang in ("en", "zh"))
        for item in document.tables():
            for row in item.rows:
                for column, cell in zip(item.spec.columns, row, strict=True):
                    if (
                        column.unit.en in ("kWh", "kW", "kvarh", "CNY", "V")
                        and item.spec.key.split("_")[0] != "register"
                    ):
                        assert cell.number is None or column.key in (
                            "lower_v",
                            "upper_v",
                            "nominal_v",
                            "own_generation_kw",
                        )


@pytest.mark.parametrize("kind", ["customer", "raw", "month"])
def test_an_account_without_a_meter_has_an_honest_page(town: Workspace, tmp_path: Path, kind: str) -> None:
    shutil.copytree(town.root, tmp_path / "copy")
    town = open_workspace(tmp_path / "copy")
    import_registry(town, '[[account]]\naccount_no = "3301999999"\naccount_name = "No meter yet"\n', file="more.toml")
    (document,) = build(town, kind, "3301999999")
    assert document.tables() == []
    assert all(cell.absent or not cell.number for cell in (figure.cell for figure in document.figures))
    assert any(note.level == "warning" for section in document.sections for note in section.notes)
    assert document.completeness.cell.absent is not None


def test_a_running_month_compares_nothing_and_bills_no_basic_charge(town: Workspace) -> None:
    half = dt.datetime(2026, 6, 15, 4, tzinfo=dt.UTC)
    clock.fix("2026-06-15T12:00+08:00")
    (document,) = build(town, "customer", "3301000106", now=half)
    assert any("not over" in note.text.en for note in document.notes)
    costs = {row["item"]: row["amount_cny"] for row in rows(document, "customer_cost")}
    assert costs["Energy, peak"] is not None
    assert (costs["Basic charge"], costs["Together"]) == (None, None)
    assert "not available: the month is not over" in reasons(document, "customer_cost", "amount_cny")


def test_without_last_year_the_comparison_is_not_available(town: Workspace) -> None:
    document = build(town, "energy")[0]
    assert reasons(document, "energy_other_periods", "year_ago_kwh") == {"not available: no data of a year ago"}
    assert {row["before_kwh"] for row in rows(document, "energy_other_periods")} == {None}


def test_a_report_of_the_users_own_filters_groups_and_sums(town: Workspace) -> None:
    fields = ["energy_kwh", "pf_assessed", "account_name"]
    save(town, define("own", title="Own", fields=fields, where=["voltage_level_kv=10"], group="tariff_mode"))
    kind = find_kind("custom:own")
    assert kind.build is not None
    (document,) = kind.build(town, Period.parse("2026-06"), all_accounts(town), NOW)
    assert document.kind == "custom-own"
    found = rows(document, "custom")
    assert [row["account"] for row in found] == ["3301000106", "3301000105", "3301000107", "3301000108"]
    groups = {row["group"]: row for row in rows(document, "custom_groups")}
    demand = [Decimal(str(row["energy_kwh"])) for row in found if row["account"] != "3301000106"]
    assert (groups["two-part, by demand"]["group_accounts"], groups["two-part, by demand"]["energy_kwh"]) == (
        "3",
        str(sum(demand)),
    )
    (town.root / "own_reports" / "own.toml").unlink()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "A b"}, "no name"),
        ({"fields": []}, "needs fields"),
        ({"fields": ["energy"]}, "did you mean 'energy_kwh'"),
        ({"where": ["energy_kwh ~ 5"]}, "no condition"),
        ({"where": ["energy_kwh > x"]}, "compares a number"),
        ({"group": "energy_kwh"}, "cannot be grouped"),
        ({"period": "juin"}, "no period"),
    ],
)
def test_a_wrong_definition_is_refused_with_a_hint(changed: dict[str, object], message: str) -> None:
    wanted: dict[str, object] = {"name": "own", "fields": ["energy_kwh"], **changed}
    with pytest.raises(UsageError) as found:
        define(**wanted)
    assert message in f"{found.value} {found.value.hint}"


def test_a_saved_definition_reads_back_as_it_was_and_a_damaged_one_names_its_file(
    town: Workspace, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path, town.settings)
    made = define("a-1", title='Tab "quoted" \\ 户', fields=["md_kw"], where=["account_name!=x"], period="last-month")
    file = save(workspace, made)
    assert definitions(workspace) == [made]
    file.write_text("fields = 1\n")
    with pytest.raises(ConfigError, match="lists of texts"):
        definitions(workspace)
    with pytest.raises(ConfigError) as error:
        definitions(workspace, ["a-2"])
    assert "a-1" in error.value.hint


@pytest.mark.parametrize(
    ("text", "label"),
    [("last-month", "2025-12"), ("this-year", "2026"), ("yesterday", "2026-01-14"), ("2026-W02", "2026-W02")],
)
def test_a_saved_period_is_that_of_the_day(text: str, label: str) -> None:
    assert resolve_period(text, dt.date(2026, 1, 15)).label == label
