//! Values as they are given to be encoded: plain ones in the order of a register's fields, or the objects that decoding
//! publishes, which say what they are.

use keyacct_model::{Phase, Quantity, Stamp, Value};

use crate::given::{Composed, Given, Misfit, misfit, within};

/// A value with what was said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What it is; none for a plain value.
    pub quantity: Option<Quantity>,
    /// Its phase, where one is given.
    pub phase: Option<Phase>,
    /// The value.
    pub value: Value,
    /// Its time, where one is given.
    pub time: Option<Stamp>,
}

/// A value at which writing stopped, counted from 0, and what belongs there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Astray {
    /// Its place.
    pub at: usize,
    /// What is expected.
    pub wanted: String,
}

impl From<Astray> for Misfit {
    fn from(astray: Astray) -> Misfit {
        Misfit { key: (astray.at + 1).to_string(), wanted: astray.wanted }
    }
}

impl Told {
    /// A plain value.
    pub const fn plain(value: Value) -> Told {
        Told { quantity: None, phase: None, value, time: None }
    }

    /// Whether it says that it is this.
    pub fn is(&self, quantity: Quantity) -> bool {
        self.quantity == Some(quantity)
    }

    /// The number, where it is a whole one of `0..=high`.
    pub fn whole(&self, high: i64) -> Option<i64> {
        match self.value {
            Value::Number(number) => {
                crate::format::rescale(number, 0).filter(|whole| (0..=high).contains(whole))
            }
            _ => None,
        }
    }
}

/// The values of a list. Those that a carried frame says are left out: its bytes are a value of their own.
///
/// # Errors
/// The first one that can be no value.
pub fn told(list: &Given) -> Composed<Vec<Told>> {
    let mut all = Vec::new();
    for (n, item) in list.list()?.iter().enumerate() {
        if item.get("device").is_none() {
            all.push(within(n + 1, one(item))?);
        }
    }
    Ok(all)
}

fn one(item: &Given) -> Composed<Told> {
    let Given::Object(_) = item else { return Ok(Told::plain(item.value()?)) };
    let quantity = match item.get("quantity") {
        None => None,
        Some(name) => match within("quantity", name.text()).map(Quantity::by_name)? {
            None => return misfit("quantity", "the name of a quantity belongs here"),
            known => known,
        },
    };
    let phase = match item.get("phase") {
        None => None,
        Some(name) => match within("phase", name.text()).map(Phase::by_name)? {
            None => return misfit("phase", "the name of a phase belongs here"),
            known => known,
        },
    };
    let doubts = item.get("quality").map_or(Ok(&[][..]), Given::list)?;
    let is = |name: &str| doubts.iter().any(|doubt| doubt.text() == Ok(name));
    let no_value = item.get("value").is_none();
    if is("invalid_digit") && no_value || is("clock_suspect") && !no_value && item.get("time").is_none() {
        return misfit(
            "value",
            "its digits are no number and are not shown: give the bytes as `data` in hex",
        );
    }
    let value = within("value", item.get("value").unwrap_or(&Given::Null).value())?;
    let time = item.get("time").map(|time| within("time", time.stamp())).transpose()?;
    Ok(Told { quantity, phase, value, time })
}
