//! Watches the rules of the wire that a single message cannot break, only its sender.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sip::Time;

use crate::glimpse::Glimpse;
use crate::weather::Sky;

/// 64*T1.
const LONG: std::time::Duration = std::time::Duration::from_secs(32);

/// What one node has sent and received.
#[derive(Debug, Default)]
struct Seen {
    /// Requests sent, by branch and method.
    asked: BTreeMap<(String, String), Asked>,
    /// Final responses sent, by branch and method, and when first.
    answered: BTreeMap<(String, String), (Time, Bytes)>,
    /// Refusals of INVITEs that were on their way for longer than both transactions lasted: nobody is left to acknowledge them.
    outlived: u64,
    /// INVITEs accepted: Call-ID, tag of the peer and CSeq; when first, and whether the ACK came.
    accepted: BTreeMap<(String, String, u32), (Time, bool)>,
    /// Highest CSeq number that has a final response, by Call-ID and the tags of the request.
    used: BTreeMap<(String, String, String), u32>,
    /// 2xx to INVITE that came: Call-ID, CSeq, To tag, and whether an ACK for it was sent.
    won: BTreeMap<(String, u32, String), bool>,
    /// The last reliable provisional response sent: by Call-ID, tag of the peer and CSeq.
    promised: BTreeMap<(String, String, u32), Promised>,
    /// Reliable provisional responses that came: by Call-ID, To tag and CSeq.
    heard: BTreeMap<(String, String, u32), Heard>,
}

/// The reliable provisional responses of one user agent.
#[derive(Debug, Default)]
struct Heard {
    /// Their RSeqs.
    came: BTreeSet<u32>,
    /// RSeq and CSeq of the last PRACK.
    last: Option<(u32, u32)>,
}

/// A reliable provisional response that was sent.
#[derive(Debug)]
struct Promised {
    bytes: Bytes,
    rseq: u32,
    described: bool,
    acked: bool,
}

/// A request that was sent.
#[derive(Debug)]
struct Asked {
    at: Time,
    bytes: Bytes,
    call: String,
    cseq: u32,
    to_tag: String,
    /// A provisional response came.
    provisional: bool,
    /// The To tags of final responses that came, with their codes.
    finals: Vec<(u16, String)>,
    acked: bool,
}

/// The referee of one run.
#[derive(Debug)]
pub struct Referee {
    sky: Sky,
    /// One that only passes on what others say.
    pub passer: Option<String>,
    nodes: BTreeMap<String, Seen>,
    /// Rules broken: when, by whom, which.
    pub fouls: BTreeSet<String>,
}

impl Referee {
    /// Some rules can only be judged when messages arrive in the end.
    pub fn new(sky: Sky) -> Self {
        Self { sky, passer: None, nodes: BTreeMap::new(), fouls: BTreeSet::new() }
    }

    fn foul(&mut self, at: Time, who: &str, message: &Glimpse, rule: &str) {
        self.fouls.insert(format!("{at} {who} {} {}: {rule}", message.kind(), message.call));
    }

    /// A node sends.
    pub fn sent(&mut self, at: Time, who: &str, message: &Glimpse, bytes: &Bytes) {
        if self.passer.as_deref() == Some(who) {
            return;
        }
        let seen = self.nodes.entry(who.to_owned()).or_default();
        let broken = if message.is_request() {
            request(seen, at, message, bytes)
        } else {
            response(seen, at, message, bytes, self.sky)
        };
        if let Some(rule) = broken {
            self.foul(at, who, message, rule);
        }
    }

    /// A message could not leave the node: an INVITE that nobody has seen is not under way.
    pub fn refused(&mut self, who: &str, message: &Glimpse) {
        if message.is_request()
            && let Some(seen) = self.nodes.get_mut(who)
        {
            seen.asked.remove(&(message.branch.clone(), message.method.clone()));
        }
    }

    /// A node receives.
    pub fn received(&mut self, at: Time, who: &str, message: &Glimpse) {
        if self.passer.as_deref() == Some(who) {
            return;
        }
        let seen = self.nodes.entry(who.to_owned()).or_default();
        let Some(code) = message.code else {
            let promised = (message.call.clone(), message.from_tag.clone(), message.racked);
            if message.method == "PRACK"
                && let Some(promised) = seen.promised.get_mut(&promised)
                && Some(promised.rseq) == message.rseq
            {
                promised.acked = true;
            }
            if message.method == "ACK"
                && let Some((_, acked)) =
                    seen.accepted.get_mut(&(message.call.clone(), message.from_tag.clone(), message.cseq))
            {
                *acked = true;
            }
            return;
        };
        if message.method == "ACK" {
            return self.foul(at, who, message, "an ACK has no answer (RFC 3261 17)");
        }
        if let Some(rseq) = message.rseq {
            let key = (message.call.clone(), message.to_tag.clone(), message.cseq);
            seen.heard.entry(key).or_default().came.insert(rseq);
        }
        let Some(asked) = seen.asked.get_mut(&(message.branch.clone(), message.method.clone())) else { return };
        if code < 200 {
            asked.provisional = true;
            return;
        }
        if message.method == "INVITE" && !asked.provisional && asked.finals.is_empty() && at.since(asked.at) >= LONG {
            // Timer B has fired (RFC 3261 section 17.1.1.2).
            return;
        }
        asked.finals.push((code, message.to_tag.clone()));
        let used = seen.used.entry((message.call.clone(), message.from_tag.clone(), asked.to_tag.clone())).or_default();
        *used = (*used).max(message.cseq);
        if message.is_success()
            && message.method == "INVITE"
            && asked.finals.iter().all(|(code, _)| (200..300).contains(code))
        {
            seen.won.entry((message.call.clone(), message.cseq, message.to_tag.clone())).or_insert(false);
        }
    }

