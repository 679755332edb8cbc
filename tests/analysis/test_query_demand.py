"""The demand quantity of `query`, against windows formed the slow way."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest

import keyacct.store.engine  # noqa: F401  the office stands in for the store's readers; the engine is the real one
from keyacct.analysis.curve_demand import TransformersBefore, curve_demands
from keyacct.analysis.load import load
from keyacct.analysis.query import Asked, query
from keyacct.analysis.question import ask
from keyacct.model import MINUTE_MS, Period

DAY = Period.parse("2026-06-01")


def minutes(
    office: Any, seed: int, meter: str = "M1", account: str = "1000000001", point: str = "P1"
) -> dict[int, float]:
    """A day of minute powers with a gap, kW."""
    office.point(point, meter=meter, account_no=account, interval_min=1)
    rnd = random.Random(seed)
    values = {n: rnd.randrange(0, 90_000) / 1000 for n in range(1, 1441) if not 300 <= n < 330}
    for n, kw in values.items():
        office.sample("power", office.at("2026-06-01T00:00") + n * MINUTE_MS, meter=meter, p=kw)
    return values


def highest(points: list[dict[int, float]], begin: int, end: int, slip: int) -> tuple[float, int]:
    """Highest mean of 15 minutes whose window ends in (begin, end], all points together, and the first end that has it."""
    best = (-1.0, 0)
    for at in range(begin + slip, end + 1, slip):
        sums = []
        for values in points:
            inside = [m for m in values if at - 15 < m <= at]
            # The first value behind the gap stands for one minute, like every other.
            if len(inside) >= 12:
                sums.append(sum(values[m] for m in inside) / len(inside))
        if len(sums) == len(points) and sum(sums) > best[0] + 1e-9:
            best = (sum(sums), at)
    return best


def at(minute: int) -> str:
    begin = dt.datetime(2026, 6, 1, tzinfo=dt.timezone(dt.timedelta(hours=8)))
    return (begin + dt.timedelta(minutes=minute)).isoformat(timespec="minutes")


@pytest.mark.parametrize(("bucket", "length"), [("day", 1440), ("hour", 60)])
def test_minutes_make_a_sliding_window_in_every_bucket(office: Any, bucket: str, length: int) -> None:
    values = minutes(office, 5)
    rows = query(office.workspace, Asked(("demand",), DAY, bucket))
    assert len(rows) == 1440 // length
    for n, row in enumerate(rows):
        kw, end = highest([values], n * length, (n + 1) * length, 1)
        if kw < 0:
            assert row["demand_kw"] is None
            continue
        assert (row["demand_kw"], row["demand_at"]) == (pytest.approx(kw), at(end)), n
        assert row["demand_kind"] == "sliding15/1"


def test_the_points_of_a_group_are_added_at_the_same_time(office: Any) -> None:
    together = [minutes(office, 7), minutes(office, 8, "M2", "2000000002", "P2")]
    (row,) = query(office.workspace, Asked(("demand",), DAY, "period"))
    kw, end = highest(together, 0, 1440, 1)
    assert (row["demand_kw"], row["demand_at"]) == (pytest.approx(kw), at(end))
    rows = query(office.workspace, Asked(("demand",), DAY, "period", ("account_no",)))
    assert [row["demand_kw"] for row in rows] == [pytest.approx(highest([of], 0, 1440, 1)[0]) for of in together]


def test_it_is_the_demand_of_the_account(office: Any) -> None:
    minutes(office, 9)
    (row,) = query(office.workspace, Asked(("demand",), DAY, "period", ("account_no",)))
    question = ask(office.workspace, DAY, None, kinds=("billing",))
    own = curve_demands(question, None, TransformersBefore(question))["1000000001"]
    assert (row["demand_kw"], row["demand_kind"]) == (own.kw, own.kind)


def test_quarter_hours_make_blocks_and_say_so(office: Any) -> None:
    office.point()
    for n, kw in enumerate((4, 8, 6, 7), start=1):
        office.sample("power", office.at("2026-06-01T00:00") + n * 15 * MINUTE_MS, p=kw)
    (row,) = query(office.workspace, Asked(("demand",), DAY, "day"))
    assert (row["demand_kw"], row["demand_at"], row["demand_kind"]) == (8.0, at(30), "block15")
    (total,) = load(office.workspace, DAY).total.to_pylist()
    assert (total["md_kw"], total["demand_kind"]) == (8.0, "block15")


def test_a_comparison_compares_the_kilowatts(office: Any) -> None:
    office.point()
    for day, kw in (("2026-06-01", 8), ("2026-06-02", 6)):
        office.sample("power", office.at(f"{day}T00:00") + 15 * MINUTE_MS, p=kw)
    (row,) = query(office.workspace, Asked(("demand",), Period.parse("2026-06-02")), against=DAY)
    assert (row["demand_kw"], row["demand_kw_before"], row["demand_kw_change"]) == (6.0, 8.0, -2.0)


@pytest.mark.parametrize(("mode", "flags"), [("hl", ["without_loss"]), ("hh", []), (None, [])])
def test_a_load_behind_a_transformer_says_that_it_is_without_its_losses(
    office: Any, mode: str | None, flags: list[str]
) -> None:
    office.point(metering_mode=mode)
    office.sample("power", office.at("2026-06-01T00:00") + 15 * MINUTE_MS, p=8)
    result = load(office.workspace, DAY)
    assert [row["flags"] for row in (*result.total.to_pylist(), *result.day.to_pylist())] == [flags, flags]
