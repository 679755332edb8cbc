//! Why a line holds no valid frame: the nearest protocol and the mistake of people, gateways and lines that explains it.
//!
//! Two steps. What was done to the whole line (text of hex, parity bits, swapped halves, doubled bytes) is undone; if a
//! whole valid frame then stands there, that is the cause. Else the frame that the header promises is looked at by its
//! own protocol. Every answer is checked by the protocol's checksum, so a cause is not guessed; only "the end is
//! missing" and the bare nearest protocol rest on the header alone. Work is linear in the line, of which no more than
//! [`LONGEST`] bytes are looked at.

use crate::checksum::{crc16_modbus, sum8};
use crate::deframe::{Deframer, Event};
use crate::error::Fault;
use crate::format::hex;
use crate::protocol::{Expect, Framing, Protocol};
use crate::visit::Name;
use crate::{dlt698_45, gdw1376_1};

/// Bytes of a line that are looked at.
const LONGEST: usize = 4096;
/// Longest frame whose bits are flipped one by one.
const MOST_FLIPPED: usize = 512;
const START: u8 = 0x68;
const END: u8 = 0x16;

/// What is thought of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The protocol that it is nearest to.
    pub nearest: Option<Protocol>,
    /// The likely cause.
    pub cause: Name,
}

/// A cause, or nothing where no protocol is near.
pub fn diagnose(line: &[u8], expect: Expect) -> Option<Diagnosis> {
    let line = &line[..line.len().min(LONGEST)];
    let wanted: Vec<Framing> = match expect {
        Expect::Only(_) => expect.framings().to_vec(),
        _ => Framing::ALL.to_vec(),
    };
    undone(line, &wanted)
        .or_else(|| other_protocol(line, &wanted))
        .or_else(|| by_header(line, &wanted))
        .or_else(|| swapped_crc(line, &wanted))
}

/// The first frame of a line, if it makes up most of it.
fn frame_in(bytes: &[u8], framings: &[Framing]) -> Option<Protocol> {
    let mut best = None;
    let mut most = bytes.len() / 2;
    let mut see = |event: Event<'_>| {
        if let Event::Frame { protocol, bytes, .. } = event
            && bytes.len() > most
        {
            most = bytes.len();
            best = Some(protocol);
        }
    };
    let with_start = framings.iter().any(|framing| framing.start().is_some());
    if with_start {
        Deframer::new(Expect::Auto).whole(bytes, &mut see);
    }
    let bare = framings.iter().filter(|framing| framing.start().is_none());
    best.or_else(|| bare.filter_map(|framing| framing.check(bytes).ok()).next())
        .filter(|protocol| protocol.framing().is_some_and(|framing| framings.contains(&framing)))
}

