"""Any quantity of any set of points over any span in any buckets, compared and grouped (S0 §2.5.7.2).

Levels (load, voltage, current, power factor) come from the stored values by one DuckDB query a family; energies from the
exact register differences of `point_energy`, cut at the buckets. Ratios and attributes are those of the time.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from keyacct.analysis.buckets import Bucket, buckets_of
from keyacct.analysis.curve_tables import WEIGHTS, curve_meters, curve_tables, exact_sum
from keyacct.analysis.point_energy import PLACES, UNITS, point_energy
from keyacct.analysis.power_factor import ENERGIES, by_quadrant, factor_of
from keyacct.analysis.question import Question, ask
from keyacct.config import Workspace
from keyacct.errors import ConfigError, UsageError
from keyacct.i18n import Text
from keyacct.model import TARIFF_PERIODS, Period

MOST_CELLS = 2_000_000


@dataclass(frozen=True)
class Quantity:
    """A quantity. figures: its columns in the answer with their titles, the first of which a chart shows."""

    key: str
    name: Text
    unit: str
    figures: dict[str, Text]


def _level(key: str, name: Text, unit: str) -> Quantity:
    stem = f"{key}_{{}}_{unit.lower()}"
    kinds = {"mean": Text("mean", "平均"), "max": Text("max", "最大"), "min": Text("min", "最小")}
    return Quantity(
        key, name, unit, {stem.format(k): Text(f"{t.en} {unit}", f"{t.zh} {unit}") for k, t in kinds.items()}
    )


QUANTITIES: dict[str, Quantity] = {
    quantity.key: quantity
    for quantity in (
        _level("load", Text("load", "有功负荷"), "kW"),
        _level("reactive", Text("reactive power", "无功功率"), "kvar"),
        _level("apparent", Text("apparent power", "视在功率"), "kVA"),
        Quantity("demand", Text("maximum demand", "最大需量"), "kW", {"demand_kw": Text("demand kW", "需量 kW")}),
        Quantity("pf", Text("power factor", "功率因数"), "", {"pf": Text("pf", "功率因数")}),
        _level("voltage", Text("voltage", "电压"), "V"),
        _level("current", Text("current", "电流"), "A"),
        Quantity("energy", Text("energy", "电量"), "kWh", {"energy_kwh": Text("kWh", "电量 kWh")}),
        Quantity("export", Text("exported energy", "反向电量"), "kWh", {"export_kwh": Text("export kWh", "反向 kWh")}),
        Quantity(
            "reactive_energy",
            Text("reactive energy", "无功电量"),
            "kvarh",
            {
                "reactive_import_kvarh": Text("import kvarh", "正向 kvarh"),
                "reactive_export_kvarh": Text("export kvarh", "反向 kvarh"),
            },
        ),
        Quantity(
            "apparent_energy", Text("apparent energy", "视在电量"), "kVAh", {"apparent_kvah": Text("kVAh", "kVAh")}
        ),
        Quantity(
            "tariff_energy",
            Text("energy by tariff period", "分时电量"),
            "kWh",
            {
                f"{name}_kwh": Text(f"{name} kWh", f"{zh} kWh")
                for name, zh in zip(TARIFF_PERIODS, ("尖", "峰", "平", "谷"), strict=True)
            },
        ),
    )
}
_FAMILY = {
    "load": "power",
    "reactive": "power",
    "apparent": "power",
    "pf": "power",
    "voltage": "voltage",
    "current": "current",
}
_ENERGY = ("energy", "export", "reactive_energy", "apparent_energy", "tariff_energy")
_OF_TERMS = ("account_class", "critical_grade", "supply_station", "tariff_mode", "status")
_PARAMETERS = (
    "account_no", "account_name", "point", "kind", "meter", "wiring", "industry_code", "supply_line", "transformer",
    "busbar", "substation", "voltage_level_kv", "monitoring_class", "tariff_table", "pf_standard", "interval_min",
    "running_capacity_kva", "contract_capacity_kva",
)  # fmt: skip
ATTRIBUTES = (*_PARAMETERS, *_OF_TERMS)
"""What an answer can be grouped by and a set be chosen by."""


@dataclass(frozen=True)
class Asked:
    """A query. by: attributes that make the groups (none: all together). where: attribute → the values that belong to
    the set. kinds: of points; billing points alone count nothing twice.
    """

    quantities: tuple[str, ...]
    period: Period
    bucket: str = "day"
    by: tuple[str, ...] = ()
    where: Mapping[str, Sequence[str]] | None = None
    accounts: Sequence[str] | None = None
    kinds: Sequence[str] | None = ("billing",)


def query(workspace: Workspace, asked: Asked, *, against: Period | None = None) -> list[dict[str, Any]]:
    """Rows by group and bucket: the attributes, `bucket`, `from` (ISO 8601), the figures, and `completeness`.

    load_* and reactive_* add up the points of a group: the mean of each point's mean, highest and lowest over quarter hours
    in which at least `demand.minimum_coverage` of its points have values. Where a meter has no power its energies stand
    for it. voltage_* (V primary; line voltages of three-wire
    points) and current_* (A primary) are over all phases and points, weighted by time. pf comes from the integrated curve,
    Wp import only, |Wq|; it is not the settlement's. apparent_* are √(P² + Q²) of the group's sums by quarter hours. The
    energies are exact register differences: energy, export, reactive_energy (import Q1 + Q2, export Q3 + Q4),
    tariff_energy (import by tariff period of the time) and apparent_energy, √(Wp² + Wq²) of the group's sums with Wq as
    `[power_factor]` has it; `flags` says what was doubtful.
    demand_kw is the highest demand window that ends in the bucket, with demand_at and demand_kind (`sliding15/1` where
    all points have values every minute, else `block15`), as the meters saw it.
    completeness: time with values of the first level quantity. Null where there is no value.
    against: another period; then each figure also has `_before`, `_change` and `_change_rate`, bucket by bucket in order.
    Raises UsageError for unknown names, ConfigError for unknown accounts.
    """
    _check(asked)
    rows = _rows(workspace, asked)
    if against is None:
        return rows
    other = _rows(workspace, Asked(**{**asked.__dict__, "period": against}))
    return _compared(rows, other, asked)


def figures_of(asked: Asked) -> dict[str, Text]:
    """The columns of figures that an answer has."""
    return {name: title for key in asked.quantities for name, title in QUANTITIES[key].figures.items()}


def _check(asked: Asked) -> None:
    for what, given, known in (
        ("quantity", asked.quantities, tuple(QUANTITIES)),
        ("attribute", (*asked.by, *(asked.where or {})), ATTRIBUTES),
    ):
        for name in given:
            if name not in known:
                raise UsageError("usage.invalid", f"no {what} {name!r}", hint=f"choose of {', '.join(known)}")
    if not asked.quantities:
        raise UsageError("usage.invalid", "no quantity", hint=f"choose of {', '.join(QUANTITIES)}")


def _rows(workspace: Workspace, asked: Asked) -> list[dict[str, Any]]:
    buckets = buckets_of(asked.period, asked.bucket, workspace.zone)
    question = ask(workspace, asked.period, asked.accounts, asked.kinds)
    parameters = _chosen(workspace, question.parameters, asked)
    groups = sorted(_groups(parameters, asked.by), key=lambda group: tuple(map(_order, group)))
    if len(groups) * len(buckets) > MOST_CELLS:
        raise UsageError(
            "usage.invalid", f"{len(groups)} groups × {len(buckets)} buckets are too many",
            hint="take longer buckets, a shorter period or a smaller set",
        )  # fmt: skip
    found: dict[tuple[tuple[Any, ...], int], dict[str, Any]] = {}
    for family in dict.fromkeys(_FAMILY[key] for key in asked.quantities if key in _FAMILY):
        for row in _levels(question, parameters, buckets, asked.by, family):
            cell = found.setdefault((tuple(row.pop("group")), row.pop("bucket")), {})
            cell.update({name: value for name, value in row.items() if name != "completeness" or name not in cell})
    if "demand" in asked.quantities:
        _demands(question, parameters, buckets, asked.by, found)
    if energies := [key for key in asked.quantities if key in _ENERGY]:
        _energies(workspace, asked, buckets, energies, found)
    figures = [*figures_of(asked), *(["completeness"] if any(k in _FAMILY for k in asked.quantities) else [])]
    if "demand" in asked.quantities:
        figures += ["demand_at", "demand_kind"]
    if energies:
        figures.append("flags")
    from_of = {n: civil_iso(bucket.start_ms, workspace) for n, bucket in enumerate(buckets)}
    return [
        {**dict(zip(asked.by, group, strict=True)), "bucket": bucket.label, "from": from_of[n],
         **{name: found.get((group, n), {}).get(name) for name in figures}}
        for group in groups
        for n, bucket in enumerate(buckets)
    ]  # fmt: skip


def civil_iso(ms: int, workspace: Workspace) -> str:
    """An instant in the workspace's zone, ISO 8601 with offset."""
    from keyacct.model import civil

    return civil(ms, workspace.zone).isoformat(timespec="minutes")


