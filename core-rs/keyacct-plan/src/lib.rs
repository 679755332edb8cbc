//! Orderly power use (有序用电): who gives how much in which time block, at the lowest cost, with proof.
//!
//! The rows that couple customers (cover, area cover, headroom of the load that comes back) are few, so they get
//! prices; for given prices every customer is a tiny problem of his own that is solved exactly. The prices give a
//! bound that no plan can beat, and the plan itself is found near the customers' best answers to the prices.
//!
//! `csv read problem` files to a [`Problem`] · `offers` what every customer can give · `customer price` the exact
//! customer problem and the price iteration · `state search ceiling returns` the plan · `list` the list method ·
//! `solve strict` the whole run · `explain` reasons and reserves · `plan` the plan file. No Python, no Arrow, no I/O.

mod ceiling;
mod csv;
mod customer;
mod explain;
mod list;
mod offers;
mod parallel;
mod plan;
mod price;
mod problem;
mod random;
mod read;
mod returns;
mod search;
mod smooth;
mod solve;
mod state;
mod strict;

pub use explain::{Alternative, Reason, Relief, ReserveRow, Spared};
pub use plan::{Figures, Order, Plan};
pub use problem::{Customer, Measure, Previous, Problem};
pub use read::{Files, Meta, read};
pub use solve::{Certificate, Method, Options, PricedRow, Solution, Trial, solve};
