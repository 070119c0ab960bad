//! Counters, and how they look to Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use media::StreamReport;
use memchr::memmem;
use net::{Direction, Seen};
use sip::Cause;
use sip::digest::Reason;

use crate::outcome::Outcome;

/// Upper bounds of the set-up time, in milliseconds.
const SETUP: [u64; 10] = [10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];
/// Upper bounds of the jitter, in microseconds.
const JITTER: [u64; 7] = [500, 1_000, 2_500, 5_000, 10_000, 20_000, 50_000];

/// How often values fell below bounds.
#[derive(Clone, Copy, Debug)]
struct Histogram<const N: usize> {
    bounds: [u64; N],
    counts: [u64; N],
    count: u64,
    /// In the unit of the bounds.
    sum: u64,
}

impl<const N: usize> Histogram<N> {
    const fn new(bounds: [u64; N]) -> Self {
        Self { bounds, counts: [0; N], count: 0, sum: 0 }
    }

    fn add(&mut self, value: u64) {
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        let place = self.bounds.iter().position(|bound| value <= *bound);
        if let Some(count) = place.and_then(|place| self.counts.get_mut(place)) {
            *count += 1;
        }
    }

    fn merge(&mut self, more: &Self) {
        self.counts.iter_mut().zip(more.counts).for_each(|(count, more)| *count += more);
        self.count += more.count;
        self.sum = self.sum.saturating_add(more.sum);
    }

    /// `per_second` units make a second.
    fn render(&self, out: &mut String, name: &str, help: &str, per_second: f64) {
        head(out, name, "histogram", help);
        let mut below = 0;
        for (bound, count) in self.bounds.iter().zip(self.counts) {
            below += count;
            put(out, format_args!("{name}_bucket{{le=\"{}\"}} {below}", *bound as f64 / per_second));
        }
        put(out, format_args!("{name}_bucket{{le=\"+Inf\"}} {}", self.count));
        put(out, format_args!("{name}_sum {}", self.sum as f64 / per_second));
        put(out, format_args!("{name}_count {}", self.count));
    }
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{line}");
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    put(out, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
}

/// What the tap counts: messages on the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire {
    /// By method and whether they went out.
    requests: BTreeMap<(Label, bool), u64>,
    responses: BTreeMap<(Label, u16), u64>,
    repeats: u64,
}

/// The place of a method among [`LABELS`].
type Label = u8;

/// The methods told apart; all others are a peer's invention, and one.
const LABELS: [&str; 15] = [
    "ACK",
    "BYE",
    "CANCEL",
    "INFO",
    "INVITE",
    "MESSAGE",
    "NOTIFY",
    "OPTIONS",
    "PRACK",
    "PUBLISH",
    "REFER",
    "REGISTER",
    "SUBSCRIBE",
    "UPDATE",
    "other",
];
const OTHER: Label = LABELS.len() as Label - 1;

/// The text of a label.
fn name(label: Label) -> &'static str {
    LABELS.get(usize::from(label)).copied().unwrap_or("other")
}

/// Shared by the tap and the switch, which live on the same thread: the lock is never waited for.
pub(crate) type Shared = Arc<Mutex<Wire>>;

/// A tap that counts.
pub(crate) fn tap(wire: &Shared) -> net::Tap {
    let wire = Arc::clone(wire);
    Box::new(move |seen| {
        // A count is whole at every point where it could panic.
        wire.lock().unwrap_or_else(PoisonError::into_inner).see(seen);
    })
}

impl Wire {
    fn see(&mut self, seen: &Seen<'_>) {
        let out = match seen.direction {
            Direction::In => false,
            Direction::Out(Cause::RetransmitRequest | Cause::RetransmitResponse | Cause::Answer) => {
                self.repeats += 1;
                return;
            }
            Direction::Out(_) => true,
        };
        match seen.bytes.strip_prefix(b"SIP/2.0 ") {
            None => {
                let word = seen.bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
                // Keep-alives are no requests.
                if word.first().is_some_and(u8::is_ascii_alphabetic) {
                    *self.requests.entry((label(word), out)).or_default() += 1;
                }
            }
            // Responses that come in answer what is counted as requests out; by code only ours are told.
            Some(_) if !out => {}
            Some(rest) => {
                let digits = rest.get(..3).filter(|code| code.iter().all(u8::is_ascii_digit)).unwrap_or_default();
                let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
                *self.responses.entry((cseq_method(rest), code)).or_default() += 1;
            }
        }
    }
}

