//! Which frames answer which: pairs of all protocols, each with the rule that decides.
#![allow(clippy::unwrap_used)] // a test may fail loudly

use keyacct_wire::conversation::answers;
use keyacct_wire::{Expect, hex};

const PAIRS: &str = include_str!("../../../fixtures/conversations/answers.tsv");

fn pairs() -> impl Iterator<Item = (Expect, bool, Vec<u8>, Vec<u8>, &'static str)> {
    PAIRS.lines().map(|line| {
        let [protocol, verdict, request, reply, rule] = line.split('\t').collect::<Vec<_>>()[..] else {
            unreachable!("five columns: {line}")
        };
        let expect = Expect::by_name(protocol).unwrap();
        (expect, verdict == "yes", hex::decode(request).unwrap(), hex::decode(reply).unwrap(), rule)
    })
}

#[test]
fn a_reply_answers_what_was_asked_and_nothing_else() {
    let mut counts = [0, 0];
    for (expect, verdict, request, reply, rule) in pairs() {
        let Expect::Only(protocol) = expect else { unreachable!("one protocol") };
        assert_eq!(answers(protocol, &request, &reply), verdict, "{protocol:?}: {rule}");
        counts[usize::from(verdict)] += 1;
    }
    assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
}

#[test]
fn cut_frames_and_the_request_itself_answer_nothing() {
    for (expect, _, request, reply, rule) in pairs() {
        let Expect::Only(protocol) = expect else { unreachable!("one protocol") };
        for cut in 0..reply.len() {
            assert!(!answers(protocol, &request, &reply[..cut]), "{rule}: reply cut at {cut}");
        }
        for cut in 0..request.len() {
            assert!(!answers(protocol, &request[..cut], &reply), "{rule}: request cut at {cut}");
        }
    }
}

#[test]
fn damaged_data_of_valid_frames_never_end_the_comparison_badly() {
    use keyacct_wire::frame::Frame;
    use keyacct_wire::{dlt645, dlt698_45, gdw1376_1, modbus};
    for (expect, _, request, reply, _) in pairs() {
        let Expect::Only(protocol) = expect else { unreachable!("one protocol") };
        for cut in 0..24 {
            let short = |data: &[u8]| data[..data.len().min(cut)].to_vec();
            let made = match protocol {
                keyacct_wire::Protocol::Gdw1376_1 => {
                    let mut message = gdw1376_1::Message::parse(&reply).unwrap();
                    message.data = short(&message.data);
                    message.emit()
                }
                keyacct_wire::Protocol::Dlt698_45 => {
                    let view = dlt698_45::FrameView::parse(&reply).unwrap();
                    let data = short(&view.payload());
                    dlt698_45::FrameView::emit(view.control(), &view.server(), view.client(), &data)
                }
                keyacct_wire::Protocol::ModbusRtu | keyacct_wire::Protocol::ModbusTcp => {
                    Some(modbus::rtu(1, &short(&reply)))
                }
                _ => {
                    let mut message = dlt645::Message::parse(&reply).unwrap();
                    message.data = short(&message.data);
                    Some(message.emit())
                }
            };
            // Both ways: nothing but a verdict may come of it.
            if let Some(made) = made {
                let _ = answers(protocol, &request, &made);
                let _ = answers(protocol, &made, &reply);
            }
        }
    }
}
