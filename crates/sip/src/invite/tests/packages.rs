//! Packages of INFO (RFC 6086): Recv-Info of both sides, and INFOs of either.

use super::network::*;
use super::{called_with, calls_with, rings_with};
use crate::config::Config;
use crate::id::{DialogId, SessionId};
use crate::invite::SessionEvent;
use crate::message::{Lines, Method};
use crate::stack::StackError;

/// A stack that takes these packages.
fn takes(names: &[&str]) -> impl FnOnce(&mut Config) + use<> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    move |config| config.info_packages = Some(names)
}

/// A peer calls a stack that takes `weather`, with these lines in its INVITE, and is answered: our 200.
fn called(net: &mut Network, more: &str) -> (usize, usize, SessionId, RawDialog, String) {
    let (a, r) = (net.stack(takes(&["weather"])), net.raw());
    let (s, ok, peer) = called_with(net, a, r, more);
    (a, r, s, peer, ok)
}

/// One that says so in provisional responses that are reliable.
fn reliable(net: &mut Network, names: &[&str]) -> (usize, usize) {
    let change = |config: &mut Config| {
        takes(names)(config);
        config.supported = vec!["100rel".to_owned()];
    };
    (net.stack(change), net.raw())
}

/// The peer acknowledges such a response, and the stack answers: our 200.
fn answered(net: &mut Network, (a, r, s): (usize, usize, SessionId), peer: &mut RawDialog, progress: &str) -> String {
    peer.learn(progress);
    let prack = peer.request("PRACK", &format!("RAck: {} 1 INVITE\r\n", header(progress, "RSeq")), "");
    net.say(r, a, &prack);
    net.settle();
    net.turn(a, |turn| turn.answer(s, reply(200, None))).unwrap();
    net.settle();
    let inbox = net.inbox(r);
    inbox.into_iter().find(|text| kind(text) == "200 INVITE").unwrap()
}

/// The stack calls; the peer answers with these lines.
fn calls(net: &mut Network, names: &[&str], more: &str) -> (usize, usize, SessionId, String) {
    let (a, r) = (net.stack(takes(names)), net.raw());
    let (s, invite, _) = calls_with(net, a, r, more);
    (a, r, s, invite)
}

#[test]
fn rfc6086_5_2_3_the_first_invite_says_what_is_taken_were_it_nothing() {
    for (names, expected) in [(&["weather", "g.scheduling"][..], "weather, g.scheduling"), (&[], "")] {
        let (.., invite) = calls(&mut Network::new(), names, "");
        assert_eq!(headers(&invite, "Recv-Info"), [expected]);
    }
    let mut net = Network::new();
    let (.., invite) = super::calling(&mut net);
    assert!(headers(&invite, "Recv-Info").is_empty(), "who knows nothing of packages says nothing of them");
}

#[test]
fn rfc6086_5_2_3_who_says_what_it_takes_is_told_the_same_and_nobody_else() {
    for (more, expected) in
        [("Recv-Info: other\r\n", vec!["weather"]), ("Recv-Info:\r\n", vec!["weather"]), ("", vec![])]
    {
        let (.., ok) = called(&mut Network::new(), more);
        assert_eq!(headers(&ok, "Recv-Info"), expected, "{more}");
    }
    let mut net = Network::new();
    let (a, r, _, mut peer, _) = called(&mut net, "Recv-Info: other\r\n");
    for (method, more, expected) in [("UPDATE", "Recv-Info: third\r\n", vec!["weather"]), ("UPDATE", "", vec![])] {
        let update = peer.request(method, more, "");
        net.say(r, a, &update);
        net.settle();
        let tx = asked(&mut net, a);
        net.turn(a, |turn| turn.respond(tx, reply(200, None))).unwrap();
        net.settle();
        let ok = net.one(r);
        assert_eq!((kind(&ok), headers(&ok, "Recv-Info")), (format!("200 {method}"), expected));
    }
}

#[test]
fn rfc6086_5_2_3_a_reliable_provisional_response_says_it_as_the_200_does() {
    let mut net = Network::new();
    let (a, r) = reliable(&mut net, &["weather"]);
    let (tx, mut peer, _) = rings_with(&mut net, a, r, "Supported: 100rel\r\nRecv-Info: other\r\n");
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(183, sdp(ANSWER)).reliable())).unwrap();
    net.settle();
    let progress = net.one(r);
    assert_eq!((kind(&progress), headers(&progress, "Recv-Info")), ("183 INVITE".to_owned(), vec!["weather"]));
    // In an early dialog, too, it may be sent what it takes.
    assert!(net.turn(a, |turn| turn.takes_info(s, "other")));
    let ok = answered(&mut net, (a, r, s), &mut peer, &progress);
    assert_eq!(headers(&ok, "Recv-Info"), ["weather"]);
}