/// The label of a method.
fn label(word: &[u8]) -> Label {
    LABELS.iter().zip(0..OTHER).find(|(name, _)| name.as_bytes() == word).map_or(OTHER, |(_, label)| label)
}

/// The method in the CSeq of a response of ours, which copies the line of the request: nearly always as it is looked for first.
fn cseq_method(message: &[u8]) -> Label {
    static USUAL: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\nCSeq: "));
    let is_cseq = |line: &&[u8]| line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"CSeq:"));
    let line = match USUAL.find(message).and_then(|at| message.get(at + 1..)) {
        Some(rest) => rest.split(|byte| *byte == b'\n').next(),
        None => message.split(|byte| *byte == b'\n').find(is_cseq),
    };
    let word = line.and_then(|line| line.trim_ascii_end().rsplit(|byte| *byte == b' ').next());
    word.map_or(OTHER, label)
}

/// Everything a switch counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    wire: Shared,
    counts: Counts,
}

/// What has been counted, by one switch or by all together.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    wire: Wire,
    gauges: Gauges,
    calls: BTreeMap<Outcome, u64>,
    legs: u64,
    total: u64,
    setup: Histogram<10>,
    jitter: Histogram<7>,
    lost: u64,
    refused: BTreeMap<&'static str, u64>,
}

/// What is now, beside what has been counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) calls: usize,
    pub(crate) registrations: usize,
    pub(crate) dialogs: usize,
    pub(crate) transactions: usize,
    pub(crate) kept_octets: usize,
    /// Messages shed by the stack: for gauges and counters alike the sum over all switches is right.
    pub(crate) shed: u64,
    /// Requests not sent to who has asked for less, likewise.
    pub(crate) left_out: u64,
}

/// What is seen from outside the loops.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    /// Whether each loop answers, in the order of their shards.
    pub(crate) up: Vec<bool>,
    /// Messages and commands that wait for a loop.
    pub(crate) queue: usize,
    /// Datagrams that the system dropped.
    pub(crate) dropped: u64,
}

impl Metrics {
    pub(crate) fn new(wire: Shared) -> Self {
        let counts = Counts {
            wire: Wire::default(),
            gauges: Gauges::default(),
            calls: BTreeMap::new(),
            legs: 0,
            total: 0,
            setup: Histogram::new(SETUP),
            jitter: Histogram::new(JITTER),
            lost: 0,
            refused: BTreeMap::new(),
        };
        Self { wire, counts }
    }

    /// Calls since the start, refused ones included.
    pub(crate) fn total(&self) -> u64 {
        self.counts.total
    }

    pub(crate) fn call_began(&mut self) {
        self.counts.total += 1;
    }

    /// An INVITE that never became a call.
    pub(crate) fn call_refused(&mut self, outcome: Outcome) {
        self.counts.total += 1;
        self.call_over(outcome);
    }

    pub(crate) fn call_answered(&mut self, after: Duration) {
        self.counts.setup.add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    }

    pub(crate) fn call_over(&mut self, outcome: Outcome) {
        *self.counts.calls.entry(outcome).or_default() += 1;
    }

    pub(crate) fn leg_began(&mut self) {
        self.counts.legs += 1;
    }

    pub(crate) fn streamed(&mut self, report: &StreamReport) {
        self.counts.lost = self.counts.lost.saturating_add(report.packets_lost);
        if report.packets_received > 0 {
            self.counts.jitter.add(report.jitter.0);
        }
    }