def _order(value: Any) -> tuple[bool, Any]:
    return value is None, "" if value is None else value


def _groups(parameters: pa.Table, by: Sequence[str]) -> set[tuple[Any, ...]]:
    if not by:
        return {()} if parameters.num_rows else set()
    return set(zip(*(parameters[name].to_pylist() for name in by), strict=True))


def _chosen(workspace: Workspace, parameters: pa.Table, asked: Asked) -> pa.Table:
    """The spans of the set, with every attribute that is asked for."""
    wanted = [name for name in (*asked.by, *(asked.where or {})) if name in _OF_TERMS]
    if wanted:
        terms = _terms(workspace)
        rows = zip(parameters["account_no"].to_pylist(), parameters["from_ms"].to_pylist(), strict=True)
        at = [_term_at(terms, account, ms) for account, ms in rows]
        for name in dict.fromkeys(wanted):
            parameters = parameters.append_column(name, pa.array([row.get(name) for row in at], pa.string()))
    for name, values in (asked.where or {}).items():
        keep = [_text(value) in values for value in parameters[name].to_pylist()]
        parameters = parameters.filter(pa.array(keep, pa.bool_()))
    return parameters


def _text(value: Any) -> str:
    """An attribute as it is written on a command line; nothing is the empty text."""
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _terms(workspace: Workspace) -> dict[str, list[dict[str, Any]]]:
    import sqlalchemy as sa

    from keyacct.database.engine import open_database
    from keyacct.database.registry_tables import account_terms

    found: dict[str, list[dict[str, Any]]] = {}
    with open_database(workspace).read() as connection:
        for row in connection.execute(sa.select(account_terms)).mappings():
            found.setdefault(row["account_no"], []).append(dict(row))
    return found


