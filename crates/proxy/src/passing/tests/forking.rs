use sip::header::NIL;

use super::*;

/// An INVITE has gone to each of these.
fn forked(desk: &mut Desk, hosts: &[u8]) -> Vec<Sent> {
    hosts.iter().map(|host| desk.next(*host, "INVITE")).collect()
}

fn begun(desk: &mut Desk) {
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
}

#[test]
fn rfc3261_16_7_5_the_first_2xx_goes_back_and_the_others_are_cancelled() {
    let mut desk = Desk::to(&[(3, 500), (4, 500)]);
    begun(&mut desk);
    let passed = forked(&mut desk, &[3, 4]);
    assert_ne!(passed[0].headers.branch(), passed[1].headers.branch());
    assert_eq!(passed[0].value(HeaderId::MaxBreadth), "30");
    desk.answers(3, &passed[0], 180, "");
    desk.answers(4, &passed[1], 183, "");
    assert_eq!(desk.next(2, "SIP/2.0 180").value(HeaderId::To), "<sip:b@home.example>;tag=of3");
    assert_eq!(desk.next(2, "SIP/2.0 183").value(HeaderId::To), "<sip:b@home.example>;tag=of4");
    desk.answers(4, &passed[1], 200, "");
    desk.next(2, "SIP/2.0 200");
    let cancel = desk.next(3, "CANCEL");
    desk.answers(3, &cancel, 200, "");
    desk.answers(3, &passed[0], 487, "");
    desk.next(3, "ACK");
    desk.silent();
    desk.empty();
    desk.silent();
}

#[test]
fn rfc3261_16_7_5_each_2xx_goes_back() {
    let mut desk = Desk::to(&[(3, 500), (4, 500)]);
    begun(&mut desk);
    let passed = forked(&mut desk, &[3, 4]);
    desk.answers(3, &passed[0], 200, "");
    desk.answers(4, &passed[1], 200, "");
    assert_eq!(desk.next(2, "SIP/2.0 200").value(HeaderId::To), "<sip:b@home.example>;tag=of3");
    assert_eq!(desk.next(2, "SIP/2.0 200").value(HeaderId::To), "<sip:b@home.example>;tag=of4");
    desk.silent();
    desk.empty();
}

#[test]
fn rfc3261_16_7_6_the_best_refusal_goes_back_when_all_have_refused() {
    let mut desk = Desk::to(&[(3, 500), (4, 500)]);
    begun(&mut desk);
    let passed = forked(&mut desk, &[3, 4]);
    desk.answers(3, &passed[0], 486, "");
    desk.next(3, "ACK");
    desk.silent();
    desk.answers(4, &passed[1], 407, "Proxy-Authenticate: Digest realm=\"x\", nonce=\"1\"\n");
    desk.next(4, "ACK");
    let refusal = desk.next(2, "SIP/2.0 407");
    assert_eq!(refusal.all(HeaderId::ProxyAuthenticate), ["Digest realm=\"x\", nonce=\"1\""]);
    desk.silent();
}

#[test]
fn rfc3261_16_7_7_challenges_of_both_go_back() {
    let mut desk = Desk::to(&[(3, 500), (4, 500)]);
    begun(&mut desk);
    let passed = forked(&mut desk, &[3, 4]);
    desk.answers(3, &passed[0], 401, "WWW-Authenticate: Digest realm=\"x\", nonce=\"1\"\n");
    desk.answers(4, &passed[1], 407, "Proxy-Authenticate: Digest realm=\"y\", nonce=\"2\"\n");
    let refusal = desk.sent.iter().find(|sent| sent.to.starts_with("192.0.2.2:")).expect("a refusal");
    assert_eq!(refusal.headers.count(HeaderId::WwwAuthenticate), 1);
    assert_eq!(refusal.headers.count(HeaderId::ProxyAuthenticate), 1);
}

