"""The figures of many accounts at once: every analysis runs once for all of them, reports take their slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyacct.config import Workspace
from keyacct.model import Period
from keyacct.report.inputs import Row, by_account

if TYPE_CHECKING:
    from keyacct.analysis.billable_demand import BillableDemand


@dataclass
class Gathered:
    """Rows of the analyses by account number; an account without a meter or without data is in none."""

    load: dict[str, Row] = field(default_factory=dict)
    load_day: dict[str, list[Row]] = field(default_factory=dict)
    demand: dict[str, BillableDemand] = field(default_factory=dict)
    power_factor: dict[str, Row] = field(default_factory=dict)
    power_factor_hour: dict[str, list[Row]] = field(default_factory=dict)
    voltage: dict[str, list[Row]] = field(default_factory=dict)
    voltage_day: dict[str, list[Row]] = field(default_factory=dict)

    def energy(self, account: str) -> float | None:
        """Energy of an account, None without any."""
        row = self.load.get(account)
        value: float | None = None if row is None else row["energy_kwh"]
        return value


def gather(
    workspace: Workspace, period: Period, accounts: Sequence[str], *, load: bool = True, demand: bool = False,
    power_factor: bool = False, voltage: bool = False, office_points: bool = False,
) -> Gathered:  # fmt: skip
    """The chosen analyses of the accounts that have a meter in the period.

    demand: the billable one, with the load. office_points: voltage also of the points that belong to no account (those of
    the utility), under the account "".
    """
    from keyacct.analysis.question import measurable

    known = measurable(workspace, period, accounts)
    found = Gathered()
    if not known and not office_points:
        return found
    if load and known:
        from keyacct.analysis.load import load as analyse_load

        loads = analyse_load(workspace, period, accounts=known)
        found.load = {account: rows[0] for account, rows in by_account(loads.total, workspace.zone).items()}
        found.load_day = by_account(loads.day, workspace.zone)
        if demand:
            from keyacct.analysis.billable_demand import billable_demands

            blocks = {row["account_no"]: row for row in loads.total.to_pylist()}
            found.demand = billable_demands(workspace, period, accounts=known, blocks=blocks)
    if power_factor and known:
        from keyacct.analysis.power_factor import power_factor as analyse_power_factor

        factors = analyse_power_factor(workspace, period, accounts=known)
        found.power_factor = {key: rows[0] for key, rows in by_account(factors.accounts, workspace.zone).items()}
        found.power_factor_hour = by_account(factors.hours, workspace.zone)
    if voltage:
        from keyacct.analysis.voltage import voltage_compliance

        rates = voltage_compliance(workspace, period, accounts=None if office_points else known)
        wanted = set(accounts)
        for into, table in ((found.voltage, rates.total), (found.voltage_day, rates.day)):
            for account, rows in by_account(table, workspace.zone).items():
                if account in wanted:
                    into[account] = rows
                elif rows[0]["account_no"] is None:
                    into[""] = rows
    return found
