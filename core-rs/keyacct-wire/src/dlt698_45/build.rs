//! Typed values and other parts of an APDU, for building one.

use keyacct_model::{Decimal, Stamp, Value};

use super::axdr;
use crate::format::Format;
use crate::layout::{Count, Item, Layout};

/// A typed value.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// No value.
    Null,
    /// Values of one sort.
    Array(Vec<Data>),
    /// Values of several sorts.
    Structure(Vec<Data>),
    /// Truth value.
    Bool(bool),
    /// This many bits, the first one highest in the first byte.
    Bits(u32, Vec<u8>),
    /// 32 bits with sign.
    DoubleLong(i32),
    /// 32 bits.
    DoubleLongUnsigned(u32),
    /// Bytes.
    Octets(Vec<u8>),
    /// Characters.
    Text(String),
    /// Characters in UTF-8.
    Utf8(String),
    /// 8 bits with sign.
    Integer(i8),
    /// 16 bits with sign.
    Long(i16),
    /// 8 bits.
    Unsigned(u8),
    /// 16 bits.
    LongUnsigned(u16),
    /// 64 bits with sign.
    Long64(i64),
    /// 64 bits.
    Long64Unsigned(u64),
    /// One of a list.
    Enum(u8),
    /// Floating-point number of 32 bits.
    Float32(f32),
    /// Floating-point number of 64 bits.
    Float64(f64),
    /// A time to the second; parts that are not known are sent as FFH.
    DateTimeS(Stamp),
    /// Object identifier.
    Oi(u16),
    /// Attribute.
    Oad(u32),
    /// Method.
    Omd(u32),
    /// Length of time: unit (0 s, 1 min, 2 h, 3 day, 4 month, 5 year) and number.
    Ti(u8, u16),
    /// Server address in reading order.
    Tsa(Vec<u8>),
    /// Set of meters.
    Ms(Meters),
    /// Record column.
    Csd(Column),
    /// Any other type: its tag and its bytes.
    Other(u8, Vec<u8>),
}

/// A record column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// One attribute.
    Oad(u32),
    /// Attributes that a record table keeps together.
    Road(u32, Vec<u32>),
}

/// A set of meters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meters {
    /// None.
    None,
    /// All.
    All,
    /// By type of user.
    UserTypes(Vec<u8>),
    /// By address, in reading order.
    Addresses(Vec<Vec<u8>>),
    /// By configuration number.
    Serials(Vec<u16>),
}

/// Which rows of a record table are wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    /// No choice.
    All,
    /// An attribute has this value.
    Equal(u32, Data),
    /// An attribute lies in [begin, end), by steps.
    Range(u32, Data, Data, Data),
    /// Read at this time, from these meters.
    StartTime(Stamp, Meters),
    /// Stored at this time.
    StoreTime(Stamp, Meters),
    /// Begun to be read in [begin, end), by steps (unit, number).
    StartTimes(Stamp, Stamp, (u8, u16), Meters),
    /// Stored in [begin, end).
    StoreTimes(Stamp, Stamp, (u8, u16), Meters),
    /// Read in [begin, end).
    SuccessTimes(Stamp, Stamp, (u8, u16), Meters),
    /// The n-th last one.
    Last(u8),
    /// The last n.
    LastOf(u8, Meters),
}

