//! Building frames: every request of a master, and the answers of a terminal.

use keyacct_model::{Stamp, Value};

use super::afn::{Afn, SeqField};
use super::answer::stamp_bytes;
use super::frame::{Control, FrameView, TerminalAddress};
use super::stamp::stamp_kind;
use super::unit::{Identifier, body_key};
use crate::catalogue::{Body, Catalogue};
use crate::error::Fault;
use crate::format::{Part, write_time};
use crate::frame::Frame;
use crate::write::{Manner, NoData, write_layout};

/// Terminals fill what is not there with EEH.
pub(super) const NO_DATA: NoData = NoData(0xEE);
/// How terminals write: a time that has not come is EEH too, and a unit is always whole.
pub(super) const MANNER: Manner = Manner { no_data: NO_DATA, no_time: 0xEE, ends_early: false };

/// The meaning of a link frame, independent of its bytes: `parse` and `emit` are inverse for frames without preamble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Low two bits of L: 1 is Q/GDW 130-2005, 2 is 376.1.
    pub protocol_id: u8,
    /// Control byte.
    pub control: Control,
    /// Address.
    pub address: TerminalAddress,
    /// Function code.
    pub afn: u8,
    /// Sequence byte.
    pub seq: SeqField,
    /// Data units and AUX.
    pub data: Vec<u8>,
}

impl Message {
    /// The message of exactly one frame.
    ///
    /// # Errors
    /// The first rule of the frame that is broken.
    pub fn parse(frame: &[u8]) -> Result<Message, Fault> {
        let view = FrameView::parse(frame)?;
        Ok(Message {
            protocol_id: view.protocol_id(),
            control: view.control(),
            address: view.terminal(),
            afn: view.afn(),
            seq: view.seq(),
            data: view.data().to_vec(),
        })
    }

    /// The bytes of the message; none when the data are longer than a frame can be.
    pub fn emit(&self) -> Option<Vec<u8>> {
        FrameView::emit(self.protocol_id, self.control, self.address, self.afn, self.seq, &self.data)
    }

    /// The answer to a request: same address and number, AUX as given.
    pub fn answer(request: &Message, function: u8, afn: Afn, units: &[u8], aux: &Aux) -> Message {
        let waits = u8::from(aux.counters.is_some()) << 5;
        let time = u8::from(aux.time.is_some()) << 7;
        Message {
            control: Control(0x80 | waits | function & 0x0F),
            afn: afn.0,
            seq: SeqField(SeqField::single(request.seq.number(), false).0 | time),
            data: [units, &aux.bytes()].concat(),
            ..request.clone()
        }
    }
}

/// What stands behind the data units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aux {
    /// EC1 and EC2, uplink.
    pub counters: Option<[u8; 2]>,
    /// PW, downlink: 16 bytes, 2 in Q/GDW 130-2005.
    pub password: Option<Vec<u8>>,
    /// Tp: frame counter, time of sending, allowed delay in minutes.
    pub time: Option<(u8, Stamp, u8)>,
}

impl Aux {
    /// The bytes; a time label without day, hour, minute and second is left away.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(self.counters.into_iter().flatten());
        out.extend(self.password.iter().flatten());
        if let Some((counter, sent, delay)) = &self.time {
            let from = out.len();
            out.push(*counter);
            match write_time(sent, 0, &[Part::Day, Part::Hour, Part::Minute, Part::Second], &mut out) {
                Some(()) => out.push(*delay),
                None => out.truncate(from),
            }
        }
        out
    }
}

/// The bytes of one unit: identifier, then the values of the row in the order of its fields ([`crate::write`]). `key`
/// is the catalogue's ([`body_key`], with D0 behind it for what a question carries).
pub fn unit_bytes(
    catalogue: &Catalogue,
    key: u64,
    point: u16,
    function: u16,
    values: &[Value],
) -> Option<Vec<u8>> {
    let mut out = Identifier::of(point, function)?.0.to_vec();
    let (_, row) = catalogue.find(key)?;
    let Body::Layout(layout) = &row.body else { return None };
    out.extend(write_layout(layout, values, NO_DATA)?);
    Some(out)
}

/// Requests of a master to one terminal.
#[derive(Clone, Debug)]
pub struct Request<'c> {
    /// The rows of Q/GDW 1376.1.
    pub catalogue: &'c Catalogue,
    /// The terminal.
    pub address: TerminalAddress,
    /// Low two bits of L.
    pub protocol_id: u8,
    /// Frame counter; its low four bits are the number.
    pub counter: u8,
    /// PW of messages that need one.
    pub password: Vec<u8>,
    /// Time of sending and allowed delay, where the terminal is to check them.
    pub time: Option<(Stamp, u8)>,
}

