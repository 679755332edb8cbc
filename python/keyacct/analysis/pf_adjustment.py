"""Adjustment of charges by power factor ((83)水电财字215号 功率因数调整电费办法), in decimal arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext

HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True)
class AdjustmentRule:
    """One edition of the rule.

    rebates: for each standard the percents of 0, 1, 2 … hundredths above it; the last holds for all
    beyond. surcharges: (hundredths below the standard up to which it holds, percent at the step's
    beginning, percent a hundredth).
    """

    rebates: dict[Decimal, tuple[Decimal, ...]]
    surcharges: tuple[tuple[int | None, Decimal, Decimal], ...]

    def percent(self, assessed: Decimal, standard: Decimal) -> Decimal:
        """Percent added to the charges (negative: rebate) for a power factor of two decimals.

        Raises KeyError for a standard that the rule does not have.
        """
        table = self.rebates[standard.quantize(HUNDREDTH)]
        steps = int((assessed - standard) / HUNDREDTH)
        if steps >= 0:
            return table[min(steps, len(table) - 1)]
        below, start = -steps, 0
        for end, base, slope in self.surcharges:
            if end is None or below <= end:
                return base + slope * (below - start)
            start = end
        raise AssertionError("the last step of a rule has no end")


def _percents(text: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(part) for part in text.split())


RULE_1983 = AdjustmentRule(
    rebates={
        Decimal("0.90"): _percents("0 -0.15 -0.30 -0.45 -0.60 -0.75"),
        Decimal("0.85"): _percents("0 -0.1 -0.2 -0.3 -0.4 -0.5 -0.65 -0.80 -0.95 -1.10"),
        Decimal("0.80"): _percents("0 -0.1 -0.2 -0.3 -0.4 -0.5 -0.6 -0.7 -0.8 -0.9 -1.0 -1.15 -1.30"),
    },
    # Half a percent a hundredth down to 20 hundredths below, then one percent down to 25, then two.
    surcharges=(
        (20, Decimal(0), Decimal("0.5")),
        (25, Decimal(10), Decimal(1)),
        (None, Decimal(15), Decimal(2)),
    ),
)
"""The rule of 1983, in force. Rebates of 0.85 and 0.80 follow public tables, not the text of the rule [U]."""


def power_factor_of(active: Decimal, reactive: Decimal) -> Decimal | None:
    """cosφ = Wp / √(Wp² + Wq²) to 30 digits; None when both are 0."""
    with localcontext() as context:
        context.prec = 40
        apparent = (active * active + reactive * reactive).sqrt()
        return +(active / apparent) if apparent else None


def assessed(power_factor: Decimal) -> Decimal:
    """A power factor as it is assessed: two decimals, half up."""
    return power_factor.quantize(HUNDREDTH, ROUND_HALF_UP)
