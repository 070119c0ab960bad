//! A status message (RFC 3994): read, written, and read again as the same.
#![no_main]

use event::composing::IsComposing;
use libfuzzer_sys::fuzz_target;
use offhook_fuzz::{again, plant};

fuzz_target!(|input: &[u8]| {
    let Ok(one) = IsComposing::read(input) else { return };
    let written = one.write();
    again(IsComposing::read(written.as_bytes()), &one, &written);
    plant(one.active && one.last_active.is_some() && one.refresh == Some(90));
});
