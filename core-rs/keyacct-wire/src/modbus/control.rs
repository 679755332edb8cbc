//! Function codes and exception codes (Application Protocol V1.1b3, clauses 6 and 7).

use crate::visit::Name;

/// What a function does.
pub fn function_name(function: u8) -> Name {
    let (en, zh) = match function & 0x7F {
        0x01 => ("read coils", "读线圈"),
        0x02 => ("read discrete inputs", "读离散输入"),
        0x03 => ("read holding registers", "读保持寄存器"),
        0x04 => ("read input registers", "读输入寄存器"),
        0x05 => ("write single coil", "写单个线圈"),
        0x06 => ("write single register", "写单个寄存器"),
        0x07 => ("read exception status", "读异常状态"),
        0x08 => ("diagnostics", "诊断"),
        0x0B => ("get event counter", "读事件计数"),
        0x0C => ("get event log", "读事件记录"),
        0x0F => ("write coils", "写多个线圈"),
        0x10 => ("write registers", "写多个寄存器"),
        0x11 => ("report server id", "报告从站标识"),
        0x16 => ("mask write register", "屏蔽写寄存器"),
        0x17 => ("read and write registers", "读写多个寄存器"),
        0x2B => ("read device identification", "读设备标识"),
        _ => ("unknown function", "未知功能"),
    };
    Name::new(en, zh)
}

/// What an exception code says.
pub fn exception_meaning(code: u8) -> Name {
    let (en, zh) = match code {
        0x01 => ("illegal function", "非法功能"),
        0x02 => ("illegal data address", "非法数据地址"),
        0x03 => ("illegal data value", "非法数据值"),
        0x04 => ("server device failure", "从站设备故障"),
        0x05 => ("acknowledge, the answer takes time", "确认, 处理中"),
        0x06 => ("server device busy", "从站设备忙"),
        0x07 => ("negative acknowledge", "否定确认"),
        0x08 => ("memory parity error", "存储奇偶性差错"),
        0x0A => ("gateway path unavailable", "网关路径不可用"),
        0x0B => ("gateway target device does not answer", "网关目标设备无响应"),
        _ => ("unknown exception", "未知异常"),
    };
    Name::new(en, zh)
}
