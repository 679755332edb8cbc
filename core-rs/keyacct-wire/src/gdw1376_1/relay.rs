//! Relayed frames (AFN 10H F1): the answer of a meter inside the answer of its terminal.

use crate::frame::Direction;
use crate::visit::Visitor;
use crate::walk::Lookup;

/// Tells the frame inside a relay unit that began at `from` and ends at the cursor, if it is whole.
pub fn tell<V: Visitor>(
    from: usize,
    direction: Direction,
    unit: &[u8],
    lookups: &mut [Lookup<'_>],
    visitor: &mut V,
) {
    // Port and length up; port, control, two timeouts and length down, in older masters without control.
    let headers: &[usize] = if direction == Direction::Up { &[3] } else { &[6, 5] };
    let starts = headers.iter().copied().find(|header| {
        let length = unit.get(header - 2..*header).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])));
        length.is_some_and(|length| header + length == unit.len())
    });
    let Some(start) = starts else { return };
    visitor.frame_inside(&unit[start..], from + start, lookups);
}
