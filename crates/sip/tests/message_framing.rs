//! Messages cut from streams, and parts cut from multipart bodies.

// The test data lies in files.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use bytes::Bytes;
use sip::message::header::ContentType;
use sip::message::multipart::{MultipartError, Part, Parts};
use sip::message::{Frame, Framer, FramingError, HeaderId, Headers, Limits, Message, fuzz};

fn message(length: &str, body: &str) -> String {
    format!("MESSAGE sip:a@b SIP/2.0\r\nCall-ID: x\r\n{length}\r\n\r\n{body}")
}

fn frames(stream: &str, limits: Limits) -> Vec<Result<Frame, FramingError>> {
    let mut framer = Framer::new(limits);
    framer.push(stream.as_bytes());
    let mut frames = Vec::new();
    while let Some(frame) = framer.next_frame() {
        let stop = frame.is_err();
        frames.push(frame);
        if stop {
            assert_eq!(framer.next_frame(), frames.last().copied_error(), "an error stays");
            break;
        }
    }
    frames
}

trait CopiedError {
    fn copied_error(self) -> Option<Result<Frame, FramingError>>;
}

impl CopiedError for Option<&Result<Frame, FramingError>> {
    fn copied_error(self) -> Option<Result<Frame, FramingError>> {
        self.cloned()
    }
}

fn whole(text: &str) -> Result<Frame, FramingError> {
    Ok(Frame::Message(Bytes::copy_from_slice(text.as_bytes())))
}

#[test]
fn rfc3261_18_3_messages_follow_one_another() {
    let (a, b) = (message("Content-Length: 4", "body"), message("l:0", ""));
    assert_eq!(frames(&format!("{a}{b}{a}"), Limits::default()), [whole(&a), whole(&b), whole(&a)]);
    for piece in 1..a.len() {
        let mut framer = Framer::new(Limits::default());
        let mut found = Vec::new();
        for octets in a.repeat(3).as_bytes().chunks(piece) {
            framer.push(octets);
            found.extend(std::iter::from_fn(|| framer.next_frame()));
        }
        assert_eq!(found, [whole(&a), whole(&a), whole(&a)], "pieces of {piece}");
        assert_eq!(framer.buffered(), 0);
    }
}

#[test]
fn rfc3261_18_3_content_length_is_read_however_it_is_written() {
    for length in [
        "Content-Length: 2",
        "content-length:2",
        "L :2",
        "l:\r\n 2",
        "CONTENT-LENGTH \t: \t2 ",
        "l: 002",
        "l: 2\r\nl: 2",
    ] {
        let text = message(length, "ab");
        assert_eq!(frames(&text, Limits::default()), [whole(&text)], "{length:?}");
    }
}

#[test]
fn rfc3261_18_3_streams_need_one_good_content_length() {
    for (length, error) in [
        ("X: y", FramingError::NoContentLength),
        ("Content-Lengt: 1", FramingError::NoContentLength),
        ("l: -1", FramingError::BadContentLength),
        ("l: ", FramingError::BadContentLength),
        ("l: 4294967296", FramingError::BadContentLength),
        ("l: 9223372036854775808", FramingError::BadContentLength),
        ("l: 1\r\nContent-Length: 2", FramingError::BadContentLength),
        ("l: 4294967295", FramingError::MessageTooLarge),
    ] {
        assert_eq!(frames(&message(length, "ab"), Limits::default()), [Err(error)], "{length:?}");
    }
}

#[test]
fn stream_limits_at_the_limit_and_one_past_it() {
    let text = message("l: 4", "body");
    let (head, all) = (text.len() - 4, text.len());
    for (limits, expected) in [
        (Limits { message: all, ..Limits::default() }, whole(&text)),
        (Limits { message: all - 1, ..Limits::default() }, Err(FramingError::MessageTooLarge)),
        (Limits { head, ..Limits::default() }, whole(&text)),
        (Limits { head: head - 1, ..Limits::default() }, Err(FramingError::HeadTooLarge)),
    ] {
        assert_eq!(frames(&text, limits), [expected]);
    }
    for (limit, expected) in [(2, whole(&text)), (1, Err(FramingError::TooManyHeaders))] {
        assert_eq!(frames(&text, Limits { headers: limit, ..Limits::default() }), [expected]);
    }
    let endless = "x".repeat(65_536);
    assert_eq!(frames(&endless[..65_535], Limits::default()), []);
    assert_eq!(frames(&endless, Limits::default()), [Err(FramingError::HeadTooLarge)]);
}