impl Request<'_> {
    /// A frame of any units. Messages that act carry the password and ask for an answer.
    pub fn frame(&self, afn: Afn, function: u8, units: &[u8]) -> Option<Vec<u8>> {
        let acts = afn.has_password() && afn != Afn::FILE;
        let aux = Aux {
            counters: None,
            password: acts.then(|| self.password.clone()),
            time: self.time.map(|(sent, delay)| (self.counter, sent, delay)),
        };
        let time = u8::from(self.time.is_some()) << 7;
        let seq = SeqField(SeqField::single(self.counter, acts || afn == Afn::FILE).0 | time);
        let data = [units, &aux.bytes()].concat();
        FrameView::emit(self.protocol_id, Control(0x40 | function), self.address, afn.0, seq, &data)
    }

    /// Asks for current data, parameters or versions by points and functions (AFN 0CH, 0AH, 09H).
    pub fn read(&self, afn: Afn, items: &[(u16, u16)]) -> Option<Vec<u8>> {
        let units = items.iter().map(|(point, function)| Identifier::of(*point, *function).map(|id| id.0));
        self.frame(afn, 0x0B, &units.collect::<Option<Vec<_>>>()?.concat())
    }

    /// Asks for something that needs values beside the identifier: chosen meters (0AH F10), events (0EH).
    pub fn read_with(&self, afn: Afn, point: u16, function: u16, values: &[Value]) -> Option<Vec<u8>> {
        let key = body_key(afn.0, function) << 8 | 0xD0;
        self.frame(afn, 0x0B, &unit_bytes(self.catalogue, key, point, function, values)?)
    }

    /// Asks for history (AFN 0DH): a day, a month, or `points` of a curve from a time on, by the function.
    pub fn history(&self, point: u16, function: u16, at: &Stamp, density: u8, points: u8) -> Option<Vec<u8>> {
        let mut unit = Identifier::of(point, function)?.0.to_vec();
        unit.extend(stamp_bytes(stamp_kind(function), at, density, points)?);
        self.frame(Afn::HISTORY, 0x0B, &unit)
    }

    /// Sets parameters, resets or controls (AFN 04H, 01H, 05H).
    pub fn act(&self, afn: Afn, point: u16, function: u16, values: &[Value]) -> Option<Vec<u8>> {
        let code = if afn == Afn::RESET { 0x01 } else { 0x0A };
        let key = body_key(afn.0, function);
        self.frame(afn, code, &unit_bytes(self.catalogue, key, point, function, values)?)
    }

    /// The master's confirm of a frame that a terminal has begun: its address with station 0, its number.
    pub fn confirm(to: &Message) -> Option<Vec<u8>> {
        let address = TerminalAddress { master: 0, ..to.address };
        let units = Identifier::of(0, 1)?.0;
        let seq = SeqField::single(to.seq.number(), false);
        FrameView::emit(to.protocol_id, Control(0x0B), address, Afn::CONFIRM.0, seq, &units)
    }
}

/// A read request for one point and function of current data.
pub fn read_request(address: &str, catalogue: &Catalogue, point: u16, function: u16) -> Option<Vec<u8>> {
    let request = Request {
        catalogue,
        address: TerminalAddress::parse(address, 1)?,
        protocol_id: 2,
        counter: 0,
        password: vec![0; 16],
        time: None,
    };
    request.read(Afn::CURRENT, &[(point, function)])
}

/// Relays a meter's frame through a port (AFN 10H F1). The timeouts are bytes as the standard counts them: D7 of the
/// frame's one says seconds instead of 10 ms.
pub fn relay_request(
    request: &Request<'_>,
    port: u8,
    control: u8,
    timeouts: [u8; 2],
    content: &[u8],
) -> Option<Vec<u8>> {
    let length = u16::try_from(content.len()).ok()?;
    let mut unit = Identifier::of(0, 1)?.0.to_vec();
    unit.extend([port, control]);
    unit.extend(timeouts);
    unit.extend(length.to_le_bytes());
    unit.extend_from_slice(content);
    request.frame(Afn::RELAY, 0x0A, &unit)
}

