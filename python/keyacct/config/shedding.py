"""`[shedding]`: orderly power use."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from keyacct.config.section import ClockSpan, Measure, Section


class SheddingSettings(Section):
    """`[shedding]`: orderly power use (有序用电管理办法 发改运行〔2011〕832号; 电力负荷管理办法 发改运行规〔2023〕1261号)."""

    rule_set: Literal["ou_2011", "ou_2023"] = Field("ou_2023", description="rules that a plan is made under [V]")
    margin: float = Field(0.05, ge=0, le=1, description="share that a plan gives beyond the demand [D]")
    rounds: tuple[ClockSpan, ...] = Field(
        ("10:00-12:00", "14:00-16:00", "17:00-19:00", "19:00-21:00"),
        min_length=1,
        description="time blocks of a demand that is one number [D]",
        strict=False,
    )
    round_most_min: int = Field(
        120, ge=15, le=1440, description="a demand curve in short steps is cut into blocks no longer than this [D]"
    )
    return_windows: tuple[ClockSpan, ...] = Field(
        ("22:00-24:00", "24:00-26:00", "26:00-28:00", "28:00-30:00"),
        description="when shifted load may come back; 26:00 is 02:00 of the next day [D]",
        strict=False,
    )
    return_headroom: float = Field(
        0.10, ge=0, le=10, description="share of the accounts' load that may come back on top of it in a period [D]"
    )
    measures_blue: tuple[Measure, ...] = Field(
        ("shift", "avoid"), description="measures at level IV, blue [D]", strict=False
    )
    measures_yellow: tuple[Measure, ...] = Field(
        ("shift", "avoid", "limit"), description="measures at level III, yellow [D]", strict=False
    )
    measures_orange: tuple[Measure, ...] = Field(
        ("shift", "avoid", "limit"),
        description="measures at level II, orange: limit, do not cut, S0 §1.5.2.6 [D]",
        strict=False,
    )
    measures_red: tuple[Measure, ...] = Field(
        ("shift", "avoid", "limit", "trip"), description="measures at level I, red [D]", strict=False
    )
    notice_min: int = Field(
        1440, ge=0, le=10_080, description="notice where a use plan says none, minutes: one day, rule of 2023 [U]"
    )
    weights: tuple[float, ...] = Field(
        (4.0, 2.5, 1.6, 1.0), min_length=4, max_length=4, strict=False,
        description="weight of a kWh of classes 1 to 4 where the table says none [D]",
    )  # fmt: skip
    max_blocks: int = Field(3, ge=0, le=96, description="blocks a day where a use plan says none [D]")
    returned_share: float = Field(
        1.0, ge=0, le=2, description="returned per shifted kWh where a use plan says none [D]"
    )
    area: Literal["supply_line", "busbar", "substation", "transformer", "supply_station"] = Field(
        "supply_line", description="what an area of a demand is [D]"
    )
    like_days: int = Field(5, ge=1, le=60, description="like days that a baseline is the mean of [D]")
    like_days_of: int = Field(10, ge=1, le=120, description="among so many last like days (N of M) [D]")
    like_days_choice: Literal["latest", "highest"] = Field(
        "latest", description="which of them: the latest, or those of the highest energy [D]"
    )
    like_day_coverage: float = Field(0.90, gt=0, le=1, description="share of a day's periods that a like day needs [D]")
    adjustment_min: int = Field(
        120,
        ge=0,
        le=720,
        description="same-day adjustment: minutes before the event that scale the baseline, 0 none [D]",
    )
    adjustment_cap: float = Field(
        0.20, ge=0, le=1, description="the adjustment changes a baseline by this share at most [D]"
    )
    volatile_from: float = Field(
        0.25, gt=0, le=10, description="coefficient of variation of the like days from which a load is volatile [D]"
    )
    volatile_quantile: float = Field(
        0.10, gt=0, le=0.5, description="quantile of the like days that stands for a volatile load in a block [D]"
    )
    history_days: int = Field(30, ge=0, le=3660, description="days whose hours count as an account's history [D]")
    rest_days: int = Field(3, ge=0, le=60, description="days that are looked at for rest (轮休) [D]")
    rest_after_h: float = Field(
        8.0, gt=0, le=1000, description="hours borne in those days from which an account rests, and is only shifted [D]"
    )
    historical_max_kw: float = Field(
        0.0, ge=0, description="highest load of the region so far, for the size of the plans (0: not checked) [D]"
    )
    cost_per_kwh: tuple[float, ...] = Field(
        (1.0, 3.0, 8.0, 40.0), min_length=4, max_length=4, strict=False,
        description="cost of a kWh shifted, avoided, limited, tripped, rising [D]",
    )  # fmt: skip
    touch_cost: float = Field(20.0, ge=0, description="cost of an account that is touched [D]")
    unmet_cost_per_kwh: float = Field(2000.0, ge=0, description="cost of a kWh of demand that is not met [D]")
    history_factor: float = Field(0.02, ge=0, le=1, description="growth of an account's weight per hour of history [D]")
    limit_tolerance: float = Field(
        0.05, ge=0, le=1, description="evaluation: a limit is kept up to this share above it [D]"
    )
    executed_share: float = Field(
        0.80, gt=0, le=1, description="evaluation: an order is executed from this execution rate on [D]"
    )
    on_time_intervals: int = Field(
        2, ge=1, le=96, description="evaluation: in time when reached within so many intervals [D]"
    )
    borne_kw: float = Field(
        1.0, ge=0, le=1000, description="evaluation: an interval is borne when more than so many kW were given [D]"
    )
    rebound_watch_h: float = Field(
        4.0, ge=0, le=48, description="evaluation: hours after the last block in which returning load is watched [D]"
    )
    recovery_stage_share: float = Field(
        0.20, gt=0, le=1, description="recovery: share of the released load in one stage at most [D]"
    )
    recovery_stage_min: int = Field(5, ge=0, le=240, description="recovery: minutes between stages [D]")

    def measures(self, level: str) -> tuple[Measure, ...]:
        """The measures of a level."""
        found: tuple[Measure, ...] = getattr(self, f"measures_{level}")
        return found
