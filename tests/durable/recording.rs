//! A recording whose program is killed: the header is right for what was written before.

use std::time::Instant;

use crate::program::{PATIENCE, offhook, sound};

/// Octets of a second: 8,000 samples of 16 bits.
const SECOND: u64 = 16_000;

#[test]
fn recording_of_a_killed_caller_can_be_read_to_where_it_was() {
    let server = offhook::serve(&offhook::USERS);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("killed.wav");
    let account = format!("sip:1001@{}", server.address);
    let identity = ["--account", &account, "--password", "secret1"];
    let mut caller = offhook::start(&[&["call", "601", "--record", file.to_str().unwrap()], &identity[..]].concat());
    let end = Instant::now() + PATIENCE;
    while std::fs::metadata(&file).map_or(0, |about| about.len()) < 6 * SECOND {
        assert!(Instant::now() < end, "nothing is recorded:\n{}", caller.output());
        std::thread::yield_now();
    }
    caller.kill();
    let held = std::fs::metadata(&file).unwrap().len();
    let recorded = audio::wav::read(std::fs::File::open(&file).unwrap(), &audio::wav::Limits::default()).unwrap();
    let said = 44 + 2 * recorded.samples.len() as u64;
    assert!(said <= held && held - said <= SECOND, "the header tells of {said} octets, the file has {held}");
    assert!(sound::seconds_of(&file, 440.0) >= 3.0);
}
