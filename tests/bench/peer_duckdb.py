"""The month statistics an analyst would write in DuckDB SQL: voltage, power factor and load of the month table.

    python peer_duckdb.py DATA OUT      writes OUT/month.parquet

It computes LESS than `keyacct stats`: no day table, no times of extremes, no hourly or tariff power factor.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

PHASE = """
    coalesce(sum(w) filter (u{x} * pt >= 0.7 * u_nom), 0)::bigint as {x}_mon_ms,
    coalesce(sum(w) filter (u{x} * pt >= 0.7 * u_nom and u{x} * pt > u_upper), 0)::bigint as {x}_over_ms,
    coalesce(sum(w) filter (u{x} * pt >= 0.7 * u_nom and u{x} * pt < u_lower), 0)::bigint as {x}_under_ms,
    coalesce(sum(w) filter (u{x} * pt < 0.7 * u_nom), 0)::bigint as {x}_loss_ms,
    sum(u{x} * pt * w) filter (u{x} * pt >= 0.7 * u_nom) / sum(w) filter (u{x} * pt >= 0.7 * u_nom) as {x}_mean
"""

QUERY = """
create or replace temp view raw as
select meter_id, epoch_ms(ts) as t, ua::double as ua, ub::double as ub, uc::double as uc, p::double as p,
       q::double as q, file_row_number as r, filename as f
from read_parquet('{data}/part-*.parquet', file_row_number = true, filename = true);
create or replace temp table readings as
with winner as (
    select *, row_number() over (partition by meter_id, t order by f desc, r desc) as k from raw
), kept as (
    select *, least(coalesce(lead(t) over (partition by meter_id order by t) - t, 900000), 900000) as w
    from winner where k = 1
)
select kept.*, l.pt, l.u_nom, l.u_lower, l.u_upper
from kept join read_parquet('{data}/limits.parquet') l using (meter_id);
copy (
  with demand as (
    select meter_id, month, max(d) as md_kw, min(d) as lmin_kw from (
      select meter_id, date_trunc('month', make_timestamp(t * 1000))::date as month, t // 900000 as b,
             sum(p * w) / sum(w) as d
      from readings where p is not null group by all) group by all
  )
  select meter_id, date_trunc('month', make_timestamp(t * 1000))::date as month, count(*) as n, {phases},
    coalesce(sum(greatest(p, 0) * w) filter (q is not null and p is not null), 0) / 3600000 as wp_kwh,
    coalesce(sum(abs(q) * w) filter (q is not null and p is not null), 0) / 3600000 as wq_kvarh,
    any_value(md_kw) as md_kw, any_value(lmin_kw) as lmin_kw
  from readings join demand using (meter_id)
  where demand.month = date_trunc('month', make_timestamp(t * 1000))::date
  group by all
) to '{out}/month.parquet' (format parquet);
"""


def main(data: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    phases = ",".join(PHASE.format(x=x) for x in "abc")
    connection = duckdb.connect()
    for statement in QUERY.format(data=data, out=out, phases=phases).split(";\n"):
        if statement.strip():
            connection.execute(statement)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
