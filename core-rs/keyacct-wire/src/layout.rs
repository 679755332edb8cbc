//! The layout notation of the catalogue: what follows what in the data of one identifier.
//!
//! ```text
//! layout  := alternative ( " | " alternative )*        chosen by the length of the data alone
//! item    := field | slot | repeat | skip | secret | "()"      "()" alone: no data
//! field   := quantity [ "." phase | ".#" | ".#1" | ".n" ] [ "/" kind ] [ "!" ] ":" FORMAT [ ("@" | "@@") TIMEFORMAT ]
//! slot    := LETTER "=" [ quantity ":" ] FORMAT         a number that a length or a count refers to
//! repeat  := "[" count "]{" item* "}"                   count: 4, M, M+1, #M (bits set in M) or * (until the data ends)
//! columns := "[" count "]/{" field "}"                  one field with `@`: all its values, then all their times
//! skip    := "-:" FORMAT                                reserved bytes
//! secret  := "*:" FORMAT                                a password: told that it is there, never its bytes
//! ```
//! `.#` takes the tariff (and the index) from the innermost repeat, 0 first (`.#1`: 1 first); `.n` takes the index only,
//! 1 first, or the number of the bit from 1 in a repeat over bits. `!` marks the device's own time of the values that
//! follow. `@` is the time of occurrence right behind a value; `@@` also tells it as a value of its own. Formats:
//! [`crate::format`].

use keyacct_model::{Kind, Phase, Quantity};

use crate::annex_a;
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
    /// Added to the tariff, or to the index of the innermost repeat where `indexed`.
    pub first: u8,
    /// Whether the innermost repeat gives the index.
    pub indexed: bool,
    /// Its kind; none takes the row's.
    pub kind: Option<Kind>,
    /// Whether it is the device's own time of what follows.
    pub stamps: bool,
    /// How it is written.
    pub format: Format,
    /// Format of the time of occurrence right behind it.
    pub occurrence: Option<Vec<Part>>,
    /// Whether that time is also told as a value.
    pub tells_occurrence: bool,
}

/// How often a group repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Always as often.
    Fixed(u16),
    /// As the slot says, plus this.
    Slot(u8, u16),
    /// Once for each bit that is set in the slot.
    Bits(u8),
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
    /// A value that later items refer to.
    Count(u8, Field),
    /// A password.
    Secret(Format),
    /// A group that repeats.
    Repeat(Count, Vec<Item>),
    /// A field that repeats, all its values before all their times of occurrence.
    Columns(Count, Field),
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
            if part.trim() == "()" {
                return Ok(Vec::new());
            }
            let mut words = Words { rest: part.trim(), depth: 0 };
            words.items()
        });
        let all = alternatives.collect::<Result<Vec<_>, _>>()?;
        if text.trim().is_empty() {
            return Err("the layout is empty; no data is written ()".into());
        }
        Ok(Layout(all))
    }
}

