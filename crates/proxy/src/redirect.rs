//! The redirect server (RFC 3261 section 8.3): where somebody is, told to who asks.

use sip::Reply;
use sip::message::{HeaderId, Lines, StatusCode, Uri};

use crate::fork::Target;

/// 302 with the contacts of these targets, the best first (RFC 3261 section 21.3.3); 480 without any. Those behind a Path cannot be reached by who asks
/// and are left out; nobody is sent to the very URI that he asked for, and where there is no other that is a 404.
pub fn reply(asked: &Uri<'_>, targets: &[Target]) -> Reply {
    let mut best: Vec<&Target> = targets.iter().filter(|target| target.routes.is_empty()).collect();
    let were_any = !best.is_empty();
    best.retain(|target| !target.uri.as_uri().equivalent(asked));
    best.sort_by_key(|target| std::cmp::Reverse(target.q));
    let mut lines = Lines::new();
    for target in &best {
        let (uri, q) = (target.uri.as_str(), target.q);
        if q >= 1_000 {
            lines.push_id(HeaderId::Contact, format_args!("<{uri}>"));
        } else {
            lines.push_id(HeaderId::Contact, format_args!("<{uri}>;q=0.{q:03}"));
        }
    }
    match best.is_empty() {
        true if were_any => Reply::new(StatusCode::NOT_FOUND),
        true => Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE),
        false => Reply::new(StatusCode::MOVED_TEMPORARILY).lines(lines),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_8_3_contacts_are_told_with_their_preference() {
        let target = |uri: &str, q| Target { q, ..Target::new(uri.parse().unwrap()) };
        let hidden = Target { routes: vec!["<sip:edge;lr>".to_owned()], ..target("sip:b@10.0.0.1", 1_000) };
        let asked = Uri::parse("sip:b@home.example").unwrap();
        let reply =
            reply(&asked, &[target("sip:b@192.0.2.2", 250), target("sip:b@192.0.2.1;transport=tcp", 1_000), hidden]);
        assert_eq!(reply.code.get(), 302);
        assert_eq!(
            String::from_utf8_lossy(reply.lines.as_bytes()),
            "Contact: <sip:b@192.0.2.1;transport=tcp>\r\nContact: <sip:b@192.0.2.2>;q=0.250\r\n"
        );
        assert_eq!(super::reply(&asked, &[]).code.get(), 480);
    }

    #[test]
    fn rfc3261_8_3_nobody_is_sent_to_the_uri_he_asked_for() {
        let asked = Uri::parse("sip:b@HOME.example").unwrap();
        let target = |uri: &str| Target::new(uri.parse().unwrap());
        assert_eq!(reply(&asked, &[target("sip:b@home.example")]).code.get(), 404);
        let other = reply(&asked, &[target("sip:b@home.example"), target("sip:b@192.0.2.1")]);
        assert_eq!(String::from_utf8_lossy(other.lines.as_bytes()), "Contact: <sip:b@192.0.2.1>\r\n");
    }
}
