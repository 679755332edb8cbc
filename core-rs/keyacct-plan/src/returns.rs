//! When shifted load comes back: under every customer's own limit, and under the headroom of system and areas.

use crate::offers::Rows;
use crate::problem::{Problem, to_grid};

/// Returning load of one customer, kW per entry of [`Rows::open_periods`].
pub(crate) struct Returning {
    pub customer: usize,
    pub kw: Vec<f64>,
}

/// Spreads energies over the open periods. `wanted`: (customer, kWh), sorted by customer.
///
/// First evenly over each customer's periods; where that overfills a period, anew and in proportion to the room that
/// is left, the tightest customers first, moving earlier ones aside where that helps. Customers that still do not fit
/// are named in the error.
pub(crate) fn spread(
    p: &Problem,
    rows: &Rows,
    wanted: &[(usize, f64)],
) -> Result<Vec<Returning>, Vec<usize>> {
    let n = rows.open_periods.len();
    let mut slots = Slots {
        room: rows.open_periods.iter().map(|&t| rows.room[t]).collect(),
        group_room: (0..rows.groups)
            .map(|g| rows.open_periods.iter().map(|&t| rows.group_room[g * rows.periods + t]).collect())
            .collect(),
        cap: Vec::with_capacity(wanted.len()),
        group: wanted.iter().map(|&(k, _)| rows.group_of[k]).collect(),
        kw: vec![vec![0.0; n]; wanted.len()],
    };
    for &(k, _) in wanted {
        let held: std::collections::HashSet<usize> =
            p.fixed.iter().filter(|f| f.customer == k && f.measure.is_none()).map(|f| f.period).collect();
        let b = p.customers[k].rebound_kw;
        let group = &slots.group_room[rows.group_of[k]];
        let cap = rows
            .open_periods
            .iter()
            .zip(group)
            .map(|(t, &room)| if held.contains(t) || room <= 0.0 { 0.0 } else { b });
        slots.cap.push(cap.collect());
    }
    let even: Vec<Vec<f64>> = wanted
        .iter()
        .zip(&slots.cap)
        .map(|(&(_, kwh), cap)| {
            let open = cap.iter().filter(|&&c| c > 0.0).count().max(1) as f64;
            cap.iter().map(|&c| if c > 0.0 { kwh / (open * p.dt_h) } else { 0.0 }).collect()
        })
        .collect();
    let fits_own = |x: &Vec<f64>, cap: &Vec<f64>| x.iter().zip(cap).all(|(v, c)| *v <= c + 1e-6);
    let fits = even.iter().zip(&slots.cap).all(|(x, cap)| fits_own(x, cap))
        && (0..n).all(|i| even.iter().map(|x| x[i]).sum::<f64>() <= slots.room[i])
        && (1..rows.groups).all(|g| {
            (0..n).all(|i| {
                let load: f64 =
                    even.iter().zip(&slots.group).filter(|(_, k)| **k == g).map(|(x, _)| x[i]).sum();
                load <= slots.group_room[g][i]
            })
        });
    if fits {
        slots.kw = even;
    } else {
        let tightness = |j: usize| wanted[j].1 / (slots.cap[j].iter().sum::<f64>() * p.dt_h).max(1e-9);
        let mut order: Vec<(f64, usize)> = (0..wanted.len()).map(|j| (tightness(j), j)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut failed = Vec::new();
        for (done, &(_, j)) in order.iter().enumerate() {
            let mut missing = slots.fill(j, wanted[j].1 / p.dt_h);
            if missing > 1e-6 {
                missing = slots.make_room(j, missing, &order[..done]);
            }
            if missing > 0.01 {
                failed.push(wanted[j].0);
            }
        }
        if !failed.is_empty() {
            return Err(failed);
        }
    }
    Ok(wanted
        .iter()
        .zip(slots.kw)
        .map(|(&(customer, _), kw)| Returning { customer, kw: kw.into_iter().map(to_grid).collect() })
        .collect())
}

struct Slots {
    room: Vec<f64>,
    group_room: Vec<Vec<f64>>,
    cap: Vec<Vec<f64>>,
    group: Vec<usize>,
    kw: Vec<Vec<f64>>,
}

impl Slots {
    fn free(&self, j: usize, i: usize) -> f64 {
        (self.cap[j][i] - self.kw[j][i]).min(self.room[i]).min(self.group_room[self.group[j]][i]).max(0.0)
    }

    fn put(&mut self, j: usize, i: usize, kw: f64) {
        self.kw[j][i] += kw;
        self.room[i] -= kw;
        self.group_room[self.group[j]][i] -= kw;
    }

    /// Puts kW (summed over periods) where room is, in proportion to it; what is left over.
    fn fill(&mut self, j: usize, mut kw: f64) -> f64 {
        let free: Vec<f64> = (0..self.room.len()).map(|i| self.free(j, i)).collect();
        // A level under which every period takes its whole free part, else an equal part.
        let (mut low, mut high) = (0.0, free.iter().copied().fold(0.0, f64::max));
        for _ in 0..60 {
            let level = (low + high) / 2.0;
            if free.iter().map(|f| f.min(level)).sum::<f64>() < kw { low = level } else { high = level }
        }
        for (i, f) in free.iter().enumerate() {
            let part = f.min(high).min(kw);
            self.put(j, i, part);
            kw -= part;
        }
        kw
    }

    /// Moves others out of periods that `j` could use, into periods that still have room.
    fn make_room(&mut self, j: usize, mut missing: f64, others: &[(f64, usize)]) -> f64 {
        for i in 0..self.room.len() {
            for &(_, k) in others {
                if missing <= 1e-6 {
                    return 0.0;
                }
                let mut want = (self.cap[j][i] - self.kw[j][i]).min(missing).min(self.kw[k][i]);
                if self.group[k] != self.group[j] {
                    want = want.min(self.group_room[self.group[j]][i]);
                }
                for to in 0..self.room.len() {
                    let step = if to == i { 0.0 } else { self.free(k, to).min(want) };
                    if step > 1e-9 {
                        self.put(k, i, -step);
                        self.put(k, to, step);
                        self.put(j, i, step);
                        want -= step;
                        missing -= step;
                    }
                }
            }
        }
        missing
    }
}
