//! A cumulative register over a span of time: its first and its last value.

/// First and last value of a register; NaN stands for none yet.
#[derive(Clone, Copy, Debug)]
pub struct FirstLast {
    /// First value.
    pub first: f64,
    /// Last value.
    pub last: f64,
}

impl Default for FirstLast {
    fn default() -> Self {
        FirstLast { first: f64::NAN, last: f64::NAN }
    }
}

impl FirstLast {
    /// Adds a later value; NaN (no value) is passed over.
    #[inline(always)]
    pub fn add(&mut self, value: f64) {
        if !value.is_nan() {
            if self.first.is_nan() {
                self.first = value;
            }
            self.last = value;
        }
    }

    /// Adds later values, one after the other.
    #[inline(always)]
    pub fn add_run(&mut self, values: &[f64]) {
        if self.first.is_nan()
            && let Some(first) = values.iter().find(|value| !value.is_nan())
        {
            self.first = *first;
        }
        if let Some(last) = values.iter().rfind(|value| !value.is_nan()) {
            self.last = *last;
        }
    }

    /// Adds what a later span of time gave.
    pub fn merge(&mut self, later: &Self) {
        self.add(later.first);
        self.add(later.last);
    }

    /// Last − first; 0 with one value, nothing with none, negative after a reset.
    pub fn difference(&self) -> Option<f64> {
        (!self.first.is_nan()).then_some(self.last - self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_passes_over_missing_values() {
        let mut register = FirstLast::default();
        assert_eq!(register.difference(), None);
        register.add(f64::NAN);
        register.add(7.0);
        assert_eq!(register.difference(), Some(0.0));
        register.add(f64::NAN);
        register.add(3.0);
        let mut all = FirstLast::default();
        all.merge(&register);
        assert_eq!(all.difference(), Some(-4.0));
    }
}
