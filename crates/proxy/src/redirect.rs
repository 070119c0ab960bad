//! The redirect server (RFC 3261 section 8.3): where somebody is, told to who asks.

use sip::Reply;
use sip::history::{History, Mechanism};
use sip::message::{HeaderId, Lines, StatusCode, Uri};

use crate::fork::Target;

/// 302 with the contacts of these targets, the best first (RFC 3261 section 21.3.3); 480 without any. What is behind a Path cannot be reached by who asks
/// and is left out: of the flows of an instance the first that is not is told, and no other (RFC 5626 section 7). Nobody is sent to the very URI that he
/// asked for, and where there is no other that is a 404.
///
/// `history`, with whether its caller is trusted, goes back as well where he has asked for it, and each contact says that it is another URI of the same user
/// (RFC 7044 section 8).
pub fn reply<'a>(asked: &Uri<'_>, targets: &'a [Target], history: Option<(&History, bool)>) -> Reply {
    let reached = |target: &Target| target.routes.is_empty();
    let of_instance = |target: &'a Target| std::iter::once(target).chain(&target.flows).find(|flow| reached(flow));
    let mut best: Vec<&Target> = targets.iter().filter_map(of_instance).collect();
    let were_any = !best.is_empty();
    best.retain(|target| !target.uri.as_uri().equivalent(asked));
    best.sort_by_key(|target| std::cmp::Reverse(target.q));
    let told = history.map(|(history, trusted)| history.to_caller(None, trusted)).unwrap_or_default();
    // The index is that of an entry which goes back, too.
    let found = history.filter(|_| !told.lines.is_empty());
    let found = found.map(|(history, _)| format!(";{}={}", Mechanism::SameUser.name(), history.parent()));
    let found = found.unwrap_or_default();
    let mut lines = Lines::new();
    for target in &best {
        let (uri, q) = (target.uri.as_str(), target.q);
        if q >= 1_000 {
            lines.push_id(HeaderId::Contact, format_args!("<{uri}>{found}"));
        } else {
            lines.push_id(HeaderId::Contact, format_args!("<{uri}>;q=0.{q:03}{found}"));
        }
    }
    lines.extend(&told.lines);
    let code = match best.is_empty() {
        true if were_any => StatusCode::NOT_FOUND,
        true => StatusCode::TEMPORARILY_UNAVAILABLE,
        false => StatusCode::MOVED_TEMPORARILY,
    };
    Reply::new(code).lines(lines)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sip::history::Most;
    use sip::message::{Limits, Message};

    use super::*;

    #[test]
    fn rfc3261_8_3_contacts_are_told_with_their_preference() {
        let target = |uri: &str, q| Target { q, ..Target::new(uri.parse().unwrap()) };
        let hidden = Target { routes: vec!["<sip:edge;lr>".to_owned()], ..target("sip:b@10.0.0.1", 1_000) };
        let asked = Uri::parse("sip:b@home.example").unwrap();
        let reply = reply(
            &asked,
            &[target("sip:b@192.0.2.2", 250), target("sip:b@192.0.2.1;transport=tcp", 1_000), hidden],
            None,
        );
        assert_eq!(reply.code.get(), 302);
        assert_eq!(
            String::from_utf8_lossy(reply.lines.as_bytes()),
            "Contact: <sip:b@192.0.2.1;transport=tcp>\r\nContact: <sip:b@192.0.2.2>;q=0.250\r\n"
        );
        assert_eq!(super::reply(&asked, &[], None).code.get(), 480);
    }

    #[test]
    fn rfc5626_7_of_a_device_of_several_flows_one_is_told_that_can_be_reached() {
        let asked = Uri::parse("sip:b@home.example").unwrap();
        let target = |uri: &str| Target::new(uri.parse().unwrap());
        let hidden = |uri: &str| Target { routes: vec!["<sip:edge;lr>".to_owned()], ..target(uri) };
        let device = |first: Target, flows: Vec<Target>| [Target { flows, ..first }];
        let flows = vec![hidden("sip:b@10.0.0.2"), target("sip:b@192.0.2.1"), target("sip:b@192.0.2.2")];
        let reply = |targets: &[Target]| reply(&asked, targets, None);
        let found = reply(&device(hidden("sip:b@10.0.0.1"), flows.clone()));
        assert_eq!(found.code.get(), 302);
        assert_eq!(String::from_utf8_lossy(found.lines.as_bytes()), "Contact: <sip:b@192.0.2.1>\r\n");
        // The one refreshed last, where it can be reached itself.
        let found = reply(&device(target("sip:b@192.0.2.3"), flows));
        assert_eq!(String::from_utf8_lossy(found.lines.as_bytes()), "Contact: <sip:b@192.0.2.3>\r\n");
        let none = reply(&device(hidden("sip:b@10.0.0.1"), vec![hidden("sip:b@10.0.0.2")]));
        assert_eq!(none.code.get(), 480);
    }

    #[test]
    fn rfc3261_8_3_nobody_is_sent_to_the_uri_he_asked_for() {
        let asked = Uri::parse("sip:b@HOME.example").unwrap();
        let target = |uri: &str| Target::new(uri.parse().unwrap());
        assert_eq!(reply(&asked, &[target("sip:b@home.example")], None).code.get(), 404);
        let other = reply(&asked, &[target("sip:b@home.example"), target("sip:b@192.0.2.1")], None);
        assert_eq!(String::from_utf8_lossy(other.lines.as_bytes()), "Contact: <sip:b@192.0.2.1>\r\n");
    }

    #[test]
    fn rfc7044_8_contacts_say_how_they_were_found_and_the_history_goes_back() {
        let text = "INVITE sip:b@home.example SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@home.example>\r\n\
                    Call-ID: 1\r\nCSeq: 1 INVITE\r\nHistory-Info: <sip:c@home.example>;index=1, <sip:b@home.example>;index=1.1;mp=1\r\n\r\n";
        let request = Message::parse(Bytes::from(text), &Limits::default()).unwrap();
        let asked = Uri::parse("sip:b@home.example").unwrap();
        let history = History::of(request.headers(), &asked, Most::default(), false, |_| true).unwrap();
        let device = Target { q: 250, ..Target::new("sip:b@192.0.2.1".parse().unwrap()) };
        let entries =
            "History-Info: <sip:c@home.example>;index=1\r\nHistory-Info: <sip:b@home.example>;index=1.1;mp=1\r\n";
        let text = |reply: &Reply| String::from_utf8_lossy(reply.lines.as_bytes()).into_owned();
        let found = reply(&asked, std::slice::from_ref(&device), Some((&history, false)));
        assert_eq!(text(&found), format!("Contact: <sip:b@192.0.2.1>;q=0.250;rc=1.1\r\n{entries}"));
        let none = reply(&asked, &[], Some((&history, false)));
        assert_eq!((none.code.get(), text(&none)), (480, entries.to_owned()));
        assert_eq!(text(&reply(&asked, &[device], None)), "Contact: <sip:b@192.0.2.1>;q=0.250\r\n");
    }
}
