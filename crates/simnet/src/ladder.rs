//! What was seen on the wire, one line a message: `0.500 alice -x bob INVITE (timer A)`.

use std::fmt;

use sip::{Cause, Time};

use crate::glimpse::Glimpse;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It arrives: `->`.
    Arrives,
    /// It is lost: `-x`.
    Lost,
    /// It arrives twice: `=>`.
    Twice,
    /// It was refused on the way: `-!`.
    Refused,
}

/// From where to where, when and why something leaves.
#[derive(Clone, Debug)]
pub struct Leg<'a> {
    /// When.
    pub at: Time,
    /// The name of the sender.
    pub from: &'a str,
    /// The name of the receiver.
    pub to: &'a str,
    /// Why.
    pub why: Cause,
    /// Over a connection.
    pub stream: bool,
}

/// The lines of a run, in the order of sending.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    lines: Vec<String>,
}

impl Ladder {
    /// A message leaves.
    pub fn sent(&mut self, leg: &Leg<'_>, message: &Glimpse, way: Way) {
        let arrow = match way {
            Way::Arrives => "->",
            Way::Lost => "-x",
            Way::Twice => "=>",
            Way::Refused => "-!",
        };
        let Leg { at, from, to, why, stream } = leg;
        let tcp = if *stream { " tcp" } else { "" };
        self.lines.push(format!("{at} {from} {arrow} {to}{tcp} {}{}", message.kind(), reason(message, *why)));
    }
    /// Something else worth a line.
    pub fn note(&mut self, at: Time, who: &str, what: &str) {
        self.lines.push(format!("{at} {who} * {what}"));
    }
    /// The lines.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Why a message leaves, when it does not leave for the first time.
fn reason(message: &Glimpse, why: Cause) -> &'static str {
    match (why, message.method.as_str(), message.is_success()) {
        (Cause::RetransmitRequest, "INVITE", _) => " (timer A)",
        (Cause::RetransmitRequest, _, _) => " (timer E)",
        (Cause::RetransmitResponse, _, true) => " (no ACK yet)",
        (Cause::RetransmitResponse, _, false) if message.rseq.is_some() => " (no PRACK)",
        (Cause::RetransmitResponse, _, false) if !message.is_final() => " (a minute without news)",
        (Cause::RetransmitResponse, _, false) => " (timer G)",
        (Cause::Answer, _, _) => " (asked again)",
        (Cause::Retry, _, _) => " (another try)",
        _ => "",
    }
}
