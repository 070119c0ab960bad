//! A registration information document (RFC 3680): read, written, and read again as the same.
#![no_main]

use event::registration::RegInfo;
use libfuzzer_sys::fuzz_target;
use offhook_fuzz::{again, plant};

fuzz_target!(|input: &[u8]| {
    let Ok(one) = RegInfo::read(input) else { return };
    let written = one.write();
    again(RegInfo::read(written.as_bytes()), &one, &written);
    plant(one.registrations.iter().any(|one| one.contacts.len() == 2 && one.contacts[0].q == Some(1_000)));
});