/// Undoes what may have been done to the whole line.
fn undone(line: &[u8], framings: &[Framing]) -> Option<Diagnosis> {
    let text = std::str::from_utf8(line).ok().filter(|text| text.len() >= 16);
    let text = text.and_then(|text| crate::hex::decode_line(text).ok());
    let stripped: Vec<u8> = line.iter().map(|byte| byte & 0x7F).collect();
    let nibbles: Vec<u8> = line.iter().map(|byte| byte.rotate_left(4)).collect();
    let swap =
        |bytes: &[u8]| -> Vec<u8> { bytes.chunks(2).flat_map(|pair| pair.iter().rev().copied()).collect() };
    let doubled =
        line.len() >= 16 && line.len().is_multiple_of(2) && line.chunks_exact(2).all(|p| p[0] == p[1]);
    let single: Vec<u8> = if doubled { line.iter().step_by(2).copied().collect() } else { Vec::new() };
    let inverted: Vec<u8> = line.iter().map(|byte| !byte).collect();
    let reversed: Vec<u8> = line.iter().map(|byte| byte.reverse_bits()).collect();
    let backwards: Vec<u8> = line.iter().rev().copied().collect();
    let cases: [(Vec<u8>, &str, &str); 8] = [
        (
            text.unwrap_or_default(),
            "these are the ASCII codes of a hex text: write the text that they spell instead",
            "这是十六进制文本的 ASCII 码: 请改用其所表示的文本",
        ),
        (
            single,
            "every byte is there twice: the line echoes, or sender and receiver were logged together",
            "每个字节都出现两次: 线路有回波, 或收发被记录在一起",
        ),
        (nibbles, "the two halves of every byte are swapped", "每个字节的高低半字节被交换"),
        (
            swap(line),
            "every two bytes are swapped (16-bit words in the other order)",
            "每两个字节被交换 (16 位字节序相反)",
        ),
        (
            with_parity(&stripped, line).unwrap_or_default(),
            "bit 7 of each byte is its parity: the port was read with 7 data bits and even parity, not 8",
            "每个字节的 bit7 为校验位: 串口按 7 位数据偶校验接收, 应为 8 位数据位",
        ),
        (
            inverted,
            "every bit is inverted: the polarity of the line (A and B) is swapped",
            "每一位都取反: 线路极性 (A、B) 接反",
        ),
        (reversed, "the bits of every byte are in reverse order", "每个字节的位序颠倒"),
        (backwards, "the bytes are in reverse order", "字节顺序颠倒"),
    ];
    let found = cases.into_iter().find_map(|(bytes, en, zh)| {
        let protocol = if bytes.is_empty() { None } else { frame_in(&bytes, framings) }?;
        Some(Diagnosis { nearest: Some(protocol), cause: Name::new(en, zh) })
    });
    found.or_else(|| seven_bits(line, framings))
}

/// The line without its top bits, if these are the even or odd parity of the other seven in every byte.
fn with_parity(stripped: &[u8], line: &[u8]) -> Option<Vec<u8>> {
    let parity = |odd: u32| line.iter().all(|byte| byte.count_ones() % 2 == odd);
    (stripped != line && (parity(0) || parity(1))).then(|| stripped.to_vec())
}

/// A line none of whose bytes has its top bit, though a frame has: the data bits are lost, and can only be told of.
fn seven_bits(line: &[u8], framings: &[Framing]) -> Option<Diagnosis> {
    let is_645 = framings.contains(&Framing::Dlt645);
    let at = line.iter().position(|byte| *byte == START)?;
    let frame = line.get(at..).filter(|frame| is_645 && frame.len() >= 12 && frame[7] == START)?;
    let length = usize::from(frame[9]);
    let (body, trailer) = frame.get(..12 + length)?.split_at(10 + length);
    let cut = line.iter().all(|byte| byte & 0x80 == 0) && trailer[1] == END;
    (cut && sum8(body) & 0x7F == trailer[0]).then(|| Diagnosis {
        nearest: Some(Protocol::Dlt645_2007),
        cause: Name::new(
            "bit 7 is 0 in every byte, and the checksum is right without it: the port was read with 7 data bits",
            "所有字节的 bit7 均为 0, 不计该位时校验正确: 串口按 7 位数据位接收",
        ),
    })
}

/// A valid frame of a protocol that was not asked for.
fn other_protocol(line: &[u8], wanted: &[Framing]) -> Option<Diagnosis> {
    let others: Vec<Framing> = Framing::ALL.iter().copied().filter(|f| !wanted.contains(f)).collect();
    let protocol = frame_in(line, &others)?;
    let name = protocol.as_str();
    let (en, zh) = match protocol {
        Protocol::ModbusRtu => (
            format!("this is Modbus RTU (unit, function, CRC), not TCP: use --protocol {name}"),
            format!("这是 Modbus RTU (从站, 功能码, CRC), 不是 TCP: 请用 --protocol {name}"),
        ),
        Protocol::ModbusTcp => (
            format!("this is Modbus TCP (MBAP header, no CRC), not RTU: use --protocol {name}"),
            format!("这是 Modbus TCP (MBAP 头, 无 CRC), 不是 RTU: 请用 --protocol {name}"),
        ),
        _ => (
            format!("this is a valid frame of {name}: use --protocol {name}"),
            format!("这是有效的 {name} 报文: 请用 --protocol {name}"),
        ),
    };
    Some(Diagnosis { nearest: Some(protocol), cause: Name::new(en, zh) })
}

