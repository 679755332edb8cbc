//! Parts that several services share (2017, clause 7.3): selectors, columns, results.
#![allow(missing_docs)] // each part is told by its fields

use super::grammar::{Arm, Kind, Shape, arms, fields};

/// Record column: an attribute, or attributes that were recorded together.
pub static CSD: Kind = Kind::Choice(
    Shape::Bare,
    arms! {
        0 "oad" { "oad" "Column" "列" &Kind::Oad; }
        1 "road" {
            "road" "Record table" "关联对象" &Kind::Oad;
            "oads" "Columns" "列" &Kind::SeqOf(&Kind::Oad);
        }
    },
);

/// Attributes that were recorded together.
pub static ROAD: Kind = Kind::Group(fields! {
    "road" "Record table" "关联对象" &Kind::Oad;
    "oads" "Columns" "列" &Kind::SeqOf(&Kind::Oad);
});

/// Record columns.
pub static RCSD: Kind = Kind::SeqOf(&CSD);

/// Length of time.
pub static TI: Kind = Kind::Group(fields! {
    "unit" "Unit" "单位" &Kind::Word(&["second", "minute", "hour", "day", "month", "year"]);
    "value" "Number" "数值" &Kind::Uint(2);
});

/// Range of values.
pub static REGION: Kind = Kind::Group(fields! {
    "bound" "Ends" "区间类型" &Kind::Uint(1);
    "start" "From" "起始值" &Kind::Data;
    "end" "To" "结束值" &Kind::Data;
});

/// Scaler and unit of a register.
pub static SCALER_UNIT: Kind = Kind::Group(fields! {
    "scaler" "Power of ten" "换算" &Kind::Int(1);
    "unit" "Unit" "单位" &Kind::Enum;
});

const METERS: &[Arm] = arms! {
    0 "none" {}
    1 "all" {}
    2 "user_types" { "values" "User types" "用户类型" &Kind::SeqOf(&Kind::Uint(1)); }
    3 "addresses" { "values" "Addresses" "用户地址" &Kind::SeqOf(&Kind::Tsa); }
    4 "serials" { "values" "Configuration numbers" "配置序号" &Kind::SeqOf(&Kind::Uint(2)); }
    5 "user_type_regions" { "values" "User types" "用户类型区间" &Kind::SeqOf(&REGION); }
    6 "address_regions" { "values" "Addresses" "用户地址区间" &Kind::SeqOf(&REGION); }
    7 "serial_regions" { "values" "Configuration numbers" "配置序号区间" &Kind::SeqOf(&REGION); }
};

/// Set of meters, inside a selector.
pub static MS: Kind = Kind::Choice(Shape::Word("ms"), METERS);
/// Set of meters as a typed value.
pub static MS_DATA: Kind = Kind::Choice(Shape::WordObject("ms"), METERS);

pub static SELECTOR_2: Kind = Kind::Group(fields! {
    "oad" "Attribute" "对象属性" &Kind::Oad;
    "begin" "From" "起始值" &Kind::Data;
    "end" "Before" "结束值" &Kind::Data;
    "interval" "Step" "数据间隔" &Kind::Data;
});

/// Record selector.
pub static RSD: Kind = Kind::Choice(
    Shape::Number("selector"),
    arms! {
        0 "none" {}
        1 "equal" { "oad" "Attribute" "对象属性" &Kind::Oad; "value" "Value" "数值" &Kind::Data; }
        2 "range" {
            "oad" "Attribute" "对象属性" &Kind::Oad;
            "begin" "From" "起始值" &Kind::Data;
            "end" "Before" "结束值" &Kind::Data;
            "interval" "Step" "数据间隔" &Kind::Data;
        }
        3 "ranges" { "selectors" "Ranges" "区间" &Kind::SeqOf(&SELECTOR_2); }
        4 "start_time" { "time" "Start of reading" "采集启动时间" &Kind::DateTimeS; "ms" "Meters" "电能表集合" &MS; }
        5 "store_time" { "time" "Time of storage" "采集存储时间" &Kind::DateTimeS; "ms" "Meters" "电能表集合" &MS; }
        6 "start_times" {
            "begin" "From" "起始时间" &Kind::DateTimeS;
            "end" "Before" "结束时间" &Kind::DateTimeS;
            "interval" "Step" "时间间隔" &TI;
            "ms" "Meters" "电能表集合" &MS;
        }
        7 "store_times" {
            "begin" "From" "起始时间" &Kind::DateTimeS;
            "end" "Before" "结束时间" &Kind::DateTimeS;
            "interval" "Step" "时间间隔" &TI;
            "ms" "Meters" "电能表集合" &MS;
        }
        8 "success_times" {
            "begin" "From" "起始时间" &Kind::DateTimeS;
            "end" "Before" "结束时间" &Kind::DateTimeS;
            "interval" "Step" "时间间隔" &TI;
            "ms" "Meters" "电能表集合" &MS;
        }
        9 "last" { "last" "Last n-th" "上第n次" &Kind::Uint(1); }
        10 "last_of" { "last" "Last n" "上n条" &Kind::Uint(1); "ms" "Meters" "电能表集合" &MS; }
    },
);