def _term_at(terms: Mapping[str, Sequence[Mapping[str, Any]]], account: str | None, ms: int) -> Mapping[str, Any]:
    rows = terms.get(account or "", ())
    return next((row for row in rows if row["valid_from"] <= ms < row["valid_to"]), {})


def _levels(
    question: Question, parameters: pa.Table, buckets: Sequence[Bucket], by: Sequence[str], family: str
) -> list[dict[str, Any]]:
    """Figures of a family by group and bucket number."""
    from keyacct.store.engine import fetch_arrow, query_engine

    if not curve_meters(question, parameters):
        return []
    with query_engine(question.workspace) as engine:
        curve_tables(engine, question, parameters, buckets, by, family, tuple(WEIGHTS[family]))
        coverage = question.workspace.settings.demand.minimum_coverage
        statement = _power_sql(coverage) if family == "power" else _phase_sql(family)
        rows = fetch_arrow(engine, statement).to_pylist()
    texts = {tuple(map(_sql_text, group)): group for group in _groups(parameters, by)}
    return [{**row, "group": texts[tuple(row["group"])]} for row in rows]


def _demands(
    question: Question, parameters: pa.Table, buckets: Sequence[Bucket], by: Sequence[str],
    found: dict[tuple[tuple[Any, ...], int], dict[str, Any]],
) -> None:  # fmt: skip
    """Adds the demands to the cells."""
    from keyacct.analysis.group_demand import group_demands

    texts = {tuple(map(_sql_text, group)): group for group in _groups(parameters, by)}
    for row in group_demands(question, parameters, buckets, by):
        cell = found.setdefault((texts[tuple(row["group"])], row["bucket"]), {})
        cell |= {"demand_kw": row["demand_kw"], "demand_kind": row["demand_kind"],
                 "demand_at": civil_iso(row["demand_at_ms"], question.workspace)}  # fmt: skip


