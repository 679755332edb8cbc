//! What requests, replies and exceptions say.

use std::ops::Range;

use super::control;
use super::conversation::Query;
use super::frame::Adu;
use super::model::{Model, registers};
use super::pdu::Pdu;
use crate::cursor::Cursor;
use crate::frame::Direction;
use crate::json::Json;
use crate::visit::{Name, Visitor};
use crate::walk::walk;

fn same(text: impl Into<String>) -> Name {
    let text = text.into();
    Name::new(text.clone(), text)
}

fn none() -> Name {
    Name::new("", "")
}

/// Whether a read is one of registers, which a model can explain.
pub(super) fn has_query(query: &Query) -> bool {
    matches!(query.function, 0x03 | 0x04 | 0x17)
}

/// Tells the visitor the fields of one frame; `explained` leaves the registers of a reply to a model.
pub(super) fn describe<'a, V: Visitor>(
    adu: &impl Adu<'a>,
    query: Option<&Query>,
    explained: bool,
    visitor: &mut V,
) {
    let (bytes, pdu, base) = (adu.bytes(), adu.pdu(), adu.base());
    visitor.header("unit", || Json::from(adu.unit()));
    visitor.header("function", || Json::from(pdu.function()));
    if let Some(transaction) = adu.transaction() {
        visitor.header("transaction", || Json::from(i64::from(transaction)));
        visitor.field(0..2, || (Name::new("Transaction", "事务标识"), same(transaction.to_string())));
        visitor.field(2..4, || (Name::new("Protocol", "协议标识"), none()));
        visitor.field(4..6, || (Name::new("Length", "长度"), same((bytes.len() - 6).to_string())));
    } else {
        let end = bytes.len();
        visitor.field(end - 2..end, || (Name::new("CRC", "校验码"), Name::new("correct", "正确")));
    }
    visitor.field(base - 1..base, || (Name::new("Unit", "从站地址"), same(adu.unit().to_string())));
    visitor.field(base..base + 1, || (Name::new("Function", "功能码"), function_meaning(&pdu)));
    let mut data = Data { pdu, base, visitor };
    match (pdu.direction(), pdu.exception()) {
        (_, Some(code)) => data.exception(code),
        (Some(Direction::Up), _) => data.reply(query, explained),
        _ => data.request(),
    }
}

fn function_meaning(pdu: &Pdu<'_>) -> Name {
    let name = control::function_name(pdu.function());
    let (en, zh) = match (pdu.direction(), pdu.exception()) {
        (_, Some(_)) => ("exception: ", "异常应答: "),
        (Some(Direction::Down), _) => ("request: ", "请求: "),
        (Some(Direction::Up), _) => ("reply: ", "应答: "),
        (None, _) => ("request or its echo: ", "请求或其回显: "),
    };
    Name::new(format!("{en}{}", name.en), format!("{zh}{}", name.zh))
}

struct Data<'a, 'v, V: Visitor> {
    pdu: Pdu<'a>,
    base: usize,
    visitor: &'v mut V,
}

impl<V: Visitor> Data<'_, '_, V> {
    fn at(&self, from: usize, to: usize) -> Range<usize> {
        self.base + from..self.base + to
    }

    /// A 16-bit field that has a published key.
    fn word(&mut self, at: usize, key: &'static str, name: Name, hex: bool) {
        let Some(word) = self.pdu.word(at) else { return };
        self.visitor.header(key, || Json::from(i64::from(word)));
        let range = self.at(at, at + 2);
        self.visitor.field(range, || {
            (name, same(if hex { format!("{word} ({word:04X}H)") } else { word.to_string() }))
        });
    }

    fn address(&mut self, at: usize) {
        self.word(at, "address", Name::new("First register", "起始地址"), true);
    }

    fn count(&mut self, at: usize) {
        self.word(at, "count", Name::new("Count", "数量"), false);
    }

    fn byte_count(&mut self, at: usize) {
        let Some(count) = self.pdu.bytes().get(at).copied() else { return };
        self.visitor.header("byte_count", || Json::from(count));
        let range = self.at(at, at + 1);
        self.visitor.field(range, || (Name::new("Byte count", "字节数"), same(count.to_string())));
    }

    fn exception(&mut self, code: u8) {
        self.no_address();
        self.visitor.header("exception", || Json::from(code));
        self.visitor.header("error", || {
            Json::Object(vec![
                ("byte", Json::Text(format!("{code:02X}"))),
                ("meaning", Json::Text(control::exception_meaning(code).en)),
            ])
        });
        let range = self.at(1, 2);
        self.visitor.field(range, || (Name::new("Exception", "异常码"), control::exception_meaning(code)));
    }

