"""Maximum demand of load curves: the sliding window where values are fine enough, else blocks, with losses (domain §5.2)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from keyacct.analysis.buckets import buckets_of
from keyacct.analysis.curve_tables import curve_meters
from keyacct.analysis.demand_window import FINEST_MIN, highest_windows, window_tables
from keyacct.analysis.load import load
from keyacct.analysis.loading import Block, apparent_power, at_most
from keyacct.analysis.question import Question
from keyacct.analysis.transformer_loss import TransformerLosses, loss_of
from keyacct.model import civil

if TYPE_CHECKING:
    from keyacct.registry.transformers import Transformer


@dataclass(frozen=True)
class CurveDemand:
    """What the load curve of an account gives. meter_kw: as the meters saw it; loss_kw: of the transformer before them."""

    meter_kw: float | None
    at: dt.datetime | None
    kind: str | None
    loss_kw: float | None
    loss_unknown: bool
    completeness: float | None

    @property
    def kw(self) -> float | None:
        """With the losses, where there are any to add."""
        return self.meter_kw if self.meter_kw is None or self.loss_kw is None else self.meter_kw + self.loss_kw


def curve_demands(
    question: Question, blocks: Mapping[str, Mapping[str, Any]] | None, before: TransformersBefore,
    slip_min: int | None = None,
) -> dict[str, CurveDemand]:  # fmt: skip
    """The maximum demand of every account of a question: by the sliding window where there are values every minute, else by
    blocks. blocks: rows of `load(…).total` by account (None: they are computed). slip_min: else that of the settings.
    """
    workspace = question.workspace
    slip = slip_min or workspace.settings.demand.slip_min
    # A billing point may belong to nobody for a time: its load is no account's demand.
    accounts = sorted({account for account in question.parameters["account_no"].to_pylist() if account})
    if blocks is None:
        blocks = {r["account_no"]: r for r in load(workspace, question.period, accounts=accounts).total.to_pylist()}
    sliding = _sliding(question, slip)
    result = {}
    for account in (account for account in accounts if account in blocks):
        row = blocks[account]
        kw, at, kind = row["md_kw"], row["md_at"], row["demand_kind"]
        if (found := sliding.get(account)) is not None:
            kw, at = found[0], civil(found[1], workspace.zone)
            kind = f"sliding{workspace.settings.demand.window_min}/{slip}"
        loss, unknown = before.loss(account, kw, at)
        result[account] = CurveDemand(kw, at, kind, loss, unknown, row["completeness"])
    return result


def _fine(parameters: pa.Table, default_min: int) -> pa.Table:
    """The rows of accounts all of whose meters are registered with values every minute: no other's samples are opened."""
    rows = zip(parameters["account_no"].to_pylist(), parameters["interval_min"].to_pylist(), strict=True)
    coarse = {account for account, interval in rows if (interval or default_min) > FINEST_MIN}
    return parameters.filter(pa.array([account not in coarse for account in parameters["account_no"].to_pylist()]))


def _sliding(question: Question, slip: int) -> dict[str, tuple[float, int]]:
    """Sliding maxima (kW, end of the window) by account."""
    from keyacct.store.engine import query_engine

    settings = question.workspace.settings
    parameters = _fine(question.parameters, settings.samples.interval_min)
    if not curve_meters(question, parameters):
        return {}
    whole = buckets_of(question.period, "period", question.workspace.zone)
    with query_engine(question.workspace) as engine:
        window_tables(engine, question, parameters, whole, ("account_no",), every_point=True)
        windows = highest_windows(
            settings.demand.window_min, slip, settings.demand.minimum_coverage, fine=True, share=1.0
        )
        return {account: (kw, at) for (account,), _, kw, at in engine.execute(windows).fetchall()}


class TransformersBefore:
    """Transformers before the meters of the accounts of a question that are metered at low voltage."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._rows: dict[str, list[dict[str, Any]]] = {}
        for row in question.parameters.to_pylist():
            self._rows.setdefault(row["account_no"], []).append(row)
        self._losses = TransformerLosses(question.workspace, question.parameters, question.from_ms, question.to_ms)
        self._kva: dict[str, list[Block]] | None = None

    def loss(self, account: str, kw: float | None, at: dt.datetime | None) -> tuple[float | None, bool]:
        """(Power lost at a demand, whether it is due and cannot be known): P0 + Pk·β².

        Of the P0 of a transformer that points of other accounts share, their parts are left out. β is that of the apparent
        power of the demand's block, else of the active power alone. An account of which some points only are behind a
        transformer has losses that cannot be told from one demand.
        """
        rows = self._rows.get(account, [])
        due = [self._losses.applies(row) for row in rows]
        if kw is None or at is None or not any(due):
            return None, False
        if not all(due):
            return None, True
        at_ms = round(at.timestamp() * 1000)
        found: dict[str, Transformer] = {}
        for row in rows:
            units = self._losses.units(row)
            if units is None:
                return None, True
            if row["from_ms"] < at_ms <= row["to_ms"]:
                found |= {u.transformer: u for u in units if u.from_ms < at_ms <= u.to_ms and u.status == "run"}
        points = {row["point"] for row in rows}
        shares = [self._losses.share(unit, points, at_ms) for unit in found.values()]
        if self._kva is None:
            behind = sorted(a for a, own in self._rows.items() if a and all(map(self._losses.applies, own)))
            self._kva = apparent_power(self._question.of_accounts(behind), "account_no")
        kva = max(at_most(self._kva, account, at_ms) or kw, kw)
        loss = loss_of(list(found.values()), Decimal(1), Decimal(repr(kva)), Decimal(0), shares)
        return (None, True) if loss is None else (float(loss.kwh), False)
