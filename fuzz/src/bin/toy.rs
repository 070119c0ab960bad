//! Nothing of the product: shows that coverage and comparison feedback work, since no blind search finds these bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;

fuzz_target!(|input: &[u8]| {
    let Some((magic, rest)) = input.split_first_chunk::<4>() else { return };
    if magic != b"sip:" {
        return;
    }
    let Some((number, rest)) = rest.split_first_chunk::<4>() else { return };
    // A 32-bit comparison, only passable with the compared value fed back.
    if u32::from_be_bytes(*number) != 0x5a31_c0de {
        return;
    }
    plant(rest.iter().filter(|byte| **byte == b';').count() == 3);
});
