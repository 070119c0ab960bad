//! Messages as rungs between the peers and the process that is watched. Who began a call stands on the left, whom the process called on the right.
//!
//! ```text
//! #1 1001 -> 600, udp, a84b4c76e66710
//! 12:01:02.345 #1         192.0.2.7:5060 |------- INVITE -------->|                        |
//! ```

use std::collections::HashMap;
use std::time::SystemTime;

use net::trace::Record;
use sip::message::header::{From, To};
use sip::message::{Headers, Limits, Message, Uri};

use crate::out::Out;

/// Calls remembered; forgotten all at once when full, and then numbered anew.
const REMEMBERED: usize = 4_096;
/// Characters between two lines of the ladder.
const STEP: usize = 26;
/// Characters for a peer's address.
const PEER: usize = 21;

/// The ladders of all calls.
pub(super) struct Ladder {
    calls: HashMap<String, Seen>,
    next: u64,
}

/// What is known of a call.
#[derive(Clone, Copy)]
struct Seen {
    number: u64,
    /// The peer began it.
    by_peer: bool,
}

impl Ladder {
    pub(super) fn new() -> Self {
        Self { calls: HashMap::new(), next: 1 }
    }

    /// A rung; before that, of a call that is new, who calls whom.
    pub(super) fn print(&mut self, record: &Record, out: &mut Out) {
        out.event_in_lines(&self.lines(record), &pbx::trace_fields(record));
    }

    fn lines(&mut self, record: &Record) -> Vec<String> {
        let mut lines = Vec::new();
        if record.missed > 0 {
            lines.push(format!(
                "... {} missing here: they came too fast",
                crate::out::counted(record.missed, "message")
            ));
        }
        let message = Message::parse(record.octets.clone().into(), &Limits::default()).ok();
        let (label, is_request, headers) = match &message {
            Some(Message::Request(request)) => (request.method().as_str().to_owned(), true, request.headers()),
            Some(Message::Response(response)) => {
                let headers = response.headers();
                (format!("{} {}", response.code().get(), headers.method().as_str()), false, headers)
            }
            None => {
                let seen = Seen { number: 0, by_peer: !record.is_sent() };
                lines.push(rung(record, seen, "(not to be read)"));
                return lines;
            }
        };
        if self.calls.len() >= REMEMBERED && !self.calls.contains_key(headers.call_id()) {
            self.calls.clear();
        }
        let seen = *self.calls.entry(headers.call_id().to_owned()).or_insert_with(|| {
            let number = self.next;
            self.next += 1;
            lines.push(format!("#{number} {}", introduction(record, headers)));
            Seen { number, by_peer: record.is_sent() != is_request }
        });
        lines.push(rung(record, seen, &label));
        lines
    }
}

/// Who calls whom, by what.
fn introduction(record: &Record, headers: &Headers) -> String {
    let user = |uri: Option<Uri<'_>>| match uri {
        Some(uri) => uri.user_unescaped().map_or_else(|| uri.host_text().to_owned(), std::borrow::Cow::into_owned),
        None => "?".to_owned(),
    };
    let from = headers.get::<From<'_>>().and_then(Result::ok).map(|from| from.0.uri);
    let to = headers.get::<To<'_>>().and_then(Result::ok).map(|to| to.0.uri);
    let transport = record.transport.as_str().to_lowercase();
    format!("{} -> {}, {transport}, {}", user(from), user(to), headers.call_id())
}

/// One line of a ladder.
fn rung(record: &Record, seen: Seen, label: &str) -> String {
    let label: String = label.chars().take(STEP - 6).collect();
    let dashes = STEP - label.chars().count() - 3;
    let (before, after) = ("-".repeat(dashes / 2), "-".repeat(dashes - dashes / 2));
    let to_the_right = record.is_sent() != seen.by_peer;
    let arrow = if to_the_right { format!("{before} {label} {after}>") } else { format!("<{before} {label} {after}") };
    let (peer, blank) = (record.remote.to_string(), " ".repeat(STEP));
    let (time, number) = (time(record.at), format!("#{}", seen.number));
    let mut line = match seen.by_peer {
        true => format!("{time} {number:<4} {peer:>PEER$} |{arrow}|{blank}|"),
        false => format!("{time} {number:<4} {:>PEER$} |{blank}|{arrow}| {peer}", ""),
    };
    // What is sent in the usual course needs no reason.
    if let Some(cause) = record.cause.as_deref().filter(|cause| !matches!(*cause, "request" | "response" | "ack")) {
        line.push_str(&format!(" ({cause})"));
    }
    line
}

/// The time of the day, UTC.
fn time(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let secs = since.as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}.{:03}", secs / 3_600, secs / 60 % 60, secs % 60, since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sip::Transport;

    use super::*;

    fn record(first: &str, call_id: &str, cause: Option<&'static str>) -> Record {
        let octets = format!(
            "{first}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:1001@h>;tag=1\r\nTo: <sip:600@h>\r\nCall-ID: {call_id}\r\n\
             CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        Record {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(86_400_000 + 43_262_345),
            cause: cause.map(Into::into),
            transport: Transport::Tls,
            local: "192.0.2.1:5061".parse().unwrap(),
            remote: "192.0.2.7:5060".parse().unwrap(),
            octets: octets.into_bytes(),
            missed: 0,
        }
    }

    #[test]
    fn who_began_a_call_stands_on_the_left_and_whom_we_call_on_the_right() {
        let mut ladder = Ladder::new();
        assert_eq!(
            ladder.lines(&record("INVITE sip:600@h SIP/2.0", "a", None)),
            [
                "#1 1001 -> 600, tls, a",
                "12:01:02.345 #1          192.0.2.7:5060 |-------- INVITE --------->|                          |"
            ]
        );
        assert_eq!(
            ladder.lines(&record("SIP/2.0 100 Trying", "a", Some("automatic"))),
            [
                "12:01:02.345 #1          192.0.2.7:5060 |<------ 100 INVITE -------|                          | (automatic)"
            ]
        );
        let ours = ladder.lines(&record("INVITE sip:600@h SIP/2.0", "b", Some("request")));
        assert_eq!(
            ours[1],
            "12:01:02.345 #2                         |                          |-------- INVITE --------->| 192.0.2.7:5060"
        );
        let answer = ladder.lines(&record("SIP/2.0 200 OK", "b", None));
        assert!(answer[0].contains("|<------ 200 INVITE ------"), "{answer:?}");
        // A trace that begins in the middle knows by the answer who asked.
        assert!(ladder.lines(&record("SIP/2.0 200 OK", "c", Some("response")))[1].contains("192.0.2.7:5060 |<---"));
    }

    #[test]
    fn what_cannot_be_read_and_what_is_missing_is_told() {
        let mut ladder = Ladder::new();
        let lines = ladder.lines(&Record { octets: b"\xff".to_vec(), missed: 2, ..record("", "", None) });
        assert!(lines[0].contains("2 messages missing") && lines[1].contains("(not to be read)"), "{lines:?}");
    }

    #[test]
    fn calls_are_forgotten_all_at_once_when_too_many() {
        let mut ladder = Ladder::new();
        for number in 0..REMEMBERED + 1 {
            let lines = ladder.lines(&record("INVITE sip:600@h SIP/2.0", &number.to_string(), None));
            assert!(lines[0].starts_with(&format!("#{} ", number + 1)));
        }
        assert_eq!(ladder.calls.len(), 1);
    }
}
