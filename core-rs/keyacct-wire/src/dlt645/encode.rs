//! Building frames: read requests for the poller, read answers for the simulator.

use keyacct_model::Value;

use super::control::Control;
use super::frame::FrameView;
use crate::catalogue::{Body, Catalogue};
use crate::error::Fault;
use crate::frame::Frame;
use crate::told::{Astray, Told};
use crate::write::{Manner, NoData, Writer};

/// The meaning of a link frame, independent of its bytes: `parse` and `emit` are inverse for frames without preamble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Address bytes, lowest first.
    pub address: [u8; 6],
    /// Control byte.
    pub control: Control,
    /// Data without the offset 33H.
    pub data: Vec<u8>,
}

impl Message {
    /// The message of exactly one frame.
    ///
    /// # Errors
    /// The first rule of the frame that is broken.
    pub fn parse(frame: &[u8]) -> Result<Message, Fault> {
        let view = FrameView::parse(frame)?;
        let address = view.address_bytes().try_into().unwrap_or_default();
        Ok(Message { address, control: view.control(), data: view.payload().into_owned() })
    }

    /// The bytes of the message.
    pub fn emit(&self) -> Vec<u8> {
        FrameView::emit(self.address, self.control, &self.data)
    }
}

/// Address bytes from reading order: up to 12 digits, padded with zeros on the left; `A` pairs are wildcards.
pub fn address_bytes(text: &str) -> Option<[u8; 6]> {
    if text.is_empty() || text.len() > 12 {
        return None;
    }
    let mut bytes: [u8; 6] = crate::hex::decode(&format!("{text:0>12}"))?.try_into().ok()?;
    bytes.reverse();
    Some(bytes)
}

/// The request that reads one identifier (function 11H).
pub fn read_request(address: &str, di: u32) -> Option<Vec<u8>> {
    Some(FrameView::emit(address_bytes(address)?, Control(0x11), &di.to_le_bytes()))
}

/// The answer to a read (function 91H): the values of an identifier in the order of its fields; a time of occurrence is
/// a value of its own behind the one it belongs to. None when the identifier is unknown or a value does not fit.
pub fn read_answer(catalogue: &Catalogue, address: &str, di: u32, values: &[Value]) -> Option<Vec<u8>> {
    let mut data = di.to_le_bytes().to_vec();
    write_row(catalogue, u64::from(di), values, &mut data)?;
    Some(FrameView::emit(address_bytes(address)?, Control(0x91), &data))
}

/// Meters fill what is not there with FFH, and times that have not come with zeros; data may end behind any value.
pub(super) const MANNER: Manner = Manner { no_data: NoData(0xFF), no_time: 0, ends_early: true };

/// The values of one identifier in the order of its fields; none when it is unknown or a value does not fit.
pub(super) fn write_row(catalogue: &Catalogue, key: u64, values: &[Value], data: &mut Vec<u8>) -> Option<()> {
    let told: Vec<Told> = values.iter().cloned().map(Told::plain).collect();
    let manner = Manner { no_time: 0xFF, ..MANNER };
    let mut writer = Writer::new(&told, manner);
    write_told(catalogue, key, &mut writer).ok()?;
    data.extend(writer.into_bytes());
    (data.len() <= 255).then_some(())
}

/// As [`write_row`], for all values that are left in a writer.
///
/// # Errors
/// The value that does not fit, or the first one for an identifier that nothing knows.
pub(super) fn write_told(catalogue: &Catalogue, key: u64, writer: &mut Writer<'_>) -> Result<(), Astray> {
    let unknown = |writer: &Writer<'_>| {
        Err(Astray { at: writer.written(), wanted: "no register has this identifier".into() })
    };
    let Some((_, row)) = catalogue.find(key) else { return unknown(writer) };
    match &row.body {
        Body::Layout(layout) => writer.layout(layout, true),
        Body::Block(segments) => {
            for segment in segments {
                let Some(Body::Layout(layout)) = catalogue.rows().get(segment.row).map(|row| &row.body)
                else {
                    return unknown(writer);
                };
                for _ in segment.low..=segment.high {
                    writer.items(layout.usual())?; // a meter may end a block early
                }
            }
            writer.end()
        }
    }
}
