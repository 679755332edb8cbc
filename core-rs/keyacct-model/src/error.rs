//! The one error of the workspace: what happened, where, what to do, and which exit code it ends in.
//!
//! `keyacct.errors` in Python mirrors this file: the same kinds, the same codes. A test compares them.

use std::fmt;

/// Who is at fault, and so how the program ends. The numbers are the published exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ErrorKind {
    /// A defect of keyacct itself.
    Internal = 1,
    /// The command line asks for something impossible.
    Usage = 2,
    /// Configuration or registry invalid, workspace missing.
    Config = 3,
    /// Input unreadable or not of the expected form.
    Input = 4,
    /// No answer from any device, or the link cannot open.
    Link = 5,
    /// Some devices, frames or files failed; the rest is done.
    Partial = 6,
    /// A gate that the caller asked for failed.
    Gate = 7,
    /// No approval, or an interlock holds.
    Refused = 8,
    /// Cannot write: disk full, read-only, store damaged.
    Write = 9,
    /// Stopped by the user; what was finished is kept.
    Interrupted = 130,
}

impl ErrorKind {
    /// The exit code of a process that ends with this kind.
    pub const fn exit_code(self) -> u8 {
        self as u8
    }
}

macro_rules! codes {
    ($($variant:ident = $text:literal => $kind:ident),+ $(,)?) => {
        /// Every error code, stable for scripts. The part before the dot tells the [`ErrorKind`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $(#[doc = concat!("`", $text, "`")] $variant),+ }

        impl ErrorCode {
            /// All codes in the order of their declaration.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant),+];

            /// The code as scripts see it.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $text),+ }
            }

            /// The kind, and with it the exit code.
            pub const fn kind(self) -> ErrorKind {
                match self { $(ErrorCode::$variant => ErrorKind::$kind),+ }
            }
        }
    };
}

codes! {
    Internal = "internal.bug" => Internal,
    Usage = "usage.invalid" => Usage,
    ConfigInvalid = "config.invalid" => Config,
    ConfigUnknownKey = "config.unknown_key" => Config,
    WorkspaceMissing = "config.workspace_missing" => Config,
    WorkspaceExists = "config.workspace_exists" => Config,
    SchemaNewer = "config.schema_newer" => Config,
    RegistryInvalid = "config.registry_invalid" => Config,
    RegistryNotFound = "config.registry_not_found" => Config,
    ReportUnavailable = "config.report_unavailable" => Config,
    InputNotFound = "input.not_found" => Input,
    InputUnreadable = "input.unreadable" => Input,
    InputEmpty = "input.empty" => Input,
    InputFormat = "input.format" => Input,
    InputSchema = "input.schema" => Input,
    InputValue = "input.value" => Input,
    InputOrder = "input.order" => Input,
    InputNoFrame = "input.no_frame" => Input,
    InputNoTime = "input.no_time" => Input,
    InputLimit = "input.limit" => Input,
    InputCatalogue = "input.catalogue" => Input,
    LinkFailed = "link.failed" => Link,
    Partial = "partial.some_failed" => Partial,
    GateFailed = "gate.failed" => Gate,
    Refused = "refused.not_approved" => Refused,
    Incomplete = "refused.incomplete" => Refused,
    WriteFailed = "write.failed" => Write,
    WriteFull = "write.disk_full" => Write,
    WriteReadOnly = "write.read_only" => Write,
    StoreDamaged = "write.store_damaged" => Write,
    Interrupted = "interrupted.by_user" => Interrupted,
}

/// Where something went wrong. Only what is known is filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// File as the caller named it.
    pub file: Option<String>,
    /// Line of a text file, from 1.
    pub line: Option<u64>,
    /// Row of a table, from 1.
    pub row: Option<u64>,
    /// Column by its name.
    pub column: Option<String>,
    /// Byte offset, from 0.
    pub offset: Option<u64>,
    /// Row group of a Parquet file, from 0.
    pub row_group: Option<u64>,
    /// Meter or device.
    pub meter: Option<String>,
}

/// What happened, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Stable code.
    pub code: ErrorCode,
    /// One sentence: what, with the figures.
    pub message: String,
    /// What the user can do; empty when there is nothing to say.
    pub hint: String,
    /// Where.
    pub place: Box<Place>,
    /// Message and hint in Chinese, where they exist.
    pub chinese: Option<Box<(String, String)>>,
}

/// Result of everything in the workspace that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without a place.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Error { code, message: message.into(), hint: String::new(), place: Box::default(), chinese: None }
    }

    /// The same error with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The same error with message and hint in Chinese as well.
    #[must_use]
    pub fn in_chinese(mut self, message: impl Into<String>, hint: impl Into<String>) -> Self {
        self.chinese = Some(Box::new((message.into(), hint.into())));
        self
    }

    /// The same error with its place changed by `fill`.
    #[must_use]
    pub fn at(mut self, fill: impl FnOnce(&mut Place)) -> Self {
        fill(&mut self.place);
        self
    }

    /// The same error, naming the file it was met in (an inner, more exact name is kept).
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        if self.place.file.is_none() {
            self.place.file = Some(file.into());
        }
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut part = |f: &mut fmt::Formatter<'_>, name: &str, value: &dyn fmt::Display| {
            let gap = if first { "" } else { ", " };
            first = false;
            write!(f, "{gap}{name}{value}")
        };
        if let Some(v) = &self.file {
            part(f, "", v)?;
        }
        if let Some(v) = &self.line {
            part(f, "line ", v)?;
        }
        if let Some(v) = &self.row_group {
            part(f, "row group ", v)?;
        }
        if let Some(v) = &self.row {
            part(f, "row ", v)?;
        }
        if let Some(v) = &self.column {
            part(f, "column ", v)?;
        }
        if let Some(v) = &self.offset {
            part(f, "byte ", v)?;
        }
        if let Some(v) = &self.meter {
            part(f, "meter ", v)?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.to_string();
        if place.is_empty() { f.write_str(&self.message) } else { write!(f, "{place}: {}", self.message) }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_and_names_its_kind() {
        let mut seen = std::collections::HashSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.as_str()), "{} twice", code.as_str());
            let family = code.as_str().split('.').next().unwrap_or("");
            assert_eq!(format!("{:?}", code.kind()).to_lowercase(), family);
        }
    }

    #[test]
    fn display_says_where_then_what() {
        let e = Error::new(ErrorCode::InputFormat, "not a Parquet file")
            .in_file("a.parquet")
            .at(|p| p.row = Some(7));
        assert_eq!(e.to_string(), "a.parquet, row 7: not a Parquet file");
    }
}
