//! The content of a file, read forward and counted, gzip taken off on the way.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;

use keyacct_model::{Error, ErrorCode, Result};

use super::gzip::{Gunzip, GzipCount};
use super::limits::Limits;
use super::sniff::{Kind, SNIFF_BYTES, foreign, is_gzip, sniff};

type Input = Box<dyn Read + Send>;

const BUFFER_BYTES: usize = 64 << 10;

/// The decompressed content of a container, to be read as it is: for text. Its errors carry a [`keyacct_model::Error`],
/// which [`error_of`] takes out again.
pub struct Content {
    input: BufReader<Input>,
    name: String,
}

impl Content {
    fn named(&self, e: io::Error) -> io::Error {
        if e.kind() == io::ErrorKind::Interrupted {
            e
        } else {
            io::Error::other(error_of(e).in_file(&self.name))
        }
    }
}

impl Read for Content {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.input.read(buf).map_err(|e| self.named(e))
    }
}

impl BufRead for Content {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Err(e) = self.input.fill_buf() {
            return Err(self.named(e));
        }
        Ok(self.input.buffer())
    }

    fn consume(&mut self, amount: usize) {
        self.input.consume(amount);
    }
}

/// The workspace's error in an I/O error of [`Content`], or one made of it (`input.unreadable`).
pub fn error_of(e: io::Error) -> Error {
    e.downcast::<Error>().unwrap_or_else(|e| {
        Error::new(ErrorCode::InputUnreadable, format!("cannot read: {e}"))
            .hint("check the path, the permissions and the disk")
            .in_chinese(format!("无法读取: {e}"), "请检查路径、权限和磁盘")
    })
}

/// Content with a position. Errors name the file and the offset.
pub(super) struct Source {
    content: Content,
    offset: u64,
    /// Met after some bytes that were still good; told by the next read.
    late_error: Option<Error>,
    gzip: Option<Arc<GzipCount>>,
}

impl Source {
    /// The content of `input` and what it is.
    pub(super) fn open(name: &str, input: Input, limits: &Limits) -> Result<(Self, Kind)> {
        let (mut head, mut input, mut late) = peek(input);
        let mut gzip = None;
        if is_gzip(&head) {
            let count = Arc::new(GzipCount::default());
            let packed = BufReader::with_capacity(BUFFER_BYTES, rejoin(head, input, late));
            let plain = Gunzip::new(packed, limits, Arc::clone(&count));
            (head, input, late) = peek(Box::new(plain));
            gzip = Some(count);
        }
        if head.is_empty() {
            let error = match late {
                Some(e) => error_of(e),
                None => Error::new(ErrorCode::InputEmpty, "the file is empty")
                    .hint("check that the capture was written; nothing was read")
                    .in_chinese("文件为空", "请检查报文记录是否已写入"),
            };
            return Err(error.in_file(name));
        }
        if gzip.is_some() && is_gzip(&head) {
            return Err(Error::new(ErrorCode::InputLimit, "gzip inside gzip")
                .hint("decompress the file once, then give it again")
                .in_chinese("gzip 中又是 gzip", "请先解压一次")
                .in_file(name));
        }
        if let Some(format) = foreign(&head) {
            return Err(Error::new(ErrorCode::InputFormat, format!("a {format} file is not read"))
                .hint("unpack it, or pack the capture with gzip")
                .in_chinese(format!("不支持 {format} 文件"), "请先解压, 或用 gzip 压缩")
                .in_file(name));
        }
        let kind = sniff(&head);
        let input = BufReader::with_capacity(BUFFER_BYTES, rejoin(head, input, late));
        let content = Content { input, name: name.to_owned() };
        Ok((Self { content, offset: 0, late_error: None, gzip }, kind))
    }

    pub(super) fn into_content(self) -> Content {
        self.content
    }

    /// Bytes of content read so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn gzip(&self) -> Option<&GzipCount> {
        self.gzip.as_deref()
    }

    /// Fills `buf` as far as the content goes. An error after some bytes waits for the next call.
    pub(super) fn fill(&mut self, buf: &mut [u8]) -> Result<usize> {
        if let Some(e) = self.late_error.take() {
            return Err(e);
        }
        let mut got = 0;
        while got < buf.len() {
            match self.content.read(&mut buf[got..]) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    let e = error_of(e).at(|p| p.offset = p.offset.or(Some(self.offset + got as u64)));
                    if got == 0 {
                        return Err(e);
                    }
                    self.late_error = Some(e);
                    break;
                }
            }
        }
        self.offset += got as u64;
        Ok(got)
    }

    /// Fills the whole of `buf`; `what` names in the error what the file ends in the middle of.
    pub(super) fn need(&mut self, buf: &mut [u8], what: &str) -> Result<()> {
        let start = self.offset;
        let got = self.fill(buf)?;
        if got == buf.len() { Ok(()) } else { Err(self.cut(what, start, got, buf.len())) }
    }

    /// `buf` becomes the next `length` bytes. The caller has bounded `length`.
    pub(super) fn take(&mut self, buf: &mut Vec<u8>, length: usize, what: &str) -> Result<()> {
        buf.resize(length, 0);
        self.need(buf, what)
    }

    /// The error of content that ends inside of something: the reader's own, if it had one.
    pub(super) fn cut(&mut self, what: &str, start: u64, got: usize, wanted: usize) -> Error {
        self.late_error.take().unwrap_or_else(|| {
            self.broken(
                start,
                format!("the file ends in the middle of {what}: {got} of {wanted} bytes"),
                format!("文件在记录中间结束 ({what}): 应有 {wanted} 字节, 实有 {got} 字节"),
            )
        })
    }

    /// `input.format` at `offset` of the content, in both languages.
    pub(super) fn broken(
        &self,
        offset: u64,
        message: impl Into<String>,
        chinese: impl Into<String>,
    ) -> Error {
        let (mut message, mut chinese) = (message.into(), chinese.into());
        if self.gzip.is_some() {
            message.push_str(" (byte offset of the decompressed content)");
            chinese.push_str(" (偏移为解压后内容的字节偏移)");
        }
        Error::new(ErrorCode::InputFormat, message)
            .hint("what comes before is read; copy the file again if it was not cut on purpose")
            .in_chinese(chinese, "此前的内容已读出; 若非有意截断, 请重新复制文件")
            .in_file(&self.content.name)
            .at(|p| p.offset = Some(offset))
    }
}

/// The first bytes, what is left, and an error met after them.
fn peek(mut input: Input) -> (Vec<u8>, Input, Option<io::Error>) {
    let mut head = vec![0; SNIFF_BYTES];
    let mut got = 0;
    let mut late = None;
    while got < head.len() {
        match input.read(&mut head[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                late = Some(e);
                break;
            }
        }
    }
    head.truncate(got);
    (head, input, late)
}

/// The inverse of [`peek`].
fn rejoin(head: Vec<u8>, input: Input, late: Option<io::Error>) -> Input {
    Box::new(Cursor::new(head).chain(Rest { late, input }))
}

struct Rest {
    late: Option<io::Error>,
    input: Input,
}

impl Read for Rest {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.late.take() {
            Some(e) => Err(e),
            None => self.input.read(buf),
        }
    }
}
