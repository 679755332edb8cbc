//! What a reading met, counted.

use std::collections::BTreeMap;

/// Counts of one reading, complete when the iterator has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes read from the container, after decompression.
    pub content_bytes: u64,
    /// Bytes of the gzip file read so far; 0 without gzip.
    pub compressed_bytes: u64,
    /// Gzip members; 0 without gzip.
    pub gzip_members: u64,
    /// Bytes after the last gzip member that are none; ignored.
    pub trailing_bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Captured bytes of packets.
    pub packet_bytes: u64,
    /// Packets that carry TCP.
    pub tcp_packets: u64,
    /// Packets that carry UDP.
    pub udp_packets: u64,
    /// Sound packets that carry neither: ARP, ICMP, other link or network protocols.
    pub other_packets: u64,
    /// Packets of a link type that is not read.
    pub unknown_link_packets: u64,
    /// IP fragments of datagrams whose other pieces are not in the capture.
    pub fragments: u64,
    /// Datagrams put together from their fragments.
    pub reassembled: u64,
    /// Packets whose link header is impossible.
    pub bad_link: u64,
    /// Packets whose IP header is impossible, or claims more than the packet held.
    pub bad_ip: u64,
    /// Packets whose TCP or UDP header is impossible.
    pub bad_transport: u64,
    /// Packets cut by the snap length before their TCP or UDP header ended.
    pub cut_headers: u64,
    /// pcapng blocks whose content contradicts itself, skipped.
    pub bad_blocks: u64,
    /// pcapng blocks of kinds that hold no packet.
    pub other_blocks: u64,
    /// Packets shorter in the file than on the wire (snap length).
    pub truncated_packets: u64,
    /// Bytes missing from them.
    pub truncated_bytes: u64,
    /// Streams that delivered anything.
    pub streams: u64,
    /// Conversations ended early because `max_streams` or `max_total_bytes` was reached.
    pub evicted_streams: u64,
    /// Bytes delivered.
    pub delivered_bytes: u64,
    /// TCP bytes sent again; the first copy was delivered.
    pub retransmitted_bytes: u64,
    /// Segments that repeat bytes with another content than the first copy.
    pub overlaps_differing: u64,
    /// TCP keep-alive probes (one byte before the next one).
    pub keepalives: u64,
    /// Gaps told to the reader of the chunks.
    pub gaps: u64,
    /// Bytes in these gaps.
    pub lost_bytes: u64,
    /// Holes given up because a limit of held bytes or segments was reached.
    pub limit_flushes: u64,
    /// Bytes of segments far outside of their connection's window, dropped.
    pub stray_bytes: u64,
    /// Most bytes held behind holes at a time (with overhead).
    pub max_held_bytes: u64,
    /// Offset in the file of the first packet of each sort that was dropped.
    pub first_dropped: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Takes note of a dropped packet at `offset`.
    pub(super) fn dropped(&mut self, sort: &'static str, offset: u64) {
        self.first_dropped.entry(sort).or_insert(offset);
    }
}
