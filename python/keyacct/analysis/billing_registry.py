"""What bills need of the registry: the cycles of accounts, the parts of a cycle, and what is registered beyond that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from keyacct.analysis.pf_adjustment import HUNDREDTH
from keyacct.analysis.settlement import Cycle, cycles
from keyacct.config import Workspace
from keyacct.database import registry_tables, tables
from keyacct.database.engine import open_database
from keyacct.model import Period
from keyacct.registry.parameters import require_account

Json = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One meter with one multiplier at a point, over [from_ms, to_ms)."""

    point: str
    meter: str
    from_ms: int
    to_ms: int
    multiplier: Decimal | None
    pt: float | None
    ct: float | None
    tariffs: bool


def cycles_of(workspace: Workspace, period: Period, accounts: Sequence[str] | None) -> list[Cycle]:
    """Every cycle of the accounts (None: of all) that ends in a period. Raises ConfigError for unknown ones."""
    with open_database(workspace).read() as connection:
        known = list(
            connection.execute(sa.select(tables.account.c.account_no).order_by(tables.account.c.account_no)).scalars()
        )
        terms: dict[str, list[Json]] = {}
        for row in connection.execute(sa.select(registry_tables.account_terms)).mappings():
            terms.setdefault(row["account_no"], []).append(dict(row))
    for account_no in accounts or ():
        require_account(account_no, known)
    wanted = sorted(set(accounts)) if accounts is not None else known
    made: dict[tuple[Any, ...], list[Cycle]] = {}
    result = []
    for account_no in wanted:
        rows = terms.get(account_no, [])
        names = ("valid_from", "valid_to", "reading_day", "settlements_per_month")
        key = tuple(sorted(tuple(row[n] if row[n] is not None else -1 for n in names) for row in rows))
        if key not in made:  # most accounts are settled on the same days
            made[key] = cycles(account_no, rows, period, workspace.zone, workspace.settings.billing)
        result += [Cycle(account_no, c.from_ms, c.to_ms) for c in made[key]]
    return result


def parts_of(rows: Sequence[Json], cycle: Cycle) -> list[Part]:
    """The parts of a cycle, by point and time."""
    result: list[Part] = []
    for row in rows:
        start, end = max(row["from_ms"], cycle.from_ms), min(row["to_ms"], cycle.to_ms)
        if start >= end:
            continue
        if row["reading_side"] == "primary":
            multiplier: Decimal | None = Decimal(1)
        elif row["pt"] is None or row["ct"] is None:
            multiplier = None
        else:
            multiplier = (Decimal(repr(row["pt"])) * Decimal(repr(row["ct"]))).normalize()
        part = Part(
            row["point"], row["meter"], start, end, multiplier, row["pt"], row["ct"], row["tariff_table"] is not None
        )
        last = result[-1] if result else None
        if (
            last is not None
            and (last.point, last.meter, last.multiplier, last.to_ms)
            == (part.point, part.meter, part.multiplier, part.from_ms)
        ):  # fmt: skip
            result[-1] = Part(
                last.point, last.meter, last.from_ms, end, multiplier, last.pt, last.ct, last.tariffs or part.tariffs
            )
        else:
            result.append(part)
    return result


class BillingRegistry:
    """What bills need of the registry beyond the parameters of the points."""

    def __init__(self, workspace: Workspace) -> None:
        settings = workspace.settings.billing
        with open_database(workspace).read() as connection:

            def rows(table: sa.Table) -> list[Json]:
                return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

            self.names = {row["account_no"]: row["account_name"] for row in rows(tables.account)}
            self.terms = rows(registry_tables.account_terms)
            self.standards = rows(tables.account_pf_standard)
            self.owners = rows(tables.point_account)
            self.kinds = {row["point"]: row["kind"] for row in rows(tables.point)}
            self.exchanges = rows(registry_tables.meter_exchange)
            meters = rows(tables.meter)
        self.digits = {
            row["meter_no"]: settings.register_digits if row["register_digits"] is None else row["register_digits"]
            for row in meters
        }
        self.decimals = {
            row["meter_no"]: settings.register_decimals
            if row["register_decimals"] is None
            else row["register_decimals"]
            for row in meters
        }
        self._terms_of = _grouped(self.terms, "account_no")
        self._standards_of = _grouped(self.standards, "account_no")
        self._points_of = _grouped(self.owners, "account_no")

    def term(self, account_no: str, ms: int) -> Json:
        """The terms of an account at an instant; empty without any."""
        rows = self._terms_of.get(account_no, [])
        return next((row for row in rows if row["valid_from"] <= ms < row["valid_to"]), {})

    def standard(self, account_no: str, ms: int) -> Decimal | None:
        """The power factor standard at an instant."""
        rows = self._standards_of.get(account_no, [])
        found = next((row["pf_standard"] for row in rows if row["valid_from"] <= ms < row["valid_to"]), None)
        return None if found is None else Decimal(repr(found)).quantize(HUNDREDTH)

    def points(self, cycle: Cycle) -> list[tuple[str, int, int]]:
        """(point, from, to) of the billing points that belong to the account in a cycle."""
        return sorted(
            (row["point"], max(row["valid_from"], cycle.from_ms), min(row["valid_to"], cycle.to_ms))
            for row in self._points_of.get(cycle.account_no, [])
            if row["valid_from"] < cycle.to_ms and row["valid_to"] > cycle.from_ms
            and self.kinds.get(row["point"]) == "billing"
        )  # fmt: skip

    def had_points(self, cycle: Cycle) -> bool:
        """Whether there is anything to settle, be it without a meter."""
        return bool(self.points(cycle))


def _grouped(rows: Sequence[Json], key: str) -> dict[str, list[Json]]:
    result: dict[str, list[Json]] = {}
    for row in rows:
        result.setdefault(row[key], []).append(row)
    return result
