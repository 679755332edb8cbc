//! How much a container may cost.

/// Bounds of one reading. Everything above them is counted and given up, or ends the reading with `input.limit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Decompressed bytes of a gzip file before the reading stops.
    pub max_output_bytes: u64,
    /// Decompressed bytes for each compressed byte; deflate itself can reach 1032.
    pub max_ratio: u64,
    /// Decompressed bytes up to which the ratio is not looked at: a small file of zeros is no attack.
    pub ratio_free_bytes: u64,
    /// Members of a gzip file.
    pub max_members: u64,
    /// Captured bytes of one packet; a longer record length is taken for damage. libpcap itself writes at most 262,144.
    pub max_packet_bytes: usize,
    /// Bytes of one pcapng block; a longer length is taken for damage.
    pub max_block_bytes: usize,
    /// Interfaces of one pcapng section.
    pub max_interfaces: usize,
    /// Conversations held at a time; the one silent for longest is ended for a new one.
    pub max_streams: usize,
    /// Bytes held behind a hole, for one direction (with 128 bytes of overhead a segment).
    pub max_stream_bytes: usize,
    /// Segments held behind a hole, for one direction.
    pub max_stream_segments: usize,
    /// Bytes held over all conversations (with the same overhead).
    pub max_total_bytes: usize,
    /// Packets of a conversation by which the capture may have put them out of order. So long a hole is kept open after
    /// the receiver has acknowledged it, and so long the start of a conversation without SYN is held.
    pub reorder_packets: u64,
    /// Delivered bytes kept for each direction, to compare a repeated segment with its first copy.
    pub history_bytes: usize,
    /// Deliver UDP datagrams as well (1376.1 and 698.45 terminals may use them); else they are only counted.
    pub udp: bool,
    /// Largest chunk of a raw or text file.
    pub chunk_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_output_bytes: 8 << 30,
            max_ratio: 200,
            ratio_free_bytes: 8 << 20,
            max_members: 1_000,
            max_packet_bytes: 256 << 10,
            max_block_bytes: 16 << 20,
            max_interfaces: 4_096,
            max_streams: 16_384,
            max_stream_bytes: 1 << 20,
            max_stream_segments: 1_024,
            max_total_bytes: 64 << 20,
            reorder_packets: 16,
            history_bytes: 2 << 10,
            udp: true,
            chunk_bytes: 64 << 10,
        }
    }
}
