//! Reading takes time in proportion to the length, whatever a peer sends: doubling hostile input at most doubles the time, roughly.

#![allow(clippy::unwrap_used)]
// A test of time needs a clock; the crate itself has none.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use nix::time::{ClockId, clock_gettime};
use sip::message::multipart::Parts;
use sip::message::{Frame, Framer, Limits, Message, Uri};

const HEAD: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
    Call-ID: x\r\nCSeq: 1 OPTIONS\r\n";

/// Tests of time must not run beside one another.
static ALONE: Mutex<()> = Mutex::new(());

/// The time this thread has had a processor: what others do on the machine meanwhile does not count.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn time(run: impl Fn()) -> Duration {
    let start = spent();
    run();
    spent() - start
}

/// Eight times the input must not take more than 24 times as long; a square law would take 64 times. Others can still take the caches away,
/// so the best of many measurements counts.
fn linear(name: &str, run: impl Fn(usize)) {
    run(1_000);
    let (mut short, mut long) = (Duration::MAX, Duration::MAX);
    for _ in 0..60 {
        short = short.min(time(|| run(8_000)));
        long = long.min(time(|| run(64_000)));
        if long < (short * 24).max(Duration::from_millis(1)) {
            return;
        }
    }
    panic!("{name:?}: {short:?} for 8 kB, {long:?} for 64 kB");
}

fn read(lines: &str) {
    let limits = Limits { message: 1 << 20, line: 1 << 20, headers: 20_000, ..Limits::default() };
    if let Ok(message) = Message::parse(Bytes::from(format!("{HEAD}{lines}\r\n")), &limits) {
        let _ = message.check();
        let _ = message.print();
    }
}

#[test]
fn hostile_values_take_linear_time() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let values = [
        ("commas", "Contact: ", ","),
        ("commas in Allow", "Allow: ", "a,"),
        ("quotes", "Contact: ", "\""),
        ("quoted pairs", "Contact: \"", "\\\""),
        ("open brackets", "Contact: ", "<"),
        ("pairs of brackets", "Route: ", "<sip:a>,"),
        ("unclosed URIs", "Route: ", "<sip:a"),
        ("tokens", "Contact: ", "a "),
        ("folds", "Subject: ", "\r\n "),
        ("folds in a list", "Supported: a", ",\r\n b"),
        ("parameters", "Contact: <sip:a>", ";a"),
        ("parameters with values", "Contact: <sip:a>", ";a=\"b\""),
        ("parameters of the URI", "Contact: <sip:a", ";a"),
        ("headers of the URI", "Contact: <sip:a?a=b", "&a=b"),
        ("vias", "Via: SIP/2.0/UDP h", ",SIP/2.0/UDP h"),
        ("comments", "Retry-After: 1 ", "("),
        ("challenges", "WWW-Authenticate: Digest a=b", ",a=b"),
        ("blanks", "Subject: a", " "),
        ("warnings", "Warning: 300 a \"b\"", ",300 a \"b\""),
        ("colons", "X", ":"),
        ("percent signs", "Contact: <sip:a", "%41"),
    ];
    for (name, start, piece) in values {
        linear(name, |size| read(&format!("{start}{}\r\n", piece.repeat(size / piece.len()))));
    }
}

#[test]
fn many_lines_take_linear_time() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for line in ["X:y\r\n", "v:SIP/2.0/UDP h\r\n", "\x01\r\n", "Contact:\"\r\n", "k:\r\n", "\r\n\r\n"] {
        linear(line, |size| read(&line.repeat(size / line.len())));
    }
}

#[test]
fn uris_take_linear_time() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for piece in [";a=b", "&a=b", "a", "%41", ":", "@", "?", "[", "."] {
        linear(piece, |size| {
            let text = format!("sip:a{}", piece.repeat(size / piece.len() - 2));
            if let Ok(uri) = Uri::parse(&text) {
                let _ = (uri.aor(), uri.params().get("z"), uri.headers().get("z"));
            }
        });
    }
}

#[test]
fn streams_take_linear_time_even_octet_by_octet() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    linear("stream", |size| {
        let mut framer = Framer::new(Limits::default());
        let message = format!("{HEAD}Subject: {}\r\nl: 0\r\n\r\n", "a".repeat(size - 600));
        for octet in message.as_bytes() {
            framer.push(&[*octet]);
            if let Some(frame) = framer.next_frame() {
                assert!(matches!(frame, Ok(Frame::Message(_))));
            }
        }
    });
}

#[test]
fn multipart_bodies_take_linear_time() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for piece in ["--b", "\r\n--b", "\r\n--b\r\n", "\r\n--b ", "-", "\r\n--b\r\nA:b\r\n\r\n"] {
        linear(piece, |size| {
            let body = format!("--b\r\n\r\n{}", piece.repeat(size / piece.len()));
            let kind = sip::message::Headers::read(b"multipart/mixed;boundary=b").unwrap();
            let limits = Limits { parts: 100_000, ..Limits::default() };
            if let Ok(parts) = Parts::new(&kind, body.as_bytes(), &limits) {
                assert!(parts.count() <= size);
            }
        });
    }
}