#[test]
fn rfc6086_4_2_2_info_of_a_package_that_is_taken_is_handed_on_and_of_another_469() {
    let mut net = Network::new();
    let (a, r, _, mut peer, _) = called(&mut net, "Recv-Info:\r\n");
    for taken in ["weather", "WEATHER", "weather;when=now"] {
        let info = peer.request("INFO", &format!("Info-Package: {taken}\r\n"), "");
        net.say(r, a, &info);
        net.settle();
        assert_eq!(net.news(a), ["Request"], "{taken}");
        assert!(net.inbox(r).is_empty(), "the application answers");
    }
    for other in ["weather2", "", "news;package=weather"] {
        let info = peer.request("INFO", &format!("Info-Package: {other}\r\n"), "");
        net.say(r, a, &info);
        net.settle();
        let answer = net.one(r);
        assert_eq!((kind(&answer), header(&answer, "Recv-Info")), ("469 INFO".to_owned(), "weather"), "{other}");
    }
    assert!(net.news(a).is_empty(), "the call stays");
}

#[test]
fn rfc6086_5_2_2_nothing_is_sent_of_a_package_that_the_peer_has_not_said_to_take() {
    let send = |net: &mut Network, a: usize, s, package: &str| {
        net.turn(a, |turn| turn.info(s, package, Lines::default(), sdp(OFFER)))
    };
    for (more, may) in [
        ("", false),
        ("Recv-Info:\r\n", false),
        ("Recv-Info: other, third\r\n", false),
        ("Recv-Info: weather\r\n", true),
        ("Recv-Info: other;x=1, Weather;q=2\r\n", true),
        ("Recv-Info: other\r\nRecv-Info: weather\r\n", true),
    ] {
        let mut net = Network::new();
        let (a, r, s, _) = calls(&mut net, &[], more);
        let sent = send(&mut net, a, s, "weather");
        net.settle();
        if !may {
            assert!(matches!(sent, Err(StackError::State(_))), "{more}");
            assert!(net.inbox(r).is_empty());
            continue;
        }
        assert!(sent.is_ok(), "{more}");
        let info = net.one(r);
        assert_eq!((kind(&info), header(&info, "Info-Package"), body(&info)), ("INFO".to_owned(), "weather", OFFER));
        assert!(headers(&info, "Recv-Info").is_empty(), "section 4.2.1");
    }
    let mut net = Network::new();
    let (a, _, s, _) = calls(&mut net, &[], "Recv-Info: weather\r\n");
    assert!(send(&mut net, a, s, "weather;a\r\nX: 1").is_err(), "a name that breaks its line");
    let mut net = Network::new();
    let (a, _, s, _) = calls(&mut net, &[], "Recv-Info:\r\n");
    assert!(send(&mut net, a, s, "").is_err(), "no name");
}

#[test]
fn rfc6086_5_2_4_what_the_peer_takes_changes_with_an_offer_that_is_taken_and_not_with_one_that_is_refused() {
    let mut net = Network::new();
    let (a, r, s, mut peer, _) = called(&mut net, "Recv-Info: first\r\n");
    let taken = |net: &mut Network| ["first", "second"].map(|one| net.turn(a, |turn| turn.takes_info(s, one)));
    assert_eq!(taken(&mut net), [true, false]);
    for (code, expected) in [(488, [true, false]), (200, [false, true])] {
        let invite = peer.request("INVITE", "Recv-Info: second\r\n", OFFER);
        net.say(r, a, &invite);
        net.settle();
        let answer = if code < 300 { sdp(ANSWER) } else { None };
        net.turn(a, |turn| turn.answer_reinvite(s, reply(code, answer))).unwrap();
        net.settle();
        assert!(kinds(&net.inbox(r)).contains(&format!("{code} INVITE")));
        let ack = match code {
            200 => peer.numbered("ACK", peer.cseq, "", ""),
            _ => invite.replace("INVITE", "ACK"),
        };
        net.say(r, a, &ack);
        net.settle();
        assert_eq!(taken(&mut net), expected, "{code}");
    }
    // Nothing said is nothing changed; nothing taken any more is said so.
    for (more, expected) in [("", [false, true]), ("Recv-Info:\r\n", [false, false])] {
        let update = peer.request("UPDATE", more, "");
        net.say(r, a, &update);
        net.settle();
        let tx = asked(&mut net, a);
        net.turn(a, |turn| turn.respond(tx, reply(200, None))).unwrap();
        assert_eq!(taken(&mut net), expected, "{more}");
    }
}

