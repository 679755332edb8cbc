//! The inverse of [`super::published`]: the published tree of an APDU becomes bytes again, by the same grammar.
//!
//! Not in the tree are passwords (given in plain here) and the day of the week, which is computed from the date.

use keyacct_model::time::days_from_civil;

use super::axdr;
use super::frame::{Control, FrameView, ServerAddress};
use super::grammar::{Arm, Field, Kind, Shape};
use super::services;
use super::split::{BlockHeader, BlockKind};
use crate::given::{Composed, Given, misfit, within};

/// Deepest nesting of what is given.
const DEEPEST: usize = 40;

/// The frame of a message: `address`, `apdu` (an object, or hex; or `fragment`, a part of one), and where they differ from what the service implies
/// `link` with `dir prm scrambled func sa_type logical ca`.
///
/// # Errors
/// The key that does not fit.
pub fn compose(message: &Given) -> Composed<Vec<u8>> {
    let data = match message.get("fragment") {
        Some(fragment) => within("fragment", block(fragment))?,
        None => compose_apdu(message)?,
    };
    let empty = Given::Object(Vec::new());
    let link = message.get("link").unwrap_or(&empty);
    let usual = usual_control(data.first().copied().unwrap_or(0));
    let flag = |key: &str, bit: u8| -> Composed<u8> {
        let set = i64::from(usual.0 & bit != 0);
        Ok(if link.int(key, 1, Some(set))? == 1 { bit } else { 0 })
    };
    let control = within(
        "link",
        (|| {
            let func = link.int("func", 7, Some(i64::from(usual.function())))? as u8;
            Ok(Control(
                flag("dir", 0x80)?
                    | flag("prm", 0x40)?
                    | flag("split", 0x20)?
                    | flag("scrambled", 0x08)?
                    | func,
            ))
        })(),
    )?;
    let address = within("address", message.need("address")?.text())?;
    let kind = match link.get("sa_type") {
        None => 0,
        Some(word) => {
            const WORDS: [&str; 4] = ["single", "wildcard", "group", "broadcast"];
            match WORDS.iter().position(|w| word.text() == Ok(*w)) {
                Some(kind) => kind as u8,
                None => return misfit("link.sa_type", format!("one of {}", WORDS.join(", "))),
            }
        }
    };
    let logical = within("link", link.int("logical", 3, Some(0)))? as u8;
    let client = within("link", link.int("ca", 255, Some(0)))? as u8;
    let Some(server) = ServerAddress::typed(kind, logical, address) else {
        return misfit("address", "1 to 16 bytes in hex belong here");
    };
    FrameView::emit(control, &server, client, &data)
        .map_or_else(|| misfit("apdu", "is longer than a frame: send it in parts"), Ok)
}

/// A part of a longer APDU: `block`, `kind`, `payload` in hex.
fn block(fragment: &Given) -> Composed<Vec<u8>> {
    const KINDS: [BlockKind; 4] = [BlockKind::First, BlockKind::Last, BlockKind::Confirm, BlockKind::Middle];
    let word = within("kind", fragment.need("kind")?.text())?;
    let Some(kind) = KINDS.into_iter().find(|kind| kind.as_str() == word) else {
        return misfit("kind", "one of first, middle, last, confirm");
    };
    let number = fragment.int("block", 0x0FFF, None)? as u16;
    let mut data = BlockHeader { kind, number }.emit().to_vec();
    data.extend(fragment.bytes("payload", None)?.unwrap_or_default());
    Ok(data)
}

/// The bytes of `apdu` alone.
///
/// # Errors
/// The key that does not fit.
pub fn compose_apdu(message: &Given) -> Composed<Vec<u8>> {
    let apdu = message.need("apdu")?;
    within("apdu", if let Given::Text(_) = apdu { apdu.hex(None) } else { object(apdu, DEEPEST) })
}

/// The control byte that goes with an APDU's tag.
fn usual_control(tag: u8) -> Control {
    match tag {
        0x01 => Control::LINK_REQUEST,
        0x81 => Control::LINK_ANSWER,
        0x08 => Control::REPORT_ANSWER,
        0x88 => Control::REPORT,
        tag if tag & 0x80 != 0 => Control::ANSWER,
        _ => Control::REQUEST,
    }
}

fn object(apdu: &Given, depth: usize) -> Composed<Vec<u8>> {
    let name = within("service", apdu.need("service")?.text())?;
    // Both sides have an error answer of the same name; the server's stands last.
    let Some(service) = services::ALL.iter().rfind(|s| s.name == name) else {
        return misfit("service", "no service has this name");
    };
    let mut out = vec![service.tag];
    out.extend(service.choice);
    members(service.fields, apdu, depth, &mut out)?;
    Ok(out)
}

