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
    let found = |what: &str| ended.stdout.lines().any(|line| line.contains(what) && line.ends_with(" yes"));
    for what in [
        "440 Hz of the caller at the callee",
        "1000 Hz of the callee at the caller",
        "hold is silent, resume is seen",
        "hung up at both ends",
        "second call: 600 sends the tone back",
    ] {
        assert!(found(what), "{what}: {}", ended.stdout);
    }
    // After the end of the first call a second one begins, is answered and ends.
    let ladder: Vec<&str> = ended.stdout.lines().take_while(|line| !line.contains(" Hz of the ")).collect();
    let over = ladder.iter().rposition(|line| line.contains("- 200 BYE ")).unwrap();
    let first = ladder.iter().position(|line| line.contains("- 200 BYE ")).unwrap();
    let second = ladder.get(first..over).unwrap_or_default().join("\n");
    for rung in ["INVITE", "200 INVITE", "BYE"] {
        assert!(second.contains(&format!("- {rung} -")), "no {rung} after the first call: {}", ended.stdout);
    }
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