/// One segment of a file for the terminal (AFN 0FH F1); `segment` counts from 0, the last one is marked.
pub fn file_segment(
    request: &Request<'_>,
    file: u8,
    segment: u32,
    segments: u16,
    bytes: &[u8],
) -> Option<Vec<u8>> {
    let last = segment + 1 == u32::from(segments);
    let mut unit = Identifier::of(0, 1)?.0.to_vec();
    unit.extend([file, u8::from(last), 0]);
    unit.extend(segments.to_le_bytes());
    unit.extend(segment.to_le_bytes());
    unit.extend(u16::try_from(bytes.len()).ok()?.to_le_bytes());
    unit.extend_from_slice(bytes);
    request.frame(Afn::FILE, 0x0A, &unit)
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)] // a test may fail loudly
mod tests {
    use super::*;
    use crate::hex;

    fn catalogue() -> Catalogue {
        let mut rows = Catalogue::default();
        rows.add("gdw1376_1.tsv", include_str!("../../registers/gdw1376_1.tsv")).expect("the built-in rows");
        rows
    }

    fn request<'c>(catalogue: &'c Catalogue, address: &str, master: u8, counter: u8) -> Request<'c> {
        let address = TerminalAddress::parse(address, master).expect("an address");
        Request { catalogue, address, protocol_id: 2, counter, password: vec![0; 16], time: None }
    }

    fn at(day: u8, hour: u8, minute: u8, second: u8) -> Stamp {
        Stamp { year: None, month: None, ..Stamp::full(2018, 8, day, hour, minute, second) }
    }

    #[test]
    fn captured_requests_are_built_again() {
        let rows = catalogue();
        // gs021: clock of terminal 0000-0001.
        let clock = request(&rows, "0000-0001", 1, 0);
        let frame = clock.read(Afn::CURRENT, &[(0, 2)]).map(|f| (f[6], f));
        let (control, frame) = frame.expect("a frame");
        assert_eq!(control, 0x4B); // class 2; the captured master asks with 4A
        let captured = hex::decode("6832003200684A00000100020C6000000200BB16").expect("hex");
        let mut as_captured = Message::parse(&frame).expect("our frame");
        as_captured.control = Control(0x4A);
        assert_eq!(as_captured.emit(), Some(captured));
        // gs045: F1 of 2018-08-27 with a time label.
        let mut meter = request(&rows, "0171-0822", 1, 5);
        meter.time = Some((at(28, 16, 34, 5), 0));
        let day = Stamp::full(2018, 8, 27, 0, 0, 0);
        let captured = "6856005600684B71012208020DE501010100270818050534162800A116";
        assert_eq!(meter.history(1, 1, &day, 0, 0), hex::decode(captured));
        // gs091: the last segment of a file.
        let file = request(&rows, "0133-0008", 1, 3);
        let captured =
            "689E009E00684A33010800020F7300000100010100D300D20000001000555555555555555555555555555555551216";
        assert_eq!(file_segment(&file, 1, 210, 211, &[0x55; 16]), hex::decode(captured));
        // gs033: not ours, but gs027 is: a master's confirm.
        let report = Message {
            protocol_id: 2,
            control: Control(0xC9),
            address: TerminalAddress::parse("6048-127E", 0).expect("an address"),
            afn: 2,
            seq: SeqField::single(0, true),
            data: vec![0, 0, 4, 0],
        };
        let captured = "6832003200680B48607E1200006000000100A416";
        assert_eq!(Request::confirm(&report), hex::decode(captured));
    }

    #[test]
    fn commands_carry_their_password() {
        let rows = catalogue();
        let clock = Value::Time(Stamp::full(2026, 7, 1, 8, 15, 30));
        let frame =
            request(&rows, "9612-3456", 2, 0).act(Afn::CONTROL, 0, 31, &[clock, Value::Number(3.into())]);
        let data = Message::parse(&frame.expect("a frame")).expect("our frame").data;
        assert_eq!(data[..10], [0, 0, 0x40, 0x03, 0x30, 0x15, 0x08, 0x01, 0x67, 0x26]);
        assert_eq!(data[10..], [0; 16]);
    }

    #[test]
    fn what_does_not_fit_is_no_frame() {
        let rows = catalogue();
        let long = request(&rows, "9612-3456", 2, 0);
        assert_eq!(relay_request(&long, 1, 0, [0, 0], &[0; 16_384]), None);
        assert_eq!(long.act(Afn::CONTROL, 0, 31, &[]), None);
        assert_eq!(long.act(Afn::CONTROL, 0, 99, &[]), None);
        assert_eq!(long.read(Afn::CURRENT, &[(2041, 1)]), None);
    }
}
