//! DL/T 698.45: captured frames are built again, encoders and decoders agree, hostile bytes cost little.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may fail loudly

use std::sync::LazyLock;
use std::time::Instant;

use keyacct_model::{Decimal, Stamp, Value};
use keyacct_wire::catalogue::Body;
use keyacct_wire::describe::{Wish, describe_line};
use keyacct_wire::dlt698_45::encode::*;
use keyacct_wire::dlt698_45::{Apdu, Control, FrameView, ServerAddress, split};
use keyacct_wire::registers::Registers;
use keyacct_wire::{Deframer, Event, Expect, Frame, Protocol, hex};
use proptest::prelude::*;

const CORPUS: &str = include_str!("../../../fixtures/frames/dlt698.45.jsonl");
const BUILT: &str = include_str!("../../../fixtures/peers/dlt698.45-built.tsv");

static REGISTERS: LazyLock<Registers> = LazyLock::new(|| Registers::embedded().unwrap());

fn corpus() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let text = |line: &'static str, key: &str| line.split(key).nth(1).and_then(|rest| rest.split('"').next());
    CORPUS.lines().map(move |line| {
        (text(line, "\"layer\": \"").unwrap(), hex::decode(text(line, "\"hex\": \"").unwrap()).unwrap())
    })
}

#[test]
fn captured_frames_are_built_again_byte_by_byte() {
    let (mut frames, mut apdus) = (0, 0);
    for (layer, bytes) in corpus() {
        let payload = if layer == "frame" {
            let Ok(frame) = FrameView::parse(&bytes) else { continue };
            let payload = frame.payload().into_owned();
            let again = FrameView::emit(frame.control(), &frame.server(), frame.client(), &payload);
            assert_eq!(again.as_deref(), Some(&bytes[..]));
            frames += 1;
            if frame.control().is_split() {
                continue;
            }
            payload
        } else {
            bytes
        };
        let apdu = Apdu::parse(&payload).unwrap();
        let emitted = apdu.emit();
        if payload.windows(3).any(|w| w == [0x0A, 0x82, 0x00]) {
            // A terminal that writes the length 7 as 82 00 07: the meaning is kept, the form becomes the shortest.
            assert_eq!(emitted.len() + 2, payload.len());
            assert_eq!(Apdu::parse(&emitted).unwrap(), apdu);
        } else {
            assert_eq!(emitted, payload);
        }
        apdus += 1;
    }
    assert!(frames >= 60 && apdus >= 88, "{frames} frames, {apdus} APDUs");
}

fn stamp() -> Stamp {
    Stamp::full(2026, 7, 1, 8, 15, 30)
}