/// What the protocol says whose header stands there.
fn by_header(line: &[u8], wanted: &[Framing]) -> Option<Diagnosis> {
    let nearest = nearest(line, wanted);
    let order: Vec<Framing> = nearest.into_iter().chain(wanted.iter().copied()).collect();
    // Flips are tried last of all, and only by the protocol whose header stands there.
    let advice = order.iter().find_map(|framing| Some((*framing, framing.advise(line)?)));
    let told = advice.or_else(|| nearest.and_then(|framing| Some((framing, one_byte(line, framing)?))));
    let told = told.or_else(|| nearest.and_then(|framing| Some((framing, wrong_sum(line, framing)?))));
    let (framing, cause) = told?;
    Some(Diagnosis { nearest: protocol_of(framing), cause })
}

/// The protocol that a framing is named by.
fn protocol_of(framing: Framing) -> Option<Protocol> {
    Protocol::ALL.iter().copied().find(|protocol| protocol.framing() == Some(framing))
}

/// The framing whose header stands at the first start byte.
fn nearest(line: &[u8], wanted: &[Framing]) -> Option<Framing> {
    let starts = (0..line.len()).filter(|at| line[*at] == START).take(64);
    let header = |at: usize| {
        let frame = &line[at..];
        if gdw1376_1::is_header(frame) {
            Some(Framing::Gdw1376_1)
        } else if frame.get(7) == Some(&START) {
            Some(Framing::Dlt645)
        } else if dlt698_45::is_header(frame) {
            Some(Framing::Dlt698_45)
        } else {
            None
        }
    };
    starts.filter_map(header).find(|framing| wanted.contains(framing))
}

/// The frame that the line holds from a header on, up to the last end byte, and that of the length field.
fn candidates(line: &[u8], framing: Framing) -> Vec<&[u8]> {
    let mut found: Vec<&[u8]> = Vec::new();
    for at in (0..line.len()).filter(|at| line[*at] == START).take(8) {
        let frame = &line[at..];
        if let crate::Probe::Len(length) = framing.probe(frame)
            && let Some(frame) = frame.get(..length)
        {
            found.push(frame);
        }
        if let Some(end) = frame.iter().rposition(|byte| *byte == END) {
            found.push(&frame[..=end]);
        }
        if !found.is_empty() {
            break;
        }
    }
    found.dedup();
    found
}

/// One byte too many, one bit wrong.
fn one_byte(line: &[u8], framing: Framing) -> Option<Name> {
    let valid = |bytes: &[u8]| framing.check(bytes).is_ok();
    for frame in candidates(line, framing) {
        if frame.len() > MOST_FLIPPED {
            continue;
        }
        for at in 0..frame.len() {
            let mut less = frame.to_vec();
            let byte = less.remove(at);
            if valid(&less) {
                let trailer = if framing == Framing::Dlt698_45 { 3 } else { 2 };
                let (en, zh) = if at + trailer + 1 == frame.len() {
                    (
                        format!("the checksum is right if the last data byte {byte:02X}H is dropped"),
                        format!("去掉最后一个数据字节 {byte:02X}H 则校验正确"),
                    )
                } else {
                    (
                        format!(
                            "the frame is valid without {byte:02X}H, byte {at} from its 68H: one byte too many"
                        ),
                        format!("去掉自 68H 起第 {at} 字节 ({byte:02X}H) 则报文有效: 多出一个字节"),
                    )
                };
                return Some(Name::new(en, zh));
            }
        }
        if let Some(name) = one_bit(frame, framing) {
            return Some(name);
        }
    }
    None
}

