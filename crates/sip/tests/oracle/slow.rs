//! A slow reader of SIP messages, written by plain splitting, and the comparison of the real one with it, field by field.
//! Used by the tests beside it and by `bench parse`.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use sip::message::header::{Contact, From, RecordRoute, Route, To, Via};
use sip::message::{Header, HeaderId, Limits, Message, ParseError};

/// One header field as the slow reader sees it.
struct Field {
    name: Vec<u8>,
    /// Outer white space gone, folds kept.
    value: Vec<u8>,
}

/// What the slow reader finds.
struct Slow {
    fields: Vec<Field>,
    body: Vec<u8>,
    call_id: String,
    cseq: (u32, String),
    from_tag: Option<String>,
    to_tag: Option<String>,
    branch: Option<String>,
    sent_by: String,
    start: Vec<Vec<u8>>,
}

const SINGLE: [&str; 7] = ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type"];

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| !is_lws(*b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !is_lws(*b)).map_or(start, |at| at + 1);
    &bytes[start..end]
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

fn is_value(byte: u8) -> bool {
    is_token(byte) || b"[]:/=@&$?{}()|\\^#".contains(&byte)
}

/// The compact forms registered at IANA (RFC 3261 section 7.3.3, RFC 3515, 3841, 3892, 4028, 4474, 6665): written down here, and not
/// asked of the reader that is judged.
const COMPACT: [(u8, &str); 20] = [
    (b'a', "accept-contact"),
    (b'b', "referred-by"),
    (b'c', "content-type"),
    (b'd', "request-disposition"),
    (b'e', "content-encoding"),
    (b'f', "from"),
    (b'i', "call-id"),
    (b'j', "reject-contact"),
    (b'k', "supported"),
    (b'l', "content-length"),
    (b'm', "contact"),
    (b'n', "identity-info"),
    (b'o', "event"),
    (b'r', "refer-to"),
    (b's', "subject"),
    (b't', "to"),
    (b'u', "allow-events"),
    (b'v', "via"),
    (b'x', "session-expires"),
    (b'y', "identity"),
];

/// The long name behind a compact form, the name itself of others, in lower case.
fn long_name(name: &[u8]) -> Vec<u8> {
    let name = name.to_ascii_lowercase();
    let long = COMPACT.iter().find(|(letter, _)| name == [*letter]);
    long.map_or(name, |(_, long)| long.as_bytes().to_vec())
}

/// Lines of the head up to the empty one, folds joined, and what follows. `None` when a CR or LF stands alone or the end is missing.
fn lines(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, Vec<u8>)> {
    let (mut lines, mut line, mut at) = (Vec::new(), Vec::new(), 0);
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'\r', Some(b'\n')) => {
                at += 2;
                // A blank goes on with a header field, but nothing goes on with the start line.
                if !lines.is_empty() && !line.is_empty() && bytes.get(at).is_some_and(|b| is_blank(*b)) {
                    line.extend_from_slice(b"\r\n");
                } else if line.is_empty() {
                    return Some((lines, bytes[at..].to_vec()));
                } else {
                    lines.push(std::mem::take(&mut line));
                }
            }
            (b'\r' | b'\n', _) => return None,
            (byte, _) => {
                line.push(*byte);
                at += 1;
            }
        }
    }
}

/// Splits at `separator` outside quotes and, where `brackets`, outside angle brackets. `None` when a quote or bracket stays open.
fn split(value: &[u8], separator: u8, brackets: bool) -> Option<Vec<Vec<u8>>> {
    let (mut parts, mut part, mut quoted, mut inside, mut at) = (Vec::new(), Vec::new(), false, false, 0);
    while at < value.len() {
        let byte = value[at];
        if quoted && byte == b'\\' {
            part.push(byte);
            at += 1;
            let next = *value.get(at)?;
            if next == b'\r' || next == b'\n' {
                return None;
            }
            part.push(next);
        } else if byte == b'"' && !inside {
            quoted = !quoted;
            part.push(byte);
        } else if byte == b'<' && brackets && !quoted && !inside {
            inside = true;
            part.push(byte);
        } else if byte == b'>' && inside {
            inside = false;
            part.push(byte);
        } else if byte == separator && !quoted && !inside {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(byte);
        }
        at += 1;
    }
    parts.push(part);
    (!quoted && !inside).then_some(parts)
}

