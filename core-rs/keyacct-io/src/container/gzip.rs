//! Gzip (RFC 1952), member after member, with a bound on what may come out.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;
use keyacct_model::{Error, ErrorCode};

use super::limits::Limits;

const UNPACK: [&str; 2] =
    ["if the file is sound, decompress it first and give the content", "若文件可信, 请先解压再使用其内容"];
const BROKEN: [&str; 2] = [
    "what comes before is read; copy the file again if it was not cut on purpose",
    "此前的内容已读出; 若非有意截断, 请重新复制文件",
];

/// Counts of a gzip file, readable while it is decompressed elsewhere.
#[derive(Debug, Default)]
pub(super) struct GzipCount {
    compressed: AtomicU64,
    members: AtomicU64,
    trailing: AtomicU64,
}

impl GzipCount {
    pub(super) fn compressed(&self) -> u64 {
        self.compressed.load(Ordering::Relaxed)
    }

    pub(super) fn members(&self) -> u64 {
        self.members.load(Ordering::Relaxed)
    }

    pub(super) fn trailing(&self) -> u64 {
        self.trailing.load(Ordering::Relaxed)
    }
}

/// Counts what is taken from the compressed file.
struct Counted<R> {
    inner: R,
    count: Arc<GzipCount>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.count.compressed.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
        self.count.compressed.fetch_add(amount as u64, Ordering::Relaxed);
    }
}

enum State<R> {
    Member { decoder: Box<GzDecoder<Counted<R>>>, start: u64 },
    Between(Counted<R>),
    Done,
}

/// The decompressed content of a gzip file. Its errors carry a [`keyacct_model::Error`] with the offset in the
/// compressed file. Bytes after the last member that begin no other are counted and ignored, as gzip itself does.
pub(super) struct Gunzip<R> {
    state: State<R>,
    count: Arc<GzipCount>,
    out: u64,
    max_output_bytes: u64,
    max_ratio: u64,
    ratio_free_bytes: u64,
    max_members: u64,
}

impl<R: BufRead> Gunzip<R> {
    pub(super) fn new(inner: R, limits: &Limits, count: Arc<GzipCount>) -> Self {
        Self {
            state: State::Between(Counted { inner, count: Arc::clone(&count) }),
            count,
            out: 0,
            max_output_bytes: limits.max_output_bytes,
            max_ratio: limits.max_ratio,
            ratio_free_bytes: limits.ratio_free_bytes,
            max_members: limits.max_members,
        }
    }

    fn error(&self, code: ErrorCode, told: [String; 2], hint: [&str; 2]) -> io::Error {
        let at = self.count.compressed();
        let [message, chinese] = told;
        let error = Error::new(code, message).hint(hint[0]).in_chinese(chinese, hint[1]);
        io::Error::other(error.at(|p| p.offset = Some(at)))
    }

    /// The next member, or the end.
    fn begin(&mut self, mut rest: Counted<R>) -> io::Result<()> {
        let Some(&first) = rest.fill_buf()?.first() else { return Ok(()) };
        let start = self.count.compressed();
        if first != super::sniff::GZIP[0] {
            return self.drain(rest, start);
        }
        if self.count.members() >= self.max_members {
            let most = self.max_members;
            let told = [format!("more than {most} gzip members"), format!("gzip 成员超过 {most} 个")];
            return Err(self.error(ErrorCode::InputLimit, told, UNPACK));
        }
        self.count.members.fetch_add(1, Ordering::Relaxed);
        self.state = State::Member { decoder: Box::new(GzDecoder::new(rest)), start };
        Ok(())
    }

    /// Counts what follows the last member, from offset `start`.
    fn drain(&mut self, mut rest: Counted<R>, start: u64) -> io::Result<()> {
        loop {
            let n = rest.fill_buf()?.len();
            if n == 0 {
                break;
            }
            rest.consume(n);
        }
        self.count.trailing.store(self.count.compressed() - start, Ordering::Relaxed);
        Ok(())
    }

    fn check_bounds(&self) -> io::Result<()> {
        if self.out > self.max_output_bytes {
            let most = self.max_output_bytes;
            let told = [
                format!("more than {most} bytes of decompressed content"),
                format!("解压后内容超过 {most} 字节"),
            ];
            return Err(self.error(ErrorCode::InputLimit, told, UNPACK));
        }
        let compressed = self.count.compressed();
        if self.out > self.ratio_free_bytes && self.out > compressed.saturating_mul(self.max_ratio) {
            let (most, out) = (self.max_ratio, self.out);
            let told = [
                format!("decompresses to more than {most} times its size ({compressed} bytes gave {out})"),
                format!("解压倍数超过 {most} ({compressed} 字节解出 {out} 字节)"),
            ];
            return Err(self.error(ErrorCode::InputLimit, told, UNPACK));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Ok(0),
                State::Between(rest) => self.begin(rest)?,
                State::Member { mut decoder, start } => match decoder.read(buf) {
                    Ok(0) => self.state = State::Between(decoder.into_inner()),
                    Ok(n) => {
                        self.out += n as u64;
                        self.check_bounds()?;
                        self.state = State::Member { decoder, start };
                        return Ok(n);
                    }
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {
                        self.state = State::Member { decoder, start };
                        return Err(e);
                    }
                    // Not a member after all: 1FH began something else behind the last one.
                    Err(e) if no_member(&e, &decoder) && start > 0 => {
                        self.count.members.fetch_sub(1, Ordering::Relaxed);
                        self.drain(decoder.into_inner(), start)?;
                    }
                    Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                        return Err(self.error(
                            ErrorCode::InputFormat,
                            ["the gzip file ends in the middle of its data", "gzip 文件在数据中间结束"]
                                .map(str::to_owned),
                            BROKEN,
                        ));
                    }
                    Err(e)
                        if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) =>
                    {
                        return Err(self.error(
                            ErrorCode::InputFormat,
                            [format!("damaged gzip data: {e}"), format!("gzip 数据损坏: {e}")],
                            BROKEN,
                        ));
                    }
                    Err(e) => return Err(e),
                },
            }
        }
    }
}

/// The decoder stumbled over the member's header, so there is no member.
fn no_member<R: BufRead>(e: &io::Error, decoder: &GzDecoder<R>) -> bool {
    e.kind() == io::ErrorKind::InvalidInput && decoder.header().is_none()
}
