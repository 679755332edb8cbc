"""The one typed settings tree, read from `keyacct.toml`, and the workspace folder that it marks.

Every number that the rules of the field leave open stands here once, with its source and how sure it is:
`[S]` stated in the office's own rules, `[V]` checked in public material, `[FW]` read in meter firmware,
`[U]` from memory and unverified, `[D]` a design default of keyacct. An unknown key is an error that names the nearest.
"""

from __future__ import annotations

import datetime as dt
import difflib
import os
import re
import tomllib
import urllib.parse
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from keyacct.errors import ConfigError, from_os_error

FILE_NAME = "keyacct.toml"
ENVIRONMENT = "KEYACCT_WORKSPACE"


def _zone(name: object) -> object:
    if isinstance(name, str):
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{name!r} is no time zone, write for example Asia/Shanghai") from None
    return name


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WorkspaceSettings(_Section):
    """`[workspace]`: what holds everywhere."""

    name: str = Field("keyacct", description="name of the office, shown on reports", max_length=120)
    timezone: Annotated[str, BeforeValidator(_zone)] = Field(
        "Asia/Shanghai", description="zone of civil days and of device clocks [domain: calendar rules]"
    )


class SampleSettings(_Section):
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


class VoltageSettings(_Section):
    """`[voltage]`: voltage compliance (GB/T 12325-2008)."""

    assessment_floor: float = Field(
        0.70, gt=0, lt=1, description="share of nominal below which a value is not assessed [FW, use of it U]"
    )
    overvoltage: float = Field(1.20, gt=1, le=2, description="over-voltage above this share of nominal [FW]")
    target_rate: float = Field(0.98, gt=0, le=1, description="target of the compliance rate, S0 §1.6.2.2 [S]")


class VoltageLossSettings(_Section):
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


class PowerFactorSettings(_Section):
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


class DemandSettings(_Section):
    """`[demand]`: maximum demand."""

    window_min: int = Field(15, ge=1, le=60, description="demand window, minutes [V]")
    slip_min: int = Field(
        1, ge=1, le=15, description="step of the sliding demand window, minutes: 1, 2, 3, 5 or 15 [U]"
    )
    minimum_coverage: float = Field(
        0.80, gt=0, le=1, description="share of a window that readings must cover for its demand to count [D]"
    )


class LoadingSettings(_Section):
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


class CtLoadingSettings(_Section):
    """`[ct_loading]`: loading of current transformers, shares of the rated primary current."""

    severe: float = Field(1.10, gt=1, le=2, description="severe from here when sustained, from S0 §5 [S], duration [D]")
    oversized: float = Field(
        0.30, gt=0, le=1, description="a mean below this is too small for the accuracy, DL/T 448 [U]"
    )


class UnbalanceSettings(_Section):
    """`[unbalance]`: unbalance of three phases."""

    voltage_limit: float = Field(0.02, gt=0, lt=1, description="negative-sequence share, GB/T 15543-2008 [V]")
    voltage_short_limit: float = Field(0.04, gt=0, lt=1, description="the same for a short time [V]")
    current_limit: float = Field(0.15, gt=0, lt=1, description="(Imax - Imin) / Imax at a transformer, SD 292-88 [V]")
    smallest_current: float = Field(
        0.10, ge=0, lt=1, description="below this share of the rated current there is no current unbalance [D]"
    )


class AuditSettings(_Section):
    """`[audit]`: the chain of everything that was changed."""

    operator: str = Field(
        "",
        max_length=120,
        description="operator of the rows where KEYACCT_OPERATOR names none (else the system's user)",
    )
    anchor: str = Field(
        "",
        description="file outside the workspace that is told of every new head of the chain, so that a cut end shows",
    )


class BackupSettings(_Section):
    """`[backup]`: where backups go, how often, how many are kept."""

    folder: str = Field("", description="folder of the backups, best on another disk (else --to)")
    every_hours: int = Field(24, ge=1, le=8760, description="`backup --due` takes one after so many hours [D]")
    remind_after_hours: int = Field(
        48, ge=1, le=8760, description="without a backup for so long the operator is reminded, S0 §2.5.7.1 [D]"
    )
    keep: int = Field(14, ge=1, le=1000, description="`backup --due` keeps so many backups [D]")
    also: tuple[str, ...] = Field(
        ("templates",), description="further files and folders of the workspace that are backed up", strict=False
    )


