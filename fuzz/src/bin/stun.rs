//! One datagram as the answer to a STUN binding request of a registration.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;

fuzz_target!(|input: &[u8]| {
    let mapped = sip::register::mapped_address(input);
    // Header, and an attribute with an address.
    assert!(mapped.is_none() || input.len() >= 20 + 12, "nothing is made up");
    plant(mapped.is_some_and(|address| address.is_ipv6() && address.port() == 5_060));
});
