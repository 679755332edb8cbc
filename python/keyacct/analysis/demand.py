"""Maximum demand by the sliding window where values are fine enough, and loading of the capacity (domain §5.2, §5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from keyacct.analysis.buckets import buckets_of
from keyacct.analysis.curve_tables import BLOCK_MS, curve_meters, curve_tables
from keyacct.analysis.load import load
from keyacct.analysis.question import Question, ask
from keyacct.config import LoadingSettings, Workspace
from keyacct.errors import UsageError
from keyacct.model import MINUTE_MS, Period, civil

SLIPS_MIN = (1, 2, 3, 5, 15)
FINEST_MIN = 1
"""Values at most this far apart make a sliding window."""


@dataclass(frozen=True)
class Loading:
    """Time of the apparent power in bands of the capacity in operation, minutes; findings need `loading.sustained_min`.

    A block of 15 minutes counts where all billing points have active and reactive power.
    """

    mean: float
    highest: float
    highest_at_ms: int
    below_economic_min: int
    economic_min: int
    heavy_min: int
    overload_min: int
    longest_heavy_min: int
    longest_overload_min: int
    finding: str | None


def demand(
    workspace: Workspace, period: Period, *, accounts: Sequence[str] | None = None, slip_min: int | None = None
) -> list[dict[str, Any]]:
    """A row per account: md_kw, md_at (end of the window), demand_kind, contract and loading.

    demand_kind: `sliding15/1` (window and slip, minutes) for accounts whose billing points all have values every minute,
    else `block15`. A window counts when all points cover `demand.minimum_coverage` of it. The loading columns are null
    without capacity or without reactive power. Raises UsageError for a slip that no meter has, ConfigError for unknown
    accounts. Source: domain §5.2 (window and slip), §5.3 (bands).
    """
    slip = slip_min or workspace.settings.demand.slip_min
    window = workspace.settings.demand.window_min
    if slip not in SLIPS_MIN or window % slip:
        raise UsageError(
            "usage.invalid", f"a window of {window} min cannot slip by {slip} min", hint="take 1, 2, 3, 5 or 15"
        )
    question = ask(workspace, period, accounts, kinds=("billing",))
    blocks = {row["account_no"]: row for row in load(workspace, period, accounts=accounts).total.to_pylist()}
    sliding, loading = _curves(question, slip)
    terms = _terms(question)
    result = []
    for account, row in sorted(blocks.items(), key=lambda item: str(item[0])):
        kw, at, kind = row["md_kw"], row["md_at"], row["demand_kind"]
        if (found := sliding.get(account)) is not None:
            kw, at = found[0], civil(found[1], workspace.zone)
            kind = f"sliding{window}/{slip}"
        contract, capacity = terms.get(account, (None, None))
        bands = loading.get(account)
        result.append(
            {
                "account_no": account, "account_name": row["account_name"], "md_kw": kw, "md_at": at,
                "demand_kind": kind, "block_md_kw": row["md_kw"], "contract_demand_kw": contract,
                "contract_share": kw / contract if kw is not None and contract else None,
                "capacity_kva": capacity,
                "loading_mean": bands.mean if bands else None, "loading_max": bands.highest if bands else None,
                "loading_max_at": civil(bands.highest_at_ms, workspace.zone) if bands else None,
                **{
                    name: getattr(bands, name) if bands else None
                    for name in ("below_economic_min", "economic_min", "heavy_min", "overload_min", "longest_heavy_min",
                                 "longest_overload_min", "finding")
                },
                "completeness": row["completeness"], "flags": row["flags"],
            }
        )  # fmt: skip
    return result


def loading_of(blocks: Sequence[tuple[int, float]], settings: LoadingSettings) -> Loading | None:
    """Loading from (end of a block, share of the capacity), in order; None without any."""
    if not blocks:
        return None
    minutes = BLOCK_MS // MINUTE_MS

    def time(low: float, high: float) -> int:
        return minutes * sum(low < share <= high for _, share in blocks)

    def longest(above: float) -> int:
        best = run = 0
        for (before, _), (at, share) in pairwise([(blocks[0][0] - BLOCK_MS, 0.0), *blocks]):
            run = 0 if share <= above else run + 1 if at - before == BLOCK_MS else 1
            best = max(best, run)
        return minutes * best

    at, highest = max(blocks, key=lambda block: (block[1], -block[0]))
    below = minutes * sum(share < settings.economic_from for _, share in blocks)
    heavy, overload = longest(settings.heavy), longest(settings.overload)
    finding = None
    if highest > settings.severe_at_once or longest(settings.severe) >= settings.sustained_min:
        finding = "severe_overload"
    elif overload >= settings.sustained_min:
        finding = "overload"
    elif heavy >= settings.sustained_min:
        finding = "heavy"
    mean = sum(share for _, share in blocks) / len(blocks)
    economic = minutes * sum(settings.economic_from <= share <= settings.economic_to for _, share in blocks)
    return Loading(
        mean, highest, at, below, economic, time(settings.heavy, settings.overload), time(settings.overload, float("inf")),
        heavy, overload, finding,
    )  # fmt: skip


def _curves(question: Question, slip: int) -> tuple[dict[str, tuple[float, int]], dict[str, Loading]]:
    """Sliding maxima (kW, end of the window) and loadings by account."""
    from keyacct.store.engine import query_engine

    if not curve_meters(question, question.parameters):
        return {}, {}
    settings = question.workspace.settings
    zone = question.workspace.zone
    window_ms, slip_ms = settings.demand.window_min * MINUTE_MS, slip * MINUTE_MS
    with query_engine(question.workspace) as engine:
        whole = buckets_of(question.period, "period", zone)
        curve_tables(engine, question, question.parameters, whole, ("account_no",), "power")
        engine.execute(
            """CREATE TEMP TABLE points AS
            SELECT t.key[1] AS account, count(DISTINCT s.point) AS points FROM spans s JOIN told t USING (span) GROUP BY ALL;
            CREATE TEMP TABLE account_curve AS
            SELECT t.key[1] AS account, point, ms, w, greatest(p, 0) AS p FROM weighed JOIN told t USING (span)
            WHERE p IS NOT NULL"""
        )
        need = window_ms * settings.demand.minimum_coverage
        sliding = engine.execute(
            f"""WITH fine AS (
                SELECT account FROM (SELECT account, point, quantile_disc(w, 0.5) AS usual FROM account_curve GROUP BY ALL)
                JOIN points USING (account)
                GROUP BY account HAVING max(usual) <= {FINEST_MIN * MINUTE_MS} AND count(*) = any_value(points)),
            ends AS (SELECT DISTINCT account, ((ms + {slip_ms} - 1) // {slip_ms}) * {slip_ms} AS end_ms FROM account_curve
                SEMI JOIN fine USING (account)),
            windows AS (
                SELECT e.account, e.end_ms, c.point, sum(c.p * c.w) / sum(c.w) AS kw, sum(c.w) AS covered
                FROM ends e JOIN account_curve c ON c.account = e.account AND c.ms > e.end_ms - {window_ms} AND c.ms <= e.end_ms
                GROUP BY ALL),
            sums AS (SELECT account, end_ms, sum(kw ORDER BY point) AS kw, count(*) AS points FROM windows
                WHERE covered >= {need} GROUP BY ALL)
            SELECT s.account, max(s.kw), arg_max(s.end_ms, (s.kw, -s.end_ms)) FROM sums s JOIN points p USING (account)
            WHERE s.points = p.points GROUP BY s.account"""
        ).fetchall()
        capacity = "coalesce(running_capacity_kva, contract_capacity_kva)"
        engine.register("terms", question.parameters.select(
            ["account_no", "point", "from_ms", "to_ms", "running_capacity_kva", "contract_capacity_kva"]
        ))  # fmt: skip
        shares = engine.execute(
            f"""WITH blocks AS (
                SELECT t.key[1] AS account, point, block, sum(p * w) / sum(w) AS p, sum(q * w) / sum(w) AS q
                FROM weighed JOIN told t USING (span) WHERE p IS NOT NULL AND q IS NOT NULL GROUP BY ALL),
            sums AS (
                SELECT account, block, sqrt(sum(p ORDER BY point) ** 2 + sum(q ORDER BY point) ** 2) AS s, count(*) AS n
                FROM blocks GROUP BY ALL),
            rated AS (SELECT account_no AS account, from_ms, to_ms, max({capacity}) AS kva FROM terms GROUP BY ALL)
            SELECT s.account, (s.block + 1) * {BLOCK_MS} AS end_ms, max(s.s / r.kva) FROM sums s JOIN points p USING (account)
            JOIN rated r ON r.account = s.account AND (s.block + 1) * {BLOCK_MS} > r.from_ms
                AND (s.block + 1) * {BLOCK_MS} <= r.to_ms
            WHERE s.n = p.points AND r.kva > 0 GROUP BY ALL ORDER BY ALL"""
        ).fetchall()
    by_account: dict[str, list[tuple[int, float]]] = {}
    for account, at, share in shares:
        by_account.setdefault(account, []).append((at, share))
    loadings = {account: loading_of(found, settings.loading) for account, found in by_account.items()}
    return (
        {account: (kw, at) for account, kw, at in sliding},
        {account: found for account, found in loadings.items() if found is not None},
    )


def _terms(question: Question) -> dict[str, tuple[float | None, float | None]]:
    """Contract demand and capacity in operation of each account at the end of the period."""
    import sqlalchemy as sa

    from keyacct.database.engine import open_database
    from keyacct.database.registry_tables import account_terms

    at = question.to_ms - 1
    with open_database(question.workspace).read() as connection:
        query = sa.select(account_terms).where(account_terms.c.valid_from <= at, account_terms.c.valid_to > at)
        return {
            row["account_no"]: (
                row["contract_demand_kw"],
                row["running_capacity_kva"]
                if row["running_capacity_kva"] is not None
                else row["contract_capacity_kva"],
            )
            for row in connection.execute(query).mappings()
        }
