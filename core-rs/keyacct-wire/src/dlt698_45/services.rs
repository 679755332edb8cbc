//! The services as tables (2017, clause 7.2 and 8): what follows the tag of each APDU.

use super::grammar::{Arm, Field, Kind, Service, Shape};

macro_rules! fields {
    ($($key:literal $en:literal $zh:literal $kind:expr;)*) => {
        &[$(Field { key: $key, en: $en, zh: $zh, kind: $kind }),*]
    };
}

macro_rules! arms {
    ($($number:literal $word:literal { $($fields:tt)* })*) => {
        &[$(Arm { number: $number, word: $word, fields: fields! { $($fields)* } }),*]
    };
}

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

static SELECTOR_2: Kind = Kind::Group(fields! {
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

static TIME_TAG: Kind = Kind::Group(fields! {
    "time" "Time of sending" "发送时标" &Kind::DateTimeS;
    "allowed_delay" "Allowed delay" "允许传输延时" &TI;
});

static RESULT: Kind = Kind::Choice(
    Shape::Flat,
    arms! {
        0 "dar" { "dar" "Result" "错误信息" &Kind::Dar; }
        1 "data" { "data" "Data" "数据" &Kind::Data; }
    },
);

static OCTETS_RESULT: Kind = Kind::Choice(
    Shape::Flat,
    arms! {
        0 "dar" { "dar" "Result" "错误信息" &Kind::Dar; }
        1 "data" { "octets" "Data" "数据" &Kind::Octets; }
    },
);

static NORMAL: Kind = Kind::Group(fields! {
    "oad" "Attribute" "对象属性" &Kind::Oad;
    "" "Result" "结果" &RESULT;
});

static ROWS_RESULT: Kind = Kind::Choice(
    Shape::Flat,
    arms! {
        0 "dar" { "dar" "Result" "错误信息" &Kind::Dar; }
        1 "rows" { "rows" "Rows" "记录行" &Kind::Rows; }
    },
);

static RECORD: Kind = Kind::Group(fields! {
    "oad" "Record table" "记录型对象属性" &Kind::Oad;
    "columns" "Columns" "列" &RCSD;
    "" "Result" "结果" &ROWS_RESULT;
});

static RECORD_REQUEST: Kind = Kind::Group(fields! {
    "oad" "Record table" "记录型对象属性" &Kind::Oad;
    "rsd" "Rows" "行选择" &RSD;
    "columns" "Columns" "列选择" &RCSD;
});

static BLOCK: Kind = Kind::Choice(
    Shape::Flat,
    arms! {
        0 "dar" { "dar" "Result" "错误信息" &Kind::Dar; }
        1 "results" { "results" "Results" "结果" &Kind::SeqOf(&NORMAL); }
        2 "records" { "records" "Records" "记录" &Kind::SeqOf(&RECORD); }
    },
);

static FOLLOWING: Kind = Kind::Choice(
    Shape::Fields,
    arms! {
        1 "results" { "results" "Results" "结果" &Kind::SeqOf(&NORMAL); }
        2 "records" { "records" "Records" "记录" &Kind::SeqOf(&RECORD); }
    },
);

static SETTING: Kind = Kind::Group(fields! {
    "oad" "Attribute" "对象属性" &Kind::Oad;
    "data" "Data" "数据" &Kind::Data;
});

static SETTING_THEN_GET: Kind = Kind::Group(fields! {
    "oad" "Attribute" "对象属性" &Kind::Oad;
    "data" "Data" "数据" &Kind::Data;
    "get_oad" "Then read" "读取的对象属性" &Kind::Oad;
    "delay_s" "Delay before reading, s" "延时读取时间" &Kind::Uint(1);
});

static SET_DONE: Kind = Kind::Group(fields! {
    "oad" "Attribute" "对象属性" &Kind::Oad;
    "dar" "Result" "设置结果" &Kind::Dar;
});

static SET_DONE_THEN_GET: Kind = Kind::Group(fields! {
    "oad" "Attribute" "对象属性" &Kind::Oad;
    "dar" "Result" "设置结果" &Kind::Dar;
    "get" "Then read" "读取结果" &NORMAL;
});

static CALL: Kind = Kind::Group(fields! {
    "omd" "Method" "对象方法" &Kind::Omd;
    "data" "Parameters" "方法参数" &Kind::Data;
});

static CALL_THEN_GET: Kind = Kind::Group(fields! {
    "omd" "Method" "对象方法" &Kind::Omd;
    "data" "Parameters" "方法参数" &Kind::Data;
    "get_oad" "Then read" "读取的对象属性" &Kind::Oad;
    "delay_s" "Delay before reading, s" "延时读取时间" &Kind::Uint(1);
});

static CALL_DONE: Kind = Kind::Group(fields! {
    "omd" "Method" "对象方法" &Kind::Omd;
    "dar" "Result" "执行结果" &Kind::Dar;
    "data" "Returned data" "返回数据" &Kind::Optional(&Kind::Data);
});

static CALL_DONE_THEN_GET: Kind = Kind::Group(fields! {
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

static GET_TARGET: Kind = target!("oads" "Attributes" "对象属性" &Kind::Oad);
static SET_TARGET: Kind = target!("items" "Settings" "设置项" &SETTING);
static SET_GET_TARGET: Kind = target!("items" "Settings" "设置项" &SETTING_THEN_GET);
static ACTION_TARGET: Kind = target!("items" "Methods" "操作项" &CALL);
static ACTION_GET_TARGET: Kind = target!("items" "Methods" "操作项" &CALL_THEN_GET);
static GET_REPLY: Kind = reply!(&NORMAL);
static SET_REPLY: Kind = reply!(&SET_DONE);
static SET_GET_REPLY: Kind = reply!(&SET_DONE_THEN_GET);
static ACTION_REPLY: Kind = reply!(&CALL_DONE);
static ACTION_GET_REPLY: Kind = reply!(&CALL_DONE_THEN_GET);

static MECHANISM: Kind = Kind::Choice(
    Shape::Word("mechanism"),
    arms! {
        0 "public" {}
        1 "password" { "password" "Password" "密码" &Kind::Text; }
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

static SERVER_SIGNATURE: Kind = Kind::Group(fields! {
    "rn" "Random number of the server" "服务器随机数" &Kind::Octets;
    "signature" "Signature of the server" "服务器签名信息" &Kind::Octets;
});

static FACTORY: Kind = Kind::Group(fields! {
    "vendor" "Maker" "厂商代码" &Kind::Fixed(4);
    "software_version" "Software version" "软件版本号" &Kind::Fixed(4);
    "software_date" "Software date" "软件版本日期" &Kind::Fixed(6);
    "hardware_version" "Hardware version" "硬件版本号" &Kind::Fixed(4);
    "hardware_date" "Hardware date" "硬件版本日期" &Kind::Fixed(6);
    "extension" "Extension" "厂家扩展信息" &Kind::Fixed(8);
});

static UNIT: Kind = Kind::Choice(
    Shape::FlatWord("unit"),
    arms! {
        0 "plaintext" { "inner" "Plain APDU" "明文应用数据单元" &Kind::Apdu; }
        1 "ciphertext" { "cipher" "Cipher text" "密文应用数据单元" &Kind::Octets; }
    },
);

static ANSWER_UNIT: Kind = Kind::Choice(
    Shape::FlatWord("unit"),
    arms! {
        0 "plaintext" { "inner" "Plain APDU" "明文应用数据单元" &Kind::Apdu; }
        1 "ciphertext" { "cipher" "Cipher text" "密文应用数据单元" &Kind::Octets; }
        2 "error" { "dar" "Result" "异常错误" &Kind::Dar; }
    },
);

static VERIFY: Kind = Kind::Choice(
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

static MAC: Kind =
    Kind::Choice(Shape::Bare, arms! { 0 "mac" { "mac" "Authentication code" "数据MAC" &Kind::Octets; } });

/// A service with its invocation number in front.
macro_rules! service {
    ($tag:literal $($choice:literal)? request $name:literal { $($body:tt)* }) => {
        service!(@ $tag [$($choice)?] $name
            { "piid" "Invocation" "序号及优先标志" &Kind::Piid; }
            { $($body)* }
            { "time_tag" "Time tag" "时间标签" &Kind::Optional(&TIME_TAG); })
    };
    ($tag:literal $($choice:literal)? answer $name:literal { $($body:tt)* }) => {
        service!(@ $tag [$($choice)?] $name
            { "piid_acd" "Invocation, event waiting" "序号及ACD" &Kind::Piid; }
            { $($body)* }
            {
                "follow_report" "Following report" "跟随上报信息域" &Kind::Optional(&FOLLOWING);
                "time_tag" "Time tag" "时间标签" &Kind::Optional(&TIME_TAG);
            })
    };
    ($tag:literal $($choice:literal)? bare $name:literal { $($body:tt)* }) => {
        service!(@ $tag [$($choice)?] $name {} { $($body)* } {})
    };
    (@ $tag:literal [] $name:literal { $($a:tt)* } { $($b:tt)* } { $($c:tt)* }) => {
        Service { tag: $tag, choice: None, name: $name, fields: fields! { $($a)* $($b)* $($c)* } }
    };
    (@ $tag:literal [$choice:literal] $name:literal { $($a:tt)* } { $($b:tt)* } { $($c:tt)* }) => {
        Service { tag: $tag, choice: Some($choice), name: $name, fields: fields! { $($a)* $($b)* $($c)* } }
    };
}

/// Every service, by tag and choice.
pub static ALL: &[Service] = &[
    service!(0x01 bare "LINK-Request" {
        "piid_acd" "Invocation, event waiting" "序号及ACD" &Kind::Piid;
        "type" "Type" "请求类型" &Kind::Word(&["login", "heartbeat", "logout"]);
        "heartbeat_s" "Heartbeat interval, s" "心跳周期" &Kind::Uint(2);
        "time" "Time of the request" "请求时间" &Kind::DateTime;
    }),
    service!(0x81 bare "LINK-Response" {
        "piid" "Invocation" "序号及优先标志" &Kind::Piid;
        "result" "Result" "结果" &Kind::LinkResult;
        "request_time" "Time of the request" "请求时间" &Kind::DateTime;
        "receive_time" "Time of receipt" "收到时间" &Kind::DateTime;
        "response_time" "Time of the response" "响应时间" &Kind::DateTime;
    }),
    service!(0x02 request "CONNECT-Request" {
        "protocol_version" "Protocol version" "应用层协议版本号" &Kind::Uint(2);
        "protocol_conformance" "Protocol conformance" "协议一致性块" &Kind::Fixed(8);
        "function_conformance" "Function conformance" "功能一致性块" &Kind::Fixed(16);
        "client_tx_size" "Largest frame the client sends" "客户机发送帧最大尺寸" &Kind::Uint(2);
        "client_rx_size" "Largest frame the client takes" "客户机接收帧最大尺寸" &Kind::Uint(2);
        "client_window" "Frames the client takes at once" "客户机接收帧最大窗口尺寸" &Kind::Uint(1);
        "max_apdu" "Largest APDU" "客户机最大可处理APDU尺寸" &Kind::Uint(2);
        "timeout_s" "Wanted timeout of the connection, s" "期望的应用连接超时时间" &Kind::Uint(4);
        "auth" "Authentication" "认证请求对象" &MECHANISM;
    }),
    service!(0x82 answer "CONNECT-Response" {
        "factory_version" "Maker and versions" "服务器厂商版本信息" &FACTORY;
        "protocol_version" "Protocol version" "商定的应用层协议版本号" &Kind::Uint(2);
        "protocol_conformance" "Protocol conformance" "商定的协议一致性块" &Kind::Fixed(8);
        "function_conformance" "Function conformance" "商定的功能一致性块" &Kind::Fixed(16);
        "server_tx_size" "Largest frame the server sends" "服务器发送帧最大尺寸" &Kind::Uint(2);
        "server_rx_size" "Largest frame the server takes" "服务器接收帧最大尺寸" &Kind::Uint(2);
        "server_window" "Frames the server takes at once" "服务器接收帧最大窗口尺寸" &Kind::Uint(1);
        "max_apdu" "Largest APDU" "服务器最大可处理APDU尺寸" &Kind::Uint(2);
        "timeout_s" "Timeout of the connection, s" "商定的应用连接超时时间" &Kind::Uint(4);
        "result" "Result" "认证结果" &Kind::Enum;
        "auth" "Authentication" "认证附加信息" &Kind::Optional(&SERVER_SIGNATURE);
    }),
    service!(0x03 request "RELEASE-Request" {}),
    service!(0x83 answer "RELEASE-Response" { "result" "Result" "结果" &Kind::Enum; }),
    service!(0x84 answer "RELEASE-Notification" {
        "established" "Connected since" "应用连接建立时间" &Kind::DateTimeS;
        "time" "Time of the server" "服务器当前时间" &Kind::DateTimeS;
    }),
    service!(0x05 1 request "GetRequestNormal" { "oad" "Attribute" "对象属性" &Kind::Oad; }),
    service!(0x05 2 request "GetRequestNormalList" { "oads" "Attributes" "对象属性" &Kind::SeqOf(&Kind::Oad); }),
    service!(0x05 3 request "GetRequestRecord" {
        "oad" "Record table" "记录型对象属性" &Kind::Oad;
        "rsd" "Rows" "行选择" &RSD;
        "columns" "Columns" "列选择" &RCSD;
    }),
    service!(0x05 4 request "GetRequestRecordList" { "records" "Records" "记录" &Kind::SeqOf(&RECORD_REQUEST); }),
    service!(0x05 5 request "GetRequestNext" { "last_block" "Last block received" "最近一次接收的数据块序号" &Kind::Uint(2); }),
    service!(0x05 6 request "GetRequestMD5" { "oad" "Attribute" "对象属性" &Kind::Oad; }),
    service!(0x85 1 answer "GetResponseNormal" {
        "oad" "Attribute" "对象属性" &Kind::Oad;
        "" "Result" "结果" &RESULT;
    }),
    service!(0x85 2 answer "GetResponseNormalList" { "results" "Results" "结果" &Kind::SeqOf(&NORMAL); }),
    service!(0x85 3 answer "GetResponseRecord" {
        "oad" "Record table" "记录型对象属性" &Kind::Oad;
        "columns" "Columns" "列" &RCSD;
        "" "Result" "结果" &ROWS_RESULT;
    }),
    service!(0x85 4 answer "GetResponseRecordList" { "records" "Records" "记录" &Kind::SeqOf(&RECORD); }),
    service!(0x85 5 answer "GetResponseNext" {
        "last" "Last block" "末帧标志" &Kind::Bool;
        "block" "Block" "分帧序号" &Kind::Uint(2);
        "" "Result" "结果" &BLOCK;
    }),
    service!(0x85 6 answer "GetResponseMD5" {
        "oad" "Attribute" "对象属性" &Kind::Oad;
        "" "Result" "结果" &OCTETS_RESULT;
    }),
    service!(0x06 1 request "SetRequestNormal" {
        "oad" "Attribute" "对象属性" &Kind::Oad;
        "data" "Data" "数据" &Kind::Data;
    }),
    service!(0x06 2 request "SetRequestNormalList" { "items" "Settings" "设置项" &Kind::SeqOf(&SETTING); }),
    service!(0x06 3 request "SetThenGetRequestNormalList" {
        "items" "Settings" "设置项" &Kind::SeqOf(&SETTING_THEN_GET);
    }),
    service!(0x86 1 answer "SetResponseNormal" {
        "oad" "Attribute" "对象属性" &Kind::Oad;
        "dar" "Result" "设置结果" &Kind::Dar;
    }),
    service!(0x86 2 answer "SetResponseNormalList" { "results" "Results" "结果" &Kind::SeqOf(&SET_DONE); }),
    service!(0x86 3 answer "SetThenGetResponseNormalList" {
        "results" "Results" "结果" &Kind::SeqOf(&SET_DONE_THEN_GET);
    }),
    service!(0x07 1 request "ActionRequestNormal" {
        "omd" "Method" "对象方法" &Kind::Omd;
        "data" "Parameters" "方法参数" &Kind::Data;
    }),
    service!(0x07 2 request "ActionRequestNormalList" { "items" "Methods" "操作项" &Kind::SeqOf(&CALL); }),
    service!(0x07 3 request "ActionThenGetRequestNormalList" {
        "items" "Methods" "操作项" &Kind::SeqOf(&CALL_THEN_GET);
    }),
    service!(0x87 1 answer "ActionResponseNormal" {
        "omd" "Method" "对象方法" &Kind::Omd;
        "dar" "Result" "执行结果" &Kind::Dar;
        "data" "Returned data" "返回数据" &Kind::Optional(&Kind::Data);
    }),
    service!(0x87 2 answer "ActionResponseNormalList" { "results" "Results" "结果" &Kind::SeqOf(&CALL_DONE); }),
    service!(0x87 3 answer "ActionThenGetResponseNormalList" {
        "results" "Results" "结果" &Kind::SeqOf(&CALL_DONE_THEN_GET);
    }),
    service!(0x88 1 answer "ReportNotificationList" { "results" "Results" "结果" &Kind::SeqOf(&NORMAL); }),
    service!(0x88 2 answer "ReportNotificationRecordList" { "records" "Records" "记录" &Kind::SeqOf(&RECORD); }),
    service!(0x88 3 answer "ReportNotificationTransData" {
        "port_oad" "Port" "端口" &Kind::Oad;
        "octets" "Data" "透明数据" &Kind::Octets;
    }),
    service!(0x08 1 request "ReportResponseList" { "oads" "Attributes" "对象属性" &Kind::SeqOf(&Kind::Oad); }),
    service!(0x08 2 request "ReportResponseRecordList" { "oads" "Record tables" "记录型对象属性" &Kind::SeqOf(&Kind::Oad); }),
    service!(0x08 3 request "ReportResponseTransData" {}),
    service!(0x09 1 request "ProxyGetRequestList" {
        "timeout_s" "Timeout of the proxy, s" "整个代理请求的超时时间" &Kind::Uint(2);
        "targets" "Servers" "目标服务器" &Kind::SeqOf(&GET_TARGET);
    }),
    service!(0x09 2 request "ProxyGetRequestRecord" {
        "timeout_s" "Timeout of the proxy, s" "代理请求的超时时间" &Kind::Uint(2);
        "tsa" "Server address" "目标服务器地址" &Kind::Tsa;
        "oad" "Record table" "记录型对象属性" &Kind::Oad;
        "rsd" "Rows" "行选择" &RSD;
        "columns" "Columns" "列选择" &RCSD;
    }),
    service!(0x09 3 request "ProxySetRequestList" {
        "timeout_s" "Timeout of the proxy, s" "整个代理请求的超时时间" &Kind::Uint(2);
        "targets" "Servers" "目标服务器" &Kind::SeqOf(&SET_TARGET);
    }),
    service!(0x09 4 request "ProxySetThenGetRequestList" {
        "timeout_s" "Timeout of the proxy, s" "整个代理请求的超时时间" &Kind::Uint(2);
        "targets" "Servers" "目标服务器" &Kind::SeqOf(&SET_GET_TARGET);
    }),
    service!(0x09 5 request "ProxyActionRequestList" {
        "timeout_s" "Timeout of the proxy, s" "整个代理请求的超时时间" &Kind::Uint(2);
        "targets" "Servers" "目标服务器" &Kind::SeqOf(&ACTION_TARGET);
    }),
    service!(0x09 6 request "ProxyActionThenGetRequestList" {
        "timeout_s" "Timeout of the proxy, s" "整个代理请求的超时时间" &Kind::Uint(2);
        "targets" "Servers" "目标服务器" &Kind::SeqOf(&ACTION_GET_TARGET);
    }),
    service!(0x09 7 request "ProxyTransCommandRequest" {
        "port_oad" "Port" "端口" &Kind::Oad;
        "comdcb" "Port settings" "端口通信控制块" &COMDCB;
        "frame_timeout_s" "Timeout of the answer, s" "接收等待报文超时时间" &Kind::Uint(2);
        "byte_timeout_ms" "Timeout between bytes, ms" "接收等待字节超时时间" &Kind::Uint(2);
        "command" "Command" "透明转发命令" &Kind::Octets;
    }),
    service!(0x89 1 answer "ProxyGetResponseList" { "targets" "Servers" "目标服务器" &Kind::SeqOf(&GET_REPLY); }),
    service!(0x89 2 answer "ProxyGetResponseRecord" {
        "tsa" "Server address" "目标服务器地址" &Kind::Tsa;
        "oad" "Record table" "记录型对象属性" &Kind::Oad;
        "columns" "Columns" "列" &RCSD;
        "" "Result" "结果" &ROWS_RESULT;
    }),
    service!(0x89 3 answer "ProxySetResponseList" { "targets" "Servers" "目标服务器" &Kind::SeqOf(&SET_REPLY); }),
    service!(0x89 4 answer "ProxySetThenGetResponseList" {
        "targets" "Servers" "目标服务器" &Kind::SeqOf(&SET_GET_REPLY);
    }),
    service!(0x89 5 answer "ProxyActionResponseList" {
        "targets" "Servers" "目标服务器" &Kind::SeqOf(&ACTION_REPLY);
    }),
    service!(0x89 6 answer "ProxyActionThenGetResponseList" {
        "targets" "Servers" "目标服务器" &Kind::SeqOf(&ACTION_GET_REPLY);
    }),
    service!(0x89 7 answer "ProxyTransCommandResponse" {
        "port_oad" "Port" "端口" &Kind::Oad;
        "" "Result" "结果" &OCTETS_RESULT;
    }),
    service!(0x10 bare "SECURITY-Request" {
        "" "Application data" "应用数据单元" &UNIT;
        "verify" "Verification" "数据验证信息" &VERIFY;
    }),
    service!(0x90 bare "SECURITY-Response" {
        "" "Application data" "应用数据单元" &ANSWER_UNIT;
        "mac" "Verification" "数据验证信息" &Kind::Optional(&MAC);
    }),
    service!(0x6E request "ERROR-Response" { "error_type" "Error" "异常类型" &Kind::Enum; }),
    service!(0xEE answer "ERROR-Response" { "error_type" "Error" "异常类型" &Kind::Enum; }),
];
