//! DL/T 645: one link frame, told apart into editions by the function code.
//!
//! ```text
//! 68 A0..A5 68 C L DATA×L CS 16      every data byte + 33H by the sender; A and DATA lowest byte first
//! ```

mod advice;
mod control;
mod decode;
mod encode;
mod frame;
mod freeze_block;
mod load_record;
mod split;

pub use control::{Control, function_name};
pub use decode::{decode, decode_joined};
pub use encode::{Message, address_bytes, read_answer, read_request};
pub use frame::FrameView;
pub use split::part_of;
