//! Secrets taken out of a message that stays one: what opens an account or a stream of media.

use crate::shown::passwords;

/// What stands in place of a secret in the head of a message. In a body, whose length is announced, each octet of it becomes a [`STAR`].
const CUT: &[u8] = b"(cut)";
const STAR: u8 = b'*';

/// Parameters of credentials that tell nothing without the password (RFC 7616 section 3.4, 3.5). Whatever else there is, is cut.
const OPEN: [&str; 12] = [
    "username",
    "realm",
    "nonce",
    "uri",
    "algorithm",
    "qop",
    "nc",
    "cnonce",
    "opaque",
    "userhash",
    "nextnonce",
    "charset",
];

/// What a line may hold.
#[derive(Clone, Copy, PartialEq)]
enum Secret {
    /// A scheme, then its parameters.
    Credentials,
    /// Parameters alone.
    Information,
    /// Nothing but a secret.
    All,
    /// A secret from `inline:` on (RFC 4568 section 6.1).
    Inline,
}

/// How lines with secrets begin.
const LINES: [(&str, Secret); 9] = [
    ("authorization:", Secret::Credentials),
    ("proxy-authorization:", Secret::Credentials),
    ("authentication-info:", Secret::Information),
    ("proxy-authentication-info:", Secret::Information),
    ("a=crypto:", Secret::Inline),
    // Any of these as a capability (RFC 5939 section 3.3.2).
    ("a=acap:", Secret::Inline),
    ("a=key-mgmt:", Secret::All),
    ("a=ice-pwd:", Secret::All),
    ("k=", Secret::All),
];

/// The message without its secrets: responses to challenges and other credentials, keys of SRTP, passwords of ICE, passwords in URIs. Its
/// body is as long as it was. When in doubt more is cut than needed.
pub fn masked(message: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(message.len() + 32);
    let (mut rest, mut begun, mut in_body) = (message, false, false);
    while !rest.is_empty() {
        let (mut line, mut end) = split_line(rest);
        let secret = secret_of(line);
        // What is folded belongs to the line before (RFC 3261 section 7.3.1).
        while secret.is_some() {
            let behind = rest.get(line.len() + end..).unwrap_or_default();
            if !behind.starts_with(b" ") && !behind.starts_with(b"\t") {
                break;
            }
            let (more, more_end) = split_line(behind);
            line = rest.get(..line.len() + end + more.len()).unwrap_or_default();
            end = more_end;
        }
        match secret {
            Some((begin, _)) if in_body => stars(&mut whole, line, begin),
            Some((begin, secret)) => {
                whole.extend_from_slice(line.get(..begin).unwrap_or_default());
                cut(&mut whole, line.get(begin..).unwrap_or_default(), secret);
            }
            None => {
                // However a key is wrapped up.
                let (open, key) =
                    inline(line).filter(|_| in_body).and_then(|at| line.split_at_checked(at)).unwrap_or((line, &[]));
                plain(&mut whole, open, in_body);
                starred(&mut whole, key);
            }
        }
        let (_, behind) = rest.split_at_checked(line.len()).unwrap_or_default();
        let (ending, behind) = behind.split_at_checked(end).unwrap_or_default();
        whole.extend_from_slice(ending);
        in_body |= begun && line.is_empty();
        begun |= !line.is_empty();
        rest = behind;
    }
    whole
}

/// A line, and how long its end is: CRLF, or one of both alone.
fn split_line(text: &[u8]) -> (&[u8], usize) {
    let at = memchr::memchr2(b'\r', b'\n', text).unwrap_or(text.len());
    let (line, rest) = text.split_at_checked(at).unwrap_or_default();
    (line, if rest.starts_with(b"\r\n") { 2 } else { rest.len().min(1) })
}

