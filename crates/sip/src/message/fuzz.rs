//! Entry points for fuzzing: what must hold for any octets whatsoever. They panic where it does not.

use bytes::Bytes;

use super::multipart::Parts;
use super::{Frame, Framer, Limits, Message, Uri};

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
