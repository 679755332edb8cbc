//! Freeze blocks (2007: DI3 = 05, DI1 = FF): the time, then the items 01..0A and 10 in order, perhaps with AA between.
//!
//! The hourly block has a row of its own in the catalogue; it holds totals only.

use keyacct_model::{Quantity, Stamp};

use crate::catalogue::{Body, Catalogue};
use crate::cursor::Cursor;
use crate::format::{Part, read_time};
use crate::layout::{Item, Layout};
use crate::told::Astray;
use crate::visit::{Name, Visitor};
use crate::walk::walk_at;
use crate::write::Writer;

const SEPARATOR: u8 = 0xAA;
const TIME: usize = 5;
const PARTS: [Part; TIME] = [Part::Year, Part::Month, Part::Day, Part::Hour, Part::Minute];
/// DI1 of each item, bytes of one value, and whether the values repeat for total and tariffs.
const ITEMS: [(u8, usize, bool); 11] = [
    (0x01, 4, true),
    (0x02, 4, true),
    (0x03, 4, true),
    (0x04, 4, true),
    (0x05, 4, true),
    (0x06, 4, true),
    (0x07, 4, true),
    (0x08, 4, true),
    (0x09, 8, true),
    (0x0A, 8, true),
    (0x10, 24, false),
];

/// Whether an identifier is a block that is decoded here.
pub(super) fn is_freeze_block(di: u32) -> bool {
    matches!(di.to_be_bytes(), [0x05, 0..=3 | 5..=7, 0xFF, 1..=0x3E])
}

/// Tells the items of a block; what does not add up stays unexplained.
pub(super) fn freeze_block<V: Visitor>(
    di: u32,
    catalogue: &Catalogue,
    data: &mut Cursor<'_>,
    visitor: &mut V,
) {
    let base = data.position();
    let bytes = data.rest();
    let key = |item: u8| u64::from(di & 0xFFFF_00FF | u32::from(item) << 8);
    let unknown = |from: usize, visitor: &mut V| {
        if from < bytes.len() {
            visitor.unknown(base + from..base + bytes.len(), || format!("{di:08X}"));
        }
    };
    let Some(time) = bytes.get(..TIME) else { return unknown(0, visitor) };
    let (stamp, _, _) = read_time(time, &PARTS);
    item(catalogue, key(0), stamp, time, base, visitor);
    let separated = bytes.get(TIME) == Some(&SEPARATOR);
    let shared = shared_count(bytes.len() - TIME);
    let mut at = TIME;
    if separated {
        separator(base + at, visitor);
        at += 1;
    } else if shared.is_none() {
        return unknown(at, visitor);
    }
    for (number, size, repeats) in ITEMS {
        let count = match (separated, shared) {
            (true, _) => counted(&bytes[at..], size, repeats),
            (false, Some(count)) => Some(if repeats { count } else { 1 }),
            (false, None) => None,
        };
        let Some(part) = count.and_then(|count| bytes.get(at..at + count * size)) else { break };
        item(catalogue, key(number), stamp, part, base + at, visitor);
        at += part.len();
        if separated && at < bytes.len() {
            separator(base + at, visitor);
            at += 1;
        }
    }
    unknown(at, visitor);
}

/// Writes a block from published values: its time, then the items in order with a separator before each; an item is known
/// by its first value, one that is not there leaves its separator.
///
/// # Errors
/// The value that does not fit.
pub(super) fn write_freeze_block(
    di: u32,
    catalogue: &Catalogue,
    writer: &mut Writer<'_>,
) -> Result<(), Astray> {
    let key = |item: u8| u64::from(di & 0xFFFF_00FF | u32::from(item) << 8);
    let layout = |item: u8| match catalogue.find(key(item)).map(|(_, row)| &row.body) {
        Some(Body::Layout(layout)) => Some(layout),
        _ => None,
    };
    let astray =
        |writer: &Writer<'_>, wanted: &str| Err(Astray { at: writer.written(), wanted: wanted.to_owned() });
    match layout(0) {
        Some(time) => writer.items(time.usual())?,
        None => return astray(writer, "this kind of freeze has no register of its time: give `data`"),
    }
    for (number, ..) in ITEMS {
        if writer.left().is_empty() {
            return Ok(());
        }
        writer.bytes(&[SEPARATOR]);
        let Some(items) = layout(number).map(Layout::usual) else { continue };
        let first = items.iter().find_map(first_quantity);
        if writer.left()[0].quantity.is_none() {
            return astray(
                writer,
                "the object of a value belongs here: its quantity says to which item it belongs",
            );
        }
        if writer.left()[0].quantity == first {
            writer.items(items)?;
        }
    }
    writer.end()
}

fn first_quantity(item: &Item) -> Option<Quantity> {
    match item {
        Item::Field(field) | Item::Count(_, field) => Some(field.quantity),
        Item::Repeat(_, inner) => inner.iter().find_map(first_quantity),
        _ => None,
    }
}

/// How many values an item has that ends at a separator or with the data. AA is no BCD, so the first one that lies a
/// whole number of values away ends it.
fn counted(bytes: &[u8], size: usize, repeats: bool) -> Option<usize> {
    let most = if repeats { 64 } else { 1 };
    if bytes.is_empty() {
        return None;
    }
    (0..=most).find(|count| bytes.get(count * size) == Some(&SEPARATOR) || count * size == bytes.len())
}

/// Values of each item in a block without separators, where every item is there: the same for all.
fn shared_count(length: usize) -> Option<usize> {
    let tail: usize = ITEMS.iter().filter(|item| !item.2).map(|item| item.1).sum();
    let each: usize = ITEMS.iter().filter(|item| item.2).map(|item| item.1).sum();
    let rest = length.checked_sub(tail)?;
    (rest > 0 && rest.is_multiple_of(each)).then_some(rest / each)
}

fn separator<V: Visitor>(at: usize, visitor: &mut V) {
    visitor.field(at..at + 1, || (Name::new("Separator", "块分隔码"), Name::new("", "")));
}

fn item<V: Visitor>(
    catalogue: &Catalogue,
    key: u64,
    stamp: Option<Stamp>,
    bytes: &[u8],
    base: usize,
    visitor: &mut V,
) {
    if bytes.is_empty() {
        return;
    }
    match catalogue.find(key) {
        Some((_, row)) => walk_at(catalogue, row, key, stamp, &mut Cursor::new(bytes, base), visitor),
        None => visitor.unknown(base..base + bytes.len(), || format!("{key:08X}")),
    }
}
