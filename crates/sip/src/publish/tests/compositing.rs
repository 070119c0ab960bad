use super::*;
use crate::subscribe::Terms;

const KIND: &str = "application/pidf+xml";

struct Esc {
    compositor: Compositor,
    now: Time,
    fresh: u64,
}

impl Esc {
    fn new() -> Self {
        let limits = Limits { all: 3, each: 2, octets: 100 };
        Self { compositor: Compositor::new(limits), now: Time(0), fresh: 0 }
    }

    /// The code, the tag, and whether watchers are to be told.
    fn publish(&mut self, who: &str, lines: &str, body: &str) -> (u16, String, bool) {
        let kind = if body.is_empty() || lines.contains("Content-Type") {
            String::new()
        } else {
            format!("Content-Type: {KIND}\r\n")
        };
        let text = format!(
            "PUBLISH sip:{who}@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:{who}@example.com>;tag=a\r\n\
             To: <sip:{who}@example.com>\r\nCall-ID: c\r\nCSeq: 1 PUBLISH\r\nMax-Forwards: 70\r\nEvent: presence\r\n{lines}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let Ok(Message::Request(request)) = Message::parse(text.into_bytes().into(), &MessageLimits::default()) else {
            panic!("no request")
        };
        self.fresh += 1;
        match self.compositor.publish(self.now, self.fresh, (who, KIND), &request, &Terms::default()) {
            Err(reply) => (reply.code.get(), String::new(), false),
            Ok(done) => {
                let lines = String::from_utf8(done.reply.lines.as_bytes().to_vec()).unwrap();
                let tag = lines.lines().find_map(|line| line.strip_prefix("SIP-ETag: ")).unwrap().to_owned();
                (done.reply.code.get(), tag, done.changed)
            }
        }
    }

    fn bodies(&self, who: &str) -> Vec<String> {
        let bodies = self.compositor.bodies(self.now, "presence", who);
        bodies.map(|body| String::from_utf8_lossy(body).into_owned()).collect()
    }

    fn at(&mut self, secs: u64) {
        self.now = Time(secs * SECOND);
    }
}

#[test]
fn rfc3903_6_begins_refreshes_changes_and_removes() {
    let mut esc = Esc::new();
    let (code, first, changed) = esc.publish("a", "Expires: 100\r\n", "one");
    assert_eq!((code, changed, esc.bodies("a")), (200, true, vec!["one".to_owned()]));
    esc.at(90);
    let (code, second, changed) = esc.publish("a", &format!("SIP-If-Match: {first}\r\nExpires: 100\r\n"), "");
    assert_eq!((code, changed), (200, false), "a refresh is no news");
    assert_ne!(first, second);
    esc.at(180);
    assert_eq!(esc.bodies("a"), ["one"]);
    let (code, third, changed) = esc.publish("a", &format!("SIP-If-Match: {second}\r\n"), "two");
    assert_eq!((code, changed, esc.bodies("a")), (200, true, vec!["two".to_owned()]));
    let (code, _, changed) = esc.publish("a", &format!("SIP-If-Match: {third}\r\nExpires: 0\r\n"), "");
    assert_eq!((code, changed, esc.bodies("a").len(), esc.compositor.len()), (200, true, 0, 0));
}

#[test]
fn rfc3903_6_412_for_a_tag_that_names_nothing() {
    let mut esc = Esc::new();
    let (_, tag, _) = esc.publish("a", "Expires: 100\r\n", "one");
    assert_eq!(esc.publish("a", "SIP-If-Match: other\r\n", "two").0, 412);
    // Another's tag names nothing of mine.
    assert_eq!(esc.publish("b", &format!("SIP-If-Match: {tag}\r\n"), "two").0, 412);
    // Nor does one that has been used up, or has expired.
    let (_, new, _) = esc.publish("a", &format!("SIP-If-Match: {tag}\r\nExpires: 100\r\n"), "");
    assert_eq!(esc.publish("a", &format!("SIP-If-Match: {tag}\r\n"), "two").0, 412);
    esc.at(101);
    assert_eq!(esc.publish("a", &format!("SIP-If-Match: {new}\r\n"), "").0, 412);
    assert_eq!(esc.publish("a", "SIP-If-Match: x\r\nSIP-If-Match: y\r\n", "two").0, 400);
}

#[test]
fn rfc3903_6_what_is_refused_changes_nothing() {
    let mut esc = Esc::new();
    assert_eq!(esc.publish("a", "", "").0, 400, "nothing is said");
    assert_eq!(esc.publish("a", "Expires: 5\r\n", "one").0, 423);
    assert_eq!(esc.publish("a", "Content-Type: text/plain\r\n", "one").0, 415);
    assert_eq!(esc.publish("a", "", &"x".repeat(101)).0, 413);
    assert!(esc.compositor.is_empty());
    assert_eq!(esc.publish("a", "", &"x".repeat(100)).0, 200);
}

#[test]
fn limits_of_each_and_of_all() {
    let mut esc = Esc::new();
    let (_, tag, _) = esc.publish("a", "", "one");
    assert_eq!(esc.publish("a", "", "two").0, 200);
    assert_eq!(esc.publish("a", "", "three").0, 503);
    assert_eq!(esc.publish("b", "", "one").0, 200);
    assert_eq!(esc.publish("c", "", "one").0, 503);
    // What is there may still change, and makes room.
    let (code, tag, _) = esc.publish("a", &format!("SIP-If-Match: {tag}\r\n"), "other");
    assert_eq!((code, esc.bodies("a")), (200, vec!["other".to_owned(), "two".to_owned()]));
    esc.publish("a", &format!("SIP-If-Match: {tag}\r\nExpires: 0\r\n"), "");
    assert_eq!(esc.publish("c", "", "one").0, 200);
}

#[test]
fn rfc3903_6_1_what_is_not_refreshed_goes() {
    let mut esc = Esc::new();
    esc.publish("a", "Expires: 100\r\n", "one");
    esc.publish("b", "Expires: 200\r\n", "one");
    assert_eq!(esc.compositor.deadline(), Some(Time(100 * SECOND)));
    esc.at(100);
    assert_eq!(esc.compositor.expire(esc.now), [("presence".to_owned(), "a".to_owned())]);
    assert_eq!((esc.compositor.len(), esc.bodies("a").len(), esc.bodies("b").len()), (1, 0, 1));
}
