//! What is wrong with a frame, and at which byte.

use std::fmt;

use crate::visit::Name;

/// What is wrong with the bytes that looked like a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The byte is not the start byte of the frame.
    Start {
        /// The byte that is there.
        found: u8,
    },
    /// The second start byte is missing.
    SecondStart {
        /// The byte that is there.
        found: u8,
    },
    /// A length field that no frame can have, or two copies that differ.
    Length {
        /// What the field says.
        found: usize,
    },
    /// The input ends before the frame does.
    Truncated {
        /// Bytes that the frame needs, as far as its header tells.
        needed: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// The end byte is missing.
    End {
        /// The byte that is there.
        found: u8,
    },
    /// The sum over the frame differs from the checksum byte.
    Checksum {
        /// As sent.
        found: u16,
        /// As computed.
        computed: u16,
    },
    /// The check sequence of the header differs (HCS).
    HeaderChecksum {
        /// As sent.
        found: u16,
        /// As computed.
        computed: u16,
    },
    /// Any other rule of the frame that is broken.
    Rule(&'static str),
}

/// A fault and the byte offset at which the frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WireError {
    /// Offset of the frame's first byte in the input.
    pub offset: u64,
    /// What is wrong.
    pub fault: Fault,
}

impl Fault {
    /// Stable code of the cause; tallies count by it.
    pub const fn code(self) -> &'static str {
        match self {
            Fault::Start { .. } => "frame.no_start",
            Fault::SecondStart { .. } => "frame.second_start",
            Fault::Length { .. } => "frame.length",
            Fault::Truncated { .. } => "frame.truncated",
            Fault::End { .. } => "frame.end_byte",
            Fault::Checksum { .. } => "frame.checksum",
            Fault::HeaderChecksum { .. } => "frame.header_checksum",
            Fault::Rule(_) => "frame.rule",
        }
    }
}

/// Rules that frames and APDUs break, in Chinese. A test holds every rule of the sources against it.
const RULES: &[(&str, &str)] = &[
    ("the two copies of the length differ", "两个长度域不一致"),
    ("the function code or the count behind it is none of Modbus", "功能码或其后的字节数不符合 Modbus"),
    ("the protocol number of the MBAP header is not 0", "MBAP 头的协议号不为 0"),
    ("this protocol needs its link frame", "此规约须带链路帧"),
    ("longer than any APDU", "超出 APDU 的最大长度"),
    ("no protocol to look for", "没有可查找的规约"),
    ("no frame", "没有报文"),
    ("no service has this tag", "没有此标签的服务"),
    ("no service has this choice", "没有此选项的服务"),
    ("bytes are left over", "有多余字节"),
    ("the APDU ends early", "APDU 不完整"),
    ("a length that cannot be read", "长度无法解析"),
    ("a count of more elements than bytes are left", "元素个数超过剩余字节数"),
    ("no such choice", "没有此选项"),
    ("an optional part is marked by 0 or 1", "可选部分的标志应为 0 或 1"),
    ("no data type has this tag", "没有此标签的数据类型"),
    ("values are nested too deep", "数据嵌套过深"),
    ("rows without columns", "记录没有列"),
    ("APDUs are nested too deep", "APDU 嵌套过深"),
    ("a split frame without block header", "分帧缺少分帧头"),
];

impl Fault {
    /// What is wrong, in both languages.
    pub fn told(self) -> Name {
        match self {
            Fault::Start { found } => Name::new(
                format!("no start byte: {found:02X}H is there"),
                format!("没有起始符, 此处为 {found:02X}H"),
            ),
            Fault::SecondStart { found } => Name::new(
                format!("second start byte missing: {found:02X}H is there"),
                format!("缺少第二个起始符, 此处为 {found:02X}H"),
            ),
            Fault::Length { found } => Name::new(
                format!("the length field says {found}, which no frame can have"),
                format!("长度域为 {found}, 不可能是报文长度"),
            ),
            Fault::Truncated { needed, found } => Name::new(
                format!("the frame needs {needed} bytes, only {found} are there"),
                format!("报文应有 {needed} 字节, 实有 {found} 字节"),
            ),
            Fault::End { found } => Name::new(
                format!("end byte 16H missing: {found:02X}H is there"),
                format!("缺少结束符 16H, 此处为 {found:02X}H"),
            ),
            Fault::Checksum { found, computed } if found < 256 && computed < 256 => Name::new(
                format!("checksum {found:02X}H, computed {computed:02X}H"),
                format!("校验和为 {found:02X}H, 计算值为 {computed:02X}H"),
            ),
            Fault::Checksum { found, computed } => Name::new(
                format!("checksum {found:04X}H, computed {computed:04X}H"),
                format!("校验为 {found:04X}H, 计算值为 {computed:04X}H"),
            ),
            Fault::HeaderChecksum { found, computed } => Name::new(
                format!("header checksum {found:04X}H, computed {computed:04X}H"),
                format!("帧头校验为 {found:04X}H, 计算值为 {computed:04X}H"),
            ),
            Fault::Rule(rule) => {
                let chinese = RULES.iter().find(|(en, _)| *en == rule).map_or(rule, |(_, zh)| zh);
                Name::new(rule, chinese)
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told().en)
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, frame at byte {}", self.fault, self.offset)
    }
}

impl std::error::Error for WireError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_chinese_text() {
        let sources = [
            include_str!("dlt698_45/tree.rs"),
            include_str!("dlt698_45/decode.rs"),
            include_str!("gdw1376_1/frame.rs"),
            include_str!("modbus/frame.rs"),
            include_str!("protocol.rs"),
            include_str!("deframe.rs"),
            include_str!("describe.rs"),
        ];
        let mut rules = Vec::new();
        for source in sources {
            for call in ["Fault::Rule(\"", "fault(\"", "fault_at("] {
                let said = source.match_indices(call).filter_map(|(at, _)| {
                    let line = source[at + call.len() - 1..].lines().next()?;
                    line.split('"').nth(1)
                });
                rules.extend(said);
            }
        }
        assert!(rules.len() > 15, "{rules:?}");
        for rule in rules {
            assert_ne!(Fault::Rule(rule).told().zh, rule);
        }
    }
}
