//! Where a request has been (RFC 7044).

use super::*;

/// An INVITE of somebody who wants to be told.
fn asking(lines: &str) -> String {
    request("INVITE", "sip:b@home.example", "1", &format!("Supported: histinfo\n{lines}"))
}

/// What a caller outside the trust domain is told of these: not where we have found anybody.
fn outside(entries: &[&str]) -> Vec<String> {
    let hidden = |entry: &&str| {
        let found = ["sip:b@192.0.2.3", "sip:b@192.0.2.4"].into_iter().find(|uri| entry.contains(uri));
        found.map_or_else(|| (*entry).to_owned(), |uri| entry.replace(uri, "sip:anonymous@anonymous.invalid"))
    };
    entries.iter().map(hidden).collect()
}

fn begun(desk: &mut Desk, invite: &str) {
    desk.hears(2, invite);
    desk.next(2, "SIP/2.0 100");
}

impl Sent {
    fn history(&self) -> Vec<String> {
        self.all(HeaderId::HistoryInfo)
    }
}

#[test]
fn rfc7044_7_each_copy_tells_where_the_request_has_been_and_so_do_the_responses() {
    let mut desk = Desk::to(&[(3, 500), (4, 100)]);
    begun(&mut desk, &asking(""));
    let first = desk.next(3, "INVITE");
    let came = "<sip:b@home.example>;index=1";
    let rings = "<sip:b@192.0.2.3>;index=1.1;rc=1";
    assert_eq!(first.history(), [came, rings]);
    desk.answers(3, &first, 180, &format!("History-Info: {came}, {rings}\n"));
    assert_eq!(desk.next(2, "SIP/2.0 180").history(), outside(&[came, rings]));
    let lines =
        format!("Reason: Q.850;cause=17\nHistory-Info: {came}, {rings}, <sip:desk@10.0.0.1>;index=1.1.1;np=1.1\n");
    desk.answers(3, &first, 486, &lines);
    desk.next(3, "ACK");
    let second = desk.next(4, "INVITE");
    let busy = "<sip:b@192.0.2.3?Reason=SIP%3Bcause%3D486&Reason=Q.850%3Bcause%3D17>;index=1.1;rc=1";
    let deeper = "<sip:desk@10.0.0.1>;index=1.1.1;np=1.1";
    let all = [came, busy, deeper, "<sip:b@192.0.2.4>;index=1.2;rc=1"];
    assert_eq!(second.history(), all);
    // What it says of itself is known already; it may as well say nothing.
    desk.answers(4, &second, 200, "");
    assert_eq!(desk.next(2, "SIP/2.0 200").history(), outside(&all));
    desk.empty();
}

#[test]
fn rfc7044_10_1_1_where_devices_are_is_told_to_callers_within_the_trust_domain_alone() {
    let nobody = "sip:anonymous@anonymous.invalid";
    for (vouched, uri, privacy) in [
        (Vouched::Peer, "sip:b@192.0.2.3", Some("Privacy=history")),
        (Vouched::Us("<sip:a@home.example>".into()), nobody, None),
        (Vouched::Nobody, nobody, None),
    ] {
        let mut desk = Desk::to(&[(3, 500)]);
        desk.vouched = vouched;
        begun(&mut desk, &asking(""));
        let passed = desk.next(3, "INVITE");
        let came = "<sip:b@home.example>;index=1";
        assert_eq!(passed.history(), [came, "<sip:b@192.0.2.3>;index=1.1;rc=1"], "devices learn of each other");
        for code in [180, 486] {
            desk.answers(3, &passed, code, "");
            desk.sent.retain(|sent| sent.start().starts_with("SIP/2.0"));
            let back = desk.next(2, "SIP/2.0");
            let headers: Vec<&str> =
                [(code == 486).then_some("Reason=SIP%3Bcause%3D486"), privacy].into_iter().flatten().collect();
            let question = if headers.is_empty() { "" } else { "?" };
            let expected = format!("<{uri}{question}{}>;index=1.1;rc=1", headers.join("&"));
            assert_eq!(back.history(), [came.to_owned(), expected]);
        }
    }
}

#[test]
fn rfc7044_10_3_forks_have_an_index_each_and_their_refusals_go_back_together() {
    let mut desk = Desk::to(&[(3, 500), (4, 500)]);
    begun(&mut desk, &asking(""));
    let passed = [3, 4].map(|host| desk.next(host, "INVITE"));
    let came = "<sip:b@home.example>;index=1";
    assert_eq!(passed[0].history(), [came, "<sip:b@192.0.2.3>;index=1.1;rc=1"]);
    assert_eq!(passed[1].history(), [came, "<sip:b@192.0.2.4>;index=1.2;rc=1"]);
    desk.answers(4, &passed[1], 486, "");
    desk.next(4, "ACK");
    desk.answers(3, &passed[0], 480, "");
    desk.next(3, "ACK");
    let told = [
        came,
        "<sip:b@192.0.2.3?Reason=SIP%3Bcause%3D480>;index=1.1;rc=1",
        "<sip:b@192.0.2.4?Reason=SIP%3Bcause%3D486>;index=1.2;rc=1",
    ];
    assert_eq!(desk.next(2, "SIP/2.0 486").history(), outside(&told));
    desk.silent();
}

