//! One door to all encoders: the JSON object that decoding publishes becomes a frame again.

use crate::dlt645;
use crate::dlt698_45;
use crate::gdw1376_1;
use crate::given::{Composed, Given, misfit};
use crate::modbus;
use crate::protocol::{Expect, Protocol};
use crate::registers::Registers;

/// The bytes of a message; with `Expect::Bare` those of an APDU without link frame. Which keys a message has is said
/// where its protocol composes it.
///
/// # Errors
/// The key that does not fit, and what belongs there.
pub fn compose(expect: Expect, registers: &Registers, message: &Given) -> Composed<Vec<u8>> {
    match expect {
        Expect::Auto | Expect::AutoRtu => misfit("protocol", "a message is of one protocol: name it"),
        Expect::Bare(_) => dlt698_45::compose_apdu(message),
        Expect::Only(protocol) => match protocol {
            Protocol::Dlt645_2007 | Protocol::Dlt645_1997 => {
                dlt645::compose(protocol, registers.of(protocol), message)
            }
            Protocol::Gdw1376_1 => gdw1376_1::compose(registers.of(protocol), message),
            Protocol::Dlt698_45 => dlt698_45::compose(message),
            Protocol::ModbusRtu | Protocol::ModbusTcp => modbus::compose(protocol, message),
        },
    }
}