/// Bytes of a layout, where they are always the same.
pub fn fixed_size(items: &[Item]) -> Option<usize> {
    items.iter().try_fold(0, |sum: usize, item| {
        let size = match item {
            Item::Field(field) | Item::Count(_, field) => {
                field.format.size()? + field.occurrence.as_ref().map_or(0, Vec::len)
            }
            Item::Slot(_, format) | Item::Skip(format) | Item::Secret(format) => format.size()?,
            Item::Repeat(Count::Fixed(count), inner) => {
                fixed_size(inner)?.checked_mul(usize::from(*count))?
            }
            Item::Columns(Count::Fixed(count), field) => {
                let one = field.format.size()? + field.occurrence.as_ref().map_or(0, Vec::len);
                one.checked_mul(usize::from(*count))?
            }
            Item::Repeat(..) | Item::Columns(..) => return None,
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
                let (count, body) = rest.split_once(']').ok_or("a repeat is written [count]{…}")?;
                let columns = body.strip_prefix('/');
                self.rest =
                    columns.unwrap_or(body).strip_prefix('{').ok_or("a repeat is written [count]{…}")?;
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
                if columns.is_some() {
                    match (<[Item; 1]>::try_from(inner), count) {
                        (Ok([Item::Field(field)]), Count::Fixed(_) | Count::Slot(..))
                            if field.occurrence.is_some() =>
                        {
                            items.push(Item::Columns(count, field));
                        }
                        _ => return Err("columns are [count]/{one field with a time of occurrence}".into()),
                    }
                    continue;
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
    if let Some(slot) = text.strip_prefix('#') {
        return slot_number(slot).map(Count::Bits).ok_or_else(|| format!("{text:?} is no count"));
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
        if !format.contains(':') {
            return Ok(Item::Slot(slot, parse_format(format)?));
        }
        return match parse_item(format)? {
            Item::Field(field) => Ok(Item::Count(slot, field)),
            _ => Err(format!("{word:?} names no quantity")),
        };
    }
    let (name, format) = word.split_once(':').ok_or_else(|| format!("{word:?} has no `:FORMAT`"))?;
    if name == "-" {
        return Ok(Item::Skip(parse_format(format)?));
    }
    if name == "*" {
        return Ok(Item::Secret(parse_format(format)?));
    }
    let (name, stamps) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
    let (name, kind) = match name.split_once('/') {
        Some((name, kind)) => {
            (name, Some(Kind::by_name(kind).ok_or_else(|| format!("{kind:?} is no kind"))?))
        }
        None => (name, None),
    };
    let (name, counted, indexed, first) = match name.rsplit_once('.') {
        Some((name, "#")) => (name, true, false, 0),
        Some((name, "#1")) => (name, true, false, 1),
        Some((name, "n")) => (name, false, true, 1),
        _ => (name, false, false, 0),
    };
    let tells_occurrence = format.contains("@@");
    let (quantity, phase) = parse_quantity(name)?;
    let (format, occurrence) = parse_value_format(format)?;
    Ok(Item::Field(Field {
        quantity,
        phase,
        counted,
        first,
        indexed,
        kind,
        stamps,
        format,
        occurrence,
        tells_occurrence,
    }))
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
    let time = time.strip_prefix('@').unwrap_or(time);
    let parts = parse_parts(annex_a::spelling(time).unwrap_or(time))
        .ok_or_else(|| format!("{time:?} is no time format"))?;
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
            "wM" => Part::WeekdayMonth,
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
        let (slot, less) = slot.split_once('-').unwrap_or((slot, "0"));
        return match slot {
            "*" => Some(Size::Rest),
            slot => Some(Size::Slot(slot_number(slot)?, less.parse().ok()?)),
        };
    }
    text.parse().ok().map(Size::Fixed)
}

/// A format in the standard's spelling.
///
/// # Errors
/// A sentence that names the format.
pub fn parse_format(text: &str) -> Result<Format, String> {
    let unknown = || format!("{text:?} is no format");
    match text {
        "A2" => return Ok(Format::Power10),
        "A3" => return Ok(Format::Thousands { scale: 0 }),
        "A3Y" => return Ok(Format::Thousands { scale: 3 }),
        "IP4" => return Ok(Format::Ip4),
        "DADT" => return Ok(Format::PointFunction),
        _ => {}
    }
    let text = annex_a::spelling(text).unwrap_or(text);
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
    if let Some(size) = sized("MASK") {
        return Ok(Format::Mask(size?));
    }
    if let Some(Ok(Size::Fixed(bytes))) = sized("PHONE") {
        return Ok(Format::Phone(bytes));
    }
    if let Some(Ok(Size::Fixed(bytes))) = sized("BCD") {
        return Ok(Format::Digits(bytes));
    }
    for (name, signed, nullable) in [("BIN", false, false), ("NBIN", false, true), ("INT", true, false)] {
        if let Some(rest) = text.strip_prefix(name) {
            let (bytes, scale) = rest.split_once('.').unwrap_or((rest, "0"));
            let bytes = bytes.parse().ok().filter(|n| (1..=8).contains(n)).ok_or_else(unknown)?;
            return Ok(Format::Binary {
                bytes,
                signed,
                scale: scale.parse().map_err(|_| unknown())?,
                nullable,
            });
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
