//! Load records (2007: DI3 = 06): `A0 A0 n YYMMDDhhmm class AA … class AA CS E5`, one after another.
//!
//! A class that is not recorded leaves only its AA. AA may also be a byte of a vendor's filling, so classes are split
//! by counting their bytes; the separators must then lie where the count says.

use std::sync::LazyLock;

use keyacct_model::{Kind, Phase, Quantity, Reading, Tariff, Unit, Value};

use super::encode::MANNER;
use crate::checksum::sum8;
use crate::cursor::Cursor;
use crate::format::{Part, read_time, write_time};
use crate::layout::{Item, Layout};
use crate::told::Astray;
use crate::visit::{Name, Visitor};
use crate::walk::walk_items_at;
use crate::write::{Manner, Writer};

const MARK: [u8; 2] = [0xA0, 0xA0];
const SEPARATOR: u8 = 0xAA;
const END: u8 = 0xE5;
const TIME: [Part; 5] = [Part::Year, Part::Month, Part::Day, Part::Hour, Part::Minute];
/// Bytes around the counted ones: mark and count before, checksum and end behind.
const AROUND: usize = 5;

/// Bytes of each class without its separator.
const SIZES: [usize; 6] = [17, 24, 8, 16, 16, 6];

const LAYOUTS: [&str; 6] = [
    "voltage.A:XXX.X voltage.B:XXX.X voltage.C:XXX.X current.A:SXXX.XXX current.B:SXXX.XXX current.C:SXXX.XXX \
     frequency:XX.XX",
    "active_power.total:SXX.XXXX active_power.A:SXX.XXXX active_power.B:SXX.XXXX active_power.C:SXX.XXXX \
     reactive_power.total:SXX.XXXX reactive_power.A:SXX.XXXX reactive_power.B:SXX.XXXX reactive_power.C:SXX.XXXX",
    "power_factor.total:SX.XXX power_factor.A:SX.XXX power_factor.B:SX.XXX power_factor.C:SX.XXX",
    "active_import.total/freeze_minute:XXXXXX.XX active_export.total/freeze_minute:XXXXXX.XX \
     reactive_combined_1.total/freeze_minute:SXXXXXX.XX reactive_combined_2.total/freeze_minute:SXXXXXX.XX",
    "reactive_q1.total/freeze_minute:XXXXXX.XX reactive_q2.total/freeze_minute:XXXXXX.XX \
     reactive_q3.total/freeze_minute:XXXXXX.XX reactive_q4.total/freeze_minute:XXXXXX.XX",
    "active_demand.total:SXX.XXXX reactive_demand.total:SXX.XXXX",
];

static CLASSES: LazyLock<Vec<Vec<Item>>> = LazyLock::new(|| {
    LAYOUTS
        .iter()
        .map(|text| Layout::parse(text).map_or_else(|_| Vec::new(), |l| l.usual().to_vec()))
        .collect()
});

/// Whether an identifier asks for load records by class.
pub(super) fn is_load_record(di: u32) -> bool {
    matches!(di.to_be_bytes(), [0x06, 0..=6, 0, 0..=2])
}

/// Tells every record that is sound; bytes of a bad one stay unexplained.
pub(super) fn load_records<V: Visitor>(di: u32, data: &mut Cursor<'_>, visitor: &mut V) {
    let base = data.position();
    let bytes = data.rest();
    let class = usize::from(di.to_be_bytes()[1]);
    let mut at = 0;
    while at < bytes.len() {
        match record_at(&bytes[at..]) {
            Some(length) => {
                record(&bytes[at..at + length], base + at, class, visitor);
                at += length;
            }
            None => {
                let skipped = bytes[at + 1..].windows(2).position(|w| w == MARK);
                let next = skipped.map_or(bytes.len(), |n| at + 1 + n);
                visitor.unknown(base + at..base + next, || format!("{di:08X}"));
                at = next;
            }
        }
    }
}

/// Length of the record that begins here; none when its frame is broken.
fn record_at(bytes: &[u8]) -> Option<usize> {
    let count = usize::from(*bytes.strip_prefix(&MARK)?.first()?);
    let record = bytes.get(..count + AROUND)?;
    let (body, trailer) = record.split_at(count + AROUND - 2);
    (trailer == [sum8(body), END] && count >= TIME.len()).then_some(record.len())
}

