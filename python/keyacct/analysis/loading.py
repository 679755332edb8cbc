"""Loading of transformers and accounts in bands of their capacity, with durations and findings (GB/T 13462, GB/T 3485)."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from keyacct.analysis.buckets import buckets_of
from keyacct.analysis.curve_tables import BLOCK_MS, curve_meters, curve_tables, exact_sum
from keyacct.analysis.question import Question, ask
from keyacct.config import LoadingSettings, Workspace
from keyacct.model import MINUTE_MS, Period, civil

Block = tuple[int, float]
"""End of a block of 15 minutes (UTC ms), apparent power in kVA or its share of a capacity."""
OVERSIZED_MONTHS = 3
SMALL_DAYS, SMALL_OF_DAYS = 3, 30
SMALL_MONTHS, SMALL_OF_MONTHS = 2, 3
LIGHT_DAYS = 365
PLACES = 12
"""Shares are rounded to so many digits, so that a full load is not an overload by the last bit."""


@dataclass(frozen=True)
class Zone:
    """Economic operation: the zone, the best part of it, and β_JZ (None: losses are not known, the band of the settings)."""

    low: float
    high: float
    best_low: float
    best_high: float
    beta_jz: float | None = None


@dataclass(frozen=True)
class Loading:
    """Time of the apparent power in bands of the capacity in operation, minutes; findings need `loading.sustained_min`.

    A block of 15 minutes counts where all billing points have active and reactive power. heavy_min: above `heavy` and not
    above `overload`; overload_min: above that, severe_min the part of it above `severe`. longest_…: without a break.
    """

    mean: float
    highest: float
    highest_at_ms: int
    below_economic_min: int
    economic_min: int
    best_economic_min: int
    heavy_min: int
    overload_min: int
    severe_min: int
    longest_heavy_min: int
    longest_overload_min: int
    finding: str | None


def economic_zone(no_load_kw: float | None, load_kw: float | None, settings: LoadingSettings) -> Zone:
    """The economic zone of units with these losses together (ΣP0, ΣPk).

    β_JZ = √(P0 / (K·Pk)); economic from β_JZ² to 1, best from 1.33·β_JZ² to 0.75 (GB/T 13462 [U]). Without losses the band
    of `loading` is both.
    """
    if not no_load_kw or not load_kw:
        low, high = settings.economic_from, settings.economic_to
        return Zone(low, high, low, high)
    square = no_load_kw / (settings.fluctuation * load_kw)
    return Zone(square, 1.0, 1.33 * square, 0.75, math.sqrt(square))


def loading_of(blocks: Sequence[Block], settings: LoadingSettings, zone: Zone | None = None) -> Loading | None:
    """Loading from (end of a block, share of the capacity), in order; None without any."""
    if not blocks:
        return None
    minutes = BLOCK_MS // MINUTE_MS
    zone = zone or economic_zone(None, None, settings)

    def time(low: float, high: float) -> int:
        return minutes * sum(low < share <= high for _, share in blocks)

    def within(low: float, high: float) -> int:
        return minutes * sum(low <= share <= high for _, share in blocks)

    def longest(above: float) -> int:
        return minutes * longest_run(blocks, above)

    at, highest = max(blocks, key=lambda block: (block[1], -block[0]))
    heavy, overload = longest(settings.heavy), longest(settings.overload)
    finding = None
    if highest > settings.severe_at_once or longest(settings.severe) >= settings.sustained_min:
        finding = "severe_overload"
    elif overload >= settings.sustained_min:
        finding = "overload"
    elif heavy >= settings.sustained_min:
        finding = "heavy"
    return Loading(
        mean=math.fsum(share for _, share in blocks) / len(blocks), highest=highest, highest_at_ms=at,
        below_economic_min=minutes * sum(share < zone.low for _, share in blocks),
        economic_min=within(zone.low, zone.high), best_economic_min=within(zone.best_low, zone.best_high),
        heavy_min=time(settings.heavy, settings.overload), overload_min=time(settings.overload, math.inf),
        severe_min=time(settings.severe, math.inf), longest_heavy_min=heavy, longest_overload_min=overload,
        finding=finding,
    )  # fmt: skip


def longest_run(blocks: Sequence[Block], above: float) -> int:
    """Blocks of the longest time without a break in which the share is above a limit."""
    best = run = 0
    for (before, _), (at, share) in pairwise([(blocks[0][0] - BLOCK_MS, 0.0), *blocks]):
        run = 0 if share <= above else run + 1 if at - before == BLOCK_MS else 1
        best = max(best, run)
    return best


def findings_of(blocks: Sequence[Block], settings: LoadingSettings, workspace: Workspace, period: Period) -> list[str]:
    """What the size of the capacity leaves to wish over the period.

    oversized: highest below `oversized_max` and mean below `oversized_mean` in three months in a row. light: highest not
    above `light` in a year. too_small: overload on three of thirty days, or a month's highest above the capacity in two of
    three months. A month counts when the period holds it whole.
    """
    if not blocks:
        return []
    by_day: dict[Any, list[Block]] = {}
    for block in blocks:
        by_day.setdefault(civil(block[0] - 1, workspace.zone).date(), []).append(block)
    least = settings.sustained_min * MINUTE_MS // BLOCK_MS
    over = sorted(day for day, own in by_day.items() if longest_run(own, settings.overload) >= least)
    small = any((b - a).days < SMALL_OF_DAYS for a, b in zip(over, over[SMALL_DAYS - 1 :], strict=False))
    months: list[tuple[float, float] | None] = []
    for bucket in buckets_of(period, "month", workspace.zone):
        own = [share for at, share in blocks if bucket.start_ms < at <= bucket.end_ms]
        whole = Period.parse(bucket.label) if len(bucket.label) == len("2026-06") else None
        inside = whole is not None and period.first <= whole.first and whole.last <= period.last
        months.append((max(own), math.fsum(own) / len(own)) if own and inside else None)
    small |= any(
        sum(month is not None and month[0] > 1 for month in months[n : n + SMALL_OF_MONTHS]) >= SMALL_MONTHS
        for n in range(len(months))
    )
    idle = [m is not None and m[0] < settings.oversized_max and m[1] < settings.oversized_mean for m in months]
    found = []
    if any(all(idle[n : n + OVERSIZED_MONTHS]) for n in range(len(idle) - OVERSIZED_MONTHS + 1)):
        found.append("oversized")
    if (period.last - period.first).days + 1 >= LIGHT_DAYS and max(share for _, share in blocks) <= settings.light:
        found.append("light")
    if small:
        found.append("too_small")
    return found


def loading(
    workspace: Workspace, period: Period, *, accounts: Sequence[str] | None = None, by: str = "account"
) -> list[dict[str, Any]]:
    """A row per account (its capacity in operation) or per transformer (its rating, the points that name it).

    Columns: account_no, transformer (by transformer), capacity_kva, loading_mean, loading_max, loading_max_at, beta_jz,
    economic_from, economic_to, the minutes of `Loading`, finding (heavy, overload, severe_overload or null), findings
    (`findings_of`, and by account over_capacity: above `loading.over_capacity` of the contract capacity). Null without
    capacity or without active and reactive power. Raises ConfigError for unknown accounts.
    """
    question = ask(workspace, period, accounts, kinds=("billing",))
    settings = workspace.settings.loading
    units = _units(question)
    capacities = _capacities(question)
    kva = apparent_power(question, "transformer" if by == "transformer" else "account_no")
    names = dict(zip(*(question.parameters[n].to_pylist() for n in ("account_no", "account_name")), strict=True))
    result = []
    for key in sorted(_keys(question, by), key=str):
        account, name = key
        if by == "transformer":
            plates = [u for u in units if u.transformer == name]
            rated = plates[0].rated_kva if plates else None
            spans: list[_Span] = [(question.from_ms, question.to_ms, rated, None)] if rated else []
            found = kva.get(name or "", [])
        else:
            plates = [u for u in units if u.account_no == account and u.status == "run"]
            spans = capacities.get(account, [])
            found = kva.get(account or "", [])
        latest = list({u.transformer: u for u in plates}.values())
        zone = economic_zone(_sum(latest, "no_load_loss_kw"), _sum(latest, "load_loss_kw"), settings)
        shares = [(at, round(s / size, PLACES)) for at, s, size in _sized(found, spans, 2)]
        bands = loading_of(shares, settings, zone)
        findings = findings_of(shares, settings, workspace, period)
        if any(s > settings.over_capacity * size for _, s, size in _sized(found, spans, 3)):
            findings.append("over_capacity")
        minutes = [n for n in Loading.__dataclass_fields__ if n.endswith("_min")]
        result.append(
            {
                "account_no": account, "account_name": names.get(account),
                **({"transformer": name} if by == "transformer" else {}),
                "capacity_kva": spans[-1][2] if spans else None,
                "loading_mean": bands.mean if bands else None, "loading_max": bands.highest if bands else None,
                "loading_max_at": civil(bands.highest_at_ms, workspace.zone) if bands else None,
                "beta_jz": zone.beta_jz, "economic_from": zone.low, "economic_to": zone.high,
                **{n: getattr(bands, n) if bands else None for n in minutes},
                "finding": bands.finding if bands else None, "findings": findings if bands else None,
            }
        )  # fmt: skip
    return result


def apparent_power(question: Question, by: str) -> dict[str, list[Block]]:
    """Apparent power in kVA of each block of 15 minutes by `account_no` or `transformer`, in order.

    A block counts where all points have active and reactive power for `demand.minimum_coverage` of it.
    """
    from keyacct.store.engine import query_engine

    if not curve_meters(question, question.parameters):
        return {}
    need = BLOCK_MS * question.workspace.settings.demand.minimum_coverage
    with query_engine(question.workspace) as engine:
        whole = buckets_of(question.period, "period", question.workspace.zone)
        curve_tables(engine, question, question.parameters, whole, (by,), "power", ("w_both",))
        rows = engine.execute(
            f"""WITH points AS (
                SELECT t.key[1] AS owner, count(DISTINCT s.point) AS points FROM spans s JOIN told t USING (span) GROUP BY ALL),
            blocks AS (
                SELECT t.key[1] AS owner, point, block, {exact_sum("p", "w_both")} / sum(w_both) AS p,
                    {exact_sum("q", "w_both")} / sum(w_both) AS q
                FROM weighed JOIN told t USING (span) WHERE w_both IS NOT NULL GROUP BY ALL HAVING sum(w_both) >= {need}),
            sums AS (
                SELECT owner, block, sqrt({exact_sum("p")} ** 2 + {exact_sum("q")} ** 2) AS s, count(*) AS n
                FROM blocks GROUP BY ALL)
            SELECT owner, (block + 1) * {BLOCK_MS}, s FROM sums JOIN points USING (owner) WHERE n = points ORDER BY ALL"""
        ).fetchall()
    found: dict[str, list[Block]] = {}
    for owner, at, kva in rows:
        if owner is not None:
            found.setdefault(owner, []).append((at, kva))
    return found


_Span = tuple[int, int, float | None, float | None]


def _capacities(question: Question) -> dict[str | None, list[_Span]]:
    """(from, to, capacity in operation, contract capacity) of each account."""
    found: dict[str | None, list[_Span]] = {}
    for row in question.parameters.to_pylist():
        running = (
            row["running_capacity_kva"] if row["running_capacity_kva"] is not None else row["contract_capacity_kva"]
        )
        found.setdefault(row["account_no"], []).append(
            (row["from_ms"], row["to_ms"], running, row["contract_capacity_kva"])
        )
    return {account: sorted(spans, key=lambda span: span[:2]) for account, spans in found.items()}


def _sized(blocks: Sequence[Block], spans: Sequence[_Span], place: int) -> Iterator[tuple[int, float, float]]:
    """The blocks, in order, that end at a time with a capacity, and the highest that holds then."""
    ends = [at for at, _ in blocks]
    for start, end in pairwise(sorted({edge for span in spans for edge in span[:2]})):
        known = [float(value) for span in spans if span[0] <= start and end <= span[1] and (value := span[place])]
        if known:
            size = max(known)
            for at, value in blocks[bisect.bisect_right(ends, start) : bisect.bisect_right(ends, end)]:
                yield at, value, size


def _keys(question: Question, by: str) -> set[tuple[str | None, str | None]]:
    rows = question.parameters.select(["account_no", "transformer"]).to_pylist()
    if by != "transformer":
        return {(row["account_no"], None) for row in rows}
    return {(row["account_no"], row["transformer"]) for row in rows if row["transformer"] is not None}


def _units(question: Question) -> list[Any]:
    from keyacct.registry.transformers import transformers

    return list(transformers(question.workspace, question.from_ms, max(question.to_ms, question.from_ms + 1)))


def _sum(units: Sequence[Any], name: str) -> float | None:
    values = [getattr(unit, name) for unit in units]
    return None if not values or None in values else math.fsum(values)


def at_most(rows: Mapping[str, Sequence[Block]], key: str, until_ms: int) -> float | None:
    """The apparent power of the block that ends at an instant or holds it."""
    return next((kva for at, kva in rows.get(key, ()) if at - BLOCK_MS < until_ms <= at), None)
