//! The register catalogue: which data identifier means what, as rows of a table that a reviewer can hold beside the
//! standard's annex.
//!
//! Tab-separated columns, the first line names them; `#` begins a comment line:
//!
//! ```text
//! key          name                quantity       phase  tariff  kind         format     unit  access  source
//! 02010{p}00   voltage{p}          voltage        {p}    -       snapshot     XXX.X      V     r       …
//! 0201FF00     voltage_block       = 0201{p}00                                                 r       …
//! 0310{q}{s}   voltage_compliance  {}             {q}    -       statistic    a:XX b:XX        r       …
//! ```
//! A key is hex, two digits a byte; a byte may be a variable: `{t}` tariff 00..3F, `{s}` settlement 00..0C, `{p}` phase
//! A B C as 01..03, `{q}` the same with 00 total, `{n}` one of the last ten 01..0A, or with its range `{n=01..3E}`.
//! DL/T 645-1997 counts in half a byte: of `{l=10..1E}` and `{i=21..2E}` the low digit is the tariff, the index.
//! The same variable may stand in name, phase and tariff; `{s}` and `{n}` become the reading's index, and a kind
//! `register{s}` is `freeze_settlement` for s > 0; a kind `demand#2` sets the index where no byte of the key says it.
//! A quantity `= KEY` is a block: the rows that KEY runs through, in their order, until the data ends. A quantity `{}`
//! says that the format column holds a [`crate::layout`].

use std::collections::HashMap;

use keyacct_model::{Error, ErrorCode, Kind, Phase, Quantity, Unit};

use crate::layout::{Field, Layout, parse_value_format};

/// The columns of a catalogue file, in order.
pub const COLUMNS: [&str; 10] =
    ["key", "name", "quantity", "phase", "tariff", "kind", "format", "unit", "access", "source"];

/// A byte of a key that varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its letter: t, s, p, q, n or another one.
    pub letter: char,
    /// Place of its byte in the key, as a shift.
    pub shift: u8,
    /// Lowest value.
    pub low: u8,
    /// Highest value.
    pub high: u8,
}

/// A key with variable bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The fixed bytes.
    pub fixed: u64,
    /// Ones where the key is fixed.
    pub mask: u64,
    /// The variable bytes.
    pub variables: Vec<Variable>,
    /// Hex digits.
    pub digits: u8,
}

/// What the variable bytes of a key say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Tariff, from `{t}`.
    pub tariff: Option<u8>,
    /// Phase number, from `{p}` or `{q}`.
    pub phase: Option<u8>,
    /// Which of the last ones, from `{s}`, `{n}` or another letter.
    pub index: Option<u8>,
    /// Whether `{s}` is there and not 0.
    pub settled: bool,
}

/// Phase of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseOf {
    /// Always this one.
    Fixed(Phase),
    /// As the key says.
    Key,
}

/// Rows that a block runs through: one row, one variable byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Index of the row.
    pub row: usize,
    /// Key with the running byte and the bound bytes at zero.
    pub base: u64,
    /// Ones where the block's own key gives the bytes.
    pub bound: u64,
    /// Shift of the running byte.
    pub shift: u8,
    /// First value.
    pub low: u8,
    /// Last value.
    pub high: u8,
}

/// What a row says about the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Fields one after another.
    Layout(Layout),
    /// Other rows one after another.
    Block(Vec<Segment>),
}

/// One row of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its key.
    pub pattern: Pattern,
    /// Name, with variables.
    pub name: String,
    /// Phase of fields that name none.
    pub phase: PhaseOf,
    /// Tariff of fields that count none; none when the key says it.
    pub tariff: Option<u8>,
    /// Index of rows whose key has no byte for it.
    pub index: u8,
    /// Kind of fields that name none.
    pub kind: Kind,
    /// What the data are.
    pub body: Body,
    /// `r`, `w` or `rw`.
    pub access: String,
    /// Where the row comes from.
    pub source: String,
    /// Key, quantity and format as the file spells them.
    pub spelled: [String; 3],
    /// File and line.
    pub place: (String, u64),
}

