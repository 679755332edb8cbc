//! Memory of a batch of readings: the columns that every row writes, one behind the other in one piece.
//!
//! Small blocks lie on the heap. Large ones are mapped and asked for in huge pages: a table of a million frames is 80 MB
//! that nobody has touched before, and with pages of 4 KiB the kernel takes longer to give it than the frames to decode.

use std::sync::Mutex;

use arrow_array::types::ArrowPrimitiveType;
use arrow_buffer::{ArrowNativeType, Buffer, MutableBuffer, ScalarBuffer, ToByteSlice};
use keyacct_wire::digits::DOUBLES;
use keyacct_wire::program::{LabelRun, RUN};
use memmap2::MmapMut;

/// Rows behind the last one that a run of labels or numbers may write on.
const SLACK: usize = 2 * RUN;
/// Every column begins at a multiple of so many rows, so that each is aligned for any type.
const ALIGNED: usize = 64;
/// A huge page. From so many bytes on a block is mapped, in whole pages: the kernel puts only such a piece where huge pages fit.
const PAGE: usize = 2 << 20;
/// The most rows of a block: they fill seven huge pages.
pub(crate) const MOST_ROWS: usize = 7 * PAGE / ROW / ALIGNED * ALIGNED - SLACK;

/// A column of the block: bytes of the columns before it, for one row.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Value = 0,
    Offset = 8,
    Device = 16,
    Quantity = 20,
    Kind = 22,
    Phase = 23,
    Tariff = 24,
    Index = 25,
    Unit = 26,
}
const ROW: usize = 27;

enum Memory {
    Heap(MutableBuffer),
    Mapped(Kept),
}

/// Memory of tables that are gone, for the next ones: whoever decodes one buffer after another has the kernel give and
/// clear it once. At most [`MOST_KEPT`] bytes.
static SPARE: Mutex<Vec<MmapMut>> = Mutex::new(Vec::new());
const MOST_KEPT: usize = 96 << 20;

/// Mapped memory that goes back to [`SPARE`].
struct Kept(Option<MmapMut>);

impl Kept {
    fn new(size: usize) -> Option<Kept> {
        let spare = SPARE.lock().ok().and_then(|mut spare| {
            let at = spare.iter().position(|map| map.len() == size)?;
            Some(spare.swap_remove(at))
        });
        if spare.is_some() {
            return Some(Kept(spare));
        }
        let map = MmapMut::map_anon(size).ok()?;
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage); // only a wish: it is right without, too
        Some(Kept(Some(map)))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let (Some(map), Ok(mut spare)) = (self.0.take(), SPARE.lock())
            && spare.iter().map(|map| map.len()).sum::<usize>() + map.len() <= MOST_KEPT
        {
            spare.push(map);
        }
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// The columns of up to `capacity` rows.
pub(crate) struct Block {
    memory: Memory,
    capacity: usize,
    stride: usize,
}

impl Block {
    pub(crate) fn new(capacity: usize) -> Block {
        let stride = (capacity + SLACK).next_multiple_of(ALIGNED);
        let size = stride * ROW;
        let mapped = if size >= PAGE { Kept::new(size.next_multiple_of(PAGE)) } else { None };
        let memory =
            mapped.map_or_else(|| Memory::Heap(MutableBuffer::from_len_zeroed(size)), Memory::Mapped);
        Block { memory, capacity, stride }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    #[inline]
    fn bytes(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Heap(heap) => heap.as_slice_mut(),
            Memory::Mapped(map) => map.0.as_deref_mut().unwrap_or_default(),
        }
    }

    /// Writes values that follow one another from row `at` on.
    #[inline]
    pub(crate) fn put<T: ArrowNativeType, const N: usize>(
        &mut self,
        place: Place,
        at: usize,
        values: [T; N],
    ) {
        let from = place as usize * self.stride + at * size_of::<T>();
        let sent = values.to_byte_slice();
        self.bytes()[from..from + sent.len()].copy_from_slice(sent);
    }

    /// Where four numbers from row `at` on are written.
    #[inline]
    pub(crate) fn doubles(&mut self, at: usize) -> &mut [u8; DOUBLES] {
        let from = at * size_of::<f64>(); // the first column
        match self.bytes().get_mut(from..).and_then(<[u8]>::first_chunk_mut) {
            Some(doubles) => doubles,
            None => unreachable!("rows are counted before they are written"),
        }
    }

    /// Writes the labels of a run, and what all its values share.
    #[inline]
    pub(crate) fn label(&mut self, at: usize, labels: &LabelRun, offset: i64, device: i32) {
        let stride = self.stride;
        let bytes = self.bytes();
        assert!(at + RUN <= stride && stride * ROW <= bytes.len());
        // SAFETY: what has just been asserted is what `put_run` asks for.
        #[allow(unsafe_code)]
        unsafe {
            put_run(bytes, stride, Place::Offset, at, [offset; RUN]);
            put_run(bytes, stride, Place::Device, at, [device; RUN]);
            put_run(bytes, stride, Place::Quantity, at, labels.quantities);
            put_run(bytes, stride, Place::Kind, at, labels.kinds);
            put_run(bytes, stride, Place::Phase, at, labels.phases);
            put_run(bytes, stride, Place::Tariff, at, labels.tariffs);
            put_run(bytes, stride, Place::Index, at, labels.indices);
            put_run(bytes, stride, Place::Unit, at, labels.units);
        }
    }

    /// Gives every device another number.
    pub(crate) fn rename(&mut self, rows: usize, names: &[i32]) {
        let from = Place::Device as usize * self.stride;
        let (devices, _) = self.bytes()[from..from + rows * size_of::<i32>()].as_chunks_mut::<4>();
        for device in devices {
            let known = names.get(i32::from_ne_bytes(*device) as usize).copied().unwrap_or(0);
            *device = known.to_ne_bytes();
        }
    }

    /// The memory as it is, to take columns from.
    pub(crate) fn freeze(self) -> Frozen {
        let buffer = match self.memory {
            Memory::Heap(heap) => heap.into(),
            Memory::Mapped(map) => Buffer::from(bytes::Bytes::from_owner(map)),
        };
        Frozen { buffer, stride: self.stride }
    }
}

/// Writes a run of a column: one question about bounds for eight columns, not eight.
///
/// # Safety
/// `at + RUN <= stride`, and `stride` rows of [`ROW`] bytes lie in `bytes`.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn put_run<T: ArrowNativeType>(
    bytes: &mut [u8],
    stride: usize,
    place: Place,
    at: usize,
    run: [T; RUN],
) {
    let from = place as usize * stride + at * size_of::<T>();
    // SAFETY: the column ends at (place + size of T) * stride <= ROW * stride, and `at + RUN` of its rows lie in it.
    unsafe { bytes.as_mut_ptr().add(from).cast::<[T; RUN]>().write_unaligned(run) };
}

/// A block that is written no more.
pub(crate) struct Frozen {
    buffer: Buffer,
    stride: usize,
}

impl Frozen {
    /// The first rows of a column; they share the memory of the block.
    pub(crate) fn column<P: ArrowPrimitiveType>(&self, place: Place, rows: usize) -> ScalarBuffer<P::Native> {
        ScalarBuffer::new(self.buffer.clone(), place as usize * self.stride / size_of::<P::Native>(), rows)
    }
}
