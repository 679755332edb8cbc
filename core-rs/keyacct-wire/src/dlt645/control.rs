//! The control byte, and the words of the 2007 edition that are bits or codes.

use crate::frame::Direction;
use crate::protocol::Protocol;
use crate::visit::Name;

/// D7 direction, D6 abnormal reply, D5 more frames follow, D4..D0 function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Control(pub u8);

impl Control {
    /// Function code, D4..D0.
    pub const fn function(self) -> u8 {
        self.0 & 0x1F
    }

    /// Who sends.
    pub const fn direction(self) -> Direction {
        if self.0 & 0x80 != 0 { Direction::Up } else { Direction::Down }
    }

    /// Whether the device answers with an error.
    pub const fn is_abnormal(self) -> bool {
        self.0 & 0xC0 == 0xC0
    }

    /// Whether the rest of the data is in following frames.
    pub const fn has_more(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// The edition a frame alone can be told to be of: 01..07 and 09..10H are functions of 1997.
    pub const fn edition(self) -> Protocol {
        match self.function() {
            0x01..=0x07 | 0x09..=0x10 => Protocol::Dlt645_1997,
            _ => Protocol::Dlt645_2007,
        }
    }
}

/// What a function of the 2007 edition does.
pub fn function_name(function: u8) -> Name {
    let (en, zh) = match function {
        0x03 => ("security authentication", "安全认证"),
        0x08 => ("broadcast time", "广播校时"),
        0x11 => ("read", "读数据"),
        0x12 => ("read following frame", "读后续数据"),
        0x13 => ("read address", "读通信地址"),
        0x14 => ("write", "写数据"),
        0x15 => ("write address", "写通信地址"),
        0x16 => ("freeze", "冻结命令"),
        0x17 => ("change baud rate", "更改通信速率"),
        0x18 => ("change password", "修改密码"),
        0x19 => ("clear maximum demand", "最大需量清零"),
        0x1A => ("clear meter", "电表清零"),
        0x1B => ("clear events", "事件清零"),
        0x1C => ("trip, close, alarm, keep supply", "跳合闸、报警、保电"),
        0x00 => ("reserved", "保留"),
        _ => ("unknown function", "未知功能"),
    };
    Name::new(en, zh)
}

/// The bits of the error byte (2007 edition), as a person reads them.
pub fn error_meaning(byte: u8) -> Name {
    const BITS: [(&str, &str); 8] = [
        ("other error", "其他错误"),
        ("no such data", "无请求数据"),
        ("wrong password or not authorised", "密码错/未授权"),
        ("baud rate cannot be changed", "通信速率不能更改"),
        ("too many year zones", "年时区数超"),
        ("too many day slots", "日时段数超"),
        ("too many tariffs", "费率数超"),
        ("reserved bit", "保留位"),
    ];
    mask_meaning(&BITS, byte)
}

/// The words of the bits that are set, lowest first.
pub(super) fn mask_meaning(bits: &[(&str, &str); 8], byte: u8) -> Name {
    let set = || bits.iter().enumerate().filter(move |(n, _)| byte >> n & 1 == 1).map(|(_, names)| names);
    if byte == 0 {
        return Name::new("no error bit is set", "未置错误位");
    }
    Name::new(
        set().map(|n| n.0).collect::<Vec<_>>().join(", "),
        set().map(|n| n.1).collect::<Vec<_>>().join("、"),
    )
}

/// The rate that a baud rate word stands for; none unless exactly one known bit is set.
pub const fn baud_rate(word: u8) -> Option<u32> {
    match word {
        0x02 => Some(600),
        0x04 => Some(1200),
        0x08 => Some(2400),
        0x10 => Some(4800),
        0x20 => Some(9600),
        0x40 => Some(19200),
        _ => None,
    }
}

/// What N1 of the control command asks for.
pub fn command_meaning(n1: u8) -> Name {
    let (en, zh) = match n1 {
        0x1A => ("trip", "跳闸"),
        0x1B => ("allow close", "合闸允许"),
        0x1C => ("close at once", "直接合闸"),
        0x1D => ("trip with automatic restore", "跳闸自动恢复"),
        0x2A => ("alarm on", "报警"),
        0x2B => ("alarm off", "报警解除"),
        0x3A => ("keep supply", "保电"),
        0x3B => ("end keep supply", "保电解除"),
        _ => ("unknown command", "未知命令"),
    };
    Name::new(en, zh)
}

/// What a freeze command asks for; `printed` is `MMDDhhmm` in reading order.
pub fn freeze_meaning(printed: &str) -> Name {
    let part = |range: std::ops::Range<usize>| printed.get(range).unwrap_or("").to_owned();
    match printed {
        "99999999" => Name::new("at once", "立即冻结"),
        p if p.starts_with("999999") => {
            Name::new(format!("every hour at minute {}", part(6..8)), format!("每小时 {} 分", part(6..8)))
        }
        p if p.starts_with("9999") => Name::new(
            format!("every day at {}:{}", part(4..6), part(6..8)),
            format!("每日 {}:{}", part(4..6), part(6..8)),
        ),
        p if p.starts_with("99") => Name::new(
            format!("every month on day {} at {}:{}", part(2..4), part(4..6), part(6..8)),
            format!("每月 {} 日 {}:{}", part(2..4), part(4..6), part(6..8)),
        ),
        _ => Name::new(
            format!("on {}-{} at {}:{}", part(0..2), part(2..4), part(4..6), part(6..8)),
            format!("{} 月 {} 日 {}:{}", part(0..2), part(2..4), part(4..6), part(6..8)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_byte_is_a_mask() {
        assert_eq!(error_meaning(0x03).en, "other error, no such data");
        assert_eq!(error_meaning(0x04).en, "wrong password or not authorised");
    }

    #[test]
    fn freeze_forms_are_told_apart() {
        assert_eq!(freeze_meaning("99999999").en, "at once");
        assert_eq!(freeze_meaning("99999930").en, "every hour at minute 30");
        assert_eq!(freeze_meaning("99990015").en, "every day at 00:15");
        assert_eq!(freeze_meaning("99010000").en, "every month on day 01 at 00:00");
    }
}
