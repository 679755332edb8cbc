//! Checksums of the protocols.

/// Sum of all bytes modulo 256 (DL/T 645, Q/GDW 1376.1).
pub fn sum8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

const fn table(polynomial: u16) -> [u16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u16;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ polynomial } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

/// What a byte does to the register of X-25 with 0 to 7 bytes behind it.
static BY_PLACE: [[u16; 256]; 8] = {
    let mut tables = [table(0x8408); 8];
    let mut place = 1;
    while place < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[place - 1][byte];
            tables[place][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        place += 1;
    }
    tables
};

static MODBUS: [u16; 256] = table(0xA001);

/// CRC-16/X-25: HCS and FCS of DL/T 698.45. Sent low byte first.
pub fn fcs16(bytes: &[u8]) -> u16 {
    !x25(0xFFFF, bytes)
}

/// The register of CRC-16/X-25 after further bytes; it begins with FFFFH, and the check sequence is its complement.
/// Eight bytes at a time, by a table for each place.
#[inline]
pub fn x25(mut crc: u16, bytes: &[u8]) -> u16 {
    let (eights, rest) = bytes.as_chunks::<8>();
    for [a, b, c, d, e, f, g, h] in eights {
        let [low, high] = crc.to_le_bytes();
        crc = BY_PLACE[7][usize::from(a ^ low)]
            ^ BY_PLACE[6][usize::from(b ^ high)]
            ^ BY_PLACE[5][usize::from(*c)]
            ^ BY_PLACE[4][usize::from(*d)]
            ^ BY_PLACE[3][usize::from(*e)]
            ^ BY_PLACE[2][usize::from(*f)]
            ^ BY_PLACE[1][usize::from(*g)]
            ^ BY_PLACE[0][usize::from(*h)];
    }
    rest.iter().fold(crc, |crc, byte| (crc >> 8) ^ BY_PLACE[0][usize::from((crc ^ u16::from(*byte)) & 0xFF)])
}

/// CRC-16 of Modbus RTU. Sent low byte first.
pub fn crc16_modbus(bytes: &[u8]) -> u16 {
    bytes
        .iter()
        .fold(0xFFFF, |crc: u16, byte| (crc >> 8) ^ MODBUS[usize::from((crc ^ u16::from(*byte)) & 0xFF)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_check_values_hold() {
        // "123456789", as the catalogue of parametrised CRC algorithms prints them.
        assert_eq!(fcs16(b"123456789"), 0x906E);
        assert_eq!(crc16_modbus(b"123456789"), 0x4B37);
        assert_eq!(sum8(&[0xFF, 0x02]), 1);
    }

    #[test]
    fn eight_bytes_at_a_time_are_the_same_as_bit_by_bit() {
        let bytes: Vec<u8> = (0..100u32).map(|n| (n * n * 7 + 3) as u8).collect();
        for length in 0..bytes.len() {
            let slow = bytes[..length].iter().fold(0xFFFFu16, |crc, byte| {
                (0..8).fold(
                    crc ^ u16::from(*byte),
                    |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x8408 } else { crc >> 1 },
                )
            });
            assert_eq!(fcs16(&bytes[..length]), !slow, "{length} bytes");
        }
    }
}