/// What secret a line holds, and where it begins. Blanks within the name hide nothing.
fn secret_of(line: &[u8]) -> Option<(usize, Secret)> {
    let first = line.iter().find(|octet| !octet.is_ascii_whitespace())?.to_ascii_lowercase();
    LINES.into_iter().find_map(|(name, secret)| {
        let mut wanted = name.bytes();
        if first != *name.as_bytes().first()? {
            return None;
        }
        let mut expected = wanted.next();
        for (place, octet) in line.iter().enumerate().filter(|(_, octet)| !octet.is_ascii_whitespace()) {
            if Some(octet.to_ascii_lowercase()) != expected {
                return None;
            }
            expected = wanted.next();
            if expected.is_none() {
                return Some((place + 1, secret));
            }
        }
        None
    })
}

/// A line of a body with stars from `begin` on.
fn stars(whole: &mut Vec<u8>, line: &[u8], begin: usize) {
    let (name, value) = line.split_at_checked(begin).unwrap_or((line, &[]));
    whole.extend_from_slice(name);
    // Tag and suite of a key of SRTP, which both sides must agree on.
    let (open, secret) = value.split_at_checked(inline(value).unwrap_or(0)).unwrap_or((&[], value));
    whole.extend_from_slice(open);
    starred(whole, secret);
}

/// Where the first key of SRTP begins: behind its method (RFC 4568 section 6.1).
fn inline(line: &[u8]) -> Option<usize> {
    const METHOD: &[u8] = b"inline";
    memchr::memchr_iter(b':', line)
        .find(|colon| {
            let method = colon.checked_sub(METHOD.len()).and_then(|begin| line.get(begin..*colon));
            method.is_some_and(|method| method.eq_ignore_ascii_case(METHOD))
        })
        .map(|colon| colon + 1)
}

/// A star for each octet but blanks.
fn starred(whole: &mut Vec<u8>, secret: &[u8]) {
    whole.extend(secret.iter().map(|octet| if octet.is_ascii_whitespace() { *octet } else { STAR }));
}

/// The value of a header field, on one line.
fn cut(whole: &mut Vec<u8>, value: &[u8], secret: Secret) {
    let value = value.trim_ascii();
    whole.push(b' ');
    let parameters = match secret {
        Secret::Information => value,
        Secret::Credentials => {
            let scheme = value.iter().position(u8::is_ascii_whitespace).unwrap_or(0);
            let (scheme, parameters) = value.split_at_checked(scheme).unwrap_or_default();
            if !scheme.eq_ignore_ascii_case(b"Digest") {
                whole.extend_from_slice(scheme);
                if !scheme.is_empty() {
                    whole.push(b' ');
                }
                return whole.extend_from_slice(CUT);
            }
            whole.extend_from_slice(b"Digest ");
            parameters
        }
        Secret::All | Secret::Inline => return whole.extend_from_slice(CUT),
    };
    for (place, parameter) in parameters_of(parameters).enumerate() {
        if place > 0 {
            whole.extend_from_slice(b", ");
        }
        let parameter = parameter.trim_ascii();
        let equals = parameter.iter().position(|octet| *octet == b'=').unwrap_or(0);
        let (name, text) = parameter.split_at_checked(equals).unwrap_or_default();
        let text = text.get(1..).unwrap_or_default();
        let is_open = OPEN.iter().any(|open| name.trim_ascii().eq_ignore_ascii_case(open.as_bytes()));
        if is_open && is_whole(text.trim_ascii()) {
            plain(whole, parameter, false);
        } else if [&b"response"[..], b"rspauth"].iter().any(|known| name.trim_ascii().eq_ignore_ascii_case(known)) {
            whole.extend_from_slice(name.trim_ascii());
            whole.extend_from_slice(b"=\"(cut)\"");
        } else {
            whole.extend_from_slice(CUT);
        }
    }
}

/// What stands between commas that are not quoted.
fn parameters_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |octet| {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' => return !quoted,
            _ => {}
        }
        false
    })
}

