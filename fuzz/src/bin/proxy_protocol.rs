//! The header of the PROXY protocol, read as from a connection: never more than belongs to it, and to an end within its limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;

#[path = "../../../crates/net/src/proxy_protocol/header.rs"]
mod header;

use header::{Ends, LONGEST, Stage, stage};

fuzz_target!(|input: &[u8]| {
    let mut had = 0;
    let ends: Option<Ends> = loop {
        let Some(begun) = input.get(..had) else { return };
        match stage(begun) {
            Some(Stage::Wants(more)) => {
                assert!(more > 0 && had + more <= LONGEST, "{had} octets and {more}");
                had += more;
            }
            Some(Stage::Whole(ends)) => break ends,
            None => return,
        }
    };
    if let Some(Ends { from, at }) = ends {
        assert!(from.port() != 0 && at.port() != 0 && from.is_ipv4() == at.is_ipv4(), "{from} {at}");
    }
    plant(ends.is_some_and(|ends| ends.from.is_ipv6() && ends.at.port() == 5_061));
});
