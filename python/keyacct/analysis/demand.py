"""Maximum demand by the sliding window where values are fine enough, and loading of the capacity (domain §5.2, §5.3)."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from keyacct.analysis.buckets import buckets_of
from keyacct.analysis.curve_tables import curve_meters, curve_tables, exact_sum
from keyacct.analysis.load import load
from keyacct.analysis.loading import apparent_power, at_most, loading
from keyacct.analysis.question import Question, ask
from keyacct.analysis.transformer_loss import HIGH_LOW, TransformerLosses, loss_of
from keyacct.config import Workspace
from keyacct.errors import UsageError
from keyacct.model import MINUTE_MS, Period, civil

SLIPS_MIN = (1, 2, 3, 5, 15)
FINEST_MIN = 1
"""Values at most this far apart make a sliding window."""


def demand(
    workspace: Workspace, period: Period, *, accounts: Sequence[str] | None = None, slip_min: int | None = None
) -> list[dict[str, Any]]:
    """A row per account: md_kw, md_at (end of the window), demand_kind, contract and loading.

    demand_kind: `sliding15/1` (window and slip, minutes) for accounts whose billing points all have values every minute,
    else `block15`. A window counts when all points cover `demand.minimum_coverage` of it. The loading columns are null
    without capacity or without reactive power. Where all billing points are metered at low voltage behind a transformer,
    md_kw has its losses at that load (loss_kw); block_md_kw has not. Raises UsageError for a slip that no meter has,
    ConfigError for unknown accounts. Source: domain §5.2 (window and slip), §5.3 (bands).
    """
    slip = slip_min or workspace.settings.demand.slip_min
    window = workspace.settings.demand.window_min
    if slip not in SLIPS_MIN or slip > window:
        raise UsageError(
            "usage.invalid", f"a window of {window} min cannot slip by {slip} min", hint="take 1, 2, 3, 5 or 15"
        )
    question = ask(workspace, period, accounts, kinds=("billing",))
    blocks = {row["account_no"]: row for row in load(workspace, period, accounts=accounts).total.to_pylist()}
    sliding = _sliding(question, slip)
    bands_of = {row["account_no"]: row for row in loading(workspace, period, accounts=accounts)}
    before = _Before(question)
    terms = _terms(question)
    result = []
    for account, row in sorted(blocks.items(), key=lambda item: str(item[0])):
        kw, at, kind = row["md_kw"], row["md_at"], row["demand_kind"]
        if (found := sliding.get(account)) is not None:
            kw, at = found[0], civil(found[1], workspace.zone)
            kind = f"sliding{window}/{slip}"
        contract, capacity = terms.get(account, (None, None))
        bands = bands_of.get(account, {})
        loss = before.loss_kw(account, kw, at)
        kw = kw if kw is None or loss is None else kw + loss
        result.append(
            {
                "account_no": account, "account_name": row["account_name"], "md_kw": kw, "md_at": at,
                "demand_kind": kind, "block_md_kw": row["md_kw"], "contract_demand_kw": contract,
                "contract_share": kw / contract if kw is not None and contract else None,
                "loss_kw": loss, "capacity_kva": capacity,
                **{name: bands.get(name) for name in ("loading_mean", "loading_max", "loading_max_at", "below_economic_min",
                    "economic_min", "heavy_min", "overload_min", "longest_heavy_min", "longest_overload_min", "finding")},
                "completeness": row["completeness"], "flags": row["flags"],
            }
        )  # fmt: skip
    return result


def _sliding(question: Question, slip: int) -> dict[str, tuple[float, int]]:
    """Sliding maxima (kW, end of the window) by account."""
    from keyacct.store.engine import query_engine

    if not curve_meters(question, question.parameters):
        return {}
    settings = question.workspace.settings
    zone = question.workspace.zone
    # Values are added by steps that both the window and the slip are made of; then the window's ends are chosen.
    base_ms = math.gcd(settings.demand.window_min, slip) * MINUTE_MS
    window_ms, slip_ms = settings.demand.window_min * MINUTE_MS, slip * MINUTE_MS
    with query_engine(question.workspace) as engine:
        whole = buckets_of(question.period, "period", zone)
        curve_tables(engine, question, question.parameters, whole, ("account_no",), "power", ("w_p",))
        engine.execute(
            """CREATE TEMP TABLE points AS
            SELECT t.key[1] AS account, count(DISTINCT s.point) AS points FROM spans s JOIN told t USING (span) GROUP BY ALL;
            CREATE TEMP TABLE account_curve AS
            SELECT t.key[1] AS account, point, ms, w_p AS w, greatest(p, 0) AS p FROM weighed JOIN told t USING (span)
            WHERE p IS NOT NULL"""
        )
        need = window_ms * settings.demand.minimum_coverage
        sliding = engine.execute(
            f"""WITH fine AS (
                SELECT account FROM (SELECT account, point, quantile_disc(w, 0.5) AS usual FROM account_curve GROUP BY ALL)
                JOIN points USING (account)
                GROUP BY account HAVING max(usual) <= {FINEST_MIN * MINUTE_MS} AND count(*) = any_value(points)),
            steps AS (
                SELECT account, point, (ms + {base_ms} - 1) // {base_ms} AS step, sum((p * 1e9)::HUGEINT * w) AS s, sum(w) AS w
                FROM account_curve SEMI JOIN fine USING (account) GROUP BY ALL),
            grid AS (
                SELECT account, point, step FROM (
                    SELECT account, step FROM steps UNION SELECT account,
                        (step * {base_ms} + {slip_ms} - 1) // {slip_ms} * {slip_ms} // {base_ms} FROM steps)
                JOIN (SELECT DISTINCT account, point FROM steps) USING (account)),
            windows AS (
                SELECT account, point, step * {base_ms} AS end_ms, sum(coalesce(s, 0)) OVER length AS s,
                    sum(coalesce(w, 0)) OVER length AS covered
                FROM grid LEFT JOIN steps USING (account, point, step)
                WINDOW length AS (PARTITION BY account, point ORDER BY step
                    RANGE BETWEEN {window_ms // base_ms - 1} PRECEDING AND CURRENT ROW)),
            sums AS (
                SELECT account, end_ms, {exact_sum("s::DOUBLE / 1e9 / covered")} AS kw, count(*) AS points FROM windows
                WHERE covered >= {need} AND end_ms % {slip_ms} = 0 GROUP BY ALL)
            SELECT s.account, max(s.kw), arg_max(s.end_ms, (s.kw, -s.end_ms)) FROM sums s JOIN points p USING (account)
            WHERE s.points = p.points GROUP BY s.account"""
        ).fetchall()
    return {account: (kw, at) for account, kw, at in sliding}


class _Before:
    """Transformers before the meters of accounts that are metered at low voltage only."""

    def __init__(self, question: Question) -> None:
        self._rows: dict[str, list[dict[str, Any]]] = {}
        for row in question.parameters.to_pylist():
            self._rows.setdefault(row["account_no"], []).append(row)
        self._losses = TransformerLosses(question.workspace, question.parameters, question.from_ms, question.to_ms)
        behind = any(row["metering_mode"] == HIGH_LOW for rows in self._rows.values() for row in rows)
        self._kva = apparent_power(question, "account_no") if behind else {}

    def loss_kw(self, account: str, kw: float | None, at: dt.datetime | None) -> float | None:
        """Power lost at a demand: P0 + Pk·β², with the apparent power of its block, else its active power alone."""
        rows = self._rows.get(account, [])
        if kw is None or at is None or not rows or not all(map(self._losses.applies, rows)):
            return None
        at_ms = round(at.timestamp() * 1000)
        found: dict[str, Any] = {}
        for row in rows:
            units = self._losses.units(row)
            if units is None:
                return None
            found |= {u.transformer: u for u in units if u.from_ms < at_ms <= u.to_ms and u.status == "run"}
        kva = max(at_most(self._kva, account, at_ms) or kw, kw)
        loss = loss_of(list(found.values()), Decimal(1), Decimal(repr(kva)), Decimal(0))
        return None if loss is None else float(loss.kwh)


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
