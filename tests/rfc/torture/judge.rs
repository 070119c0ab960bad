//! What answer is right to a torture message, and which wrong ones are known.

use std::fmt::Write as _;

use serde_json::Value;
use sip::message::{HeaderId, Limits, Message};

use crate::rfc::way::Transport;

/// Where the messages and what is expected stand.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data");

/// A message, and what may come back.
#[derive(Clone, Debug, Default)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// Codes that are right, `4xx` for a class.
    pub(super) expect: Vec<String>,
    /// A parser must see that it is wrong, before anybody is asked who he is.
    pub(super) is_unreadable: bool,
    /// Somebody whom a proxy knows nothing of, and does not reach, is who it is for.
    is_beyond: bool,
    /// What a registrar and nothing else may say to a request that is not its business.
    not_its_business: Vec<String>,
    /// What stands behind it in a stream is no message: who asks another first has no stream to answer by when he knows.
    is_cut_off: bool,
    /// Silence is right too.
    silence: bool,
    pub(super) is_response: bool,
    /// A stream cannot be framed after it: an error or nothing, and the connection may be closed.
    ends_stream: bool,
}

/// A line of the list of known gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    name: String,
    role: String,
}

impl Case {
    /// All messages, with what is expected of `role`.
    pub(super) fn all(role: &str) -> Vec<Case> {
        let table: Value =
            serde_json::from_str(&std::fs::read_to_string(format!("{DATA}/torture.json")).unwrap()).unwrap();
        let mut cases: Vec<Case> =
            table["messages"].as_array().unwrap().iter().map(|row| Case::read(row, role)).collect();
        // What is registered would be looked for at its address.
        cases.sort_by_key(|case| case.method() == "REGISTER");
        cases
    }

    fn read(row: &Value, role: &str) -> Case {
        let words = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let bytes = std::fs::read(format!("{DATA}/{}", row["file"].as_str().unwrap())).unwrap();
        // A PBX is a user agent to callers and a registrar to phones; so is a proxy to the phones of its domains.
        let is_beyond = matches!(role, "proxy" | "stateless" | "edge") && !is_for_a_domain(&bytes);
        // Who has no transactions cannot tell that nobody answers (RFC 3261 section 16.11).
        let is_lost = role == "stateless" && is_beyond;
        // The method is looked at before the content (RFC 3261 sections 8.2.1 and 8.2.3), and Max-Forwards before what the server is for that domain.
        let not_its_business = match role {
            "registrar-only" if row["layer"] == "application" && !bytes.starts_with(b"REGISTER ") => {
                let is_far = |word: &String| word == "483";
                words(&row["tolerate"]).into_iter().filter(is_far).chain(["405".to_owned()]).collect()
            }
            _ => Vec::new(),
        };
        let is_cut_off = role == "edge" && row["tcp"].as_str().is_some_and(|word| word.starts_with("two-messages"));
        let role = match role {
            "b2bua" | "proxy" | "stateless" | "redirect" | "edge" if bytes.starts_with(b"REGISTER ") => "registrar",
            "b2bua" => "uas",
            // Who redirects looks at as little of a request as who passes it on (RFC 3261 section 8.3).
            "stateless" | "redirect" | "edge" => "proxy",
            "registrar-only" => "registrar",
            role => role,
        };
        Case {
            name: row["name"].as_str().unwrap().to_owned(),
            bytes,
            expect: words(&row["expect"][role]),
            is_unreadable: row["layer"] == "syntax",
            is_beyond,
            not_its_business,
            is_cut_off,
            silence: is_lost || row["silence_ok"] == Value::Bool(true),
            is_response: row["kind"] == "response",
            ends_stream: row["tcp"].as_str().is_some_and(|word| word.contains("close")),
        }
    }

    pub(super) fn method(&self) -> String {
        self.bytes
            .split(|byte| *byte == b' ')
            .next()
            .map(|word| String::from_utf8_lossy(word).into())
            .unwrap_or_default()
    }