def _sql_text(value: Any) -> str | None:
    """An attribute as DuckDB writes it as text."""
    return None if value is None else str(value)


def _phase_sql(family: str) -> str:
    """Over all phases: four wires have three, one a, three the line voltages (as A and C or by name) and the currents A and C."""
    unit = "v" if family == "voltage" else "a"
    three = ("coalesce({}a, {}ab)", "{}ca", "coalesce({}c, {}bc)") if family == "voltage" else ("{}a", "NULL", "{}c")

    def listed(stem: str) -> str:
        lines, of = ", ".join(text.replace("{}", stem) for text in three), ", ".join(f"{stem}{x}" for x in "abc")
        return f"CASE wiring WHEN '3p3w' THEN [{lines}] WHEN '1p' THEN [{stem}a, NULL, NULL] ELSE [{of}] END"

    return f"""
        WITH phases AS (
            SELECT span, bucket, ms, w AS whole, unnest({listed("")}) AS x, unnest({listed("w_")}) AS w FROM weighed),
        figures AS (
            SELECT t.key, bucket, {exact_sum("x", "w")} / sum(w) AS mean, max(x) AS high, min(x) AS low
            FROM phases JOIN told t USING (span) WHERE x IS NOT NULL GROUP BY ALL),
        present AS (
            SELECT t.key, bucket, sum(whole) AS ms FROM (
                SELECT DISTINCT span, bucket, ms, whole FROM phases WHERE x IS NOT NULL) JOIN told t USING (span) GROUP BY ALL)
        SELECT f.key AS group, f.bucket, f.mean AS {family}_mean_{unit}, f.high AS {family}_max_{unit},
            f.low AS {family}_min_{unit}, least(1.0, p.ms / e.ms) AS completeness
        FROM figures f JOIN present p USING (key, bucket) JOIN expected e USING (key, bucket) ORDER BY ALL"""


