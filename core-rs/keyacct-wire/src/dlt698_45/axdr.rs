//! A-XDR: the data types with their tags (2017, clause 7.3 and annex), and how lengths are written.

use super::grammar::{Kind, Type};
use super::parts;

/// Tag of an array.
pub const ARRAY: u8 = 1;
/// Tag of a structure.
pub const STRUCTURE: u8 = 2;

/// Every data type.
pub static TYPES: &[Type] = &[
    Type { tag: 0, name: "null", kind: Some(&Kind::Group(&[])) },
    Type { tag: ARRAY, name: "array", kind: None },
    Type { tag: STRUCTURE, name: "structure", kind: None },
    Type { tag: 3, name: "bool", kind: Some(&Kind::Bool) },
    Type { tag: 4, name: "bit-string", kind: Some(&Kind::Bits) },
    Type { tag: 5, name: "double-long", kind: Some(&Kind::Int(4)) },
    Type { tag: 6, name: "double-long-unsigned", kind: Some(&Kind::Uint(4)) },
    Type { tag: 9, name: "octet-string", kind: Some(&Kind::Octets) },
    Type { tag: 10, name: "visible-string", kind: Some(&Kind::Text) },
    Type { tag: 12, name: "UTF8-string", kind: Some(&Kind::Text) },
    Type { tag: 15, name: "integer", kind: Some(&Kind::Int(1)) },
    Type { tag: 16, name: "long", kind: Some(&Kind::Int(2)) },
    Type { tag: 17, name: "unsigned", kind: Some(&Kind::Uint(1)) },
    Type { tag: 18, name: "long-unsigned", kind: Some(&Kind::Uint(2)) },
    Type { tag: 20, name: "long64", kind: Some(&Kind::Int(8)) },
    Type { tag: 21, name: "long64-unsigned", kind: Some(&Kind::Uint(8)) },
    Type { tag: 22, name: "enum", kind: Some(&Kind::Enum) },
    Type { tag: 23, name: "float32", kind: Some(&Kind::Float(4)) },
    Type { tag: 24, name: "float64", kind: Some(&Kind::Float(8)) },
    Type { tag: 25, name: "date_time", kind: Some(&Kind::DateTime) },
    Type { tag: 26, name: "date", kind: Some(&Kind::Date) },
    Type { tag: 27, name: "time", kind: Some(&Kind::Time) },
    Type { tag: 28, name: "date_time_s", kind: Some(&Kind::DateTimeS) },
    Type { tag: 80, name: "OI", kind: Some(&Kind::Oi) },
    Type { tag: 81, name: "OAD", kind: Some(&Kind::Oad) },
    Type { tag: 82, name: "ROAD", kind: Some(&parts::ROAD) },
    Type { tag: 83, name: "OMD", kind: Some(&Kind::Omd) },
    Type { tag: 84, name: "TI", kind: Some(&parts::TI) },
    Type { tag: 85, name: "TSA", kind: Some(&Kind::Tsa) },
    Type { tag: 86, name: "MAC", kind: Some(&Kind::Octets) },
    Type { tag: 87, name: "RN", kind: Some(&Kind::Octets) },
    Type { tag: 88, name: "Region", kind: Some(&parts::REGION) },
    Type { tag: 89, name: "Scaler_Unit", kind: Some(&parts::SCALER_UNIT) },
    Type { tag: 90, name: "RSD", kind: Some(&parts::RSD) },
    Type { tag: 91, name: "CSD", kind: Some(&parts::CSD) },
    Type { tag: 92, name: "MS", kind: Some(&parts::MS_DATA) },
    Type { tag: 93, name: "SID", kind: Some(&parts::SID) },
    Type { tag: 94, name: "SID_MAC", kind: Some(&parts::SID_MAC) },
    Type { tag: 95, name: "COMDCB", kind: Some(&parts::COMDCB) },
    Type { tag: 96, name: "RCSD", kind: Some(&parts::RCSD) },
];

/// Index in [`TYPES`] by tag, 255 where there is none.
static BY_TAG: [u8; 256] = {
    let mut index = [255; 256];
    let mut n = 0;
    while n < TYPES.len() {
        index[TYPES[n].tag as usize] = n as u8;
        n += 1;
    }
    index
};

/// The data type of a tag.
pub fn type_of(tag: u8) -> Option<&'static Type> {
    TYPES.get(usize::from(BY_TAG[usize::from(tag)]))
}

/// Appends a length or count in its shortest form.
pub fn write_length(length: usize, out: &mut Vec<u8>) {
    if length < 0x80 {
        out.push(length as u8);
        return;
    }
    let bytes = length.to_be_bytes();
    let skip = bytes.iter().take_while(|b| **b == 0).count();
    out.push(0x80 | (bytes.len() - skip) as u8);
    out.extend_from_slice(&bytes[skip..]);
}
