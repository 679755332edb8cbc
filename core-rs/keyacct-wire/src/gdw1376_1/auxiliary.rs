//! What follows the data units of a frame: event counters, password, time label.

use std::ops::Range;

use crate::cursor::Cursor;
use crate::format;
use crate::json::Json;
use crate::visit::{Name, Visitor};

/// Bytes cut from the end, and where they lie.
pub(super) type Tail<'a> = (Range<usize>, &'a [u8]);

/// The last bytes of the data and where they lie.
pub(super) fn end<'a>(data: &mut Cursor<'a>, count: usize) -> Option<Tail<'a>> {
    let bytes = data.take_end(count)?;
    let from = data.position() + data.left();
    Some((from..from + count, bytes))
}

/// Tells what AUX holds: time label, event counters, password.
pub(super) fn tell<V: Visitor>(
    time: Option<&Tail<'_>>,
    counters: Option<&Tail<'_>>,
    password: Option<&Tail<'_>>,
    visitor: &mut V,
) {
    let label = time.and_then(|(at, bytes)| {
        let [counter, second, minute, hour, day, delay] = **bytes else { return None };
        // As sent, also when it is no time: many masters fill the label with zeros.
        let sent = format!("d{day:02X} {hour:02X}:{minute:02X}:{second:02X}");
        Some((at.clone(), counter, sent, delay))
    });
    if time.is_some() || counters.is_some() || password.is_some() {
        visitor.header("aux", || {
            let mut aux = Vec::new();
            if let Some((_, counter, sent, delay)) = &label {
                let label = vec![
                    ("pfc", Json::from(*counter)),
                    ("time", Json::from(sent.as_str())),
                    ("delay_min", Json::from(*delay)),
                ];
                aux.push(("tp", Json::Object(label)));
            }
            if let Some((_, counters)) = counters {
                aux.push(("ec", Json::List(counters.iter().map(|n| Json::from(*n)).collect())));
            }
            if let Some((_, password)) = password {
                aux.push(("pw", Json::Text(format::hex(password.iter()))));
            }
            Json::Object(aux)
        });
    }
    if let Some((at, counters)) = counters {
        visitor.field(at.clone(), || {
            let (en, zh) = (
                format!("important {}, ordinary {}", counters[0], counters[1]),
                format!("重要 {}, 一般 {}", counters[0], counters[1]),
            );
            (Name::new("Event counters", "事件计数器 EC"), Name::new(en, zh))
        });
    }
    if let Some((at, _)) = password {
        visitor.secret(at.clone(), || Name::new("Password", "消息认证码 PW"));
    }
    if let Some((at, counter, sent, delay)) = label {
        visitor.field(at, || {
            (
                Name::new("Time label", "时间标签 Tp"),
                Name::new(
                    format!("frame counter {counter}, sent {sent}, allowed delay {delay} min"),
                    format!("启动帧序号 {counter}, 发送时标 {sent}, 允许时延 {delay} min"),
                ),
            )
        });
    }
}
