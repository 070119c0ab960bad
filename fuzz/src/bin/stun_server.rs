//! A STUN message on the port of SIP: the answer is one of STUN, and says where the question came from.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;

#[path = "../../../crates/net/src/stun.rs"]
mod stun;

/// An error, with the attributes that were not understood.
const ERROR: [u8; 2] = [0x01, 0x11];

fuzz_target!(|input: &[u8]| {
    if !stun::is_stun(input) {
        return;
    }
    let Some(answer) = stun::answer(input, SocketAddr::from((Ipv4Addr::LOCALHOST, 5_060))) else { return };
    assert!(stun::is_stun(&answer), "{answer:?}");
    assert!(answer.len() <= 128, "{} octets for a question of {}", answer.len(), input.len());
    assert_eq!(answer.get(4..20), input.get(4..20), "its own transaction");
    plant(answer.starts_with(&ERROR) && answer.len() > 60);
});
