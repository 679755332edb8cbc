//! Power factor from energies: cosφ = Wp / √(Wp² + Wq²).

use std::ops::AddAssign;

/// Kilowatt-milliseconds in a kilowatt-hour.
pub const MS_PER_HOUR: f64 = 3_600_000.0;

/// Active and reactive energy of the same time, in one unit (kW·ms and kvar·ms, or kWh and kvarh).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Energy {
    /// Active energy of the import direction.
    pub active: f64,
    /// Sum of the amounts of reactive energy.
    pub reactive: f64,
}

impl Energy {
    /// Adds powers that stand for `weight_ms`: export counts nothing, reactive power by its amount.
    #[inline(always)]
    pub fn add(&mut self, active_kw: f64, reactive_kvar: f64, weight_ms: i64) {
        let weight = weight_ms as f64;
        self.active += active_kw.max(0.0) * weight;
        self.reactive += reactive_kvar.abs() * weight;
    }

    /// The power factor; nothing when both energies are zero.
    pub fn power_factor(&self) -> Option<f64> {
        if self.active == 0.0 && self.reactive == 0.0 {
            return None;
        }
        // Energies are far from where their squares would overflow or vanish, so `hypot` would only be slower.
        Some(self.active / (self.active * self.active + self.reactive * self.reactive).sqrt())
    }
}

impl AddAssign for Energy {
    fn add_assign(&mut self, other: Energy) {
        self.active += other.active;
        self.reactive += other.reactive;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_and_reverse_reactive_add_by_amount() {
        // The rule's worked example: Wp 100 000, Q1 40 000, Q4 20 000 give 0.857, not the 0.98 of netting.
        let mut energy = Energy::default();
        energy.add(100_000.0, 40_000.0, 1);
        energy.add(0.0, -20_000.0, 1);
        assert_eq!(energy.power_factor().map(|pf| (pf * 1000.0).round()), Some(857.0));
    }

    #[test]
    fn export_gives_reactive_energy_only_and_nothing_at_all_gives_no_factor() {
        let mut energy = Energy::default();
        assert_eq!(energy.power_factor(), None);
        energy.add(-5.0, 2.0, 10);
        assert_eq!((energy.active, energy.reactive, energy.power_factor()), (0.0, 20.0, Some(0.0)));
    }
}
