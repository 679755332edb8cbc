//! Reading bytes in order, knowing where in the frame they lie. The only place that indexes bytes of a payload.

/// A place in a payload.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    base: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the beginning of `bytes`, whose first byte lies `base` bytes after the frame's first.
    pub fn new(bytes: &'a [u8], base: usize) -> Self {
        Cursor { bytes, at: 0, base }
    }

    /// Offset in the frame of the next byte.
    pub fn position(&self) -> usize {
        self.base + self.at
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The bytes that are left, without taking them.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The next `count` bytes; nothing is taken when there are fewer.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    /// The next bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N).and_then(|b| b.try_into().ok())
    }

    /// The last `count` bytes, cut off from what is left.
    pub fn take_end(&mut self, count: usize) -> Option<&'a [u8]> {
        if self.left() < count {
            return None;
        }
        let (head, tail) = self.bytes.split_at(self.bytes.len() - count);
        self.bytes = head;
        Some(tail)
    }
}
