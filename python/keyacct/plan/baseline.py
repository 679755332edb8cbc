"""Expected load of accounts for an event: the mean of like days, scaled by the hours before it, or a given forecast.

Like days are days of the same kind (workday, weekend, holiday) without an event: of the last M the N latest (or highest)
that are measured well enough. The two hours before the event scale the mean, capped; of volatile accounts a low quantile
of the like days stands in the time blocks, so that what a block is promised to give is really there. All numbers are
`[shedding]` settings; the rule is ours (domain: evaluation of orderly power use).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, pstdev

from keyacct.analysis.load_curve import PERIOD_MIN, PERIODS, Curve
from keyacct.config import CalendarSettings, DayKind, SheddingSettings
from keyacct.i18n import Text
from keyacct.plan.like_days import days_before

Curves = Callable[[dt.date], Mapping[str, Curve]]
"""The measured curves of a civil day by account."""


@dataclass(frozen=True)
class Baseline:
    """What an account is expected to draw. kw: mean kW per period of the horizon. origin: `forecast`, `like_days`,
    `other_days` (no like day was measured) or `none`. days: those of the first day of the horizon. adjustment: the
    factor of the same-day adjustment, None where there was none. variation: coefficient of variation of the like days in
    the time blocks. guaranteed: a low quantile stands in the blocks.
    """

    account_no: str
    kw: tuple[float, ...] = field(repr=False)
    origin: str
    days: tuple[dt.date, ...]
    adjustment: float | None
    variation: float | None
    guaranteed: bool
    warnings: tuple[Text, ...]


@dataclass(frozen=True)
class Horizon:
    """What is planned over: from 00:00 of `day` on, `periods` quarters of an hour; the time blocks; the period in which
    the plan is made (may be negative, or after the end).
    """

    day: dt.date
    periods: int
    blocks: tuple[tuple[int, int], ...]
    issue_period: int

    @property
    def days(self) -> tuple[dt.date, ...]:
        """The civil days of the horizon."""
        return tuple(self.day + dt.timedelta(days=n) for n in range(math.ceil(self.periods / PERIODS)))


def quantile(values: Sequence[float], share: float) -> float:
    """The quantile of a sample, linear between its ordered values (type 7)."""
    ordered = sorted(values)
    at = (len(ordered) - 1) * share
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def baselines(
    accounts: Sequence[str], horizon: Horizon, settings: SheddingSettings, curves: Curves, *,
    events: Collection[dt.date] = (), last_day: dt.date, forecast: Mapping[str, Mapping[int, float]] | None = None,
    calendar: CalendarSettings | None = None,
) -> dict[str, Baseline]:  # fmt: skip
    """The baseline of every account.

    curves: is asked for each day once. events: days with an event, which are no like days. last_day: the last complete
    day, like days are not after it. calendar: holidays and make-up working days (None: none are known). forecast: kW by
    account and period; where it has no value the like days stand.
    """
    seen: dict[dt.date, Mapping[str, Curve]] = {}

    def measured(day: dt.date) -> Mapping[str, Curve]:
        if day not in seen:
            seen[day] = curves(day)
        return seen[day]

    forecast = forecast or {}
    calendar = calendar or CalendarSettings.model_construct()
    needed = [a for a in accounts if len(forecast.get(a, {})) < horizon.periods]
    kinds = [calendar.kind(day) for day in horizon.days]
    choices = [_choose(needed, day, settings, calendar, measured, events, last_day) for day in horizon.days]
    factors = _adjustments(needed, horizon, settings, measured, choices[0])
    return {
        account: _baseline(account, horizon, kinds, settings, [c.get(account) for c in choices], factors.get(account),
                           forecast.get(account, {}))
        for account in accounts
    }  # fmt: skip


@dataclass(frozen=True)
class _Choice:
    days: tuple[dt.date, ...]
    curves: tuple[Curve, ...]
    like: bool


def _choose(
    accounts: Sequence[str], day: dt.date, settings: SheddingSettings, calendar: CalendarSettings, measured: Curves,
    events: Collection[dt.date], last_day: dt.date,
) -> dict[str, _Choice]:  # fmt: skip
    """The like days of each account for one day of the horizon; without any, the last days of other kinds."""
    before = min(day, last_day + dt.timedelta(days=1))
    kind = calendar.kind(day)
    most = settings.like_days_of
    like = [d for d in days_before(before, calendar, kind, most + len(events)) if d not in events][:most]
    found: dict[str, list[tuple[dt.date, Curve]]] = {account: [] for account in accounts}
    for candidate in like:
        open_ = [a for a in accounts if settings.like_days_choice != "latest" or len(found[a]) < settings.like_days]
        if not open_:
            break
        _collect(found, open_, candidate, settings, measured)
    result: dict[str, _Choice] = {}
    for account, days in found.items():
        if settings.like_days_choice == "highest":
            days.sort(key=lambda pair: (-sum(kw or 0.0 for kw in pair[1]), -pair[0].toordinal()))
        best = sorted(days[: settings.like_days], key=lambda pair: pair[0])
        if best:
            result[account] = _Choice(tuple(d for d, _ in best), tuple(c for _, c in best), like=True)
    bare = [account for account in accounts if account not in result]
    if bare:
        other: dict[str, list[tuple[dt.date, Curve]]] = {account: [] for account in bare}
        for candidate in days_before(before, calendar, None, most):
            if candidate not in events:
                _collect(other, bare, candidate, settings, measured)
        for account, days in other.items():
            best = sorted(days[: settings.like_days], key=lambda pair: pair[0])
            if best:
                result[account] = _Choice(tuple(d for d, _ in best), tuple(c for _, c in best), like=False)
    return result


def _collect(
    found: dict[str, list[tuple[dt.date, Curve]]], accounts: Sequence[str], day: dt.date, settings: SheddingSettings,
    measured: Curves,
) -> None:  # fmt: skip
    curves = measured(day)
    for account in accounts:
        curve = curves.get(account)
        if curve is not None and sum(kw is not None for kw in curve) >= settings.like_day_coverage * PERIODS:
            found[account].append((day, curve))


def _means(curves: Sequence[Curve]) -> list[float]:
    """The mean of each period over the days; a period that no day has takes the one before (the first: the next)."""
    means = [
        fmean(values) if (values := [kw for c in curves if (kw := c[t]) is not None]) else None for t in range(PERIODS)
    ]
    known = next((kw for kw in means if kw is not None), 0.0)
    result = []
    for kw in means:
        known = kw if kw is not None else known
        result.append(known)
    return result


def _adjustments(
    accounts: Sequence[str], horizon: Horizon, settings: SheddingSettings, measured: Curves,
    choices: Mapping[str, _Choice],
) -> dict[str, float]:  # fmt: skip
    """The factor of the same-day adjustment, where the hours before the event have been measured."""
    length = settings.adjustment_min // PERIOD_MIN
    first = min(block[0] for block in horizon.blocks)
    end = min(first, horizon.issue_period)
    begin = end - length
    if length == 0 or begin < 0 or end > PERIODS:
        return {}
    curves = measured(horizon.day)
    result = {}
    for account in accounts:
        choice, curve = choices.get(account), curves.get(account)
        if choice is None or curve is None:
            continue
        now = [kw for kw in curve[begin:end] if kw is not None]
        if len(now) < length:
            continue
        usual = sum(_means(choice.curves)[begin:end])
        if usual > 0:
            cap = settings.adjustment_cap
            result[account] = min(max(sum(now) / usual, 1 - cap), 1 + cap)
    return result


def _baseline(
    account: str, horizon: Horizon, kinds: Sequence[DayKind], settings: SheddingSettings,
    choices: Sequence[_Choice | None], factor: float | None, forecast: Mapping[int, float],
) -> Baseline:  # fmt: skip
    warnings: list[Text] = []
    kw: list[float] = []
    in_block = {t for first, end in horizon.blocks for t in range(first, end)}
    first_choice = choices[0]
    variation = _variation(first_choice, in_block) if first_choice is not None else None
    volatile = variation is not None and variation >= settings.volatile_from
    means = [_means(choice.curves) if choice is not None else [0.0] * PERIODS for choice in choices]
    for t in range(horizon.periods):
        day, slot = divmod(t, PERIODS)
        choice = choices[day]
        scale = factor if factor is not None and day == 0 else 1.0
        value = means[day][slot] * scale
        if volatile and t in in_block and choice is not None:
            known = [v for c in choice.curves if (v := c[slot]) is not None]
            value = min(value, quantile(known, settings.volatile_quantile) * scale) if known else value
        kw.append(forecast.get(t, value))
    complete = len(forecast) >= horizon.periods
    origin = "forecast" if complete else "none"
    if not complete:
        if first_choice is not None:
            origin = "like_days" if first_choice.like else "other_days"
        warnings += _doubts(account, horizon, kinds, settings, choices)
        if forecast:
            warnings.append(
                Text(f"account {account}: {len(forecast)} of {horizon.periods} periods are in the forecast, the rest is measured",
                     f"户 {account}: 预测仅 {len(forecast)}/{horizon.periods} 时段, 其余取自采样")
            )  # fmt: skip
    days = first_choice.days if first_choice is not None else ()
    return Baseline(
        account, tuple(round(max(value, 0.0), 3) for value in kw), origin, days, factor, variation,
        guaranteed=volatile and not complete, warnings=tuple(warnings),
    )  # fmt: skip


def _variation(choice: _Choice, slots: Collection[int]) -> float | None:
    """Mean relative spread over the days of the periods in the blocks; None with fewer than two days."""
    if len(choice.curves) < 2:
        return None
    shares = []
    for t in sorted(slots):
        values = [v for c in choice.curves if t < PERIODS and (v := c[t]) is not None]
        mean = fmean(values) if values else 0.0
        if len(values) >= 2 and mean > 0:
            shares.append(pstdev(values) / mean)
    return fmean(shares) if shares else None


def _doubts(
    account: str, horizon: Horizon, kinds: Sequence[DayKind], settings: SheddingSettings,
    choices: Sequence[_Choice | None],
) -> list[Text]:  # fmt: skip
    """What is wrong with the days that an account's baseline is made of, each day of the horizon once."""
    result = []
    for day, kind, choice in zip(horizon.days, kinds, choices, strict=True):
        if choice is None:
            result.append(
                Text(f"account {account}: no measured day stands for {day}; its load is taken as 0, so it can give nothing then",
                     f"户 {account}: {day} 无可用历史日, 负荷按 0 处理, 不参与压减")
            )  # fmt: skip
        elif not choice.like:
            used = ", ".join(d.isoformat() for d in choice.days)
            result.append(
                Text(f"account {account}: no like day ({kind}) was measured for {day}; used instead: {used}",
                     f"户 {account}: {day} 无同类日 ({kind}), 改用 {used}")
            )  # fmt: skip
        elif len(choice.days) < settings.like_days:
            used = ", ".join(d.isoformat() for d in choice.days)
            result.append(
                Text(f"account {account}: only {len(choice.days)} of {settings.like_days} like days ({kind}) for {day}: {used}",
                     f"户 {account}: {day} 同类日仅 {len(choice.days)}/{settings.like_days} 天: {used}")
            )  # fmt: skip
    return result