class BillingSettings(_Section):
    """`[billing]`: frozen registers at the settlement instants, handed over to the billing system."""

    reading_day: int = Field(
        1, ge=1, le=31, description="settlement at 00:00 of this day where the account's terms name none [D]"
    )
    settlements_per_month: int = Field(
        1, ge=1, le=6, description="settlements a month where the account's terms do not say [D]"
    )
    tariffs: tuple[Literal["sharp", "peak", "flat", "valley"], ...] = Field(
        ("sharp", "peak", "flat", "valley"),
        min_length=1,
        description="what the meters' tariff registers 1, 2, 3 … hold [V: DL/T 645, usual order]",
        strict=False,
    )
    register_digits: int = Field(
        6,
        ge=3,
        le=12,
        description="digits before the point where the meter's entry does not say, DL/T 645 XXXXXX.XX [V]",
    )
    register_decimals: int = Field(
        2, ge=0, le=6, description="digits after the point where the meter's entry does not say, DL/T 645 XXXXXX.XX [V]"
    )
    estimate_within_hours: int = Field(
        72, ge=0, le=744, description="a missing freeze is estimated between readings no farther from it [D]"
    )
    repolled_after_hours: int = Field(
        24, ge=1, le=744, description="a freeze received later than this counts as re-polled [D]"
    )
    jump_factor: float = Field(
        1.5,
        gt=1,
        description="energy beyond this share of contract capacity over the time is a register jump, ERC29 [D]",
    )


class DatabaseAddress:
    """`postgresql://user@host:5432/name`, with a password or not. Everything that prints it leaves the password out."""

    def __init__(self, url: str) -> None:
        """Raises ValueError with a sentence that never holds the address."""
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port or 5432
        except ValueError:
            raise ValueError("no address of a database, write for example postgresql://user@host:5432/name") from None
        query = dict(urllib.parse.parse_qsl(parts.query))
        name = urllib.parse.unquote(parts.path.removeprefix("/"))
        if parts.scheme not in ("postgresql", "postgres") or not parts.username or not name or "/" in name:
            raise ValueError("no address of a database, write for example postgresql://user@host:5432/name")
        if unknown := sorted(query.keys() - {"host", "sslmode"}):
            raise ValueError(f"database addresses know host and sslmode, not {', '.join(unknown)}")
        self.sslmode = query.get("sslmode", "prefer")
        if self.sslmode not in ("disable", "prefer", "require", "verify-full"):
            raise ValueError("sslmode is none of disable, prefer, require, verify-full")
        self.user = urllib.parse.unquote(parts.username)
        self.host = parts.hostname or "localhost"
        self.port, self.database = port, name
        self.folder = query["host"] if query.get("host", "").startswith("/") else ""
        if query.get("host") and not self.folder:
            self.host = query["host"]
        self._password = urllib.parse.unquote(parts.password) if parts.password is not None else None

    @property
    def holds_password(self) -> bool:
        """Whether the address itself carries the password."""
        return self._password is not None

    def password(self) -> str | None:
        """The password: of the address, else of `KEYACCT_DATABASE_PASSWORD`, else of `PGPASSWORD`."""
        if self._password is not None:
            return self._password
        return os.environ.get("KEYACCT_DATABASE_PASSWORD") or os.environ.get("PGPASSWORD")

    def __str__(self) -> str:
        place = "" if self.folder else f"{self.host}:{self.port}"
        more = f"?host={self.folder}" if self.folder else ""
        return f"postgresql://{self.user}{':***' if self.holds_password else ''}@{place}/{self.database}{more}"

    __repr__ = __str__


def _address(value: object) -> object:
    if value == "" or isinstance(value, DatabaseAddress):
        return value or None
    return DatabaseAddress(value) if isinstance(value, str) else value