/// Security identifier.
pub static SID: Kind = Kind::Group(fields! {
    "sid" "Identifier" "标识" &Kind::Fixed(4);
    "additional" "Additional data" "附加数据" &Kind::Octets;
});

/// Security identifier with code.
pub static SID_MAC: Kind = Kind::Group(fields! {
    "sid" "Identifier" "标识" &Kind::Fixed(4);
    "additional" "Additional data" "附加数据" &Kind::Octets;
    "mac" "Authentication code" "数据MAC" &Kind::Octets;
});

/// Settings of a serial port.
pub static COMDCB: Kind = Kind::Group(fields! {
    "baud" "Baud rate code" "波特率" &Kind::Enum;
    "parity" "Parity, 0 none 1 odd 2 even" "校验位" &Kind::Enum;
    "databits" "Data bits" "数据位" &Kind::Enum;
    "stopbits" "Stop bits" "停止位" &Kind::Enum;
    "flow" "Flow control" "流控" &Kind::Enum;
});

pub static TIME_TAG: Kind = Kind::Group(fields! {
    "time" "Time of sending" "发送时标" &Kind::DateTimeS;
    "allowed_delay" "Allowed delay" "允许传输延时" &TI;
});

pub static RESULT: Kind = Kind::Choice(
    Shape::Flat,
    arms! {
        0 "dar" { "dar" "Result" "错误信息" &Kind::Dar; }
        1 "data" { "data" "Data" "数据" &Kind::Data; }
    },
);

pub static OCTETS_RESULT: Kind = Kind::Choice(
    Shape::Flat,
    arms! {
        0 "dar" { "dar" "Result" "错误信息" &Kind::Dar; }
        1 "data" { "octets" "Data" "数据" &Kind::Octets; }
    },
);

pub static NORMAL: Kind = Kind::Group(fields! {
    "oad" "Attribute" "对象属性" &Kind::Oad;
    "" "Result" "结果" &RESULT;
});

pub static ROWS_RESULT: Kind = Kind::Choice(
    Shape::Flat,
    arms! {
        0 "dar" { "dar" "Result" "错误信息" &Kind::Dar; }
        1 "rows" { "rows" "Rows" "记录行" &Kind::Rows; }
    },
);

pub static RECORD: Kind = Kind::Group(fields! {
    "oad" "Record table" "记录型对象属性" &Kind::Oad;
    "columns" "Columns" "列" &RCSD;
    "" "Result" "结果" &ROWS_RESULT;
});

pub static RECORD_REQUEST: Kind = Kind::Group(fields! {
    "oad" "Record table" "记录型对象属性" &Kind::Oad;
    "rsd" "Rows" "行选择" &RSD;
    "columns" "Columns" "列选择" &RCSD;
});

pub static BLOCK: Kind = Kind::Choice(
    Shape::Flat,
    arms! {
        0 "dar" { "dar" "Result" "错误信息" &Kind::Dar; }
        1 "results" { "results" "Results" "结果" &Kind::SeqOf(&NORMAL); }
        2 "records" { "records" "Records" "记录" &Kind::SeqOf(&RECORD); }
    },
);

pub static FOLLOWING: Kind = Kind::Choice(
    Shape::Fields,
    arms! {
        1 "results" { "results" "Results" "结果" &Kind::SeqOf(&NORMAL); }
        2 "records" { "records" "Records" "记录" &Kind::SeqOf(&RECORD); }
    },
);

pub static SETTING: Kind = Kind::Group(fields! {
    "oad" "Attribute" "对象属性" &Kind::Oad;
    "data" "Data" "数据" &Kind::Data;
});

pub static SETTING_THEN_GET: Kind = Kind::Group(fields! {
    "oad" "Attribute" "对象属性" &Kind::Oad;
    "data" "Data" "数据" &Kind::Data;
    "get_oad" "Then read" "读取的对象属性" &Kind::Oad;
    "delay_s" "Delay before reading, s" "延时读取时间" &Kind::Uint(1);
});

pub static SET_DONE: Kind = Kind::Group(fields! {
    "oad" "Attribute" "对象属性" &Kind::Oad;
    "dar" "Result" "设置结果" &Kind::Dar;
});

pub static SET_DONE_THEN_GET: Kind = Kind::Group(fields! {
    "oad" "Attribute" "对象属性" &Kind::Oad;
    "dar" "Result" "设置结果" &Kind::Dar;
    "get" "Then read" "读取结果" &NORMAL;
});

pub static CALL: Kind = Kind::Group(fields! {
    "omd" "Method" "对象方法" &Kind::Omd;
    "data" "Parameters" "方法参数" &Kind::Data;
});

pub static CALL_THEN_GET: Kind = Kind::Group(fields! {
    "omd" "Method" "对象方法" &Kind::Omd;
    "data" "Parameters" "方法参数" &Kind::Data;
    "get_oad" "Then read" "读取的对象属性" &Kind::Oad;
    "delay_s" "Delay before reading, s" "延时读取时间" &Kind::Uint(1);
});

