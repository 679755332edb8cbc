"""Power factor of accounts from energies, its assessment and the adjustment percent (S0 §2.5.5.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa

from keyacct import _core
from keyacct.analysis.day_states import field_tables
from keyacct.analysis.pf_adjustment import HUNDREDTH, RULE_1983, assessed, power_factor_of
from keyacct.analysis.question import Question, ask, spans_of
from keyacct.analysis.transformer_loss import Loss, TransformerLosses, divided
from keyacct.config import PowerFactorSettings, Workspace
from keyacct.model import TARIFF_PERIODS, Period

ENERGIES = ("import", "export", "q1", "q2", "q3", "q4", "reactive_import", "reactive_export")
QUADRANTS = ("q1", "q2", "q3", "q4")
LOSS_PLACES = Decimal("1e-8")
FLAGS = {
    1: "register_decrease",
    2: "gap_over_seam",
    4: "unattributed",
    8: "boundary_start",
    16: "boundary_end",
}
"""Bits of the kernel: a register fell; readings too far apart on both sides of a change; energy that
belongs to no hour;
no reading at the beginning or at the end of the period (the nearest inside was taken)."""


@dataclass(frozen=True)
class PowerFactor:
    """Power factor of a period.

    accounts: a row per account, the energies of its billing points summed; points: a row per metering
    point of any kind; hours: 24 rows per account. Columns of accounts and points: account_no,
    account_name, (point, point_kind, meter,) wp_kwh, wq_kvarh, q1_kvarh, q4_kvarh, pf, pf_sharp, pf_peak,
    pf_flat, pf_valley, pf_assessed (decimal, two digits, half up), pf_standard (decimal; null: not
    assessed), passed, adjustment_pct (decimal; negative is a rebate), leading (Q4 > Q1), leading_share (Q4 of
    Wq, 0..1), loss_kwh and loss_kvarh (of the transformer before a meter at low voltage; they are in wp_kwh,
    wq_kvarh and q1_kvarh; null without such a meter), completeness (time with energies / time so far), flags
    (list of words). Columns of hours: account_no, account_name, hour (0 to 23), wp_kwh, wq_kvarh, pf, leading.
    Without energies everything is null.
    """

    accounts: pa.Table
    points: pa.Table
    hours: pa.Table


@dataclass
class _Energies:
    """Exact energies of some time, kWh and kvarh; None where there is no such column."""

    amount: dict[str, Decimal] = field(default_factory=dict)

    def add(self, name: str, amount: Decimal) -> None:
        self.amount[name] = self.amount.get(name, Decimal(0)) + amount

    def merge(self, other: _Energies) -> None:
        for name, amount in other.amount.items():
            self.add(name, amount)


@dataclass
class _Books:
    """Energies by tariff period and hour, and what was met on the way."""

    total: _Energies = field(default_factory=_Energies)
    period: dict[int, _Energies] = field(default_factory=dict)
    hour: dict[int, _Energies] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    covered_ms: int = 0
    expected_ms: int = 0
    loss: Loss | None = None

    def add_period(self, period: int, energies: _Energies) -> None:
        self.total.merge(energies)
        self.period.setdefault(period, _Energies()).merge(energies)

    def add_hour(self, hour: int, energies: _Energies) -> None:
        self.hour.setdefault(hour, _Energies()).merge(energies)

    def merge(self, other: _Books) -> None:
        self.total.merge(other.total)
        for period, energies in other.period.items():
            self.period.setdefault(period, _Energies()).merge(energies)
        for hour, energies in other.hour.items():
            self.hour.setdefault(hour, _Energies()).merge(energies)
        self.flags |= other.flags
        self.covered_ms += other.covered_ms
        self.expected_ms += other.expected_ms
        if other.loss is not None:
            self.loss = other.loss if self.loss is None else self.loss + other.loss

    def lose(self, loss: Loss) -> None:
        """Adds losses of the transformer before the meter, to periods and hours in proportion to their active energy."""
        self.loss = loss
        self.flags.add("transformer_loss")
        amount = self.total.amount
        lag = "q1" if any(name in amount for name in QUADRANTS) else "reactive_import"
        # Without any reactive energy nothing is known of it: a loss alone would make a power factor.
        reactive = any(name in amount for name in (*QUADRANTS, "reactive_import", "reactive_export"))
        for cells in (self.period, self.hour):
            parts = [(key, cell.amount.get("import", Decimal(0))) for key, cell in cells.items()]
            active = divided(loss.kwh, parts, LOSS_PLACES)
            inductive = divided(loss.kvarh, parts, LOSS_PLACES)
            for key, cell in cells.items():
                cell.add("import", active[key])
                if reactive:
                    cell.add(lag, inductive[key])
        self.total.add("import", loss.kwh)
        if reactive:
            self.total.add(lag, loss.kvarh)


def power_factor(workspace: Workspace, period: Period, *, accounts: Sequence[str] | None = None) -> PowerFactor:
    """Power factor of every account over a period, from register energies.

    Registers are read by the difference of the period's boundary readings; a missing boundary takes the
    nearest reading inside and is flagged, a fall of a register is flagged and counts nothing. Meters
    that store increments are summed, those with power only are integrated (flag `integrated`). Wq joins
    the quadrants of `power_factor.quadrants` by `power_factor.reactive_mode`; a meter with one pair of
    registers has them as q1 and q4. A billing point with metering mode `hl` gets the losses of its transformer
    (flag `transformer_loss`, or `loss_unknown` where the registry lacks the transformer or its nameplate: pf is then the
    measured one, and nothing is assessed or adjusted by it). Raises ConfigError for unknown accounts (exit 3), for ratios
    that cannot be used, and for a standard without a rule.
    Source: (83)水电财字215号; S0 §2.5.5.4.
    """
    question = ask(workspace, period, accounts)
    books = _read(question)
    settings = workspace.settings.power_factor
    parameters = question.parameters
    point_rows: list[dict[str, Any]] = []
    for point, rows in spans_of(parameters, "point").items():
        last = parameters.slice(rows[-1], 1).to_pylist()[0]
        meters = list(dict.fromkeys(parameters["meter"].take(rows).to_pylist()))
        point_rows.append(
            {
                "account_no": last["account_no"],
                "account_name": last["account_name"],
                "point": point,
                "point_kind": last["kind"],
                "meter": ", ".join(m for m in meters if m),
                **_figures(books[point], last["pf_standard"], settings),
            }
        )
    account_rows: list[dict[str, Any]] = []
    hour_rows: list[dict[str, Any]] = []
    for account, rows in spans_of(parameters, "account_no").items():
        if not account:
            continue  # points of the utility itself are in `points`
        together = _Books()
        kinds = parameters["kind"].take(rows).to_pylist()
        billing = [row for row, kind in zip(rows, kinds, strict=True) if kind == "billing"]
        for point in dict.fromkeys(parameters["point"].take(pa.array(billing, pa.int64())).to_pylist()):
            together.merge(books[point])
        last = parameters.slice((billing or rows)[-1], 1).to_pylist()[0]
        name = last["account_name"]
        head = {"account_no": account, "account_name": name}
        account_rows.append({**head, **_figures(together, last["pf_standard"], settings)})
        for hour in range(24):
            energies = together.hour.get(hour, _Energies())
            wp, wq, factor = _factor(energies, settings)
            hour_rows.append(
                {**head, "hour": hour, "wp_kwh": _float(wp), "wq_kvarh": _float(wq), "pf": _float(factor),
                 "leading": _leading(energies)}
            )  # fmt: skip
    return PowerFactor(
        accounts=pa.Table.from_pylist(account_rows, schema=pa.schema([*_HEAD, *_FIGURES])),
        points=pa.Table.from_pylist(point_rows, schema=pa.schema([*_HEAD, *_POINT, *_FIGURES])),
        hours=pa.Table.from_pylist(hour_rows, schema=_HOURS),
    )


_HEAD = [("account_no", pa.string()), ("account_name", pa.string())]
_POINT = [("point", pa.string()), ("point_kind", pa.string()), ("meter", pa.string())]
_FIGURES = [
    *((name, pa.float64()) for name in ("wp_kwh", "wq_kvarh", "q1_kvarh", "q4_kvarh", "pf")),
    *((f"pf_{name}", pa.float64()) for name in TARIFF_PERIODS),
    ("pf_assessed", pa.decimal128(4, 2)),
    ("pf_standard", pa.decimal128(4, 2)),
    ("passed", pa.bool_()),
    ("adjustment_pct", pa.decimal128(6, 2)),
    ("leading", pa.bool_()),
    ("leading_share", pa.float64()),
    ("loss_kwh", pa.float64()),
    ("loss_kvarh", pa.float64()),
    ("completeness", pa.float64()),
    ("flags", pa.list_(pa.string())),
]
_HOURS = pa.schema(
    [
        *_HEAD,
        ("hour", pa.int64()),
        *((name, pa.float64()) for name in ("wp_kwh", "wq_kvarh", "pf")),
        ("leading", pa.bool_()),
    ]
)


def _read(question: Question) -> dict[str, _Books]:
    """Books of every point, from registers or increments, else from power."""
    parameters = question.parameters
    of_row = [_Books() for _ in range(parameters.num_rows)]
    every = list(range(parameters.num_rows))
    meters = parameters["meter"].to_pylist()
    found = _kernel(question, every, of_row, power=False)
    rest = [number for number in every if meters[number] not in found]
    if rest:
        _kernel(replace(question, parameters=parameters.take(rest)), rest, of_row, power=True)
    losses = TransformerLosses(question.workspace, parameters, question.from_ms, question.to_ms)
    books = {point: _Books() for point in spans_of(parameters, "point")}
    for row, book in zip(parameters.to_pylist(), of_row, strict=True):
        begin, end = max(row["from_ms"], question.from_ms), min(row["to_ms"], question.to_ms)
        book.expected_ms = max(end - begin, 0)
        if losses.applies(row) and "import" in book.total.amount:
            wp, wq, _ = _factor(book.total, question.workspace.settings.power_factor)
            loss = losses.of(row, begin, end, wp or Decimal(0), wq or Decimal(0))
            if loss is None:
                book.flags.add("loss_unknown")
            else:
                book.lose(loss)
        books[row["point"]].merge(book)
    return books


def energy_tables(question: Question, *, power: bool) -> tuple[pa.Table, ...]:
    """The two tables of the energy kernel: sums by parameter row, period and hour, and where they come from."""
    family = ("power", ("p", "q"), 4) if power else ("energy", ENERGIES, 4)

    def from_samples(asked: Question) -> tuple[pa.Table, ...]:
        samples = asked.samples(*family)
        return asked.run(
            lambda: _core.field_energy(samples, asked.kernel_parameters, asked.tariffs(), asked.kernel, power)
        )

    return field_tables(question, "integrated" if power else "energy", [family], from_samples)


def _kernel(question: Question, numbers: Sequence[int], books: Sequence[_Books], *, power: bool) -> set[str]:
    """Adds what the samples of one family give; the meters that gave something. numbers: of the rows in `books`."""
    parameters = question.parameters
    sums, origin = energy_tables(question, power=power)
    # Whole units are 10^-4 kWh; integrated powers are 10^-4 kW times milliseconds.
    unit = Decimal(10_000) * (3_600_000 if power else 1)
    meters = parameters["meter"].to_pylist()
    factors = [
        Decimal(1)
        if side == "primary"
        else Decimal(repr(1.0 if pt is None else pt)) * Decimal(repr(1.0 if ct is None else ct))
        for side, pt, ct in zip(
            parameters["reading_side"].to_pylist(),
            parameters["pt"].to_pylist(),
            parameters["ct"].to_pylist(),
            strict=True,
        )
    ]
    found = set()
    for key in ("period", "hour"):
        # Whole numbers add up exactly, and groups stay in the order of the kernel.
        together = sums.group_by(["row", key], use_threads=False).aggregate([(name, "sum") for name in ENERGIES])
        for row in together.to_pylist():
            number = row["row"]
            found.add(meters[number])
            amounts = {name: row[f"{name}_sum"] for name in ENERGIES if row[f"{name}_sum"] is not None}
            energies = _Energies(
                by_quadrant({name: amount * factors[number] / unit for name, amount in amounts.items()})
            )
            book = books[numbers[number]]
            if key == "period":
                book.add_period(row["period"], energies)
            else:
                book.add_hour(row["hour"], energies)
    for row in origin.to_pylist():
        book = books[numbers[row["row"]]]
        book.covered_ms += row["covered_ms"]
        book.flags |= {word for bit, word in FLAGS.items() if row["flags"] & bit}
        if power and meters[row["row"]] in found:
            book.flags.add("integrated")
    return found


def by_quadrant(amount: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Energies of one meter with a single pair of reactive registers as q1 and q4, so that those of several meters add up.

    A meter that has quadrants keeps them, and its pair of registers does not count.
    """
    pair = {"q1": "reactive_import", "q4": "reactive_export"}
    rest = {name: value for name, value in amount.items() if name not in pair.values()}
    if len(rest) == len(amount) or any(name in amount for name in QUADRANTS):
        return rest
    return rest | {name: amount.get(own, Decimal(0)) for name, own in pair.items()}