    pub(crate) fn auth_failed(&mut self, reason: Reason) {
        *self.counts.refused.entry(reason.as_str()).or_default() += 1;
    }

    /// All of it, and what is now.
    pub(crate) fn counts(&self, gauges: Gauges) -> Counts {
        let wire = self.wire.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Counts { wire, gauges, ..self.counts.clone() }
    }
}

/// Adds numbers by their names.
fn sum<K: Ord + Copy>(into: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (key, count) in more {
        *into.entry(*key).or_default() += count;
    }
}

impl Counts {
    /// Those of another switch as well.
    pub(crate) fn add(&mut self, more: &Self) {
        sum(&mut self.wire.requests, &more.wire.requests);
        sum(&mut self.wire.responses, &more.wire.responses);
        self.wire.repeats += more.wire.repeats;
        self.gauges.calls += more.gauges.calls;
        self.gauges.registrations += more.gauges.registrations;
        self.gauges.dialogs += more.gauges.dialogs;
        self.gauges.transactions += more.gauges.transactions;
        self.gauges.kept_octets += more.gauges.kept_octets;
        self.gauges.shed += more.gauges.shed;
        self.gauges.left_out += more.gauges.left_out;
        sum(&mut self.calls, &more.calls);
        self.legs += more.legs;
        self.total += more.total;
        self.setup.merge(&more.setup);
        self.jitter.merge(&more.jitter);
        self.lost = self.lost.saturating_add(more.lost);
        sum(&mut self.refused, &more.refused);
    }

    /// Prometheus' text format, version 0.0.4.
    pub(crate) fn render(&self, outside: &Outside) -> String {
        let gauges = self.gauges;
        let mut out = String::with_capacity(4_096);
        let out = &mut out;
        head(out, "offhook_calls_active", "gauge", "Calls at present.");
        put(out, format_args!("offhook_calls_active {}", gauges.calls));
        head(
            out,
            "offhook_calls_total",
            "counter",
            "Calls that are over, by how they came out; outbound: INVITEs to devices.",
        );
        for outcome in Outcome::ALL {
            let count = self.calls.get(&outcome).copied().unwrap_or(0);
            put(
                out,
                format_args!("offhook_calls_total{{direction=\"inbound\",result=\"{}\"}} {count}", outcome.as_str()),
            );
        }
        put(out, format_args!("offhook_calls_total{{direction=\"outbound\",result=\"started\"}} {}", self.legs));
        self.setup.render(out, "offhook_call_setup_seconds", "From the INVITE to the 2xx.", 1_000.0);
        head(out, "offhook_registrations_active", "gauge", "Bindings at present.");
        put(out, format_args!("offhook_registrations_active {}", gauges.registrations));
        self.render_wire(out);
        self.render_room(outside, out);
        head(
            out,
            "offhook_rtp_packets_lost_total",
            "counter",
            "Packets that never came, over streams that have ended.",
        );
        put(out, format_args!("offhook_rtp_packets_lost_total {}", self.lost));
        self.jitter.render(
            out,
            "offhook_rtp_jitter_seconds",
            "Interarrival jitter (RFC 3550 6.4.1) at the end of a stream.",
            1e6,
        );
        head(out, "offhook_auth_failures_total", "counter", "Wrong credentials; a first request without any is none.");
        for reason in [Reason::UnknownUser, Reason::WrongResponse] {
            let count = self.refused.get(reason.as_str()).copied().unwrap_or(0);
            put(out, format_args!("offhook_auth_failures_total{{reason=\"{}\"}} {count}", reason.as_str()));
        }
        std::mem::take(out)
    }