/// Whether this is one value: a quoted string to its very end, or a word without quotes and blanks. Anything else may hold what belongs to
/// another parameter.
fn is_whole(value: &[u8]) -> bool {
    let Some(inner) = value.strip_prefix(b"\"") else {
        return !value.iter().any(|octet| *octet == b'"' || octet.is_ascii_whitespace());
    };
    let mut escaped = false;
    let end = inner.iter().position(|octet| match octet {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        octet => *octet == b'"',
    });
    end.is_some_and(|end| end + 1 == inner.len())
}

/// A line without passwords of URIs.
fn plain(whole: &mut Vec<u8>, line: &[u8], in_body: bool) {
    let mut copied = 0;
    for password in passwords(line) {
        whole.extend_from_slice(line.get(copied..password.start).unwrap_or_default());
        match in_body {
            true => whole.extend(std::iter::repeat_n(STAR, password.len())),
            false => whole.extend_from_slice(CUT),
        }
        copied = password.end;
    }
    whole.extend_from_slice(line.get(copied..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::masked;

    fn text(message: &str) -> String {
        String::from_utf8(masked(message.as_bytes())).unwrap()
    }

    #[test]
    fn of_digest_credentials_only_the_response_is_cut() {
        assert_eq!(
            text(
                "Authorization: Digest username=\"1001\", realm=\"a, \\\"b\", nonce=\"n\", uri=\"sip:h\", response=\"s3cret\", nc=00000001\r\n"
            ),
            "Authorization: Digest username=\"1001\", realm=\"a, \\\"b\", nonce=\"n\", uri=\"sip:h\", response=\"(cut)\", nc=00000001\r\n"
        );
        assert_eq!(
            text("proxy-AUTHORIZATION \t:digest\tresponse=s3cret ,\r\n\tusername = \"u\"\r\nTo: x\r\n"),
            "proxy-AUTHORIZATION \t: Digest response=\"(cut)\", username = \"u\"\r\nTo: x\r\n"
        );
        assert_eq!(text("Authentication-Info: nextnonce=\"n\",rspauth=\"s3cret\"\r\n"), {
            "Authentication-Info: nextnonce=\"n\", rspauth=\"(cut)\"\r\n"
        });
    }

    #[test]
    fn credentials_that_are_written_badly_hide_nothing() {
        for value in [
            "Basic s3cret",
            "s3cret",
            "Bearer s3cret",
            "Digest",
            "Digests3cret",
            "Digest username=\"u, response=\"s3cret\"",
            "Digest username=u\", response=\"s3cret\"",
            "Digest username=\"u\" response=\"s3cret\"",
            "Digest username=u response=s3cret",
            "Digest username=\"u\\\", response=\"s3cret\", realm=\"x",
            "Digest s3cret",
            "Digest =s3cret, response==s3cret,,s3cret=s 3",
            "Digest username=\"u\", Digest response=\"s3cret\"",
            "Digest username=\"u\",\r\n response\r\n =\r\n \"s3cret\"",
            "\r\n Digest response=\"s3cret\"",
        ] {
            for name in ["Authorization", " Authorization", "Proxy-Authorization ", "Auth orization"] {
                let shown = text(&format!("{name}: {value}\r\nTo: y\r\n"));
                assert!(!shown.contains("s3cret"), "{value}: {shown}");
                assert!(shown.ends_with("\r\nTo: y\r\n"), "{shown}");
            }
        }
    }

    #[test]
    fn a_body_keeps_its_length() {
        let head = "INVITE sip:b:s3cret@h SIP/2.0\r\nTo: <sip:b:s3cret@h>\r\n\r\n";
        let body = "v=0\r\nc=IN IP4 h\r\nk=clear:s3cret\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:s3crets3cret|2^20|1:4\r\n\
                    a=ice-pwd:s3cret\r\na=key-mgmt:mikey s3cret\r\nAuthorization: Digest response=\"s3cret\"\r\nx <sip:u:s3cret@h>\r\n";
        let shown = text(&format!("{head}{body}"));
        assert!(!shown.contains("s3cret"), "{shown}");
        let (shown_head, shown_body) = shown.split_once("\r\n\r\n").unwrap();
        assert_eq!(shown_head, "INVITE sip:b:(cut)@h SIP/2.0\r\nTo: <sip:b:(cut)@h>");
        assert_eq!(shown_body.len(), body.len(), "{shown_body}");
        assert!(shown_body.starts_with("v=0\r\nc=IN IP4 h\r\nk=************\r\n"), "{shown_body}");
        assert!(
            shown_body.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:*********************\r\n"),
            "{shown_body}"
        );
        assert!(shown_body.ends_with("x <sip:u:******@h>\r\n"), "{shown_body}");
    }

    #[test]
    fn rfc5939_3_3_2_a_key_that_is_offered_as_a_capability_is_hidden() {
        let shown =
            |line: &str| text(&format!("X: y\r\n\r\nv=0\r\n{line}\r\n"))[b"X: y\r\n\r\nv=0\r\n".len()..].to_owned();
        for (line, expected) in [
            (
                "a=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 inline:s3cret|2^20",
                "a=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***********\r\n",
            ),
            ("a=acap:1 crypto:1 X INLINE:s3cret", "a=acap:1 crypto:1 X INLINE:******\r\n"),
            ("a=acap:1 ice-pwd:s3cret", "a=acap:* **************\r\n"),
            ("a=acap:1 key-mgmt:mikey s3cret", "a=acap:* ************** ******\r\n"),
            ("a=new:sip:u:s3cret@h x Inline:s3cret s3cret", "a=new:sip:u:******@h x Inline:****** ******\r\n"),
        ] {
            assert_eq!(shown(line), expected);
        }
    }

    #[test]
    fn passwords_are_cut_from_addresses_of_any_scheme() {
        assert_eq!(
            text(
                "Call-Info: <http://u:s3cret@h:80/a:b@c>;purpose=icon\r\nAlert-Info: <HTTPS://u:s3cret@h>\r\n\r\nsee ws://u:s3cret@h\r\n"
            ),
            "Call-Info: <http://u:(cut)@h:80/a:b@c>;purpose=icon\r\nAlert-Info: <HTTPS://u:(cut)@h>\r\n\r\nsee ws://u:******@h\r\n"
        );
        let open = "Call-Info: <http://h:80/a@b>, <https://[::1]:80/>\r\n";
        assert_eq!(text(open), open);
    }

    #[test]
    fn what_holds_no_secret_is_as_it_was() {
        for message in [
            &b""[..],
            b"\r\n\r\n",
            b"\r\n\r\nOPTIONS sip:a@h SIP/2.0\r\nWWW-Authenticate: Digest nonce=\"n\"\r\n\r\nbody \xff\r\rk",
            b"X: y\rZ: 1\n\n a=cryptic:1\r\n",
        ] {
            assert_eq!(masked(message), message);
        }
        assert_eq!(
            masked(b"\r\n\r\nAuthorization: s3cret"),
            b"\r\n\r\nAuthorization: (cut)",
            "blank lines before a message begin no body"
        );
        assert_eq!(masked(b"Authorization: s3cret\rZ: 1"), b"Authorization: (cut)\rZ: 1");
    }

    #[test]
    fn each_octet_is_looked_at_a_few_times_only() {
        // Quadratic work would take minutes.
        for many in [
            "Authorization: \r\n ",
            "a=crypto:\r\n\t",
            "sip:",
            "sip:a:b@",
            "a://b:",
            "X:\r\n\r\ninline",
            "Authorization: Digest a=\"\\",
            ",",
        ] {
            let message = many.repeat((4 << 20) / many.len());
            let begin = std::time::Instant::now();
            masked(message.as_bytes());
            assert!(begin.elapsed() < std::time::Duration::from_secs(20), "{many:?}");
        }
    }
}