#[test]
fn rfc5626_4_4_1_pings_and_pongs_between_messages() {
    let text = message("l: 0", "");
    let found = frames(&format!("\r\n\r\n{text}\r\n{text}\r\n\r\n\r\n\r\n"), Limits::default());
    let expected = [Ok(Frame::Ping), whole(&text), Ok(Frame::Pong), whole(&text), Ok(Frame::Ping), Ok(Frame::Ping)];
    assert_eq!(found, expected);
    let mut framer = Framer::new(Limits::default());
    framer.push(b"\r");
    assert_eq!(framer.next_frame(), None);
    framer.push(b"\n");
    assert_eq!(framer.next_frame(), Some(Ok(Frame::Pong)));
    framer.push(b"\r\n");
    assert_eq!(framer.next_frame(), Some(Ok(Frame::Ping)), "a ping in two pieces is answered");
}

#[test]
fn streams_of_any_octets_are_cut_alike_in_any_pieces() {
    let text = message("l: 4", "body");
    for noise in ["", "\r\n", "\r\n\r\n", "\n", "\r", "x", "\0"] {
        for size in [1_u8, 2, 3, 7, 50] {
            fuzz::stream(&[&[size], text.as_bytes(), noise.as_bytes(), text.as_bytes(), noise.as_bytes()].concat());
        }
    }
}

fn parts<'a>(kind: &'a str, body: &'a str, limits: &Limits) -> Result<Vec<Part<'a>>, MultipartError> {
    let kind: ContentType<'_> = Headers::read(kind.as_bytes()).unwrap();
    Parts::new(&kind, body.as_bytes(), limits)?.collect()
}

const TWO: &str = "preamble\r\n--b1\r\nContent-Type: application/sdp\r\nContent-ID: <1@h>\r\n\r\nv=0\r\n\r\n--b1  \r\n\r\nplain\r\n--b1--\r\nepilogue";

#[test]
fn rfc2046_5_1_1_parts_in_order() {
    let found = parts("multipart/mixed;boundary=b1", TWO, &Limits::default()).unwrap();
    assert_eq!(found.len(), 2);
    assert!(found[0].content_type().unwrap().unwrap().is("application", "sdp"));
    assert_eq!(found[0].raw(HeaderId::ContentId), Some(&b"<1@h>"[..]));
    assert_eq!((found[0].body(), found[1].body()), (&b"v=0\r\n"[..], &b"plain"[..]));
    assert_eq!((found[0].headers().count(), found[1].headers().count()), (2, 0));
    assert!(found[1].content_type().is_none());
}

#[test]
fn rfc2046_5_1_1_odd_bodies() {
    let read = |body| parts("multipart/mixed; boundary=\"b 1\"", body, &Limits::default());
    for body in ["--b 1--", "--b 1--\r\n", "x\r\n--b 1--"] {
        assert_eq!(read(body).unwrap().len(), 0, "no parts: {body:?}");
    }
    for body in ["--b 1\r\n--b 1--", "--b 1\r\n\r\n--b 1--", "--b 1\r\n\r\n\r\n--b 1--", "--b 1\r\nX: y\r\n\r\n--b 1--"]
    {
        let found = read(body).unwrap();
        assert_eq!((found.len(), found[0].body()), (1, &b""[..]), "empty part: {body:?}");
    }
    for body in [
        "",
        "--b",
        "--b 1",
        "--b 1\r\n",
        "--b 1\r\n\r\nx",
        "--b 1\r\n\r\nx\r\n--b 1",
        "x--b 1--",
        "--b 1\r\r--b 1--",
        "--b 1\rx\r--b 1--",
    ] {
        assert_eq!(read(body).err(), Some(MultipartError::Unclosed), "{body:?}");
    }
    let found = read("--b 1\r\n\r\na\r\n--b 12\r\nb --b 1--\r\n--b 1--").unwrap();
    assert_eq!(found[0].body(), b"a\r\n--b 12\r\nb --b 1--");
    assert!(matches!(read("--b 1\r\nno colon\r\n\r\nx\r\n--b 1--"), Err(MultipartError::Header(_))));
}

