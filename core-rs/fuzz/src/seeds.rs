//! Where seeds come from: the frames, captures and register files of this repository, and packets built around them.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../keyacct-io/tests/packets/mod.rs"]
mod packets;

use packets::{CLIENT, Captured, Form, SERVER, Talk, WRAPS};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = repository().join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

/// The frames of one file of `fixtures/frames`.
pub fn frames(protocol: &str) -> Vec<Vec<u8>> {
    let file = repository().join("fixtures/frames").join(format!("{protocol}.jsonl"));
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let hex = text.lines().filter_map(|line| line.split_once("\"hex\": \"")?.1.split('"').next());
    hex.filter_map(keyacct_wire::hex::decode).filter(|bytes| !bytes.is_empty()).collect()
}

/// The frames of all files.
pub fn all_frames() -> Vec<Vec<u8>> {
    let files = files("fixtures/frames", ".jsonl");
    let names = files.iter().filter_map(|file| file.file_stem()?.to_str());
    names.flat_map(frames).collect()
}

/// The text logs.
pub fn logs() -> Vec<Vec<u8>> {
    files("fixtures/captures", ".txt").iter().filter_map(|file| fs::read(file).ok()).collect()
}

/// The register files, cut to their first rows.
pub fn register_files() -> Vec<Vec<u8>> {
    let mut all = files("core-rs/keyacct-wire/registers", ".tsv");
    all.extend(files("core-rs/keyacct-wire/registers/modbus", ".tsv"));
    let texts = all.iter().filter_map(|file| fs::read_to_string(file).ok());
    texts.map(|text| text.split_inclusive('\n').take(12).collect::<String>().into_bytes()).collect()
}

/// A conversation of a meter and its master, wrapped in every way, and every form of file around it.
pub fn packet_files() -> Vec<Vec<u8>> {
    let frames = frames("dlt645-2007");
    let (request, answer) = (&frames[0], &frames[1]);
    let talk = |wrap| {
        let mut talk = Talk::new(wrap, CLIENT, SERVER, [7, 9]);
        talk.open().send(0, packets::ACK, request).send(1, packets::ACK, answer).close();
        let mut sent: Vec<_> = talk.packets.clone();
        sent.push(packets::udp(wrap, SERVER, CLIENT, answer));
        packets::timed(sent)
    };
    let of_wrap = WRAPS.iter().map(|wrap| packets::file(packets::PLAIN, wrap.link(), &talk(*wrap)));
    let of_form = packets::FORMS.iter().map(|form: &Form| packets::file(*form, 1, &talk(WRAPS[0])));
    let cut = {
        let mut sent: Vec<Captured> = talk(WRAPS[0]);
        sent.iter_mut().for_each(|packet| packet.snap = 60);
        packets::file(packets::PLAIN, 1, &sent)
    };
    of_wrap.chain(of_form).chain([cut]).collect()
}