fn members(fields: &'static [Field], object: &Given, depth: usize, out: &mut Vec<u8>) -> Composed<()> {
    for field in fields {
        match field.kind {
            Kind::Choice(Shape::Flat, arms) => {
                let Some(arm) = arm_by_keys(arms, object) else {
                    return misfit(
                        arms.first().map_or("", |a| a.word),
                        "one of the alternatives belongs here",
                    );
                };
                chosen(arm, object, depth, out)?;
            }
            Kind::Choice(Shape::FlatWord(key), arms) => {
                chosen(within(*key, arm_by_word(arms, object.need(key)?))?, object, depth, out)?;
            }
            kind => {
                let value = object.get(field.key).unwrap_or(&Given::Null);
                if *value == Given::Null && !matches!(kind, Kind::Optional(_)) {
                    return misfit(field.key, "is missing");
                }
                within(field.key, node(kind, value, depth, out))?;
            }
        }
    }
    Ok(())
}

fn chosen(arm: &'static Arm, object: &Given, depth: usize, out: &mut Vec<u8>) -> Composed<()> {
    out.push(arm.number);
    members(arm.fields, object, depth, out)
}

/// The alternative all of whose keys are there; of several the one with most.
fn arm_by_keys(arms: &'static [Arm], object: &Given) -> Option<&'static Arm> {
    let fits = |arm: &&Arm| {
        arm.fields
            .iter()
            .all(|f| f.key.is_empty() || matches!(f.kind, Kind::Optional(_)) || object.get(f.key).is_some())
    };
    arms.iter().filter(fits).max_by_key(|arm| (arm.fields.len(), u8::MAX - arm.number))
}

fn arm_by_word(arms: &'static [Arm], word: &Given) -> Composed<&'static Arm> {
    match arms.iter().find(|arm| word.text() == Ok(arm.word)) {
        Some(arm) => Ok(arm),
        None => {
            let words: Vec<&str> = arms.iter().map(|a| a.word).collect();
            misfit("", format!("one of {}", words.join(", ")))
        }
    }
}

fn node(kind: &'static Kind, value: &Given, depth: usize, out: &mut Vec<u8>) -> Composed<()> {
    let Some(depth) = depth.checked_sub(1) else { return misfit("", "nested too deep") };
    let unsigned = |size: u8| value.whole(0, (1i128 << (8 * u32::from(size))) - 1);
    let tail = |number: i128, size: u8, out: &mut Vec<u8>| {
        out.extend_from_slice(&number.to_be_bytes()[16 - usize::from(size)..]);
    };
    match kind {
        Kind::Uint(size) => tail(unsigned(*size)?, *size, out),
        Kind::Int(size) => {
            let half = 1i128 << (8 * u32::from(*size) - 1);
            tail(value.whole(-half, half - 1)?, *size, out);
        }
        Kind::Float(size) => {
            let number: f64 = match value {
                Given::Int(n) => *n as f64,
                Given::Number(n) => n.to_f64(),
                _ => return misfit("", "a number belongs here"),
            };
            match size {
                4 => out.extend((number as f32).to_be_bytes()),
                _ => out.extend(number.to_be_bytes()),
            }
        }
        Kind::Bool | Kind::Enum | Kind::Dar | Kind::Piid => tail(unsigned(1)?, 1, out),
        Kind::Word(words) => match words.iter().position(|word| value.text() == Ok(*word)) {
            Some(number) => out.push(number as u8),
            None => tail(unsigned(1)?, 1, out),
        },
        Kind::LinkResult => {
            let trusted = if value.bit("clock_trusted")? { 0x80 } else { 0 };
            out.push(value.int("code", 7, None)? as u8 | trusted);
        }
        Kind::Secret | Kind::Text => sized(value.text()?.as_bytes(), out),
        Kind::Octets | Kind::Tsa => sized(&value.hex(None)?, out),
        Kind::Fixed(size) => out.extend(value.hex(Some(usize::from(*size)))?),
        Kind::Oi => out.extend(value.hex(Some(2))?),
        Kind::Oad | Kind::Omd => out.extend(value.hex(Some(4))?),
        Kind::Bits => {
            let bits = value.int("bits", 1 << 16, None)? as usize;
            let bytes = value.bytes("hex", Some(bits.div_ceil(8)))?.unwrap_or_default();
            if bytes.len() != bits.div_ceil(8) {
                return misfit("hex", "is missing");
            }
            axdr::write_length(bits, out);
            out.extend(bytes);
        }
        Kind::DateTime | Kind::DateTimeS | Kind::Date | Kind::Time => time(kind, value, out)?,
        Kind::Data => data(value, depth, out)?,
        Kind::Group([]) => {
            for (n, item) in value.list()?.iter().enumerate() {
                within(n + 1, node(&Kind::Data, item, depth, out))?;
            }
        }
        Kind::Group(fields) => members(fields, value, depth, out)?,
        Kind::SeqOf(inner) => list(inner, value, depth, out)?,
        Kind::Rows => list(&Kind::Group(&[]), value, depth, out)?,
        Kind::Optional(inner) => match value {
            Given::Null => out.push(0),
            value => {
                out.push(1);
                node(inner, value, depth, out)?;
            }
        },
        Kind::Choice(shape, arms) => choice(*shape, arms, value, depth, out)?,
        Kind::Apdu => sized(&object(value, depth)?, out),
    }
    Ok(())
}

fn sized(bytes: &[u8], out: &mut Vec<u8>) {
    axdr::write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn list(inner: &'static Kind, value: &Given, depth: usize, out: &mut Vec<u8>) -> Composed<()> {
    let items = value.list()?;
    axdr::write_length(items.len(), out);
    for (n, item) in items.iter().enumerate() {
        within(n + 1, node(inner, item, depth, out))?;
    }
    Ok(())
}

fn choice(
    shape: Shape,
    arms: &'static [Arm],
    value: &Given,
    depth: usize,
    out: &mut Vec<u8>,
) -> Composed<()> {
    let arm = match shape {
        Shape::Number(key) => {
            let number = value.int(key, 255, None)?;
            match arms.iter().find(|arm| i64::from(arm.number) == number) {
                Some(arm) => arm,
                None => return misfit(key, "no alternative has this number"),
            }
        }
        Shape::Word(_) if matches!(value, Given::Text(_)) => arm_by_word(arms, value)?,
        Shape::Word(key) | Shape::WordObject(key) | Shape::FlatWord(key) => {
            within(key, arm_by_word(arms, value.need(key)?))?
        }
        Shape::Bare if !matches!(value, Given::Object(_)) => {
            let Some(arm) = arms.iter().find(|arm| arm.fields.len() == 1) else {
                return misfit("", "an object belongs here");
            };
            out.push(arm.number);
            return node(arm.fields[0].kind, value, depth, out);
        }
        Shape::Bare | Shape::Flat | Shape::Fields => match arm_by_keys(arms, value) {
            Some(arm) => arm,
            None => return misfit("", "none of the alternatives fits these keys"),
        },
    };
    chosen(arm, value, depth, out)
}

/// A typed value: `{type: value}`.
fn data(value: &Given, depth: usize, out: &mut Vec<u8>) -> Composed<()> {
    let Given::Object(members) = value else {
        return misfit("", "a typed value belongs here, such as {\"long-unsigned\": 2200}");
    };
    let [(name, inner)] = &members[..] else { return misfit("", "a typed value has one key, its type") };
    let Some(known) = (0..=255).filter_map(axdr::type_of).find(|t| t.name == name) else {
        return misfit(name, "no data type has this name");
    };
    out.push(known.tag);
    match known.kind {
        None => within(name, list(&Kind::Data, inner, depth, out)),
        Some(Kind::Group([])) => Ok(()),
        Some(kind) => within(name, node(kind, inner, depth, out)),
    }
}

/// The parts of a printed time as sent, whether or not the calendar has it.
fn time(kind: &Kind, value: &Given, out: &mut Vec<u8>) -> Composed<()> {
    let (wanted, count) = match kind {
        Kind::DateTime => ("2018-08-28T16:47:00.000", 7),
        Kind::DateTimeS => ("2018-08-28T16:47:00", 6),
        Kind::Date => ("2018-08-28", 3),
        _ => ("16:47:00", 3),
    };
    let text = value.text()?;
    let parts: Option<Vec<u16>> = text.split(['-', 'T', ':', '.']).map(|part| part.parse().ok()).collect();
    let fits = |parts: &Vec<u16>| {
        let wide = |n: usize| !matches!(kind, Kind::Time) && (n == 0 || n == 6);
        parts.len() == count && parts.iter().enumerate().all(|(n, part)| wide(n) || *part < 256)
    };
    let Some(parts) = parts.filter(fits) else {
        return misfit("", format!("a time such as {wanted} belongs here"));
    };
    let small = |n: usize| parts[n] as u8;
    if matches!(kind, Kind::Time) {
        out.extend([small(0), small(1), small(2)]);
        return Ok(());
    }
    out.extend(parts[0].to_be_bytes());
    out.extend([small(1), small(2)]);
    if !matches!(kind, Kind::DateTimeS) {
        out.push(weekday(parts[0], small(1), small(2)));
    }
    if !matches!(kind, Kind::Date) {
        out.extend([small(3), small(4), small(5)]);
    }
    if matches!(kind, Kind::DateTime) {
        out.extend(parts[6].to_be_bytes());
    }
    Ok(())
}

/// 0 Sunday to 6 Saturday; FFH for a date that is not known.
fn weekday(year: u16, month: u8, day: u8) -> u8 {
    if year == 0xFFFF || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return 0xFF;
    }
    (days_from_civil(i64::from(year), month, day) + 4).rem_euclid(7) as u8
}
