//! Any line of bytes is described in both languages, or told why it holds no frame: never a panic, always an object.

use keyacct_wire::describe::{Wish, describe_line};
use keyacct_wire::{Expect, Protocol, hex};

/// The bytes as they are, and as hex text.
pub fn run(input: &[u8]) {
    let bare = Expect::Bare(Protocol::Dlt698_45);
    let only = Protocol::ALL.iter().map(|protocol| Expect::Only(*protocol));
    for (n, expect) in [Expect::Auto, bare].into_iter().chain(only).enumerate() {
        let wish = Wish { expect, fields: true, chinese: n % 2 == 1 };
        let told = describe_line(input, 1, wish, &crate::REGISTERS);
        assert!(!told.is_empty());
        assert!(told.iter().all(|object| object.to_string().starts_with('{')));
    }
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(bytes) = hex::decode_line(text)
    {
        assert!(bytes.len() <= text.len());
    }
}

/// Frames of every protocol, whole, cut, and with one wrong byte.
pub fn seeds() -> Vec<Vec<u8>> {
    let frames = crate::seeds::all_frames();
    let cut = frames.iter().map(|frame| frame[..frame.len() * 2 / 3].to_vec());
    let wrong = frames.iter().map(|frame| {
        let mut frame = frame.clone();
        let at = frame.len() / 2;
        frame[at] ^= 0x20;
        frame
    });
    frames.iter().cloned().chain(cut).chain(wrong).collect()
}