/// Name and value of each parameter; `None` when one of them does not follow the grammar.
fn params(parts: &[Vec<u8>]) -> Option<Vec<(String, Option<String>)>> {
    let read = |part: &Vec<u8>| -> Option<(String, Option<String>)> {
        let (name, value) = match part.iter().position(|b| *b == b'=') {
            Some(at) => (trim(&part[..at]), Some(trim(&part[at + 1..]))),
            None => (trim(part), None),
        };
        if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
            return None;
        }
        let legal = match value {
            Some([b'"', inner @ .., b'"']) => quoted_is_legal(inner),
            Some(value) => !value.is_empty() && value.iter().all(|b| is_value(*b)),
            None => true,
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        legal.then(|| (text(name), value.map(text)))
    };
    parts.iter().map(read).collect()
}

/// The inside of a quoted string: no bare quote, no control character but tab, DEL and folds, except behind a backslash.
fn quoted_is_legal(inner: &[u8]) -> bool {
    let mut rest = inner.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' if rest.next().is_none() => return false,
            b'\\' | b'\t' | b'\r' | b'\n' => {}
            b'"' | 0..=0x1f => return false,
            _ => {}
        }
    }
    true
}

/// The tag of a From or To, looked for by splitting; `Err` when the value is broken.
fn tag(value: &[u8]) -> Result<Option<String>, ()> {
    let parts = split(value, b';', true).ok_or(())?;
    let (address, rest) = parts.split_first().ok_or(())?;
    let address = trim(address);
    let open = match address.first() {
        Some(b'"') => {
            let close = closing_quote(address).ok_or(())?;
            let behind = trim(&address[close + 1..]);
            let legal = quoted_is_legal(&address[1..close]);
            return finish(behind, rest, legal && behind.first() == Some(&b'<'));
        }
        Some(_) => address.iter().position(|b| *b == b'<'),
        None => return Err(()),
    };
    let before = &address[..open.unwrap_or(address.len())];
    if before.iter().any(|b| b"\",>".contains(b)) {
        return Err(());
    }
    finish(&address[open.unwrap_or(0)..], rest, true)
}

/// Judges `<...>` (or a bare URI) and the parameters behind it.
fn finish(address: &[u8], rest: &[Vec<u8>], legal: bool) -> Result<Option<String>, ()> {
    if address.first() == Some(&b'<') {
        let close = address.iter().position(|b| *b == b'>').ok_or(())?;
        if !trim(&address[close + 1..]).is_empty() {
            return Err(());
        }
    }
    let params = params(rest).filter(|_| legal).ok_or(())?;
    Ok(first_token(params, "tag"))
}

/// The value of the first parameter of this name, unless it is absent or quoted.
fn first_token(params: Vec<(String, Option<String>)>, wanted: &str) -> Option<String> {
    let (_, value) = params.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
    value.filter(|value| !value.starts_with('"'))
}

fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Sent-by and branch of the first Via; `Err` when it is broken.
fn via(value: &[u8]) -> Result<(String, Option<String>), ()> {
    // What follows the first comma outside quotes is for the typed reader.
    let (mut quoted, mut escaped, mut end) = (false, false, value.len());
    for (at, byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    let first = value[..end].to_vec();
    let parts = split(&first, b';', false).ok_or(())?;
    let mut slashes = parts[0].splitn(3, |b| *b == b'/');
    let (name, version, rest) = (slashes.next().ok_or(())?, slashes.next().ok_or(())?, trim(slashes.next().ok_or(())?));
    let token = |text: &[u8]| !text.is_empty() && text.iter().all(|b| is_token(*b));
    let space = rest.iter().position(|b| is_lws(*b)).ok_or(())?;
    if !token(trim(name)) || !token(trim(version)) || !token(&rest[..space]) {
        return Err(());
    }
    let sent_by = trim(&rest[space..]);
    let (host, port) = if sent_by.first() == Some(&b'[') {
        let close = sent_by.iter().position(|b| *b == b']').ok_or(())?;
        let inner = std::str::from_utf8(&sent_by[1..close]).map_err(drop)?;
        let fixed = if inner.contains("::::") { inner.to_owned() } else { inner.replacen(":::", "::", 1) };
        fixed.parse::<std::net::Ipv6Addr>().map_err(drop)?;
        (&sent_by[..=close], &sent_by[close + 1..])
    } else {
        let end = sent_by.iter().position(|b| *b == b':').unwrap_or(sent_by.len());
        let host = trim(&sent_by[..end]);
        if host.is_empty() || !host.iter().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(b)) {
            return Err(());
        }
        (host, &sent_by[end..])
    };
    let port = trim(port);
    let port_is_legal = match port.split_first() {
        None => true,
        Some((b':', digits)) => !trim(digits).is_empty() && trim(digits).iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    let _ = host;
    let params = params(&parts[1..]).filter(|_| port_is_legal).ok_or(())?;
    Ok((String::from_utf8_lossy(sent_by).into_owned(), first_token(params, "branch")))
}

/// Reads a message the slow way; `None` when it must be refused.
fn slow(bytes: &[u8]) -> Option<Slow> {
    let begin = bytes.iter().position(|b| *b != b'\r' && *b != b'\n')?;
    let (head, rest) = lines(&bytes[begin..])?;
    let start: Vec<Vec<u8>> = head.first()?.splitn(3, |b| *b == b' ').map(<[u8]>::to_vec).collect();
    let control = |line: &[u8]| line.iter().any(|b| *b < 0x20 && !is_lws(*b));
    if control(&head[0]) || !start_is_legal(&start) {
        return None;
    }
    let mut fields = Vec::new();
    for line in &head[1..] {
        let colon = line.iter().position(|b| *b == b':')?;
        let name = line[..colon].iter().rposition(|b| !is_blank(*b)).map(|at| &line[..=at])?;
        if name.len() > 255 || !name.iter().all(|b| is_token(*b)) {
            return None;
        }
        for (at, byte) in line.iter().enumerate().skip(colon + 1) {
            if *byte < 0x20 && !is_lws(*byte) && line[at - 1] != b'\\' {
                return None;
            }
        }
        fields.push(Field { name: name.to_vec(), value: trim(&line[colon + 1..]).to_vec() });
    }
    let all = |name: &str| -> Vec<&Field> {
        fields.iter().filter(|f| long_name(&f.name) == name.to_ascii_lowercase().as_bytes()).collect()
    };
    if SINGLE.iter().any(|name| all(name).len() > 1) {
        return None;
    }
    let one = |name: &str| all(name).first().map(|field| field.value.clone());
    let call_id = one("Call-ID").filter(|v| !v.is_empty() && v.iter().all(u8::is_ascii_graphic))?;
    let cseq = one("CSeq")?;
    let digits: Vec<u8> = cseq.iter().copied().take_while(u8::is_ascii_digit).collect();
    let behind = &cseq[digits.len()..];
    let number = String::from_utf8(digits).ok()?.parse::<u32>().ok()?;
    let method = String::from_utf8(trim(behind).to_vec()).ok()?;
    if !behind.first().is_some_and(|b| is_lws(*b)) || method.is_empty() || !method.bytes().all(is_token) {
        return None;
    }
    if start.first().is_some_and(|word| !word.contains(&b'/')) && start[0] != method.as_bytes() {
        return None;
    }
    let (from_tag, to_tag) = (tag(&one("From")?).ok()?, tag(&one("To")?).ok()?);
    let (sent_by, branch) = via(&one("Via")?).ok()?;
    let length = match one("Content-Length") {
        None => rest.len(),
        Some(text) if text.iter().all(u8::is_ascii_digit) => {
            String::from_utf8(text).ok()?.parse::<u32>().ok()? as usize
        }
        Some(_) => return None,
    };
    let body = rest.get(..length)?.to_vec();
    let call_id = String::from_utf8(call_id).ok()?;
    Some(Slow { fields, body, call_id, cseq: (number, method), from_tag, to_tag, branch, sent_by, start })
}

fn start_is_legal(start: &[Vec<u8>]) -> bool {
    let version = |text: &[u8]| text.eq_ignore_ascii_case(b"SIP/2.0");
    let word = |at: usize| start.get(at).map_or(&b""[..], Vec::as_slice);
    if word(0).get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/")) {
        let code = String::from_utf8_lossy(word(1)).into_owned();
        let digits = code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit());
        return version(word(0)) && digits && (100..700).contains(&code.parse::<u32>().unwrap_or(0));
    }
    let method = !word(0).is_empty() && word(0).iter().all(|b| is_token(*b));
    method && !word(1).is_empty() && word(1).is_ascii() && version(word(2))
}