class DatabaseSettings(BaseModel):
    """`[database]`: where the registry, the index of the samples and the audit chain are kept."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    url: Annotated[DatabaseAddress | None, BeforeValidator(_address)] = Field(
        None,
        description="PostgreSQL database, postgresql://user@host:5432/name (password better in"
        " KEYACCT_DATABASE_PASSWORD); empty: the file register.db of the workspace [D]",
    )


class ReportSettings(_Section):
    """`[report]`: the page style of the office."""

    paper: Literal["A4", "A3"] = Field("A4", description="paper of printed reports (xlsx, PDF) [D]")
    logo: str = Field("", description="PNG or JPEG inside the workspace, shown on every report [D]", max_length=200)
    font: str = Field(
        "",
        description="font of PDFs: a family, or a file inside the workspace; empty: the best found [D]",
        max_length=200,
    )
    templates: str = Field(
        "", description="folder of the office's own report templates inside the workspace [D]", max_length=200
    )


class RetentionSettings(_Section):
    """`[retention]`: days that samples are kept, per family; 0: for ever. What bills rest on is always kept."""

    voltage_days: int = Field(0, ge=0, le=36_500, description="days of voltage kept; 0: for ever [D]")
    current_days: int = Field(0, ge=0, le=36_500, description="days of current kept; 0: for ever [D]")
    power_days: int = Field(0, ge=0, le=36_500, description="days of power kept; 0: for ever [D]")
    device_stats_days: int = Field(0, ge=0, le=36_500, description="days of devices' own statistics kept [D]")
    other_days: int = Field(0, ge=0, le=36_500, description="days of other readings kept; 0: for ever [D]")


class QualitySettings(_Section):
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


def _clock_span(text: object) -> object:
    if isinstance(text, str):
        match = re.fullmatch(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})", text)
        minutes = [int(part) for part in match.groups()] if match else []
        if (
            not match
            or minutes[1] > 59
            or minutes[3] > 59
            or 60 * minutes[0] + minutes[1] >= 60 * minutes[2] + minutes[3]
        ):
            raise ValueError(
                f"{text!r} is no span of time, write for example 17:00-19:00 (26:00 is 02:00 of the next day)"
            )
    return text


def _date_text(text: object) -> object:
    if isinstance(text, str):
        try:
            dt.date.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r} is no date, write for example 2026-10-01") from None
    return text


ClockSpan = Annotated[str, BeforeValidator(_clock_span)]
DateText = Annotated[str, BeforeValidator(_date_text)]
DayKind = Literal["workday", "weekend", "holiday"]
SATURDAY = 5
Measure = Literal["shift", "avoid", "limit", "trip"]


class CalendarSettings(_Section):
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


class SheddingSettings(_Section):
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


class PollSettings(_Section):
    """`[poll]`: asking meters."""

    retries: int = Field(2, ge=0, le=20, description="further attempts of a round for what failed [D]")
    lines_at_once: int = Field(512, ge=1, le=4096, description="lines that are served at the same time [D]")
    tries_per_due: int = Field(
        3, ge=1, le=20, description="rounds of `poll --due` that ask again for what one due time still lacks [D]"
    )
    commit_items: int = Field(2000, ge=1, le=100_000, description="finished items that are stored together [D]")
    commit_s: int = Field(15, ge=1, le=600, description="and the longest wait before they are stored, seconds [D]")
    daily_freezes: int = Field(62, ge=1, le=62, description="day freezes that a meter keeps, DL/T 645-2007 A.6 [V]")
    load_record_days: int = Field(
        40, ge=1, le=400, description="days of load records that a meter keeps, depends on its memory [U]"
    )


class ControlSettings(_Section):
    """`[control]`: commands to breakers (docs/control.md). This version sends none to a device, whatever stands here."""

    enabled: bool = Field(
        False, description="control may be sent; counts only while this file is not writable for who sends [D]"
    )
    inhibit_file: str = Field(
        "CONTROL-INHIBIT",
        min_length=1,
        description="a file that stops all sending while it is there (in the workspace)",
    )
    terminals: tuple[str, ...] = Field(
        (), description="allow-list: numbers of terminals and meters that control may be sent to", strict=False
    )
    approver_roles: tuple[str, ...] = Field(
        ("control_approver",), description="roles of staff that may approve [D]", strict=False
    )
    shared_accounts: tuple[str, ...] = Field(
        ("root", "admin", "administrator", "operator", "keyacct"),
        description="names that are nobody's own and approve nothing [D]",
        strict=False,
    )
    allowed_delay_min: int = Field(
        5, ge=1, le=60, description="minutes after which a device must drop a command that came late [D]"
    )
    valid_min: int = Field(
        10, ge=1, le=60, description="how long a single command may be given, minutes, S0 §3.2.1.1d [S]"
    )
    approval_min: int = Field(10, ge=1, le=60, description="an approval of a single command ends after minutes [D]")
    telemetry_min: int = Field(15, ge=1, le=60, description="telemetry may be so old, minutes, before a trip [D]")
    clock_s: int = Field(
        120, ge=1, le=3600, description="a device's clock may be so wrong, seconds, before a command [D]"
    )
    trips_in_10_min: int = Field(5, ge=1, le=100, description="trips in 10 minutes outside a plan [D]")


class ListenSettings(_Section):
    """`[listen]`: what one terminal, and all of them, may take of the master station."""

    connections: int = Field(
        2000, ge=1, le=1_000_000, description="connections at once, and 1.5 × the terminals where that is more [D]"
    )
    new_per_address: int = Field(
        20, ge=1, le=1_000_000, description="connections of one network address that have not logged in [D]"
    )
    known_share: float = Field(
        0.10, ge=0, lt=1, description="share of the connections kept for addresses that a known terminal came from [D]"
    )
    login_s: float = Field(10.0, gt=0, le=3600, description="seconds from the connection to the log-in [D]")
    frame_s: float = Field(5.0, gt=0, le=600, description="seconds from the first byte of a frame to its last [D]")
    heartbeat_s: float = Field(
        300.0, gt=0, le=86_400, description="heartbeat the terminals are set to; silent for three, closed [D]"
    )
    junk_bytes: int = Field(
        65_536, ge=256, le=16_777_216, description="bytes without any frame after which a peer is dropped [D]"
    )
    frames_per_s: int = Field(50, ge=1, le=100_000, description="frames of one terminal a second [D]")
    unsent_bytes: int = Field(
        65_536, ge=1024, le=16_777_216, description="bytes that wait for a peer that does not read [D]"
    )
    answer_s: float = Field(
        10.0, gt=0, le=600, description="seconds for an answer, response wait of 1376.1 over GPRS [U]"
    )
    tries: int = Field(3, ge=1, le=20, description="times that a question is asked, 1376.1 over GPRS [U]")
    challenge_s: float = Field(
        5.0, gt=0, le=600, description="seconds in which an older session must prove itself at a second log-in [D]"
    )
    takeovers: int = Field(
        3, ge=2, le=100, description="so many take-overs of one terminal within `quarantine_s` are an alarm [D]"
    )
    quarantine_s: float = Field(600.0, gt=0, le=86_400, description="seconds of quarantine after that [D]")


class CareSettings(_Section):
    """`[care]`: the clocks of devices."""

    clock_right_s: float = Field(
        60.0, gt=0, le=3600, description="a clock off by so little is right, 国网(营销/4)384-2014 [V]"
    )
    clock_limit_s: float = Field(
        300.0, gt=0, le=86_400, description="off by more although it was set is a fault, ERC12 practice [D]"
    )
    terminal_sync_most_s: float = Field(
        900.0, gt=0, le=86_400, description="a terminal's clock is set from afar up to here, 国网(营销/4)384-2014 [V]"
    )
    fault_syncs: int = Field(
        2, ge=1, le=31, description="still beyond the limit after so many settings is a fault, 384-2014 [V]"
    )
    fault_days: int = Field(31, ge=1, le=366, description="within so many days (a month), 384-2014 [V]")
    hour_guard_min: int = Field(
        5, ge=0, le=29, description="no clock is set so near a full hour, where hourly freezes lie [D]"
    )
    midnight_guard_min: int = Field(
        30, ge=0, le=240, description="nor so near midnight, where day freeze and settlement lie [U]"
    )
    sync_clock: bool = Field(False, description="whether clocks of meters may be set (`keyacct care sync --execute`)")
    freeze: bool = Field(False, description="whether meters may be told to freeze (`keyacct care freeze --execute`)")
    broadcast_most_s: float = Field(
        300.0,
        gt=0,
        le=900,
        description="a meter takes a time broadcast (08H) only within this, DL/T 645-2007 7.1.6 [U]",
    )
    round_trip_most_s: float = Field(
        20.0, gt=0, le=600, description="no verdict on a clock whose answer took longer [D]"
    )
    alike_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="if more than this share of the clocks of a round is wrong alike, our own is in doubt [D]",
    )


class Settings(_Section):
    """The settings tree of one workspace."""

    workspace: WorkspaceSettings = WorkspaceSettings.model_construct()
    database: DatabaseSettings = DatabaseSettings.model_construct()
    samples: SampleSettings = SampleSettings.model_construct()
    calendar: CalendarSettings = CalendarSettings.model_construct()
    voltage: VoltageSettings = VoltageSettings.model_construct()
    voltage_loss: VoltageLossSettings = VoltageLossSettings.model_construct()
    power_factor: PowerFactorSettings = PowerFactorSettings.model_construct()
    demand: DemandSettings = DemandSettings.model_construct()
    loading: LoadingSettings = LoadingSettings.model_construct()
    ct_loading: CtLoadingSettings = CtLoadingSettings.model_construct()
    unbalance: UnbalanceSettings = UnbalanceSettings.model_construct()
    audit: AuditSettings = AuditSettings.model_construct()
    backup: BackupSettings = BackupSettings.model_construct()
    billing: BillingSettings = BillingSettings.model_construct()
    report: ReportSettings = ReportSettings.model_construct()
    retention: RetentionSettings = RetentionSettings.model_construct()
    quality: QualitySettings = QualitySettings.model_construct()
    shedding: SheddingSettings = SheddingSettings.model_construct()
    poll: PollSettings = PollSettings.model_construct()
    control: ControlSettings = ControlSettings.model_construct()
    listen: ListenSettings = ListenSettings.model_construct()
    care: CareSettings = CareSettings.model_construct()


@dataclass(frozen=True)
class Workspace:
    """A folder marked by `keyacct.toml`: the registry, the samples and the reports of one office."""

    root: Path
    settings: Settings

    @property
    def database(self) -> Path:
        """The SQLite file of registry, segment index and audit chain."""
        return self.root / "register.db"

    @property
    def samples(self) -> Path:
        """Folder of the live Parquet segments."""
        return self.root / "samples"

    @property
    def stage(self) -> Path:
        """Folder where segments are written before they become visible."""
        return self.root / "stage"

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """Zone of civil days and device clocks."""
        return zoneinfo.ZoneInfo(self.settings.workspace.timezone)


def parse_settings(document: dict[str, Any], file: str = FILE_NAME) -> Settings:
    """Settings from a parsed TOML document. Raises ConfigError naming the key and, for an unknown one, the nearest."""
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = _nearest(first["loc"])
            hint = f"did you mean {near!r}?" if near else "remove it, or see `keyacct config show` for the known keys"
            raise ConfigError("config.unknown_key", f"unknown key {key!r}", hint=hint, where={"file": file}) from None
        message = f"{key}: {first['msg'][0].lower()}{first['msg'][1:]}"
        raise ConfigError("config.invalid", message, hint="mend this key and run again", where={"file": file}) from None


def _nearest(path: tuple[str | int, ...]) -> str | None:
    """The known key most like an unknown one: its own section first, then the same name anywhere."""
    known = list(_keys(Settings))
    wanted = ".".join(str(part) for part in path)
    close = difflib.get_close_matches(wanted, known, n=1, cutoff=0.6)
    if close:
        return close[0]
    last = str(path[-1])
    by_name = difflib.get_close_matches(last, [key.rpartition(".")[2] for key in known], n=1, cutoff=0.6)
    return next((key for key in known if by_name and key.rpartition(".")[2] == by_name[0]), None)


def _keys(section: type[BaseModel], prefix: str = "") -> Iterable[str]:
    for name, field in section.model_fields.items():
        yield prefix + name
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _keys(inner, f"{prefix}{name}.")


def describe_settings(settings: Settings) -> list[dict[str, object]]:
    """Every setting as a row: key, value, default, description with its source."""
    rows: list[dict[str, object]] = []
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            continue
        values = getattr(settings, name)
        for key, inner in section.model_fields.items():
            rows.append(
                {
                    "key": f"{name}.{key}",
                    "value": _shown(getattr(values, key)),
                    "default": _shown(inner.default),
                    "description": inner.description or "",
                }
            )
    return rows


def _shown(value: object) -> object:
    """A value for people and JSON; an address without its password."""
    if value is None:
        return ""
    return str(value) if isinstance(value, DatabaseAddress) else value


def find_root(folder: str | os.PathLike[str] | None = None) -> Path:
    """The workspace folder: the named one, else `KEYACCT_WORKSPACE`, else the nearest `keyacct.toml` upward.

    Raises ConfigError `config.workspace_missing`.
    """
    named = folder if folder is not None else os.environ.get(ENVIRONMENT)
    if named:
        root = Path(named)
        if (root / FILE_NAME).is_file():
            return root
        raise ConfigError(
            "config.workspace_missing",
            f"no workspace: there is no {FILE_NAME}",
            hint=f"make one with `keyacct init {root}`",
            where={"file": str(root)},
        )
    here = Path.cwd()
    for root in (here, *here.parents):
        if (root / FILE_NAME).is_file():
            return root
    raise ConfigError(
        "config.workspace_missing",
        f"no workspace: neither this folder nor one above it holds {FILE_NAME}",
        hint="name one with --workspace DIR or KEYACCT_WORKSPACE, or make one with `keyacct init DIR`",
    )


def open_workspace(folder: str | os.PathLike[str] | None = None) -> Workspace:
    """Find a workspace and read its settings. Raises ConfigError."""
    root = find_root(folder)
    file = root / FILE_NAME
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(file)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            "config.invalid", f"not valid TOML: {error}", hint="mend the line", where={"file": str(file)}
        ) from None
    return Workspace(root, parse_settings(document, str(file)))