/// Bytes of an APDU under construction.
#[derive(Debug, Default)]
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    pub fn octets(&mut self, bytes: &[u8]) -> &mut Self {
        axdr::write_length(bytes.len(), &mut self.0);
        self.bytes(bytes)
    }

    /// A server address: its flags are its length, a single address of logical address 0.
    pub fn tsa(&mut self, address: &[u8]) -> &mut Self {
        axdr::write_length(address.len() + 1, &mut self.0);
        self.u8((address.len().max(1) - 1) as u8 & 0x0F).bytes(address)
    }

    pub fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) -> &mut Self {
        axdr::write_length(items.len(), &mut self.0);
        for item in items {
            each(self, item);
        }
        self
    }

    pub fn oads(&mut self, oads: &[u32]) -> &mut Self {
        self.list(oads, |w, oad| {
            w.u32(*oad);
        })
    }

    pub fn stamp(&mut self, stamp: &Stamp) -> &mut Self {
        let part = |v: Option<u8>| v.unwrap_or(0xFF);
        self.u16(stamp.year.unwrap_or(0xFFFF)).bytes(&[
            part(stamp.month),
            part(stamp.day),
            part(stamp.hour),
            part(stamp.minute),
            part(stamp.second),
        ])
    }

    /// A time with its day of the week and milliseconds.
    pub fn long_stamp(&mut self, stamp: &Stamp, weekday: u8) -> &mut Self {
        let part = |v: Option<u8>| v.unwrap_or(0xFF);
        self.u16(stamp.year.unwrap_or(0xFFFF))
            .bytes(&[part(stamp.month), part(stamp.day), weekday])
            .bytes(&[part(stamp.hour), part(stamp.minute), part(stamp.second)])
            .u16(stamp.milli.unwrap_or(0))
    }

    pub fn meters(&mut self, meters: &Meters) -> &mut Self {
        match meters {
            Meters::None => self.u8(0),
            Meters::All => self.u8(1),
            Meters::UserTypes(types) => self.u8(2).list(types, |w, t| {
                w.u8(*t);
            }),
            Meters::Addresses(all) => self.u8(3).list(all, |w, a| {
                w.tsa(a);
            }),
            Meters::Serials(all) => self.u8(4).list(all, |w, n| {
                w.u16(*n);
            }),
        }
    }

    pub fn column(&mut self, column: &Column) -> &mut Self {
        match column {
            Column::Oad(oad) => self.u8(0).u32(*oad),
            Column::Road(road, oads) => self.u8(1).u32(*road).oads(oads),
        }
    }

    pub fn columns(&mut self, columns: &[Column]) -> &mut Self {
        self.list(columns, |w, c| {
            w.column(c);
        })
    }

    pub fn rows(&mut self, rows: &Rows) -> &mut Self {
        let times = |w: &mut Self, selector: u8, from: &Stamp, to: &Stamp, step: (u8, u16), ms: &Meters| {
            w.u8(selector).stamp(from).stamp(to).u8(step.0).u16(step.1).meters(ms);
        };
        match rows {
            Rows::All => self.u8(0),
            Rows::Equal(oad, value) => self.u8(1).u32(*oad).data(value),
            Rows::Range(oad, from, to, step) => self.u8(2).u32(*oad).data(from).data(to).data(step),
            Rows::StartTime(at, ms) => self.u8(4).stamp(at).meters(ms),
            Rows::StoreTime(at, ms) => self.u8(5).stamp(at).meters(ms),
            Rows::StartTimes(from, to, step, ms) => {
                times(self, 6, from, to, *step, ms);
                self
            }
            Rows::StoreTimes(from, to, step, ms) => {
                times(self, 7, from, to, *step, ms);
                self
            }
            Rows::SuccessTimes(from, to, step, ms) => {
                times(self, 8, from, to, *step, ms);
                self
            }
            Rows::Last(n) => self.u8(9).u8(*n),
            Rows::LastOf(n, ms) => self.u8(10).u8(*n).meters(ms),
        }
    }

    pub fn data(&mut self, data: &Data) -> &mut Self {
        match data {
            Data::Null => self.u8(0),
            Data::Array(items) => self.u8(axdr::ARRAY).list(items, |w, d| {
                w.data(d);
            }),
            Data::Structure(items) => self.u8(axdr::STRUCTURE).list(items, |w, d| {
                w.data(d);
            }),
            Data::Bool(value) => self.u8(3).u8(u8::from(*value)),
            Data::Bits(count, bytes) => {
                self.u8(4);
                axdr::write_length(*count as usize, &mut self.0);
                let size = count.div_ceil(8) as usize;
                let given = bytes.iter().copied().chain(std::iter::repeat(0));
                self.0.extend(given.take(size));
                self
            }
            Data::DoubleLong(v) => self.u8(5).bytes(&v.to_be_bytes()),
            Data::DoubleLongUnsigned(v) => self.u8(6).u32(*v),
            Data::Octets(bytes) => self.u8(9).octets(bytes),
            Data::Text(text) => self.u8(10).octets(text.as_bytes()),
            Data::Utf8(text) => self.u8(12).octets(text.as_bytes()),
            Data::Integer(v) => self.u8(15).bytes(&v.to_be_bytes()),
            Data::Long(v) => self.u8(16).bytes(&v.to_be_bytes()),
            Data::Unsigned(v) => self.u8(17).u8(*v),
            Data::LongUnsigned(v) => self.u8(18).u16(*v),
            Data::Long64(v) => self.u8(20).bytes(&v.to_be_bytes()),
            Data::Long64Unsigned(v) => self.u8(21).bytes(&v.to_be_bytes()),
            Data::Enum(v) => self.u8(22).u8(*v),
            Data::Float32(v) => self.u8(23).bytes(&v.to_be_bytes()),
            Data::Float64(v) => self.u8(24).bytes(&v.to_be_bytes()),
            Data::DateTimeS(stamp) => self.u8(28).stamp(stamp),
            Data::Oi(v) => self.u8(80).u16(*v),
            Data::Oad(v) => self.u8(81).u32(*v),
            Data::Omd(v) => self.u8(83).u32(*v),
            Data::Ti(unit, v) => self.u8(84).u8(*unit).u16(*v),
            Data::Tsa(address) => self.u8(85).tsa(address),
            Data::Csd(column) => self.u8(91).column(column),
            Data::Ms(meters) => self.u8(92).meters(meters),
            Data::Other(tag, bytes) => self.u8(*tag).bytes(bytes),
        }
    }
}

