//! The protocols by their published names, and the one place where a frame type is registered.
//!
//! A new protocol is: one line in [`Framing`]'s table (if its link frame is new), its names in [`Protocol`]'s table
//! set to `built`, one arm in [`crate::decoder::Decoder::decode`], and one line in [`crate::registers::EMBEDDED`].

use crate::error::Fault;
use crate::frame::{Frame, Probe};
use crate::visit::Name;

/// A protocol that a frame can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Protocol {
    /// DL/T 645-2007.
    Dlt645_2007,
    /// DL/T 645-1997.
    Dlt645_1997,
    /// Q/GDW 1376.1 and 376.1.
    Gdw1376_1,
    /// DL/T 698.45.
    Dlt698_45,
    /// Modbus RTU.
    ModbusRtu,
    /// Modbus TCP.
    ModbusTcp,
}

impl Protocol {
    /// Checks that bytes without link frame are exactly one application data unit.
    ///
    /// # Errors
    /// The first rule that is broken and its byte; always for a protocol that needs its link frame.
    pub fn check_bare(self, bytes: &[u8]) -> Result<(), (usize, Fault)> {
        match self {
            Protocol::Dlt698_45 => match crate::dlt698_45::Apdu::parse(bytes) {
                Ok(_) => Ok(()),
                Err(broken) => Err((broken.at, Fault::Rule(broken.rule))),
            },
            _ => Err((0, Fault::Rule("this protocol needs its link frame"))),
        }
    }

    /// Every protocol, in the order of its number.
    pub const ALL: &'static [Protocol] = &[
        Protocol::Dlt645_2007,
        Protocol::Dlt645_1997,
        Protocol::Gdw1376_1,
        Protocol::Dlt698_45,
        Protocol::ModbusRtu,
        Protocol::ModbusTcp,
    ];

    /// The published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Protocol::Dlt645_2007 => "dlt645-2007",
            Protocol::Dlt645_1997 => "dlt645-1997",
            Protocol::Gdw1376_1 => "gdw1376.1",
            Protocol::Dlt698_45 => "dlt698.45",
            Protocol::ModbusRtu => "modbus-rtu",
            Protocol::ModbusTcp => "modbus-tcp",
        }
    }

    /// The link frame it travels in; none while the protocol is not built.
    pub const fn framing(self) -> Option<Framing> {
        match self {
            Protocol::Dlt698_45 => Some(Framing::Dlt698_45),
            Protocol::Gdw1376_1 => Some(Framing::Gdw1376_1),
            Protocol::Dlt645_2007 | Protocol::Dlt645_1997 => Some(Framing::Dlt645),
            Protocol::ModbusTcp => Some(Framing::ModbusTcp),
            Protocol::ModbusRtu => Some(Framing::ModbusRtu),
        }
    }
}

