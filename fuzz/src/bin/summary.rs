//! A message summary (RFC 3842): read, written, and read again as the same.
#![no_main]

use event::summary::Summary;
use libfuzzer_sys::fuzz_target;
use offhook_fuzz::{again, plant};

fuzz_target!(|input: &[u8]| {
    let Ok(one) = Summary::read(input) else { return };
    let written = one.write();
    again(Summary::read(written.as_bytes()), &one, &written);
    plant(one.waiting && one.counts.len() == 3 && one.counts[2].1.old_urgent == 7);
});