    /// `address` is a register; a frame that names none has none.
    fn no_address(&mut self) {
        self.visitor.header("address", || Json::Null);
    }

    /// The registers from an offset to the end; `first` is the number of the first one, where it is known.
    fn registers(&mut self, from: usize, first: Option<u16>, explained: bool) {
        let bytes = self.pdu.bytes().get(from..).unwrap_or_default();
        let words: Vec<u16> =
            bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        self.visitor.header("registers", || {
            Json::List(words.iter().map(|word| Json::Int(i64::from(*word))).collect())
        });
        if explained {
            return;
        }
        for (n, word) in words.iter().enumerate() {
            let range = self.at(from + 2 * n, from + 2 * n + 2);
            self.visitor.field(range, || (register_name(first, n), same(word.to_string())));
        }
    }

    /// Coils or inputs from an offset to the end, lowest bit first.
    fn bits(&mut self, from: usize, first: Option<u16>, count: Option<u16>) {
        let bytes = self.pdu.bytes().get(from..).unwrap_or_default();
        let count = count.map_or(bytes.len() * 8, usize::from).min(bytes.len() * 8);
        let bit = |n: usize| bytes[n / 8] >> (n % 8) & 1;
        self.visitor.header("bits", || Json::List((0..count).map(|n| Json::from(bit(n))).collect()));
        for n in 0..bytes.len() {
            let range = self.at(from + n, from + n + 1);
            self.visitor.field(range, || {
                let name = match first {
                    Some(first) => Name::new(
                        format!("Bits from {}", usize::from(first) + 8 * n),
                        format!("自 {} 起的位", usize::from(first) + 8 * n),
                    ),
                    None => Name::new("Bits", "位"),
                };
                let shown = (8 * n..count.min(8 * n + 8)).map(|n| char::from(b'0' + bit(n)));
                (name, same(shown.collect::<String>()))
            });
        }
    }

    fn request(&mut self) {
        match self.pdu.function() {
            0x01..=0x04 => {
                self.address(1);
                self.count(3);
            }
            0x05 | 0x06 => {
                self.address(1);
                self.word(3, "value", Name::new("Value", "值"), true);
                let value = self.pdu.word(3).unwrap_or(0);
                if self.pdu.function() == 0x06 {
                    self.visitor.header("registers", || Json::List(vec![Json::Int(value.into())]));
                } else {
                    self.visitor.header("bits", || Json::List(vec![Json::from(u8::from(value != 0))]));
                }
            }
            0x08 => self.diagnostics(),
            0x0F => {
                self.address(1);
                self.count(3);
                self.byte_count(5);
                self.bits(6, self.pdu.word(1), self.pdu.word(3));
            }
            0x10 => {
                self.address(1);
                self.count(3);
                self.byte_count(5);
                self.registers(6, self.pdu.word(1), false);
            }
            0x16 => {
                self.address(1);
                self.word(3, "and_mask", Name::new("And mask", "与掩码"), true);
                self.word(5, "or_mask", Name::new("Or mask", "或掩码"), true);
            }
            0x17 => {
                self.address(1);
                self.count(3);
                self.word(5, "write_address", Name::new("First register to write", "写起始地址"), true);
                self.word(7, "write_count", Name::new("Count to write", "写数量"), false);
                self.byte_count(9);
                self.registers(10, self.pdu.word(5), false);
            }
            0x2B => self.identification(),
            _ => self.no_address(),
        }
    }

    fn diagnostics(&mut self) {
        self.no_address();
        self.word(1, "sub_function", Name::new("Sub-function", "子功能"), true);
        self.word(3, "value", Name::new("Data", "数据"), true);
    }

    fn reply(&mut self, query: Option<&Query>, explained: bool) {
        if !matches!(self.pdu.function(), 0x0F | 0x10) {
            self.no_address();
        }
        let first = query.map(|query| query.address);
        match self.pdu.function() {
            0x01 | 0x02 => {
                self.byte_count(1);
                self.bits(2, first, query.map(|query| query.count));
            }
            0x03 | 0x04 | 0x17 => {
                self.byte_count(1);
                self.registers(2, first, explained);
            }
            0x07 => self.opaque(1),
            0x0B => {
                self.word(1, "value", Name::new("Status", "状态"), true);
                self.word(3, "event_count", Name::new("Event count", "事件计数"), false);
            }
            0x0C | 0x11 => {
                self.byte_count(1);
                self.opaque(2);
            }
            0x0F | 0x10 => {
                self.address(1);
                self.count(3);
            }
            0x2B => self.identification(),
            _ => {}
        }
    }

