//! Which request a reply belongs to: a reply alone does not say which registers it holds.

use super::decode::{decode_reply, describe, has_query};
use super::frame::Adu;
use super::model::Model;
use super::pdu::{Pdu, Size, reply_size};
use crate::frame::Direction;
use crate::visit::{Head, Visitor};

/// What a read asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Function code.
    pub function: u8,
    /// First register.
    pub address: u16,
    /// How many.
    pub count: u16,
    /// The number that pairs request and reply (TCP).
    pub transaction: Option<u16>,
}

impl Query {
    /// The read that a request asks for.
    pub fn of(pdu: &Pdu<'_>, transaction: Option<u16>) -> Option<Query> {
        if !matches!(pdu.function(), 0x01..=0x04 | 0x17) || pdu.direction() != Some(Direction::Down) {
            return None;
        }
        Some(Query { function: pdu.function(), address: pdu.word(1)?, count: pdu.word(3)?, transaction })
    }

    /// Whether a reply can be the one to this.
    pub fn fits(&self, reply: &Pdu<'_>, transaction: Option<u16>) -> bool {
        let bytes = match self.function {
            0x01 | 0x02 => usize::from(self.count).div_ceil(8),
            _ => usize::from(self.count) * 2,
        };
        self.function == reply.function()
            && self.transaction == transaction
            && reply.bytes().get(1).is_some_and(|count| usize::from(*count) == bytes)
    }
}

/// Requests that wait for their reply, one a unit, and the registers of the devices.
#[derive(Debug)]
pub struct Conversation<'r> {
    model: Option<&'r Model>,
    open: Vec<(u8, Query)>,
}

/// Requests that are remembered; on TCP several may be on their way.
const MOST_OPEN: usize = 256;

impl<'r> Conversation<'r> {
    /// A conversation with devices of this model; without one, registers stay plain numbers.
    pub fn new(model: Option<&'r Model>) -> Self {
        Conversation { model, open: Vec::new() }
    }

    /// Remembers what a request asks for. On a serial line a newer request to the unit replaces the older one.
    pub fn note<'a>(&mut self, adu: &impl Adu<'a>) {
        let (unit, pdu, transaction) = (adu.unit(), adu.pdu(), adu.transaction());
        if pdu.direction() == Some(Direction::Up) {
            return;
        }
        self.open.retain(|(other, query)| *other != unit || query.transaction != transaction);
        if let Some(query) = Query::of(&pdu, transaction) {
            if self.open.len() >= MOST_OPEN {
                self.open.remove(0);
            }
            self.open.push((unit, query));
        }
    }

    /// The request that this answers; it is answered once.
    fn answered<'a>(&mut self, adu: &impl Adu<'a>) -> Option<Query> {
        let (unit, pdu, transaction) = (adu.unit(), adu.pdu(), adu.transaction());
        let at =
            self.open.iter().position(|(other, query)| *other == unit && query.transaction == transaction)?;
        let (_, query) = self.open.remove(at);
        query.fits(&pdu, transaction).then_some(query)
    }

    /// Tells the visitor everything about one frame.
    #[inline]
    pub fn decode<'a, V: Visitor>(&mut self, adu: &impl Adu<'a>, visitor: &mut V) {
        let direction = adu.pdu().direction();
        let query = match direction {
            Some(Direction::Up) => self.answered(adu),
            _ => {
                self.note(adu);
                None
            }
        };
        if !visitor.head(&Head { protocol: adu.protocol(), direction, address: adu.address() }) {
            return;
        }
        let model = self.model.zip(query).filter(|(_, query)| has_query(query));
        describe(adu, query.as_ref(), model.is_some(), visitor);
        if let Some((model, query)) = model {
            decode_reply(model, &query, &adu.pdu(), adu.base(), visitor);
        }
    }
}

/// Whether a reply answers a request: same unit and transaction, and either an exception to the function, or as many data
/// as were asked for, or the echo that a write is answered with. Nobody answers a broadcast. None where one of them is no
/// frame.
pub fn answers<'a, F: Adu<'a>>(request: &'a [u8], reply: &'a [u8]) -> Option<bool> {
    let asked = F::parse(request).ok()?;
    let said = F::parse(reply).ok()?;
    let same_device =
        asked.unit() == said.unit() && asked.transaction() == said.transaction() && asked.unit() != 0;
    let (ask, say) = (asked.pdu(), said.pdu());
    let bytes = say.bytes();
    if !same_device || ask.direction() == Some(Direction::Up) || ask.function() >= 0x80 {
        return Some(false);
    }
    if say.function() >= 0x80 {
        return Some(say.asked() == ask.function());
    }
    let is_reply = say.function() == ask.function() && reply_size(bytes) == Size::Is(bytes.len());
    let counted = |count: usize| bytes.get(1).is_some_and(|stated| usize::from(*stated) == count);
    Some(
        is_reply
            && match ask.function() {
                0x01 | 0x02 => counted(usize::from(ask.word(3)?).div_ceil(8)),
                0x03 | 0x04 | 0x17 => counted(usize::from(ask.word(3)?) * 2),
                0x05 | 0x06 | 0x16 => bytes == ask.bytes(),
                // A diagnosis gives its sub-function back; only that of function 0, return data, is an echo as a whole.
                0x08 => ask.word(1)? == say.word(1)? && (ask.word(1)? != 0 || bytes == ask.bytes()),
                0x0F | 0x10 => bytes.get(..5) == ask.bytes().get(..5),
                0x2B => bytes.get(1..3) == ask.bytes().get(1..3),
                _ => true,
            },
    )
}
