//! Containers of captured bytes: raw binary, gzip, pcap and pcapng, turned into ordered bytes per stream and
//! direction. Knows nothing of meters or frames; `docs/design/captures.md` tells why it is as it is.

mod event;
mod fields;
mod flow;
mod fragments;
mod gzip;
mod half;
mod ip;
mod limits;
mod link;
mod packet;
mod pcap;
mod pcapng;
mod reader;
mod sniff;
mod source;
mod table;
mod tally;
mod tcp;

pub use event::{Chunk, Direction, Event, Stream, Transport};
pub use limits::Limits;
pub(crate) use packet::carried;
pub use reader::{Container, open, read};
pub use sniff::Kind;
pub use source::{Content, error_of};
pub use tally::Tally;
