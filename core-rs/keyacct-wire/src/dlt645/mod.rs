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

pub use control::{Control, function_name};
pub use decode::decode;
pub use encode::{Message, address_bytes, read_answer, read_request};
pub use frame::FrameView;
