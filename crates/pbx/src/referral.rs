//! What a REFER within a call asks of the PBX (RFC 3515).

use sip::Reply;
use sip::invite::{self, NamedDialog};
use sip::message::{Request, StatusCode};

/// Whom somebody is to be transferred to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Referral {
    /// The number.
    pub(crate) number: String,
    /// It is addressed by `sips`.
    pub(crate) secure: bool,
    /// The dialog with that one, whose place is to be taken.
    pub(crate) replaces: Option<NamedDialog>,
    /// Nothing of how it goes is wanted (RFC 4488).
    pub(crate) silent: bool,
}

impl Referral {
    /// That of a REFER.
    ///
    /// # Errors
    /// The answer that refuses it: as [`invite::Referral::of`], and 603 for a number that is none.
    pub(crate) fn of(request: &Request) -> Result<Self, Box<Reply>> {
        let invite::Referral { uri, replaces, silent, .. } = invite::Referral::of(request)?;
        let uri = uri.as_uri();
        let Some(number) = uri.user_unescaped() else { return Err(Box::new(Reply::new(StatusCode::DECLINE))) };
        Ok(Self { number: number.into_owned(), secure: uri.is_secure(), replaces, silent })
    }
}

#[cfg(test)]
mod tests {
    use sip::message::{Limits, Message};

    use super::*;

    #[test]
    fn rfc3515_2_4_2_a_refer_names_a_number() {
        let refer = |to: &str| {
            let text = format!(
                "REFER sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:1001@pbx>;tag=a\r\n\
                 To: <sip:1002@pbx>;tag=b\r\nCall-ID: c\r\nCSeq: 2 REFER\r\nMax-Forwards: 70\r\nRefer-To: <{to}>\r\nContent-Length: 0\r\n\r\n"
            );
            let Ok(Message::Request(request)) = Message::parse(text.into_bytes().into(), &Limits::default()) else {
                panic!("no request: {to}")
            };
            Referral::of(&request).map_err(|reply| reply.code.get())
        };
        assert!(refer("sips:10%30%33@pbx").is_ok_and(|one| one.number == "1003" && one.secure));
        assert!(refer("sip:1003@pbx;method=INVITE").is_ok_and(|one| one.number == "1003" && !one.secure));
        assert_eq!(refer("sip:pbx"), Err(603));
    }
}
