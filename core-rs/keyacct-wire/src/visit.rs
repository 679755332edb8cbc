//! One decoder, several readers: a decoder walks a frame once and tells a [`Visitor`] what it meets.
//!
//! The reader of a byte stream takes readings only; everything that costs (names, header fields, hex) is handed over as
//! a closure that it never calls, so the compiler removes it. [`crate::describe`] takes everything.

use std::ops::Range;

use keyacct_model::Reading;

use crate::carried;
use crate::frame::{Address, Direction};
use crate::json::Json;
use crate::protocol::Protocol;
use crate::walk::Lookup;

/// A name for people, in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

impl Name {
    /// A name from both texts.
    pub fn new(en: impl Into<String>, zh: impl Into<String>) -> Name {
        Name { en: en.into(), zh: zh.into() }
    }
}

/// What is true of the frame as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Its protocol.
    pub protocol: Protocol,
    /// Who sends, where the frame tells.
    pub direction: Option<Direction>,
    /// The device's address; [`Address::NONE`] where there is none.
    pub address: Address,
}

/// Takes what a decoder meets. Ranges are byte offsets in the frame.
pub trait Visitor {
    /// The frame as a whole; called first, once. Gives whether the rest is wanted: a reader of readings stops here for
    /// requests, which never make readings.
    fn head(&mut self, head: &Head) -> bool;

    /// A decoded value.
    fn value(&mut self, at: Range<usize>, reading: &Reading);

    /// From here on values belong to this point and function (1376.1: pn and fn).
    fn item(&mut self, _point: u16, _function: u16) {}

    /// The next items have one identifier in common, if there is one (1376.1: DA and DT in hex).
    fn shared(&mut self, _identifier: impl FnOnce() -> Option<String>) {}

    /// A header field of the published JSON form.
    fn header(&mut self, _key: &'static str, _value: impl FnOnce() -> Json) {}

    /// A named field that is no value: start bytes, lengths, reserved bytes. `meaning` may be empty.
    fn field(&mut self, _at: Range<usize>, _name: impl FnOnce() -> (Name, Name)) {}

    /// A password or key: what it is, never its bytes.
    fn secret(&mut self, _at: Range<usize>, _name: impl FnOnce() -> Name) {}

    /// Values and fields until the next call come from a frame that this one carries (a relayed meter's answer), whose
    /// device this is; none: from the frame itself again.
    fn carried(&mut self, _device: Option<&Address>) {}

    /// A whole frame may lie in these bytes, which begin at `at`; whether one was told. What a carried frame itself
    /// carries stays bytes.
    fn frame_inside(&mut self, content: &[u8], at: usize, lookups: &mut [Lookup<'_>]) -> bool
    where
        Self: Sized,
    {
        carried::tell(content, at, lookups, self)
    }

    /// A group of fields begins; what follows until `leave` is inside it.
    fn enter(&mut self, _at: Range<usize>, _name: impl FnOnce() -> Name) {}

    /// The group ends.
    fn leave(&mut self) {}

    /// A data identifier that no catalogue knows, with the bytes that stay unexplained.
    fn unknown(&mut self, _at: Range<usize>, _key: impl FnOnce() -> String) {}
}