    fn render_wire(&self, out: &mut String) {
        let wire = &self.wire;
        head(out, "offhook_sip_requests_total", "counter", "Requests on the wire, our repeats not counted.");
        for ((method, sent), count) in &wire.requests {
            let (method, direction) = (name(*method), if *sent { "out" } else { "in" });
            put(
                out,
                format_args!("offhook_sip_requests_total{{method=\"{method}\",direction=\"{direction}\"}} {count}"),
            );
        }
        head(out, "offhook_sip_responses_total", "counter", "Responses sent, repeats not counted.");
        for ((method, code), count) in &wire.responses {
            let method = name(*method);
            put(out, format_args!("offhook_sip_responses_total{{method=\"{method}\",code=\"{code}\"}} {count}"));
        }
        head(out, "offhook_sip_retransmissions_total", "counter", "Messages of ours sent again.");
        put(out, format_args!("offhook_sip_retransmissions_total {}", wire.repeats));
    }

    /// What is held and waits, and what found no room.
    fn render_room(&self, outside: &Outside, out: &mut String) {
        let gauges = self.gauges;
        head(out, "offhook_sip_loop_up", "gauge", "1: the SIP loop answers; 0: what it has counted is as last told.");
        for (shard, up) in outside.up.iter().enumerate() {
            put(out, format_args!("offhook_sip_loop_up{{shard=\"{shard}\"}} {}", u8::from(*up)));
        }
        head(out, "offhook_sip_dialogs_active", "gauge", "SIP dialogs of calls at present.");
        put(out, format_args!("offhook_sip_dialogs_active {}", gauges.dialogs));
        head(
            out,
            "offhook_sip_transactions_active",
            "gauge",
            "SIP transactions at present, those that only wait for repeats included.",
        );
        put(out, format_args!("offhook_sip_transactions_active {}", gauges.transactions));
        head(out, "offhook_sip_transactions_kept_bytes", "gauge", "Messages that SIP transactions keep.");
        put(out, format_args!("offhook_sip_transactions_kept_bytes {}", gauges.kept_octets));
        head(out, "offhook_sip_queue_length", "gauge", "Messages and commands that wait for a SIP loop.");
        put(out, format_args!("offhook_sip_queue_length {}", outside.queue));
        head(
            out,
            "offhook_sip_shed_total",
            "counter",
            "Messages for which there was no room; requests were answered 503.",
        );
        put(out, format_args!("offhook_sip_shed_total {}", gauges.shed));
        head(
            out,
            "offhook_sip_left_out_total",
            "counter",
            "Requests not sent to a server that has asked for less (RFC 7339), for each such server.",
        );
        put(out, format_args!("offhook_sip_left_out_total {}", gauges.left_out));
        head(
            out,
            "offhook_sip_datagrams_dropped_total",
            "counter",
            "Datagrams that the system dropped since they came faster than they were read.",
        );
        put(out, format_args!("offhook_sip_datagrams_dropped_total {}", outside.dropped));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_at_and_above_its_bounds() {
        let mut histogram = Histogram::new([10, 20]);
        for value in [10, 11, 21] {
            histogram.add(value);
        }
        let mut text = String::new();
        histogram.render(&mut text, "x", "help", 10.0);
        assert!(
            text.contains(
                "x_bucket{le=\"1\"} 1\nx_bucket{le=\"2\"} 2\nx_bucket{le=\"+Inf\"} 3\nx_sum 4.2\nx_count 3\n"
            )
        );
    }

    #[test]
    fn methods_of_a_peers_invention_are_one_label() {
        for method in sip::message::Method::KNOWN {
            assert_eq!(name(label(method.as_str().as_bytes())), method.as_str());
        }
        assert!(LABELS.is_sorted(), "as they are told");
        assert_eq!(label(b"EVIL\"} 1"), OTHER);
        assert_eq!(label(b"other"), OTHER);
        assert_eq!(name(cseq_method(b"200 OK\r\nVia: x\r\ncseq: 17 BYE\r\n\r\n")), "BYE");
        assert_eq!(name(cseq_method(b"200 OK\r\nVia: x\r\nCSeq: 17 BYE\r\nCSeq: 1 INVITE\r\n\r\n")), "BYE");
        for without in [&b""[..], b"CSeq", b"200 OK\r\nVia: x\r\n\r\n", b"200 OK\r\nCSeq:"] {
            assert_eq!(cseq_method(without), OTHER);
        }
    }
}
