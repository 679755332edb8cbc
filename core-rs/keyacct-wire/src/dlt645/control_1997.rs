//! The words of the 1997 edition that are bits or codes.

use super::control::mask_meaning;
use crate::visit::Name;

/// What a function of the 1997 edition does.
pub fn function_name(function: u8) -> Name {
    let (en, zh) = match function {
        0x01 => ("read", "读数据"),
        0x02 => ("read following frame", "读后续数据"),
        0x03 => ("re-read", "重读数据"),
        0x04 => ("write", "写数据"),
        0x08 => ("broadcast time", "广播校时"),
        0x0A => ("write address", "写设备地址"),
        0x0C => ("change baud rate", "更改通信速率"),
        0x0F => ("change password", "修改密码"),
        0x10 => ("clear maximum demand", "最大需量清零"),
        0x00 => ("reserved", "保留"),
        _ => ("unknown function", "未知功能"),
    };
    Name::new(en, zh)
}

/// The bits of the error byte (1997 edition), as a person reads them.
pub fn error_meaning(byte: u8) -> Name {
    const BITS: [(&str, &str); 8] = [
        ("illegal data", "非法数据"),
        ("wrong data identifier", "数据标识错"),
        ("wrong password", "密码错"),
        ("reserved bit", "保留位"),
        ("too many year zones", "年时区数超"),
        ("too many day slots", "日时段数超"),
        ("too many tariffs", "费率数超"),
        ("reserved bit", "保留位"),
    ];
    mask_meaning(&BITS, byte)
}

/// The rate that a baud rate word stands for; none unless exactly one known bit is set.
pub const fn baud_rate(word: u8) -> Option<u32> {
    match word {
        0x01 => Some(300),
        0x02 => Some(600),
        0x04 => Some(1200),
        0x08 => Some(2400),
        0x10 => Some(4800),
        0x20 => Some(9600),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_byte_has_other_bits_than_in_2007() {
        assert_eq!(error_meaning(0x02).en, "wrong data identifier");
        assert_eq!(error_meaning(0x05).en, "illegal data, wrong password");
    }
}