def _quadrants(energies: _Energies) -> dict[str, Decimal] | None:
    """Reactive energies by quadrant; a single pair of registers is q1 and q4. None without any."""
    amount = energies.amount
    if any(name in amount for name in QUADRANTS):
        return {name: amount.get(name, Decimal(0)) for name in QUADRANTS}
    if "reactive_import" in amount or "reactive_export" in amount:
        zero = Decimal(0)
        lag, lead = amount.get("reactive_import", zero), amount.get("reactive_export", zero)
        return {"q1": lag, "q2": zero, "q3": zero, "q4": lead}
    return None


def _reactive(quadrants: dict[str, Decimal], settings: PowerFactorSettings) -> Decimal:
    counted = {name: quadrants[name] for name in settings.quadrants}
    lag = sum((counted.get(name, Decimal(0)) for name in ("q1", "q2")), Decimal(0))
    lead = sum((counted.get(name, Decimal(0)) for name in ("q3", "q4")), Decimal(0))
    if settings.reactive_mode == "net":
        return abs(lag - lead)
    return lag if settings.reactive_mode == "forward_only" else lag + lead


def _factor(
    energies: _Energies, settings: PowerFactorSettings
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """(Wp, Wq, cosφ) of some energies; None where they are not known or below resolution."""
    wp = energies.amount.get("import")
    quadrants = _quadrants(energies)
    wq = None if quadrants is None else _reactive(quadrants, settings)
    if wp is None or wq is None:
        return wp, wq, None
    resolution = Decimal(repr(settings.resolution_kwh))
    if wp < resolution and wq < resolution:
        return wp, wq, None
    return wp, wq, power_factor_of(wp, wq)


def _leading(energies: _Energies) -> bool | None:
    quadrants = _quadrants(energies)
    return None if quadrants is None else quadrants["q4"] > quadrants["q1"]


def _leading_share(quadrants: dict[str, Decimal] | None, wq: Decimal | None) -> float | None:
    return None if quadrants is None or not wq else min(float(quadrants["q4"] / wq), 1.0)


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _figures(books: _Books, standard: float | None, settings: PowerFactorSettings) -> dict[str, Any]:
    wp, wq, factor = _factor(books.total, settings)
    quadrants = _quadrants(books.total)
    flags = set(books.flags)
    if wp is not None and quadrants is None:
        flags.add("no_reactive")
    # Without losses that are due it is the meter's own, below the line that is assessed.
    rounded = None if factor is None or "loss_unknown" in flags else assessed(factor)
    limit = None if standard is None else Decimal(repr(standard)).quantize(HUNDREDTH)
    percent = None
    if rounded is not None and limit in RULE_1983.rebates:
        percent = RULE_1983.percent(rounded, limit).quantize(HUNDREDTH)
    if limit is not None and limit not in RULE_1983.rebates:
        flags.add("no_rule")
    by_period = {
        f"pf_{name}": _float(_factor(books.period.get(number, _Energies()), settings)[2])
        for number, name in enumerate(TARIFF_PERIODS)
    }
    complete = min(books.covered_ms / books.expected_ms, 1.0) if books.expected_ms else None
    return {
        "wp_kwh": _float(wp),
        "wq_kvarh": _float(wq),
        "q1_kvarh": None if quadrants is None else float(quadrants["q1"]),
        "q4_kvarh": None if quadrants is None else float(quadrants["q4"]),
        "pf": _float(factor),
        **by_period,
        "pf_assessed": rounded,
        "pf_standard": limit,
        "passed": None if rounded is None or limit is None else rounded >= limit,
        "adjustment_pct": percent,
        "leading": _leading(books.total),
        "leading_share": _leading_share(quadrants, wq),
        "loss_kwh": None if books.loss is None else float(books.loss.kwh),
        "loss_kvarh": None if books.loss is None else float(books.loss.kvarh),
        "completeness": complete,
        "flags": sorted(flags),
    }


def factor_of(
    amount: dict[str, Decimal], settings: PowerFactorSettings
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """(Wp, Wq, cosφ) of energies that are known elsewhere, by name of `ENERGIES`; by the same rules."""
    return _factor(_Energies(dict(amount)), settings)
