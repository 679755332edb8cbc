//! Modbus of power meters: RTU with a CRC, TCP with an MBAP header, one application layer.
//!
//! ```text
//! RTU  unit PDU CRC(low high)
//! TCP  transaction(2) 0000 length(2) unit PDU       everything high byte first
//! ```
//! A reply does not name its registers. [`Conversation`] remembers the request, a [`Model`] says what the registers
//! of a device mean.

mod compose;
mod control;
mod conversation;
mod decode;
mod encode;
mod frame;
mod model;
mod pdu;

pub use compose::compose;
pub(crate) use conversation::answers;
pub use conversation::{Conversation, Query};
pub use decode::decode_reply;
pub use encode::{
    exception, mask_write, read, read_bits_answer, read_registers_answer, read_write, rtu, tcp, write_coils,
    write_one, write_registers,
};
pub use frame::{Adu, RtuView, TcpView};
pub use model::{Model, address_of, comment};
pub use pdu::Pdu;
