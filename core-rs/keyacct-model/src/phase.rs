//! Phases and tariffs.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every word, in the order of its number.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The published word; empty for the one that means "none".
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// The word of this name.
            pub fn by_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Where in the three-phase system a value was taken.
    Phase {
        /// The quantity has no phase (an address, a clock).
        None = "",
        /// Sum of the phases.
        Total = "total",
        /// Phase A.
        A = "A",
        /// Phase B.
        B = "B",
        /// Phase C.
        C = "C",
        /// Neutral conductor.
        N = "N",
        /// Between A and B.
        AB = "AB",
        /// Between B and C.
        BC = "BC",
        /// Between C and A.
        CA = "CA",
    }
}

impl Phase {
    /// Total, A, B, C as meters number them from 0; anything else is no phase.
    pub const fn from_number(number: u8) -> Phase {
        match number {
            0 => Phase::Total,
            1 => Phase::A,
            2 => Phase::B,
            3 => Phase::C,
            _ => Phase::None,
        }
    }
}

/// Tariff of a register: 0 is the total, 1..=63 the tariffs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Tariff(pub u8);

impl Tariff {
    /// The total over all tariffs.
    pub const TOTAL: Tariff = Tariff(0);
    /// The highest tariff number of the standards.
    pub const MAX: u8 = 63;
}
