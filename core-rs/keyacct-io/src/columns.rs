//! Columns of readings while they are filled.
//!
//! A column whose value never changes (no line, no time, quality good) is not written at all until it does; all
//! batches share one array for it.

use std::sync::Arc;

use keyacct_model::{Quality, Unit};
use keyacct_wire::digits::{LANES, WINDOW, read_four};
use keyacct_wire::dlt698_45::program::AnswerProgram;
use keyacct_wire::format::read_bcd;
use keyacct_wire::program::{LabelRun, Program, RUN};

use crate::column_block::{Block, MOST_ROWS, Place};

pub(crate) const NO_TIME: i64 = i64::MIN;
/// Rows of the first block: few readings take little memory, many take few blocks.
const FEWEST_ROWS: usize = 1 << 12;

/// One value, ready for its columns.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub offset: i64,
    pub time: i64,
    pub received: i64,
    pub value: Option<f64>,
    pub line: i64,
    pub device: i32,
    pub quantity: u16,
    pub quality: u16,
    pub protocol: u8,
    pub kind: u8,
    pub phase: u8,
    pub unit: u8,
    pub tariff: u8,
    pub index: u8,
}

/// A column that is the same all the way, until it is not. It has as many rows as the block.
#[derive(Default)]
pub(crate) struct Mostly<T> {
    value: T,
    all: Vec<T>,
}

impl<T: Copy + PartialEq> Mostly<T> {
    /// Adds `count` rows to the `rows` that are there.
    fn push(&mut self, rows: usize, value: T, count: usize) {
        if self.all.is_empty() && (rows == 0 || self.value == value) {
            self.value = value;
        } else {
            self.all.resize(rows, self.value);
            self.all.resize(rows + count, value);
        }
    }

    fn set(&mut self, rows: usize, at: usize, value: T) {
        self.all.resize(rows, self.value);
        self.all[at] = value;
    }

    /// The one value of all rows.
    pub(crate) fn constant(&self) -> Option<T> {
        self.all.is_empty().then_some(self.value)
    }

    pub(crate) fn is(&self, value: T) -> bool {
        self.constant() == Some(value)
    }

    pub(crate) fn into_vec(mut self, rows: usize) -> Vec<T> {
        self.all.resize(rows, self.value);
        self.all
    }
}

pub(crate) struct Columns {
    pub(crate) rows: usize,
    pub(crate) block: Block,
    pub(crate) null_values: Vec<u32>,
    pub(crate) line: Mostly<i64>,
    pub(crate) time: Mostly<i64>,
    pub(crate) received: Mostly<i64>,
    pub(crate) protocol: Mostly<i8>,
    pub(crate) quality: Mostly<u16>,
    pub(crate) texts: Vec<(u32, String)>,
    /// New numbers of the devices, for columns that were filled beside others.
    names: Option<Arc<[i32]>>,
    /// The protocol of all rows, while every column but those of the block is constant.
    plain: Option<i8>,
}