/// The rows of one protocol.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    rows: Vec<Row>,
    groups: Vec<(u64, HashMap<u64, Vec<usize>>)>,
}

fn bad(file: &str, line: u64, what: impl Into<String>) -> Error {
    Error::new(ErrorCode::InputCatalogue, what)
        .in_file(file)
        .at(|p| p.line = Some(line))
        .hint("mend the row; `keyacct registers --help` names the columns")
}

impl Pattern {
    /// Reads a key such as `0001{t}{s}`.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let wrong = || {
            format!("{text:?} is no key: hex digits in pairs, {{t}} or {{n=01..0A}} for a byte that varies")
        };
        let (mut fixed, mut mask, mut variables, mut digits) = (0u64, 0u64, Vec::new(), 0u8);
        let mut rest = text;
        while !rest.is_empty() {
            if digits >= 16 {
                return Err(wrong());
            }
            fixed <<= 8;
            mask <<= 8;
            variables.iter_mut().for_each(|v: &mut Variable| v.shift += 8);
            digits += 2;
            if let Some(inner) = rest.strip_prefix('{') {
                let (variable, after) = inner.split_once('}').ok_or_else(wrong)?;
                rest = after;
                let (name, range) = variable.split_once('=').unwrap_or((variable, ""));
                let letter = match name.as_bytes() {
                    [b @ b'a'..=b'z'] => char::from(*b),
                    _ => return Err(wrong()),
                };
                let (low, high) = match (range, letter) {
                    ("", 't') => (0, 0x3F),
                    ("", 's') => (0, 0x0C),
                    ("", 'p') => (1, 3),
                    ("", 'q') => (0, 3),
                    ("", 'n') => (1, 0x0A),
                    (range, _) => {
                        let (low, high) = range.split_once("..").ok_or_else(wrong)?;
                        let byte = |t| u8::from_str_radix(t, 16).map_err(|_| wrong());
                        (byte(low)?, byte(high)?)
                    }
                };
                if low > high || variables.iter().any(|v| v.letter == letter) {
                    return Err(wrong());
                }
                variables.push(Variable { letter, shift: 0, low, high });
            } else {
                let pair = rest.get(..2).and_then(|p| u8::from_str_radix(p, 16).ok()).ok_or_else(wrong)?;
                fixed |= u64::from(pair);
                mask |= 0xFF;
                rest = &rest[2..];
            }
        }
        if digits == 0 { Err(wrong()) } else { Ok(Pattern { fixed, mask, variables, digits }) }
    }

    /// Whether a key is one of these.
    pub fn matches(&self, key: u64) -> bool {
        key & self.mask == self.fixed
            && (self.digits >= 16 || key >> (u32::from(self.digits) * 4) == 0)
            && self.variables.iter().all(|v| {
                let byte = (key >> v.shift) as u8;
                (v.low..=v.high).contains(&byte)
            })
    }

    /// What the variable bytes of a key say.
    pub fn bind(&self, key: u64) -> Bound {
        let mut bound = Bound::default();
        for v in &self.variables {
            let byte = (key >> v.shift) as u8;
            match v.letter {
                't' => bound.tariff = Some(byte),
                'l' => bound.tariff = Some(byte & 0x0F),
                'i' => bound.index = Some(byte & 0x0F),
                'p' | 'q' => bound.phase = Some(byte),
                's' => {
                    bound.index = Some(byte);
                    bound.settled = byte > 0;
                }
                _ => bound.index = Some(byte),
            }
        }
        bound
    }

    fn overlaps(&self, other: &Pattern) -> bool {
        self.digits == other.digits
            && (0..self.digits / 2).all(|n| {
                let shift = n * 8;
                let range = |p: &Pattern| {
                    p.variables.iter().find(|v| v.shift == shift).map_or_else(
                        || ((p.fixed >> shift) as u8, (p.fixed >> shift) as u8),
                        |v| (v.low, v.high),
                    )
                };
                let ((a, b), (c, d)) = (range(self), range(other));
                a <= d && c <= b
            })
    }
}