#[test]
fn rfc7044_10_2_what_was_not_answered_and_what_could_not_be_sent_is_told_with_its_reason() {
    let config = ProxyConfig { forking: Forking::Serial, ..ProxyConfig::default() };
    let mut desk = Desk::new(config, vec![target(3, 500), target(4, 400), target(5, 300)]);
    begun(&mut desk, &asking(""));
    let first = desk.next(3, "INVITE");
    desk.unsent(&first);
    let second = desk.next(4, "INVITE");
    let unsent = "<sip:b@192.0.2.3?Reason=SIP%3Bcause%3D503>;index=1.1;rc=1";
    assert_eq!(second.history()[1], unsent);
    // Nothing comes back: timer B.
    desk.sent.clear();
    desk.passes(Duration::from_secs(33));
    desk.sent.retain(|sent| sent.to.starts_with("192.0.2.5:"));
    let third = desk.next(5, "INVITE");
    let late = "<sip:b@192.0.2.4?Reason=SIP%3Bcause%3D408>;index=1.2;rc=1";
    // Its turn was over before that, and the last was called while it was still waited for.
    let told = third.history();
    assert_eq!((told.len(), &*told[1]), (3, unsent), "{told:?}");
    desk.sent.clear();
    desk.answers(5, &third, 486, "");
    desk.passes(Duration::from_secs(33));
    desk.sent.retain(|sent| sent.start().starts_with("SIP/2.0 486"));
    let refused = desk.next(2, "SIP/2.0 486").history();
    assert_eq!(refused.len(), 4, "{refused:?}");
    assert_eq!(refused[1..3], outside(&[unsent, late]), "{refused:?}");
}

#[test]
fn rfc7044_10_4_a_followed_redirection_is_told_as_its_contact_says() {
    let config = ProxyConfig { recurse: true, ..ProxyConfig::default() };
    let mut desk = Desk::new(config, vec![target(3, 1_000)]);
    desk.trusted = true;
    begun(&mut desk, &asking(""));
    let passed = desk.next(3, "INVITE");
    desk.answers(3, &passed, 302, "Contact: <sip:c@192.0.2.4>;mp=1.1, <sip:d@192.0.2.5>;q=0.5\n");
    desk.next(3, "ACK");
    let moved = "<sip:b@192.0.2.3?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1";
    let next = desk.next(4, "INVITE");
    let other = "<sip:c@192.0.2.4>;index=1.2;mp=1.1";
    assert_eq!(next.history(), ["<sip:b@home.example>;index=1", moved, other]);
    desk.answers(4, &next, 404, "");
    desk.next(4, "ACK");
    assert_eq!(desk.next(5, "INVITE").history()[3], "<sip:d@192.0.2.5>;index=1.3", "it does not say");
}

#[test]
fn rfc7044_10_4_what_only_passes_through_keeps_its_target() {
    let mut desk = Desk::to(&[]);
    let lines = "History-Info: <sip:c@far.example>;index=1, <sip:b@192.0.2.3>;index=1.1;mp=1\n";
    begun(&mut desk, &request("INVITE", "sip:b@192.0.2.3", "1", lines));
    let passed = desk.next(3, "INVITE sip:b@192.0.2.3");
    let came = ["<sip:c@far.example>;index=1", "<sip:b@192.0.2.3>;index=1.1;mp=1"];
    assert_eq!(passed.history(), [&came[..], &["<sip:b@192.0.2.3>;index=1.1.1;np=1.1"]].concat());
}

#[test]
fn rfc7044_9_4_a_caller_who_has_not_asked_is_told_nothing() {
    for history in [false, true] {
        let config = ProxyConfig { history, ..ProxyConfig::default() };
        let mut desk = Desk::new(config, vec![target(3, 1_000)]);
        begun(&mut desk, &invite());
        let passed = desk.next(3, "INVITE");
        let told = ["<sip:b@home.example>;index=1", "<sip:b@192.0.2.3>;index=1.1;rc=1"];
        assert_eq!(passed.history(), &told[..if history { 2 } else { 0 }]);
        if history {
            desk.answers(3, &passed, 180, &format!("History-Info: {}\n", told.join(", ")));
            assert!(desk.next(2, "SIP/2.0 180").history().is_empty());
        }
        desk.answers(3, &passed, 486, "");
        desk.next(3, "ACK");
        assert!(desk.next(2, "SIP/2.0 486").history().is_empty());
    }
}

