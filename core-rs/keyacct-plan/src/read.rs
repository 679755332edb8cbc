//! The files of a problem folder to a [`Problem`]. Every complaint names file, line and column.

use std::collections::HashMap;

use keyacct_model::{Error, ErrorCode, Result};

use crate::csv::{Column, Table};
use crate::problem::{Customer, FixedRow, Measure, Previous, Problem};

/// The contents of the files; the optional ones may be absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files<'a> {
    /// `customers.csv`.
    pub customers: &'a [u8],
    /// `baseline.csv`.
    pub baseline: &'a [u8],
    /// `system.csv`.
    pub system: &'a [u8],
    /// `areas.csv`.
    pub areas: Option<&'a [u8]>,
    /// `fixed.csv`.
    pub fixed: Option<&'a [u8]>,
    /// The plan in force, for planning again.
    pub previous: Option<&'a [u8]>,
}

/// The figures of `meta.json`, and the period from which orders may be changed.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// Length of a period, min.
    pub minutes: f64,
    /// Period in which the plan is issued.
    pub issue: i64,
    /// Time blocks.
    pub blocks: Vec<(i64, i64)>,
    /// Return windows.
    pub windows: Vec<(i64, i64)>,
    /// Cost per kWh of shift, avoid, limit, trip.
    pub cost: [f64; 4],
    /// Cost of touching a customer.
    pub touch_cost: f64,
    /// Cost of an unmet kWh.
    pub unmet_cost: f64,
    /// Growth of the weight per hour of history.
    pub history_factor: f64,
    /// Planning again: everything in blocks that begin before this period stays.
    pub replan_from: Option<i64>,
    /// Planning again: cost of one changed order.
    pub change_cost: f64,
    /// Name of the plan in force, for messages.
    pub previous_name: String,
}

/// Reads and checks a whole problem.
///
/// # Errors
/// `input.*`, each with file, line and column.
pub fn read(files: &Files<'_>, meta: &Meta) -> Result<Problem> {
    let mut p = Problem {
        dt_h: meta.minutes / 60.0,
        issue: meta.issue.max(meta.replan_from.unwrap_or(i64::MIN)),
        cost: meta.cost,
        touch_cost: meta.touch_cost,
        unmet_cost: meta.unmet_cost,
        history_factor: meta.history_factor,
        change_cost: if meta.replan_from.is_some() { meta.change_cost } else { 0.0 },
        ..Problem::default()
    };
    read_system(files.system, &mut p)?;
    read_spans(meta, &mut p)?;
    let index = read_customers(files.customers, &mut p)?;
    read_baseline(files.baseline, &index, &mut p)?;
    if let Some(bytes) = files.areas {
        read_areas(bytes, &mut p)?;
    }
    if let Some(bytes) = files.fixed {
        p.fixed = read_plan("fixed.csv", bytes, &index, &p)?;
    }
    if let (Some(bytes), Some(from)) = (files.previous, meta.replan_from) {
        split_previous(&meta.previous_name, bytes, from, &index, &mut p)?;
    }
    check_fixed(&p)?;
    warn(&mut p);
    Ok(p)
}

fn read_system(bytes: &[u8], p: &mut Problem) -> Result<()> {
    let t = Table::parse("system.csv", bytes)?;
    let (period, need, room) = (t.column("period")?, t.column("required_kw")?, t.column("headroom_kw")?);
    let n = t.rows();
    if n == 0 {
        return Err(Error::new(ErrorCode::InputEmpty, "no period at all").in_file("system.csv"));
    }
    p.periods = n;
    p.need = vec![f64::NAN; n];
    p.headroom = vec![f64::INFINITY; n];
    for row in 0..n {
        let at = t.whole(row, period, 0, n as i64 - 1)? as usize;
        if !p.need[at].is_nan() {
            return Err(t.bad(row, period, format!("period {at} stands twice"), "one row per period"));
        }
        p.need[at] = t.number(row, need, 0.0, false)?;
        let h = t.number(row, room, 0.0, true)?;
        p.headroom[at] = if h < 0.0 { f64::INFINITY } else { h };
    }
    Ok(())
}