#[test]
fn rfc3261_16_7_5_a_6xx_ends_the_search_and_waits_for_the_others() {
    let mut desk = Desk::to(&[(3, 500), (4, 500), (5, 100)]);
    begun(&mut desk);
    let passed = forked(&mut desk, &[3, 4]);
    desk.answers(4, &passed[1], 180, "");
    desk.next(2, "SIP/2.0 180");
    desk.answers(3, &passed[0], 603, "");
    desk.next(3, "ACK");
    desk.next(4, "CANCEL");
    // Not before the others have ended; a 2xx would still be better.
    desk.silent();
    desk.answers(4, &passed[1], 487, "");
    desk.next(4, "ACK");
    desk.next(2, "SIP/2.0 603");
    desk.silent();
}

#[test]
fn rfc3261_16_6_targets_are_tried_by_preference() {
    let mut desk = Desk::to(&[(5, 100), (3, 500), (4, 500)]);
    begun(&mut desk);
    let passed = forked(&mut desk, &[3, 4]);
    desk.answers(3, &passed[0], 486, "");
    desk.next(3, "ACK");
    desk.answers(4, &passed[1], 480, "");
    desk.next(4, "ACK");
    let last = desk.next(5, "INVITE");
    assert_eq!(last.value(HeaderId::MaxBreadth), "60");
    desk.answers(5, &last, 200, "");
    desk.next(2, "SIP/2.0 200");
    desk.silent();
    desk.empty();
}

#[test]
fn rfc3261_16_6_the_next_have_their_turn_when_nobody_answers() {
    let mut desk = Desk::new(config_of_turns(), vec![target(3, 500), target(4, 500)]);
    begun(&mut desk);
    let first = desk.next(3, "INVITE");
    desk.answers(3, &first, 180, "");
    desk.next(2, "SIP/2.0 180");
    desk.passes(Duration::from_millis(4_900));
    desk.silent();
    desk.passes(Duration::from_millis(200));
    desk.next(3, "CANCEL");
    let second = desk.next(4, "INVITE");
    desk.answers(3, &first, 487, "");
    desk.next(3, "ACK");
    desk.answers(4, &second, 486, "");
    desk.next(4, "ACK");
    // The 487 is of our own making.
    desk.next(2, "SIP/2.0 486");
}

#[test]
fn rfc3261_16_6_a_target_that_says_nothing_has_its_turn_and_no_more() {
    let mut desk = Desk::new(config_of_turns(), vec![target(3, 500), target(4, 500)]);
    begun(&mut desk);
    desk.passes(Duration::from_millis(4_900));
    assert!(desk.sent.iter().all(|sent| sent.to.starts_with("192.0.2.3:")));
    desk.sent.clear();
    desk.passes(Duration::from_millis(200));
    let second = desk.next(4, "INVITE");
    desk.answers(4, &second, 180, "");
    desk.next(2, "SIP/2.0 180");
    desk.answers(4, &second, 200, "");
    desk.next(2, "SIP/2.0 200");
    desk.sent.clear();
    desk.empty();
    // Where only one branch is allowed, the next waits for the end of the first (RFC 5393 section 5.3.3.1).
    let mut desk = Desk::new(config_of_turns(), vec![target(3, 500), target(4, 500)]);
    desk.hears(2, &request("INVITE", "sip:b@home.example", "1", "Max-Breadth: 1\n"));
    desk.passes(Duration::from_secs(31));
    assert!(desk.sent.iter().all(|sent| !sent.to.starts_with("192.0.2.4:")));
    desk.passes(Duration::from_secs(2));
    desk.sent.retain(|sent| sent.to.starts_with("192.0.2.4:"));
    assert_eq!(desk.next(4, "INVITE").value(HeaderId::MaxBreadth), "1");
}

fn config_of_turns() -> ProxyConfig {
    ProxyConfig { forking: Forking::Serial, turn: Duration::from_secs(5), ..ProxyConfig::default() }
}

#[test]
fn rfc4320_4_2_what_is_no_invite_goes_to_all_at_once() {
    for forking in [Forking::ByPreference, Forking::Serial] {
        let config = ProxyConfig { forking, ..ProxyConfig::default() };
        let mut desk = Desk::new(config, vec![target(3, 500), target(4, 100)]);
        desk.hears(2, &request("MESSAGE", "sip:b@home.example", "1", ""));
        desk.next(3, "MESSAGE");
        desk.next(4, "MESSAGE");
    }
}

