//! Comma-separated text with one header line, read where it lies: fields are ranges of the text, and every
//! complaint names file, line and column.

use std::borrow::Cow;

use keyacct_model::{Error, ErrorCode, Result};

/// One table; rows are counted from 0 below the header. Fields are addressed by row and by a column that [`Table::column`] found.
pub struct Table<'a> {
    file: &'a str,
    text: &'a str,
    header: Vec<String>,
    width: usize,
    fields: Vec<(u32, u32)>,
    lines: Vec<u32>,
}

/// A column's place in the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column(usize);

impl<'a> Table<'a> {
    /// Splits a file's bytes into rows.
    ///
    /// # Errors
    /// `input.format` for text that is not UTF-8, an open quote, or a row with too many or too few fields.
    pub fn parse(file: &'a str, bytes: &'a [u8]) -> Result<Table<'a>> {
        let text = std::str::from_utf8(bytes).map_err(|e| {
            Error::new(ErrorCode::InputFormat, "the text is not UTF-8")
                .hint("save the file as UTF-8")
                .in_file(file)
                .at(|p| p.offset = Some(e.valid_up_to() as u64))
        })?;
        if u32::try_from(text.len()).is_err() {
            return Err(Error::new(ErrorCode::InputLimit, "the file is larger than 4 GB").in_file(file));
        }
        let mut table =
            Table { file, text, header: Vec::new(), width: 0, fields: Vec::new(), lines: Vec::new() };
        table.split()?;
        Ok(table)
    }

    fn split(&mut self) -> Result<()> {
        let bytes = self.text.as_bytes();
        let mut at = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        let mut line = 1u32;
        let mut row: Vec<(u32, u32)> = Vec::new();
        while at < bytes.len() {
            let first_line = line;
            row.clear();
            loop {
                let start = at;
                if bytes.get(at) == Some(&b'"') {
                    at += 1;
                    loop {
                        match bytes.get(at) {
                            None => return Err(self.broken(first_line, "a quote is not closed")),
                            Some(b'"') if bytes.get(at + 1) == Some(&b'"') => at += 2,
                            Some(b'"') => break,
                            Some(b'\n') => {
                                line += 1;
                                at += 1;
                            }
                            Some(_) => at += 1,
                        }
                    }
                    at += 1;
                    if !matches!(bytes.get(at), None | Some(b',' | b'\n' | b'\r')) {
                        return Err(self.broken(first_line, "text follows a closing quote"));
                    }
                } else {
                    while at < bytes.len() && !matches!(bytes[at], b',' | b'\n' | b'\r') {
                        at += 1;
                    }
                }
                row.push((start as u32, at as u32));
                if bytes.get(at) == Some(&b',') {
                    at += 1;
                } else {
                    break;
                }
            }
            if bytes.get(at) == Some(&b'\r') {
                at += 1;
            }
            if bytes.get(at) == Some(&b'\n') {
                at += 1;
            }
            line += 1;
            if row.len() == 1 && row[0].0 == row[0].1 {
                continue; // an empty line says nothing
            }
            if self.header.is_empty() {
                self.width = row.len();
                self.header = row.iter().map(|&f| self.value(f).trim().to_owned()).collect();
                continue;
            }
            if row.len() != self.width {
                let what = format!("the row has {} fields, the header {}", row.len(), self.width);
                return Err(self.broken(first_line, &what));
            }
            self.fields.extend_from_slice(&row);
            self.lines.push(first_line);
        }
        if self.header.is_empty() {
            return Err(Error::new(ErrorCode::InputEmpty, "the file is empty: a header line is needed")
                .in_file(self.file));
        }
        Ok(())
    }

    fn broken(&self, line: u32, what: &str) -> Error {
        Error::new(ErrorCode::InputFormat, what)
            .hint("one header line, fields separated by commas")
            .in_file(self.file)
            .at(|p| p.line = Some(u64::from(line)))
    }

    fn value(&self, (start, end): (u32, u32)) -> Cow<'a, str> {
        let raw = &self.text[start as usize..end as usize];
        match raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')) {
            Some(inner) if inner.contains('"') => Cow::Owned(inner.replace("\"\"", "\"")),
            Some(inner) => Cow::Borrowed(inner),
            None => Cow::Borrowed(raw),
        }
    }

    /// Rows below the header.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// A column that may be absent.
    pub fn optional(&self, name: &str) -> Option<Column> {
        self.header.iter().position(|h| h == name).map(Column)
    }

    /// A column that must be there.
    ///
    /// # Errors
    /// `input.schema` when it is not.
    pub fn column(&self, name: &str) -> Result<Column> {
        self.optional(name).ok_or_else(|| {
            Error::new(ErrorCode::InputSchema, format!("the column '{name}' is missing"))
                .hint("columns may stand in any order, but all must be there")
                .in_file(self.file)
        })
    }

    /// A field as text.
    pub fn text(&self, row: usize, column: Column) -> Cow<'a, str> {
        self.value(self.fields[row * self.width + column.0])
    }

    /// A finite number, at least `low`; `minus_one` lets -1 (none) pass as well.
    ///
    /// # Errors
    /// `input.value` for anything else.
    pub fn number(&self, row: usize, column: Column, low: f64, minus_one: bool) -> Result<f64> {
        let text = self.text(row, column);
        let value: f64 = text.trim().parse().map_err(|_| {
            self.bad(row, column, format!("'{text}' is not a number"), "write a plain decimal number")
        })?;
        if !value.is_finite() {
            return Err(self.bad(
                row,
                column,
                format!("'{text}' is not a finite number"),
                "replace the missing value",
            ));
        }
        if value < low && !(minus_one && value == -1.0) {
            let allowed = if minus_one { " or -1 for none" } else { "" };
            return Err(self.bad(
                row,
                column,
                format!("{text} is below {low}"),
                &format!("write {low} or more{allowed}"),
            ));
        }
        Ok(value)
    }

    /// A whole number in `low..=high`.
    ///
    /// # Errors
    /// `input.value` for anything else.
    pub fn whole(&self, row: usize, column: Column, low: i64, high: i64) -> Result<i64> {
        let value = self.number(row, column, f64::MIN, false)?;
        if value.fract() != 0.0 || value < low as f64 || value > high as f64 {
            let text = self.text(row, column);
            return Err(self.bad(
                row,
                column,
                format!("'{text}' is not a whole number from {low} to {high}"),
                "",
            ));
        }
        Ok(value as i64)
    }

    /// A complaint about one field.
    pub fn bad(&self, row: usize, column: Column, what: impl Into<String>, hint: &str) -> Error {
        Error::new(ErrorCode::InputValue, what).hint(hint).in_file(self.file).at(|p| {
            p.line = Some(u64::from(self.lines[row]));
            p.column = Some(self.header[column.0].clone());
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_line_ends_are_read() {
        let text = "\u{feff}id,name\r\n1,\"a, \"\"b\"\"\"\r\n\r\n2,\"two\nlines\"\n3,c";
        let t = Table::parse("t.csv", text.as_bytes()).ok();
        let rows: Vec<String> =
            t.iter().flat_map(|t| (0..t.rows()).map(|r| t.text(r, Column(1)).into_owned())).collect();
        assert_eq!(rows, ["a, \"b\"", "two\nlines", "c"]);
    }

    #[test]
    fn a_complaint_names_file_line_and_column() {
        let t = Table::parse("t.csv", b"id,kw\n1,2\n2,nan\n");
        let e = t.and_then(|t| t.number(1, t.column("kw")?, 0.0, false)).err();
        assert_eq!(
            e.map(|e| e.to_string()).as_deref(),
            Some("t.csv, line 3, column kw: 'nan' is not a finite number")
        );
    }

    #[test]
    fn a_ragged_row_is_refused() {
        assert!(Table::parse("t.csv", b"a,b\n1\n").is_err());
        assert!(Table::parse("t.csv", b"a,b\n\"1,2\n").is_err());
        assert!(Table::parse("t.csv", b"").is_err());
    }
}