/// One of every request, answer and security layer, by the name of its service.
fn built() -> Vec<(&'static str, Vec<u8>)> {
    let meter = vec![0x20, 0x16, 0x01, 0x20, 0x00, 0x01];
    let ability = Ability {
        version: 0x10,
        protocol: [0xFF; 8],
        function: [0xFF; 16],
        send_size: 1024,
        receive_size: 1024,
        window: 1,
        apdu_size: 1024,
        timeout_s: 100,
    };
    let clock = Data::DateTimeS(stamp());
    let energy = Data::Array(vec![Data::DoubleLongUnsigned(1000), Data::DoubleLongUnsigned(400)]);
    let columns = vec![Column::Oad(0x2021_0200), Column::Road(0x5004_0200, vec![0x0010_0200, 0x0020_0200])];
    let last = Rows::LastOf(3, Meters::All);
    let between = Rows::Range(
        0x2021_0200,
        clock.clone(),
        Data::DateTimeS(Stamp::full(2026, 7, 2, 0, 0, 0)),
        Data::Ti(1, 15),
    );
    let row = vec![clock.clone(), Data::Structure(vec![energy.clone(), energy.clone()])];
    let record: Record = (0x5004_0200, columns.clone(), Ok(vec![row]));
    let refused: Record = (0x5006_0200, vec![Column::Oad(0x2021_0200)], Err(6));
    let then: ThenGet = (0x4000_0200, clock.clone(), 0x4000_0200, 2);
    let call: ThenGet = (0x4000_7F00, clock.clone(), 0x4000_0200, 2);
    let normal = vec![(0x0010_0200, Ok(energy.clone())), (0x2000_0200, Err(33))];
    let target = |items| (meter.clone(), 30, items);
    let tag = Some((stamp(), 1, 5));
    let get = Request::Get(0x0010_0200).encode(1, None);
    vec![
        ("CONNECT-Request", Request::Connect(ability, Mechanism::Public).encode(0, None)),
        ("CONNECT-Request", Request::Connect(ability, Mechanism::Password("123".into())).encode(0, None)),
        (
            "CONNECT-Request",
            Request::Connect(ability, Mechanism::Symmetric(vec![1; 32], vec![2; 4])).encode(0, None),
        ),
        ("RELEASE-Request", Request::Release.encode(2, None)),
        ("GetRequestNormal", get.clone()),
        ("GetRequestNormal", Request::Get(0x2000_0201).encode(0x81, tag.as_ref())),
        ("GetRequestNormalList", Request::GetList(vec![0x2000_0200, 0x2001_0200]).encode(2, None)),
        ("GetRequestRecord", Request::GetRecord(0x5004_0200, between, columns.clone()).encode(3, None)),
        (
            "GetRequestRecord",
            Request::GetRecord(
                0x6012_0300,
                Rows::StoreTimes(stamp(), stamp(), (1, 15), Meters::Addresses(vec![meter.clone()])),
                columns.clone(),
            )
            .encode(3, None),
        ),
        (
            "GetRequestRecord",
            Request::GetRecord(0x6000_0200, Rows::Equal(0x6001_0201, Data::LongUnsigned(1)), vec![])
                .encode(3, None),
        ),
        (
            "GetRequestRecordList",
            Request::GetRecordList(vec![
                (0x5004_0200, Rows::Last(1), columns.clone()),
                (0x6012_0300, last, columns.clone()),
            ])
            .encode(4, None),
        ),
        ("GetRequestNext", Request::GetNext(7).encode(5, None)),
        ("GetRequestMD5", Request::GetMd5(0x4000_0200).encode(6, None)),
        ("SetRequestNormal", Request::Set(0x4000_0200, clock.clone()).encode(7, None)),
        (
            "SetRequestNormalList",
            Request::SetList(vec![(0x4000_0200, clock.clone()), (0x4001_0200, Data::Octets(meter.clone()))])
                .encode(8, None),
        ),
        ("SetThenGetRequestNormalList", Request::SetThenGet(vec![then.clone()]).encode(9, None)),
        ("ActionRequestNormal", Request::Action(0x0010_0100, Data::Integer(0)).encode(10, None)),
        (
            "ActionRequestNormalList",
            Request::ActionList(vec![(0x0010_0100, Data::Null), (0x0020_0100, Data::Null)]).encode(11, None),
        ),
        ("ActionThenGetRequestNormalList", Request::ActionThenGet(vec![call.clone()]).encode(12, None)),
        ("ReportResponseList", Request::ReportDone(vec![0x3011_0200]).encode(13, None)),
        ("ReportResponseRecordList", Request::RecordReportDone(vec![0x6012_0300]).encode(14, None)),
        ("ReportResponseTransData", Request::TransReportDone.encode(15, None)),
        (
            "ProxyGetRequestList",
            Request::ProxyGet(60, vec![target(vec![0x0010_0200, 0x2000_0200])]).encode(16, None),
        ),
        (
            "ProxyGetRequestRecord",
            Request::ProxyGetRecord(60, meter.clone(), 0x5004_0200, Rows::Last(1), columns.clone())
                .encode(17, None),
        ),
        (
            "ProxySetRequestList",
            Request::ProxySet(60, vec![(meter.clone(), 30, vec![(0x4000_0200, clock.clone())])])
                .encode(18, None),
        ),
        (
            "ProxySetThenGetRequestList",
            Request::ProxySetThenGet(60, vec![(meter.clone(), 30, vec![then])]).encode(19, None),
        ),
        (
            "ProxyActionRequestList",
            Request::ProxyAction(60, vec![(meter.clone(), 30, vec![(0x4000_7F00, clock.clone())])])
                .encode(20, None),
        ),
        (
            "ProxyActionThenGetRequestList",
            Request::ProxyActionThenGet(60, vec![(meter.clone(), 30, vec![call])]).encode(21, None),
        ),
        (
            "ProxyTransCommandRequest",
            Request::ProxyTrans(0xF201_0201, [3, 2, 8, 1, 0], 30, 100, vec![0x68, 0x16]).encode(22, None),
        ),
        ("LINK-Request", link_request(0, 0, 180, &stamp(), 3)),
        ("LINK-Response", link_response(0, 0x80, [(&stamp(), 3); 3])),
        ("CONNECT-Response", Answer::Connect([0x30; 32], ability, 0).encode(0, None)),
        ("RELEASE-Response", Answer::Release.encode(2, None)),
        ("GetResponseNormal", Answer::Get(0x0010_0200, Ok(energy.clone())).encode(1, None)),
        ("GetResponseNormal", Answer::Get(0x0010_0200, Err(6)).encode(0x41, tag.as_ref())),
        ("GetResponseNormalList", Answer::GetList(normal.clone()).encode(2, None)),
        ("GetResponseRecord", Answer::GetRecord(record.clone()).encode(3, None)),
        ("GetResponseRecordList", Answer::GetRecordList(vec![record.clone(), refused]).encode(4, None)),
        ("GetResponseNext", Answer::GetNext(false, 1, normal.clone()).encode(5, None)),
        ("GetResponseNext", Answer::GetNextRecords(true, 2, vec![record.clone()]).encode(5, None)),
        ("GetResponseMD5", Answer::GetMd5(0x4000_0200, Ok([0x5A; 16])).encode(6, None)),
        ("SetResponseNormal", Answer::Set(0x4000_0200, 0).encode(7, None)),
        ("SetResponseNormalList", Answer::SetList(vec![(0x4000_0200, 0), (0x4001_0200, 3)]).encode(8, None)),
        ("ActionResponseNormal", Answer::Action(0x0010_0100, 0, None).encode(10, None)),
        (
            "ActionResponseNormalList",
            Answer::ActionList(vec![(0x0010_0100, 0, Some(Data::Unsigned(1)))]).encode(11, None),
        ),
        ("ReportNotificationList", Answer::Report(normal.clone()).encode(13, None)),
        ("ReportNotificationRecordList", Answer::RecordReport(vec![record.clone()]).encode(14, None)),
        ("ProxyGetResponseList", Answer::ProxyGet(vec![(meter.clone(), normal)]).encode(16, None)),
        ("ProxyGetResponseRecord", Answer::ProxyGetRecord(meter.clone(), record).encode(17, None)),
        ("ProxyTransCommandResponse", Answer::ProxyTrans(0xF201_0201, Ok(vec![0x68, 0x16])).encode(22, None)),
        ("ProxyTransCommandResponse", Answer::ProxyTrans(0xF201_0201, Err(33)).encode(22, None)),
        ("ERROR-Response", Answer::Error(1).encode(23, None)),
        ("SECURITY-Request", secured_request(&get, false, &Proof::Random(vec![0x22; 16]))),
        (
            "SECURITY-Request",
            secured_request(&get, false, &Proof::SidMac([1, 2, 3, 4], vec![5, 6], vec![7; 4])),
        ),
        ("SECURITY-Request", secured_request(&[9; 32], true, &Proof::RandomMac(vec![1; 16], vec![2; 4]))),
        ("SECURITY-Request", secured_request(&get, false, &Proof::Sid([1, 2, 3, 4], vec![]))),
        (
            "SECURITY-Response",
            secured_answer(
                &Answer::Get(0x0010_0200, Ok(energy)).encode(1, None),
                false,
                Some(&[0x24, 0x80, 0x09, 0xE0]),
            ),
        ),
    ]
}

