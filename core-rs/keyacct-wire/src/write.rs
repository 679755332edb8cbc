//! The inverse of [`crate::walk`]: values in the order of a layout's fields become bytes.
//!
//! Plain values: a bit string is one hex text, its named bits are not given again; a time with a weekday takes two values
//! (the weekday a number, 0 none), so does a value with its time of occurrence; a secret takes its bytes as hex text.
//! Published values ([`Told`] with a quantity) must be those of the layout: named bits may follow their word and must
//! then agree with it, or stand for it; a time of occurrence is the `time` of its value.

use keyacct_model::{Phase, Quantity, Stamp, Value};

use crate::format::{Bit, Format, Part, Size, read_binary, write_time};
use crate::layout::{Count, Field, Item, Layout};
use crate::told::{Astray, Told};

/// The bytes of a value that is not there: terminals send EEH, meters FFH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoData(pub u8);

/// How the data of a protocol are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// What stands for a value that is not there.
    pub no_data: NoData,
    /// What stands for a time that is not there.
    pub no_time: u8,
    /// Whether data may end behind any value.
    pub ends_early: bool,
}

/// Writes values one layout after another.
pub struct Writer<'t> {
    told: &'t [Told],
    at: usize,
    out: Vec<u8>,
    slots: [u32; 26],
    manner: Manner,
}

type Written<T = ()> = Result<T, Astray>;

/// The bytes of the first alternative that takes all values; none when there is none such or a value does not fit.
pub fn write_layout(layout: &Layout, values: &[Value], no_data: NoData) -> Option<Vec<u8>> {
    let told: Vec<Told> = values.iter().cloned().map(Told::plain).collect();
    let manner = Manner { no_data, no_time: no_data.0, ends_early: false };
    let mut writer = Writer::new(&told, manner);
    writer.layout(layout, true).ok()?;
    Some(writer.out)
}

impl<'t> Writer<'t> {
    /// A writer that has written nothing.
    pub const fn new(told: &'t [Told], manner: Manner) -> Self {
        Writer { told, at: 0, out: Vec::new(), slots: [0; 26], manner }
    }

    /// How many values have been written.
    pub const fn written(&self) -> usize {
        self.at
    }