    /// From, Call-ID and CSeq as they stand there.
    pub(super) fn identity(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        let told = ["from:", "call-id:", "cseq:"];
        let lines = text.lines().filter(|line| told.iter().any(|name| line.to_ascii_lowercase().starts_with(name)));
        lines.map(str::to_owned).collect()
    }

    /// Says what is wrong with the answer, `None` standing for silence. `again`: an earlier message had the same identity.
    pub(super) fn fault(&self, got: Option<u16>, transport: Transport, again: bool) -> Option<String> {
        let right = match got {
            _ if self.is_response => got.is_none(),
            _ if transport.is_stream() && self.ends_stream => got.is_none_or(|code| code >= 300),
            None | Some(100) if transport.is_stream() && self.is_cut_off => true,
            None => self.silence,
            // Several messages of RFC 5118 share From tag, Call-ID and CSeq: over another path that is one request twice (RFC 3261 8.2.2.2).
            Some(482) if again => true,
            // And to a registrar a REGISTER with a CSeq it has seen (RFC 3261 section 10.3, step 7).
            Some(500) if again && self.method() == "REGISTER" => true,
            // What cannot be sent on is a 503, which a proxy tells as a 500 (RFC 3261 sections 16.9 and 16.7, step 6).
            Some(500) if self.is_beyond => true,
            Some(code) => fits(code, &self.expect) || fits(code, &self.not_its_business),
        };
        (!right).then(|| {
            let due = if self.is_response { vec!["silence".to_owned()] } else { self.expect.clone() };
            format!("{got:?}, expected one of {due:?}")
        })
    }
}

/// Whether a request goes by the name of its domain, which is the proxy's: no Route, and no address.
fn is_for_a_domain(bytes: &[u8]) -> bool {
    let Ok(Message::Request(request)) = Message::parse(bytes.to_vec().into(), &Limits::default()) else { return true };
    !request.headers().has(HeaderId::Route) && request.uri().is_ok_and(|uri| uri.host().ip().is_none())
}

fn fits(code: u16, words: &[String]) -> bool {
    words.iter().any(|word| {
        *word == code.to_string() || word.strip_suffix("xx").is_some_and(|class| code.to_string().starts_with(class))
    })
}

/// The known gaps: lines `message role reason`.
pub(super) fn known_gaps() -> Vec<Gap> {
    read_gaps(&std::fs::read_to_string(format!("{DATA}/torture-gaps.txt")).unwrap())
}

fn read_gaps(text: &str) -> Vec<Gap> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let words = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(Gap { name: words.next()?.to_owned(), role: words.next()?.to_owned() })
    });
    words.collect()
}

