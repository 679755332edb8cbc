"""`[samples]`, `[calendar]`, `[voltage]` … `[quality]`: how samples are understood and judged."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from keyacct.config.section import SATURDAY, DateText, DayKind, Section


class SampleSettings(Section):
    """`[samples]`: how interval data are understood."""

    interval_min: int = Field(15, ge=1, le=1440, description="nominal interval of load curves, minutes [D]")
    snapshot_stands_for: Literal["preceding", "following"] = Field(
        "preceding",
        description="a snapshot of a regular series stands for the interval that ends (or begins) at its stamp [D]",
    )
    max_gap_intervals: int = Field(
        2,
        ge=1,
        le=96,
        description="a value covers the time since the previous one up to this many intervals [D]",
    )
    day_states: bool = Field(
        True,
        description="what a meter gave in a day is kept in states/ and taken for closed spans instead of samples [D]",
    )


class CalendarSettings(Section):
    """`[calendar]`: days that are not what their weekday says, for tariffs, typical days and like days of plans."""

    holidays: tuple[DateText, ...] = Field(
        (), description="statutory holidays, dates as the State Council publishes them every year", strict=False
    )
    workdays: tuple[DateText, ...] = Field(
        (), description="make-up working days on weekends (调休上班日), every year", strict=False
    )

    def kind(self, day: dt.date) -> DayKind:
        """What a civil day is: a holiday of the list, a make-up working day, else by its weekday."""
        text = day.isoformat()
        if text in self.holidays:
            return "holiday"
        return "weekend" if day.weekday() >= SATURDAY and text not in self.workdays else "workday"


class VoltageSettings(Section):
    """`[voltage]`: voltage compliance (GB/T 12325-2008)."""

    assessment_floor: float = Field(
        0.70, gt=0, lt=1, description="share of nominal below which a value is not assessed [FW, use of it U]"
    )
    overvoltage: float = Field(1.20, gt=1, le=2, description="over-voltage above this share of nominal [FW]")
    target_rate: float = Field(0.98, gt=0, le=1, description="target of the compliance rate, S0 §1.6.2.2 [S]")


class VoltageLossSettings(Section):
    """`[voltage_loss]`: voltage lost while current flows (Q/GDW 1354-2013 appendix D; DL/T 645 registers 0409)."""

    loss_below: float = Field(
        0.78, ge=0.70, le=0.90, description="a voltage below this share, with current, is lost [FW]"
    )
    loss_until: float = Field(0.85, gt=0.70, le=1, description="until it is above this share again [FW]")
    phase_loss_below: float = Field(
        0.60, ge=0.60, le=0.85, description="a voltage below this share without current is a lost phase [FW]"
    )
    working_voltage: float = Field(
        0.60, gt=0, lt=1, description="below this share a voltage is none that a meter works with [U]"
    )
    flowing_current: float = Field(
        0.005, ge=0.001, le=0.05, description="share of the rated current above which current flows [FW]"
    )
    drawn_current: float = Field(
        0.05, ge=0.03, le=0.10, description="share above which power is drawn though all voltages are lost [U]"
    )
    delay_s: int = Field(60, ge=0, le=3600, description="what is shorter is no event, seconds [FW]")
    rated_a: float = Field(
        5.0, gt=0, le=1000, description="rated secondary current where the registry has no nameplate, ampere [D]"
    )


class PowerFactorSettings(Section):
    """`[power_factor]`: power factor and its tariff adjustment ((83)水电财字215号)."""

    reactive_mode: Literal["abs_sum", "net", "forward_only"] = Field(
        "abs_sum", description="how the reactive energies of the two directions are joined [U]"
    )
    quadrants: tuple[Literal["q1", "q2", "q3", "q4"], ...] = Field(
        ("q1", "q4"), min_length=1, description="quadrants that count for a consumer [U]", strict=False
    )
    resolution_kwh: float = Field(
        0.01,
        gt=0,
        description="below this energy of both kinds a power factor is not formed [D: one register digit]",
    )


class DemandSettings(Section):
    """`[demand]`: maximum demand."""

    window_min: int = Field(15, ge=1, le=60, description="demand window, minutes [V]")
    slip_min: int = Field(
        1, ge=1, le=15, description="step of the sliding demand window, minutes: 1, 2, 3, 5 or 15 [U]"
    )
    minimum_coverage: float = Field(
        0.80, gt=0, le=1, description="share of a window that readings must cover for its demand to count [D]"
    )


class LoadingSettings(Section):
    """`[loading]`: bands of transformer loading, shares of the capacity in operation."""

    economic_from: float = Field(0.40, gt=0, le=1, description="economic band from here, where losses are unknown [U]")
    economic_to: float = Field(0.75, gt=0, le=1, description="economic band to here [U]")
    fluctuation: float = Field(
        1.05, ge=1, le=2, description="factor of load fluctuation in the economic loading, GB/T 13462 [U]"
    )
    oversized_max: float = Field(
        0.40, gt=0, le=1, description="oversized: a month's highest loading below this, three months in a row [D]"
    )
    oversized_mean: float = Field(0.30, gt=0, le=1, description="and the mean below this, GB/T 3485 practice [U]")
    light: float = Field(0.20, gt=0, le=1, description="light load: the year's highest loading up to this [U]")
    over_capacity: float = Field(
        1.05, ge=1, le=2, description="demand above this share of the contract capacity is over capacity [D]"
    )
    heavy: float = Field(0.80, gt=0, le=1, description="heavy load above this [U]")
    overload: float = Field(1.00, gt=0, le=2, description="overload above this [U]")
    severe: float = Field(1.10, gt=0, le=2, description="severe overload above this for `sustained_min` [D]")
    severe_at_once: float = Field(1.30, gt=0, le=3, description="severe overload above this at all [D]")
    sustained_min: int = Field(120, ge=15, le=1440, description="minutes without a break that make a finding [U]")


class CtLoadingSettings(Section):
    """`[ct_loading]`: loading of current transformers, shares of the rated primary current."""

    severe: float = Field(1.10, gt=1, le=2, description="severe from here when sustained, from S0 §5 [S], duration [D]")
    oversized: float = Field(
        0.30, gt=0, le=1, description="a mean below this is too small for the accuracy, DL/T 448 [U]"
    )


class BalanceSettings(Section):
    """`[balance]`: balance of busbars and loss of lines."""

    limit_high: float = Field(
        0.01, gt=0, lt=1, description="imbalance allowed from 220 kV on, of the inflow, 能源节能〔1990〕1149号 [U]"
    )
    limit: float = Field(0.02, gt=0, lt=1, description="the same below 220 kV [U]")
    multiplier_tolerance: float = Field(
        0.03, gt=0, lt=0.5, description="a ratio step explains a residue when it fits so near [D]"
    )
    assumed_class_pct: float = Field(
        0.5,
        gt=0,
        le=5,
        description="accuracy class of a meter or instrument transformer that the registry leaves open [D]",
    )
    form_factor: float = Field(
        1.05, ge=1, le=2, description="RMS over mean current where no load curve of a line is known [D]"
    )


class UnbalanceSettings(Section):
    """`[unbalance]`: unbalance of three phases."""

    voltage_limit: float = Field(0.02, gt=0, lt=1, description="negative-sequence share, GB/T 15543-2008 [V]")
    voltage_short_limit: float = Field(0.04, gt=0, lt=1, description="the same for a short time [V]")
    current_limit: float = Field(0.15, gt=0, lt=1, description="(Imax - Imin) / Imax at a transformer, SD 292-88 [V]")
    smallest_current: float = Field(
        0.10, ge=0, lt=1, description="below this share of the rated current there is no current unbalance [D]"
    )


class QualitySettings(Section):
    """`[quality]`: validation and estimation of samples."""

    minimum_completeness: float = Field(
        1.0, gt=0, le=1, description="share of a day's values below which the day is a finding [D]"
    )
    future_min: int = Field(5, ge=0, le=1440, description="a stamp may lie so many minutes ahead [D]")
    spike_ratio: float = Field(
        1.8, gt=0, le=100,
        description="highest over third highest value of a day, less one, above which it is a spike"
        " (California VEE rules, spike check 180 %) [U]",
    )  # fmt: skip
    spike_least_share: float = Field(
        0.10,
        ge=0,
        le=1,
        description="peaks below this share of the meter's highest value in the span are no spikes [D]",
    )
    voltage_step: float = Field(
        0.20, gt=0, le=1, description="one voltage that differs so much from both its neighbours is a spike [D]"
    )
    stuck_intervals: int = Field(
        24, ge=2, le=1440, description="so many equal values after each other (zero apart) are stuck [D]"
    )
    register_digits: int = Field(
        6, ge=4, le=12, description="whole digits of a register where the registry does not tell (DL/T 645) [V]"
    )
    rollover_from: float = Field(0.9, gt=0, lt=1, description="a register rolls over from above this share [D]")
    rollover_to: float = Field(0.1, gt=0, lt=1, description="and arrives below this share of its range [D]")
    jump_ratio: float = Field(
        1.5, ge=1, le=100, description="energy above this multiple of capacity × time is a jump (ERC29 practice) [D]"
    )
    tariff_steps: int = Field(1, ge=0, le=100, description="steps per tariff that total and tariff sum may differ [D]")
    register_step: float = Field(0.01, gt=0, le=1, description="one step of a register, kWh or kvarh (DL/T 645) [V]")
    estimate_most_min: int = Field(
        120, ge=1, le=1440, description="longer gaps than so many minutes are not estimated by interpolation [D]"
    )
