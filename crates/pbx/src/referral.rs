//! What a REFER asks for (RFC 3515, RFC 3891 section 4, RFC 4488).

use sip::Reply;
use sip::header::{ReferTo, Replaces, Supported};
use sip::message::uri::unescape;
use sip::message::{Header, HeaderId, Headers, Lexer, Request, StatusCode, Uri};

/// Whom somebody is to be transferred to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Referral {
    /// The number.
    pub(crate) number: String,
    /// It is addressed by `sips`.
    pub(crate) secure: bool,
    /// The dialog with that one, whose place is to be taken.
    pub(crate) replaces: Option<Replaced>,
    /// Nothing of how it goes is wanted (RFC 4488).
    pub(crate) silent: bool,
}

/// A dialog as Replaces names it (RFC 3891 section 3), seen from us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    pub(crate) remote_tag: String,
    /// Only while it is not answered.
    pub(crate) early_only: bool,
}

impl Referral {
    /// That of a REFER.
    ///
    /// # Errors
    /// The answer that refuses it: 400 without exactly one Refer-To that can be read, 416 for one of another scheme, 603 for a method other than
    /// INVITE and for a number that is none.
    pub(crate) fn of(request: &Request) -> Result<Self, Box<Reply>> {
        let refuse = |code| Err(Box::new(Reply::new(code)));
        let headers = request.headers();
        if headers.all(HeaderId::ReferTo).count() != 1 {
            return Err(Box::new(Reply::new(StatusCode::BAD_REQUEST).reason("Bad Request (expected one Refer-To)")));
        }
        let Some(Ok(refer_to)) = headers.get::<ReferTo<'_>>() else { return refuse(StatusCode::BAD_REQUEST) };
        let uri = refer_to.uri;
        if !uri.is_sip() {
            return refuse(StatusCode::UNSUPPORTED_URI_SCHEME);
        }
        let is_invite = uri.params().get("method").is_none_or(|method| method.eq_ignore_ascii_case("INVITE"));
        let Some(number) = uri.user_unescaped().filter(|_| is_invite) else { return refuse(StatusCode::DECLINE) };
        let Ok(replaces) = replaces(&uri) else { return refuse(StatusCode::BAD_REQUEST) };
        Ok(Self { number: number.into_owned(), secure: uri.is_secure(), replaces, silent: is_silent(headers) })
    }
}

fn replaces(uri: &Uri<'_>) -> Result<Option<Replaced>, sip::message::Fault> {
    let Some(escaped) = uri.headers().get("Replaces") else { return Ok(None) };
    let text = unescape(escaped);
    let mut lexer = Lexer::new(&text);
    let replaces = Replaces::parse_value(&mut lexer)?;
    lexer.end()?;
    let tag = |tag: Option<&str>| tag.unwrap_or_default().to_owned();
    Ok(Some(Replaced {
        call_id: replaces.call_id.to_owned(),
        local_tag: tag(replaces.to_tag()),
        remote_tag: tag(replaces.from_tag()),
        early_only: replaces.is_early_only(),
    }))
}

/// `Refer-Sub: false` of one who says that it knows what that means.
fn is_silent(headers: &Headers) -> bool {
    let unwanted = headers
        .text(HeaderId::ReferSub)
        .is_some_and(|value| value.split(';').next().is_some_and(|value| value.trim().eq_ignore_ascii_case("false")));
    let knows = || headers.list::<Supported<'_>>().flatten().any(|tag| tag.0.eq_ignore_ascii_case(NO_REPORTS));
    unwanted && (knows() || headers.has(HeaderId::Require))
}

/// The option tag of REFERs without subscription (RFC 4488 section 7).
pub(crate) const NO_REPORTS: &str = "norefersub";

#[cfg(test)]
mod tests {
    use sip::message::{Limits, Message};

    use super::*;

    fn refer(lines: &str) -> Result<Referral, u16> {
        let text = format!(
            "REFER sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:1001@pbx>;tag=a\r\nTo: <sip:1002@pbx>;tag=b\r\n\
             Call-ID: c\r\nCSeq: 2 REFER\r\nMax-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        let Ok(Message::Request(request)) = Message::parse(text.into_bytes().into(), &Limits::default()) else {
            panic!("no request: {lines}")
        };
        Referral::of(&request).map_err(|reply| reply.code.get())
    }

    #[test]
    fn rfc3515_2_4_2_exactly_one_refer_to_that_can_be_called() {
        let plain = refer("Refer-To: <sip:1003@pbx>\r\n").unwrap();
        assert_eq!((plain.number.as_str(), plain.secure, plain.silent), ("1003", false, false));
        assert_eq!(plain.replaces, None);
        assert!(refer("r: sips:10%30%33@pbx\r\n").is_ok_and(|one| one.number == "1003" && one.secure));
        assert!(refer("Refer-To: <sip:1003@pbx;method=INVITE>\r\n").is_ok());
        for (lines, code) in [
            ("", 400),
            ("Refer-To: <sip:1003@pbx>\r\nRefer-To: <sip:1003@pbx>\r\n", 400),
            ("Refer-To: <sip:1003@pbx\r\n", 400),
            ("Refer-To: nobody\r\n", 400),
            ("Refer-To: <mailto:1003@pbx>\r\n", 416),
            ("Refer-To: <sip:1003@pbx;method=BYE>\r\n", 603),
            ("Refer-To: <sip:pbx>\r\n", 603),
        ] {
            assert_eq!(refer(lines), Err(code), "{lines}");
        }
    }

    #[test]
    fn rfc3891_4_replaces_stands_escaped_in_the_uri() {
        let found = refer("Refer-To: <sip:1003@pbx?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2&Subject=z>\r\n").unwrap();
        let expected = |early_only| Replaced {
            call_id: "x@y".to_owned(),
            local_tag: "1".to_owned(),
            remote_tag: "2".to_owned(),
            early_only,
        };
        assert_eq!(found.replaces, Some(expected(false)));
        let early = "Refer-To: <sip:1003@pbx?replaces=x%40y%3Bfrom-tag%3D2%3Bearly-only%3Bto-tag%3D1>\r\n";
        assert_eq!(refer(early).unwrap().replaces, Some(expected(true)));
        for broken in ["", "x", "x%3Bto-tag%3D1", "x%3Bto-tag%3D1%3Bfrom-tag%3D2%00"] {
            assert_eq!(refer(&format!("Refer-To: <sip:1003@pbx?Replaces={broken}>\r\n")), Err(400), "{broken}");
        }
    }

    #[test]
    fn rfc4488_4_reports_are_left_out_for_who_knows_what_that_means() {
        for (lines, silent) in [
            ("Refer-Sub: false\r\nSupported: norefersub\r\n", true),
            ("Refer-Sub: FALSE;x=1\r\nRequire: norefersub\r\n", true),
            ("Refer-Sub: true\r\nSupported: norefersub\r\n", false),
            ("Refer-Sub: false\r\n", false),
        ] {
            let referral = refer(&format!("Refer-To: <sip:1003@pbx>\r\n{lines}")).unwrap();
            assert_eq!(referral.silent, silent, "{lines}");
        }
    }
}
