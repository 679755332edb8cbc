//! Whether a frame is the answer to another one.

use super::frame::FrameView;
use crate::frame::Frame;

const GET: u8 = 0x05;
const SET: u8 = 0x06;
const ACTION: u8 = 0x07;
const PROXY: u8 = 0x09;
const SECURITY: u8 = 0x10;
/// ERROR-Response of a server, and of a client to a server's report.
const ERRORS: [u8; 2] = [0xEE, 0x6E];
/// GetResponseNext: an answer that is too long comes in blocks, whatever was asked.
const NEXT: u8 = 5;

/// Whether a reply answers a request: server and client, service and choice, the number of the invocation, and the
/// attribute, method, number of them or block that was asked for. An error result names the same attribute; an
/// ERROR-Response the invocation. Of secured APDUs those that are plain are compared. None where one of them is no frame.
pub fn answers(request: &[u8], reply: &[u8]) -> Option<bool> {
    let asked = FrameView::parse(request).ok()?;
    let said = FrameView::parse(reply).ok()?;
    // A wildcard, a group or a broadcast: the server answers with its own address.
    let any = asked.address_flags() >> 6 != 0;
    let same_station = asked.control().direction() != said.control().direction()
        && asked.control().is_from_client() == said.control().is_from_client()
        && asked.client() == said.client()
        && (any || asked.address() == said.address());
    Some(same_station && apdu_answers(&asked.payload(), &said.payload())?)
}

fn apdu_answers(ask: &[u8], say: &[u8]) -> Option<bool> {
    let (tag, answer) = (*ask.first()?, *say.first()?);
    if tag == SECURITY && answer == SECURITY | 0x80 {
        return match (plain(ask)?, plain(say)) {
            (Some(ask), Some(Some(say))) => apdu_answers(ask, say),
            _ => Some(true), // ciphertext, or why the security layer refuses
        };
    }
    let has_choice = matches!(tag & 0x7F, 0x05..=0x09);
    let number = *ask.get(if has_choice { 2 } else { 1 })? & 0x3F;
    if ERRORS.contains(&answer) {
        return Some(say.get(1)? & 0x3F == number);
    }
    if answer != tag ^ 0x80 {
        return Some(false);
    }
    if !has_choice {
        return Some(say.get(1)? & 0x3F == number);
    }
    let (choice, said) = (*ask.get(1)?, *say.get(1)?);
    if say.get(2)? & 0x3F != number {
        return Some(false);
    }
    if tag == GET && said == NEXT {
        // Blocks count from 1 (some servers from 0); the next one is asked for by the number of the last that came.
        let block = word(say, 4)?;
        return Some(choice != NEXT || block == word(ask, 3)?.wrapping_add(1));
    }
    if choice != said {
        return Some(false);
    }
    Some(match (tag, choice) {
        (GET, 1 | 3 | 6) | (SET | ACTION, 1) | (PROXY, 7) => same(ask, say, 3..7),
        (GET, 2 | 4) | (SET | ACTION, 2 | 3) => {
            let ((wanted, from), (given, at)) = (count(ask, 3)?, count(say, 3)?);
            wanted == given && (wanted == 0 || same(&ask[from..], &say[at..], 0..4))
        }
        _ => true,
    })
}

fn same(ask: &[u8], say: &[u8], at: std::ops::Range<usize>) -> bool {
    ask.get(at.clone()).is_some_and(|bytes| say.get(at) == Some(bytes))
}

fn word(apdu: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*apdu.get(at)?, *apdu.get(at + 1)?]))
}

/// A length at `at` and where what it counts begins.
fn count(apdu: &[u8], at: usize) -> Option<(usize, usize)> {
    match *apdu.get(at)? {
        short @ 0..=0x7F => Some((usize::from(short), at + 1)),
        long => {
            let size = usize::from(long & 0x7F);
            let bytes = apdu.get(at + 1..at + 1 + size).filter(|_| (1..=4).contains(&size))?;
            Some((bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), at + 1 + size))
        }
    }
}

/// The plain APDU inside a secured one; the inner none where it is ciphertext or an error.
fn plain(apdu: &[u8]) -> Option<Option<&[u8]>> {
    if *apdu.get(1)? != 0 {
        return Some(None);
    }
    let (length, from) = count(apdu, 2)?;
    Some(Some(apdu.get(from..from.checked_add(length)?)?))
}
