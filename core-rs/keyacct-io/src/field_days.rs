//! Kept states of civil days by the rules of the field: made of a day's samples, joined without them.

use keyacct_stats::calendar::Slot;
use keyacct_stats::field_load::Grid;

use crate::day_parameters::{Rows, by_pair, of_day};
use crate::day_sections::{DayAt, Pair};
use crate::field_load::grid_of;
use crate::field_parameters::{Frame, Parameter};

/// What a state is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Voltages: the family `voltage`.
    Voltage,
    /// Load: the families `power` and `energy`.
    Load,
    /// Energies: the family `energy`.
    Energy,
    /// Integrated powers: the family `power`.
    Integrated,
}

/// Numbers that a state depends on beside samples and parameters.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Assessment floor as a share of nominal.
    pub floor_share: f64,
    /// Over-voltage as a share of nominal.
    pub ceiling_share: f64,
    /// Length of a block.
    pub window_ms: i64,
    /// Share of a block that values must cover.
    pub minimum_coverage: f64,
}

/// Days, parameters and rules of a question. `wide` are the parameters of all accounts over some days more than the
/// question's on each side, so that what is told of a day does not depend on who asks for which period.
pub struct DayJoin<'a> {
    /// What is asked for.
    pub what: What,
    /// Days in order: one before the period, those of the period, one behind it.
    pub days: &'a [DayAt],
    /// Parameters of the question.
    pub parameters: &'a [Parameter],
    /// Parameters around it.
    pub wide: &'a [Parameter],
    /// Tariff tables.
    pub tariffs: &'a [Vec<Slot>],
    /// The question's frame.
    pub frame: &'a Frame,
    /// Rules.
    pub rules: Rules,
}

impl DayJoin<'_> {
    /// What the parameters of a pair say of a day, as bytes.
    pub(crate) fn key(&self, rows: &[&Parameter], day: &DayAt) -> Vec<u8> {
        let civil_day = self.frame.zone.day(day.start_ms);
        of_day(rows, day).key(self.what, self.frame.tariffs(self.tariffs), civil_day)
    }

    fn pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs: Vec<(&str, &str)> =
            self.parameters.iter().map(|p| (p.point.as_str(), p.meter.as_str())).collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }

    /// The pairs whose state of a day is missing or was made by other parameters.
    pub(crate) fn missing(&self, day: &DayAt, wide: &Rows<'_>) -> Vec<Pair> {
        let known = day.sections();
        let outdated = |&(point, meter): &(&str, &str)| {
            let pair = (point.to_owned(), meter.to_owned());
            let rows = wide.get(&(point, meter)).map_or(&[][..], Vec::as_slice);
            let key = self.key(rows, day);
            let there = known.get(&pair).is_some_and(|of| of.iter().any(|section| section.key == key));
            (!there).then_some(pair)
        };
        self.pairs().iter().filter_map(outdated).collect()
    }

    /// Day by day, the meters whose samples are needed.
    pub fn outdated(&self) -> Vec<Vec<String>> {
        let wide = by_pair(self.wide);
        let meters = |day: &DayAt| -> Vec<String> {
            let mut meters: Vec<String> = self.missing(day, &wide).into_iter().map(|pair| pair.1).collect();
            meters.sort_unstable();
            meters.dedup();
            meters
        };
        self.days.iter().map(meters).collect()
    }

    /// The blocks of the period.
    pub(crate) fn grid(&self) -> Grid {
        grid_of(self.frame, self.rules.window_ms, self.rules.minimum_coverage)
    }
}
