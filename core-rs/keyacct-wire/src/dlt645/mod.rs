//! DL/T 645: one link frame, told apart into editions by the function code.
//!
//! ```text
//! 68 A0..A5 68 C L DATA×L CS 16      every data byte + 33H by the sender; A and DATA lowest byte first
//! ```

mod advice;
mod compose;
mod control;
mod control_1997;
mod conversation;
mod decode;
mod decode_1997;
mod encode;
mod encode_1997;
mod frame;
mod freeze_block;
mod load_record;
mod split;

pub use compose::compose;
pub use control::{Control, function_name};
pub(crate) use conversation::answers;
pub use decode::{decode, decode_joined};
pub use decode_1997::decode_1997;
pub use encode::{Message, address_bytes, read_answer, read_request};
pub use encode_1997::{read_answer_1997, read_request_1997, write_request_1997};
pub use frame::{FrameView, next_frame};
pub use split::part_of;