impl Columns {
    /// Columns that come behind some of `before` rows.
    pub(crate) fn new(before: usize) -> Self {
        Columns {
            rows: 0,
            block: Block::new((before * 4).clamp(FEWEST_ROWS, MOST_ROWS)),
            null_values: Vec::new(),
            line: Mostly::default(),
            time: Mostly::default(),
            received: Mostly::default(),
            protocol: Mostly::default(),
            quality: Mostly::default(),
            texts: Vec::new(),
            names: None,
            plain: None,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Rows that still fit.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.block.capacity() - self.rows
    }

    pub(crate) fn push(&mut self, row: &Row, text: Option<String>) {
        let at = self.rows;
        self.block.put(Place::Value, at, [row.value.unwrap_or(0.0)]);
        self.block.put(Place::Offset, at, [row.offset]);
        self.block.put(Place::Device, at, [row.device]);
        self.block.put(Place::Quantity, at, [row.quantity as i16]);
        self.block.put(Place::Kind, at, [row.kind as i8]);
        self.block.put(Place::Phase, at, [row.phase as i8]);
        self.block.put(Place::Tariff, at, [row.tariff]);
        self.block.put(Place::Index, at, [row.index]);
        self.block.put(Place::Unit, at, [row.unit as i8]);
        if row.value.is_none() {
            self.null_values.push(at as u32);
        }
        self.line.push(at, row.line, 1);
        self.time.push(at, row.time, 1);
        self.received.push(at, row.received, 1);
        self.protocol.push(at, row.protocol as i8, 1);
        self.quality.push(at, row.quality, 1);
        if let Some(text) = text {
            self.texts.push((at as u32, text));
        }
        self.rows += 1;
        self.plain = None;
    }

    /// Values of a program without line and time. `data`: bytes as sent, from the first value on, with as much behind
    /// the last one as there is.
    #[inline]
    pub(crate) fn run(
        &mut self,
        program: &Program,
        count: usize,
        data: &[u8],
        (offset, device, protocol): (i64, i32, i8),
    ) {
        if self.plain != Some(protocol) {
            self.shared(protocol, count);
        }
        let base = self.rows;
        self.rows += count;
        if count <= LANES
            && let Some(window) = data.first_chunk()
        {
            self.numbers(program, base, count, window);
            if let Some(labels) = program.labels.first() {
                self.block.label(base, labels, offset, device);
            }
        } else {
            self.long_run(program, base, count, data);
            self.labels(&program.labels, base, count, offset, device);
        }
    }

    /// Values of an answer of DL/T 698.45 that has a program.
    pub(crate) fn answer(
        &mut self,
        program: &AnswerProgram,
        elements: &[u8],
        (offset, device, protocol): (i64, i32, i8),
    ) {
        if self.plain != Some(protocol) {
            self.shared(protocol, program.values);
        }
        let base = self.rows;
        self.rows += program.values;
        self.labels(&program.labels, base, program.values, offset, device);
        for from in (0..program.values).step_by(LANES) {
            let (numbers, none) = program.numbers(elements, from);
            self.block.put(Place::Value, base + from, numbers);
            if none != [false; LANES] {
                self.no_values(base + from, none);
            }
        }
    }

    #[cold]
    fn no_values(&mut self, base: usize, none: [bool; LANES]) {
        self.plain = None;
        for lane in (0..LANES).filter(|lane| none[*lane]) {
            let at = base + lane;
            self.block.put(Place::Value, at, [0.0]);
            self.block.put(Place::Unit, at, [Unit::None as i8]);
            self.null_values.push(at as u32);
            self.quality.set(self.rows, at, Quality::NO_DATA.0);
        }
    }

    fn labels(&mut self, labels: &[LabelRun], base: usize, count: usize, offset: i64, device: i32) {
        for (run, labels) in labels.iter().take(count.div_ceil(RUN)).enumerate() {
            self.block.label(base + run * RUN, labels, offset, device);
        }
    }

    /// More values than one window holds, or fewer bytes.
    fn long_run(&mut self, program: &Program, base: usize, count: usize, data: &[u8]) {
        let step = LANES * program.form.width;
        for from in (0..count).step_by(LANES) {
            let left = data.get(from / LANES * step..).unwrap_or_default();
            let count = (count - from).min(LANES);
            match left.first_chunk() {
                Some(window) => self.numbers(program, base + from, count, window),
                None => {
                    let mut window = [0; WINDOW];
                    let known = left.len().min(WINDOW);
                    window[..known].copy_from_slice(&left[..known]);
                    self.numbers(program, base + from, count, &window);
                }
            }
        }
    }

    /// Adds rows to the columns that are constant as a rule.
    #[cold]
    fn shared(&mut self, protocol: i8, count: usize) {
        let at = self.rows;
        self.line.push(at, 0, count);
        self.time.push(at, NO_TIME, count);
        self.received.push(at, NO_TIME, count);
        self.protocol.push(at, protocol, count);
        self.quality.push(at, Quality::GOOD.0, count);
        let plain = self.line.is(0)
            && self.time.is(NO_TIME)
            && self.received.is(NO_TIME)
            && self.protocol.is(protocol)
            && self.quality.is(Quality::GOOD.0);
        self.plain = plain.then_some(protocol);
    }

    #[inline]
    fn numbers(&mut self, program: &Program, base: usize, count: usize, window: &[u8; WINDOW]) {
        let wrong = read_four(window, &program.form, self.block.doubles(base)) & ((1 << count) - 1);
        if wrong != 0 {
            self.no_numbers(program, base, window, wrong);
        }
    }

    /// Values that are no numbers: empty, or with digits above 9.
    #[cold]
    fn no_numbers(&mut self, program: &Program, base: usize, window: &[u8; WINDOW], wrong: u32) {
        self.plain = None;
        let form = &program.form;
        for lane in (0..LANES).filter(|lane| wrong >> lane & 1 == 1) {
            let plain: Vec<u8> =
                window[lane * form.width..][..form.width].iter().map(|b| b.wrapping_sub(0x33)).collect();
            let (_, quality) = read_bcd(&plain, form.scale, form.signed);
            let at = base + lane;
            self.block.put(Place::Value, at, [0.0]);
            self.null_values.push(at as u32);
            self.quality.set(self.rows, at, quality.0);
        }
    }

    /// Devices get these numbers, once the columns are finished.
    pub(crate) fn rename(&mut self, names: Arc<[i32]>) {
        self.renamed();
        self.names = Some(names);
    }

    pub(crate) fn renamed(&mut self) {
        if let Some(names) = self.names.take() {
            self.block.rename(self.rows, &names);
        }
    }

    /// The protocol of all rows, if it is one.
    pub(crate) fn one_protocol(&self) -> Option<i8> {
        self.protocol.constant()
    }

    pub(crate) fn has_receipt(&self) -> bool {
        self.rows > 0 && !self.received.is(NO_TIME)
    }
}