    /// The values that are left.
    pub fn left(&self) -> &'t [Told] {
        &self.told[self.at..]
    }

    /// What has been written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Counts values as written whose bytes were added as they are.
    pub fn skip(&mut self, values: usize) {
        self.at = (self.at + values).min(self.told.len());
    }

    /// Adds bytes that are no value.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// The bytes of the alternative that decoding chooses for their length, else of the first one that takes the values;
    /// with `all` it must take all that are left.
    ///
    /// # Errors
    /// The value at which the alternative that came farthest stopped.
    pub fn layout(&mut self, layout: &Layout, all: bool) -> Written {
        let (from, start) = (self.at, self.out.len());
        let mut first = None;
        let mut farthest: Option<Astray> = None;
        for items in &layout.0 {
            let done = self.items(items).and_then(|()| if all { self.end() } else { Ok(()) });
            let (at, bytes) = (self.at, self.out.split_off(start));
            self.at = from;
            match done {
                Ok(()) if layout.choose(bytes.len()) == Some(items) => {
                    (self.at, _) = (at, self.out.extend(bytes));
                    return Ok(());
                }
                Ok(()) => first = first.or(Some((at, bytes))),
                Err(astray) if farthest.as_ref().is_none_or(|known| astray.at > known.at) => {
                    farthest = Some(astray);
                }
                Err(_) => {}
            }
        }
        match (first, farthest) {
            (Some((at, bytes)), _) => {
                self.at = at;
                self.out.extend(bytes);
                Ok(())
            }
            (None, Some(astray)) => Err(astray),
            (None, None) => self.end(),
        }
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// The first value that is.
    pub fn end(&self) -> Written {
        match self.told.get(self.at) {
            None => Ok(()),
            Some(_) => self.astray("belongs to nothing: the data end before it"),
        }
    }

    fn astray<T>(&self, wanted: impl Into<String>) -> Written<T> {
        Err(Astray { at: self.at, wanted: wanted.into() })
    }

    fn fit<T>(&self, made: Option<T>, wanted: Quantity) -> Written<T> {
        made.map_or_else(|| self.astray(format!("{} does not fit its format", wanted.as_str())), Ok)
    }

    fn ended(&self) -> bool {
        self.manner.ends_early && self.at == self.told.len()
    }

    /// Writes items.
    ///
    /// # Errors
    /// The first value that does not fit.
    pub fn items(&mut self, items: &[Item]) -> Written {
        for item in items {
            if self.ended() {
                return Ok(());
            }
            match item {
                Item::Field(field) => self.field(field)?,
                Item::Count(slot, field) => {
                    let from = self.out.len();
                    self.field(field)?;
                    self.slots[usize::from(*slot)] = read_binary(&self.out[from..], false) as u32;
                }
                Item::Slot(..) => return self.astray("follows a number that is not among the values"),
                Item::Skip(format) => {
                    let size = format.size().unwrap_or(0);
                    self.out.extend(std::iter::repeat_n(0, size));
                }
                Item::Secret(format) => self.secret(format)?,
                Item::Columns(count, field) => self.columns(*count, field)?,
                Item::Repeat(count, inner) => self.repeat(*count, inner)?,
            }
        }
        Ok(())
    }

    fn secret(&mut self, format: &Format) -> Written {
        let wanted = "a password belongs before it, in hex: decoding never shows it";
        let bytes = match self.told.get(self.at) {
            Some(Told { quantity: None, value: Value::Text(text), .. }) => crate::hex::decode(text),
            _ => None,
        };
        let room = self.room(format);
        match bytes.filter(|bytes| room.is_none_or(|room| room == bytes.len())) {
            None => self.astray(wanted),
            Some(bytes) => {
                self.out.extend(bytes);
                self.at += 1;
                Ok(())
            }
        }
    }

    fn columns(&mut self, count: Count, field: &Field) -> Written {
        let mut times = Vec::new();
        let length = field.occurrence.as_ref().map_or(0, Vec::len);
        for _ in 0..self.times(count) {
            self.field(field)?;
            times.extend(self.out.drain(self.out.len() - length..));
        }
        self.out.extend(times);
        Ok(())
    }

    /// How often a group repeats; the greatest number stands for "until the values end".
    fn times(&self, count: Count) -> usize {
        match count {
            Count::Fixed(count) => usize::from(count),
            Count::Slot(slot, plus) => self.slots[usize::from(slot)] as usize + usize::from(plus),
            Count::Bits(slot) => self.slots[usize::from(slot)].count_ones() as usize,
            Count::Rest => usize::MAX,
        }
    }

    fn repeat(&mut self, count: Count, inner: &[Item]) -> Written {
        let count = self.times(count);
        for _ in 0..count {
            // Of published values, another quantity than the group's first one ends a group without a count.
            if self.ended() || count == usize::MAX && !self.goes_on(inner) {
                break;
            }
            self.items(inner)?;
        }
        Ok(())
    }

    fn goes_on(&self, inner: &[Item]) -> bool {
        let first = inner.iter().find_map(|item| match item {
            Item::Field(field) | Item::Count(_, field) => Some(field.quantity),
            _ => None,
        });
        self.told
            .get(self.at)
            .is_some_and(|told| told.quantity.is_none() || first.is_none() || told.quantity == first)
    }

    /// Bytes that the format has room for; none for as many as there are.
    fn room(&self, format: &Format) -> Option<usize> {
        match format {
            Format::Text { size, .. } | Format::Hex { size, .. } | Format::Mask(size) => match size {
                Size::Fixed(bytes) => Some(usize::from(*bytes)),
                Size::Slot(slot, less) => {
                    Some((self.slots[usize::from(*slot)] as usize).saturating_sub(usize::from(*less)))
                }
                Size::Rest => None,
            },
            _ => format.size(),
        }
    }

    fn next(&mut self, quantity: Quantity) -> Written<&'t Told> {
        match self.told.get(self.at) {
            Some(told) if told.quantity.is_none() || told.is(quantity) => {
                self.at += 1;
                Ok(told)
            }
            Some(_) => self.astray(format!("{} belongs here", quantity.as_str())),
            None => self.astray(format!("is missing: {} comes next", quantity.as_str())),
        }
    }

    /// The value that follows, if it is published and this one.
    fn follows(&self, quantity: Quantity) -> Option<&'t Told> {
        self.told.get(self.at).filter(|told| told.is(quantity))
    }

    fn field(&mut self, field: &Field) -> Written {
        if let Format::Bits { bytes, bits } = &field.format
            && !bits.is_empty()
        {
            return self.word(field, *bytes, bits);
        }
        let place = self.at;
        let told = self.next(field.quantity)?;
        let from = self.out.len();
        match (&field.format, &told.value) {
            (Format::Time(parts), value) => self.time(field, parts, told, value)?,
            (format, Value::Null) => {
                let NoData(filler) = self.manner.no_data;
                let size = self.fit(format.size(), field.quantity)?;
                self.out.extend(std::iter::repeat_n(filler, size));
            }
            (format, value) => {
                let written = format.write(value, &mut self.out);
                if written.is_none() {
                    self.at = place;
                    return self.fit(written, field.quantity);
                }
                self.pad(format, from);
            }
        }
        if self.room(&field.format).is_some_and(|room| room != self.out.len() - from) {
            self.at = place;
            return self.fit(None, field.quantity);
        }
        self.occurrence(field, told)
    }

    /// Zeros up to the length that a number before the text says.
    fn pad(&mut self, format: &Format, from: usize) {
        if let (Format::Text { reversed, size: Size::Slot(..) }, Some(room)) = (format, self.room(format)) {
            let missing = room.saturating_sub(self.out.len() - from);
            let at = if *reversed { from } else { self.out.len() };
            self.out.splice(at..at, std::iter::repeat_n(0, missing));
        }
    }

    fn time(&mut self, field: &Field, parts: &[Part], told: &Told, value: &Value) -> Written {
        let mut weekday = 0;
        if parts.iter().any(|p| matches!(p, Part::WeekdayMonth | Part::Weekday)) {
            let follows = match told.quantity {
                Some(_) => self.follows(Quantity::Weekday),
                None => self.told.get(self.at).filter(|next| {
                    next.quantity.is_none() && matches!(next.value, Value::Number(_) | Value::Null)
                }),
            };
            if let Some(next) = follows {
                if next.value != Value::Null {
                    weekday = self.fit(next.whole(7), Quantity::Weekday)? as u8;
                }
                self.at += 1;
            }
        }
        let written = match value {
            Value::Null => {
                self.out.extend(std::iter::repeat_n(self.manner.no_time, parts.len()));
                Some(())
            }
            Value::Time(stamp) => write_time(stamp, weekday, parts, &mut self.out),
            Value::Text(text) => month_and_day(text)
                .filter(|_| matches!(parts, [Part::Month, Part::Day]))
                .and_then(|stamp| write_time(&stamp, weekday, parts, &mut self.out)),
            Value::Number(_) => None,
        };
        self.fit(written, field.quantity)
    }

    fn occurrence(&mut self, field: &Field, told: &Told) -> Written {
        let Some(parts) = &field.occurrence else { return Ok(()) };
        let time = match (told.quantity, field.tells_occurrence) {
            (Some(_), true) => self.next(Quantity::OccurredAt)?.value.clone(),
            (Some(_), false) => told.time.map_or(Value::Null, Value::Time),
            (None, _) if self.ended() => Value::Null,
            (None, _) => self.next(Quantity::OccurredAt)?.value.clone(),
        };
        let written = match time {
            Value::Time(stamp) => write_time(&stamp, 0, parts, &mut self.out),
            Value::Null => {
                self.out.extend(std::iter::repeat_n(self.manner.no_time, parts.len()));
                Some(())
            }
            _ => None,
        };
        self.fit(written, Quantity::OccurredAt)
    }

    /// A bit string: its bytes, its bytes and then its bits, or its bits alone.
    fn word(&mut self, field: &Field, bytes: u8, bits: &[Bit]) -> Written {
        let word = match self.told.get(self.at) {
            Some(told) if told.quantity.is_none() || told.is(field.quantity) => {
                let from = self.out.len();
                let fits = match &told.value {
                    Value::Null => {
                        self.out.extend(std::iter::repeat_n(self.manner.no_data.0, usize::from(bytes)));
                        Some(())
                    }
                    value => field.format.write(value, &mut self.out),
                };
                self.fit(fits, field.quantity)?;
                self.at += 1;
                Some(read_binary(&self.out[from..], false) as u64)
            }
            _ => None,
        };
        let mut built = 0;
        let mut given = false;
        for bit in bits {
            let most = (u64::MAX >> (63 - (bit.high - bit.low))) as i64;
            let same_phase = |told: &&Told| {
                told.phase.is_none()
                    || bit.phase.is_none_or(|phase| told.phase == Some(phase))
                    || bit.phase == Some(Phase::None)
            };
            let Some(told) = self.follows(bit.quantity).filter(same_phase) else { continue };
            let value = self.fit(told.whole(most), bit.quantity)? as u64;
            if word.is_some_and(|word| word >> bit.low & most as u64 != value) {
                return self.astray(format!(
                    "{} is not what {} says before it",
                    bit.quantity.as_str(),
                    field.quantity.as_str()
                ));
            }
            built |= value << bit.low;
            given = true;
            self.at += 1;
        }
        if word.is_none() {
            if !given {
                self.next(field.quantity)?;
            }
            self.out.extend_from_slice(&built.to_le_bytes()[..usize::from(bytes)]);
        }
        Ok(())
    }
}

/// A day of any year, `07-01`: a text that is a time only where one belongs.
fn month_and_day(text: &str) -> Option<Stamp> {
    let (month, day) = text.split_once('-').filter(|(month, day)| month.len() == 2 && day.len() == 2)?;
    Some(Stamp { month: month.parse().ok(), day: day.parse().ok(), ..Stamp::default() })
}