def _power_sql(coverage: float) -> str:
    def side(name: str, column: str, unit: str) -> str:
        w = f"w_{column}"
        return f"""
        {name}_points AS (
            SELECT t.key, bucket, point, {exact_sum(column, w)} / sum({w}) AS mean FROM weighed JOIN told t USING (span)
            WHERE {column} IS NOT NULL GROUP BY ALL),
        {name}_sums AS (SELECT key, bucket, {exact_sum("mean")} AS mean, count(*) AS points FROM {name}_points
            GROUP BY ALL),
        {name}_blocks AS (
            SELECT t.key, bucket, block, point, {exact_sum(column, w)} / sum({w}) AS x FROM weighed JOIN told t USING (span)
            WHERE {column} IS NOT NULL GROUP BY ALL),
        {name}_totals AS (SELECT key, bucket, block, {exact_sum("x")} AS x, count(*) AS points FROM {name}_blocks
            GROUP BY ALL),
        {name} AS (
            SELECT s.key, s.bucket, any_value(s.mean) AS {name}_mean_{unit},
                max(b.x) FILTER (b.points >= {coverage} * s.points) AS {name}_max_{unit},
                min(b.x) FILTER (b.points >= {coverage} * s.points) AS {name}_min_{unit}
            FROM {name}_sums s JOIN {name}_totals b USING (key, bucket) GROUP BY ALL)"""

    return f"""
        WITH {side("load", "p", "kw")}, {side("reactive", "q", "kvar")},
        both_blocks AS (
            SELECT t.key, bucket, block, point, {exact_sum("p", "w_both")} / sum(w_both) AS p,
                {exact_sum("q", "w_both")} / sum(w_both) AS q
            FROM weighed JOIN told t USING (span) WHERE p IS NOT NULL AND q IS NOT NULL GROUP BY ALL),
        both_points AS (SELECT key, bucket, count(DISTINCT point) AS points FROM both_blocks GROUP BY ALL),
        both_totals AS (
            SELECT key, bucket, sqrt({exact_sum("p")} ** 2 + {exact_sum("q")} ** 2) AS s, count(*) AS points
            FROM both_blocks GROUP BY key, bucket, block),
        apparent AS (
            SELECT key, bucket, {exact_sum("s")} / count(*) AS apparent_mean_kva, max(s) AS apparent_max_kva,
                min(s) AS apparent_min_kva
            FROM both_totals b JOIN both_points e USING (key, bucket)
            WHERE b.points >= {coverage} * e.points GROUP BY ALL),
        energies AS (
            SELECT t.key, bucket, {exact_sum("greatest(p, 0)", "w_both")} AS wp,
                {exact_sum("abs(q)", "w_both")} AS wq FROM weighed JOIN told t USING (span)
            WHERE p IS NOT NULL AND q IS NOT NULL GROUP BY ALL),
        present AS (
            SELECT t.key, bucket, sum(w_p) AS ms FROM weighed JOIN told t USING (span) WHERE p IS NOT NULL GROUP BY ALL)
        SELECT e.key AS group, e.bucket, load_mean_kw, load_max_kw, load_min_kw, reactive_mean_kvar, reactive_max_kvar,
            reactive_min_kvar, apparent_mean_kva, apparent_max_kva, apparent_min_kva,
            CASE WHEN wp > 0 OR wq > 0 THEN wp / sqrt(wp * wp + wq * wq) END AS pf,
            least(1.0, coalesce(p.ms, 0) / e.ms) AS completeness
        FROM expected e LEFT JOIN load USING (key, bucket) LEFT JOIN reactive USING (key, bucket)
        LEFT JOIN apparent USING (key, bucket)
        LEFT JOIN energies USING (key, bucket) LEFT JOIN present p USING (key, bucket) ORDER BY ALL"""


def _energies(
    workspace: Workspace, asked: Asked, buckets: Sequence[Bucket], keys: Sequence[str],
    found: dict[tuple[tuple[Any, ...], int], dict[str, Any]],
) -> None:  # fmt: skip
    """Adds exact energies to the cells."""
    starts = [bucket.start_ms for bucket in buckets]
    energies = point_energy(workspace, asked.period, accounts=asked.accounts, kinds=asked.kinds, cuts=starts[1:])
    by_period: dict[int, list[dict[str, Any]]] = {}
    for row in energies.periods.to_pylist():
        by_period.setdefault(row["span"], []).append(row)
    apparent: dict[tuple[tuple[Any, ...], int], dict[str, Decimal]] = {}
    for row in _chosen(workspace, energies.spans, asked).to_pylist():
        place = (tuple(row[name] for name in asked.by), bisect.bisect_right(starts, row["from_ms"]) - 1)
        cell = found.setdefault(place, {})
        for name, amount in _amounts(row, by_period.get(row["span"], ()), keys):
            cell[name] = cell.get(name, Decimal(0)) + amount
        if "apparent_energy" in keys:
            own: dict[str, Decimal] = {}
            for of in by_period.get(row["span"], ()):
                for name in ENERGIES:
                    if (amount := of[UNITS[name]]) is not None:
                        own[name] = own.get(name, Decimal(0)) + amount
            sums = apparent.setdefault(place, {})
            for name, amount in by_quadrant(own).items():
                sums[name] = sums.get(name, Decimal(0)) + amount
        cell["flags"] = sorted({*cell.get("flags", ()), *row["flags"]})
    for place, sums in apparent.items():
        wp, wq, _ = factor_of(sums, workspace.settings.power_factor)
        if wp is not None and wq is not None:
            found[place]["apparent_kvah"] = (wp * wp + wq * wq).sqrt().quantize(PLACES)


