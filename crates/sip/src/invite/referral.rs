//! What a REFER asks for (RFC 3515 section 2.4.2, RFC 3891 section 4, RFC 3892, RFC 4488).

use std::time::Duration;

use super::named::NamedDialog;
use crate::dialog::Dialog;
use crate::message::header::{Event, Expires, ReferTo, Supported};
use crate::message::uri::unescape;
use crate::message::{HeaderId, Headers, Request, StatusCode, Uri, UriBuf};
use crate::reply::Reply;

/// The option tag of REFERs without subscription (RFC 4488 section 7).
pub const NO_REPORTS: &str = "norefersub";

/// Whom somebody wants us to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    /// The address, without header fields and method.
    pub uri: UriBuf,
    /// The dialog whose place is to be taken there.
    pub replaces: Option<NamedDialog>,
    /// The Referred-By of the REFER, as it stands there.
    pub referred_by: Option<String>,
    /// Nothing of how it goes is wanted (RFC 4488).
    pub silent: bool,
}

impl Referral {
    /// That of a REFER.
    ///
    /// # Errors
    /// The answer that refuses it: 400 without exactly one Refer-To that can be read, with a Replaces that cannot or with several Referred-By (RFC 3892 section 2.1), 416 for one of another scheme,
    /// 603 for a method other than INVITE.
    pub fn of(request: &Request) -> Result<Self, Box<Reply>> {
        let refuse = |code| Err(Box::new(Reply::new(code)));
        let headers = request.headers();
        if headers.all(HeaderId::ReferTo).count() != 1 {
            return Err(Box::new(Reply::new(StatusCode::BAD_REQUEST).reason("Bad Request (expected one Refer-To)")));
        }
        if headers.all(HeaderId::ReferredBy).count() > 1 {
            return Err(Box::new(Reply::new(StatusCode::BAD_REQUEST).reason("Bad Request (expected one Referred-By)")));
        }
        let Some(Ok(refer_to)) = headers.get::<ReferTo<'_>>() else { return refuse(StatusCode::BAD_REQUEST) };
        let target = refer_to.uri;
        if !target.is_sip() {
            return refuse(StatusCode::UNSUPPORTED_URI_SCHEME);
        }
        if target.params().get("method").is_some_and(|method| !method.eq_ignore_ascii_case("INVITE")) {
            return refuse(StatusCode::DECLINE);
        }
        let replaces = target.headers().get("Replaces").map(|escaped| NamedDialog::replaces(&unescape(escaped)));
        let (Ok(replaces), Some(uri)) = (replaces.transpose(), bare(&target)) else {
            return refuse(StatusCode::BAD_REQUEST);
        };
        let referred_by = headers.text(HeaderId::ReferredBy).map(std::borrow::Cow::into_owned);
        Ok(Self { uri, replaces, referred_by, silent: is_silent(headers) })
    }

    /// What it asks for within this dialog: where that was established by `sips`, nobody is called by `sip` (RFC 5630 section 5.1.1.3).
    ///
    /// # Errors
    /// 603 with a Warning that `sips` is required.
    pub fn within(self, dialog: Option<&Dialog>) -> Result<Self, Box<Reply>> {
        if self.uri.as_uri().is_secure() || !dialog.is_some_and(Dialog::is_secure) {
            return Ok(self);
        }
        let mut refusal = Reply::new(StatusCode::DECLINE);
        refusal.lines.push_id(HeaderId::Warning, "381 offhook \"SIPS Required\"");
        Err(Box::new(refusal))
    }

    /// Whether a call to the address goes to the domain of this address of record, without a proxy before it: then it may carry the credentials of that
    /// account. Anywhere else whoever the address names could ask for a proof of the password, under a realm of its choice.
    pub fn is_at_domain_of(&self, aor: &Uri<'_>) -> bool {
        is_at_domain_of(&self.uri.as_uri(), aor)
    }
}

