//! Words for codes: results, units, object classes of the annotated tree.

use crate::visit::Name;

const RESULTS: [(&str, &str); 37] = [
    ("done", "成功"),
    ("hardware fault", "硬件失效"),
    ("temporarily not possible", "暂时失效"),
    ("refused", "拒绝读写"),
    ("undefined object", "对象未定义"),
    ("object class does not fit", "对象接口类不符合"),
    ("object does not exist", "对象不存在"),
    ("type does not fit", "类型不匹配"),
    ("out of range", "越界"),
    ("data block not available", "数据块不可用"),
    ("split transfer cancelled", "分帧传输已取消"),
    ("not in a split transfer", "不处于分帧传输状态"),
    ("block write cancelled", "块写取消"),
    ("no block write possible", "不存在块写状态"),
    ("block number invalid", "数据块序号无效"),
    ("wrong password or no authority", "密码错/未授权"),
    ("baud rate cannot be changed", "通信速率不能更改"),
    ("too many zones", "年时区数超"),
    ("too many periods", "日时段数超"),
    ("too many tariffs", "费率数超"),
    ("security does not match", "安全认证不匹配"),
    ("charged twice", "重复充值"),
    ("ESAM verification failed", "ESAM验证失败"),
    ("security failed", "安全认证失败"),
    ("customer number does not match", "客户编号不匹配"),
    ("wrong count of charges", "充值次数错误"),
    ("too much bought", "购电超囤积"),
    ("abnormal address", "地址异常"),
    ("symmetric decryption failed", "对称解密错误"),
    ("asymmetric decryption failed", "非对称解密错误"),
    ("signature wrong", "签名错误"),
    ("meter suspended", "电能表挂起"),
    ("time tag invalid", "时间标签无效"),
    ("timed out", "请求超时"),
    ("ESAM P1P2 wrong", "ESAM的P1P2不正确"),
    ("ESAM LC wrong", "ESAM的LC错误"),
    ("comparison failed", "比对失败"),
];

/// What a result code (DAR) means.
pub fn result(code: u8) -> Name {
    let (en, zh) = match (RESULTS.get(usize::from(code)), code) {
        (Some(words), _) => *words,
        (None, 255) => ("other", "其他"),
        (None, _) => ("reserved", "保留"),
    };
    Name::new(format!("{code} {en}"), format!("{code} {zh}"))
}

/// Unit codes (annex B) that meters use.
const UNITS: &[(u8, &str)] = &[
    (6, "min"),
    (7, "s"),
    (9, "°C"),
    (27, "W"),
    (28, "kW"),
    (29, "VA"),
    (30, "kVA"),
    (31, "var"),
    (32, "kvar"),
    (33, "kWh"),
    (34, "kVAh"),
    (35, "kvarh"),
    (36, "A"),
    (38, "V"),
    (47, "Hz"),
    (51, "%"),
    (255, "-"),
];

/// The symbol of a unit code.
pub fn unit(code: u8) -> Option<&'static str> {
    UNITS.iter().find(|(n, _)| *n == code).map(|(_, symbol)| *symbol)
}
