//! What a client asks.

use super::build::{Column, Data, Rows, Writer};
use super::encode::{Ability, TimeTag, time_tag};

/// A server behind a proxy: address in reading order, its own timeout in seconds, what is asked of it.
pub type Target<T> = (Vec<u8>, u16, Vec<T>);
/// Attribute or method, its data, the attribute to read then, the delay before that in seconds.
pub type ThenGet = (u32, Data, u32, u8);

/// Settings of a serial port: codes of rate and parity, data bits, stop bits, flow control.
pub type Comdcb = [u8; 5];

/// How a client proves itself when it connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Not at all.
    Public,
    /// By a password.
    Password(String),
    /// By a symmetric cipher text and signature, made by the client's security hardware.
    Symmetric(Vec<u8>, Vec<u8>),
    /// By an asymmetric one.
    Signature(Vec<u8>, Vec<u8>),
}

/// What a client asks, or answers to a report.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Connect with these abilities.
    Connect(Ability, Mechanism),
    /// End the connection.
    Release,
    /// Read an attribute.
    Get(u32),
    /// Read attributes.
    GetList(Vec<u32>),
    /// Read rows of a record table.
    GetRecord(u32, Rows, Vec<Column>),
    /// Read rows of several record tables.
    GetRecordList(Vec<(u32, Rows, Vec<Column>)>),
    /// Read the block after this one.
    GetNext(u16),
    /// Read the MD5 of an attribute.
    GetMd5(u32),
    /// Set an attribute.
    Set(u32, Data),
    /// Set attributes.
    SetList(Vec<(u32, Data)>),
    /// Set attributes and read others after it.
    SetThenGet(Vec<ThenGet>),
    /// Call a method.
    Action(u32, Data),
    /// Call methods.
    ActionList(Vec<(u32, Data)>),
    /// Call methods and read attributes after it.
    ActionThenGet(Vec<ThenGet>),
    /// A report of attributes has come.
    ReportDone(Vec<u32>),
    /// A report of records has come.
    RecordReportDone(Vec<u32>),
    /// A transparent report has come.
    TransReportDone,
    /// Read attributes of other servers, within so many seconds in all.
    ProxyGet(u16, Vec<Target<u32>>),
    /// Read rows of a record table of another server.
    ProxyGetRecord(u16, Vec<u8>, u32, Rows, Vec<Column>),
    /// Set attributes of other servers.
    ProxySet(u16, Vec<Target<(u32, Data)>>),
    /// Set attributes of other servers and read others after it.
    ProxySetThenGet(u16, Vec<Target<ThenGet>>),
    /// Call methods of other servers.
    ProxyAction(u16, Vec<Target<(u32, Data)>>),
    /// Call methods of other servers and read attributes after it.
    ProxyActionThenGet(u16, Vec<Target<ThenGet>>),
    /// Pass bytes on through a port: port, its settings, seconds to wait, milliseconds between bytes, the bytes.
    ProxyTrans(u32, Comdcb, u16, u16, Vec<u8>),
}

fn pair(w: &mut Writer, (id, data): &(u32, Data)) {
    w.u32(*id).data(data);
}

fn then_get(w: &mut Writer, (id, data, oad, delay_s): &ThenGet) {
    w.u32(*id).data(data).u32(*oad).u8(*delay_s);
}

fn targets<T>(w: &mut Writer, timeout_s: u16, targets: &[Target<T>], mut each: impl FnMut(&mut Writer, &T)) {
    w.u16(timeout_s).list(targets, |w, (address, timeout_s, items)| {
        w.tsa(address).u16(*timeout_s).list(items, &mut each);
    });
}

