//! What a NOTIFY tells of a REFER: a fragment of a message (message/sipfrag, RFC 3420).

use sip::message::StatusCode;

/// Where its first line ends at the latest, in octets.
const LONGEST: usize = 512;

/// Code and reason of the status line that a body begins with (RFC 3515 section 2.4.5).
pub(super) fn said(body: &[u8]) -> Option<(u16, String)> {
    let line = body.get(..LONGEST.min(body.len()))?.split(|octet| matches!(octet, b'\r' | b'\n')).next()?;
    let line = String::from_utf8_lossy(line);
    let (code, reason) = line.strip_prefix("SIP/2.0 ")?.split_once(' ').or_else(|| Some((line.get(8..)?, "")))?;
    let code = StatusCode::new(code.parse().ok().filter(|_| code.len() == 3)?)?;
    Some((code.get(), reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3515_2_4_5_a_body_begins_with_a_status_line() {
        let told = |code, reason: &str| Some((code, reason.to_owned()));
        assert_eq!(said(b"SIP/2.0 180 Ringing\r\n"), told(180, "Ringing"));
        assert_eq!(said(b"SIP/2.0 200 OK"), told(200, "OK"));
        assert_eq!(said(b"SIP/2.0 486\r\nVia: x\r\n"), told(486, ""));
        for other in
            [&b""[..], b"SIP/2.0", b"SIP/2.0 1800 x", b"SIP/2.0 20 x", b"200 OK", b"SIP/2.0 999 x\r\n", &[b'x'; 9_000]]
        {
            assert_eq!(said(other), None, "{}", String::from_utf8_lossy(&other[..other.len().min(40)]));
        }
    }
}