    /// Bytes that only the maker can explain.
    fn opaque(&mut self, from: usize) {
        let bytes = self.pdu.bytes().get(from..).unwrap_or_default();
        if !bytes.is_empty() {
            self.visitor.header("payload", || Json::Text(crate::format::hex(bytes.iter())));
            let range = self.at(from, self.pdu.bytes().len());
            self.visitor.field(range, || (Name::new("Data of the device", "设备数据"), none()));
        }
    }

    /// Read device identification (clause 6.21): vendor, product, version and what else the device tells.
    fn identification(&mut self) {
        let pdu = self.pdu.bytes();
        if self.pdu.direction() == Some(Direction::Down) {
            self.no_address();
        }
        let fields: &[(usize, &str, &str)] = if pdu.len() <= 4 {
            &[(1, "MEI type", "MEI 类型"), (2, "Access", "读取方式"), (3, "First object", "起始对象")]
        } else {
            &[
                (1, "MEI type", "MEI 类型"),
                (2, "Access", "读取方式"),
                (3, "Conformity", "一致性级别"),
                (4, "More follows", "有后续"),
                (5, "Next object", "下一对象"),
                (6, "Number of objects", "对象数"),
            ]
        };
        for (at, en, zh) in fields {
            let Some(byte) = pdu.get(*at) else { return };
            let range = self.at(*at, *at + 1);
            self.visitor.field(range, || (Name::new(*en, *zh), same(format!("{byte:02X}"))));
        }
        let mut at = 7;
        let mut objects = Vec::new();
        while let (Some(id), Some(length)) = (pdu.get(at), pdu.get(at + 1)) {
            let end = at + 2 + usize::from(*length);
            let text = crate::format::text(pdu.get(at + 2..end).unwrap_or_default().iter().copied());
            let range = self.at(at, end);
            let shown = text.clone();
            self.visitor.field(range, || (object_name(*id), same(shown)));
            objects.push(Json::Object(vec![("id", Json::from(*id)), ("text", Json::Text(text))]));
            at = end;
        }
        if !objects.is_empty() {
            self.visitor.header("objects", || Json::List(objects));
        }
    }
}

fn object_name(id: u8) -> Name {
    let (en, zh) = match id {
        0x00 => ("Vendor name", "厂商名称"),
        0x01 => ("Product code", "产品代码"),
        0x02 => ("Revision", "版本"),
        0x03 => ("Vendor URL", "厂商网址"),
        0x04 => ("Product name", "产品名称"),
        0x05 => ("Model name", "型号"),
        0x06 => ("User application name", "应用名称"),
        _ => return Name::new(format!("Object {id:02X}"), format!("对象 {id:02X}")),
    };
    Name::new(en, zh)
}

fn register_name(first: Option<u16>, n: usize) -> Name {
    match first {
        Some(first) => {
            let number = usize::from(first) + n;
            Name::new(
                format!("Register {number} ({number:04X}H)"),
                format!("寄存器 {number} ({number:04X}H)"),
            )
        }
        None => {
            Name::new(format!("Register {} of the answer", n + 1), format!("应答中第 {} 个寄存器", n + 1))
        }
    }
}

/// Tells the values of a reply whose request is known, by the registers of a model. `base` is the offset of the
/// function code in the frame. Gives false, and tells nothing, when the reply is not one to this request.
pub fn decode_reply<V: Visitor>(
    model: &Model,
    request: &Query,
    reply: &Pdu<'_>,
    base: usize,
    visitor: &mut V,
) -> bool {
    if !has_query(request) || !request.fits(reply, request.transaction) {
        return false;
    }
    let mut data = Cursor::new(reply.bytes().get(2..).unwrap_or_default(), base + 2);
    let mut address = request.address;
    while data.left() >= 2 {
        let from = data.position();
        let row =
            model.row(request.function, address).and_then(|(key, row)| Some((key, row, registers(row)?.0)));
        match row {
            Some((key, row, count)) if usize::from(count) * 2 <= data.left() => {
                let bytes = data.take(usize::from(count) * 2).unwrap_or_default();
                walk(&model.catalogue, row, key, &mut Cursor::new(bytes, from), visitor);
                address = address.wrapping_add(count);
            }
            _ => {
                let word = data.array().map(u16::from_be_bytes).unwrap_or_default();
                visitor.field(from..from + 2, || (register_name(Some(address), 0), same(word.to_string())));
                address = address.wrapping_add(1);
            }
        }
    }
    true
}
