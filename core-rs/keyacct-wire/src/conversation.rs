//! Whether a frame is the answer to another one.

use crate::dlt645;
use crate::dlt698_45;
use crate::gdw1376_1;
use crate::modbus;
use crate::protocol::Protocol;

/// Whether `reply` answers `request`: both whole frames of the protocol, from the device that was asked, to what was
/// asked, by number where the protocol counts. An answer that says why there are no data is an answer too. Each protocol
/// says in its own `answers` what it compares.
pub fn answers(protocol: Protocol, request: &[u8], reply: &[u8]) -> bool {
    let found = match protocol {
        Protocol::Dlt645_2007 | Protocol::Dlt645_1997 => dlt645::answers(protocol, request, reply),
        Protocol::Gdw1376_1 => gdw1376_1::answers(request, reply),
        Protocol::Dlt698_45 => dlt698_45::answers(request, reply),
        Protocol::ModbusRtu => modbus::answers::<modbus::RtuView<'_>>(request, reply),
        Protocol::ModbusTcp => modbus::answers::<modbus::TcpView<'_>>(request, reply),
    };
    found.unwrap_or(false)
}
