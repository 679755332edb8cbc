//! Building frames of the 1997 edition: requests for the poller, answers for the simulator.

use keyacct_model::Value;

use super::control::Control;
use super::encode::{address_bytes, write_row};
use super::frame::FrameView;
use crate::catalogue::Catalogue;

/// The request that reads one identifier (function 01H).
pub fn read_request_1997(address: &str, di: u16) -> Option<Vec<u8>> {
    Some(FrameView::emit(address_bytes(address)?, Control(0x01), &di.to_le_bytes()))
}

/// The answer to a read (function 81H): the values of an identifier in the order of its fields. None when the
/// identifier is unknown or a value does not fit.
pub fn read_answer_1997(catalogue: &Catalogue, address: &str, di: u16, values: &[Value]) -> Option<Vec<u8>> {
    let mut data = di.to_le_bytes().to_vec();
    write_row(catalogue, u64::from(di), values, &mut data)?;
    Some(FrameView::emit(address_bytes(address)?, Control(0x81), &data))
}

/// The command that writes one identifier (function 04H); `password` is PA P0 P1 P2.
pub fn write_request_1997(
    catalogue: &Catalogue,
    address: &str,
    di: u16,
    password: [u8; 4],
    values: &[Value],
) -> Option<Vec<u8>> {
    let mut data = di.to_le_bytes().to_vec();
    data.extend(password);
    write_row(catalogue, u64::from(di), values, &mut data)?;
    Some(FrameView::emit(address_bytes(address)?, Control(0x04), &data))
}