pub static CALL_DONE: Kind = Kind::Group(fields! {
    "omd" "Method" "对象方法" &Kind::Omd;
    "dar" "Result" "执行结果" &Kind::Dar;
    "data" "Returned data" "返回数据" &Kind::Optional(&Kind::Data);
});

pub static CALL_DONE_THEN_GET: Kind = Kind::Group(fields! {
    "omd" "Method" "对象方法" &Kind::Omd;
    "dar" "Result" "执行结果" &Kind::Dar;
    "data" "Returned data" "返回数据" &Kind::Optional(&Kind::Data);
    "get" "Then read" "读取结果" &NORMAL;
});

macro_rules! target {
    ($key:literal $en:literal $zh:literal $kind:expr) => {
        Kind::Group(fields! {
            "tsa" "Server address" "目标服务器地址" &Kind::Tsa;
            "timeout_s" "Timeout for this server, s" "代理该服务器超时时间" &Kind::Uint(2);
            $key $en $zh &Kind::SeqOf($kind);
        })
    };
}

macro_rules! reply {
    ($kind:expr) => {
        Kind::Group(fields! {
            "tsa" "Server address" "目标服务器地址" &Kind::Tsa;
            "results" "Results" "结果" &Kind::SeqOf($kind);
        })
    };
}

pub static GET_TARGET: Kind = target!("oads" "Attributes" "对象属性" &Kind::Oad);
pub static SET_TARGET: Kind = target!("items" "Settings" "设置项" &SETTING);
pub static SET_GET_TARGET: Kind = target!("items" "Settings" "设置项" &SETTING_THEN_GET);
pub static ACTION_TARGET: Kind = target!("items" "Methods" "操作项" &CALL);
pub static ACTION_GET_TARGET: Kind = target!("items" "Methods" "操作项" &CALL_THEN_GET);
pub static GET_REPLY: Kind = reply!(&NORMAL);
pub static SET_REPLY: Kind = reply!(&SET_DONE);
pub static SET_GET_REPLY: Kind = reply!(&SET_DONE_THEN_GET);
pub static ACTION_REPLY: Kind = reply!(&CALL_DONE);
pub static ACTION_GET_REPLY: Kind = reply!(&CALL_DONE_THEN_GET);

pub static MECHANISM: Kind = Kind::Choice(
    Shape::Word("mechanism"),
    arms! {
        0 "public" {}
        1 "password" { "password" "Password" "密码" &Kind::Secret; }
        2 "symmetric" {
            "cipher" "Cipher text 1" "密文1" &Kind::Octets;
            "signature" "Client signature 1" "客户机签名1" &Kind::Octets;
        }
        3 "signature" {
            "cipher" "Cipher text 2" "密文2" &Kind::Octets;
            "signature" "Client signature 2" "客户机签名2" &Kind::Octets;
        }
    },
);

pub static SERVER_SIGNATURE: Kind = Kind::Group(fields! {
    "rn" "Random number of the server" "服务器随机数" &Kind::Octets;
    "signature" "Signature of the server" "服务器签名信息" &Kind::Octets;
});

pub static FACTORY: Kind = Kind::Group(fields! {
    "vendor" "Maker" "厂商代码" &Kind::Fixed(4);
    "software_version" "Software version" "软件版本号" &Kind::Fixed(4);
    "software_date" "Software date" "软件版本日期" &Kind::Fixed(6);
    "hardware_version" "Hardware version" "硬件版本号" &Kind::Fixed(4);
    "hardware_date" "Hardware date" "硬件版本日期" &Kind::Fixed(6);
    "extension" "Extension" "厂家扩展信息" &Kind::Fixed(8);
});

pub static UNIT: Kind = Kind::Choice(
    Shape::FlatWord("unit"),
    arms! {
        0 "plaintext" { "inner" "Plain APDU" "明文应用数据单元" &Kind::Apdu; }
        1 "ciphertext" { "cipher" "Cipher text" "密文应用数据单元" &Kind::Octets; }
    },
);

pub static ANSWER_UNIT: Kind = Kind::Choice(
    Shape::FlatWord("unit"),
    arms! {
        0 "plaintext" { "inner" "Plain APDU" "明文应用数据单元" &Kind::Apdu; }
        1 "ciphertext" { "cipher" "Cipher text" "密文应用数据单元" &Kind::Octets; }
        2 "error" { "dar" "Result" "异常错误" &Kind::Dar; }
    },
);

pub static VERIFY: Kind = Kind::Choice(
    Shape::Fields,
    arms! {
        0 "sid_mac" { "sid_mac" "Identifier and code" "数据验证码" &SID_MAC; }
        1 "rn" { "rn" "Random number" "随机数" &Kind::Octets; }
        2 "rn_mac" {
            "rn" "Random number" "随机数" &Kind::Octets;
            "mac" "Authentication code" "数据MAC" &Kind::Octets;
        }
        3 "sid" { "sid" "Identifier" "安全标识" &SID; }
    },
);

pub static MAC: Kind =
    Kind::Choice(Shape::Bare, arms! { 0 "mac" { "mac" "Authentication code" "数据MAC" &Kind::Octets; } });