fn read_spans(meta: &Meta, p: &mut Problem) -> Result<()> {
    let mut owner: Vec<Option<(&str, usize)>> = vec![None; p.periods];
    for (what, spans) in [("time block", &meta.blocks), ("return window", &meta.windows)] {
        for (number, &(first, end)) in spans.iter().enumerate() {
            let bad = |why: String| {
                Error::new(
                    ErrorCode::InputValue,
                    format!("{what} {} [{first}, {end}) {why}", number + 1),
                )
                .hint("blocks and windows are [first, end) periods, inside the horizon, and share no period")
                .in_file("meta.json")
                .at(|q| q.row = Some(number as u64 + 1))
            };
            if first < 0 || end <= first || end > p.periods as i64 {
                return Err(bad(format!("lies outside the periods 0 to {}", p.periods - 1)));
            }
            for slot in &mut owner[first as usize..end as usize] {
                if let Some((other, k)) = *slot {
                    return Err(bad(format!("overlaps {other} {}", k + 1)));
                }
                *slot = Some((what, number));
            }
            let list = if what == "time block" { &mut p.blocks } else { &mut p.windows };
            list.push((first as usize, end as usize));
        }
    }
    p.blocks.sort_unstable();
    p.windows.sort_unstable();
    Ok(())
}

type Index = HashMap<String, usize>;

fn read_customers(bytes: &[u8], p: &mut Problem) -> Result<Index> {
    let t = Table::parse("customers.csv", bytes)?;
    let id = t.column("id")?;
    let area = t.column("area")?;
    let columns: Vec<Column> = [
        "cls",
        "weight",
        "safety_kw",
        "shift_kw",
        "avoid_kw",
        "limit_floor_kw",
        "trip_ok",
        "notice_shift",
        "notice_avoid",
        "notice_limit",
        "notice_trip",
        "rho",
        "rebound_kw",
        "max_blocks",
        "hist_h",
        "rest",
    ]
    .iter()
    .map(|name| t.column(name))
    .collect::<Result<_>>()?;
    let (rank, ramp) = (t.optional("rank"), t.optional("ramp_kw"));
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(t.rows());
    let mut rows: Vec<(Customer, String)> = Vec::with_capacity(t.rows());
    for row in 0..t.rows() {
        let name = t.text(row, id).into_owned();
        if name.is_empty() {
            return Err(t.bad(row, id, "the customer has no id", "give every customer a key of his own"));
        }
        if seen.insert(name.clone(), row).is_some() {
            return Err(t.bad(row, id, format!("customer '{name}' stands twice"), "one row per customer"));
        }
        let num = |k: usize| t.number(row, columns[k], 0.0, false);
        let whole = |k: usize, high: i64| t.whole(row, columns[k], 0, high);
        let floor = t.number(row, columns[5], 0.0, true)?;
        let ramp_kw = ramp.map(|c| t.number(row, c, 0.0, true)).transpose()?.filter(|&v| v >= 0.0);
        let rank = match rank {
            Some(c) if !t.text(row, c).trim().is_empty() => {
                Some(t.whole(row, c, i64::from(i32::MIN), i64::from(i32::MAX))?)
            }
            _ => None,
        };
        let c = Customer {
            id: name,
            class: whole(0, 4)? as u8,
            weight: num(1)?,
            safety_kw: num(2)?,
            shift_kw: num(3)?,
            avoid_kw: num(4)?,
            limit_floor_kw: (floor >= 0.0).then_some(floor),
            trip_ok: whole(6, 1)? == 1,
            notice: [whole(7, 1_000_000)?, whole(8, 1_000_000)?, whole(9, 1_000_000)?, whole(10, 1_000_000)?],
            rho: num(11)?,
            rebound_kw: num(12)?,
            max_blocks: whole(13, 1_000_000)? as usize,
            history_h: num(14)?,
            rest: whole(15, 1)? == 1,
            rank,
            ramp_kw,
            area: 0,
        };
        rows.push((c, t.text(row, area).into_owned()));
    }
    rows.sort_by(|a, b| a.0.id.cmp(&b.0.id));
    p.areas = rows.iter().map(|r| r.1.clone()).collect();
    p.areas.sort_unstable();
    p.areas.dedup();
    for (mut c, area) in rows {
        c.area = p.areas.binary_search(&area).unwrap_or(0);
        p.customers.push(c);
    }
    Ok(p.customers.iter().enumerate().map(|(k, c)| (c.id.clone(), k)).collect())
}

