//! What a user agent keeps up besides calls, and who watches it: registrations, subscriptions, publications (RFC 3261 section 10, RFC 6665, RFC 3903), as
//! [`offhook_fuzz::play`] makes them of a script.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;
use offhook_fuzz::play::play;

fuzz_target!(|input: &[u8]| {
    let seen = play(input);
    plant(seen.registered == 1 && seen.published == 1 && seen.notified == 1 && seen.sent >= 12);
});
