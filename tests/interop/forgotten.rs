//! What has ended leaves no memory behind: calls and requests, by the thousand.

use std::time::{Duration, Instant};

use super::overload::{self, Counts};
use super::sipp;
use crate::acceptance::wire::Wire;
use crate::program::PATIENCE;
use crate::program::offhook::Server;

/// Beside what allocator and kernel move by themselves, which is seen in the readings: 75 octets of each transaction. One that stays keeps a kilobyte and more.
const SLACK: u64 = 1_024 * 1_024;
const CALLS: u32 = 600;
const ASKED: &str = "14000";

/// Calls to the echo that end, and OPTIONS of SIPp.
fn load(server: &Server, calls: u32) {
    let mut wire = Wire::to(&server.address);
    for _ in 0..calls {
        let answer = overload::calls_echo(&mut wire, server);
        let bye = wire.within(&answer, "BYE", 3);
        assert_eq!(wire.code_of(&bye), 200);
    }
    let closed = ["-m", ASKED, "-r", "20000", "-l", "32", "-buff_size", "4000000"];
    let (code, output) = sipp::run("uac_options.xml", &server.address, &closed);
    assert_eq!(code, 0, "{output}");
}

/// What is resident as soon as all transactions and calls are over; `None` when they are not within that time.
fn resident_after(server: &Server, http: &str, patience: Duration) -> Option<u64> {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        let counts = Counts::of(http);
        let live = ["offhook_sip_transactions_active", "offhook_calls_active", "offhook_sip_transactions_kept_bytes"];
        if live.iter().all(|name| counts.sum(name, "") == 0) {
            return Some(overload::resident(server.program.id()));
        }
    }
    None
}

/// The same load again and again: how much more transactions wait at a time moves what the allocator gives back, and what stays grows.
#[test]
fn transactions_and_dialogs_by_the_ten_thousand_leave_nothing_resident() {
    let _alone = overload::alone();
    // 64 of T1 are 1.3 s.
    let (server, http) = overload::serve("sip.t1_ms = 20\nlimits.calls_per_user = 1000\n");
    // The first makes what is made once.
    let readings = [(); 5].map(|()| {
        load(&server, CALLS);
        resident_after(&server, &http, PATIENCE).expect("all over")
    });
    let (before, after) = (readings[1].max(readings[2]), readings[3].min(readings[4]));
    assert!(after <= before + SLACK, "{:?} KiB", readings.map(|octets| octets >> 10));
}

/// The control: with the timers of RFC 3261 transactions stay for 32 s, and so does their memory.
#[test]
fn transactions_that_are_not_over_are_seen_as_such_and_stay_resident() {
    let _alone = overload::alone();
    let (server, http) = overload::serve("");
    let before = overload::resident(server.program.id());
    load(&server, 0);
    assert_eq!(resident_after(&server, &http, Duration::from_secs(1)), None);
    let after = overload::resident(server.program.id());
    assert!(after > before + SLACK, "{} KiB before, {} KiB after", before >> 10, after >> 10);
}
