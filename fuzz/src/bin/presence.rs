//! A presence document (RFC 3863): read, written, and read again as the same.
#![no_main]

use event::presence::Presence;
use libfuzzer_sys::fuzz_target;
use offhook_fuzz::{again, plant};

fuzz_target!(|input: &[u8]| {
    let Ok(one) = Presence::read(input) else { return };
    let written = one.write();
    again(Presence::read(written.as_bytes()), &one, &written);
    plant(one.tuples.len() == 3 && one.basic().is_some() && !one.activities.is_empty());
});
