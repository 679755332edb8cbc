//! Split answers in any order, doubled, cut, of several devices: no panic, nothing held beyond the bounds, and what
//! every frame of a stream says does not depend on the threads that read it.

use keyacct_io::capture::stream;
use keyacct_wire::assemble::{Assembler, part_of};
use keyacct_wire::dlt645::{Control, FrameView};
use keyacct_wire::dlt698_45::{self, BlockHeader, BlockKind, ServerAddress};
use keyacct_wire::{Expect, Protocol};

/// Five bytes a frame: what it is, device, number, length, fill.
pub fn run(input: &[u8]) {
    let mut bytes = Vec::new();
    let mut assembler = Assembler::new();
    for (n, step) in input.chunks_exact(5).take(400).enumerate() {
        let [what, device, number, length, fill] = [step[0], step[1], step[2], step[3], step[4]];
        let device = device & 3;
        if what & 8 == 0 {
            let control = [0x91, 0xB1, 0x92, 0xB2][usize::from(what & 3)];
            let mut data = vec![0x00, 0xFF, 0x01, 0x00];
            data.extend((0..length & 63).map(|i| fill.wrapping_add(i) % 10));
            if control & 0x1F == 0x12 {
                data.push(number & 7);
            }
            let frame = FrameView::emit([device, 0, 0, 0, 0, 0], Control(control), &data);
            if let Some(part) = part_of(Protocol::Dlt645_2007, &frame) {
                assembler.take(u64::from(what >> 6), &frame, part);
            }
            bytes.extend(frame);
        } else {
            let kind = [BlockKind::First, BlockKind::Last, BlockKind::Confirm, BlockKind::Middle];
            let header = BlockHeader { kind: kind[usize::from(what & 3)], number: u16::from(number & 7) };
            let mut part = header.emit().to_vec();
            part.extend((0..length & 63).map(|i| fill.wrapping_mul(i)));
            let server = ServerAddress::single(["01", "02", "03", "04"][usize::from(device)]);
            // Bit 5 of the control byte says that the APDU is split.
            let frame = server.and_then(|server| {
                dlt698_45::FrameView::emit(dlt698_45::Control(0xE3), &server, 0x10, &part)
            });
            bytes.extend(frame.unwrap_or_default());
        }
        if n % 64 == 63 {
            assembler.end(u64::from(what >> 6));
        }
        assert!(assembler.open() <= 1024 && assembler.held() <= 5 << 20);
    }
    assembler.finish();
    assert_eq!((assembler.open(), assembler.held()), (0, 0));
    let one = stream(&bytes, Expect::Auto, &crate::REGISTERS, 1);
    let two = stream(&bytes, Expect::Auto, &crate::REGISTERS, 2);
    assert_eq!(one.tally, two.tally);
    assert_eq!(one.tally.bytes, bytes.len() as u64);
}

/// An answer in three parts, a block in three parts, mixed and doubled.
pub fn seeds() -> Vec<Vec<u8>> {
    let answer = [1, 0, 0, 20, 1, 2, 0, 1, 20, 2, 2, 0, 2, 20, 3];
    let block = [8, 0, 0, 20, 1, 11, 0, 1, 20, 2, 9, 0, 2, 20, 3];
    vec![answer.to_vec(), block.to_vec(), [answer, block].concat(), [answer, answer, block, block].concat()]
}