#[test]
fn rfc3261_16_5_a_redirection_adds_nothing_to_what_is_not_ours() {
    let mut desk = Desk::new(ProxyConfig { recurse: true, ..ProxyConfig::default() }, Vec::new());
    desk.trusted = true;
    desk.hears(2, &request("INVITE", "sip:b@192.0.2.3", "1", ""));
    desk.next(2, "SIP/2.0 100");
    let passed = desk.next(3, "INVITE");
    desk.answers(3, &passed, 302, "Contact: <sip:c@192.0.2.4>\n");
    desk.next(3, "ACK");
    desk.next(2, "SIP/2.0 302");
    desk.silent();
}

#[test]
fn rfc3261_16_5_no_uri_is_a_target_twice() {
    let recurse = ProxyConfig { recurse: true, ..ProxyConfig::default() };
    let mut desk = Desk::new(recurse.clone(), vec![target(3, 500), target(4, 500)]);
    desk.trusted = true;
    begun(&mut desk);
    let passed = forked(&mut desk, &[3, 4]);
    // To one that is asked already, to itself, and twice to another.
    let moved = "Contact: <sip:b@192.0.2.4>, <sip:b@192.0.2.3>, <sip:c@192.0.2.5>, <sip:c@192.0.2.5:5060>;q=0.3, <sip:c@192.0.2.5>;q=0.5\n";
    desk.answers(3, &passed[0], 302, moved);
    desk.next(3, "ACK");
    desk.answers(4, &passed[1], 486, "");
    desk.next(4, "ACK");
    let new = desk.next(5, "INVITE sip:c@192.0.2.5");
    desk.answers(5, &new, 486, "");
    desk.next(5, "ACK");
    let other = desk.next(5, "INVITE sip:c@192.0.2.5:5060");
    desk.answers(5, &other, 486, "");
    desk.next(5, "ACK");
    desk.next(2, "SIP/2.0 486");
    desk.silent();
    // What is ours again is for the caller to follow.
    let mut desk = Desk::new(recurse, vec![target(3, 500)]);
    desk.trusted = true;
    begun(&mut desk);
    let passed = desk.next(3, "INVITE");
    desk.answers(3, &passed, 302, "Contact: <sip:carol@home.example>\n");
    desk.next(3, "ACK");
    desk.next(2, "SIP/2.0 302");
    desk.silent();
}

#[test]
fn rfc3261_16_10_a_cancel_ends_all_branches_and_starts_no_other() {
    let mut desk = Desk::to(&[(3, 500), (4, 500), (5, 100)]);
    begun(&mut desk);
    let passed = forked(&mut desk, &[3, 4]);
    desk.answers(3, &passed[0], 180, "");
    desk.answers(4, &passed[1], 180, "");
    desk.sent.clear();
    desk.hears(2, &request("CANCEL", "sip:b@home.example", "1", ""));
    desk.next(2, "SIP/2.0 200");
    desk.next(3, "CANCEL");
    desk.next(4, "CANCEL");
    desk.answers(3, &passed[0], 487, "");
    desk.next(3, "ACK");
    desk.answers(4, &passed[1], 487, "");
    desk.next(4, "ACK");
    desk.next(2, "SIP/2.0 487");
    desk.silent();
    desk.hears(2, &request("ACK", "sip:b@home.example", "1", ""));
    desk.sent.clear();
    desk.empty();
}

#[test]
fn rfc5393_5_3_3_more_branches_than_max_breadth_are_a_440() {
    let mut desk = Desk::to(&[(3, 500), (4, 500)]);
    desk.hears(2, &request("INVITE", "sip:b@home.example", "1", "Max-Breadth: 1\n"));
    desk.next(2, "SIP/2.0 100");
    desk.next(2, "SIP/2.0 440");
    desk.silent();
    // One after the other is no breadth.
    let mut desk = Desk::to(&[(3, 500), (4, 100)]);
    desk.hears(2, &request("INVITE", "sip:b@home.example", "1", "Max-Breadth: 1\n"));
    desk.next(2, "SIP/2.0 100");
    assert_eq!(desk.next(3, "INVITE").value(HeaderId::MaxBreadth), "1");
}

