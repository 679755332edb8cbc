//! A message of either edition, as decoding publishes it, becomes a frame.

use std::sync::LazyLock;

use super::control::Control;
use super::encode::{MANNER, address_bytes, write_told};
use super::frame::FrameView;
use super::freeze_block::{is_freeze_block, write_freeze_block};
use super::load_record::{is_load_record, write_load_records};
use crate::catalogue::Catalogue;
use crate::frame::Direction;
use crate::given::{Composed, Given, misfit, put_back, within};
use crate::layout::Layout;
use crate::protocol::Protocol;
use crate::told::told;
use crate::write::Writer;

/// Data bytes of the longest frame.
const LONGEST: usize = 255;

/// The frame of a message: `address`, `control`, then in the order of the wire what it has of `di`, `password` (level and
/// password, 4 bytes in hex as sent), `new_password`, `operator` (4 bytes), `error` (its byte), `n1` with `deadline` (relay
/// control), `baud_word`, `values` (of the register `di`, or what the function has without one) or `data` (hex, without the
/// offset of 33H), `payload` (hex, what nothing explains), `seq`; `preamble` wake-up bytes before it.
///
/// # Errors
/// The key that does not fit.
pub fn compose(protocol: Protocol, catalogue: &Catalogue, message: &Given) -> Composed<Vec<u8>> {
    let address = within("address", message.need("address")?.text())?;
    let Some(address) = address_bytes(address) else {
        return misfit("address", "up to 12 digits belong here; AA is any, 999999999999 all");
    };
    let control = Control(message.int("control", 255, None)? as u8);
    let mut data = Vec::new();
    let size = if protocol == Protocol::Dlt645_1997 { 2 } else { 4 };
    let di = message.bytes("di", Some(size))?;
    if let Some(di) = &di {
        data.extend(di.iter().rev());
    }
    let raw = message.bytes("data", None)?;
    for (level, key) in [("password_level", "password"), ("new_password_level", "new_password")] {
        if message.get(level).is_some() && message.get(key).is_none() {
            return misfit(key, "is missing: decoding never shows it");
        }
        data.extend(message.bytes(key, Some(4))?.unwrap_or_default());
    }
    if let Some(mut operator) = message.bytes("operator", Some(4))? {
        operator.reverse();
        data.extend(operator);
    }
    if let Some(error) = message.get("error") {
        let byte = if let Given::Object(_) = error { error.need("byte")? } else { error };
        data.extend(within("error", byte.hex(Some(1)))?);
    }
    let is_relay = message.get("n1").is_some() && raw.is_none();
    if is_relay {
        data.extend([message.int("n1", 255, None)? as u8, 0]);
        data.extend(deadline(message)?);
    }
    let baud = message.get("baud_word").is_some();
    if baud {
        data.push(message.int("baud_word", 255, None)? as u8);
    }
    if let Some(raw) = &raw {
        data.extend(raw);
    } else if let Some(list) = message.get("values").filter(|_| !is_relay && !baud) {
        let told = within("values", told(list))?;
        let key = di.map(|di| di.iter().fold(0, |key, byte| key << 8 | u32::from(*byte)));
        let mut writer = Writer::new(&told, MANNER);
        within("values", values(protocol, catalogue, control, key, &mut writer))?;
        data.extend(writer.into_bytes());
    }
    if let (None, Some(unknown)) = (&raw, message.get("unknown")) {
        within("unknown", put_back(unknown, FrameView::DATA, &mut data))?;
    }
    data.extend(message.bytes("payload", None)?.unwrap_or_default());
    if message.get("seq").is_some() {
        data.push(message.int("seq", 255, None)? as u8);
    }
    if data.len() > LONGEST {
        return misfit("data", format!("{} bytes are more than the {LONGEST} of a frame", data.len()));
    }
    let mut out = vec![0xFE; message.int("preamble", 16, Some(0))? as usize];
    out.extend(FrameView::emit(address, control, &data));
    Ok(out)
}

/// What follows the header fields: by function, then by identifier.
fn values(
    protocol: Protocol,
    catalogue: &Catalogue,
    control: Control,
    di: Option<u32>,
    writer: &mut Writer<'_>,
) -> Composed<()> {
    let newer = protocol == Protocol::Dlt645_2007;
    let down = control.direction() == Direction::Down;
    let layout = match (control.function(), newer) {
        (0x13 | 0x15, true) | (0x0A, false) => &*ADDRESS,
        (0x08, _) => &*BROADCAST,
        (0x16, true) => &*FREEZE,
        (0x11, true) if down => &*RECORDS,
        _ => {
            let Some(di) = di else {
                return misfit("", "belong to a register: its identifier `di` is missing");
            };
            let key = u64::from(di);
            let known = !newer || catalogue.find(key).is_some();
            match di {
                _ if known => write_told(catalogue, key, writer)?,
                _ if is_load_record(di) => write_load_records(writer)?,
                _ if is_freeze_block(di) => write_freeze_block(di, catalogue, writer)?,
                _ => write_told(catalogue, key, writer)?,
            }
            return Ok(());
        }
    };
    Ok(writer.layout(layout, true)?)
}

fn fixed(layout: &str) -> Layout {
    Layout::parse(layout).unwrap_or(Layout(Vec::new()))
}

static ADDRESS: LazyLock<Layout> = LazyLock::new(|| fixed("meter_address:HEX6"));
static BROADCAST: LazyLock<Layout> = LazyLock::new(|| fixed("broadcast_time:YYMMDDhhmmss"));
static FREEZE: LazyLock<Layout> = LazyLock::new(|| fixed("freeze_command:HEX4"));
static RECORDS: LazyLock<Layout> = LazyLock::new(|| fixed("record_count:NN record_start:YYMMDDhhmm"));

/// Until when a relay command may be carried out: second, minute, hour, day, month, year in BCD. Decoding shows it as the
/// command's last value.
fn deadline(message: &Given) -> Composed<Vec<u8>> {
    let shown = message.get("values").and_then(|values| match values {
        Given::List(list) => list.last().and_then(|value| value.get("value")),
        _ => None,
    });
    let given = message.get("deadline").or(shown).map_or_else(|| misfit("deadline", "is missing"), Ok)?;
    let stamp = within("deadline", given.stamp())?;
    let parts = [stamp.second, stamp.minute, stamp.hour, stamp.day, stamp.month];
    let year = stamp.year.map(|year| (year % 100) as u8);
    let all: Option<Vec<u8>> = parts.into_iter().chain([year]).collect();
    match all.filter(|_| stamp.is_valid()) {
        Some(parts) => Ok(parts.into_iter().map(|n| ((n / 10) << 4) | (n % 10)).collect()),
        None => misfit("deadline", "a whole time such as 2026-07-01T08:15:00 belongs here"),
    }
}
