//! Whether a frame is the answer to another one.

use crate::dlt645;
use crate::dlt698_45;
use crate::frame::{Direction, Frame};
use crate::gdw1376_1;
use crate::modbus;
use crate::protocol::Protocol;

/// Whether `reply` answers `request`: both whole frames of the protocol, from the device that was asked, to what was
/// asked, by number where the protocol counts. An answer that says why there are no data is an answer too.
pub fn answers(protocol: Protocol, request: &[u8], reply: &[u8]) -> bool {
    let found = match protocol {
        Protocol::Dlt645_2007 => meter(request, reply, 4),
        Protocol::Dlt645_1997 => meter(request, reply, 2),
        Protocol::Gdw1376_1 => terminal(request, reply),
        Protocol::Dlt698_45 => server(request, reply),
        Protocol::ModbusRtu => slave::<modbus::RtuView<'_>>(request, reply),
        Protocol::ModbusTcp => slave::<modbus::TcpView<'_>>(request, reply),
    };
    found.unwrap_or(false)
}

fn meter(request: &[u8], reply: &[u8], identifier: usize) -> Option<bool> {
    let asked = dlt645::FrameView::parse(request).ok()?;
    let said = dlt645::FrameView::parse(reply).ok()?;
    let (ask, say) = (asked.control(), said.control());
    let is_answer = ask.direction() == Direction::Down
        && say.direction() == Direction::Up
        && ask.function() == say.function();
    let pairs = asked.address_bytes().iter().zip(said.address_bytes());
    // AAH stands for any two digits, all of them for any meter.
    let same_device = pairs.into_iter().all(|(ask, say)| *ask == 0xAA || ask == say);
    let (wanted, given) = (asked.payload(), said.payload());
    let reads = matches!(ask.function(), 0x01 | 0x02 | 0x11 | 0x12);
    let same_data = !reads || say.is_abnormal() || given.get(..identifier)? == wanted.get(..identifier)?;
    Some(is_answer && same_device && same_data)
}

fn terminal(request: &[u8], reply: &[u8]) -> Option<bool> {
    let asked = gdw1376_1::FrameView::parse(request).ok()?;
    let said = gdw1376_1::FrameView::parse(reply).ok()?;
    let (ask, say) = (asked.terminal(), said.terminal());
    let confirms = gdw1376_1::Afn(said.afn()) == gdw1376_1::Afn::CONFIRM;
    Some(
        asked.control().direction() != said.control().direction()
            && !said.control().is_initiator()
            && (ask.region, ask.terminal) == (say.region, say.terminal)
            && asked.seq().number() == said.seq().number()
            && (asked.afn() == said.afn() || confirms),
    )
}

fn server(request: &[u8], reply: &[u8]) -> Option<bool> {
    let asked = dlt698_45::FrameView::parse(request).ok()?;
    let said = dlt698_45::FrameView::parse(reply).ok()?;
    let (ask, say) = (asked.payload(), said.payload());
    // Tag, choice where the service has one, number of the invocation.
    let number = |apdu: &[u8]| -> Option<u8> {
        let at = if matches!(apdu.first()? & 0x7F, 0x05..=0x09) { 2 } else { 1 };
        Some(apdu.get(at)? & 0x3F)
    };
    let (tag, answer) = (*ask.first()?, *say.first()?);
    let same_service = answer == tag ^ 0x80 || answer == 0xEE;
    let secured = tag & 0x7F == 0x10;
    let any = asked.address_flags() >> 6 != 0;
    Some(
        asked.control().direction() != said.control().direction()
            && same_service
            && (any || asked.address() == said.address())
            && (secured || number(&ask)? == number(&say)?),
    )
}

fn slave<'a, F: modbus::Adu<'a>>(request: &'a [u8], reply: &'a [u8]) -> Option<bool> {
    let asked = F::parse(request).ok()?;
    let said = F::parse(reply).ok()?;
    Some(
        asked.unit() == said.unit()
            && asked.transaction() == said.transaction()
            && asked.pdu().function() == said.pdu().asked()
            && said.pdu().direction() != Some(Direction::Down),
    )
}