    /// Refusals by a node that nobody was left to acknowledge.
    pub fn outlived(&self, who: &str) -> u64 {
        self.nodes.get(who).map_or(0, |seen| seen.outlived)
    }

    /// What is still owed when the run is over.
    pub fn end(&mut self) {
        if self.sky == Sky::Foul {
            return;
        }
        for (who, seen) in &self.nodes {
            for ((call, cseq, tag), acked) in &seen.won {
                if !acked {
                    self.fouls.insert(format!("{who} {call} {cseq}: no ACK for the 2xx of {tag} (RFC 3261 13.2.2.4)"));
                }
            }
            for ((call, tag, cseq), (_, acked)) in &seen.accepted {
                let ended = |((_, method), asked): (&(String, String), &Asked)| {
                    method == "BYE" && asked.call == *call && asked.to_tag == *tag
                };
                if !acked && seen.asked.iter().any(ended) {
                    self.fouls
                        .insert(format!("{who} {call} {cseq}: our 2xx was never acknowledged (RFC 3261 13.2.2.4)"));
                }
            }
            for ((branch, method), asked) in &seen.asked {
                let refused = asked.finals.iter().any(|(code, _)| *code >= 300);
                if method == "INVITE" && asked.to_tag.is_empty() && asked.provisional && asked.finals.is_empty() {
                    self.fouls.insert(format!("{who} {} {branch}: never answered (RFC 3261 13.3.1, 9.2)", asked.call));
                }
                if method == "INVITE" && refused && !asked.acked {
                    self.fouls
                        .insert(format!("{who} {} {branch}: no ACK for a refusal (RFC 3261 17.1.1.3)", asked.call));
                }
            }
        }
    }
}

/// What is wrong with a request that leaves.
fn request(seen: &mut Seen, at: Time, message: &Glimpse, bytes: &Bytes) -> Option<&'static str> {
    if message.method == "ACK" {
        return ack(seen, message);
    }
    let key = (message.branch.clone(), message.method.clone());
    if let Some(before) = seen.asked.get(&key) {
        return (before.bytes != *bytes).then_some("repeated with other octets (RFC 3261 17.1.1.2)");
    }
    let dialog = (message.call.clone(), message.from_tag.clone(), message.to_tag.clone());
    if message.method == "CANCEL" {
        let invite = seen.asked.get(&(message.branch.clone(), "INVITE".to_owned()));
        let rule = match invite {
            None => Some("cancels nothing (RFC 3261 9.1)"),
            Some(invite) if !invite.provisional => Some("before a provisional response (RFC 3261 9.1)"),
            Some(invite) if !invite.finals.is_empty() => Some("after a final response (RFC 3261 9.1)"),
            Some(_) => None,
        };
        if rule.is_some() {
            return rule;
        }
    } else if seen.used.get(&dialog).is_some_and(|used| *used >= message.cseq) {
        return Some("a CSeq number that has been answered (RFC 3261 12.2.1.1, 22.2)");
    }
    if message.method == "PRACK" {
        let rule = prack(seen, message);
        if rule.is_some() {
            return rule;
        }
    }
    let waits = |((call, tag, _), (since, acked)): (&(String, String, u32), &(Time, bool))| {
        *call == message.call && *tag == message.to_tag && !acked && at.since(*since) < LONG
    };
    if message.method == "BYE" && seen.accepted.iter().any(waits) {
        return Some("before the ACK to our 2xx (RFC 3261 15)");
    }
    let asked = Asked {
        at,
        bytes: bytes.clone(),
        call: message.call.clone(),
        cseq: message.cseq,
        to_tag: message.to_tag.clone(),
        provisional: false,
        finals: Vec::new(),
        acked: false,
    };
    seen.asked.insert(key, asked);
    None
}

