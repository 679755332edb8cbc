//! Q/GDW 1376.1 (376.1-2009, from 130-2005): master station and terminal.
//!
//! ```text
//! 68 L L L L 68 | C | A1 A1 A2 A2 A3 | AFN | SEQ | data units … | EC | PW | Tp | CS 16
//! data unit = DA DA DT DT + data of each point and function that the two masks name
//! ```
//! L>>2 is the length from C to the byte before CS, its low two bits the edition. A data unit has no length of its own:
//! the catalogue's rows (`registers/gdw1376_1.tsv`) say it, and at the first function without a row the walk ends.
//! Every frame of a message of several frames (FIR, FIN) carries whole data units, so each is decoded on its own;
//! [`Assembler`] tells when such a message is complete.

mod advice;
mod afn;
mod answer;
mod assemble;
mod auxiliary;
mod compose;
mod conversation;
mod decode;
mod encode;
mod events;
mod frame;
mod relay;
mod stamp;
mod unit;

pub use advice::{advise, is_header};
pub use afn::{Afn, SeqField};
pub use answer::{event_unit, history_unit, stamp_bytes};
pub use assemble::{Assembler, Progress};
pub use compose::compose;
pub(crate) use conversation::answers;
pub use decode::decode;
pub use encode::{Aux, Message, Request, file_segment, read_request, relay_request, unit_bytes};
pub use frame::{Control, Edition, FrameView, TerminalAddress};
pub use stamp::{StampKind, stamp_kind};
pub use unit::{Identifier, body_key};
