//! The services as tables (2017, clauses 7.2 and 8): what follows the tag of each APDU.

use super::grammar::{Kind, Service, fields};
use super::parts::{
    ACTION_GET_REPLY, ACTION_GET_TARGET, ACTION_REPLY, ACTION_TARGET, ANSWER_UNIT, BLOCK, CALL, CALL_DONE,
    CALL_DONE_THEN_GET, CALL_THEN_GET, COMDCB, FACTORY, FOLLOWING, GET_REPLY, GET_TARGET, MAC, MECHANISM,
    NORMAL, OCTETS_RESULT, RCSD, RECORD, RECORD_REQUEST, RESULT, ROWS_RESULT, RSD, SERVER_SIGNATURE,
    SET_DONE, SET_DONE_THEN_GET, SET_GET_REPLY, SET_GET_TARGET, SET_REPLY, SET_TARGET, SETTING,
    SETTING_THEN_GET, TIME_TAG, UNIT, VERIFY,
};

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
            { "piid_acd" "Invocation" "序号及ACD" &Kind::Piid; }
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
        "piid_acd" "Invocation" "序号及ACD" &Kind::Piid;
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
        "octets" "Data" "透明数据" &Kind::SeqOf(&Kind::Octets);
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