fn read_baseline(bytes: &[u8], index: &Index, p: &mut Problem) -> Result<()> {
    let t = Table::parse("baseline.csv", bytes)?;
    let id = t.column("id")?;
    let columns: Vec<Column> = (0..p.periods).map(|k| t.column(&format!("p{k}"))).collect::<Result<_>>()?;
    p.load = vec![0.0; p.customers.len() * p.periods];
    let mut seen = vec![false; p.customers.len()];
    for row in 0..t.rows() {
        let name = t.text(row, id);
        let Some(&at) = index.get(name.as_ref()) else {
            return Err(t.bad(
                row,
                id,
                format!("customer '{name}' is unknown"),
                "every customer of baseline.csv must stand in customers.csv",
            ));
        };
        if std::mem::replace(&mut seen[at], true) {
            return Err(t.bad(row, id, format!("customer '{name}' stands twice"), "one row per customer"));
        }
        for (slot, &column) in p.load[at * p.periods..].iter_mut().zip(&columns) {
            *slot = t.number(row, column, 0.0, false)?;
        }
    }
    match seen.iter().position(|s| !s) {
        Some(k) => Err(Error::new(
            ErrorCode::InputValue,
            format!("customer '{}' of customers.csv has no expected load", p.customers[k].id),
        )
        .hint("add the customer's row, or take him out of customers.csv")
        .in_file("baseline.csv")),
        None => Ok(()),
    }
}

fn read_areas(bytes: &[u8], p: &mut Problem) -> Result<()> {
    let t = Table::parse("areas.csv", bytes)?;
    let (area, period, need) = (t.column("area")?, t.column("period")?, t.column("required_kw")?);
    let room = t.optional("headroom_kw");
    let mut seen = std::collections::HashSet::new();
    for row in 0..t.rows() {
        let name = t.text(row, area);
        let Ok(a) = p.areas.binary_search_by(|x| x.as_str().cmp(name.as_ref())) else {
            return Err(t.bad(
                row,
                area,
                format!("area '{name}' has no customer"),
                "name an area of customers.csv",
            ));
        };
        let at = t.whole(row, period, 0, p.periods as i64 - 1)? as usize;
        if !seen.insert((a, at)) {
            let what = format!("area '{name}' period {at} stands twice");
            return Err(t.bad(row, period, what, "one row per area and period"));
        }
        p.area_need.push((a, at, t.number(row, need, 0.0, false)?));
        if let Some(column) = room {
            let kw = t.number(row, column, 0.0, true)?;
            if kw >= 0.0 {
                p.area_headroom.push((a, at, kw));
            }
        }
    }
    p.area_need.sort_by_key(|x| (x.0, x.1));
    p.area_headroom.sort_by_key(|x| (x.0, x.1));
    Ok(())
}

fn read_plan(file: &str, bytes: &[u8], index: &Index, p: &Problem) -> Result<Vec<FixedRow>> {
    let t = Table::parse(file, bytes)?;
    let columns = (t.column("customer")?, t.column("period")?, t.column("measure")?, t.column("kw")?);
    let mut rows = Vec::with_capacity(t.rows());
    for row in 0..t.rows() {
        let name = t.text(row, columns.0);
        let Some(&customer) = index.get(name.as_ref()) else {
            return Err(t.bad(
                row,
                columns.0,
                format!("customer '{name}' is unknown"),
                "name a customer of customers.csv",
            ));
        };
        let word = t.text(row, columns.2);
        let measure = Measure::from_name(&word);
        if measure.is_none() && word != "rebound" {
            let hint = "write shift, avoid, limit, trip or rebound";
            return Err(t.bad(row, columns.2, format!("unknown measure '{word}'"), hint));
        }
        let period = t.whole(row, columns.1, 0, p.periods as i64 - 1)? as usize;
        if measure.is_some() && !p.blocks.iter().any(|&(s, e)| s <= period && period < e) {
            return Err(t.bad(
                row,
                columns.1,
                format!("period {period} lies in no time block"),
                "measures only inside the blocks of meta.json",
            ));
        }
        let kw = t.number(row, columns.3, 0.0, false)?;
        if kw > 0.0 {
            rows.push(FixedRow { customer, period, measure, kw });
        }
    }
    rows.sort_by_key(|r| (r.customer, r.period, r.measure));
    for pair in rows.windows(2) {
        if (pair[0].customer, pair[0].period, pair[0].measure)
            == (pair[1].customer, pair[1].period, pair[1].measure)
        {
            let id = &p.customers[pair[0].customer].id;
            let what = format!("customer '{id}' period {} stands twice", pair[0].period);
            return Err(Error::new(ErrorCode::InputValue, what)
                .hint("one row per customer, period and measure")
                .in_file(file));
        }
    }
    Ok(rows)
}