#[test]
fn every_encoder_builds_the_service_of_its_name() {
    for (name, bytes) in built() {
        let apdu = Apdu::parse(&bytes).unwrap_or_else(|e| panic!("{name}: {e}: {bytes:02X?}"));
        assert_eq!(apdu.service.name, name);
        assert_eq!(apdu.emit(), bytes, "{name}");
    }
}

/// The same bytes are read by an independent implementation in `tests/wire/test_dlt698_peer.py`.
#[test]
fn what_is_built_is_what_the_peer_has_read() {
    let lines: Vec<String> = built()
        .iter()
        .map(|(name, bytes)| {
            format!("{name}\t{}", bytes.iter().map(|b| format!("{b:02X}")).collect::<String>())
        })
        .collect();
    if let Ok(path) = std::env::var("KEYACCT_WRITE_BUILT") {
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
        return;
    }
    assert_eq!(BUILT.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn a_row_of_the_catalogue_writes_what_it_reads() {
    let number = |digits, scale| Value::Number(Decimal::new(digits, scale));
    let cases: [(u64, Vec<Value>, &str); 4] = [
        (0x2000_0200, vec![number(2413, 1), number(2300, 1), Value::Null], "010312096D1208FC00"),
        (0x0010_0200, vec![number(1000, 2), number(400, 2)], "010206000003E80600000190"),
        (0x1010_0200, vec![number(12345, 4), Value::Time(stamp())], "0101020206000030391C07EA0701080F1E"),
        (0x200F_0200, vec![number(5001, 2)], "121389"),
    ];
    for (key, values, hex_text) in cases {
        let (_, row) = REGISTERS.of(Protocol::Dlt698_45).find(key).unwrap();
        let Body::Layout(layout) = &row.body else { panic!("a layout") };
        let data = Data::of_row(layout, &values).unwrap();
        let text: String = data.emit().iter().map(|b| format!("{b:02X}")).collect();
        assert!(text.starts_with(hex_text), "{key:08X}: {text}");
    }
    let (_, row) = REGISTERS.of(Protocol::Dlt698_45).find(0x200F_0200).unwrap();
    let Body::Layout(layout) = &row.body else { panic!("a layout") };
    assert_eq!(Data::of_row(layout, &[number(50013, 3)]), None); // a digit would be lost
    assert_eq!(Data::of_row(layout, &[number(5001, 2), number(0, 0)]), None);
}

fn wish() -> Wish {
    Wish { expect: Expect::Bare(Protocol::Dlt698_45), fields: true, chinese: true }
}

#[test]
fn hostile_apdus_cost_little_and_are_refused() {
    let head = [0x85, 1, 1, 0, 0x10, 2, 0, 1];
    let bombs: Vec<Vec<u8>> = vec![
        [&head[..], &[1u8, 1].repeat(30_000)].concat(), // arrays in arrays
        [&head[..], &[2u8, 0x7F].repeat(30_000)].concat(), // counts that all could just be
        [&head[..], &[1, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]].concat(), // four thousand million elements
        [&head[..], &[1, 0x88, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]].concat(),
        [&head[..], &[9, 0x82, 0xFF, 0xFF]].concat(), // an octet string beyond the end
        [&head[..], &[4, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]].concat(), // bits
        [&head[..], &[9, 0xFF], &[0xFF; 300]].concat(), // a length of 127 octets
        [&[0x85, 3, 1, 0x50, 4, 2, 0, 0, 1, 0x82, 0xFF, 0xFF][..], &[0; 65_536]].concat(), // rows without columns
        [&[0x10, 0, 0x82, 0xF0, 0x00][..]].concat().repeat(12_000), // security in security
        vec![0x68; 60_000],
    ];
    for bomb in bombs {
        let started = Instant::now();
        let objects = describe_line(&bomb, 1, wish(), &REGISTERS);
        let text = objects[0].to_string();
        assert!(text.contains("\"valid\": false"), "{}", &text[..200.min(text.len())]);
        assert!(started.elapsed().as_millis() < 500, "{:?}", started.elapsed());
    }
    // As many values as the bytes can hold are legal, and stay linear.
    let many = [&head[..], &[1, 0x82, 0xF0, 0x00], &[0; 0xF000], &[0, 0]].concat();
    let started = Instant::now();
    assert!(describe_line(&many, 1, wish(), &REGISTERS)[0].to_string().contains("\"valid\": true"));
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn split_frames_give_their_apdu_with_the_last_block() {
    let energy = Data::Array((0..40).map(Data::DoubleLongUnsigned).collect());
    let apdu = Answer::Get(0x0010_0200, Ok(energy)).encode(1, None);
    let server = ServerAddress::single("000000000002").unwrap();
    for control in [Control::ANSWER.split(), Control::ANSWER.split().scrambled()] {
        let frames: Vec<Vec<u8>> = split::split(&apdu, 50)
            .iter()
            .map(|data| FrameView::emit(control, &server, 0x10, data).unwrap())
            .collect();
        let wish = Wish { expect: Expect::Auto, fields: true, chinese: false };
        let objects = describe_line(&frames.concat(), 1, wish, &REGISTERS);
        assert_eq!(objects.len(), frames.len());
        let texts: Vec<String> = objects.iter().map(ToString::to_string).collect();
        for text in &texts[..texts.len() - 1] {
            assert!(!text.contains("\"values\"") && text.contains("\"fragment\""));
        }
        let last = texts.last().unwrap();
        assert!(
            last.contains("\"service\": \"GetResponseNormal\"") && last.contains("\"value\": 0.39"),
            "{last}"
        );
    }
}

#[test]
fn a_meter_behind_a_port_speaks_for_itself() {
    // Public session of meter 000000000161 (fixtures/captures/meter-161-session.txt): forward energy 0.26 kWh.
    let meter = "FEFEFEFE6861010000000068910833333433593333338A16";
    let wish = Wish { expect: Expect::Bare(Protocol::Dlt698_45), fields: true, chinese: false };
    let answer = |octets: &str| {
        let apdu = format!("890708F201020101{:02X}{octets}0000", octets.len() / 2);
        describe_line(&hex::decode(&apdu).unwrap(), 1, wish, &REGISTERS)[0].to_string()
    };
    let text = answer(meter);
    assert!(text.contains("\"service\": \"ProxyTransCommandResponse\""), "{text}");
    assert!(text.contains("Carried frame, dlt645-2007") && text.contains("\"value\": 0.26"), "{text}");
    assert!(text.contains(&format!("\"octets\": \"{meter}\"")), "{text}");
    // A frame that carries a frame that carries a frame: only the first one inside is opened.
    let server = ServerAddress::single("000000000002").unwrap();
    let apdu = hex::decode(&format!("890708F201020101{:02X}{meter}0000", meter.len() / 2)).unwrap();
    let inner = FrameView::emit(Control::ANSWER, &server, 0x10, &apdu).unwrap();
    let digits: String = inner.iter().map(|byte| format!("{byte:02X}")).collect();
    let text = answer(&digits);
    assert!(text.contains("Carried frame, dlt698.45") && !text.contains("Carried frame, dlt645"), "{text}");
    // A broken one stays bytes.
    assert!(!answer(&meter.replace("59", "58")).contains("Carried frame"));
}

fn data() -> impl Strategy<Value = Data> {
    let leaf = prop_oneof![
        Just(Data::Null),
        any::<bool>().prop_map(Data::Bool),
        (0u32..40, prop::collection::vec(any::<u8>(), 5)).prop_map(|(n, b)| Data::Bits(n, b)),
        any::<i32>().prop_map(Data::DoubleLong),
        any::<u32>().prop_map(Data::DoubleLongUnsigned),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Data::Octets),
        ".{0,20}".prop_map(Data::Text),
        any::<i8>().prop_map(Data::Integer),
        any::<i16>().prop_map(Data::Long),
        any::<u8>().prop_map(Data::Unsigned),
        any::<u16>().prop_map(Data::LongUnsigned),
        any::<i64>().prop_map(Data::Long64),
        any::<u64>().prop_map(Data::Long64Unsigned),
        any::<u8>().prop_map(Data::Enum),
        any::<f32>().prop_map(Data::Float32),
        any::<f64>().prop_map(Data::Float64),
        any::<u32>().prop_map(Data::Oad),
        any::<[u8; 10]>().prop_map(|b| Data::Other(25, b.to_vec())),
        any::<[u8; 7]>().prop_map(|b| Data::Other(28, b.to_vec())),
        any::<[u8; 5]>().prop_map(|b| Data::Other(26, b.to_vec())),
        (any::<u32>(), prop::collection::vec(any::<u32>(), 0..4))
            .prop_map(|(r, o)| Data::Csd(Column::Road(r, o))),
        prop::collection::vec(any::<u16>(), 0..4).prop_map(|n| Data::Ms(Meters::Serials(n))),
        prop::collection::vec(any::<u8>(), 1..16).prop_map(Data::Tsa),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Data::Array),
            prop::collection::vec(inner, 0..8).prop_map(Data::Structure),
        ]
    })
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let address = "[0-9A-F]{1,32}";
    (any::<u8>(), 0u8..4, 0u8..4, address, any::<u8>(), prop::collection::vec(any::<u8>(), 0..600)).prop_map(
        |(control, kind, logical, address, client, data)| {
            let server = ServerAddress::typed(kind, logical, &address).unwrap();
            FrameView::emit(Control(control), &server, client, &data).unwrap()
        },
    )
}

