//! Building APDUs: every request of a client, and the answers and reports a simulated server needs.
//!
//! These only build bytes. What may be sent to a device that can open a breaker is decided elsewhere.

use keyacct_model::Stamp;

pub use super::answer::{Answer, Outcome, Record, Reply};
use super::build::Writer;
pub use super::build::{Column, Data, Meters, Rows};
pub use super::request::{Comdcb, Mechanism, Request, Target, ThenGet};

/// Sizes and conformance of one side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ability {
    /// Protocol version.
    pub version: u16,
    /// Protocol conformance bits.
    pub protocol: [u8; 8],
    /// Function conformance bits.
    pub function: [u8; 16],
    /// Largest frame it sends.
    pub send_size: u16,
    /// Largest frame it takes.
    pub receive_size: u16,
    /// Frames it takes at once.
    pub window: u8,
    /// Largest APDU.
    pub apdu_size: u16,
    /// Timeout of the connection in seconds.
    pub timeout_s: u32,
}

/// When a message was sent and how long it may take: unit of the delay (0 s, 1 min …) and its number; 0 is unlimited.
pub type TimeTag = (Stamp, u8, u16);

impl Ability {
    pub(super) fn write(&self, w: &mut Writer) {
        w.u16(self.version).bytes(&self.protocol).bytes(&self.function);
        w.u16(self.send_size).u16(self.receive_size).u8(self.window).u16(self.apdu_size).u32(self.timeout_s);
    }
}

pub(super) fn time_tag(w: &mut Writer, tag: Option<&TimeTag>) {
    match tag {
        None => w.u8(0),
        Some((stamp, unit, number)) => w.u8(1).stamp(stamp).u8(*unit).u16(*number),
    };
}

/// What a server asks over the link: 0 login, 1 heartbeat, 2 logout.
pub fn link_request(piid_acd: u8, kind: u8, heartbeat_s: u16, time: &Stamp, weekday: u8) -> Vec<u8> {
    let mut w = Writer::default();
    w.u8(0x01).u8(piid_acd).u8(kind).u16(heartbeat_s).long_stamp(time, weekday);
    w.0
}

/// The client's answer to it: bit 7 of the result says that its clock can be trusted. Each time with its day of the
/// week: of the request, of its receipt, of this answer.
pub fn link_response(piid: u8, result: u8, times: [(&Stamp, u8); 3]) -> Vec<u8> {
    let mut w = Writer::default();
    w.u8(0x81).u8(piid).u8(result);
    for (time, weekday) in times {
        w.long_stamp(time, weekday);
    }
    w.0
}

/// What proves a secured request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Identifier, additional data, authentication code: made by security hardware.
    SidMac([u8; 4], Vec<u8>, Vec<u8>),
    /// A random number, which the answer must be proved with.
    Random(Vec<u8>),
    /// Random number and authentication code.
    RandomMac(Vec<u8>, Vec<u8>),
    /// Identifier and additional data.
    Sid([u8; 4], Vec<u8>),
}

/// A secured request around an APDU, plain or already enciphered. Keys lie in hardware: proofs are carried, not made.
pub fn secured_request(apdu: &[u8], is_cipher: bool, proof: &Proof) -> Vec<u8> {
    let mut w = Writer::default();
    w.u8(0x10).u8(u8::from(is_cipher)).octets(apdu);
    match proof {
        Proof::SidMac(sid, additional, mac) => w.u8(0).bytes(sid).octets(additional).octets(mac),
        Proof::Random(rn) => w.u8(1).octets(rn),
        Proof::RandomMac(rn, mac) => w.u8(2).octets(rn).octets(mac),
        Proof::Sid(sid, additional) => w.u8(3).bytes(sid).octets(additional),
    };
    w.0
}

/// A secured answer around an APDU, with its authentication code where one is wanted.
pub fn secured_answer(apdu: &[u8], is_cipher: bool, mac: Option<&[u8]>) -> Vec<u8> {
    let mut w = Writer::default();
    w.u8(0x90).u8(u8::from(is_cipher)).octets(apdu);
    match mac {
        None => w.u8(0),
        Some(mac) => w.u8(1).u8(0).octets(mac),
    };
    w.0
}