fn split_previous(file: &str, bytes: &[u8], from: i64, index: &Index, p: &mut Problem) -> Result<()> {
    let known: std::collections::HashSet<_> =
        p.fixed.iter().map(|r| (r.customer, r.period, r.measure)).collect();
    let mut open: std::collections::BTreeMap<(usize, usize, Measure), Vec<(usize, f64)>> =
        std::collections::BTreeMap::new();
    for row in read_plan(file, bytes, index, p)? {
        let block = p.blocks.iter().position(|&(s, e)| s <= row.period && row.period < e);
        let begun = match (row.measure, block) {
            (Some(_), Some(r)) => (p.blocks[r].0 as i64) < from,
            _ => (row.period as i64) < from,
        };
        if begun {
            if !known.contains(&(row.customer, row.period, row.measure)) {
                p.fixed.push(row);
            }
        } else if let (Some(measure), Some(r)) = (row.measure, block) {
            open.entry((row.customer, r, measure)).or_default().push((row.period, row.kw));
        }
    }
    p.fixed.sort_by_key(|r| (r.customer, r.period, r.measure));
    for ((customer, block, measure), rows) in open {
        let ceilings = rows.iter().map(|&(t, kw)| p.load[customer * p.periods + t] - kw);
        let (low, high) = ceilings.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        p.previous.push(Previous { customer, block, measure, ceiling_kw: (low + high) / 2.0 });
    }
    Ok(())
}

/// What is fixed must itself leave room for a plan that the rules accept.
fn check_fixed(p: &Problem) -> Result<()> {
    let mut used: std::collections::BTreeMap<(usize, usize), Measure> = std::collections::BTreeMap::new();
    let bad = |what: String, hint: &str| {
        Err(Error::new(ErrorCode::InputValue, what).hint(hint).in_file("fixed.csv"))
    };
    for row in &p.fixed {
        let id = &p.customers[row.customer].id;
        let Some(measure) = row.measure else {
            if !p.windows.iter().any(|&(s, e)| s <= row.period && row.period < e) {
                return bad(
                    format!(
                        "customer '{id}' period {}: load comes back outside the return windows",
                        row.period
                    ),
                    "take the row out, or add a return window to meta.json",
                );
            }
            continue;
        };
        let Some(block) = p.blocks.iter().position(|&(s, e)| s <= row.period && row.period < e) else {
            continue;
        };
        if *used.entry((row.customer, block)).or_insert(measure) != measure {
            return bad(
                format!("customer '{id}' has two measures in time block {}", block + 1),
                "one measure per customer and block",
            );
        }
    }
    let mut count = vec![0usize; p.customers.len()];
    for &(customer, _) in used.keys() {
        count[customer] += 1;
        let c = &p.customers[customer];
        if count[customer] > c.max_blocks {
            return bad(
                format!(
                    "customer '{}' is fixed in {} blocks, max_blocks allows {}",
                    c.id, count[customer], c.max_blocks
                ),
                "correct max_blocks in customers.csv, or the fixed rows",
            );
        }
    }
    Ok(())
}

fn warn(p: &mut Problem) {
    let mut out = Vec::new();
    let event: Vec<usize> = p.blocks.iter().flat_map(|&(s, e)| s..e).collect();
    for (k, c) in p.customers.iter().enumerate() {
        if c.class == 0 {
            continue;
        }
        let closed = event.iter().filter(|&&t| c.safety_kw > p.load[k * p.periods + t] + 0.01).count();
        if closed > 0 {
            out.push(format!(
                "customer '{}': the safety load of {} kW is above the expected load in {closed} of {} event \
                 periods; taken as closed, no room there",
                c.id,
                c.safety_kw,
                event.len()
            ));
        }
    }
    for t in (0..p.periods).filter(|&t| p.need[t] > 0.0) {
        if !event.contains(&t) {
            out.push(format!("period {t} has a demand of {} kW but lies in no time block", p.need[t]));
        }
    }
    for row in &p.fixed {
        let c = &p.customers[row.customer];
        if c.class == 0 {
            out.push(format!(
                "customer '{}' is protected, but fixed in period {}: the order is repeated, end it by hand",
                c.id, row.period
            ));
        }
    }
    p.warnings = out;
}
