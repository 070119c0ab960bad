//! Which type reads which header field, for whoever walks over all of them.

use std::fmt::Write;

use super::HeaderId;
use super::error::{Fault, ParseError};
use super::header::{self, Header};
use super::index::Entry;
use super::list;

/// What is done with each value of a type.
trait Visit<'a> {
    fn value<H: Header<'a>>(&mut self, value: H);
}

macro_rules! types {
    (owned: $($own:ident)*; borrowed: $($id:ident)*;) => {
        /// Reads every value of one header field by the type for it; gives false when there is no type for it.
        fn walk<'a>(id: HeaderId, value: &'a [u8], visit: &mut impl Visit<'a>) -> Result<bool, Fault> {
            match id {
                $(HeaderId::$own => list::each(value, |value: header::$own| visit.value(value))?,)*
                $(HeaderId::$id => list::each(value, |value: header::$id<'a>| visit.value(value))?,)*
                _ => return Ok(false),
            }
            Ok(true)
        }
    };
}

types! {
    owned: CSeq ContentLength Date Expires FlowTimer MaxForwards MinExpires RAck RSeq;
    borrowed: Accept AcceptEncoding AcceptLanguage AlertInfo Allow AuthenticationInfo Authorization CallId CallInfo Contact
        ContentDisposition ContentEncoding ContentLanguage ContentType ErrorInfo From InReplyTo MimeVersion Organization Priority
        ProxyAuthenticate ProxyAuthorization ProxyRequire RecordRoute ReplyTo Require RetryAfter Route Server Subject Supported
        Timestamp To Unsupported UserAgent Via Warning WwwAuthenticate
        AllowEvents Diversion Event HistoryInfo Join MinSe PAssertedIdentity PPreferredIdentity Path Privacy Reason ReferTo ReferredBy Replaces
        AcceptContact RejectContact RemotePartyId RequestDisposition
        ServiceRoute SessionExpires SessionId SubscriptionState UserToUser;
}

struct Ignore;

impl<'a> Visit<'a> for Ignore {
    #[inline(always)]
    fn value<H: Header<'a>>(&mut self, _: H) {}
}

struct Print<'o> {
    out: &'o mut String,
    first: bool,
}

impl<'a> Visit<'a> for Print<'_> {
    fn value<H: Header<'a>>(&mut self, value: H) {
        self.out.push_str(if self.first { "" } else { ", " });
        self.first = false;
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{value}");
    }
}

/// Reads every header field that has a type; gives the first that does not follow its grammar.
pub(super) fn check(bytes: &[u8], entries: &[Entry]) -> Result<(), ParseError> {
    for (at, entry) in entries.iter().enumerate() {
        let id = entry.id();
        // These the pass has read whole, or there would be no message.
        if matches!(id, HeaderId::CallId | HeaderId::CSeq | HeaderId::ContentLength) {
            continue;
        }
        if let Err(fault) = walk(id, entry.value_of(bytes), &mut Ignore) {
            let before = entries.iter().take(at).filter(|other| other.is(id)).count();
            return Err(fault.in_header(id, u16::try_from(before + 1).unwrap_or(u16::MAX)));
        }
    }
    Ok(())
}

/// The canonical form of one header field; `None` when it has no type or does not follow its grammar.
pub(super) fn canonical(id: HeaderId, value: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(value.len());
    match walk(id, value, &mut Print { out: &mut out, first: true }) {
        Ok(true) => Some(out),
        _ => None,
    }
}
