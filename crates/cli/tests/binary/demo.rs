//! The demonstration, and that it fails when it must.

use std::time::{Duration, Instant};

use crate::run::offhook;

#[test]
fn demo_hears_both_ways_in_under_ten_seconds() {
    let since = Instant::now();
    let ended = offhook(&["demo"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert_eq!(ended.stdout.lines().last(), Some("audio both ways: yes"));
    for rung in ["REGISTER", "401 REGISTER", "200 REGISTER", "INVITE", "180 INVITE", "ACK", "INVITE sendonly", "BYE"] {
        assert!(ended.stdout.contains(&format!(" {rung} ")), "no {rung} in {}", ended.stdout);
    }
    assert!(ended.stdout.contains("digits 42# dialled                                  42#  yes"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("  no"), "{}", ended.stdout);
}

#[test]
fn demo_with_a_cut_says_which_way_is_lost_and_exits_9() {
    for (cut, words) in [
        ("caller-to-callee", "audio both ways: no (caller -> callee lost)"),
        ("callee-to-caller", "audio both ways: no (callee -> caller lost)"),
    ] {
        let ended = offhook(&["demo", "--cut", cut]);
        assert_eq!(ended.code, Some(9), "{ended:?}");
        assert_eq!(ended.stdout.lines().last(), Some(words));
    }
}