/// Whether what is sent to this target, without a proxy before it, goes to the domain of this address of record, and no less safely.
pub fn is_at_domain_of(target: &Uri<'_>, aor: &Uri<'_>) -> bool {
    let port = |uri: &Uri<'_>| uri.port().unwrap_or(if is_secured(uri) { 5061 } else { 5060 });
    target.is_sip()
        && target.params().get("maddr").is_none()
        && target.host_text().eq_ignore_ascii_case(aor.host_text())
        && (is_secured(target) || !is_secured(aor))
        && (target.port() == aor.port() || port(target) == port(aor))
}

/// Whether nobody on the way to its host can listen.
fn is_secured(uri: &Uri<'_>) -> bool {
    let secured = |transport: &str| ["tls", "wss"].iter().any(|one| transport.eq_ignore_ascii_case(one));
    uri.is_secure() || uri.transport().is_some_and(secured)
}

/// What a SUBSCRIBE in a dialog wants of the subscription that a REFER has made (RFC 3515 section 2.4.4): the number of that REFER, `None` for the only
/// one, and for how long, where it says so.
///
/// # Errors
/// 489 for another event, 403 for a REFER that cannot have been.
pub fn resubscribed(request: &Request) -> Result<(Option<u32>, Option<Duration>), Box<Reply>> {
    let refuse = |code| Err(Box::new(Reply::new(code)));
    let headers = request.headers();
    let number = match headers.get::<Event<'_>>() {
        Some(Ok(event)) if event.package.eq_ignore_ascii_case("refer") => event.id().map(str::parse).transpose(),
        _ => return refuse(StatusCode::BAD_EVENT),
    };
    let Ok(number) = number else { return refuse(StatusCode::FORBIDDEN) };
    let lasting = headers.get::<Expires>().and_then(Result::ok);
    Ok((number, lasting.map(|Expires(seconds)| Duration::from_secs(seconds.into()))))
}

/// A URI without what is behind its question mark, and without its method: both are instructions, and no address (RFC 3261 section 19.1.5).
fn bare(uri: &Uri<'_>) -> Option<UriBuf> {
    let headers = uri.headers().as_str();
    let text = uri.as_str();
    let text = if headers.is_empty() { text } else { text.strip_suffix(headers)?.strip_suffix('?')? };
    let mut address = text.strip_suffix(uri.params().as_str())?.to_owned();
    for param in uri.params().iter().filter(|param| !param.name.eq_ignore_ascii_case("method")) {
        address.push(';');
        address.push_str(param.name);
        if let Some(value) = param.value {
            address.push('=');
            address.push_str(value);
        }
    }
    address.parse().ok()
}