/// An INVITE of ours that two peers ring for, each with a Recv-Info of its own: their dialogs, and the peers.
fn rings_twice(net: &mut Network) -> (usize, usize, SessionId, String, [DialogId; 2], [RawDialog; 2]) {
    let (a, r) = (net.stack(takes(&["weather"])), net.raw());
    let s = net.turn(a, |turn| turn.invite(invitation(a, r, sdp(OFFER)))).unwrap();
    net.settle();
    let invite = net.one(r);
    for name in ["one", "two"] {
        let more = format!("Contact: <sip:{name}@10.0.0.2>\r\nRecv-Info: {name}\r\n");
        net.say(r, a, &respond(&invite, 183, name, &more, ""));
    }
    net.settle();
    let forks = net.events(a).into_iter().filter_map(|event| match event {
        crate::Event::Session(_, SessionEvent::Progress { fork, .. }) => fork,
        _ => None,
    });
    let forks: Vec<DialogId> = forks.collect();
    let peers = ["one", "two"].map(|name| RawDialog::called(r, &invite, name));
    (a, r, s, invite, [forks[0], forks[1]], peers)
}

/// What of `one`, `two` and `three` each of the forks takes.
fn taken_by(net: &mut Network, a: usize, s: SessionId, forks: [DialogId; 2]) -> [[bool; 3]; 2] {
    forks.map(|fork| ["one", "two", "three"].map(|name| net.turn(a, |turn| turn.fork_takes_info(s, fork, name))))
}

#[test]
fn rfc6086_4_2_1_each_fork_takes_what_it_has_said_and_the_one_that_answers_alone_counts() {
    let mut net = Network::new();
    let (a, r, s, invite, forks, mut peers) = rings_twice(&mut net);
    assert_eq!(taken_by(&mut net, a, s, forks), [[true, false, false], [false, true, false]]);
    // Without a fork it is the first.
    assert_eq!(["one", "two"].map(|name| net.turn(a, |turn| turn.takes_info(s, name))), [true, false]);
    let info = |net: &mut Network, fork: usize, name: &str| {
        let sent = net.turn(a, |turn| turn.info_in_fork(s, forks[fork], name, Lines::default(), sdp(OFFER)));
        net.settle();
        sent.map(|_| net.one(r))
    };
    for (fork, name, other) in [(0, "one", "two"), (1, "two", "one")] {
        let sent = info(&mut net, fork, name).unwrap();
        assert_eq!(
            (kind(&sent).as_str(), tag(header(&sent, "To")), header(&sent, "Info-Package")),
            ("INFO", name, name)
        );
        net.say(r, a, &respond(&sent, 200, "", "", ""));
        net.settle();
        assert!(matches!(info(&mut net, fork, other), Err(StackError::State(_))), "{name}");
    }
    net.events(a);
    // The second says something else, which is none of the first's.
    let update = peers[1].request("UPDATE", "Recv-Info: three\r\n", "");
    net.say(r, a, &update);
    net.settle();
    let tx = asked(&mut net, a);
    net.turn(a, |turn| turn.respond(tx, reply(200, None))).unwrap();
    net.settle();
    assert_eq!(kind(&net.one(r)), "200 UPDATE");
    assert_eq!(taken_by(&mut net, a, s, forks), [[true, false, false], [false, false, true]]);
    // It answers, and says nothing of it: all stays as it was, and the first is no more.
    net.say(r, a, &respond(&invite, 200, "two", "Contact: <sip:two@10.0.0.2>\r\n", ANSWER));
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["ACK"]);
    let taken = ["one", "two", "three"].map(|name| net.turn(a, |turn| turn.takes_info(s, name)));
    assert_eq!(taken, [false, false, true]);
}

/// The application answers each where it came from; what we do not take is refused to each.
#[test]
fn rfc6086_4_2_1_infos_come_in_several_early_dialogs() {
    let mut net = Network::new();
    let (a, r, _, _, _, mut peers) = rings_twice(&mut net);
    for round in 0..2 {
        for (peer, name) in peers.iter_mut().zip(["one", "two"]) {
            // Each numbers its transactions by itself.
            let named = |text: &str| text.replace("z9hG4bK", &format!("z9hG4bK{name}"));
            let info = peer.request("INFO", "Info-Package: weather\r\n", "");
            net.say(r, a, &named(&info));
            net.settle();
            let (tx, from) = pick(&net.events(a), |_, event| match event {
                SessionEvent::Request { tx, request } => {
                    Some((*tx, request.headers().from_tag().unwrap_or_default().to_owned()))
                }
                _ => None,
            });
            assert_eq!(from, name, "{round}");
            net.turn(a, |turn| turn.respond(tx, reply(200, None))).unwrap();
            net.settle();
            let ok = net.one(r);
            assert_eq!((kind(&ok).as_str(), tag(header(&ok, "From"))), ("200 INFO", name), "{round}");
            let info = peer.request("INFO", "Info-Package: other\r\n", "");
            net.say(r, a, &named(&info));
            net.settle();
            assert_eq!((kind(&net.one(r)), net.news(a)), ("469 INFO".to_owned(), vec![]), "{round}");
        }
    }
}

