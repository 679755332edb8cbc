//! The planning problem in memory: customers, expected loads, time blocks, demands, and what is fixed already.

/// The measures in the order of their severity, and the load that comes back after a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Measure {
    /// 错峰: use moves to other hours.
    Shift = 0,
    /// 避峰: interruptible use is dropped.
    Avoid = 1,
    /// 限电: one power ceiling over the block.
    Limit = 2,
    /// 拉闸: everything down to the safety load.
    Trip = 3,
}

impl Measure {
    /// All measures, mildest first.
    pub const ALL: [Measure; 4] = [Measure::Shift, Measure::Avoid, Measure::Limit, Measure::Trip];

    /// The name in the files.
    pub const fn name(self) -> &'static str {
        match self {
            Measure::Shift => "shift",
            Measure::Avoid => "avoid",
            Measure::Limit => "limit",
            Measure::Trip => "trip",
        }
    }

    /// The measure of a name in the files.
    pub fn from_name(name: &str) -> Option<Measure> {
        Measure::ALL.into_iter().find(|m| m.name() == name)
    }
}

/// One customer, as `customers.csv` describes him.
#[derive(Clone, Debug, Default)]
pub struct Customer {
    /// Key in all files.
    pub id: String,
    /// Index into [`Problem::areas`].
    pub area: usize,
    /// 0 protected, 1 most important … 4 first to be curtailed.
    pub class: u8,
    /// Weight from the government's priority table.
    pub weight: f64,
    /// Load that must never be cut, kW.
    pub safety_kw: f64,
    /// Block that can be shifted, kW.
    pub shift_kw: f64,
    /// Block that can be dropped, kW.
    pub avoid_kw: f64,
    /// Lowest ceiling under limitation, kW; `None` = cannot be limited.
    pub limit_floor_kw: Option<f64>,
    /// Remotely switchable without danger.
    pub trip_ok: bool,
    /// Notice per measure, periods.
    pub notice: [i64; 4],
    /// kWh that come back per kWh shifted.
    pub rho: f64,
    /// Largest extra load on return, kW.
    pub rebound_kw: f64,
    /// Most blocks a day.
    pub max_blocks: usize,
    /// Hours shed in the last days.
    pub history_h: f64,
    /// Resting today: only shift is open.
    pub rest: bool,
    /// Place in the government's list.
    pub rank: Option<i64>,
    /// Steepest change of a limitation, kW per period.
    pub ramp_kw: Option<f64>,
}

/// One row that has happened or has been ordered: shed load of a block, or load that comes back.
#[derive(Clone, Debug, PartialEq)]
pub struct FixedRow {
    /// Index of the customer.
    pub customer: usize,
    /// Period.
    pub period: usize,
    /// The measure; `None` is returning load.
    pub measure: Option<Measure>,
    /// kW.
    pub kw: f64,
}

/// An order of the plan in force that may still be changed, at a cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Previous {
    /// Index of the customer.
    pub customer: usize,
    /// Index of the time block.
    pub block: usize,
    /// The measure.
    pub measure: Measure,
    /// Ordered ceiling, for limit.
    pub ceiling_kw: f64,
}

/// A whole problem. Customers are in the order of their ids, whatever the order of the rows was.
#[derive(Clone, Debug, Default)]
pub struct Problem {
    /// Number of periods.
    pub periods: usize,
    /// Length of a period, h.
    pub dt_h: f64,
    /// Period in which the plan is issued.
    pub issue: i64,
    /// Time blocks, [first, end).
    pub blocks: Vec<(usize, usize)>,
    /// Return windows, [first, end).
    pub windows: Vec<(usize, usize)>,
    /// Cost per kWh of shift, avoid, limit, trip.
    pub cost: [f64; 4],
    /// Cost of touching a customer.
    pub touch_cost: f64,
    /// Cost of an unmet kWh.
    pub unmet_cost: f64,
    /// Growth of the weight per hour of history.
    pub history_factor: f64,
    /// The customers, sorted by id.
    pub customers: Vec<Customer>,
    /// Expected load, customer by customer, kW.
    pub load: Vec<f64>,
    /// Names of the areas, sorted.
    pub areas: Vec<String>,
    /// Required reduction per period, kW.
    pub need: Vec<f64>,
    /// Headroom for returning load per period, kW; infinite = no limit.
    pub headroom: Vec<f64>,
    /// (area, period, required kW), sorted.
    pub area_need: Vec<(usize, usize, f64)>,
    /// (area, period, headroom kW), sorted; only where there is a limit.
    pub area_headroom: Vec<(usize, usize, f64)>,
    /// What is fixed already.
    pub fixed: Vec<FixedRow>,
    /// Orders in force that may still be changed, sorted.
    pub previous: Vec<Previous>,
    /// Cost of changing one order in force (planning again), in units of the objective.
    pub change_cost: f64,
    /// Sentences about input that was taken, but looks odd.
    pub warnings: Vec<String>,
}

