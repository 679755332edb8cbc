//! How the parts of an APDU follow each other: a small grammar whose rules are tables ([`super::services`]), read by one
//! parser, written by one writer and shown by one printer. A new service is a table, not code.

/// A named part of a service.
#[derive(Debug)]
pub struct Field {
    /// Key of the published tree; empty where a choice gives the keys itself.
    pub key: &'static str,
    /// English name.
    pub en: &'static str,
    /// Chinese name.
    pub zh: &'static str,
    /// What it is.
    pub kind: &'static Kind,
}

/// One alternative of a choice.
#[derive(Debug)]
pub struct Arm {
    /// Its number on the wire.
    pub number: u8,
    /// Its word.
    pub word: &'static str,
    /// What follows.
    pub fields: &'static [Field],
}

/// How a choice appears in the published tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The fields of the alternative, in place of the choice.
    Flat,
    /// An object of the fields.
    Fields,
    /// An object with the number under this key, then the fields.
    Number(&'static str),
    /// The word alone, or an object with the word under this key and the fields.
    Word(&'static str),
    /// Like `Word`, always an object.
    WordObject(&'static str),
    /// The word under this key and the fields, in place of the choice.
    FlatWord(&'static str),
    /// The only field alone, or an object of several.
    Bare,
}

/// A rule of the grammar.
#[derive(Debug)]
pub enum Kind {
    /// An unsigned integer of this many bytes, high byte first.
    Uint(u8),
    /// A signed integer, two's complement.
    Int(u8),
    /// A floating-point number of 4 or 8 bytes.
    Float(u8),
    /// One byte, 0 false.
    Bool,
    /// One byte, enumerated without words here.
    Enum,
    /// One byte with words by number; others are numbers.
    Word(&'static [&'static str]),
    /// Result code.
    Dar,
    /// Result of a login: bit 7 clock trusted, bits 2..0 the code.
    LinkResult,
    /// Invocation number: bit 7 priority, in answers bit 6 an event waits.
    Piid,
    /// This many opaque bytes.
    Fixed(u8),
    /// Opaque bytes with their length.
    Octets,
    /// Characters with their length.
    Text,
    /// A password with its length; never shown.
    Secret,
    /// Bits with their count, first bit highest.
    Bits,
    /// Object identifier.
    Oi,
    /// Object attribute descriptor.
    Oad,
    /// Object method descriptor.
    Omd,
    /// Server address with its length: flags, then the address in reading order.
    Tsa,
    /// Year, month, day, weekday, hour, minute, second, milliseconds: 10 bytes.
    DateTime,
    /// Year, month, day, hour, minute, second: 7 bytes.
    DateTimeS,
    /// Year, month, day, weekday: 5 bytes.
    Date,
    /// Hour, minute, second.
    Time,
    /// A typed value: tag, then what the tag says.
    Data,
    /// Fields one after another.
    Group(&'static [Field]),
    /// A count, then so many of one kind.
    SeqOf(&'static Kind),
    /// One byte, 0 absent.
    Optional(&'static Kind),
    /// A number, then the fields of its alternative.
    Choice(Shape, &'static [Arm]),
    /// A count of rows, each with one typed value a column; the columns stand before it.
    Rows,
    /// A whole APDU as an octet string.
    Apdu,
}

/// A service: what an APDU with this tag (and choice) is.
#[derive(Debug)]
pub struct Service {
    /// First byte.
    pub tag: u8,
    /// Second byte, where the tag has several services.
    pub choice: Option<u8>,
    /// Published name.
    pub name: &'static str,
    /// What follows.
    pub fields: &'static [Field],
}

/// A data type of A-XDR: tag, published name, what follows the tag.
#[derive(Debug)]
pub struct Type {
    /// Tag byte.
    pub tag: u8,
    /// Published name.
    pub name: &'static str,
    /// What follows; none for arrays and structures, whose elements are typed values.
    pub kind: Option<&'static Kind>,
}

/// Fields as rows of key, English, Chinese, rule.
macro_rules! fields {
    ($($key:literal $en:literal $zh:literal $kind:expr;)*) => {
        &[$($crate::dlt698_45::grammar::Field { key: $key, en: $en, zh: $zh, kind: $kind }),*]
    };
}

/// Alternatives as rows of number, word and fields.
macro_rules! arms {
    ($($number:literal $word:literal { $($fields:tt)* })*) => {
        &[$($crate::dlt698_45::grammar::Arm { number: $number, word: $word, fields: $crate::dlt698_45::grammar::fields! { $($fields)* } }),*]
    };
}

pub(super) use arms;
pub(super) use fields;