/// Which classes a record holds: the one choice whose separators lie where its byte counts say.
fn classes(bytes: &[u8], asked: usize) -> Option<Vec<usize>> {
    let fits = |chosen: u8, dull: bool| {
        let mut at = 0;
        for (n, size) in SIZES.iter().enumerate() {
            if chosen >> n & 1 == 1 {
                if !dull && bytes.get(at) == Some(&SEPARATOR) {
                    return false; // AA is no BCD: a class that begins with it is taken only if nothing else fits
                }
                at += size;
            }
            if bytes.get(at) != Some(&SEPARATOR) {
                return false;
            }
            at += 1;
        }
        at == bytes.len()
    };
    let all = (0..64u8).find(|c| fits(*c, false)).or_else(|| (0..64).find(|c| fits(*c, true)));
    if let Some(chosen) = all {
        return Some((0..6).filter(|n| chosen >> n & 1 == 1).collect());
    }
    // A meter that is asked for one class may send that one alone.
    let only = asked.checked_sub(1)?;
    (bytes.len() == SIZES.get(only)? + 1 && bytes.last() == Some(&SEPARATOR)).then(|| vec![only])
}

/// Writes records from published values: each begins with its time; a class is known by its first value, one that is not
/// there leaves its separator.
///
/// # Errors
/// The value that does not fit.
pub(super) fn write_load_records(writer: &mut Writer<'_>) -> Result<(), Astray> {
    while !writer.left().is_empty() {
        let (from, told) = (writer.written(), writer.left());
        let astray = |at: usize, wanted: &str| Err(Astray { at: from + at, wanted: wanted.to_owned() });
        let time = match &told[0].value {
            Value::Time(time) if told[0].is(Quantity::RecordTime) => time,
            _ => return astray(0, "a load record begins with the object of its record_time"),
        };
        let next = told[1..].iter().position(|told| told.is(Quantity::RecordTime));
        let told = &told[..next.map_or(told.len(), |next| next + 1)];
        let mut body = Vec::new();
        if write_time(time, 0, &TIME, &mut body).is_none() {
            return astray(0, "record_time does not fit its format: a day, an hour and a minute belong here");
        }
        let mut at = 1;
        for items in CLASSES.iter() {
            let Some(Item::Field(first)) = items.first() else { continue };
            if told.get(at).is_some_and(|told| told.is(first.quantity)) {
                let manner = Manner { ends_early: false, ..MANNER };
                let mut class = Writer::new(&told[at..], manner);
                class.items(items).map_err(|a| Astray { at: from + at + a.at, ..a })?;
                at += class.written();
                body.extend(class.into_bytes());
            }
            body.push(SEPARATOR);
        }
        if at < told.len() {
            return astray(at, "belongs to no class of a load record, or stands in another order");
        }
        let mut record = [&MARK[..], &[body.len() as u8], &body].concat();
        record.extend([sum8(&record), END]);
        writer.bytes(&record);
        writer.skip(told.len());
    }
    Ok(())
}

fn record<V: Visitor>(bytes: &[u8], base: usize, asked: usize, visitor: &mut V) {
    let plain = |en: &str, zh: &str| (Name::new(en, zh), Name::new("", ""));
    let end = bytes.len();
    visitor.enter(base..base + end, || Name::new("Load record", "负荷记录"));
    visitor.field(base..base + 2, || plain("Start of the record", "记录起始码"));
    visitor.field(base + 2..base + 3, || {
        let count = bytes[2].to_string();
        (Name::new("Length", "字节数"), Name::new(count.clone(), count))
    });
    let (stamp, _, quality) = read_time(&bytes[3..8], &TIME);
    let time = Reading {
        quantity: Quantity::RecordTime,
        phase: Phase::None,
        tariff: Tariff::TOTAL,
        index: 0,
        kind: Kind::Snapshot,
        value: stamp.map_or(Value::Null, Value::Time),
        unit: Unit::None,
        quality,
        time: stamp,
    };
    visitor.value(base + 3..base + 8, &time);
    let body = &bytes[8..end - 2];
    match classes(body, asked) {
        Some(chosen) => {
            let alone = body.len() == chosen.iter().map(|n| SIZES[*n] + 1).sum::<usize>();
            let mut at = 8;
            for (n, size) in SIZES.iter().enumerate() {
                if chosen.contains(&n) {
                    let mut data = Cursor::new(&bytes[at..at + size], base + at);
                    walk_items_at(&CLASSES[n], Kind::Snapshot, stamp, &mut data, visitor);
                    at += size;
                } else if alone {
                    continue;
                }
                visitor.field(base + at..base + at + 1, || plain("Separator", "块分隔码"));
                at += 1;
            }
        }
        None => visitor.unknown(base + 8..base + end - 2, || "load_record".to_owned()),
    }
    visitor.field(base + end - 2..base + end - 1, || {
        (Name::new("Checksum of the record", "记录累加校验码"), Name::new("correct", "正确"))
    });
    visitor.field(base + end - 1..base + end, || plain("End of the record", "记录结束码"));
    visitor.leave();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::fixed_size;

    #[test]
    fn every_class_has_the_bytes_of_its_layout() {
        for (items, size) in CLASSES.iter().zip(SIZES) {
            assert_eq!(fixed_size(items), Some(size));
        }
    }
}