/// The one bit whose change makes the frame valid. A sum of bytes often sees which bit it was, but not in which byte:
/// then [`wrong_sum`] tells how many there are.
fn one_bit(frame: &[u8], framing: Framing) -> Option<Name> {
    let mut flipped = frame.to_vec();
    let mut found: Vec<(usize, u32)> = Vec::new();
    // Flipping the bit changes a sum by its weight: only then is the frame asked.
    for at in 0..frame.len() {
        for bit in 0..8 {
            flipped[at] ^= 1 << bit;
            if framing.check(&flipped).is_ok() {
                found.push((at, bit));
            }
            flipped[at] ^= 1 << bit;
        }
    }
    let [(at, bit)] = found[..] else { return None };
    let byte = frame[at];
    let right = byte ^ (1 << bit);
    Some(Name::new(
        format!(
            "one bit is wrong (line noise): the frame is valid with {right:02X}H instead of {byte:02X}H at byte {at} from its 68H"
        ),
        format!("有一位出错 (线路干扰): 自 68H 起第 {at} 字节由 {byte:02X}H 改为 {right:02X}H 则报文有效"),
    ))
}

/// A whole frame whose only fault is its checksum.
fn wrong_sum(line: &[u8], framing: Framing) -> Option<Name> {
    let broken = candidates(line, framing).into_iter().find_map(|frame| match framing.check(frame) {
        Err(Fault::Checksum { found, computed }) => Some((frame, found, computed)),
        _ => None,
    });
    let (frame, found, computed) = broken?;
    if framing == Framing::Dlt698_45 {
        let [sent, right] = [found, computed].map(|sum| hex(sum.to_le_bytes().iter()));
        return Some(Name::new(
            format!(
                "the header checksum (HCS) is right, the frame checksum should be {right}, not {sent}: the data were \
                 changed after the sum was made, or on the line"
            ),
            format!("帧头校验 (HCS) 正确, 帧校验应为 {right}, 而不是 {sent}: 数据在计算校验后或传输中被改动"),
        ));
    }
    if let Some(name) = odd_sum(line, frame, framing, found as u8) {
        return Some(name);
    }
    let (noise_en, noise_zh) = match flips_of_sum(frame, framing) {
        0 => (String::new(), String::new()),
        bytes => (
            format!("; one wrong bit in any of {bytes} bytes explains it (line noise)"),
            format!("; {bytes} 个字节中任一字节错一位即可解释 (线路干扰)"),
        ),
    };
    Some(Name::new(
        format!(
            "everything but the checksum fits: it is {found:02X}H and should be {computed:02X}H{noise_en}"
        ),
        format!("除校验和外均符合: 校验和为 {found:02X}H, 应为 {computed:02X}H{noise_zh}"),
    ))
}

