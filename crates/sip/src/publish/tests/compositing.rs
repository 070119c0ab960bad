use super::*;
use crate::reply::Reply;
use crate::subscribe::Terms;

const KIND: &str = "application/pidf+xml";

struct Esc {
    compositor: Compositor,
    now: Time,
    fresh: u64,
    /// The documents are none.
    unreadable: bool,
    /// Of the last answer.
    lines: Vec<String>,
}

impl Esc {
    fn new() -> Self {
        let limits = Limits { all: 3, each: 2, octets: 100 };
        Self { compositor: Compositor::new(limits), now: Time(0), fresh: 0, unreadable: false, lines: Vec::new() }
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
        let objection = self.unreadable.then(|| Reply::new(StatusCode::BAD_REQUEST));
        let done = self.compositor.publish(self.now, self.fresh, (who, KIND), &request, &Terms::default(), objection);
        let (reply, changed) = match done {
            Err(reply) => (*reply, false),
            Ok(done) => (done.reply, done.changed),
        };
        let lines = String::from_utf8(reply.lines.as_bytes().to_vec()).unwrap();
        self.lines = lines.lines().map(str::to_owned).collect();
        (reply.code.get(), self.said("SIP-ETag").concat(), changed)
    }

    /// The values of a header field of the last answer.
    fn said(&self, name: &str) -> Vec<&str> {
        let value = |line| str::strip_prefix(line, name).and_then(|rest| rest.strip_prefix(": "));
        self.lines.iter().filter_map(|line| value(line.as_str())).collect()
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
    assert_eq!(esc.publish("a", "SIP-If-Match: x, y\r\n", "two").0, 400);
    // There is no tag for any.
    assert_eq!(esc.publish("a", "SIP-If-Match: *\r\n", "two").0, 412);
}

#[test]
fn rfc3903_6_the_answer_has_one_tag_and_says_for_how_long() {
    for (asked, granted) in
        [("Expires: 100\r\n", "100"), ("Expires: 60\r\n", "60"), ("Expires: 999999\r\n", "86400"), ("", "3600")]
    {
        let mut esc = Esc::new();
        assert_eq!(esc.publish("a", asked, "one").0, 200);
        assert_eq!((esc.said("SIP-ETag").len(), esc.said("Expires")), (1, vec![granted]), "{asked}");
        let secs: u64 = granted.parse().unwrap();
        assert_eq!(esc.compositor.deadline(), Some(Time(secs * SECOND)), "{asked}");
    }
    let mut esc = Esc::new();
    assert_eq!(esc.publish("a", "Expires: 59\r\n", "one").0, 423);
    assert_eq!(esc.said("Min-Expires"), ["60"]);
}

#[test]
fn rfc3903_6_no_seconds_remove_at_once_and_store_nothing() {
    let mut esc = Esc::new();
    assert_eq!(esc.publish("a", "Expires: 0\r\n", "one").0, 200);
    assert_eq!((esc.said("Expires"), esc.compositor.len()), (vec!["0"], 0));
    let (_, tag, _) = esc.publish("a", "Expires: 100\r\n", "one");
    // With a body as well.
    assert_eq!(esc.publish("a", &format!("SIP-If-Match: {tag}\r\nExpires: 0\r\n"), "two").0, 200);
    assert_eq!((esc.bodies("a").len(), esc.compositor.len(), esc.compositor.deadline()), (0, 0, None));
    let gone = esc.said("SIP-ETag").concat();
    for tag in [tag, gone] {
        assert_eq!(esc.publish("a", &format!("SIP-If-Match: {tag}\r\n"), "three").0, 412);
    }
}

#[test]
fn rfc3903_6_each_success_has_a_tag_that_none_had_before() {
    let mut esc = Esc::new();
    let mut tags = [esc.publish("a", "", "one").1, esc.publish("a", "", "two").1];
    let mut used: Vec<String> = Vec::new();
    for round in 0..100 {
        let body = if round % 3 == 0 { "" } else { "other" };
        let which = round % 2;
        let (code, new, _) = esc.publish("a", &format!("SIP-If-Match: {}\r\n", tags[which]), body);
        assert_eq!(code, 200);
        used.push(std::mem::replace(&mut tags[which], new));
        assert!(tags[0] != tags[1] && !tags.iter().any(|tag| used.contains(tag)), "{round}");
    }
    for tag in used {
        assert_eq!(esc.publish("a", &format!("SIP-If-Match: {tag}\r\n"), "").0, 412);
    }
}

/// Completely, or not at all.
#[test]
fn rfc3903_6_a_refusal_leaves_state_time_and_tag_as_they_are() {
    let mut esc = Esc::new();
    let (_, tag, _) = esc.publish("a", "Expires: 100\r\n", "one");
    let long = "x".repeat(101);
    let text = "Content-Type: text/plain\r\n";
    for (code, lines, body) in [
        (400, "SIP-If-Match: other\r\n".to_owned(), "two"),
        (423, "Expires: 5\r\n".to_owned(), "two"),
        (415, text.to_owned(), "two"),
        (413, "Expires: 200\r\n".to_owned(), long.as_str()),
    ] {
        let lines = format!("SIP-If-Match: {tag}\r\n{lines}");
        assert_eq!(esc.publish("a", &lines, body), (code, String::new(), false), "{lines}");
        assert_eq!((esc.bodies("a"), esc.compositor.deadline()), (vec!["one".to_owned()], Some(Time(100 * SECOND))));
    }
    esc.unreadable = true;
    // What is wrong before it is told instead.
    assert_eq!(esc.publish("a", "SIP-If-Match: other\r\n", "two").0, 412);
    assert_eq!(esc.publish("a", "Expires: 5\r\n", "two").0, 423);
    assert_eq!(esc.publish("a", &format!("SIP-If-Match: {tag}\r\n"), "two").0, 400);
    assert_eq!((esc.bodies("a"), esc.compositor.len()), (vec!["one".to_owned()], 1));
    esc.unreadable = false;
    // The tag is good as before.
    assert_eq!(esc.publish("a", &format!("SIP-If-Match: {tag}\r\n"), "two").0, 200);
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
