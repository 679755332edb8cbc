//! The published tree of an APDU: every typed value is `{type: value}`.

use keyacct_model::Decimal;

use super::axdr;
use super::grammar::{Field, Kind, Shape};
use super::tree::{Apdu, Body, Node};
use crate::format::hex;
use crate::json::Json;

/// Plain trip and close of a meter: its parameters hold a password.
const PASSWORD_METHOD: &str = "80008300";
const HIDDEN: &str = "***";

/// The tree of an APDU, its service first. Passwords stay hidden.
pub fn apdu(apdu: &Apdu<'_>) -> Json {
    let mut object = vec![("service", Json::from(apdu.service.name))];
    for (field, node) in apdu.service.fields.iter().zip(&apdu.nodes) {
        push(field, node, &mut object);
    }
    Json::Object(object)
}

fn push(field: &'static Field, node: &Node<'_>, object: &mut Vec<(&'static str, Json)>) {
    match node.kind {
        Kind::Choice(Shape::Flat, _) => node.fields().for_each(|(f, n)| push(f, n, object)),
        Kind::Choice(Shape::FlatWord(key), _) => {
            object.push((key, Json::from(node.arm().map_or("", |arm| arm.word))));
            node.fields().for_each(|(f, n)| push(f, n, object));
        }
        _ => {
            let last = object.last();
            let hidden = field.key == "data"
                && matches!(last, Some(("omd", Json::Text(omd))) if omd == PASSWORD_METHOD);
            object.push((field.key, if hidden { Json::from(HIDDEN) } else { value(node) }));
        }
    }
}

fn fields(node: &Node<'_>, mut object: Vec<(&'static str, Json)>) -> Json {
    node.fields().for_each(|(f, n)| push(f, n, &mut object));
    Json::Object(object)
}

/// The published form of one node.
pub fn value(node: &Node<'_>) -> Json {
    let bytes = node.bytes();
    match node.kind {
        Kind::Uint(_) => {
            i64::try_from(node.number()).map_or(Json::Text(node.number().to_string()), Json::Int)
        }
        Kind::Int(size) => Json::Int(signed(node.number(), *size)),
        Kind::Float(_) => float(bytes).map_or(Json::Null, Json::Number),
        Kind::Bool => Json::Bool(node.number() != 0),
        Kind::Enum | Kind::Dar | Kind::Piid => Json::Int(node.number() as i64),
        Kind::Word(words) => match words.get(node.number() as usize) {
            Some(word) => Json::from(*word),
            None => Json::Int(node.number() as i64),
        },
        Kind::LinkResult => Json::Object(vec![
            ("code", Json::Int(node.number() as i64 & 7)),
            ("clock_trusted", Json::Bool(node.number() & 0x80 != 0)),
        ]),
        Kind::Secret => Json::from(HIDDEN),
        Kind::Text => Json::Text(String::from_utf8_lossy(bytes).into_owned()),
        Kind::Bits => {
            let bits = if let Body::Bits(bits, _) = node.body { bits } else { 0 };
            Json::Object(vec![("bits", Json::Int(bits.into())), ("hex", Json::Text(hex(bytes.iter())))])
        }
        Kind::Fixed(_) | Kind::Octets | Kind::Oi | Kind::Oad | Kind::Omd | Kind::Tsa => {
            Json::Text(hex(bytes.iter()))
        }
        Kind::DateTime | Kind::DateTimeS | Kind::Date | Kind::Time => Json::Text(time(node.kind, bytes)),
        Kind::Data => data(node),
        Kind::Group([]) => list(node), // a row of a record
        Kind::Group(_) => fields(node, Vec::new()),
        Kind::SeqOf(_) | Kind::Rows => list(node),
        Kind::Optional(_) => node.children().first().map_or(Json::Null, value),
        Kind::Choice(shape, _) => choice(node, *shape),
        Kind::Apdu => match &node.body {
            Body::Apdu(inner) => apdu(inner),
            _ => Json::Null,
        },
    }
}

fn list(node: &Node<'_>) -> Json {
    Json::List(node.children().iter().map(value).collect())
}

fn choice(node: &Node<'_>, shape: Shape) -> Json {
    let word = || Json::from(node.arm().map_or("", |arm| arm.word));
    match shape {
        Shape::Number(key) => fields(node, vec![(key, Json::from(node.arm().map_or(0, |arm| arm.number)))]),
        Shape::Word(_) if node.children().is_empty() => word(),
        Shape::Word(key) | Shape::WordObject(key) => fields(node, vec![(key, word())]),
        Shape::Bare if node.children().len() == 1 => value(&node.children()[0]),
        _ => fields(node, Vec::new()),
    }
}

fn data(node: &Node<'_>) -> Json {
    let Body::Tagged(tag, nodes) = &node.body else { return Json::Null };
    let name = axdr::type_of(*tag).map_or("", |t| t.name);
    let inner = match (*tag, nodes.first()) {
        (axdr::ARRAY | axdr::STRUCTURE, _) => list(node),
        (_, Some(inner)) => value(inner),
        (_, None) => Json::Null,
    };
    Json::Object(vec![(name, inner)])
}

/// A big-endian number of so many bytes, as two's complement.
pub fn signed(number: u64, size: u8) -> i64 {
    let unused = 64 - 8 * u32::from(size.clamp(1, 8));
    ((number << unused) as i64) >> unused
}

/// The shortest decimal that reads back as the same floating-point number; none for NaN, infinity and numbers outside of
/// what a decimal holds.
pub fn float(bytes: &[u8]) -> Option<Decimal> {
    let text = match bytes.len() {
        4 => f32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        _ => f64::from_be_bytes(bytes.try_into().ok()?).to_string(),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = &fraction[..fraction.len().min(18)];
    let digits = format!("{whole}{fraction}").parse().ok()?;
    Some(Decimal::new(digits, fraction.len() as u8))
}

/// A time as sent, part by part, whether or not the calendar has it.
fn time(kind: &Kind, b: &[u8]) -> String {
    let part = |n: usize| b.get(n).copied().unwrap_or(0);
    let year = u16::from_be_bytes([part(0), part(1)]);
    let date = || format!("{year:04}-{:02}-{:02}", part(2), part(3));
    let clock = |n: usize| format!("{:02}:{:02}:{:02}", part(n), part(n + 1), part(n + 2));
    match kind {
        Kind::DateTime => {
            format!("{}T{}.{:03}", date(), clock(5), u16::from_be_bytes([part(8), part(9)]))
        }
        Kind::DateTimeS => format!("{}T{}", date(), clock(4)),
        Kind::Date => date(),
        _ => clock(0),
    }
}
