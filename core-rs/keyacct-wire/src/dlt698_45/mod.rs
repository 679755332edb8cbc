//! DL/T 698.45: objects with attributes and methods, over a link frame with a check sequence for its header.
//!
//! ```text
//! 68 L L C AF SA.. CA HCS HCS [block 2] APDU FCS FCS 16        SA lowest byte first; C bit 3: APDU bytes + 33H
//! ```
//! An APDU is read by a [`grammar`] whose rules are the tables of [`services`] into a [`tree`] over its bytes, which is
//! published ([`published`]), told to a visitor, or written again. Data of objects get their meaning from the catalogue.

mod advice;
mod answer;
pub mod axdr;
mod build;
mod compose;
mod conversation;
mod decode;
pub mod encode;
pub mod frame;
pub mod grammar;
pub mod object;
mod parts;
pub mod program;
pub mod published;
mod request;
pub mod services;
pub mod split;
mod tell;
pub mod tree;
mod value;
mod words;

pub use advice::is_header;
pub use compose::{compose, compose_apdu};
pub(crate) use conversation::answers;
pub(crate) use decode::decode_carried;
pub use decode::{decode, decode_joined};
pub use frame::{Control, FrameView, ServerAddress, next_frame};
pub use split::{BlockHeader, BlockKind, part_of};
pub use tree::{Apdu, ApduFault, Body, Node};
