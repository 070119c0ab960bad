//! How a callee is to be alerted: Alert-Info and Call-Info (RFC 3261 sections 20.4 and 20.9), `urn:alert` (RFC 7462), and calls that want to be answered
//! at once, as telephones and PBXs write it, since no RFC but 5373 says how.

use std::time::Duration;

use crate::message::header::{AlertInfo, CallInfo};
use crate::message::{HeaderId, Headers, Uri};

/// The longest time after which a call may want to be answered.
const LONGEST: u32 = 3_600;
/// What `info` says in Alert-Info (Asterisk, Polycom, Snom).
const AUTO: &str = "alert-autoanswer";

/// After how long a call wants to be answered without anybody's doing: by `answer-after` of Call-Info (`0` at once), by
/// `info=alert-autoanswer` of Alert-Info with or without a URI before it (`delay` in seconds), or by `Answer-Mode: Auto` (RFC 5373). What obeys
/// this lets whoever may call listen in.
pub fn answer_after(headers: &Headers) -> Option<Duration> {
    if !(headers.has(HeaderId::CallInfo) || headers.has(HeaderId::AlertInfo) || headers.has(HeaderId::AnswerMode)) {
        return None;
    }
    let after = headers.list::<CallInfo<'_>>().flatten().find_map(|info| info.0.params.token("answer-after"));
    let secs = after.map(str::to_owned).or_else(|| by_alert(headers)).or_else(|| by_mode(headers))?;
    let secs: u32 = secs.parse().ok().filter(|secs| *secs <= LONGEST)?;
    Some(Duration::from_secs(secs.into()))
}

fn by_alert(headers: &Headers) -> Option<String> {
    headers.all(HeaderId::AlertInfo).find_map(|line| {
        let text = line.text().to_ascii_lowercase();
        // Behind the URI, where there is one; Polycom's telephones want none.
        let params = text.split_once('>').map_or(&*text, |(_, params)| params);
        let value = |name: &str| {
            let mut words = params.split([';', ',']).filter_map(|word| word.split_once('='));
            words.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().trim_matches('"').to_owned())
        };
        value("info").filter(|info| info == AUTO)?;
        Some(value("delay").unwrap_or_else(|| "0".to_owned()))
    })
}

fn by_mode(headers: &Headers) -> Option<String> {
    (answer_mode(headers)?.by == AnsweredBy::Itself).then(|| "0".to_owned())
}

/// By whom a caller wants to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsweredBy {
    /// By a person: `Manual`.
    Person,
    /// By the telephone itself: `Auto`.
    Itself,
}

/// How a caller wants to be answered (Answer-Mode, RFC 5373 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerMode {
    /// By whom.
    pub by: AnsweredBy,
    /// Else not at all: who does not answer so refuses with 403 (section 4.5.1).
    pub required: bool,
}

/// What Answer-Mode asks for; `None` without one, and for a value that is not known, which is passed over (RFC 5373 section 2).
pub fn answer_mode(headers: &Headers) -> Option<AnswerMode> {
    let text = headers.text(HeaderId::AnswerMode)?;
    let mut words = text.split(';').map(str::trim);
    let by = match words.next()? {
        word if word.eq_ignore_ascii_case("manual") => AnsweredBy::Person,
        word if word.eq_ignore_ascii_case("auto") => AnsweredBy::Itself,
        _ => return None,
    };
    Some(AnswerMode { by, required: words.any(|word| word.eq_ignore_ascii_case("require")) })
}

/// What `urn:alert:` says, category and indication: `service:call-waiting` (RFC 7462 section 7).
pub fn urn<'a>(info: &AlertInfo<'a>) -> Option<&'a str> {
    let uri: Uri<'a> = info.0.uri;
    let rest = uri.as_str().get(..10).filter(|start| start.eq_ignore_ascii_case("urn:alert:"))?;
    let named = uri.as_str().get(rest.len()..)?;
    named.split_once(':').filter(|(category, indication)| !category.is_empty() && !indication.is_empty())?;
    Some(named)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::{Limits, Message};

    fn invite(lines: &str) -> Message {
        let text = format!(
            "INVITE sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n{lines}\r\n"
        );
        Message::parse(Bytes::from(text), &Limits::default()).expect("a message")
    }

    #[test]
    fn call_that_wants_to_be_answered_says_so_in_one_of_several_ways() {
        for (lines, secs) in [
            ("", None),
            ("Call-Info: <sip:x>;answer-after=0\r\n", Some(0)),
            ("Call-Info: <http://x/icon>;purpose=icon, <sip:x>;answer-after=7\r\n", Some(7)),
            ("Call-Info: <sip:x>;answer-after=3601\r\n", None),
            ("Call-Info: <sip:x>;answer-after=-1\r\n", None),
            ("Alert-Info: <http://www.notused.com>;info=alert-autoanswer;delay=3\r\n", Some(3)),
            ("Alert-Info: info=alert-autoanswer\r\n", Some(0)),
            ("Alert-Info: <http://x>; INFO=\"Alert-AutoAnswer\"\r\n", Some(0)),
            ("Alert-Info: <http://x/info=alert-autoanswer>\r\n", None),
            ("Alert-Info: <http://x>;info=alert-external\r\n", None),
            ("Answer-Mode: Auto;require\r\n", Some(0)),
            ("Answer-Mode: Manual\r\n", None),
        ] {
            let after = answer_after(invite(lines).headers());
            assert_eq!(after, secs.map(Duration::from_secs), "{lines}");
        }
    }

    #[test]
    fn rfc5373_2_values_that_are_not_known_are_passed_over() {
        let mode = |by, required| Some(AnswerMode { by, required });
        for (value, expected) in [
            ("Manual", mode(AnsweredBy::Person, false)),
            ("manual ; Require", mode(AnsweredBy::Person, true)),
            ("Auto", mode(AnsweredBy::Itself, false)),
            ("AUTO;x=y;require", mode(AnsweredBy::Itself, true)),
            ("Auto;required", mode(AnsweredBy::Itself, false)),
            ("Perhaps", None),
            ("Perhaps;require", None),
            ("Automatic;require", None),
            ("", None),
        ] {
            let message = invite(&format!("Answer-Mode: {value}\r\n"));
            assert_eq!(answer_mode(message.headers()), expected, "{value}");
            let after = expected.filter(|mode| mode.by == AnsweredBy::Itself).map(|_| Duration::ZERO);
            assert_eq!(answer_after(message.headers()), after, "{value}");
        }
        assert_eq!(answer_mode(invite("").headers()), None);
    }

    #[test]
    fn rfc7462_7_alerts_are_named_by_category_and_indication() {
        for (value, named) in [
            ("<urn:alert:service:call-waiting>", Some("service:call-waiting")),
            ("<URN:Alert:country:fr>;x=y", Some("country:fr")),
            ("<urn:alert:service>", None),
            ("<urn:alert::x>", None),
            ("<http://x/ring.wav>", None),
        ] {
            let message = invite(&format!("Alert-Info: {value}\r\n"));
            let info = message.headers().get::<AlertInfo<'_>>().expect("one").expect("readable");
            assert_eq!(urn(&info), named, "{value}");
        }
    }
}