impl Request {
    /// The APDU, with the invocation number (0..=63, bit 7 high priority) and a time tag where one is wanted.
    pub fn encode(&self, piid: u8, tag: Option<&TimeTag>) -> Vec<u8> {
        let mut w = Writer::default();
        let head = |w: &mut Writer, tag: u8, choice: u8| {
            w.u8(tag).u8(choice).u8(piid);
        };
        match self {
            Request::Connect(ability, mechanism) => {
                w.u8(0x02).u8(piid);
                ability.write(&mut w);
                match mechanism {
                    Mechanism::Public => w.u8(0),
                    Mechanism::Password(text) => w.u8(1).octets(text.as_bytes()),
                    Mechanism::Symmetric(cipher, signature) => w.u8(2).octets(cipher).octets(signature),
                    Mechanism::Signature(cipher, signature) => w.u8(3).octets(cipher).octets(signature),
                };
            }
            Request::Release => {
                w.u8(0x03).u8(piid);
            }
            Request::Get(oad) => {
                head(&mut w, 0x05, 1);
                w.u32(*oad);
            }
            Request::GetList(oads) => {
                head(&mut w, 0x05, 2);
                w.oads(oads);
            }
            Request::GetRecord(oad, rows, columns) => {
                head(&mut w, 0x05, 3);
                w.u32(*oad).rows(rows).columns(columns);
            }
            Request::GetRecordList(all) => {
                head(&mut w, 0x05, 4);
                w.list(all, |w, (oad, rows, columns)| {
                    w.u32(*oad).rows(rows).columns(columns);
                });
            }
            Request::GetNext(block) => {
                head(&mut w, 0x05, 5);
                w.u16(*block);
            }
            Request::GetMd5(oad) => {
                head(&mut w, 0x05, 6);
                w.u32(*oad);
            }
            Request::Set(oad, data) => {
                head(&mut w, 0x06, 1);
                w.u32(*oad).data(data);
            }
            Request::SetList(all) => {
                head(&mut w, 0x06, 2);
                w.list(all, pair);
            }
            Request::SetThenGet(all) => {
                head(&mut w, 0x06, 3);
                w.list(all, then_get);
            }
            Request::Action(omd, data) => {
                head(&mut w, 0x07, 1);
                w.u32(*omd).data(data);
            }
            Request::ActionList(all) => {
                head(&mut w, 0x07, 2);
                w.list(all, pair);
            }
            Request::ActionThenGet(all) => {
                head(&mut w, 0x07, 3);
                w.list(all, then_get);
            }
            Request::ReportDone(oads) => {
                head(&mut w, 0x08, 1);
                w.oads(oads);
            }
            Request::RecordReportDone(oads) => {
                head(&mut w, 0x08, 2);
                w.oads(oads);
            }
            Request::TransReportDone => head(&mut w, 0x08, 3),
            Request::ProxyGet(timeout_s, all) => {
                head(&mut w, 0x09, 1);
                targets(&mut w, *timeout_s, all, |w, oad| {
                    w.u32(*oad);
                });
            }
            Request::ProxyGetRecord(timeout_s, address, oad, rows, columns) => {
                head(&mut w, 0x09, 2);
                w.u16(*timeout_s).tsa(address).u32(*oad).rows(rows).columns(columns);
            }
            Request::ProxySet(timeout_s, all) => {
                head(&mut w, 0x09, 3);
                targets(&mut w, *timeout_s, all, pair);
            }
            Request::ProxySetThenGet(timeout_s, all) => {
                head(&mut w, 0x09, 4);
                targets(&mut w, *timeout_s, all, then_get);
            }
            Request::ProxyAction(timeout_s, all) => {
                head(&mut w, 0x09, 5);
                targets(&mut w, *timeout_s, all, pair);
            }
            Request::ProxyActionThenGet(timeout_s, all) => {
                head(&mut w, 0x09, 6);
                targets(&mut w, *timeout_s, all, then_get);
            }
            Request::ProxyTrans(port, comdcb, frame_s, byte_ms, bytes) => {
                head(&mut w, 0x09, 7);
                w.u32(*port).bytes(comdcb).u16(*frame_s).u16(*byte_ms).octets(bytes);
            }
        }
        time_tag(&mut w, tag);
        w.0
    }
}