#[test]
fn a_peer_may_take_as_many_packages_as_the_limit_says() {
    let names: Vec<String> = (1..=33).map(|number| format!("package{number}")).collect();
    let long = "x".repeat(65);
    let mut net = Network::new();
    let (a, _, s, _) = calls(&mut net, &[], &format!("Recv-Info: {long}, {}\r\n", names.join(", ")));
    let mut taken = |name: &str| net.turn(a, |turn| turn.takes_info(s, name));
    assert!(taken("package1") && taken("package32"), "at the limit");
    assert!(!taken("package33"), "one past it");
    assert!(!taken(&long));
}

#[test]
fn an_application_may_send_what_it_likes_without_a_package() {
    let mut net = Network::new();
    let (a, r, s, _) = calls(&mut net, &["weather"], "");
    net.turn(a, |turn| turn.in_dialog(s, Method::Info, Lines::default(), None)).unwrap();
    net.settle();
    assert!(headers(&net.one(r), "Info-Package").is_empty());
}

#[test]
fn rfc6086_5_2_3_a_session_that_takes_packages_of_its_own_says_those() {
    let mut net = Network::new();
    let (a, r) = (net.stack(takes(&[])), net.raw());
    let (tx, mut peer, _) = rings_with(&mut net, a, r, "Recv-Info: other, third\r\n");
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    assert_eq!(net.turn(a, |turn| turn.info_packages(s).map(str::to_owned)).as_deref(), Some("other,third"));
    net.turn(a, |turn| turn.take_info(s, "one,two")).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(200, sdp(ANSWER)))).unwrap();
    net.settle();
    let ok = net.one(r);
    assert_eq!(headers(&ok, "Recv-Info"), ["one, two"]);
    peer.learn(&ok);
    let ack = peer.numbered("ACK", peer.cseq, "", "");
    net.say(r, a, &ack);
    net.settle();
    net.news(a);
    for (package, taken) in [("two;x=1", true), ("three", false)] {
        let info = peer.request("INFO", &format!("Info-Package: {package}\r\n"), "");
        net.say(r, a, &info);
        net.settle();
        if taken {
            assert_eq!(net.news(a), ["Request"], "{package}");
            continue;
        }
        let answer = net.one(r);
        assert_eq!((kind(&answer), header(&answer, "Recv-Info")), ("469 INFO".to_owned(), "one, two"), "{package}");
    }
    // What the peer says in its answer to an UPDATE or a re-INVITE of ours counts from then on; in a refusal it does not.
    for (method, code, said, expected) in [
        ("UPDATE", 500, "fourth", "other,third"),
        ("UPDATE", 200, "fourth", "fourth"),
        ("INVITE", 200, "fifth", "fifth"),
        // What is no token cannot be told to anybody else.
        ("UPDATE", 200, "a b, \"c\", d;x=1, e=f, <g>, h@i, , sixth", "d,sixth"),
    ] {
        match method {
            "UPDATE" => drop(net.turn(a, |turn| turn.in_dialog(s, Method::Update, Lines::default(), None)).unwrap()),
            _ => net.turn(a, |turn| turn.reinvite(s, sdp(OFFER), Lines::default())).unwrap(),
        }
        net.settle();
        let asked = net.one(r);
        assert_eq!(kind(&asked), method);
        let more = format!("{}Recv-Info: {said}\r\n", contact(r));
        let body = if method == "INVITE" { ANSWER } else { "" };
        net.say(r, a, &respond(&asked, code, "", &more, body));
        net.settle();
        net.inbox(r);
        let told = net.turn(a, |turn| turn.info_packages(s).map(str::to_owned));
        assert_eq!(told.as_deref(), Some(expected), "{method} {code}");
    }
}

#[test]
fn rfc6086_5_2_3_what_a_reliable_response_has_said_stays_until_the_final_one() {
    let mut net = Network::new();
    let (a, r) = reliable(&mut net, &[]);
    let (tx, mut peer, _) = rings_with(&mut net, a, r, "Supported: 100rel\r\nRecv-Info:\r\n");
    let s = net.turn(a, |turn| turn.session(tx)).unwrap();
    net.turn(a, |turn| turn.take_info(s, "one")).unwrap();
    net.turn(a, |turn| turn.answer(s, reply(183, sdp(ANSWER)).reliable())).unwrap();
    net.settle();
    let progress = net.one(r);
    assert_eq!(header(&progress, "Recv-Info"), "one");
    assert!(matches!(net.turn(a, |turn| turn.take_info(s, "two")), Err(StackError::State(_))));
    let ok = answered(&mut net, (a, r, s), &mut peer, &progress);
    assert_eq!(headers(&ok, "Recv-Info"), ["one"]);
    net.turn(a, |turn| turn.take_info(s, "two")).unwrap();
}