/// `Refer-Sub: false` of one who says that it knows what that means.
fn is_silent(headers: &Headers) -> bool {
    let unwanted = headers
        .text(HeaderId::ReferSub)
        .is_some_and(|value| value.split(';').next().is_some_and(|value| value.trim().eq_ignore_ascii_case("false")));
    let knows = || headers.list::<Supported<'_>>().flatten().any(|tag| tag.0.eq_ignore_ascii_case(NO_REPORTS));
    unwanted && (knows() || headers.has(HeaderId::Require))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Limits, Message};

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
        assert_eq!((plain.uri.as_str(), plain.silent), ("sip:1003@pbx", false));
        assert_eq!((plain.replaces, plain.referred_by), (None, None));
        assert_eq!(refer("r: sips:10%30%33@pbx\r\n").unwrap().uri.as_str(), "sips:10%30%33@pbx");
        for (lines, code) in [
            ("", 400),
            ("Refer-To: <sip:1003@pbx>\r\nRefer-To: <sip:1003@pbx>\r\n", 400),
            ("Refer-To: <sip:1003@pbx\r\n", 400),
            ("Refer-To: nobody\r\n", 400),
            ("Refer-To: <mailto:1003@pbx>\r\n", 416),
            ("Refer-To: <sip:1003@pbx;method=BYE>\r\n", 603),
        ] {
            assert_eq!(refer(lines), Err(code), "{lines}");
        }
    }

    #[test]
    fn rfc3892_2_1_no_more_than_one_says_who_has_asked() {
        let lines = |more: &str| format!("Refer-To: <sip:1003@pbx>\r\nReferred-By: <sip:a@b>\r\n{more}");
        assert_eq!(refer(&lines("")).unwrap().referred_by.as_deref(), Some("<sip:a@b>"));
        for more in ["Referred-By: <sip:c@d>\r\n", "Referred-By: <sip:a@b>\r\n", "b: <sip:a@b>\r\n"] {
            assert_eq!(refer(&lines(more)), Err(400), "{more}");
        }
    }

    #[test]
    fn rfc3261_19_1_5_of_a_refer_to_the_address_is_called_and_nothing_else_obeyed() {
        for (given, called) in [
            ("sip:1003@pbx;method=INVITE", "sip:1003@pbx"),
            (
                "sip:a?b@pbx:5070;transport=tcp;method=INVITE;lr?Subject=x&Route=%3Csip:evil%3E",
                "sip:a?b@pbx:5070;transport=tcp;lr",
            ),
            ("sips:pbx?Priority=urgent", "sips:pbx"),
        ] {
            let found = refer(&format!("Refer-To: <{given}>\r\nReferred-By: \"A\" <sip:a@b>;x=1\r\n")).unwrap();
            assert_eq!(found.uri.as_str(), called);
            assert_eq!(found.referred_by.as_deref(), Some("\"A\" <sip:a@b>;x=1"));
        }
    }

    #[test]
    fn rfc3891_4_replaces_stands_escaped_in_the_uri() {
        let found = refer("Refer-To: <sip:1003@pbx?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2&Subject=z>\r\n").unwrap();
        let expected = |early_only| NamedDialog {
            call_id: "x@y".to_owned(),
            local_tag: "1".to_owned(),
            remote_tag: "2".to_owned(),
            early_only,
        };
        assert_eq!(found.replaces, Some(expected(false)));
        let early = "Refer-To: <sip:1003@pbx?replaces=x%40y%3Bfrom-tag%3D2%3Bearly-only%3Bto-tag%3D1>\r\n";
        let early = refer(early).unwrap().replaces.unwrap();
        assert_eq!((early.to_string().as_str(), early), ("x@y;to-tag=1;from-tag=2;early-only", expected(true)));
        for broken in [
            "",
            "x",
            "x%3Bto-tag%3D1",
            "x%3Bto-tag%3D1%3Bfrom-tag%3D2%00",
            "x%3Bto-tag%3D1%3Bto-tag%3D1%3Bfrom-tag%3D2",
        ] {
            assert_eq!(refer(&format!("Refer-To: <sip:1003@pbx?Replaces={broken}>\r\n")), Err(400), "{broken}");
        }
    }

    #[test]
    fn cve_our_client_leaks_its_hash_a_referral_is_ours_at_the_very_domain_only() {
        for (target, aor, stays) in [
            ("sip:1003@pbx", "sip:1001@pbx", true),
            ("sip:1003@PBX:5060;transport=tcp", "sip:1001@pbx", true),
            ("sips:1003@pbx", "sip:1001@pbx", true),
            ("sip:1003@pbx;transport=tls", "sips:1001@pbx", true),
            ("sip:1003@evil", "sip:1001@pbx", false),
            ("sip:pbx@evil", "sip:1001@pbx", false),
            ("sip:1003@pbx.evil", "sip:1001@pbx", false),
            ("sip:1003@pbx;maddr=192.0.2.66", "sip:1001@pbx", false),
            ("sip:1003@pbx:6666", "sip:1001@pbx", false),
            ("sip:1003@pbx", "sip:1001@pbx:6666", false),
            ("sip:1003@pbx", "sips:1001@pbx", false),
            ("sip:1003@pbx;transport=udp", "sip:1001@pbx;transport=tls", false),
        ] {
            let referral = refer(&format!("Refer-To: <{target}>\r\n")).unwrap();
            let aor: UriBuf = aor.parse().unwrap();
            assert_eq!(referral.is_at_domain_of(&aor.as_uri()), stays, "{target} of {aor}");
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
