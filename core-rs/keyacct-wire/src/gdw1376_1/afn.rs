//! Function codes, the sequence byte, and what the codes mean.

use crate::visit::Name;

/// The sequence byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeqField(pub u8);

impl SeqField {
    /// A single frame of this number.
    pub const fn single(number: u8, confirm: bool) -> SeqField {
        SeqField(0x60 | (confirm as u8) << 4 | number & 0x0F)
    }

    /// Whether AUX holds a time label.
    pub const fn has_time(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// First frame of a message.
    pub const fn is_first(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// Last frame of a message.
    pub const fn is_last(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// Whether the sender wants an answer.
    pub const fn wants_confirm(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// Low four bits of the frame counter.
    pub const fn number(self) -> u8 {
        self.0 & 0x0F
    }
}

/// A function code of the application layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Afn(pub u8);

impl Afn {
    /// Confirm or deny.
    pub const CONFIRM: Afn = Afn(0x00);
    /// Reset.
    pub const RESET: Afn = Afn(0x01);
    /// Link check: login, logout, heartbeat.
    pub const LINK: Afn = Afn(0x02);
    /// Set parameters.
    pub const SET: Afn = Afn(0x04);
    /// Control.
    pub const CONTROL: Afn = Afn(0x05);
    /// Query parameters.
    pub const QUERY: Afn = Afn(0x0A);
    /// Class 1: current data.
    pub const CURRENT: Afn = Afn(0x0C);
    /// Class 2: history.
    pub const HISTORY: Afn = Afn(0x0D);
    /// Class 3: events.
    pub const EVENTS: Afn = Afn(0x0E);
    /// File transfer.
    pub const FILE: Afn = Afn(0x0F);
    /// Data relay.
    pub const RELAY: Afn = Afn(0x10);

    /// Whether a downlink frame of this code carries a password; a file transfer may.
    pub const fn has_password(self) -> bool {
        matches!(self.0, 0x01 | 0x04 | 0x05 | 0x06 | 0x0F | 0x10)
    }

    /// Whether a downlink frame of this code asks by identifiers alone, unless a row says what goes with them.
    pub const fn is_query(self) -> bool {
        matches!(self.0, 0x08..=0x0D)
    }

    /// What people call it.
    pub fn name(self) -> Name {
        let (en, zh) = match self.0 {
            0x00 => ("confirm or deny", "确认∕否认"),
            0x01 => ("reset", "复位"),
            0x02 => ("link check", "链路接口检测"),
            0x03 => ("relay station", "中继站命令"),
            0x04 => ("set parameters", "设置参数"),
            0x05 => ("control", "控制命令"),
            0x06 => ("authentication and keys", "身份认证及密钥协商"),
            0x08 => ("cascaded terminal to report", "请求被级联终端主动上报"),
            0x09 => ("terminal configuration", "请求终端配置及信息"),
            0x0A => ("query parameters", "查询参数"),
            0x0B => ("task data", "请求任务数据"),
            0x0C => ("class 1 data (current)", "请求1类数据"),
            0x0D => ("class 2 data (history)", "请求2类数据"),
            0x0E => ("class 3 data (events)", "请求3类数据"),
            0x0F => ("file transfer", "文件传输"),
            0x10 => ("data relay", "数据转发"),
            _ => ("reserved or maker's", "备用或厂家自定义"),
        };
        Name::new(format!("{:02X} {en}", self.0), format!("{:02X} {zh}", self.0))
    }
}

/// What the function code of the control byte says.
pub fn link_function(initiator: bool, code: u8) -> Name {
    let (en, zh) = match (initiator, code) {
        (true, 1) => ("reset", "复位命令"),
        (true, 4) => ("user data, no answer", "用户数据, 无回答"),
        (true, 9) => ("link test", "链路测试"),
        (true, 10) => ("class 1 request", "请求1级数据"),
        (true, 11) => ("class 2 request", "请求2级数据"),
        (false, 0) => ("confirm", "认可"),
        (false, 8) => ("user data", "用户数据"),
        (false, 9) => ("no such data", "否认: 无所召唤的数据"),
        (false, 11) => ("link status", "链路状态"),
        _ => ("reserved", "备用"),
    };
    Name::new(en, zh)
}
