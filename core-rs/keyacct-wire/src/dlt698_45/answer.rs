//! What a server answers and reports.

use super::build::{Column, Data, Writer};
use super::encode::{Ability, TimeTag, time_tag};

/// A value, or why there is none.
pub type Outcome = Result<Data, u8>;
/// What a server behind a proxy said: its address, its attributes.
pub type Reply = (Vec<u8>, Vec<(u32, Outcome)>);
/// A record table with its columns and rows, or why there are none.
pub type Record = (u32, Vec<Column>, Result<Vec<Vec<Data>>, u8>);

/// What a server answers or reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The connection: factory version (32 bytes), abilities, result code.
    Connect([u8; 32], Ability, u8),
    /// The connection is ended.
    Release,
    /// An attribute.
    Get(u32, Outcome),
    /// Attributes.
    GetList(Vec<(u32, Outcome)>),
    /// Rows of a record table.
    GetRecord(Record),
    /// Rows of record tables.
    GetRecordList(Vec<Record>),
    /// A block of attributes: whether it is the last one, its number.
    GetNext(bool, u16, Vec<(u32, Outcome)>),
    /// A block of record tables.
    GetNextRecords(bool, u16, Vec<Record>),
    /// The MD5 of an attribute.
    GetMd5(u32, Result<[u8; 16], u8>),
    /// Result of setting an attribute.
    Set(u32, u8),
    /// Results of setting attributes.
    SetList(Vec<(u32, u8)>),
    /// Result of a method, with what it gives back.
    Action(u32, u8, Option<Data>),
    /// Results of methods.
    ActionList(Vec<(u32, u8, Option<Data>)>),
    /// A report of attributes.
    Report(Vec<(u32, Outcome)>),
    /// A report of records.
    RecordReport(Vec<Record>),
    /// Attributes of other servers.
    ProxyGet(Vec<Reply>),
    /// Rows of a record table of another server.
    ProxyGetRecord(Vec<u8>, Record),
    /// What came back through a port.
    ProxyTrans(u32, Result<Vec<u8>, u8>),
    /// The request cannot be handled: 1 not understood, 2 not supported, 255 other.
    Error(u8),
}

fn outcome(w: &mut Writer, (oad, outcome): &(u32, Outcome)) {
    w.u32(*oad);
    match outcome {
        Ok(data) => w.u8(1).data(data),
        Err(dar) => w.u8(0).u8(*dar),
    };
}

fn record(w: &mut Writer, (oad, columns, rows): &Record) {
    w.u32(*oad).columns(columns);
    match rows {
        Err(dar) => w.u8(0).u8(*dar),
        Ok(rows) => w.u8(1).list(rows, |w, row| {
            for data in row {
                w.data(data);
            }
        }),
    };
}

fn called(w: &mut Writer, (omd, dar, data): &(u32, u8, Option<Data>)) {
    w.u32(*omd).u8(*dar);
    match data {
        None => w.u8(0),
        Some(data) => w.u8(1).data(data),
    };
}

fn octets(w: &mut Writer, octets: Result<&[u8], u8>) {
    match octets {
        Ok(bytes) => w.u8(1).octets(bytes),
        Err(dar) => w.u8(0).u8(dar),
    };
}

impl Answer {
    /// The APDU, with the invocation number of the request (bit 6: an event waits to be read).
    pub fn encode(&self, piid_acd: u8, tag: Option<&TimeTag>) -> Vec<u8> {
        let mut w = Writer::default();
        let head = |w: &mut Writer, tag: u8, choice: u8| {
            w.u8(tag).u8(choice).u8(piid_acd);
        };
        match self {
            Answer::Connect(factory, ability, result) => {
                w.u8(0x82).u8(piid_acd).bytes(factory);
                ability.write(&mut w);
                w.u8(*result).u8(0);
            }
            Answer::Release => {
                w.u8(0x83).u8(piid_acd).u8(0);
            }
            Answer::Get(oad, result) => {
                head(&mut w, 0x85, 1);
                outcome(&mut w, &(*oad, result.clone()));
            }
            Answer::GetList(all) => {
                head(&mut w, 0x85, 2);
                w.list(all, outcome);
            }
            Answer::GetRecord(one) => {
                head(&mut w, 0x85, 3);
                record(&mut w, one);
            }
            Answer::GetRecordList(all) => {
                head(&mut w, 0x85, 4);
                w.list(all, record);
            }
            Answer::GetNext(last, block, all) => {
                head(&mut w, 0x85, 5);
                w.u8(u8::from(*last)).u16(*block).u8(1).list(all, outcome);
            }
            Answer::GetNextRecords(last, block, all) => {
                head(&mut w, 0x85, 5);
                w.u8(u8::from(*last)).u16(*block).u8(2).list(all, record);
            }
            Answer::GetMd5(oad, md5) => {
                head(&mut w, 0x85, 6);
                w.u32(*oad);
                octets(&mut w, md5.as_ref().map(<[u8; 16]>::as_slice).map_err(|dar| *dar));
            }
            Answer::Set(oad, dar) => {
                head(&mut w, 0x86, 1);
                w.u32(*oad).u8(*dar);
            }
            Answer::SetList(all) => {
                head(&mut w, 0x86, 2);
                w.list(all, |w, (oad, dar)| {
                    w.u32(*oad).u8(*dar);
                });
            }
            Answer::Action(omd, dar, data) => {
                head(&mut w, 0x87, 1);
                called(&mut w, &(*omd, *dar, data.clone()));
            }
            Answer::ActionList(all) => {
                head(&mut w, 0x87, 2);
                w.list(all, called);
            }
            Answer::Report(all) => {
                head(&mut w, 0x88, 1);
                w.list(all, outcome);
            }
            Answer::RecordReport(all) => {
                head(&mut w, 0x88, 2);
                w.list(all, record);
            }
            Answer::ProxyGet(all) => {
                head(&mut w, 0x89, 1);
                w.list(all, |w, (address, results)| {
                    w.tsa(address).list(results, outcome);
                });
            }
            Answer::ProxyGetRecord(address, one) => {
                head(&mut w, 0x89, 2);
                w.tsa(address);
                record(&mut w, one);
            }
            Answer::ProxyTrans(port, bytes) => {
                head(&mut w, 0x89, 7);
                w.u32(*port);
                octets(&mut w, bytes.as_deref().map_err(|dar| *dar));
            }
            Answer::Error(kind) => {
                w.u8(0xEE).u8(piid_acd).u8(*kind);
            }
        }
        w.u8(0); // no report follows
        time_tag(&mut w, tag);
        w.0
    }
}
