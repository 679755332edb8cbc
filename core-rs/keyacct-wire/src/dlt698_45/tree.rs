//! What an APDU says, as a tree over its bytes: nothing is copied, every node knows where it lies.

use std::fmt;

use super::axdr;
use super::grammar::{Arm, Field, Kind, Service};
use super::services;

/// Deepest nesting of arrays and structures, and of an APDU inside another's data.
pub const DEEPEST: u8 = 16;

/// Why bytes are no APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApduFault {
    /// Byte in the APDU.
    pub at: usize,
    /// The rule that is broken.
    pub rule: &'static str,
}

impl fmt::Display for ApduFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, byte {} of the APDU", self.rule, self.at)
    }
}

impl std::error::Error for ApduFault {}

/// A node: what it is, where it lies, what it holds.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// Its rule.
    pub kind: &'static Kind,
    /// First byte in the APDU.
    pub from: u32,
    /// Byte behind the last one.
    pub to: u32,
    /// What it holds.
    pub body: Body<'a>,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Body<'a> {
    /// The bytes of a simple value, without length.
    Bytes(&'a [u8]),
    /// Number of bits and their bytes.
    Bits(u32, &'a [u8]),
    /// Fields of a group, elements of a sequence, the value that is there of an optional.
    Nodes(Vec<Node<'a>>),
    /// Tag of a typed value or number of a choice, and what follows it.
    Tagged(u8, Vec<Node<'a>>),
    /// An optional that is absent.
    Absent,
    /// An APDU inside an octet string.
    Apdu(Box<Apdu<'a>>),
}

impl PartialEq for Node<'_> {
    /// Equal meaning; where it lies does not matter.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.kind, other.kind) && self.body == other.body
    }
}

/// A whole APDU.
#[derive(Clone, Debug)]
pub struct Apdu<'a> {
    /// Its service.
    pub service: &'static Service,
    /// One node a field of the service.
    pub nodes: Vec<Node<'a>>,
}

impl PartialEq for Apdu<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.service, other.service) && self.nodes == other.nodes
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Elements that may still be announced: each needs a byte at least, so no count can ask for more than is there.
    budget: usize,
    depth: u8,
    columns: usize,
}

type Parsed<T> = Result<T, ApduFault>;

impl<'a> Apdu<'a> {
    /// Parses exactly one APDU, to its last byte.
    ///
    /// # Errors
    /// The first rule that is broken and where.
    pub fn parse(bytes: &'a [u8]) -> Parsed<Apdu<'a>> {
        Parser { bytes, at: 0, budget: bytes.len(), depth: 0, columns: 0 }.apdu()
    }

    /// The bytes of the APDU: what [`Apdu::parse`] read, with every length in its shortest form.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = vec![self.service.tag];
        out.extend(self.service.choice);
        for node in &self.nodes {
            node.emit(&mut out);
        }
        out
    }

    /// The node of a field.
    pub fn field(&self, key: &str) -> Option<&Node<'a>> {
        self.service.fields.iter().position(|f| f.key == key).and_then(|n| self.nodes.get(n))
    }
}

impl<'a> Node<'a> {
    /// The fields of a group, the elements of a sequence or of a typed array, the fields of a choice; else none.
    pub fn children(&self) -> &[Node<'a>] {
        match &self.body {
            Body::Nodes(nodes) | Body::Tagged(_, nodes) => nodes,
            _ => &[],
        }
    }

