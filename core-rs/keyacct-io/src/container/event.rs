//! What a container yields: bytes in order, and the end of a stream.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// How the bytes of a stream travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// The file itself is the stream: raw binary or text, no network around it.
    File,
    /// A TCP connection, reassembled.
    Tcp,
    /// UDP datagrams between two sockets, in the order of the file.
    Udp,
}

/// The way the bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the initiator ([`Stream::a`]) to the responder; everything of a file stream.
    A,
    /// From the responder ([`Stream::b`]) to the initiator.
    B,
}

impl Direction {
    /// 0 for A, 1 for B.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The opposite way.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// One conversation: a file, a TCP connection or a pair of UDP sockets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    /// From 0, in the order in which streams delivered their first byte.
    pub index: u64,
    /// How the bytes travelled.
    pub transport: Transport,
    /// Initiator: the sender of the SYN where [`Stream::handshake`] is true, else whoever was seen to send first.
    pub a: Option<SocketAddr>,
    /// The other side.
    pub b: Option<SocketAddr>,
    /// The capture holds a SYN, so `a` is known to be the client and `b` the server.
    pub handshake: bool,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.transport {
            Transport::File => return f.write_str("file"),
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        };
        match (self.a, self.b) {
            (Some(a), Some(b)) => write!(f, "{name} {a} -> {b}"),
            _ => f.write_str(name),
        }
    }
}

/// Bytes of one direction of one stream, following those of the chunk before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Whose bytes.
    pub stream: Arc<Stream>,
    /// Which way they went.
    pub direction: Direction,
    /// When the packet was captured, microseconds since 1970-01-01 UTC; none where the container knows no time.
    pub time_us: Option<i64>,
    /// The bytes. Empty only in a last chunk that tells of a loss at the end of its direction.
    pub bytes: Vec<u8>,
    /// Offset of the first byte in the file, of a gzip file in its decompressed content.
    pub file_offset: u64,
    /// Bytes that were sent between the chunk before and this one but are not in the capture.
    pub gap_before: Option<u64>,
}

/// One step of the reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The next bytes.
    Bytes(Chunk),
    /// No more chunks of this stream will come; whoever keeps a state for it can let go.
    End(Arc<Stream>),
}
