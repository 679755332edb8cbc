"""Load of accounts: demand, load rate, peak-valley gap, energy by tariff period (domain: load statistics)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from keyacct import _core
from keyacct.analysis.day_states import field_tables
from keyacct.analysis.question import Question, ask, spans_of
from keyacct.analysis.transformer_loss import HIGH_LOW
from keyacct.config import Workspace
from keyacct.model import MINUTE_MS, TARIFF_PERIODS, Period

FLAGS = {1: "register_decrease", 2: "gap_over_seam", 4: "unattributed", 32: "from_energy"}
"""Bits of the kernel; those of `power_factor.FLAGS` have their meaning."""


@dataclass(frozen=True)
class Load:
    """Load of a period, by account (its billing points together).

    total: a row per account; day: the same per civil day, with the column `day`. Columns: account_no,
    account_name, md_kw and md_at (highest block demand and the end of its block), demand_kind (`block15`:
    blocks of 15 minutes on the clock, not a sliding window), min_kw and min_at, mean_kw (of the blocks
    with a demand), load_rate (mean / highest), min_load_rate (lowest / highest), peak_valley_gap_kw,
    peak_valley_rate (gap / highest), energy_kwh, max_load_hours (energy / highest; of a year the utilisation
    hours), sharp_kwh, peak_kwh, flat_kwh, valley_kwh, completeness, flags (list of words: `from_energy` where
    energies stand for missing power, `register_decrease`, `gap_over_seam`, and `unattributed` where registers
    lie too far apart for a power, so that their energy is in energy_kwh only; `without_loss` where the account is metered
    behind its transformer, whose losses are in bills and power factor and not in a load curve). peak_day_curve: account_no, at
    (block's end), kw of every block of the day that has the highest demand; kw is null where values are
    missing. Import only: export counts as no load. Energies are those of the meters, without losses of
    transformers. Without values everything is null.
    """

    total: pa.Table
    day: pa.Table
    peak_day_curve: pa.Table


def load(workspace: Workspace, period: Period, *, accounts: Sequence[str] | None = None) -> Load:
    """Load figures of every account over a period and by day, and the curve of its peak day.

    The demand of an account is that of its billing points at the same time; a block in which one of them
    has values for less than `demand.minimum_coverage` of it makes no demand. Where a meter has no power, its
    energies stand for it: an increment is the mean power of its interval, else the difference of two registers
    not more than `samples.max_gap_intervals` apart; then energy_kwh is the energies themselves. Raises ConfigError for
    unknown accounts (exit 3) and for ratios that cannot be used.
    """
    question = ask(workspace, period, accounts, kinds=("billing",))
    demand = workspace.settings.demand
    families = [("power", ("p",), 4), ("energy", ("import",), 4)]

    def from_samples(asked: Question) -> tuple[pa.Table, ...]:
        return asked.run(
            lambda: _core.field_load(
                asked.samples(*families[0]),
                asked.samples(*families[1]),
                asked.kernel_parameters,
                asked.tariffs(),
                asked.kernel,
                demand.window_min * MINUTE_MS,
                demand.minimum_coverage,
            )
        )

    # A billing point that belongs to nobody for a time is no account's load.
    day, total, curve = (
        table.filter(pc.not_equal(table["account_no"], ""))
        for table in field_tables(question, "load", families, from_samples)
    )
    at = curve["at"].cast(question.time_type)
    return Load(
        total=_shape(question, _with_every_account(question, total), by_day=False),
        day=_shape(question, day, by_day=True),
        peak_day_curve=curve.set_column(1, "at", at),
    )


def _with_every_account(question: Question, total: pa.Table) -> pa.Table:
    """The kernel knows accounts by their time in the period: one that has none yet gets a row without values."""
    known = set(question.parameters["account_no"].drop_null().to_pylist())
    missing = sorted(known - set(total["account_no"].to_pylist()))
    if not missing:
        return total
    empty = {"day": question.period.first, "flags": 0, "expected_ms": 0, "covered_ms": 0}
    rows = pa.Table.from_pylist([{"account_no": account, **empty} for account in missing], schema=total.schema)
    return pa.concat_tables([total, rows]).sort_by("account_no")


def _shape(question: Question, table: pa.Table, *, by_day: bool) -> pa.Table:
    names = question.parameters["account_name"].to_pylist()
    modes = zip(
        question.parameters["account_no"].to_pylist(), question.parameters["metering_mode"].to_pylist(), strict=True
    )
    behind = {account for account, mode in modes if mode == HIGH_LOW}
    spans = spans_of(question.parameters, "account_no")
    accounts = table["account_no"].to_pylist()
    null = pa.scalar(None, pa.float64())

    def share(above: str) -> pa.ChunkedArray:
        positive = pc.greater(table["md_kw"], 0.0)
        return pc.if_else(pc.fill_null(positive, False), pc.divide(table[above], table["md_kw"]), null)

    covered = pc.divide(
        table["covered_ms"].cast(pa.float64()),
        pc.max_element_wise(table["expected_ms"], 1).cast(pa.float64()),
    )
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "account_no": table["account_no"],
        "account_name": pa.array([names[spans[account][-1]] for account in accounts], pa.string()),
    }
    if by_day:
        columns["day"] = table["day"]
    kind = f"block{question.workspace.settings.demand.window_min}"
    columns |= {
        "md_kw": table["md_kw"],
        "md_at": table["md_at"].cast(question.time_type),
        "demand_kind": pa.array([kind] * table.num_rows, pa.string()),
        "min_kw": table["min_kw"],
        "min_at": table["min_at"].cast(question.time_type),
        "mean_kw": table["mean_kw"],
        "load_rate": share("mean_kw"),
        "min_load_rate": share("min_kw"),
        "peak_valley_gap_kw": pc.subtract(table["md_kw"], table["min_kw"]),
        "peak_valley_rate": pc.subtract(1.0, share("min_kw")),
        "energy_kwh": table["energy_kwh"],
        "max_load_hours": share("energy_kwh"),
        **{f"{name}_kwh": table[f"{name}_kwh"] for name in TARIFF_PERIODS},
        "completeness": pc.if_else(pc.greater(table["expected_ms"], 0), covered, null),
        "flags": pa.array(
            [
                sorted(
                    [*(word for bit, word in FLAGS.items() if bits & bit), *(["without_loss"] if a in behind else [])]
                )
                for a, bits in zip(accounts, table["flags"].to_pylist(), strict=True)
            ],
            pa.list_(pa.string()),
        ),
    }
    return pa.table(columns).combine_chunks()