/// kW below which a measure is not worth an order: it is open only if it gives more in every period.
pub const THRESHOLD_KW: f64 = 1.0;

/// Loads are planned to a milliwatt, so that the figures of the file are the figures of the plan.
pub fn to_grid(kw: f64) -> f64 {
    (kw * 1e6).round() / 1e6
}

/// Rules that can be lifted to see what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifted {
    /// Ignore the notice.
    pub notice: bool,
    /// Ignore the rest day.
    pub rest: bool,
    /// Every customer can be switched remotely.
    pub switch: bool,
}

impl Problem {
    /// Expected load of a customer over some periods, kW.
    pub fn load_of(&self, customer: usize, (first, end): (usize, usize)) -> &[f64] {
        let base = customer * self.periods;
        &self.load[base + first..base + end]
    }

    /// Cost factor of a customer: weight, and history.
    pub fn burden(&self, customer: usize) -> f64 {
        let c = &self.customers[customer];
        c.weight * (1.0 + self.history_factor * c.history_h)
    }

    /// Hours of a time block.
    pub fn block_h(&self, block: usize) -> f64 {
        self.block_len(block) as f64 * self.dt_h
    }

    /// Periods of a block.
    pub fn block_len(&self, block: usize) -> usize {
        let (first, end) = self.blocks[block];
        end - first
    }

    /// Lowest ceiling of a limitation in a block that the ramp allows as well, kW.
    ///
    /// Along a ceiling the steepest step shrinks as the ceiling rises, so a ramp is a floor under the ceiling.
    /// `loose` leaves out the steps into and out of the block where another block borders on it: two limits side by
    /// side may make that step smaller.
    pub fn lowest_ceiling(&self, customer: usize, block: usize, loose: bool) -> Option<f64> {
        let c = &self.customers[customer];
        let mut floor = c.limit_floor_kw?.max(c.safety_kw);
        if let Some(ramp) = c.ramp_kw {
            let (first, end) = self.blocks[block];
            let load = self.load_of(customer, (first, end));
            let (before, after) = if loose {
                (self.blocks.iter().any(|&(_, e)| e == first), self.blocks.iter().any(|&(s, _)| s == end))
            } else {
                (false, false)
            };
            if !before {
                floor = floor.max(load[0] - ramp);
            }
            if !after {
                floor = floor.max(load[load.len() - 1] - ramp);
            }
            for pair in load.windows(2) {
                if (pair[0] - pair[1]).abs() > ramp {
                    floor = floor.max(pair[0].max(pair[1]) - ramp);
                }
            }
        }
        Some(floor)
    }

    /// Largest reduction that a measure gives in a block, kW per period (limit: at the floor).
    pub fn quantity(&self, customer: usize, measure: Measure, block: usize, out: &mut Vec<f64>) {
        let c = &self.customers[customer];
        out.clear();
        for &b in self.load_of(customer, self.blocks[block]) {
            let room = (b - c.safety_kw).max(0.0);
            out.push(to_grid(match measure {
                Measure::Shift => c.shift_kw.min(room),
                Measure::Avoid => c.avoid_kw.min(room),
                Measure::Limit => c.limit_floor_kw.map_or(0.0, |floor| (b - floor.max(c.safety_kw)).max(0.0)),
                Measure::Trip => room,
            }));
        }
    }

    /// The ceiling of a limit that has been ordered and whose notice would come too late now: it stands as it is or falls,
    /// but may not be changed.
    pub fn firm_ceiling(&self, customer: usize, block: usize) -> Option<f64> {
        let notice = self.customers[customer].notice[Measure::Limit as usize];
        let late = (self.blocks[block].0 as i64) < self.issue + notice;
        self.previous_at(customer, block)
            .filter(|q| late && q.measure == Measure::Limit)
            .map(|q| q.ceiling_kw)
    }

    /// Why a measure is closed to a customer in a block; `None` when it is open.
    pub fn why_not(
        &self,
        customer: usize,
        measure: Measure,
        block: usize,
        lifted: Lifted,
    ) -> Option<&'static str> {
        let c = &self.customers[customer];
        if c.class == 0 {
            return Some("protected");
        }
        if measure != Measure::Shift && c.rest && !lifted.rest {
            return Some("rest");
        }
        let absent = match measure {
            Measure::Shift => c.shift_kw <= THRESHOLD_KW,
            Measure::Avoid => c.avoid_kw <= THRESHOLD_KW,
            Measure::Limit => c.limit_floor_kw.is_none(),
            Measure::Trip => !c.trip_ok && !lifted.switch,
        };
        if absent {
            return Some("absent");
        }
        if (self.blocks[block].0 as i64) < self.issue + c.notice[measure as usize] && !lifted.notice {
            return Some("notice");
        }
        let mut kw = Vec::new();
        self.quantity(customer, measure, block, &mut kw);
        if kw.iter().any(|&v| v <= THRESHOLD_KW) {
            return Some("too_little");
        }
        None
    }
}
