//! What has ended leaves no memory behind: calls and requests, by the thousand. Seen from outside: what is resident, beside the counts of `/metrics`.

use std::time::{Duration, Instant};

use super::overload::{self, Counts};
use super::sipp;
use crate::acceptance::wire::Wire;
use crate::program::offhook::Server;
use crate::program::{PATIENCE, alone};

/// Beside what allocator and kernel move by themselves, which is seen in the readings. Over the rounds that are compared 25 octets of each transaction, of which one
/// that stays keeps a kilobyte and more, or 230 of each dialog, which keeps more than that where nothing but its record stays.
const SLACK: u64 = 1_024 * 1_024;
const CALLS: u32 = 1_500;
const ASKED: &str = "14000";
/// OPTIONS each second. How many of them wait for the end of their transaction goes by this, and so does what the allocator has had to get: it has to be the same in
/// each round, and more in the first.
const RATE: &str = "2000";
const PEAK: &str = "4000";
/// Calls that are left standing, fewer than a seventh of those that end in a round.
const STANDING: u64 = 200;
/// What there is of requests, in `/metrics`.
const REQUESTS: [&str; 2] = ["offhook_sip_transactions_active", "offhook_sip_transactions_kept_bytes"];
/// What there is of calls.
const DIALOGS: [&str; 2] = ["offhook_calls_active", "offhook_sip_dialogs_active"];

/// Calls to the echo that end, one after the other.
fn calls(server: &Server) {
    let mut wire = Wire::to(&server.address);
    for _ in 0..CALLS {
        let answer = overload::calls_echo(&mut wire, server);
        let bye = wire.within(&answer, "BYE", 3);
        assert_eq!(wire.code_of(&bye), 200);
    }
}

/// OPTIONS of SIPp, so many each second.
fn asks(server: &Server, rate: &str) {
    let open = ["-m", ASKED, "-r", rate, "-l", ASKED, "-buff_size", "4000000"];
    let (code, output) = sipp::run("uac_options.xml", &server.address, &open);
    assert_eq!(code, 0, "{output}");
}

/// Asserts that the same load again and again leaves nothing: what stays grows with each round. The first makes what is made once.
fn assert_nothing_stays(load: impl Fn(&Server, usize)) {
    // 64 of T1 are 1.3 s.
    let (server, http) = overload::serve("sip.t1_ms = 20\nlimits.calls_per_user = 1000\n");
    let mut round = 0;
    let readings = [(); 7].map(|()| {
        load(&server, round);
        round += 1;
        resident_after(&server, &http, PATIENCE).expect("all over")
    });
    // Three rounds lie between.
    let (before, after) = (readings[1].max(readings[2]), readings[5].min(readings[6]));
    assert!(after <= before + SLACK, "{:?} KiB", readings.map(|octets| octets >> 10));
}

/// What is resident as soon as all transactions and calls are over; `None` when they are not within that time.
fn resident_after(server: &Server, http: &str, patience: Duration) -> Option<u64> {
    without(&[REQUESTS, DIALOGS].concat(), server, http, patience)
}

/// The same as soon as all of these are zero.
fn without(live: &[&str], server: &Server, http: &str, patience: Duration) -> Option<u64> {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        let counts = Counts::of(http);
        if live.iter().all(|name| counts.sum(name, "") == 0) {
            return Some(overload::resident(server.program.id()));
        }
    }
    None
}

/// 98,000 of them. What is compared is a round with later ones: what the first keeps for good is not seen.
#[test]
fn transactions_by_the_ten_thousand_leave_nothing_resident() {
    let _alone = alone();
    assert_nothing_stays(|server, round| asks(server, if round == 0 { PEAK } else { RATE }));
}

/// 10,500 of them.
#[test]
fn dialogs_by_the_thousand_leave_nothing_resident() {
    let _alone = alone();
    assert_nothing_stays(|server, _| calls(server));
}

/// The control: with the timers of RFC 3261 transactions stay for 32 s, and so does their memory.
#[test]
fn transactions_that_are_not_over_are_seen_as_such_and_stay_resident() {
    let _alone = alone();
    let (server, http) = overload::serve("");
    let before = overload::resident(server.program.id());
    asks(&server, RATE);
    assert_eq!(resident_after(&server, &http, Duration::from_secs(1)), None);
    let after = overload::resident(server.program.id());
    assert!(after > before + SLACK, "{} KiB before, {} KiB after", before >> 10, after >> 10);
}

/// The control: of calls that stand the requests are over, and the dialogs and their memory are seen; once they have ended, so are these.
#[test]
fn dialogs_that_are_not_over_are_seen_as_such_and_stay_resident() {
    let _alone = alone();
    let (server, http) = overload::serve("sip.t1_ms = 20\nlimits.calls_per_user = 1000\n");
    calls(&server);
    let before = resident_after(&server, &http, PATIENCE).expect("all over");
    let mut wire = Wire::to(&server.address);
    let answers: Vec<String> = (0..STANDING).map(|_| overload::calls_echo(&mut wire, &server)).collect();
    let after = without(&REQUESTS, &server, &http, PATIENCE).expect("all requests over");
    let counts = Counts::of(&http);
    assert_eq!(DIALOGS.map(|name| counts.sum(name, "")), [STANDING; 2]);
    assert!(after > before + SLACK, "{} KiB before, {} KiB after", before >> 10, after >> 10);
    for answer in answers {
        let bye = wire.within(&answer, "BYE", 3);
        assert_eq!(wire.code_of(&bye), 200);
    }
    assert!(resident_after(&server, &http, PATIENCE).is_some(), "all over");
}
