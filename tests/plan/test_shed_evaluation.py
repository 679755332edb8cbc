"""The evaluation against DuckDB and plain loops, on SYNTHETIC metered load with gaps, idle customers and broken limits."""

from __future__ import annotations

import csv
import datetime as dt
import random
from pathlib import Path
from typing import Any

import duckdb
import pytest
from shed_instances import BLOCKS, PERIODS, make, write

from keyacct.analysis.shed_evaluation import Evaluation, EvaluationRules, evaluate_event, rate
from keyacct.analysis.shed_event import ShedEvent
from keyacct.config import SheddingSettings
from keyacct.errors import InputError
from keyacct.i18n import Text
from keyacct.plan.event_files import read_event
from keyacct.plan.folder import read_folder
from keyacct.plan.planner import Wishes, plan
from keyacct.workflow.shed_evaluating import like_days
from keyacct.workflow.shed_metered import file_curves, over_horizon
from keyacct.workflow.shed_source import PlanSource, read_source

RULES = EvaluationRules()


def metered_of(event: ShedEvent, seed: int) -> dict[str, list[float | None]]:
    """What the meters say: some obey, some give half, some nothing, some too much; 6 % of the values are missing."""
    r = random.Random(seed)
    found: dict[str, list[float | None]] = {}
    for customer, orders in event.by_customer.items():
        load: list[float | None] = [kw * r.uniform(0.97, 1.03) for kw in event.customers[customer].load_kw]
        for order in orders:
            obeys = r.choice([1.0, 1.0, 1.0, 0.5, 0.0, 1.3])
            for t, kw in zip(order.periods(), order.kw, strict=True):
                load[t] = max((load[t] or 0.0) - kw * obeys, 0.0)
        for t, kw in event.returns.get(customer, {}).items():
            load[t] = (load[t] or 0.0) + kw
        found[customer] = [None if kw is None or r.random() < 0.06 else round(kw, 3) for kw in load]
    silent = sorted(found)[0]
    found[silent] = [None] * PERIODS
    return found