/// Compares both readers on one message; tells whether it was accepted.
pub(crate) fn compare(bytes: &[u8]) -> bool {
    let show = || String::from_utf8_lossy(bytes).into_owned();
    let fast = Message::parse(Bytes::copy_from_slice(bytes), &Limits::default());
    let slow = slow(bytes);
    let (message, slow) = match (fast, slow) {
        (Ok(message), Some(slow)) => (message, slow),
        (Err(_), None) => return false,
        (Err(broken), Some(_)) => panic!("only the slow reader accepts ({broken}):\n{}", show()),
        (Ok(_), None) => panic!("only the fast reader accepts:\n{}", show()),
    };
    let headers = message.headers();
    assert_eq!(headers.len(), slow.fields.len(), "{}", show());
    for (fast, slow) in headers.iter().zip(&slow.fields) {
        assert_eq!((fast.name.as_bytes(), fast.value), (&*slow.name, &*slow.value), "{}", show());
        let id = if fast.id == HeaderId::Other { fast.name } else { fast.id.name() };
        assert_eq!(id.to_ascii_lowercase().into_bytes(), long_name(&slow.name), "{}", show());
    }
    assert_eq!(message.body(), slow.body, "{}", show());
    assert_eq!(headers.call_id(), slow.call_id, "{}", show());
    assert_eq!((headers.cseq().number, headers.cseq().method.as_str()), (slow.cseq.0, &*slow.cseq.1), "{}", show());
    assert_eq!(headers.from_tag(), slow.from_tag.as_deref(), "{}", show());
    assert_eq!(headers.to_tag(), slow.to_tag.as_deref(), "{}", show());
    assert_eq!((headers.branch(), headers.sent_by()), (slow.branch.as_deref(), &*slow.sent_by), "{}", show());
    match &message {
        Message::Request(request) => assert_eq!(request.uri_text().as_bytes(), slow.start[1], "{}", show()),
        Message::Response(response) => {
            assert_eq!(response.code().to_string().as_bytes(), slow.start[1], "{}", show());
            assert_eq!(response.reason_bytes(), slow.start.get(2).map_or(&b""[..], Vec::as_slice), "{}", show());
        }
    }
    typed(&message, &slow);
    true
}

/// Compares typed values that could be read with what splitting finds.
fn typed(message: &Message, slow: &Slow) {
    let headers = message.headers();
    if let Some(Ok(to)) = headers.get::<To<'_>>() {
        assert_eq!(to.tag(), headers.to_tag());
    }
    if let Some(Ok(from)) = headers.get::<From<'_>>() {
        assert_eq!(from.tag(), headers.from_tag());
    }
    if let Some(Ok(via)) = headers.get::<Via<'_>>() {
        assert_eq!(via.branch(), headers.branch());
    }
    items::<Via<'_>>(message, slow, false, |via| via.params.iter().map(|p| p.name.to_owned()).collect());
    let address = |address: &sip::message::header::NameAddr<'_>| -> Vec<String> {
        address.params.iter().map(|p| p.name.to_owned()).collect()
    };
    items::<Route<'_>>(message, slow, true, |route| address(route));
    items::<RecordRoute<'_>>(message, slow, true, |route| address(route));
    items::<Contact<'_>>(message, slow, true, |contact| contact.address().map(address).unwrap_or_default());
}

/// Where every item of a list could be read, their number and the names of their parameters are those found by splitting.
fn items<'a, H: Header<'a>>(message: &'a Message, slow: &Slow, brackets: bool, names: impl Fn(&H) -> Vec<String>) {
    let Ok(read) = message.headers().list::<H>().collect::<Result<Vec<H>, ParseError>>() else { return };
    let lines = slow.fields.iter().filter(|f| long_name(&f.name) == H::ID.name().to_ascii_lowercase().as_bytes());
    let mut expected = Vec::new();
    for line in lines {
        for item in split(&line.value, b',', brackets).unwrap() {
            let parts = split(&item, b';', brackets).unwrap();
            let names = params(&parts[1..]).unwrap().into_iter().map(|(name, _)| name);
            expected.push(names.collect::<Vec<String>>());
        }
    }
    assert_eq!(read.iter().map(names).collect::<Vec<_>>(), expected);
}
