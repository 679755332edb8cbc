"""Stored values of accounts as the meters said them, families side by side (S0 §2.6.1)."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from keyacct.analysis.question import ask
from keyacct.config import Workspace
from keyacct.errors import UsageError
from keyacct.model import Period

FAMILIES: dict[str, dict[str, str]] = {
    "voltage": {"a": "ua_v", "b": "ub_v", "c": "uc_v"},
    "current": {"a": "ia_a", "b": "ib_a", "c": "ic_a"},
    "power": {"p": "p_kw", "q": "q_kvar", "pf": "pf"},
    "energy": {
        "import": "import_kwh", "export": "export_kwh", "q1": "q1_kvarh", "q2": "q2_kvarh", "q3": "q3_kvarh",
        "q4": "q4_kvarh",
    },
}  # fmt: skip
"""Family → its columns and what they are called here. The reactive pair of a simple meter stands as q1 and q4."""

TARIFF_NUMBERS = (1, 2, 3, 4)
MOST_ROWS = 1_000_000
"""What a workbook's sheet can hold, rounded down."""


def raw_samples(workspace: Workspace, period: Period, *, accounts: Sequence[str]) -> pa.Table:
    """Every stored value of the accounts' meters in a period: a row per meter, kind of value and stamp.

    Columns: account_no, point, meter, multiplier (of power and energy; null without ratios), kind, ts (UTC, end of the
    interval), the columns of `FAMILIES` and tariff_1_kwh to tariff_4_kwh (import registers), all on the side that the meter
    reads, quality (bits, joined over the families). Sorted by account, point, time. Raises UsageError beyond `MOST_ROWS`
    rows, ConfigError for unknown accounts.
    """
    from keyacct.store.engine import fetch_arrow, one, query_engine
    from keyacct.store.read import read_family

    question = ask(workspace, period, accounts)
    parameters = question.parameters
    meters = sorted(set(parameters["meter"].drop_null().to_pylist()))
    names = ("account_no", "point", "meter", "from_ms", "to_ms", "reading_side", "pt", "ct")
    spans = pa.table({name: parameters[name] for name in names})
    values = [name for columns in FAMILIES.values() for name in columns.values()]
    tariffs = [f"tariff_{number}_kwh" for number in TARIFF_NUMBERS]
    with query_engine(workspace) as engine:
        engine.register("spans", spans)
        parts = []
        for family in (*FAMILIES, "tariff_energy"):
            reader = read_family(workspace, family, question.from_ms + 1, question.to_ms + 1, meters)
            engine.register(f"stored_{family}", reader)
            if family == "tariff_energy":
                own = {
                    name: f"CASE WHEN tariff = {n} THEN import END"
                    for n, name in zip(TARIFF_NUMBERS, tariffs, strict=True)
                }
            else:
                own = {name: f'"{column}"' for column, name in FAMILIES[family].items()}
                if family == "energy":
                    own["q1_kvarh"] = "coalesce(q1, reactive_import)"
                    own["q4_kvarh"] = "coalesce(q4, reactive_export)"
            cells = ", ".join(f"{own.get(name, 'NULL')}::DOUBLE AS {name}" for name in (*values, *tariffs))
            # A reader can be read once: each family goes into a table of its own.
            engine.execute(
                f"CREATE TEMP TABLE kept_{family} AS SELECT meter, kind, epoch_ms(ts) AS ms, {cells}, quality "
                f"FROM stored_{family}"
            )
            parts.append(f"SELECT * FROM kept_{family}")
        grouped = ", ".join(f"max({name}) AS {name}" for name in (*values, *tariffs))
        engine.execute(
            f"""CREATE TEMP TABLE merged AS
                SELECT s.account_no, s.point, r.meter,
                    CASE WHEN s.reading_side = 'primary' THEN 1.0 ELSE s.pt * s.ct END AS multiplier, r.kind, r.ms,
                    {grouped}, bit_or(coalesce(r.quality, 0))::INTEGER AS quality
                FROM ({" UNION ALL ".join(parts)}) r
                JOIN spans s ON s.meter = r.meter AND r.ms > s.from_ms AND r.ms <= s.to_ms
                GROUP BY s.account_no, s.point, r.meter, s.reading_side, s.pt, s.ct, r.kind, r.ms"""
        )
        (rows,) = one(engine, "SELECT count(*) FROM merged")
        if rows > MOST_ROWS:
            raise UsageError(
                "usage.invalid",
                f"{period.label} holds {rows} rows of raw data, more than the {MOST_ROWS} that a report takes",
                hint="ask for a shorter period or for fewer accounts",
            )
        return fetch_arrow(
            engine,
            f"SELECT account_no, point, meter, multiplier, kind, make_timestamptz(ms * 1000) AS ts, "
            f"{', '.join((*values, *tariffs))}, quality FROM merged ORDER BY account_no, point, ms, meter, kind",
        )
