//! The layout notation of the catalogue: what follows what in the data of one identifier.
//!
//! ```text
//! layout  := alternative ( " | " alternative )*        chosen by the length of the data alone
//! item    := field | slot | repeat | skip
//! field   := quantity [ "." phase | ".#" ] [ "/" kind ] [ "!" ] ":" FORMAT [ "@" TIMEFORMAT ]
//! slot    := LETTER "=" FORMAT                          a number that a length or a count refers to
//! repeat  := "[" count "]{" item* "}"                   count: 4, M, M+1 or * (until the data ends)
//! skip    := "-:" FORMAT                                reserved bytes
//! ```
//! `.#` takes the tariff (and the index) from the innermost repeat, 0 first. `!` marks the device's own time of the
//! values that follow. `@` is the time of occurrence right behind a value. Formats: [`crate::format`].

use keyacct_model::{Kind, Phase, Quantity};

use crate::format::{Bit, Format, Part, Size};
use crate::register::RegisterFormat;

/// A field of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What it is.
    pub quantity: Quantity,
    /// Its phase; none takes the row's.
    pub phase: Option<Phase>,
    /// Whether the innermost repeat counts tariffs.
    pub counted: bool,
    /// Its kind; none takes the row's.
    pub kind: Option<Kind>,
    /// Whether it is the device's own time of what follows.
    pub stamps: bool,
    /// How it is written.
    pub format: Format,
    /// Format of the time of occurrence right behind it.
    pub occurrence: Option<Vec<Part>>,
}

/// How often a group repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Always as often.
    Fixed(u16),
    /// As the slot says, plus this.
    Slot(u8, u16),
    /// Until the data ends.
    Rest,
}

/// An item of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A value.
    Field(Field),
    /// A number that later items refer to.
    Slot(u8, Format),
    /// A group that repeats.
    Repeat(Count, Vec<Item>),
    /// Reserved bytes.
    Skip(Format),
}

/// A layout: alternatives by length, never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(pub Vec<Vec<Item>>);

impl Layout {
    /// A layout of one field.
    pub fn single(field: Field) -> Layout {
        Layout(vec![vec![Item::Field(field)]])
    }

    /// The alternative for data of this length. A single layout takes any length and ends early; of several the length
    /// alone decides, so data of another length have none: a wrong guess would shift every value.
    pub fn choose(&self, length: usize) -> Option<&[Item]> {
        if let [only] = &self.0[..] {
            return Some(only);
        }
        let exact = self.0.iter().find(|items| fixed_size(items) == Some(length));
        exact.or_else(|| self.0.iter().find(|items| fixed_size(items).is_none())).map(Vec::as_slice)
    }

    /// The usual alternative: that of a block's members and of what is written.
    pub fn usual(&self) -> &[Item] {
        self.0.first().map_or(&[], Vec::as_slice)
    }

    /// Parses the notation.
    ///
    /// # Errors
    /// A sentence that names the part that cannot be read.
    pub fn parse(text: &str) -> Result<Layout, String> {
        let alternatives = text.split(" | ").map(|part| {
            let mut words = Words { rest: part.trim(), depth: 0 };
            words.items()
        });
        let all = alternatives.collect::<Result<Vec<_>, _>>()?;
        if all.iter().any(Vec::is_empty) {
            return Err("the layout is empty".into());
        }
        Ok(Layout(all))
    }
}

/// Bytes of a layout, where they are always the same.
pub fn fixed_size(items: &[Item]) -> Option<usize> {
    items.iter().try_fold(0, |sum: usize, item| {
        let size = match item {
            Item::Field(field) => field.format.size()? + field.occurrence.as_ref().map_or(0, Vec::len),
            Item::Slot(_, format) | Item::Skip(format) => format.size()?,
            Item::Repeat(Count::Fixed(count), inner) => {
                fixed_size(inner)?.checked_mul(usize::from(*count))?
            }
            Item::Repeat(..) => return None,
        };
        sum.checked_add(size)
    })
}

struct Words<'t> {
    rest: &'t str,
    depth: u8,
}