/// Sets faults, as message and what was wrong with it, against the known gaps of a role: empty when they are the same messages.
pub(super) fn weigh(role: &str, faults: &[(String, String)], gaps: &[Gap]) -> String {
    let mut told = String::new();
    let listed: Vec<&str> = gaps.iter().filter(|gap| gap.role == role).map(|gap| gap.name.as_str()).collect();
    for (name, what) in faults.iter().filter(|(name, _)| !listed.contains(&name.as_str())) {
        let _ = writeln!(told, "{name} as {role}: {what}");
    }
    for name in listed.iter().filter(|name| !faults.iter().any(|(fault, _)| fault == *name)) {
        let _ = writeln!(told, "{name} as {role}: right now, take it out of torture-gaps.txt");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Via: SIP/2.0/UDP a;branch=z9hG4bKa\r\nFrom: <sip:a@a>;tag=a\r\nTo: <sip:a@b>\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\r\n";

    fn request(expect: &[&str]) -> Case {
        Case { expect: expect.iter().map(|word| (*word).to_owned()).collect(), ..Case::default() }
    }

    #[test]
    fn a_code_or_class_that_is_expected_is_right_and_every_other_is_a_fault() {
        let case = request(&["400", "6xx"]);
        for right in [400, 600, 606] {
            assert_eq!(case.fault(Some(right), Transport::Udp, false), None);
        }
        for wrong in [Some(200), Some(405), Some(482), None] {
            assert!(case.fault(wrong, Transport::Udp, false).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn silence_is_right_for_responses_only_and_482_for_a_message_sent_before() {
        let response = Case { is_response: true, ..request(&[]) };
        assert_eq!(response.fault(None, Transport::Tcp, false), None);
        assert!(response.fault(Some(400), Transport::Tcp, false).is_some());
        assert_eq!(request(&["200"]).fault(Some(482), Transport::Udp, true), None);
    }

    #[test]
    fn a_500_is_right_for_what_cannot_be_sent_on_and_for_nothing_else() {
        let beyond = Case { is_beyond: true, ..request(&["200"]) };
        assert_eq!(beyond.fault(Some(500), Transport::Udp, false), None);
        assert!(request(&["200"]).fault(Some(500), Transport::Udp, false).is_some());
        for (line, expected) in [
            ("INVITE sip:a@example.com SIP/2.0\r\n", true),
            ("INVITE sip:a@192.0.2.1 SIP/2.0\r\n", false),
            ("INVITE sip:a@example.com SIP/2.0\r\nRoute: <sip:b>\r\n", false),
        ] {
            assert_eq!(is_for_a_domain(format!("{line}{HEAD}").as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn a_registrar_alone_may_say_what_is_not_its_business_and_nothing_else_that_is_not_expected() {
        let case = |role: &str, name: &str| Case::all(role).into_iter().find(|case| case.name == name).unwrap();
        let fault = |role: &str, name: &str, code| case(role, name).fault(Some(code), Transport::Udp, false);
        assert_eq!(fault("registrar-only", "invut", 405), None);
        assert_eq!(fault("registrar-only", "zeromf", 483), None);
        for (role, name, code) in [
            ("registrar-only", "invut", 200),
            ("registrar-only", "invut", 483),
            ("registrar-only", "regaut01", 405),
            ("registrar-only", "v6-port-unambiguous", 405),
            ("registrar-only", "insuf", 405),
            ("registrar", "invut", 405),
            ("registrar", "zeromf", 483),
        ] {
            assert!(fault(role, name, code).is_some(), "{role} {name} {code}");
        }
    }

    #[test]
    fn an_edge_whose_stream_ends_behind_a_request_may_not_have_answered_it() {
        let case = |role: &str| Case::all(role).into_iter().find(|case| case.name == "dblreq").unwrap();
        for got in [None, Some(100)] {
            assert_eq!(case("edge").fault(got, Transport::Tcp, false), None);
            assert!(case("edge").fault(got, Transport::Udp, false).is_some());
            assert!(case("proxy").fault(got, Transport::Tcp, false).is_some());
        }
        assert!(case("edge").fault(Some(500), Transport::Tcp, false).is_some());
    }

    #[test]
    fn a_stream_that_ends_may_do_so_without_a_word_but_not_with_a_success() {
        let case = Case { ends_stream: true, ..request(&["400"]) };
        for stream in [Transport::Tcp, Transport::Tls] {
            assert_eq!(case.fault(None, stream, false), None);
            assert!(case.fault(Some(200), stream, false).is_some());
        }
        for framed in [Transport::Udp, Transport::Ws] {
            assert!(case.fault(None, framed, false).is_some());
        }
    }

    #[test]
    fn only_a_listed_fault_is_excused_and_a_listed_message_that_is_right_is_told() {
        let gaps = read_gaps("# head\n\nwsinv uas/udp folded lines\nwsinv pbx/udp another role\n");
        let fault = |name: &str| (name.to_owned(), "None, expected one of [\"200\"]".to_owned());
        assert_eq!(weigh("uas/udp", &[fault("wsinv")], &gaps), "");
        assert!(weigh("uas/udp", &[fault("wsinv"), fault("esc01")], &gaps).starts_with("esc01 as uas/udp: None"));
        assert!(weigh("uas/tcp", &[fault("wsinv")], &gaps).starts_with("wsinv as uas/tcp: None"));
        assert!(weigh("uas/udp", &[], &gaps).contains("wsinv as uas/udp: right now"));
    }
}
