//! Whether a frame is the answer to another one.

use super::afn::Afn;
use super::frame::FrameView;
use super::stamp::stamp_kind;
use super::unit::Identifier;
use crate::frame::{Direction, Frame};

/// Bytes of the time label Tp.
const TIME_LABEL: usize = 6;

/// Whether a reply answers a request: who was asked (a master by its own number), the number of the exchange, and of data
/// the function code and units that were asked for; a confirmation or denial (AFN 00H) of this message otherwise. Later
/// frames of an answer count on from its first one. None where one of them is no frame.
pub fn answers(request: &[u8], reply: &[u8]) -> Option<bool> {
    let asked = FrameView::parse(request).ok()?;
    let said = FrameView::parse(reply).ok()?;
    let (ask, say) = (asked.terminal(), said.terminal());
    let down = asked.control().direction() == Direction::Down;
    let same_station = (ask.region, ask.terminal) == (say.region, say.terminal)
        && !ask.group
        && (!down || ask.master == say.master);
    let opposite = asked.control().direction() != said.control().direction();
    let roles = asked.control().is_initiator() && !said.control().is_initiator();
    let (ask, say) = (asked.seq(), said.seq());
    let later = !say.is_first() && asked.afn() == said.afn();
    if !(same_station && opposite && roles && (later || ask.number() == say.number())) {
        return Some(false);
    }
    let body = said.data();
    let first = Identifier::at(body);
    if Afn(said.afn()) == Afn::CONFIRM {
        return Some(first.is_none_or(|id| confirms(id, body.get(Identifier::SIZE).copied(), asked.afn())));
    }
    if asked.afn() != said.afn() {
        return Some(false);
    }
    Some(match (first, units(&asked)) {
        (Some(given), Some(wanted)) => covers(&wanted, given),
        (Some(_), None) => true,
        (None, _) => false,
    })
}

/// Whether a confirmation is one of this function: item by item (F3) it names it; a question is never just confirmed.
fn confirms(identifier: Identifier, named: Option<u8>, afn: u8) -> bool {
    if identifier.points().ne([0]) {
        return false;
    }
    match identifier.functions().next() {
        Some(1) => !Afn(afn).is_query() || identifier.functions().nth(1).is_some(),
        Some(3) => named == Some(afn),
        Some(2 | 4) => true,
        _ => false,
    }
}

/// The identifiers of a request; none where what stands between them is not known here.
fn units(frame: &FrameView<'_>) -> Option<Vec<Identifier>> {
    let afn = Afn(frame.afn());
    let mut data = frame.data();
    if frame.seq().has_time() {
        data = data.get(..data.len().checked_sub(TIME_LABEL)?)?;
    }
    let mut all = Vec::new();
    while let Some(identifier) = Identifier::at(data) {
        all.push(identifier);
        let between = match afn {
            Afn::CURRENT => 0,
            Afn::HISTORY => stamp_kind(identifier.functions().next()?).size(),
            // What else is asked for carries its own data: the first unit is known, others are not looked for.
            _ => {
                let alone = data.len() == Identifier::SIZE;
                return (alone || afn != Afn::QUERY).then_some(all);
            }
        };
        data = data.get(Identifier::SIZE + between..)?;
    }
    (data.is_empty() && !all.is_empty()).then_some(all)
}

/// Whether every point and function of a unit was asked for; all points ask for any.
fn covers(wanted: &[Identifier], given: Identifier) -> bool {
    given.points().all(|point| {
        given.functions().all(|function| {
            wanted.iter().any(|id| {
                id.functions().any(|f| f == function)
                    && id.points().any(|p| p == point || p == Identifier::ALL_POINTS)
            })
        })
    })
}
