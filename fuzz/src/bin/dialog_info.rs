//! A dialog information document (RFC 4235): read, written, and read again as the same.
#![no_main]

use event::dialog::DialogInfo;
use libfuzzer_sys::fuzz_target;
use offhook_fuzz::{again, plant};

fuzz_target!(|input: &[u8]| {
    let Ok(one) = DialogInfo::read(input) else { return };
    let written = one.write();
    again(DialogInfo::read(written.as_bytes()), &one, &written);
    plant(one.dialogs.len() == 2 && one.busiest().is_none() && !one.full);
});