/// Bytes that like to look like frames: start and end bytes, headers with a wrong check sequence, false lengths.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0x68), Just(0x16), Just(0xFE), Just(0x43), any::<u8>()];
    let header = frame().prop_map(|f| f[..f.len().min(14)].to_vec());
    let broken = frame().prop_map(|mut f| {
        let at = f.len() - 2;
        f[at] ^= 0x5A;
        f
    });
    prop_oneof![prop::collection::vec(byte, 0..40), header, broken]
}

type Seen = (u64, usize, bool);

fn events(bytes: &[u8], cuts: &[usize], expect: Expect) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut on = |event: Event<'_>| {
        seen.push(match event {
            Event::Frame { offset, bytes, .. } => (offset, bytes.len(), true),
            Event::Noise { offset, length } => (offset, length as usize, false),
            Event::Invalid(error) => (error.offset, 0, false),
        });
    };
    let mut deframer = Deframer::new(expect);
    let mut from = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        let cut = cut.clamp(from, bytes.len());
        deframer.push(&bytes[from..cut], &mut on);
        from = cut;
    }
    deframer.finish(&mut on);
    seen
}

proptest! {
    #[test]
    fn typed_values_are_read_as_they_were_written(data in data()) {
        let bytes = Answer::Get(0xFFFF_0200, Ok(data)).encode(1, None);
        let apdu = Apdu::parse(&bytes).unwrap();
        prop_assert_eq!(apdu.emit(), bytes);
    }

    #[test]
    fn any_accepted_apdu_keeps_its_meaning_when_written_again(bytes in prop::collection::vec(any::<u8>(), 0..60), tag in 0usize..25) {
        let tags = [1u8, 2, 3, 5, 5, 5, 6, 7, 8, 9, 9, 0x10, 0x81, 0x82, 0x83, 0x84, 0x85, 0x85, 0x86, 0x87, 0x88, 0x89, 0x90, 0x6E, 0xEE];
        let all = [&[tags[tag]][..], &bytes].concat();
        if let Ok(apdu) = Apdu::parse(&all) {
            let emitted = apdu.emit();
            prop_assert!(emitted.len() <= all.len());
            prop_assert_eq!(Apdu::parse(&emitted).unwrap(), apdu);
        }
    }

    #[test]
    fn what_one_flipped_byte_does_is_never_a_panic(n in 0usize..57, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let all = built();
        let mut bytes = all[n % all.len()].1.clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        prop_assert_eq!(describe_line(&bytes, 1, wish(), &REGISTERS).len(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))] // each case cuts its stream at every byte

    #[test]
    fn events_tile_the_stream_however_it_is_cut(
        parts in prop::collection::vec(prop_oneof![noise(), frame()], 0..5),
        mut cuts in prop::collection::vec(0usize..2500, 0..8),
    ) {
        let bytes = parts.concat();
        cuts.sort_unstable();
        let every: Vec<usize> = (0..bytes.len()).collect();
        for expect in [Expect::Auto, Expect::Only(Protocol::Dlt698_45), Expect::Bare(Protocol::Dlt698_45)] {
            let whole = events(&bytes, &[], expect);
            let mut at = 0;
            for (offset, length, is_frame) in &whole {
                if *length > 0 {
                    let preamble = if *is_frame { *offset - at } else { 0 };
                    prop_assert_eq!(*offset, at + preamble);
                    at = offset + *length as u64;
                }
            }
            prop_assert_eq!(at, bytes.len() as u64);
            prop_assert_eq!(&events(&bytes, &cuts, expect), &whole);
            prop_assert_eq!(&events(&bytes, &every, expect), &whole);
        }
    }

    #[test]
    fn a_frame_behind_noise_and_false_starts_is_found(noise in noise(), frame in frame()) {
        let bytes = [noise.clone(), frame.clone()].concat();
        let seen = events(&bytes, &[], Expect::Only(Protocol::Dlt698_45));
        let swallowed = seen.iter().any(|(o, l, f)| *f && (*o as usize) < noise.len() && *o as usize + l > noise.len());
        prop_assert!(swallowed || seen.contains(&(noise.len() as u64, frame.len(), true)));
    }
}

/// CONNECT with the password 123456: the tree hides it, in its own bytes and in those of the field around it.
#[test]
fn a_password_is_in_no_field_of_the_tree() {
    let line = "683F00430561010000000000291802010010FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF0400040001100000000258010631323334353600F71216";
    let wish = Wish { expect: Expect::Only(Protocol::Dlt698_45), fields: true, chinese: false };
    let told = describe_line(&hex::decode(line).unwrap(), 1, wish, &REGISTERS)[0].to_string();
    assert!(told.contains("CONNECT-Request") && told.contains("\"name\": \"Password\""), "{told}");
    assert!(!told.contains("313233343536") && !told.contains("123456"), "{told}");
    assert!(told.contains("\"hex\": \"01**************\""), "{told}");
}
