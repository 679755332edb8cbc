//! Any bytes as a text log: no panic, no byte made up, lines and offsets in order.

use std::io::Cursor;

use keyacct_io::capture::{Source, Step, TextLog};

/// The bytes as the content of a file.
pub fn run(input: &[u8]) {
    let mut log = TextLog::new(Cursor::new(input), "fuzz");
    let (mut total, mut line, mut offset) = (0, 0, None);
    while let Ok(Some(step)) = log.next_step() {
        let Step::Bytes(chunk) = step else { continue };
        total += chunk.bytes.len();
        assert!(!chunk.bytes.is_empty());
        assert!(chunk.line > line, "lines go up");
        line = chunk.line;
        let at = chunk.offset.expect("a line has an offset");
        assert!(offset.is_none_or(|before| at > before) && at < input.len() as u64);
        offset = Some(at);
    }
    assert!(total * 2 <= input.len(), "two digits a byte");
}

/// The logs of the fixtures, and one line of each layout.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = crate::seeds::logs();
    let layouts: [&[u8]; 12] = [
        b"2018-06-06 10:38:15.123 TX 68 AA 16\n",
        b"15:44:29 RX 68 AA 16 # 1 ms\n",
        b"[10:00:01]\xB7\xA2\xCB\xCD 68 AA 16\n",
        b">> 0x68,0xAA,0x16\n",
        b"<- 68-AA-16\n",
        b"RX 68:AA:16\n",
        b"> 2020/01/02 10:00:01.123456  length=3 from=0 to=2\n 68 aa 16\n",
        b"\t0x0000:  4500 003c 68aa 16\n",
        b"00000000: 68aa 1668 aa16  h..h..\n",
        b"0000   68 aa 16 68 aa 16                                 h..h..\n",
        b"char peer0_0[] = { /* Packet 1 */\n0x68, 0xaa, 0x16 };\n",
        b"(1436509052.249713) vcan0 123#68AA16\n",
    ];
    seeds.extend(layouts.map(<[u8]>::to_vec));
    seeds.push("\u{feff}TX 68 AA 16\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect());
    seeds
}
