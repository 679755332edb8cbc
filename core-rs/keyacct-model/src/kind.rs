//! What sort of statement a reading is.

use crate::phase::words;

words! {
    /// What sort of statement a reading is.
    Kind {
        /// Value at an instant.
        Snapshot = "snapshot",
        /// Mean or increment of an interval, stamped at its end.
        Interval = "interval",
        /// Cumulative register.
        Register = "register",
        /// Register at a frozen minute.
        FreezeMinute = "freeze_minute",
        /// Register at a frozen hour.
        FreezeHour = "freeze_hour",
        /// Register at a day's end.
        FreezeDay = "freeze_day",
        /// Register at a ten-day period's end.
        FreezeTenDay = "freeze_ten_day",
        /// Register at a month's end.
        FreezeMonth = "freeze_month",
        /// Register at a settlement day.
        FreezeSettlement = "freeze_settlement",
        /// Maximum demand with its time of occurrence.
        Demand = "demand",
        /// Computed by the device itself.
        Statistic = "statistic",
        /// Setting of the device.
        Parameter = "parameter",
        /// Something that happened.
        Event = "event",
        /// State of the device.
        Status = "status",
    }
}
