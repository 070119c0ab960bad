//! What a NOTIFY tells of a REFER (message/sipfrag, RFC 3420): a code that there is and a reason within its line, and what we say is read as it was said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;

#[path = "../../../crates/ua/src/phone/fragment.rs"]
mod fragment;

fuzz_target!(|input: &[u8]| {
    let Some((code, reason)) = fragment::said(input) else { return };
    assert!((100..700).contains(&code) && !reason.contains(['\r', '\n']), "{code} {reason:?}");
    // What was no UTF-8 is longer as told.
    if reason.len() < 400 {
        let line = format!("SIP/2.0 {code} {reason}\r\n");
        let again = fragment::said(line.as_bytes());
        assert!(
            again.as_ref().is_some_and(|again| again.0 == code && again.1 == reason),
            "{line:?} reads as {again:?}"
        );
    }
    plant(code == 603 && reason.len() == 7);
});