/// RFC 3262 section 4.
fn prack(seen: &mut Seen, message: &Glimpse) -> Option<&'static str> {
    let Some(rseq) = message.rseq else { return Some("a PRACK without RAck (RFC 3262 7.2)") };
    let refused = |cseq: u32| {
        let is = |asked: &Asked| asked.call == message.call && asked.to_tag == message.to_tag && asked.cseq == cseq;
        let all = seen.asked.iter().filter(|((_, method), asked)| method == "PRACK" && is(asked));
        all.flat_map(|(_, asked)| &asked.finals).any(|(code, _)| *code == 500)
    };
    let before = seen.heard.get(&(message.call.clone(), message.to_tag.clone(), message.racked));
    let refused = before.and_then(|heard| heard.last).is_some_and(|(before, cseq)| before == rseq && refused(cseq));
    let Some(heard) = seen.heard.get_mut(&(message.call.clone(), message.to_tag.clone(), message.racked)) else {
        return Some("a PRACK for what never came (RFC 3262 4)");
    };
    let before = heard.last.replace((rseq, message.cseq));
    match before {
        _ if !heard.came.contains(&rseq) => Some("a PRACK for what never came (RFC 3262 4)"),
        // One that was overtaken by another request comes again.
        Some(_) if refused => None,
        // Another try, over another connection, is no new one.
        Some((before, cseq)) if before + 1 != rseq && (before, cseq) != (rseq, message.cseq) => {
            Some("a PRACK out of order (RFC 3262 4)")
        }
        _ => None,
    }
}

/// RFC 3262 section 3.
fn promise(seen: &mut Seen, message: &Glimpse, bytes: &Bytes, rseq: u32) -> Option<&'static str> {
    let key = (message.call.clone(), message.from_tag.clone(), message.cseq);
    let next = Promised { bytes: bytes.clone(), rseq, described: message.described, acked: false };
    match seen.promised.get(&key) {
        Some(last) if last.bytes == *bytes => return None,
        Some(last) if !last.acked => return Some("before the PRACK for the last one (RFC 3262 3)"),
        Some(last) if last.rseq + 1 != rseq => return Some("its RSeq is not one higher (RFC 3262 3)"),
        None if rseq >= 1 << 31 => return Some("its first RSeq is too high (RFC 3262 3)"),
        _ => {}
    }
    seen.promised.insert(key, next);
    None
}

/// RFC 3261 sections 17.1.1.3 and 13.2.2.4.
fn ack(seen: &mut Seen, message: &Glimpse) -> Option<&'static str> {
    if let Some(invite) = seen.asked.get_mut(&(message.branch.clone(), "INVITE".to_owned())) {
        invite.acked = true;
        let fits = invite.finals.iter().any(|(code, tag)| *code >= 300 && *tag == message.to_tag);
        let refused = invite.finals.iter().any(|(code, _)| *code >= 300);
        return match (refused, fits) {
            (false, _) => Some("the ACK of a 2xx with the branch of its INVITE (RFC 3261 13.2.2.4)"),
            (true, false) => Some("without the To tag of the response (RFC 3261 17.1.1.3)"),
            (true, true) if invite.cseq != message.cseq => Some("with another CSeq number (RFC 3261 17.1.1.3)"),
            (true, true) => None,
        };
    }
    match seen.won.get_mut(&(message.call.clone(), message.cseq, message.to_tag.clone())) {
        Some(acked) => {
            *acked = true;
            None
        }
        None => Some("fits neither a refusal's branch nor a 2xx (RFC 3261 13.2.2.4, 17.1.1.3)"),
    }
}

/// The lines of a message without its Vias.
fn but_way(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"Via:"))
}

/// What is wrong with a response that leaves.
fn response(seen: &mut Seen, at: Time, message: &Glimpse, bytes: &Bytes, sky: Sky) -> Option<&'static str> {
    if !message.is_final() {
        return message.rseq.and_then(|rseq| promise(seen, message, bytes, rseq));
    }
    let code = message.code.unwrap_or(0);
    if sky < Sky::Foul && code == 504 {
        return Some("no PRACK came (RFC 3262 3)");
    }
    let key = (message.branch.clone(), message.method.clone());
    if let Some((first, before)) = seen.answered.get(&key) {
        if message.method == "INVITE" && *before != *bytes && at.since(*first) >= LONG {
            // Timers H and L have fired since: a copy that comes now begins a transaction of its own (RFC 6026 section 7.1).
            seen.outlived += u64::from(!message.is_success());
            seen.answered.insert(key, (at, bytes.clone()));
            return None;
        }
        // On a stream the transaction ends with its answer; the request may come again over another connection.
        // A registrar keeps nothing of whom it challenges: the answer is the same, but goes to where the device is now (RFC 3261 8.2.7).
        let challenged_again = code == 401 && message.method != "INVITE" && but_way(before).eq(but_way(bytes));
        let other = *before != *bytes && !challenged_again;
        return (sky < Sky::Foul && other).then_some("two final responses to one request (RFC 3261 17.2)");
    }
    seen.answered.insert(key, (at, bytes.clone()));
    if message.method != "INVITE" || !message.is_success() {
        return None;
    }
    let promised = (message.call.clone(), message.from_tag.clone(), message.cseq);
    if seen.promised.get(&promised).is_some_and(|promised| promised.described && !promised.acked) {
        return Some("before the PRACK for a session description (RFC 3262 5)");
    }
    seen.accepted.entry((message.call.clone(), message.from_tag.clone(), message.cseq)).or_insert((at, false));
    let crossing = seen.asked.iter().any(|((_, method), asked)| {
        method == "INVITE" && asked.call == message.call && asked.to_tag == message.from_tag && asked.finals.is_empty()
    });
    (crossing && sky < Sky::Foul).then_some("accepted while an INVITE of its own is unanswered (RFC 3261 14.2)")
}
