//! Whatever neighbours say: nothing panics, and nothing is left when everything has run out.

use proptest::prelude::*;

use super::*;

/// What can happen.
#[derive(Clone, Debug)]
enum Step {
    /// The caller sends one of his messages, some octets of it changed.
    Caller(usize, Vec<(u16, u8)>),
    /// A neighbour answers one of the requests it got, some octets of that changed.
    Answer(usize, u16, Vec<(u16, u8)>),
    /// One of the messages that left did not arrive anywhere.
    Unsent(usize),
    /// Time passes, in milliseconds.
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let changes = || prop::collection::vec((any::<u16>(), any::<u8>()), 0..3);
    let code = prop::sample::select(vec![100, 180, 183, 199, 200, 202, 302, 401, 407, 408, 486, 487, 503, 603, 699]);
    prop_oneof![
        4 => (0_usize..8, changes()).prop_map(|(which, changes)| Step::Caller(which, changes)),
        4 => (0_usize..8, code, changes()).prop_map(|(which, code, changes)| Step::Answer(which, code, changes)),
        1 => (0_usize..8).prop_map(Step::Unsent),
        1 => (0_u32..60_000).prop_map(Step::Wait),
    ]
}

/// The caller's messages.
fn message(which: usize, route: &str) -> String {
    match which {
        0 => invite(),
        1 => request("INVITE", "sip:b@home.example", "2", "Max-Breadth: 1\nSupported: path\n"),
        2 => request("CANCEL", "sip:b@home.example", "1", ""),
        3 => request("ACK", "sip:b@home.example", "1", ""),
        4 => request("ACK", "sip:b@192.0.2.3", "4", route),
        5 => request("BYE", "sip:b@192.0.2.3", "5", route),
        6 => request("REGISTER", "sip:192.0.2.4", "6", "Supported: path\n"),
        _ => request("MESSAGE", "sip:b@192.0.2.4;maddr=192.0.2.1", "7", "Route: <sip:192.0.2.1>, <sip:192.0.2.4>\n"),
    }
}

fn changed(text: &str, changes: &[(u16, u8)]) -> Bytes {
    let mut octets = text.replace('\n', "\r\n").into_bytes();
    for (at, octet) in changes {
        let at = usize::from(*at) % octets.len();
        octets[at] = *octet;
    }
    Bytes::from(octets)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_neighbours_say_nothing_is_left(steps in prop::collection::vec(step(), 1..24)) {
        let config = ProxyConfig { recurse: true, ..ProxyConfig::default() };
        let mut desk = Desk::new(config, vec![target(3, 500), target(4, 500), target(5, 100)]);
        (desk.trusted, desk.edge) = (true, true);
        let mut asked: Vec<Sent> = Vec::new();
        let mut route = String::new();
        for step in steps {
            match step {
                Step::Caller(which, changes) => {
                    let bytes = changed(&message(which, &route), &changes);
                    desk.turn(|_, turn| turn.receive(&path(Transport::Udp, 2), bytes));
                }
                Step::Answer(which, code, changes) if !asked.is_empty() => {
                    let request = &asked[which % asked.len()];
                    let text = answer(request, code);
                    let bytes = changed(&text, &changes);
                    desk.turn(|_, turn| turn.receive(&path(Transport::Udp, 3), bytes));
                }
                Step::Unsent(which) if !asked.is_empty() => {
                    let id = asked[which % asked.len()].id;
                    desk.turn(|_, turn| turn.unsent(id, SendError::Unreachable));
                }
                Step::Wait(millis) => desk.passes(Duration::from_millis(millis.into())),
                _ => {}
            }
            for sent in desk.sent.drain(..).filter(|sent| !sent.start().starts_with("SIP/2.0")) {
                if let Some(record) = sent.headers.text(HeaderId::RecordRoute) {
                    route = format!("Route: {record}\n");
                }
                asked.push(sent);
            }
        }
        // Timer C, three times one behind the other, and what follows it.
        desk.passes(Duration::from_secs(800));
        desk.sent.clear();
        desk.empty();
    }
}

/// An answer to a request, with a redirection in it.
fn answer(request: &Sent, code: u16) -> String {
    let copied: String = request
        .headers
        .iter()
        .filter(|header| {
            matches!(header.id, HeaderId::Via | HeaderId::From | HeaderId::To | HeaderId::CallId | HeaderId::CSeq)
        })
        .map(|header| format!("{}: {}\n", header.id, header.text()))
        .collect();
    format!("SIP/2.0 {code} Said\n{copied}Contact: <sip:c@192.0.2.6>, <sip:d@192.0.2.7>;q=0.1\nContent-Length: 0\n\n")
}
