use super::*;

const C: Duration = Duration::from_secs(190);

#[test]
fn rfc3261_16_8_timer_c_cancels_what_only_rings() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE");
    desk.answers(3, &passed, 180, "");
    desk.next(2, "SIP/2.0 180");
    // Section 16.7 step 2: each provisional response but 100 starts it anew.
    desk.passes(C - Duration::from_secs(10));
    desk.answers(3, &passed, 180, "");
    desk.next(2, "SIP/2.0 180");
    desk.passes(C - Duration::from_secs(10));
    desk.answers(3, &passed, 100, "");
    desk.silent();
    desk.passes(Duration::from_millis(10_200));
    let cancel = desk.next(3, "CANCEL");
    desk.answers(3, &cancel, 200, "");
    desk.answers(3, &passed, 487, "");
    desk.next(3, "ACK");
    desk.next(2, "SIP/2.0 487");
    desk.hears(2, &request("ACK", "sip:b@home.example", "1", ""));
    desk.silent();
    desk.empty();
}

#[test]
fn rfc3261_16_8_a_target_that_says_nothing_is_a_408() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    desk.passes(Duration::from_millis(31_900));
    assert!(desk.sent.iter().all(|sent| sent.start().starts_with("INVITE") && sent.to.starts_with("192.0.2.3:")));
    assert_eq!(desk.sent.len(), 7, "timer A");
    desk.sent.clear();
    desk.passes(Duration::from_millis(200));
    desk.next(2, "SIP/2.0 408");
}

#[test]
fn rfc3261_16_8_a_cancelled_target_that_never_ends_is_given_up() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE");
    desk.answers(3, &passed, 180, "");
    desk.hears(2, &request("CANCEL", "sip:b@home.example", "1", ""));
    desk.sent.clear();
    desk.passes(Duration::from_secs(33));
    assert!(desk.sent.iter().any(|sent| sent.start().starts_with("SIP/2.0 408")));
    desk.empty();
}