/// A sum over other bytes than those of the standard, or made in another way.
fn odd_sum(line: &[u8], frame: &[u8], framing: Framing, found: u8) -> Option<Name> {
    let begin = if framing == Framing::Gdw1376_1 { 6 } else { 0 };
    let body = frame.get(begin..frame.len().checked_sub(2)?)?;
    let (last, rest) = body.split_last()?;
    let preamble = line.iter().take_while(|byte| **byte == 0xFE).count() as u8;
    let sum = sum8(body);
    let xor = body.iter().fold(0, |sum, byte| sum ^ byte);
    let made = |en: String, zh: String| Some(Name::new(en, zh));
    match found {
        found if found == sum8(rest) => made(
            format!(
                "the checksum is right if the last byte {last:02X}H is dropped: the sender summed one byte too few"
            ),
            format!("若不计最后一个字节 {last:02X}H 则校验正确: 发送方少加了一个字节"),
        ),
        found if begin == 0 && found == sum.wrapping_sub(START) => made(
            "the checksum is right without the first 68H, which it must count".to_owned(),
            "若不计第一个 68H 则校验正确, 应计入".to_owned(),
        ),
        found if preamble > 0 && found == sum.wrapping_add(preamble.wrapping_mul(0xFE)) => made(
            format!("the checksum counts the {preamble} FEH before the frame, which it must not"),
            format!("校验和计入了前导的 {preamble} 个 FEH, 不应计入"),
        ),
        found if begin == 6 && found == sum.wrapping_add(sum8(&frame[..6])) => made(
            "the checksum counts from the first 68H; it must begin with the control byte".to_owned(),
            "校验和自第一个 68H 起计算, 应自控制域起".to_owned(),
        ),
        found if found == xor => made(
            "the checksum is an XOR of the bytes; it must be their sum".to_owned(),
            "校验用了异或, 应为累加和".to_owned(),
        ),
        found if found == sum.wrapping_neg() || found == !sum => {
            made("the checksum is the complement of the sum".to_owned(), "校验和被取反或取补".to_owned())
        }
        _ => None,
    }
}

/// In how many bytes one flipped bit makes the frame valid.
fn flips_of_sum(frame: &[u8], framing: Framing) -> usize {
    if frame.len() > MOST_FLIPPED {
        return 0;
    }
    let mut flipped = frame.to_vec();
    let mut bytes = 0;
    for at in 0..frame.len() {
        let mut explains = false;
        for bit in 0..8 {
            flipped[at] ^= 1 << bit;
            explains |= framing.check(&flipped).is_ok();
            flipped[at] ^= 1 << bit;
        }
        bytes += usize::from(explains);
    }
    bytes
}

/// Modbus RTU whose CRC is high byte first, missing, or wrong.
fn swapped_crc(line: &[u8], wanted: &[Framing]) -> Option<Diagnosis> {
    if !wanted.contains(&Framing::ModbusRtu) && !wanted.contains(&Framing::ModbusTcp) {
        return None;
    }
    let near = |en: String, zh: String| {
        Some(Diagnosis { nearest: Some(Protocol::ModbusRtu), cause: Name::new(en, zh) })
    };
    let (body, crc) = line.split_at(line.len().checked_sub(2).filter(|length| *length >= 2)?);
    let right = crc16_modbus(body).to_le_bytes();
    if crc[0] == right[1] && crc[1] == right[0] {
        return near(
            "this is Modbus RTU with its CRC high byte first: it must be sent low byte first".to_owned(),
            "这是 Modbus RTU, 但 CRC 高字节在前: 应低字节在前".to_owned(),
        );
    }
    let whole = [line, &crc16_modbus(line).to_le_bytes()[..]].concat();
    if Framing::ModbusRtu.check(&whole).is_ok() && line.len() >= 4 && line.len() <= 254 {
        let missing = hex(whole[line.len()..].iter());
        return near(
            format!("this may be Modbus RTU without its CRC: {missing} would be missing"),
            format!("可能是缺少 CRC 的 Modbus RTU: 应补 {missing}"),
        );
    }
    if wanted.contains(&Framing::Dlt645) && line.contains(&START) {
        return None; // the start byte of a meter frame is there: no word of Modbus
    }
    let mended = [body, &right[..]].concat();
    (Framing::ModbusRtu.check(&mended).is_ok() && matches!(line[1] & 0x7F, 1..=6 | 15 | 16 | 22 | 23)).then(
        || Diagnosis {
            nearest: Some(Protocol::ModbusRtu),
            cause: Name::new(
                format!(
                    "this looks like Modbus RTU with a wrong CRC: {} is there, {} fits",
                    hex(crc.iter()),
                    hex(right.iter())
                ),
                format!(
                    "像是 CRC 错误的 Modbus RTU: 报文中为 {}, 应为 {}",
                    hex(crc.iter()),
                    hex(right.iter())
                ),
            ),
        },
    )
}
