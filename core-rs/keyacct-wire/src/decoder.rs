//! One decoder for all protocols: finds the rows, keeps what must be remembered between frames.

use crate::assemble::{Assembler, Joined};
use crate::dlt645;
use crate::dlt698_45;
use crate::frame::Frame;
use crate::gdw1376_1;
use crate::modbus;
use crate::protocol::Protocol;
use crate::registers::Registers;
use crate::visit::Visitor;
use crate::walk::Lookup;

/// Decodes frames that a [`crate::Deframer`] has found.
#[derive(Debug)]
pub struct Decoder<'r> {
    lookups: Vec<Lookup<'r>>,
    assembler: Assembler,
    modbus: modbus::Conversation<'r>,
}

impl<'r> Decoder<'r> {
    /// A decoder over catalogues.
    pub fn new(registers: &'r Registers) -> Self {
        Decoder {
            lookups: Protocol::ALL.iter().map(|p| Lookup::new(registers.of(*p))).collect(),
            assembler: Assembler::new(),
            modbus: modbus::Conversation::new(registers.model()),
        }
    }

    /// Whether what this frame says depends on frames before it, or theirs on it: such a stream cannot be read in parts.
    pub fn remembers(protocol: Protocol, frame: &[u8]) -> bool {
        match protocol {
            Protocol::ModbusRtu | Protocol::ModbusTcp => true,
            Protocol::Dlt698_45 => {
                frame.first() == Some(&0x68) && dlt698_45::FrameView::view(frame).control().is_split()
            }
            Protocol::Gdw1376_1 | Protocol::Dlt645_2007 | Protocol::Dlt645_1997 => false,
        }
    }

    /// Takes notice of what the master sends, where later answers can only be read with it (Modbus).
    pub fn note_request(&mut self, protocol: Protocol, frame: &[u8]) {
        match protocol {
            Protocol::ModbusRtu => self.modbus.note(&modbus::RtuView::view(frame)),
            Protocol::ModbusTcp => self.modbus.note(&modbus::TcpView::view(frame)),
            _ => {}
        }
    }

    /// Tells the visitor everything about one whole, valid frame (without preamble).
    #[inline]
    pub fn decode<V: Visitor>(&mut self, protocol: Protocol, frame: &[u8], visitor: &mut V) {
        let lookup = &mut self.lookups[protocol as usize];
        match protocol {
            Protocol::Gdw1376_1 => {
                gdw1376_1::decode(&gdw1376_1::FrameView::view(frame), &mut self.lookups, visitor);
            }
            Protocol::Dlt645_2007 => dlt645::decode(&dlt645::FrameView::view(frame), lookup, visitor),
            Protocol::Dlt698_45 => {
                dlt698_45::decode(frame, &mut self.assembler, &mut self.lookups, visitor);
            }
            Protocol::Dlt645_1997 => dlt645::decode_1997(&dlt645::FrameView::view(frame), lookup, visitor),
            Protocol::ModbusRtu => self.modbus.decode(&modbus::RtuView::view(frame), visitor),
            Protocol::ModbusTcp => self.modbus.decode(&modbus::TcpView::view(frame), visitor),
        }
    }

    /// Tells the visitor what a split answer says that the [`Assembler`] has put together. `whole`: no
    /// part is missing. Ranges are offsets in the joined data, counted from where the first frame's data begin.
    pub fn decode_joined<V: Visitor>(&mut self, joined: &Joined, whole: bool, visitor: &mut V) {
        match joined.key.protocol {
            Protocol::Dlt645_2007 => {
                let frame = dlt645::FrameView::view(&joined.frame);
                let lookup = &mut self.lookups[Protocol::Dlt645_2007 as usize];
                dlt645::decode_joined(&frame, &joined.data, whole, lookup, visitor);
            }
            // An APDU of which a part is missing says nothing that could be trusted.
            Protocol::Dlt698_45 if whole => dlt698_45::decode_joined(joined, &mut self.lookups, visitor),
            _ => {}
        }
    }
}