impl Data {
    /// The bytes of the value, its tag first.
    pub fn emit(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.data(self);
        writer.0
    }

    /// One value as the catalogue's format says that it is sent. None when it does not fit.
    pub fn of(format: &Format, value: &Value) -> Option<Data> {
        Some(match (format, value) {
            (_, Value::Null) => Data::Null,
            (Format::Binary { bytes, signed, scale, .. }, Value::Number(number)) => {
                let digits = rescale(*number, *scale)?;
                match (bytes, signed) {
                    (1, true) => Data::Integer(digits.try_into().ok()?),
                    (2, true) => Data::Long(digits.try_into().ok()?),
                    (4, true) => Data::DoubleLong(digits.try_into().ok()?),
                    (_, true) => Data::Long64(digits),
                    (1, false) => Data::Unsigned(digits.try_into().ok()?),
                    (2, false) => Data::LongUnsigned(digits.try_into().ok()?),
                    (4, false) => Data::DoubleLongUnsigned(digits.try_into().ok()?),
                    (_, false) => Data::Long64Unsigned(digits.try_into().ok()?),
                }
            }
            (Format::Time(_), Value::Time(stamp)) => Data::DateTimeS(*stamp),
            (Format::Text { .. }, Value::Text(text)) => Data::Text(text.clone()),
            (Format::Bits { bytes, .. }, Value::Text(text)) => {
                Data::Bits(u32::from(*bytes) * 8, crate::hex::decode(text)?)
            }
            (_, Value::Text(text)) => Data::Octets(crate::hex::decode(text)?),
            _ => return None,
        })
    }

    /// The data of an attribute from the values of its row in the catalogue, in their order; a time of occurrence is a
    /// value of its own behind the one it belongs to. None when a value does not fit or some are left over.
    pub fn of_row(layout: &Layout, values: &[Value]) -> Option<Data> {
        let mut values = values.iter();
        let items = layout.0.first()?;
        let data = match items.as_slice() {
            [item] => Self::of_item(item, &mut values)?,
            items => Data::Array(Self::of_items(items, &mut values)?),
        };
        (values.len() == 0).then_some(data)
    }

    fn of_items(items: &[Item], values: &mut std::slice::Iter<'_, Value>) -> Option<Vec<Data>> {
        let mut all = Vec::new();
        for item in items {
            if values.len() == 0 {
                break; // a device may send fewer than the row has: two phases, no neutral
            }
            all.push(Self::of_item(item, values)?);
        }
        Some(all)
    }

    fn of_item(item: &Item, values: &mut std::slice::Iter<'_, Value>) -> Option<Data> {
        match item {
            Item::Field(field) | Item::Count(_, field) => {
                let value = Self::of(&field.format, values.next()?)?;
                if field.occurrence.is_none() {
                    return Some(value);
                }
                let time = match values.next()? {
                    Value::Time(stamp) => Data::DateTimeS(*stamp),
                    _ => Data::Null,
                };
                Some(Data::Structure(vec![value, time]))
            }
            Item::Repeat(Count::Fixed(1), inner) => Some(Data::Structure(Self::of_items(inner, values)?)),
            Item::Repeat(_, inner) => {
                let mut all = Vec::new();
                while values.len() > 0 {
                    all.push(match inner.as_slice() {
                        [item] => Self::of_item(item, values)?,
                        items => Data::Structure(Self::of_items(items, values)?),
                    });
                }
                Some(Data::Array(all))
            }
            Item::Slot(..) | Item::Skip(_) | Item::Secret(_) => Some(Data::Null),
            Item::Columns(..) => None, // values before times is a form of 1376.1, typed data have none
        }
    }
}

/// The digits of a number at another scale; none when digits would be lost.
fn rescale(number: Decimal, scale: u8) -> Option<i64> {
    if number.scale <= scale {
        return number.digits.checked_mul(10i64.checked_pow(u32::from(scale - number.scale))?);
    }
    let ten = 10i64.checked_pow(u32::from(number.scale - scale))?;
    (number.digits % ten == 0).then_some(number.digits / ten)
}