#[test]
fn rfc5630_5_3_no_answer_leads_from_one_scheme_to_the_other() {
    for (asked, other) in [("sips", "sip"), ("sip", "sips")] {
        let warning = |code: u16| format!("Warning: {code} h \"SIPS\"\n");
        for (code, lines) in [
            (302, format!("Contact: <{other}:c@192.0.2.4>\n")),
            (302, format!("Contact: <{asked}:c@192.0.2.5>, <{other}:c@192.0.2.4>\n")),
            (416, String::new()),
            (480, warning(380)),
            (480, warning(381)),
        ] {
            let device = Target::new(format!("{asked}:b@192.0.2.3").parse().unwrap());
            let device = Target { hop: Hop::Path(path(Transport::Tls, 3)), ..device };
            let mut desk = Desk::new(ProxyConfig { recurse: true, ..ProxyConfig::default() }, vec![device]);
            desk.trusted = true;
            desk.hears(2, &request("INVITE", &format!("{asked}:b@home.example"), "1", ""));
            desk.next(2, "SIP/2.0 100");
            let passed = desk.next(3, &format!("INVITE {asked}:"));
            desk.answers(3, &passed, code, &lines);
            desk.next(3, "ACK");
            desk.next(2, &format!("SIP/2.0 {code}"));
            desk.silent();
        }
    }
}

#[test]
fn rfc3261_16_7_4_redirections_are_followed_for_those_who_may_go_anywhere() {
    let moved = "Contact: <sip:c@192.0.2.5>;q=0.2, <sip:c@192.0.2.4>\n";
    for (recurse, trusted) in [(true, true), (true, false), (false, true)] {
        let mut desk = Desk::new(ProxyConfig { recurse, ..ProxyConfig::default() }, vec![target(3, 1_000)]);
        desk.trusted = trusted;
        begun(&mut desk);
        let passed = desk.next(3, "INVITE");
        desk.answers(3, &passed, 302, moved);
        desk.next(3, "ACK");
        if !(recurse && trusted) {
            assert_eq!(desk.next(2, "SIP/2.0 302").headers.count(HeaderId::Contact), 1);
            continue;
        }
        let best = desk.next(4, "INVITE sip:c@192.0.2.4");
        // One that leads back to where we have been is not followed.
        desk.answers(4, &best, 302, "Contact: <sip:c@192.0.2.5>\n");
        desk.next(4, "ACK");
        let last = desk.next(5, "INVITE sip:c@192.0.2.5");
        desk.answers(5, &last, 404, "");
        desk.next(5, "ACK");
        desk.next(2, "SIP/2.0 302");
        desk.silent();
    }
}

#[test]
fn who_is_in_a_call_can_hang_up_however_many_call() {
    let mut desk = Desk::new(ProxyConfig { max_forks: 1, ..ProxyConfig::default() }, vec![target(3, 1_000)]);
    begun(&mut desk);
    let passed = desk.next(3, "INVITE");
    desk.answers(3, &passed, 200, "");
    desk.next(2, "SIP/2.0 200");
    // Another call takes the only place.
    desk.hears(2, &request("INVITE", "sip:b@home.example", "2", "").replace("Call-ID: c", "Call-ID: d"));
    desk.next(2, "SIP/2.0 100");
    desk.next(3, "INVITE");
    let route = format!("Route: {}\n", passed.value(HeaderId::RecordRoute));
    desk.hears(2, &request("BYE", "sip:b@192.0.2.3", "3", &route));
    let bye = desk.next(3, "BYE");
    desk.answers(3, &bye, 200, "");
    desk.next(2, "SIP/2.0 200");
    // What is within no dialog finds no place.
    desk.hears(2, &request("MESSAGE", "sip:b@home.example", "4", ""));
    desk.next(2, "SIP/2.0 503");
}

