//! Of all that passes, what somebody wants to see.

use memchr::{memchr, memmem};
use sip::message::header::{From, To};
use sip::message::{Message, Uri};

/// Which messages are shown: all, or only those for which everything that is given is true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The user part of the Request-URI, From or To, without escapes.
    pub user: Option<String>,
    /// The Call-ID.
    pub call_id: Option<String>,
}

impl Filter {
    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.user.is_none() && self.call_id.is_none()
    }

    /// Whether this message is shown. One that cannot be read is nobody's.
    pub fn passes(&self, message: &Message) -> bool {
        let headers = match message {
            Message::Request(request) => request.headers(),
            Message::Response(response) => response.headers(),
        };
        if self.call_id.as_deref().is_some_and(|wanted| headers.call_id() != wanted) {
            return false;
        }
        let Some(wanted) = &self.user else { return true };
        let is_wanted = |uri: Uri<'_>| uri.user_unescaped().is_some_and(|user| *user == **wanted);
        let target = match message {
            Message::Request(request) => request.uri().ok(),
            Message::Response(_) => None,
        };
        let from = headers.get::<From<'_>>().and_then(Result::ok).map(|from| from.0.uri);
        let to = headers.get::<To<'_>>().and_then(Result::ok).map(|to| to.0.uri);
        [target, from, to].into_iter().flatten().any(is_wanted)
    }
}

/// What a loop can see of a filter without reading a message: that it is none of those wanted.
pub(super) struct Sieve {
    user: Option<memmem::Finder<'static>>,
    call_id: Option<memmem::Finder<'static>>,
}

impl Sieve {
    pub(super) fn new(filter: &Filter) -> Self {
        let finder =
            |text: &Option<String>| text.as_ref().map(|text| memmem::Finder::new(text.as_bytes()).into_owned());
        Self { user: finder(&filter.user), call_id: finder(&filter.call_id) }
    }

    /// False: the filter lets this message certainly not pass.
    pub(super) fn may_pass(&self, message: &[u8]) -> bool {
        let has = |finder: &memmem::Finder<'_>| finder.find(message).is_some();
        // A user part may be written with escapes.
        self.call_id.as_ref().is_none_or(has)
            && self.user.as_ref().is_none_or(|user| has(user) || memchr(b'%', message).is_some())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sip::message::Limits;

    use super::*;

    fn passes(filter: &Filter, target: &str, from: &str, to: &str) -> bool {
        let text = format!(
            "INVITE {target} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <{from}>;tag=1\r\nTo: <{to}>\r\nCall-ID: a1@h\r\n\
             CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        let message = Message::parse(Bytes::from(text.clone()), &Limits::default()).unwrap();
        let passes = filter.passes(&message);
        assert!(
            !passes || Sieve::new(filter).may_pass(text.as_bytes()),
            "the sieve keeps what the filter passes: {text}"
        );
        passes
    }

    #[test]
    fn a_user_is_who_calls_or_is_called_and_not_part_of_another() {
        let filter = Filter { user: Some("100".into()), call_id: None };
        assert!(passes(&filter, "sip:100@h", "sip:1@h", "sip:2@h"));
        assert!(passes(&filter, "sip:3@h", "sip:100@h", "sip:2@h"));
        assert!(passes(&filter, "sip:3@h", "sip:1@h", "sips:100:password@h;x=y"));
        assert!(passes(&filter, "sip:3@h", "sip:1@h", "sip:%3100@h"));
        assert!(!passes(&filter, "sip:1001@h", "sip:100a@h", "sip:2@100"));
    }

    #[test]
    fn a_call_id_is_the_whole_one_and_both_conditions_must_hold() {
        let of = |user: Option<&str>, call_id: &str| {
            let filter = Filter { user: user.map(str::to_owned), call_id: Some(call_id.into()) };
            passes(&filter, "sip:3@h", "sip:1@h", "sip:2@h")
        };
        assert!(of(None, "a1@h") && of(Some("1"), "a1@h"));
        assert!(!of(None, "a1") && !of(None, "A1@h") && !of(Some("9"), "a1@h"));
        assert!(Filter::default().is_empty() && passes(&Filter::default(), "tel:5", "sip:h", "sip:h"));
    }

    #[test]
    fn the_sieve_takes_out_what_holds_none_of_it() {
        let sieve = Sieve::new(&Filter { user: Some("1001".into()), call_id: None });
        assert!(!sieve.may_pass(b"INVITE sip:1002@h SIP/2.0"));
        assert!(sieve.may_pass(b"INVITE sip:1001@h SIP/2.0") && sieve.may_pass(b"INVITE sip:100%31@h SIP/2.0"));
    }
}
