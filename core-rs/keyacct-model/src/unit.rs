//! Units as they are published.

use crate::phase::words;

words! {
    /// Unit of a value.
    Unit {
        /// A plain number, a text or a time.
        None = "",
        /// Volt.
        V = "V",
        /// Ampere.
        A = "A",
        /// Kilowatt.
        Kw = "kW",
        /// Kilovar.
        Kvar = "kvar",
        /// Kilovoltampere.
        Kva = "kVA",
        /// Kilowatt-hour.
        Kwh = "kWh",
        /// Kilovar-hour.
        Kvarh = "kvarh",
        /// Kilovoltampere-hour.
        Kvah = "kVAh",
        /// Hertz.
        Hz = "Hz",
        /// Degree of angle.
        Degree = "°",
        /// Percent.
        Percent = "%",
        /// Degree Celsius.
        Celsius = "°C",
        /// Minute.
        Minute = "min",
        /// Second.
        Second = "s",
        /// Yuan.
        Cny = "CNY",
    }
}
