//! A user agent's calls, those of others and its own: what [`offhook_fuzz::play`] makes of a script.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;
use offhook_fuzz::play::play;

fuzz_target!(|input: &[u8]| {
    let seen = play(input);
    plant(seen.acked == 1 && seen.answered == 1 && seen.sent >= 9);
});
