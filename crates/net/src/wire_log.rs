//! Every message that passes, in the log: at the level of debugging, with the target `wire`, and with credentials cut.

use tracing::Level;

use crate::shown::shown;
use crate::tap::{Direction, Seen};
use crate::trace::masked;

/// The target of these lines, for filters such as `wire=debug`.
const TARGET: &str = "wire";
/// Writes a message down, where that is wanted.
pub(crate) fn show(seen: &Seen<'_>) {
    if !tracing::enabled!(target: TARGET, Level::DEBUG) {
        return;
    }
    let (way, transport, remote) = (way(seen.direction), seen.transport.as_str(), seen.remote);
    let call_id = String::from_utf8_lossy(sip::Spread::call_id_in(seen.bytes).unwrap_or_default());
    tracing::debug!(
        target: TARGET,
        parent: &crate::call_span!(target: TARGET, call_id),
        "{way} {transport} {remote}, here {}\n{}",
        seen.local,
        readable(seen.bytes)
    );
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "received from",
        Direction::Out(_) => "sent to",
    }
}

/// The message as lines that draw nothing on a terminal, without credentials and passwords of URIs.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&masked(bytes)).replace("\r\n", "\n").replace('\r', "\n");
    let mut whole = String::with_capacity(text.len());
    for line in text.lines() {
        whole.push_str(&shown(line));
        whole.push('\n');
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn credentials_are_cut_however_they_are_written() {
        let message = "REGISTER sip:a SIP/2.0\r\nAuthorization: Digest username=\"u\",\r\n response=\"s3cret\"\r\n\
                       PROXY-AUTHORIZATION \t: Digest response=\"s3cret\"\r\nTo: <sip:a>\r\n\r\nv=0\r\na=crypto:1 s3cret\r\nk=clear:s3cret\r\na=x\r\n";
        let shown = readable(message.as_bytes());
        assert!(!shown.contains("s3cret"), "{shown}");
        assert_eq!(shown.matches("response=\"(cut)\"").count(), 2, "{shown}");
        for kept in ["REGISTER sip:a SIP/2.0\n", "\nTo: <sip:a>\n\nv=0\na=crypto:* ******\nk=************\na=x\n"] {
            assert!(shown.contains(kept), "{shown}");
        }
    }

    #[test]
    fn lines_that_end_in_a_carriage_return_alone_hide_nothing() {
        assert_eq!(readable(b"X: y\rAuthorization: s3cret\rZ: 1"), "X: y\nAuthorization: (cut)\nZ: 1\n");
    }

    #[test]
    fn nothing_is_drawn_on_a_terminal() {
        let shown = readable("MESSAGE sip:a SIP/2.0\r\n\r\n\u{1b}[31m\u{7} \u{202e}text\u{2028}".as_bytes());
        assert_eq!(shown, "MESSAGE sip:a SIP/2.0\n\n\\u{1b}[31m\\u{7} \\u{202e}text\\u{2028}\n");
        assert_eq!(readable(b"\xff"), "\u{fffd}\n");
    }

    #[test]
    fn passwords_in_uris_are_cut() {
        let shown = readable(b"INVITE sip:bob:s3cret@h SIP/2.0\r\nTo: <sip:bob:s3cret@h>\r\n\r\n");
        assert_eq!(shown, "INVITE sip:bob:(cut)@h SIP/2.0\nTo: <sip:bob:(cut)@h>\n\n");
    }
}