impl Words<'_> {
    fn items(&mut self) -> Result<Vec<Item>, String> {
        let mut items = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() {
                return if self.depth == 0 { Ok(items) } else { Err("a `{` has no `}`".into()) };
            }
            if let Some(rest) = self.rest.strip_prefix('}') {
                self.rest = rest;
                if self.depth == 0 {
                    return Err("a `}` has no `{`".into());
                }
                return Ok(items);
            }
            if let Some(rest) = self.rest.strip_prefix('[') {
                let (count, body) = rest.split_once("]{").ok_or("a repeat is written [count]{…}")?;
                self.rest = body;
                if self.depth >= 8 {
                    return Err("repeats are nested too deep".into());
                }
                let count = parse_count(count)?;
                self.depth += 1;
                let inner = self.items()?;
                self.depth -= 1;
                if matches!(count, Count::Rest) && fixed_size(&inner) == Some(0) || inner.is_empty() {
                    return Err("a repeat holds nothing".into());
                }
                items.push(Item::Repeat(count, inner));
                continue;
            }
            let end = self.rest.find([' ', '}']).unwrap_or(self.rest.len());
            let (word, rest) = self.rest.split_at(end);
            self.rest = rest;
            items.push(parse_item(word)?);
        }
    }
}

fn slot_number(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [letter @ b'A'..=b'Z'] => Some(letter - b'A'),
        _ => None,
    }
}

fn parse_count(text: &str) -> Result<Count, String> {
    if text == "*" {
        return Ok(Count::Rest);
    }
    if let Ok(count) = text.parse() {
        return Ok(Count::Fixed(count));
    }
    let (name, plus) = text.split_once('+').unwrap_or((text, "0"));
    let slot = slot_number(name).ok_or_else(|| format!("{text:?} is no count"))?;
    let plus = plus.parse().map_err(|_| format!("{text:?} is no count"))?;
    Ok(Count::Slot(slot, plus))
}

fn parse_item(word: &str) -> Result<Item, String> {
    if let Some((name, format)) = word.split_once('=')
        && let Some(slot) = slot_number(name)
    {
        return Ok(Item::Slot(slot, parse_format(format)?));
    }
    let (name, format) = word.split_once(':').ok_or_else(|| format!("{word:?} has no `:FORMAT`"))?;
    if name == "-" {
        return Ok(Item::Skip(parse_format(format)?));
    }
    let (name, stamps) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
    let (name, kind) = match name.split_once('/') {
        Some((name, kind)) => {
            (name, Some(Kind::by_name(kind).ok_or_else(|| format!("{kind:?} is no kind"))?))
        }
        None => (name, None),
    };
    let (name, counted) = name.strip_suffix(".#").map_or((name, false), |name| (name, true));
    let (quantity, phase) = parse_quantity(name)?;
    let (format, occurrence) = parse_value_format(format)?;
    Ok(Item::Field(Field { quantity, phase, counted, kind, stamps, format, occurrence }))
}

fn parse_quantity(name: &str) -> Result<(Quantity, Option<Phase>), String> {
    let (name, phase) = match name.split_once('.') {
        Some((name, phase)) => {
            (name, Some(Phase::by_name(phase).ok_or_else(|| format!("{phase:?} is no phase"))?))
        }
        None => (name, None),
    };
    let quantity = Quantity::by_name(name)
        .ok_or_else(|| format!("unknown quantity {name:?}; the nearest is {:?}", Quantity::nearest(name)))?;
    Ok((quantity, phase))
}

/// A format with the time of occurrence that may follow it: `XX.XXXX@YYMMDDhhmm`.
///
/// # Errors
/// A sentence that names the part that cannot be read.
pub fn parse_value_format(text: &str) -> Result<(Format, Option<Vec<Part>>), String> {
    let Some((value, time)) = text.split_once('@') else { return Ok((parse_format(text)?, None)) };
    let parts = parse_parts(time).ok_or_else(|| format!("{time:?} is no time format"))?;
    Ok((parse_format(value)?, Some(parts)))
}