def _amounts(
    row: Mapping[str, Any], periods: Sequence[Mapping[str, Any]], keys: Sequence[str]
) -> Iterator[tuple[str, Decimal]]:
    """Figures of one span: those of its totals, and those of its tariff periods.

    Reactive import is Q1 + Q2 and reactive export Q3 + Q4 where the meter has quadrants, else its own registers.
    """
    for key, name in (("energy", "import_kwh"), ("export", "export_kwh")):
        if key in keys and row[name] is not None:
            yield next(iter(QUANTITIES[key].figures)), row[name]
    for of in periods:
        if "tariff_energy" in keys and of["period"] is not None and of["import_kwh"] is not None:
            yield f"{of['period']}_kwh", of["import_kwh"]
        if "reactive_energy" in keys:
            quadrants = any(of[UNITS[name]] is not None for name in ("q1", "q2", "q3", "q4"))
            for figure, own in (("reactive_import", ("q1", "q2")), ("reactive_export", ("q3", "q4"))):
                there = [of[UNITS[name]] for name in (own if quadrants else (figure,))]
                if any(amount is not None for amount in there):
                    yield f"{figure}_kvarh", sum((amount for amount in there if amount is not None), Decimal(0))


def _compared(rows: list[dict[str, Any]], other: list[dict[str, Any]], asked: Asked) -> list[dict[str, Any]]:
    """Rows with what the other period had: the n-th bucket of a group beside its n-th there."""

    def numbered(of: list[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
        places: dict[tuple[Any, ...], int] = {}
        found = {}
        for row in of:
            group = tuple(row[name] for name in asked.by)
            places[group] = places.get(group, -1) + 1
            found[*group, places[group]] = row
        return found

    before, result = numbered(other), []
    for key, row in numbered(rows).items():
        old = before.get(key, {})
        for name in figures_of(asked):
            now, then = row[name], old.get(name)
            change = None if now is None or then is None else now - then
            row[f"{name}_before"], row[f"{name}_change"] = then, change
            row[f"{name}_change_rate"] = None if change is None or not then else float(change / abs(then))
        row["bucket_before"] = old.get("bucket")
        result.append(row)
    return result


def accounts_of(
    workspace: Workspace, period: Period, where: Mapping[str, Sequence[str]], accounts: Sequence[str] | None = None
) -> list[str]:
    """Accounts with a metering point in a set during a period: attribute → the values that belong to the set.

    Raises UsageError for an attribute that is none, ConfigError `config.registry_not_found` when no account is in the set.
    """
    asked = Asked(("load",), period, where=where)
    _check(asked)
    chosen = _chosen(workspace, ask(workspace, period, accounts).parameters, asked)
    found = sorted({account for account in chosen["account_no"].to_pylist() if account is not None})
    if not found:
        told = ", ".join(f"{name}={'|'.join(values)}" for name, values in where.items())
        raise ConfigError(
            "config.registry_not_found", f"no account with {told} in {period.label}",
            hint="`keyacct query load --by ATTRIBUTE` lists the values there are",
        )  # fmt: skip
    return found