#[test]
fn rfc2046_5_1_1_boundaries() {
    for (kind, expected) in [
        ("multipart/mixed", Some(MultipartError::Boundary)),
        ("multipart/mixed;boundary=\"\"", Some(MultipartError::Boundary)),
        ("multipart/mixed;boundary=\"b \"", Some(MultipartError::Boundary)),
        ("multipart/mixed;boundary=\"b\\\"\"", Some(MultipartError::Boundary)),
        ("text/plain;boundary=b", Some(MultipartError::NotMultipart)),
        ("Multipart/Anything;Boundary=b", Some(MultipartError::Unclosed)),
    ] {
        assert_eq!(parts(kind, "", &Limits::default()).err(), expected, "{kind}");
    }
    for (length, legal) in [(70, true), (71, false)] {
        let boundary = "b".repeat(length);
        let outcome =
            parts(&format!("multipart/mixed;boundary={boundary}"), &format!("--{boundary}--"), &Limits::default())
                .is_ok();
        assert_eq!(outcome, legal);
    }
}

#[test]
fn multipart_limits_at_the_limit_and_one_past_it() {
    let limits = Limits { parts: 3, headers: 4, ..Limits::default() };
    let read = |count: usize, lines: usize| {
        let part = format!("--b\r\n{}\r\nx\r\n", "X: y\r\n".repeat(lines));
        parts("multipart/mixed;boundary=b", &format!("{}--b--", part.repeat(count)), &limits).map(|parts| parts.len())
    };
    assert_eq!((read(3, 4), read(4, 4)), (Ok(3), Err(MultipartError::TooManyParts)));
    assert_eq!(
        parts("multipart/mixed;boundary=b", &format!("--b\r\n{}\r\n--b--", "X: y\r\n".repeat(40)), &limits).err(),
        Some(MultipartError::TooManyHeaders)
    );
    assert_eq!(read(1, 5), Err(MultipartError::TooManyHeaders));
}

#[test]
fn cve_multipart_nested_fifty_deep_stops_at_the_limit() {
    let mut body = String::from("text");
    for level in 0..50 {
        body = format!(
            "--b{level}\r\nContent-Type: multipart/mixed;boundary=b{}\r\n\r\n{body}\r\n--b{level}--",
            level.max(1) - 1
        );
    }
    let limits = Limits::default();
    let kind: ContentType<'_> = Headers::read(b"multipart/mixed;boundary=b49").unwrap();
    let mut part = Parts::new(&kind, body.as_bytes(), &limits).unwrap().next().unwrap().unwrap();
    for _ in 1..limits.nesting {
        part = part.parts(&limits).unwrap().next().unwrap().unwrap();
    }
    assert_eq!(part.parts(&limits).err(), Some(MultipartError::TooDeep));
}

#[test]
fn rfc4475_3_1_1_11_binary_parts_are_read_whole() {
    let data = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/rfc4475/mpart01.dat");
    let message = Message::parse(std::fs::read(data).unwrap().into(), &Limits::default()).unwrap();
    let kind = message.headers().content_type().unwrap().unwrap();
    let found: Vec<Part<'_>> =
        Parts::new(&kind, message.body(), &Limits::default()).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].body(), b"Hello");
    assert!(found[1].body().contains(&0));
}

#[test]
fn rfc5626_4_4_1_two_pongs_in_a_row_are_no_ping_to_who_pings() {
    let pushed = |mut framer: Framer| {
        let mut found = Vec::new();
        for octets in ["\r\n", "\r\n", "\r\n\r\n"] {
            framer.push(octets.as_bytes());
            found.extend(std::iter::from_fn(|| framer.next_frame()).map(Result::unwrap));
        }
        found
    };
    use Frame::{Ping, Pong};
    assert_eq!(pushed(Framer::pinging(Limits::default())), [Pong, Pong, Ping]);
    assert_eq!(pushed(Framer::new(Limits::default())), [Pong, Ping, Ping], "the control: a ping in two pieces");
}