#[test]
fn rfc7044_9_4_our_own_refusals_tell_it_as_well() {
    let mut desk = Desk::to(&[]);
    desk.hears(2, &asking(""));
    desk.sent.retain(|sent| !sent.start().starts_with("SIP/2.0 100"));
    assert_eq!(desk.next(2, "SIP/2.0 480").history(), ["<sip:b@home.example>;index=1"]);
    let mut desk = Desk::to(&[(3, 1_000)]);
    begun(&mut desk, &asking(""));
    let passed = desk.next(3, "INVITE");
    desk.unsent(&passed);
    let unsent = "<sip:b@192.0.2.3?Reason=SIP%3Bcause%3D503>;index=1.1;rc=1";
    assert_eq!(desk.next(2, "SIP/2.0 500").history(), outside(&["<sip:b@home.example>;index=1", unsent]));
}

#[test]
fn rfc7044_10_1_2_what_is_to_be_hidden_leaves_the_trust_domain_hidden() {
    let lines = "Privacy: id;history\nHistory-Info: <sip:c@far.example>;index=1, <sip:b@home.example>;index=1.1;mp=1\n";
    for trusted in [true, false] {
        let device = Target { trusted, ..target(3, 1_000) };
        let mut desk = Desk::new(ProxyConfig::default(), vec![device]);
        begun(&mut desk, &request("INVITE", "sip:b@home.example", "1", lines));
        let passed = desk.next(3, "INVITE");
        let (own, target) = match trusted {
            true => ("sip:b@home.example", "sip:b@192.0.2.3"),
            false => ("sip:anonymous@anonymous.invalid", "sip:anonymous@anonymous.invalid"),
        };
        let (own, target) = (format!("<{own}>;index=1.1;mp=1"), format!("<{target}>;index=1.1.1;rc=1.1"));
        // What is of another domain is for that to hide.
        assert_eq!(passed.history(), ["<sip:c@far.example>;index=1", &*own, &*target]);
        assert_eq!(passed.all(HeaderId::Privacy), [if trusted { "id;history" } else { "id" }]);
        // Its caller is not trusted.
        desk.answers(3, &passed, 180, "Privacy: history\n");
        let back = desk.next(2, "SIP/2.0 180");
        assert!(back.all(HeaderId::Privacy).is_empty(), "nothing is left of it");
        assert!(!back.text.contains("192.0.2.3>;index"), "{}", back.text);
        // What one answer has hidden the next does not tell.
        desk.answers(3, &passed, 200, "");
        let back = desk.next(2, "SIP/2.0 200");
        assert!(back.history()[2].starts_with("<sip:anonymous@"), "{}", back.text);
    }
}

#[test]
fn rfc7044_6_1_what_is_said_within_a_dialog_goes_through_as_it_came() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    begun(&mut desk, &asking(""));
    let passed = desk.next(3, "INVITE");
    desk.answers(3, &passed, 200, "");
    assert_eq!(desk.next(2, "SIP/2.0 200").history().len(), 2);
    // A repeat goes through by itself, to whoever it may be: it tells nothing.
    desk.answers(3, &passed, 200, "History-Info: <sip:b@192.0.2.3>;index=1.1\n");
    assert!(desk.next(2, "SIP/2.0 200").history().is_empty());
    let lines = format!(
        "Route: {}\nHistory-Info: <sip:x@y>;index=7\nSupported: histinfo\n",
        passed.value(HeaderId::RecordRoute)
    );
    desk.hears(2, &request("BYE", "sip:b@192.0.2.3", "3", &lines).replace("CSeq: 1", "CSeq: 2"));
    assert_eq!(desk.next(3, "BYE").history(), ["<sip:x@y>;index=7"]);
}

#[test]
fn what_is_added_to_the_history_is_bounded() {
    for (entries, added) in [(2, true), (1, false)] {
        let max_history = Most { entries, ..Most::default() };
        let config = ProxyConfig { max_history, ..ProxyConfig::default() };
        let mut desk = Desk::new(config, vec![target(3, 500), target(4, 100)]);
        begun(&mut desk, &asking(""));
        let first = desk.next(3, "INVITE");
        assert_eq!(first.history().len(), 1 + usize::from(added));
        desk.answers(3, &first, 486, "History-Info: <sip:x@y>;index=1.1.1\n");
        desk.next(3, "ACK");
        // With no room left the next copy tells what is there.
        let second = desk.next(4, "INVITE");
        assert_eq!(second.history().len(), 1 + usize::from(added), "{:?}", second.history());
        assert!(!second.text.contains("sip:x@y"));
    }
}