    /// The bytes of a simple value.
    pub fn bytes(&self) -> &'a [u8] {
        match &self.body {
            Body::Bytes(bytes) | Body::Bits(_, bytes) => bytes,
            _ => &[],
        }
    }

    /// The alternative that a choice took.
    pub fn arm(&self) -> Option<&'static Arm> {
        match (self.kind, &self.body) {
            (Kind::Choice(_, arms), Body::Tagged(number, _)) => arms.iter().find(|a| a.number == *number),
            _ => None,
        }
    }

    /// Fields with their nodes, of a group or of the alternative that a choice took.
    pub fn fields(&self) -> impl Iterator<Item = (&'static Field, &Node<'a>)> {
        let fields = match self.kind {
            Kind::Group(fields) => *fields,
            _ => self.arm().map_or(&[][..], |arm| arm.fields),
        };
        fields.iter().zip(self.children())
    }

    /// Elements of a typed array or structure; none for any other value.
    pub fn elements(&self) -> Option<&[Node<'a>]> {
        match (self.kind, &self.body) {
            (Kind::Data, Body::Tagged(axdr::ARRAY | axdr::STRUCTURE, nodes)) => Some(nodes),
            _ => None,
        }
    }

    /// Big-endian unsigned number of a simple value of up to 8 bytes.
    pub fn number(&self) -> u64 {
        self.bytes().iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b))
    }

    /// Appends the bytes of the node.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match (&self.body, self.kind) {
            (Body::Bytes(bytes), Kind::Octets | Kind::Text | Kind::Secret | Kind::Tsa) => {
                axdr::write_length(bytes.len(), out);
                out.extend_from_slice(bytes);
            }
            (Body::Bytes(bytes), _) => out.extend_from_slice(bytes),
            (Body::Bits(bits, bytes), _) => {
                axdr::write_length(*bits as usize, out);
                out.extend_from_slice(bytes);
            }
            (Body::Absent, _) => out.push(0),
            (Body::Apdu(apdu), _) => {
                let inner = apdu.emit();
                axdr::write_length(inner.len(), out);
                out.extend(inner);
            }
            (Body::Nodes(nodes), kind) => {
                match kind {
                    Kind::SeqOf(_) | Kind::Rows => axdr::write_length(nodes.len(), out),
                    Kind::Optional(_) => out.push(1),
                    _ => {}
                }
                nodes.iter().for_each(|node| node.emit(out));
            }
            (Body::Tagged(tag, nodes), _) => {
                out.push(*tag);
                if matches!((self.kind, *tag), (Kind::Data, axdr::ARRAY | axdr::STRUCTURE)) {
                    axdr::write_length(nodes.len(), out);
                }
                nodes.iter().for_each(|node| node.emit(out));
            }
        }
    }
}

/// One row of a record: a typed value a column.
static ROW: Kind = Kind::Group(&[]);

