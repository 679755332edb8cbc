//! The inverse of [`crate::walk`]: values in the order of a layout's fields become bytes.
//!
//! A bit string is one hex text, its named bits are not given again. A time with a weekday takes two values (the weekday
//! a number, 0 none), so does a value with its time of occurrence. A secret takes its bytes as hex text.

use keyacct_model::Value;

use crate::format::{Format, Part, Size, read_binary, write_time};
use crate::layout::{Count, Field, Item, Layout};

/// The bytes of a value that is not there: terminals send EEH, meters FFH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoData(pub u8);

struct Write<'v> {
    values: std::slice::Iter<'v, Value>,
    out: Vec<u8>,
    slots: [u32; 26],
    no_data: NoData,
}

/// The bytes of the first alternative that takes all values; none when there is none such or a value does not fit.
pub fn write_layout(layout: &Layout, values: &[Value], no_data: NoData) -> Option<Vec<u8>> {
    layout.0.iter().find_map(|items| {
        let mut write = Write { values: values.iter(), out: Vec::new(), slots: [0; 26], no_data };
        write.items(items)?;
        (write.values.len() == 0).then_some(write.out)
    })
}

impl Write<'_> {
    fn items(&mut self, items: &[Item]) -> Option<()> {
        for item in items {
            match item {
                Item::Field(field) => self.field(field)?,
                Item::Count(slot, field) => {
                    let from = self.out.len();
                    self.field(field)?;
                    self.slots[usize::from(*slot)] = read_binary(&self.out[from..], false) as u32;
                }
                Item::Slot(..) => return None, // its number is not among the values
                Item::Skip(format) => self.out.extend(std::iter::repeat_n(0, format.size()?)),
                Item::Secret(format) => {
                    let Value::Text(text) = self.values.next()? else { return None };
                    let bytes = crate::hex::decode(text)?;
                    self.sized(format, bytes.len())?;
                    self.out.extend(bytes);
                }
                Item::Columns(count, field) => self.columns(*count, field)?,
                Item::Repeat(count, inner) => self.repeat(*count, inner)?,
            }
        }
        Some(())
    }

    fn columns(&mut self, count: Count, field: &Field) -> Option<()> {
        let mut times = Vec::new();
        for _ in 0..self.times(count) {
            let length = field.occurrence.as_ref()?.len();
            self.field(field)?;
            times.extend(self.out.drain(self.out.len() - length..));
        }
        self.out.extend(times);
        Some(())
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

    fn repeat(&mut self, count: Count, inner: &[Item]) -> Option<()> {
        let count = self.times(count);
        let until_end = count == usize::MAX;
        for _ in 0..count {
            if until_end && self.values.len() == 0 {
                break;
            }
            self.items(inner)?;
        }
        Some(())
    }

    /// Whether so many bytes are what the format has room for.
    fn sized(&self, format: &Format, length: usize) -> Option<()> {
        let room = match format {
            Format::Text { size, .. } | Format::Hex { size, .. } | Format::Mask(size) => match size {
                Size::Fixed(bytes) => Some(usize::from(*bytes)),
                Size::Slot(slot, less) => {
                    Some((self.slots[usize::from(*slot)] as usize).checked_sub(usize::from(*less))?)
                }
                Size::Rest => None,
            },
            _ => format.size(),
        };
        room.is_none_or(|room| room == length).then_some(())
    }

    fn field(&mut self, field: &Field) -> Option<()> {
        let value = self.values.next()?;
        let from = self.out.len();
        match (&field.format, value) {
            (format, Value::Null) => {
                let NoData(filler) = self.no_data;
                self.out.extend(std::iter::repeat_n(filler, format.size()?));
                if has_weekday(format) {
                    self.values.next()?;
                }
            }
            (Format::Time(parts), Value::Time(stamp)) if has_weekday(&field.format) => {
                let Value::Number(weekday) = self.values.next()? else { return None };
                let weekday = u8::try_from(weekday.digits).ok().filter(|day| *day < 8)?;
                write_time(stamp, weekday, parts, &mut self.out)?;
            }
            (format, value) => format.write(value, &mut self.out)?,
        }
        self.sized(&field.format, self.out.len() - from)?;
        if let Some(parts) = &field.occurrence {
            match self.values.next()? {
                Value::Time(stamp) => write_time(stamp, 0, parts, &mut self.out)?,
                Value::Null => self.out.extend(std::iter::repeat_n(self.no_data.0, parts.len())),
                _ => return None,
            }
        }
        Some(())
    }
}

fn has_weekday(format: &Format) -> bool {
    matches!(format, Format::Time(parts) if parts.iter().any(|p| matches!(p, Part::WeekdayMonth | Part::Weekday)))
}