macro_rules! framings {
    ($($(#[$doc:meta])* $variant:ident => $frame:ident :: $view:ident),+ $(,)?) => {
        /// A family of link frames: protocols that share one frame are told apart by its content.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Framing { $($(#[$doc])* $variant),+ }

        impl Framing {
            /// Every framing, in the order in which they are tried at a possible start.
            pub const ALL: &'static [Framing] = &[$(Framing::$variant),+];

            /// The byte every frame begins with.
            pub const fn start(self) -> Option<u8> {
                match self { $(Framing::$variant => <crate::$frame::$view<'_> as Frame>::START),+ }
            }

            /// Bytes of the longest frame.
            pub const fn longest(self) -> usize {
                match self { $(Framing::$variant => *<crate::$frame::$view<'_> as Frame>::LEN.end()),+ }
            }

            /// See [`Frame::probe`].
            pub fn probe(self, at_start: &[u8]) -> Probe {
                match self { $(Framing::$variant => <crate::$frame::$view<'_> as Frame>::probe(at_start)),+ }
            }

            /// See [`Frame::advise`].
            pub fn advise(self, line: &[u8]) -> Option<Name> {
                match self { $(Framing::$variant => <crate::$frame::$view<'_> as Frame>::advise(line)),+ }
            }

            /// See [`Frame::parse`]; gives the protocol by the frame alone.
            ///
            /// # Errors
            /// The first rule that is broken.
            pub fn check(self, frame: &[u8]) -> Result<Protocol, Fault> {
                match self { $(Framing::$variant => crate::$frame::$view::parse(frame).map(|f| f.protocol())),+ }
            }
        }
    };
}

framings! {
    /// DL/T 645, both editions.
    Dlt645 => dlt645::FrameView,
    /// DL/T 698.45.
    Dlt698_45 => dlt698_45::FrameView,
    /// Q/GDW 1376.1 and 130.
    Gdw1376_1 => gdw1376_1::FrameView,
    /// Modbus with a CRC; also what serial servers send over TCP. No start byte, so it stands behind those that have one,
    /// and before TCP, whose header can be met in an RTU request for two registers.
    ModbusRtu => modbus::RtuView,
    /// Modbus with an MBAP header.
    ModbusTcp => modbus::TcpView,
}

/// What the caller says about the protocol of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Any protocol that a frame can be recognised as without help.
    Auto,
    /// As `Auto`, on a line that Modbus RTU has been proved to use as well.
    AutoRtu,
    /// This protocol; the link frame decides nothing else.
    Only(Protocol),
    /// The whole stream is one application data unit of this protocol, without link frame.
    Bare(Protocol),
}

/// Protocols whose application data can be read without link frame, by the name that asks for it.
const BARE_PROTOCOLS: &[(Protocol, &str)] = &[(Protocol::Dlt698_45, "dlt698.45-apdu")];

impl Expect {
    /// Names that can be asked for, with `auto` first.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let built = Protocol::ALL.iter().filter(|p| p.framing().is_some()).map(|p| p.as_str());
        std::iter::once("auto").chain(built).chain(BARE_PROTOCOLS.iter().map(|(_, name)| *name))
    }

    /// The choice of this name; none when there is no such protocol or it is not built.
    pub fn by_name(name: &str) -> Option<Expect> {
        if name == "auto" {
            return Some(Expect::Auto);
        }
        if let Some((protocol, _)) = BARE_PROTOCOLS.iter().find(|(_, bare)| *bare == name) {
            return Some(Expect::Bare(*protocol));
        }
        Protocol::ALL.iter().copied().find(|p| p.as_str() == name && p.framing().is_some()).map(Expect::Only)
    }

    /// The framings to look for.
    pub fn framings(self) -> &'static [Framing] {
        match self {
            Expect::Auto => {
                // Without a start byte every second noise byte would begin a frame: those must be asked for.
                const { assert!(Framing::ALL[0].start().is_some()) };
                let known = Framing::ALL.iter().position(|f| f.start().is_none());
                &Framing::ALL[..known.unwrap_or(Framing::ALL.len())]
            }
            Expect::AutoRtu => {
                const { assert!(matches!(Framing::ALL[3], Framing::ModbusRtu)) };
                &Framing::ALL[..4]
            }
            Expect::Bare(_) => &[],
            Expect::Only(protocol) => {
                let at = Framing::ALL.iter().position(|f| Some(*f) == protocol.framing());
                at.map_or(&[], |at| &Framing::ALL[at..=at])
            }
        }
    }

    /// The protocol of a whole line that is one frame of a framing without a start byte. In a stream such frames are
    /// only looked for when they are asked for; a line that fits from its first to its last byte is proof enough.
    pub fn whole_line(self, line: &[u8]) -> Option<Protocol> {
        if self != Expect::Auto {
            return None;
        }
        let without_start = Framing::ALL.iter().filter(|framing| framing.start().is_none());
        without_start.filter_map(|framing| framing.check(line).ok()).next()
    }

    /// The protocol to decode a frame as, given what the frame alone says.
    pub fn label(self, by_frame: Protocol) -> Protocol {
        match self {
            Expect::Auto | Expect::AutoRtu => by_frame,
            Expect::Only(protocol) | Expect::Bare(protocol) => protocol,
        }
    }
}