#[test]
fn copies_that_are_under_way_count_as_kept() {
    let mut desk = Desk::to(&[(3, 500), (4, 500), (5, 500)]);
    begun(&mut desk);
    let passed = forked(&mut desk, &[3, 4, 5]);
    let copies: usize = passed.iter().map(|sent| sent.text.len()).sum();
    let all = desk.stack.usage().kept_octets;
    assert!(all > copies, "{all} of {copies}");
    // A refusal needs its ACK from now on, and no copy.
    desk.answers(3, &passed[0], 486, "");
    desk.next(3, "ACK");
    assert_eq!(desk.stack.usage().kept_octets, all - passed[0].text.len());
    desk.answers(4, &passed[1], 180, "");
    desk.next(2, "SIP/2.0 180");
    desk.answers(4, &passed[1], 200, "");
    desk.next(2, "SIP/2.0 200");
    desk.empty();
}

#[test]
fn what_one_request_may_start_is_bounded() {
    let config = ProxyConfig { max_targets: 2, max_forks: 1, ..ProxyConfig::default() };
    let mut desk = Desk::new(config, vec![target(3, 500), target(4, 500), target(5, 500)]);
    begun(&mut desk);
    forked(&mut desk, &[3, 4]);
    desk.silent();
    desk.hears(2, &request("INVITE", "sip:b@home.example", "2", "").replace("Call-ID: c", "Call-ID: d"));
    desk.sent.retain(|sent| !sent.start().starts_with("SIP/2.0 100"));
    desk.next(2, "SIP/2.0 503");
    desk.silent();
    let mut desk = Desk::to(&[]);
    desk.hears(2, &invite());
    desk.sent.retain(|sent| !sent.start().starts_with("SIP/2.0 100"));
    desk.next(2, "SIP/2.0 480");
}

#[test]
fn rfc3326_2_who_rings_in_vain_is_told_that_another_has_answered() {
    let mut desk = Desk::to(&[(3, 500), (4, 500)]);
    begun(&mut desk);
    let passed = forked(&mut desk, &[3, 4]);
    desk.answers(4, &passed[1], 180, "");
    desk.next(2, "SIP/2.0 180");
    desk.answers(3, &passed[0], 200, "");
    desk.next(2, "SIP/2.0 200");
    let cancel = desk.next(4, "CANCEL");
    assert_eq!(cancel.value(HeaderId::Reason), "SIP;cause=200;text=\"Call completed elsewhere\"");
}

#[test]
fn rfc7989_7_a_refusal_that_speaks_for_several_names_none_of_them() {
    let [alice, bob, carol] = ["a", "b", "c"].map(|digit| digit.repeat(32));
    let line = |local: &str| format!("Session-ID: {local};remote={alice}\n");
    let invite = request("INVITE", "sip:b@home.example", "1", &format!("Session-ID: {alice};remote={NIL}\n"));
    let hears = |desk: &mut Desk, code: u16| desk.next(2, &format!("SIP/2.0 {code}")).all(HeaderId::SessionId);
    // Of the two a 600 is the best: what it says of who has answered goes, and where it says nothing, nothing is said.
    for (carols, expected) in [(line(&carol), vec![format!("{NIL};remote={alice}")]), (String::new(), vec![])] {
        let mut desk = Desk::to(&[(3, 500), (4, 500)]);
        desk.hears(2, &invite);
        desk.next(2, "SIP/2.0 100");
        let passed = forked(&mut desk, &[3, 4]);
        assert_eq!(passed[1].value(HeaderId::SessionId), format!("{alice};remote={NIL}"));
        desk.answers(3, &passed[0], 486, &line(&bob));
        desk.next(3, "ACK");
        desk.answers(4, &passed[1], 600, &carols);
        desk.next(4, "ACK");
        assert_eq!(hears(&mut desk, 600), expected);
    }
    // The control: of one alone it is his.
    let mut desk = Desk::to(&[(3, 500)]);
    desk.hears(2, &invite);
    desk.next(2, "SIP/2.0 100");
    let passed = forked(&mut desk, &[3]);
    desk.answers(3, &passed[0], 486, &line(&bob));
    desk.next(3, "ACK");
    assert_eq!(hears(&mut desk, 486), [format!("{bob};remote={alice}")]);
}
