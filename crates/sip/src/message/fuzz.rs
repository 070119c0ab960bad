//! Entry points for fuzzing: what must hold for any octets whatsoever. They panic where it does not.

use bytes::Bytes;

use super::header::{CSeq, Contact, From, Via};
use super::multipart::Parts;
use super::start::{self, Start};
use super::{Frame, Framer, Limits, Message, Uri, field, keys, masks, usual};

/// Reads a message and everything typed in it, prints it, reads that again and compares.
pub fn message(octets: &[u8]) {
    let limits = Limits::default();
    let message = match Message::parse(Bytes::copy_from_slice(octets), &limits) {
        Ok(message) => message,
        Err(broken) => {
            let _ = broken.to_string();
            return;
        }
    };
    let typed = message.check();
    if let Some(Ok(kind)) = message.headers().content_type()
        && let Ok(parts) = Parts::new(&kind, message.body(), &limits)
    {
        parts.for_each(drop);
    }
    // Printing may make a message longer, by long header names and quotes, and gives it the Content-Length it did not have.
    let roomy = Limits { message: usize::MAX, line: usize::MAX, headers: limits.headers + 1, ..limits };
    let printed = message.print();
    let again = match Message::parse(printed.clone(), &roomy) {
        Ok(again) => again,
        Err(_) if printed.len() > limits.head => return,
        Err(broken) => panic!("printed message unreadable: {broken}"),
    };
    assert_eq!(message.body(), again.body(), "body");
    let (a, b) = (message.headers(), again.headers());
    assert_eq!(a.cseq(), b.cseq(), "CSeq");
    let keys = |headers: &super::Headers| {
        [Some(headers.call_id()), headers.from_tag(), headers.to_tag(), headers.branch()]
            .map(|key| key.map(str::to_owned))
    };
    assert_eq!(keys(a), keys(b), "routing keys");
    assert_eq!(typed.is_ok(), again.check().is_ok(), "{typed:?} became {:?}", again.check());
    assert_eq!(printed, again.print(), "printed twice");
}

/// Compares what is read at a glance with what the readers of all forms make of it, line by line, and the two ways to look for octets.
/// Tells which kinds of header fields there were: a name of 16 octets or more (1), a tag behind a name in quotes (2), a Via that ends with
/// `rport` (4), a CSeq (8).
pub fn lines(octets: &[u8]) -> u8 {
    for window in octets.windows(32).take(512).filter_map(<[u8]>::first_chunk::<32>) {
        for octet in [b':', window[0]] {
            assert_eq!(
                masks::equal(window, octet),
                masks::words::equal(window, octet),
                "equal {octet:#x} in {window:x?}"
            );
        }
        for limit in [b' ', window[0].clamp(1, 128)] {
            assert_eq!(
                masks::below(window, limit),
                masks::words::below(window, limit),
                "below {limit:#x} in {window:x?}"
            );
        }
    }
    let (first, rest) = octets.split_at(memchr::memchr(b'\n', octets).unwrap_or(octets.len()));
    let first = first.strip_suffix(b"\r").unwrap_or(first);
    if let Some((method, uri)) = usual::request(first, 0) {
        let read = start::read(first, 0);
        let same =
            matches!(&read, (Some(Start::Request { method: m, uri: u }), None) if *m == Some(method) && *u == uri);
        assert!(same, "{read:?}");
        let uri = uri.text(first);
        assert!(!usual::is_uri(uri.as_bytes()) || Uri::parse(uri).is_ok_and(|uri| uri.headers().is_empty()), "{uri}");
    }
    let limits = Limits { line: usize::MAX, ..Limits::default() };
    let starts = memchr::memchr_iter(b'\n', rest).map(|at| first.len() + at);
    starts.map(|at| at + 1).fold(0, |kinds, start| kinds | line(octets, start, &limits))
}

/// One line; [`lines`] says what it gives.
fn line(octets: &[u8], start: usize, limits: &Limits) -> u8 {
    let Some(entry) = usual::field(octets, start, usize::from(u16::MAX) - 2) else { return 0 };
    assert_eq!(field::field(octets, start, limits).ok(), Some((entry, entry.end() + 2)), "header field");
    let (value, at) = (entry.value_of(octets), entry.value());
    let mut kinds = u8::from(entry.name_of(octets).len() >= 16);
    if let Some(tag) = usual::tag(value, at) {
        assert_eq!(keys::tag(value, at), Ok(tag), "tag");
        kinds |= if tag.is_some() && value.starts_with(b"\"") { 2 } else { 0 };
    }
    if let (Some(address), Ok(text)) = (usual::before_params(value), std::str::from_utf8(value)) {
        assert_eq!(address, crate::route::without_params(text).as_bytes(), "address");
    }
    if let Some(uri) = usual::name_addr(value) {
        let uri = std::str::from_utf8(uri).expect("ASCII");
        let from = super::Headers::read::<From<'_>>(value);
        assert_eq!(from.map(|from| from.0.uri.as_str()), Ok(uri), "From");
        let contact = super::Headers::read::<Contact<'_>>(value);
        assert_eq!(
            contact.map(|contact| contact.address().map(|address| address.uri.as_str())),
            Ok(Some(uri)),
            "Contact"
        );
    }
    if let Some(found) = usual::via(value, at) {
        let mut keys = keys::Keys::new();
        assert_eq!(keys::via(value, at, &mut keys), Ok(()), "Via");
        assert_eq!((found.sent_by, found.branch), (keys.sent_by, keys.branch), "Via");
        let read = super::Headers::read::<Via<'_>>(value);
        let read = read.map(|via| (via.params.get("rport").is_some(), via.params.iter().count()));
        let rport = found.rport.is_some();
        assert_eq!(read, Ok((rport, 1 + usize::from(rport))), "Via");
        assert!(!rport || found.rport.bytes(octets) == b";rport", "rport");
        kinds |= if rport { 4 } else { 0 };
    }
    if let Some(cseq) = usual::cseq(value) {
        assert_eq!(super::Headers::read::<CSeq>(value), Ok(cseq), "CSeq");
        kinds |= 8;
    }
    kinds
}

/// Cuts a stream in pieces of any size and compares with cutting it in one piece; the first octet chooses the size.
pub fn stream(octets: &[u8]) {
    let Some((size, stream)) = octets.split_first() else { return };
    let cut = |size: usize| {
        let mut framer = Framer::new(Limits::default());
        let mut frames = Vec::new();
        for piece in stream.chunks(size.max(1)) {
            framer.push(piece);
            while let Some(frame) = framer.next_frame() {
                let stop = frame.is_err();
                // A ping in two pieces shows as a pong first.
                if frame != Ok(Frame::Pong) {
                    frames.push(frame);
                }
                if stop {
                    return frames;
                }
            }
        }
        frames
    };
    assert_eq!(cut(usize::from(*size)), cut(stream.len()), "frames depend on the pieces");
}

/// Reads a URI, prints it, and compares it with itself.
pub fn uri(text: &str) {
    if let Ok(uri) = Uri::parse(text) {
        assert_eq!(uri.to_string(), text);
        let many = uri.headers().iter().count().max(uri.params().iter().count()) > 32;
        assert!(many || uri.equivalent(&uri), "{uri} is not equivalent to itself");
        let aor = uri.aor();
        let again = Uri::parse(aor.as_str()).map(|uri| uri.aor());
        assert_eq!(again.as_ref(), Ok(&aor), "the address of record is not canonical");
    }
}
