//! A message of either edition, as decoding publishes it, becomes a frame.

use super::control::Control;
use super::encode::{address_bytes, write_row};
use super::frame::FrameView;
use crate::catalogue::Catalogue;
use crate::given::{Composed, Given, misfit, within};
use crate::protocol::Protocol;

/// Data bytes of the longest frame.
const LONGEST: usize = 255;

/// The frame of a message: `address`, `control`, then in the order of the wire what it has of `di`, `password` (level and
/// password, 4 bytes in hex as sent), `operator` (4 bytes), `error` (its byte), `n1` with `deadline` (relay control), `values` (of the register `di`) or
/// `data` (hex, without the offset of 33H), `seq`; `preamble` wake-up bytes before it.
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
    if message.get("password_level").is_some() && message.get("password").is_none() {
        return misfit("password", "is missing: decoding never shows it");
    }
    data.extend(message.bytes("password", Some(4))?.unwrap_or_default());
    data.extend(message.bytes("operator", Some(4))?.unwrap_or_default());
    if let Some(error) = message.get("error") {
        let byte = if let Given::Object(_) = error { error.need("byte")? } else { error };
        data.extend(within("error", byte.hex(Some(1)))?);
    }
    let is_relay = message.get("n1").is_some() && message.get("data").is_none();
    if is_relay {
        data.extend([message.int("n1", 255, None)? as u8, 0]);
        data.extend(deadline(message)?);
    }
    data.extend(message.bytes("data", None)?.unwrap_or_default());
    if let Some(values) = message.get("values").filter(|_| !is_relay) {
        let Some(di) = di else { return misfit("di", "is missing: it says what the values are") };
        let key = di.iter().fold(0, |key, byte| key << 8 | u64::from(*byte));
        let values = within("values", values.values())?;
        if write_row(catalogue, key, &values, &mut data).is_none() {
            return misfit("values", "do not fit the register: see `keyacct registers` for its fields");
        }
    }
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