@pytest.fixture(scope="module", params=[3, 21])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("event")
    problem = write(make(request.param, 70, share=0.14), folder / "problem")
    content = plan(read_folder(problem), Wishes(threads=1)).content
    (folder / "plan.csv").write_bytes(content)
    event = read_event(read_folder(problem), content)
    metered = metered_of(event, request.param)
    with (folder / "metered.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["customer", "period", "kw"])
        writer.writerows([c, t, "" if kw is None else kw] for c, load in metered.items() for t, kw in enumerate(load))
    baseline = {customer: event.customers[customer].load_kw for customer in event.by_customer}
    found = evaluate_event(event, metered, baseline)
    return {"folder": folder, "event": event, "metered": metered, "found": found}


@pytest.fixture(scope="module")
def sql(case: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    """Tables `o` (customer, block, measure, t, ordered, base, used, given, ceiling) and `m`, from the files alone."""
    folder = case["folder"]
    engine = duckdb.connect()
    engine.execute(f"CREATE TABLE p AS SELECT * FROM read_csv('{folder}/plan.csv', types={{'customer': 'VARCHAR'}})")
    engine.execute(
        f"CREATE TABLE c AS SELECT * FROM read_csv('{folder}/problem/customers.csv', types={{'area': 'VARCHAR'}})"
    )
    engine.execute(
        "CREATE TABLE b AS SELECT id AS customer, CAST(substr(name, 2) AS INT) AS t, kw FROM "
        f"(UNPIVOT (SELECT * FROM read_csv('{folder}/problem/baseline.csv')) ON COLUMNS('^p') INTO NAME name VALUE kw)"
    )
    engine.execute(f"CREATE TABLE m AS SELECT * FROM read_csv('{folder}/metered.csv', types={{'kw': 'DOUBLE'}})")
    blocks = ", ".join(f"({k + 1}, {a}, {b})" for k, (a, b) in enumerate(BLOCKS))
    engine.execute(f"CREATE TABLE k AS SELECT * FROM (VALUES {blocks}) v(block, first, past)")
    engine.execute(
        """CREATE TABLE o AS
        WITH whole AS (
            SELECT DISTINCT p.customer, k.block, p.measure, k.first, k.past FROM p, k
            WHERE p.measure <> 'rebound' AND p.period >= k.first AND p.period < k.past),
        spread AS (SELECT w.*, unnest(range(first, past)) AS t FROM whole w)
        SELECT s.customer, s.block, s.measure, s.t, c.area, c.safety_kw AS safety, coalesce(p.kw, 0) AS ordered,
            b.kw AS base, m.kw AS used, b.kw - m.kw AS given, s.t - s.first AS place,
            CASE WHEN s.measure = 'limit'
                 THEN avg(b.kw - p.kw) FILTER (p.kw > 0) OVER (PARTITION BY s.customer, s.block)
                 ELSE b.kw - coalesce(p.kw, 0) END AS ceiling
        FROM spread s JOIN c ON c.id = s.customer JOIN b ON b.customer = s.customer AND b.t = s.t
        LEFT JOIN p ON p.customer = s.customer AND p.period = s.t AND p.measure = s.measure
        LEFT JOIN m ON m.customer = s.customer AND m.period = s.t"""
    )
    return engine


def test_reduction_by_interval_block_and_area_is_the_sum_over_measured_customers(
    case: dict[str, Any], sql: duckdb.DuckDBPyConnection
) -> None:
    found: Evaluation = case["found"]
    rows = sql.execute("SELECT t, sum(ordered), sum(given), count(*) - count(used) FROM o GROUP BY t").fetchall()
    by_t = {t: (ordered, given, missing) for t, ordered, given, missing in rows}
    assert len(by_t) == len(found.intervals) == sum(b - a for a, b in BLOCKS)
    for row in found.intervals:
        ordered, given, missing = by_t[row["period"]]
        assert row["planned_kw"] == pytest.approx(ordered)
        assert row["achieved_kw"] == pytest.approx(given)
        assert row["missing"] == missing
        assert row["execution_rate"] == pytest.approx(min(max(given / ordered, 0), 1))
    assert sum(row["missing"] for row in found.intervals) > 0, "the case has gaps"
    for key, column, rows in (("block", "block", found.blocks), ("area", "area", found.areas)):
        wanted = dict(
            sql.execute(
                f"""SELECT {column}, avg(least(1, greatest(0, coalesce(given, 0) / ordered))) FROM
                (SELECT {column}, t, sum(ordered) AS ordered, sum(given) AS given FROM o GROUP BY {column}, t)
                WHERE ordered > 0 GROUP BY {column}"""
            ).fetchall()
        )
        assert {row[key] for row in rows if row["orders"]} == set(wanted)
        for row in rows:
            if row["orders"]:
                assert row["execution_rate"] == pytest.approx(wanted[row[key]])


def test_execution_rate_of_a_customer_counts_a_gap_as_nothing(
    case: dict[str, Any], sql: duckdb.DuckDBPyConnection
) -> None:
    rows = sql.execute(
        """SELECT customer, avg(least(1, greatest(0, coalesce(given, 0) / ordered))) FILTER (ordered > 0),
            sum(greatest(given, 0)) / 4, count(used), count(*),
            count(*) FILTER (used <= ceiling * 1.05) / count(*) FROM o GROUP BY customer"""
    ).fetchall()
    found = {row["customer"]: row for row in case["found"].customers}
    assert set(found) == {row[0] for row in rows}
    for customer, execution, kwh, measured, expected, kept in rows:
        row = found[customer]
        assert row["missing"] == expected - measured
        if measured == 0:
            assert row["execution_rate"] is None
            assert row["achieved_kwh"] is None
            assert row["ceiling_kept"] is None
            assert row["executed"] == 0
            continue
        assert row["execution_rate"] == pytest.approx(execution)
        assert row["achieved_kwh"] == pytest.approx(kwh)
        assert row["limit_compliance"] == pytest.approx(kept)
    assert any(row["execution_rate"] is None for row in found.values()), "the case has a silent customer"


def test_orders_are_executed_when_they_reach_80_percent_and_within_two_intervals(
    case: dict[str, Any], sql: duckdb.DuckDBPyConnection
) -> None:
    rows = sql.execute(
        """SELECT customer, block,
            avg(least(1, greatest(0, coalesce(given, 0) / ordered))) FILTER (ordered > 0) >= 0.8
            AND min(place) FILTER (ordered > 0 AND given / ordered >= 0.8) < 2
        FROM o GROUP BY customer, block"""
    ).fetchall()
    wanted = {(customer, block): bool(executed) for customer, block, executed in rows}
    assert {(row["customer"], row["block"]): bool(row["executed"]) for row in case["found"].orders} == wanted
    assert 0 < sum(wanted.values()) < len(wanted)
    assert case["found"].totals["execution_of_orders"] == pytest.approx(sum(wanted.values()) / len(wanted))


def test_broken_limits_and_safety_loads_are_those_of_plain_loops(case: dict[str, Any]) -> None:
    event, metered, found = case["event"], case["metered"], case["found"]
    over: set[tuple[str, int]] = set()
    low: set[tuple[str, int]] = set()
    worst: dict[str, float] = {}
    for order in event.orders:
        for place, t in enumerate(range(order.first, order.end)):
            used = metered[order.customer][t]
            if used is None:
                continue
            limit = order.ceiling_kw
            if limit is None:
                limit = event.customers[order.customer].load_kw[t] - order.kw[place]
            if used > limit * 1.05:
                over.add((order.customer, t))
                worst[order.customer] = max(worst.get(order.customer, 0.0), used - limit)
            if used < event.customers[order.customer].safety_kw - 0.01:
                low.add((order.customer, t))
    assert over
    assert low

    def cells(rows: list[dict[str, Any]]) -> set[tuple[str, int]]:
        step = dt.timedelta(minutes=15)
        return {
            (row["customer"], (row["from_at"] - event.start) // step + n)
            for row in rows
            for n in range((row["to_at"] - row["from_at"]) // step)
        }

    assert cells(found.ceilings) == over
    assert cells(found.below_safety) == low
    for row in found.ceilings:
        assert row["over_kw"] <= worst[row["customer"]] + 1e-9
        assert row["minutes"] == (row["to_at"] - row["from_at"]).total_seconds() / 60
    assert max(row["over_kw"] for row in found.ceilings) == pytest.approx(max(worst.values()))


def test_hours_and_energy_borne_and_not_served(case: dict[str, Any], sql: duckdb.DuckDBPyConnection) -> None:
    rows = sql.execute(
        "SELECT customer, count(*) / 4, count(used) / 4, count(*) FILTER (given > 1) / 4, sum(greatest(given, 0)) / 4 "
        "FROM o GROUP BY customer"
    ).fetchall()
    found = {row["customer"]: row for row in case["found"].burdens}
    assert len(found) == len(rows)
    for customer, ordered, measured, borne, kwh in rows:
        row = found[customer]
        assert row["day"] == dt.date(2025, 7, 15)
        assert (row["ordered_h"], row["measured_h"], row["borne_h"]) == (ordered, measured, borne)
        assert row["borne_kwh"] == pytest.approx(kwh or 0.0)
    (not_served, shifted) = sql.execute(
        "SELECT sum(greatest(given, 0)) FILTER (measure <> 'shift') / 4, "
        "sum(greatest(given, 0)) FILTER (measure = 'shift') / 4 FROM o"
    ).fetchone() or (None, None)
    assert case["found"].totals["not_served_kwh"] == pytest.approx(not_served)
    assert case["found"].totals["shift_kwh"] == pytest.approx(shifted)


def test_rebound_peak_is_the_highest_sum_above_the_baseline_after_the_last_block(
    case: dict[str, Any], sql: duckdb.DuckDBPyConnection
) -> None:
    rows = sql.execute(
        f"""SELECT b.t, sum(m.kw - b.kw), count(*) - count(m.kw) FROM b JOIN m ON m.customer = b.customer AND m.period = b.t
        WHERE b.t >= {BLOCKS[-1][1]} AND b.customer IN (SELECT customer FROM o) GROUP BY b.t ORDER BY 2 DESC, 1"""
    ).fetchall()
    totals = case["found"].totals
    assert totals["rebound_peak_kw"] == pytest.approx(rows[0][1])
    assert totals["rebound_peak_at"] == case["event"].end_of(rows[0][0])
    assert {row["period"]: row["missing"] for row in case["found"].after_release} == {t: gone for t, _, gone in rows}


def test_more_missing_values_never_raise_what_was_achieved(case: dict[str, Any]) -> None:
    event, metered = case["event"], case["metered"]
    baseline = {customer: event.customers[customer].load_kw for customer in event.by_customer}
    r = random.Random(4)
    full = {c: [0.0 if kw is None else kw for kw in load] for c, load in metered.items()}
    last = {row["customer"]: row["execution_rate"] for row in evaluate_event(event, full, baseline).customers}
    thinned: dict[str, list[float | None]] = {c: list(load) for c, load in full.items()}
    for _ in range(4):
        for load in thinned.values():
            load[r.randrange(PERIODS)] = None
        now = {row["customer"]: row["execution_rate"] for row in evaluate_event(event, thinned, baseline).customers}
        assert all(now[c] is None or (last[c] is not None and now[c] <= last[c] + 1e-12) for c in now)
        last = now


def test_without_any_value_nothing_is_a_number(case: dict[str, Any]) -> None:
    event = case["event"]
    baseline = {customer: event.customers[customer].load_kw for customer in event.by_customer}
    found = evaluate_event(event, {}, baseline)
    for key in (
        "execution_rate",
        "achieved_kwh",
        "achieved_peak_kw",
        "limit_compliance",
        "not_served_kwh",
        "rebound_peak_kw",
    ):
        assert found.totals[key] is None, key
    assert found.totals["completeness"] == 0
    assert found.totals["executed"] == 0
    assert all(row["borne_h"] == 0 for row in found.burdens)
    assert all(row["achieved_kw"] is None for row in found.intervals if row["ordered"])


def test_the_rate_of_an_interval_lies_between_nothing_and_all() -> None:
    assert rate(50.0, 100.0) == 0.5
    assert rate(150.0, 100.0) == 1.0
    assert rate(-20.0, 100.0) == 0.0
    assert rate(None, 100.0) is None
    assert rate(5.0, 0.0) is None


SOME = 5
"""Customers of a file of days."""


def _days_file(event: ShedEvent, days: int, seed: int) -> tuple[bytes, dict[tuple[str, dt.datetime], float]]:
    """Metered load of the event's day and of days before it, as a file and by its stamps."""
    r = random.Random(seed)
    values: dict[tuple[str, dt.datetime], float] = {}
    for back in range(days + 1):
        for customer in list(event.by_customer)[:SOME]:
            for slot in range(96):
                begin = dt.datetime(2025, 7, 15, tzinfo=event.start.tzinfo) - dt.timedelta(days=back)
                values[customer, begin + dt.timedelta(minutes=15 * (slot + 1))] = round(r.uniform(100, 300), 3)
    text = "customer,time,kw\n" + "".join(f"{c},{at.isoformat()},{kw}\n" for (c, at), kw in values.items())
    return text.encode(), values


def test_like_day_baseline_is_the_mean_of_five_workdays_scaled_by_the_two_hours_before(
    case: dict[str, Any],
) -> None:
    event = case["event"]
    content, values = _days_file(event, 14, 7)
    zone = event.start.tzinfo
    curves = file_curves(content, "metered.csv", zone, event.by_customer)
    source = PlanSource(event, zone, {})
    skipped = dt.date(2025, 7, 11)
    found = like_days(source, zone, curves, SheddingSettings(), {skipped}, [])
    # Tuesday 15 July 2025: the workdays before are 14, 10, 9, 8, 7 July; the 11th had an event, 12 and 13 are a weekend.
    days = [dt.date(2025, 7, day) for day in (7, 8, 9, 10, 14)]
    for customer in list(event.by_customer)[:SOME]:

        def mean(minute: int, customer: str = customer) -> float:
            stamps = [dt.datetime.combine(d, dt.time(), zone) + dt.timedelta(minutes=minute + 15) for d in days]
            return sum(values[customer, at] for at in stamps) / 5

        start = 8 * 60
        first = start + 15 * BLOCKS[0][0]
        before = range(first - 120, first, 15)
        midnight = dt.datetime(2025, 7, 15, tzinfo=zone)
        now = sum(values[customer, midnight + dt.timedelta(minutes=m + 15)] for m in before)
        factor = min(max(now / sum(mean(m) for m in before), 0.8), 1.2)
        for t in range(event.periods):
            assert found[customer][t] == pytest.approx(mean(start + 15 * t) * factor, abs=0.0006), (customer, t)


def test_a_customer_without_any_measured_day_has_no_like_day_baseline(case: dict[str, Any]) -> None:
    event = case["event"]
    content, _ = _days_file(event, 6, 1)
    gone = next(iter(event.by_customer))
    kept = b"\n".join(line for line in content.split(b"\n") if not line.startswith(f"{gone},".encode()))
    zone = event.start.tzinfo
    warnings: list[Text] = []
    curves = file_curves(kept, "m.csv", zone, event.by_customer)
    found = like_days(PlanSource(event, zone, {}), zone, curves, SheddingSettings(), (), warnings)
    assert gone not in found
    assert any(gone in warning.en for warning in warnings)
    row = next(
        r for r in evaluate_event(event, over_horizon(event, zone, curves), found).customers if r["customer"] == gone
    )
    assert row["execution_rate"] is None


def test_stamps_are_ends_of_intervals_and_parquet_says_the_same_as_csv(case: dict[str, Any]) -> None:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    event = case["event"]
    content, values = _days_file(event, 0, 2)
    zone = event.start.tzinfo
    first = over_horizon(event, zone, file_curves(content, "m.csv", zone, event.by_customer))
    for customer, load in first.items():
        assert load == [values.get((customer, event.end_of(t))) for t in range(event.periods)]
    table = pa.table(
        {
            "account_no": [c for c, _ in values],
            "ts": pa.array([at for _, at in values], pa.timestamp("ms", tz="UTC")),
            "kw": list(values.values()),
            "more": [1] * len(values),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    assert over_horizon(event, zone, file_curves(buffer.getvalue(), "m.parquet", zone, event.by_customer)) == first
    naive = content.replace(b"+08:00", b"")
    assert over_horizon(event, zone, file_curves(naive, "m.csv", zone, event.by_customer)) == first


@pytest.mark.parametrize(
    ("line", "words", "row"),
    [
        ("{c},2025-07-15T10:07:00+08:00,5", "no quarter", 3),
        ("{c},yesterday,5", "no time", 3),
        ("{c},,5", "no time", 3),
        ("{c},2025-07-15T10:15:00+08:00,-5", "no number", 3),
        ("{c},2025-07-15T10:15:00+08:00,nan", "no number", 3),
        ("{c},2025-07-15T10:15:00+08:00,much", "no number", 3),
        ("{c},2025-07-15T10:00:00+08:00,6", "5.0 kW and 6.0 kW", 3),
    ],
)  # fmt: skip
def test_a_bad_metered_row_is_named(case: dict[str, Any], line: str, words: str, row: int) -> None:
    event = case["event"]
    customer = next(iter(event.by_customer))
    text = f"customer,time,kw\nstranger,never,x\n{customer},2025-07-15T10:00:00+08:00,5\n{line.format(c=customer)}\n"
    with pytest.raises(InputError, match=words) as error:
        file_curves(text.encode(), "m.csv", event.start.tzinfo, event.by_customer)
    assert error.value.where["row"] == row
    assert error.value.where["file"] == "m.csv"


@pytest.mark.parametrize("content", [b"", b"customer,kw\nc,1\n", b"PAR1junk", b"a,b\n1\n"])
def test_a_metered_file_of_another_form_is_refused(case: dict[str, Any], content: bytes) -> None:
    with pytest.raises(InputError) as error:
        file_curves(content, "m.csv", dt.UTC, case["event"].by_customer)
    assert error.value.where["file"] == "m.csv"


def test_a_plan_off_the_quarters_of_an_hour_is_refused(case: dict[str, Any]) -> None:
    from dataclasses import replace

    from keyacct.workflow.shed_metered import check_grid

    event: ShedEvent = case["event"]
    check_grid(event, dt.UTC)
    for odd in (replace(event, minutes=30), replace(event, start=event.start + dt.timedelta(minutes=5))):
        with pytest.raises(InputError, match="no quarters"):
            check_grid(odd, dt.UTC)


def test_an_event_without_orders_is_evaluated_too(tmp_path: Path) -> None:
    problem = make(1, 10)
    problem["system"] = [[t, 0, room] for t, _, room in problem["system"]]
    problem["areas"] = []
    write(problem, tmp_path / "p")
    (tmp_path / "plan.csv").write_text("customer,period,measure,kw\n")
    source = read_source(tmp_path / "p", tmp_path / "plan.csv")
    found = evaluate_event(source.event, {}, {})
    assert found.customers == []
    assert found.totals["completeness"] is None
    assert found.totals["execution_of_orders"] is None
