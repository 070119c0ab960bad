//! A start line and header fields: what is read at a glance against what the readers of all forms make of it, and the vectors that find
//! octets against plain words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;
use sip::message::fuzz;

fuzz_target!(|input: &[u8]| {
    let kinds = fuzz::lines(input);
    // All four kinds in one message.
    plant(kinds == 0b1111);
});