impl<'a> Parser<'a> {
    fn apdu(mut self) -> Parsed<Apdu<'a>> {
        let tag = self.byte()?;
        let mut of_tag = services::ALL.iter().filter(|s| s.tag == tag).peekable();
        let Some(first) = of_tag.peek() else { return Err(self.fault_at(0, "no service has this tag")) };
        let service = if first.choice.is_none() {
            *first
        } else {
            let choice = self.byte()?;
            of_tag.find(|s| s.choice == Some(choice)).ok_or(self.fault_at(1, "no service has this choice"))?
        };
        let nodes = self.group(service.fields)?;
        if self.at < self.bytes.len() {
            return Err(self.fault("bytes are left over"));
        }
        Ok(Apdu { service, nodes })
    }

    fn fault(&self, rule: &'static str) -> ApduFault {
        self.fault_at(self.at, rule)
    }

    fn fault_at(&self, at: usize, rule: &'static str) -> ApduFault {
        ApduFault { at, rule }
    }

    fn take(&mut self, count: usize) -> Parsed<&'a [u8]> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(self.fault("the APDU ends early"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Parsed<u8> {
        self.take(1).map(|b| b[0])
    }

    /// A length or a count, in any number of octets: terminals send `82 00 07` for 7.
    fn length(&mut self) -> Parsed<usize> {
        let from = self.at;
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(usize::from(first));
        }
        let octets = self.take(usize::from(first & 0x7F))?;
        let value = octets.iter().try_fold(0usize, |n, b| {
            (n < usize::MAX >> 8).then_some(n << 8 | usize::from(*b)) // an overflow would be a lie anyway
        });
        match value {
            Some(value) if !octets.is_empty() => Ok(value),
            _ => Err(self.fault_at(from, "a length that cannot be read")),
        }
    }

    fn count(&mut self) -> Parsed<usize> {
        let from = self.at;
        let count = self.length()?;
        if count > self.budget || count > self.bytes.len() - self.at {
            return Err(self.fault_at(from, "a count of more elements than bytes are left"));
        }
        self.budget -= count;
        Ok(count)
    }

    fn group(&mut self, fields: &'static [Field]) -> Parsed<Vec<Node<'a>>> {
        let mut nodes = Vec::with_capacity(fields.len());
        for field in fields {
            let node = self.node(field.kind)?;
            if field.key == "columns" {
                self.columns = node.children().len();
            }
            nodes.push(node);
        }
        Ok(nodes)
    }

    fn sequence(&mut self, kind: &'static Kind, count: usize) -> Parsed<Vec<Node<'a>>> {
        let mut nodes = Vec::with_capacity(count);
        for _ in 0..count {
            nodes.push(self.node(kind)?);
        }
        Ok(nodes)
    }

    fn node(&mut self, kind: &'static Kind) -> Parsed<Node<'a>> {
        let from = self.at;
        let body = self.body(kind)?;
        Ok(Node { kind, from: from as u32, to: self.at as u32, body })
    }

    fn body(&mut self, kind: &'static Kind) -> Parsed<Body<'a>> {
        let fixed = match kind {
            Kind::Uint(n) | Kind::Int(n) | Kind::Float(n) | Kind::Fixed(n) => usize::from(*n),
            Kind::Bool | Kind::Enum | Kind::Word(_) | Kind::Dar | Kind::LinkResult | Kind::Piid => 1,
            Kind::Oi => 2,
            Kind::Time => 3,
            Kind::Oad | Kind::Omd => 4,
            Kind::Date => 5,
            Kind::DateTimeS => 7,
            Kind::DateTime => 10,
            Kind::Octets | Kind::Text | Kind::Secret | Kind::Tsa => self.length()?,
            Kind::Bits => {
                let bits = self.length()?;
                let bits = u32::try_from(bits).map_err(|_| self.fault("the APDU ends early"))?;
                return Ok(Body::Bits(bits, self.take(bits.div_ceil(8) as usize)?));
            }
            Kind::Data => return self.data(),
            Kind::Group(fields) => return self.group(fields).map(Body::Nodes),
            Kind::SeqOf(kind) => {
                let count = self.count()?;
                return self.sequence(kind, count).map(Body::Nodes);
            }
            Kind::Optional(kind) => return self.optional(kind),
            Kind::Choice(_, arms) => {
                let number = self.byte()?;
                let arm = arms.iter().find(|a| a.number == number);
                let arm = arm.ok_or(self.fault_at(self.at - 1, "no such choice"))?;
                return self.group(arm.fields).map(|nodes| Body::Tagged(number, nodes));
            }
            Kind::Rows => return self.rows(),
            Kind::Apdu => return self.inner(),
        };
        self.take(fixed).map(Body::Bytes)
    }

    fn optional(&mut self, kind: &'static Kind) -> Parsed<Body<'a>> {
        match self.byte()? {
            0 => Ok(Body::Absent),
            1 => Ok(Body::Nodes(vec![self.node(kind)?])),
            _ => Err(self.fault_at(self.at - 1, "an optional part is marked by 0 or 1")),
        }
    }

    fn data(&mut self) -> Parsed<Body<'a>> {
        let tag = self.byte()?;
        let known = axdr::type_of(tag).ok_or(self.fault_at(self.at - 1, "no data type has this tag"))?;
        // Every way to nest typed values leads through here.
        if self.depth >= DEEPEST {
            return Err(self.fault("values are nested too deep"));
        }
        self.depth += 1;
        let nodes = match known.kind {
            None => {
                let count = self.count()?;
                self.sequence(&Kind::Data, count)?
            }
            Some(Kind::Group([])) => Vec::new(),
            Some(kind) => vec![self.node(kind)?],
        };
        self.depth -= 1;
        Ok(Body::Tagged(tag, nodes))
    }

    fn rows(&mut self) -> Parsed<Body<'a>> {
        let columns = self.columns;
        let count = self.count()?;
        if columns == 0 && count > 0 {
            return Err(self.fault("rows without columns"));
        }
        let mut rows = Vec::with_capacity(count);
        for _ in 0..count {
            let from = self.at;
            if columns > self.bytes.len() - self.at {
                return Err(self.fault("the APDU ends early"));
            }
            let values = self.sequence(&Kind::Data, columns)?;
            rows.push(Node { kind: &ROW, from: from as u32, to: self.at as u32, body: Body::Nodes(values) });
        }
        Ok(Body::Nodes(rows))
    }

    fn inner(&mut self) -> Parsed<Body<'a>> {
        let length = self.length()?;
        let from = self.at;
        self.take(length)?;
        if self.depth >= DEEPEST {
            return Err(self.fault_at(from, "APDUs are nested too deep"));
        }
        // The same bytes with the same offsets, up to the end of the octet string.
        let inner = Parser {
            bytes: &self.bytes[..from + length],
            at: from,
            budget: self.budget,
            depth: self.depth + 4,
            columns: 0,
        };
        inner.apdu().map(|apdu| Body::Apdu(Box::new(apdu)))
    }
}