impl Row {
    /// The name of one key of this row: `voltage{p}` gives `voltage_a`, `active_import{t}{s}` gives `active_import_t1`.
    pub fn name_of(&self, key: u64) -> String {
        let mut name = self.name.clone();
        for v in &self.pattern.variables {
            let byte = (key >> v.shift) as u8;
            let text = match (v.letter, byte) {
                ('p' | 'q', 0) => "_total".to_owned(),
                ('p' | 'q', 1..=3) => format!("_{}", ["a", "b", "c"][usize::from(byte) - 1]),
                ('l', n) if n & 0x0F == 0 => String::new(),
                ('l', n) => format!("_t{}", n & 0x0F),
                ('i', n) => format!("_{}", n & 0x0F),
                ('t' | 's', 0) => String::new(),
                ('t', n) => format!("_t{n}"),
                ('s', n) => format!("_settlement{n}"),
                (_, n) => format!("_{n}"),
            };
            name = name.replace(&format!("{{{}}}", v.letter), &text);
        }
        name
    }
}

impl Catalogue {
    /// All rows, in the order of their files.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Adds the rows of a file. A file may add keys; it may not say a known key again.
    ///
    /// # Errors
    /// `input.catalogue` with file and line: columns, key, quantity, unit, format, or a key that is there already.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), Error> {
        let mut header = false;
        for (number, line) in text.lines().enumerate() {
            let number = number as u64 + 1;
            let line = line.trim_end_matches('\r').trim_start_matches('\u{feff}');
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let mut cells: Vec<&str> = line.split('\t').map(str::trim).collect();
            cells.resize(cells.len().max(COLUMNS.len()), "");
            if !header {
                if cells != COLUMNS {
                    return Err(bad(
                        file,
                        number,
                        format!("the first line must name the columns: {}", COLUMNS.join(", ")),
                    ));
                }
                header = true;
                continue;
            }
            let row = self.parse_row(file, number, &cells).map_err(|what| bad(file, number, what))?;
            if let Some(old) = self.rows.iter().find(|old| old.pattern.overlaps(&row.pattern)) {
                let what = format!("key {} is there already: {} line {}", cells[0], old.place.0, old.place.1);
                return Err(bad(file, number, what));
            }
            let at = self.rows.len();
            let group = self.groups.iter().position(|(mask, _)| *mask == row.pattern.mask);
            let group = group.unwrap_or_else(|| {
                self.groups.push((row.pattern.mask, HashMap::new()));
                self.groups.len() - 1
            });
            self.groups[group].1.entry(row.pattern.fixed).or_default().push(at);
            self.rows.push(row);
        }
        if header { Ok(()) } else { Err(bad(file, 1, "the file holds no rows")) }
    }

    /// The row of a key.
    pub fn find(&self, key: u64) -> Option<(usize, &Row)> {
        for (mask, group) in &self.groups {
            for at in group.get(&(key & mask)).into_iter().flatten() {
                if self.rows[*at].pattern.matches(key) {
                    return Some((*at, &self.rows[*at]));
                }
            }
        }
        None
    }

    /// The key of a register by its name (`voltage_a`) or by the key itself (`02010100`).
    pub fn key_of(&self, name: &str) -> Option<u64> {
        if let Ok(key) = u64::from_str_radix(name, 16)
            && self.find(key).is_some_and(|(_, row)| usize::from(row.pattern.digits) == name.len())
        {
            return Some(key);
        }
        self.rows.iter().find_map(|row| {
            let stem = row.name.split('{').next().unwrap_or("");
            if !name.starts_with(stem) {
                return None;
            }
            keys(&row.pattern).find(|key| row.name_of(*key) == name)
        })
    }

    fn parse_row(&self, file: &str, line: u64, cells: &[&str]) -> Result<Row, String> {
        let [key, name, quantity, phase, tariff, kind, format, unit, access, source] = cells else {
            return Err(format!("{} columns, {} are needed", cells.len(), COLUMNS.len()));
        };
        let pattern = Pattern::parse(key)?;
        if name.is_empty() {
            return Err("the name is empty".into());
        }
        let phase = match *phase {
            "-" | "" => PhaseOf::Fixed(Phase::None),
            "{p}" | "{q}" => PhaseOf::Key,
            word => PhaseOf::Fixed(Phase::by_name(word).ok_or_else(|| format!("{word:?} is no phase"))?),
        };
        let tariff_of = match *tariff {
            "-" | "total" | "" => Some(0),
            "{t}" | "{l}" => None,
            number => Some(
                number.parse().ok().filter(|n| *n <= 63).ok_or_else(|| format!("{number:?} is no tariff"))?,
            ),
        };
        let is_block = quantity.starts_with('=');
        let (kind, index) = kind.split_once('#').unwrap_or((kind, "0"));
        let index = index.parse().map_err(|_| format!("{index:?} is no index"))?;
        let kind_name = kind.strip_suffix("{s}").unwrap_or(kind);
        let kind = match Kind::by_name(kind_name) {
            Some(kind) => kind,
            None if is_block => Kind::Register,
            None => return Err(format!("{kind_name:?} is no kind")),
        };
        let body = if let Some(members) = quantity.strip_prefix('=') {
            Body::Block(self.segments(&pattern, &Pattern::parse(members.trim())?)?)
        } else if *quantity == "{}" {
            Body::Layout(Layout::parse(format)?)
        } else {
            let known = Quantity::by_name(quantity).ok_or_else(|| {
                format!("unknown quantity {quantity:?}; the nearest is {:?}", Quantity::nearest(quantity))
            })?;
            let (format, occurrence) = parse_value_format(format)?;
            let unit = Unit::by_name(if *unit == "-" { "" } else { unit })
                .ok_or_else(|| format!("{unit:?} is no unit"))?;
            let fits = if format.is_number() { known.unit() } else { Unit::None };
            if unit != fits {
                return Err(format!("unit {unit} does not fit {quantity}, which has {:?}", fits.as_str()));
            }
            Body::Layout(Layout::single(Field {
                quantity: known,
                phase: None,
                counted: false,
                first: 0,
                indexed: false,
                kind: None,
                stamps: false,
                format,
                occurrence,
                tells_occurrence: false,
            }))
        };
        Ok(Row {
            pattern,
            name: (*name).to_owned(),
            phase,
            tariff: tariff_of,
            index,
            kind,
            body,
            access: (*access).to_owned(),
            source: (*source).to_owned(),
            spelled: [(*key).to_owned(), (*quantity).to_owned(), (*format).to_owned()],
            place: (file.to_owned(), line),
        })
    }

    /// The rows that a block runs through. Variables that the block's own key has are bound, one other one runs.
    fn segments(&self, block: &Pattern, members: &Pattern) -> Result<Vec<Segment>, String> {
        let own = |v: &&Variable| block.variables.iter().any(|b| b.letter == v.letter && b.shift == v.shift);
        let running: Vec<_> = members.variables.iter().filter(|v| !own(v)).collect();
        let [running] = running[..] else {
            return Err("a block runs through exactly one variable byte".into());
        };
        let bound = members.variables.iter().filter(own).fold(0u64, |mask, v| mask | 0xFF << v.shift);
        let start = members
            .variables
            .iter()
            .filter(own)
            .fold(members.fixed, |key, v| key | u64::from(v.low) << v.shift);
        let mut segments: Vec<Segment> = Vec::new();
        for value in running.low..=running.high {
            let Some((row, _)) = self.find(start | u64::from(value) << running.shift) else { continue };
            match segments.last_mut() {
                Some(last) if last.row == row && last.high + 1 == value => last.high = value,
                _ => segments.push(Segment {
                    row,
                    base: members.fixed,
                    bound,
                    shift: running.shift,
                    low: value,
                    high: value,
                }),
            }
        }
        if segments.is_empty() {
            Err("the block has no rows; they must stand before it".into())
        } else {
            Ok(segments)
        }
    }
}

/// Every key of a pattern, ascending.
pub fn keys(pattern: &Pattern) -> impl Iterator<Item = u64> {
    let mut all = vec![pattern.fixed];
    for v in &pattern.variables {
        all = all
            .iter()
            .flat_map(|key| (v.low..=v.high).map(move |byte| key | u64::from(byte) << v.shift))
            .collect();
    }
    all.sort_unstable();
    all.into_iter()
}