fn parse_parts(text: &str) -> Option<Vec<Part>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let pair = |n: usize| {
        Some(match &text[n..n + 2] {
            "YY" => Part::Year,
            "MM" => Part::Month,
            "DD" => Part::Day,
            "WW" => Part::Weekday,
            "hh" => Part::Hour,
            "mm" => Part::Minute,
            "ss" => Part::Second,
            _ => return None,
        })
    };
    (0..text.len()).step_by(2).map(pair).collect()
}

fn parse_size(text: &str) -> Option<Size> {
    if let Some(slot) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return if slot == "*" { Some(Size::Rest) } else { slot_number(slot).map(Size::Slot) };
    }
    text.parse().ok().map(Size::Fixed)
}

/// A format in the standard's spelling.
///
/// # Errors
/// A sentence that names the format.
pub fn parse_format(text: &str) -> Result<Format, String> {
    let unknown = || format!("{text:?} is no format");
    if let Some(parts) = parse_parts(text) {
        return Ok(Format::Time(parts));
    }
    let digits = text.strip_prefix('S').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| matches!(b, b'X' | b'N' | b'.')) {
        let scale = digits.split_once('.').map_or(0, |(_, after)| after.len());
        let count = digits.bytes().filter(|b| *b != b'.').count();
        if count % 2 != 0 || count > 18 || digits.bytes().filter(|b| *b == b'.').count() > 1 {
            return Err(unknown());
        }
        return Ok(Format::Bcd {
            bytes: (count / 2) as u8,
            scale: scale as u8,
            signed: text.starts_with('S'),
        });
    }
    let sized = |name: &str| text.strip_prefix(name).map(|rest| parse_size(rest).ok_or_else(unknown));
    if let Some(size) = sized("ASCII") {
        return Ok(Format::Text { size: size?, reversed: true });
    }
    if let Some(size) = sized("TEXT") {
        return Ok(Format::Text { size: size?, reversed: false });
    }
    if let Some(size) = sized("HEX") {
        return Ok(Format::Hex { size: size?, reversed: true });
    }
    if let Some(size) = sized("RAW") {
        return Ok(Format::Hex { size: size?, reversed: false });
    }
    if let Some(Ok(Size::Fixed(bytes))) = sized("BCD") {
        return Ok(Format::Digits(bytes));
    }
    for (name, signed) in [("BIN", false), ("INT", true)] {
        if let Some(rest) = text.strip_prefix(name) {
            let (bytes, scale) = rest.split_once('.').unwrap_or((rest, "0"));
            let bytes = bytes.parse().ok().filter(|n| (1..=8).contains(n)).ok_or_else(unknown)?;
            return Ok(Format::Binary { bytes, signed, scale: scale.parse().map_err(|_| unknown())? });
        }
    }
    if let Some(rest) = text.strip_prefix("BITS") {
        let (bytes, names) = rest.strip_suffix(')').and_then(|r| r.split_once('(')).unwrap_or((rest, ""));
        let bytes: u8 = bytes.parse().ok().filter(|n| (1..=8).contains(n)).ok_or_else(unknown)?;
        let bits = names.split(',').filter(|n| !n.is_empty()).map(|name| parse_bit(name, bytes));
        return Ok(Format::Bits { bytes, bits: bits.collect::<Result<_, _>>()? });
    }
    RegisterFormat::parse(text).map(Format::Register).ok_or_else(unknown)
}

fn parse_bit(text: &str, bytes: u8) -> Result<Bit, String> {
    let bad = || format!("{text:?} is no bit, write 3:quantity or 8-9:quantity.A");
    let (place, name) = text.split_once(':').ok_or_else(bad)?;
    let (low, high) = place.split_once('-').unwrap_or((place, place));
    let (low, high): (u8, u8) = (low.parse().map_err(|_| bad())?, high.parse().map_err(|_| bad())?);
    if low > high || high >= bytes * 8 {
        return Err(bad());
    }
    let (quantity, phase) = parse_quantity(name)?;
    Ok(Bit { low, high, quantity, phase })
}
