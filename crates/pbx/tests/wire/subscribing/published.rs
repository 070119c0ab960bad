//! What becomes of a PUBLISH (RFC 3903 section 6).

use super::*;

#[test]
fn cve_xml_of_a_publication_reaches_no_watcher() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let [watcher, bob] = &mut phones[..] else { panic!("two phones") };
    subscribe(watcher, "1002", "presence");
    told(watcher);
    let bomb = "<!DOCTYPE p [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><presence entity='x'><note>&b;</note></presence>";
    let outside = "<!DOCTYPE p SYSTEM \"file:///etc/passwd\"><presence entity='x'/>";
    let deep = format!("{}{}", "<presence>".repeat(500), "</presence>".repeat(500));
    // Larger than what is read at all.
    let many = format!("<presence>{}</presence>", "<a/>".repeat(4_096));
    let open = "<presence entity='x'><!-- ";
    for (body, code) in [(bomb, 400), (outside, 400), (&deep, 400), (&many, 413), (open, 400), ("hello", 400)] {
        let began = Instant::now();
        let answer = ask(bob, "PUBLISH", "1002", "Event: presence\r\n", Some(("application/pidf+xml", body))).1;
        assert_eq!(answer.code().get(), code, "{body:.60}");
        assert!(began.elapsed() < Duration::from_secs(1), "{body:.60}");
    }
    let large = format!("<presence><note>{}</note></presence>", "x".repeat(16_384));
    let answer = ask(bob, "PUBLISH", "1002", "Event: presence\r\n", Some(("application/pidf+xml", &large))).1;
    assert_eq!(answer.code().get(), 413);
    let answer = ask(bob, "PUBLISH", "1002", "Event: presence\r\n", Some(("text/plain", "hello"))).1;
    assert_eq!(answer.code().get(), 415);
    assert!(watcher.hears_no(&Method::Notify));
    nothing_left(&running);
}

/// Whoever publishes more than anybody reads makes no documents that cannot be sent.
#[test]
fn what_one_user_publishes_is_told_within_limits() {
    let (_running, server) = start(config());
    let (mut watcher, mut bob) = (phone(server, "1001"), phone(server, "1002"));
    let body = format!("<presence entity='sip:1002@x'>{}</presence>", "<tuple/>".repeat(1_800));
    for _ in 0..10 {
        let pidf = Some(("application/pidf+xml", body.as_str()));
        let published = ask(&mut bob, "PUBLISH", "1002", "Event: presence\r\nExpires: 300\r\n", pidf).1;
        assert_eq!(published.code().get(), 200);
    }
    assert_eq!(subscribe(&mut watcher, "1002", "presence").1.code().get(), 200);
    assert_eq!(presence(&told(&mut watcher)).tuples.len(), 32);
}

#[test]
fn rfc3903_6_what_is_refused_says_why() {
    let (_running, server) = start(config());
    let mut bob = phone(server, "1002");
    let (kind, body) = ("application/pidf+xml", "<presence entity='sip:1002@x'/>");
    let mut publish = |lines: &str, body: &str| {
        ask(&mut bob, "PUBLISH", "1002", &format!("Event: presence\r\n{lines}"), Some((kind, body))).1
    };
    // Too long is told before anything is read of it.
    assert_eq!(publish("", &"<".repeat(20_000)).code().get(), 413);
    // An Accept is about bodies of answers, which have none.
    assert_eq!(publish("Accept: text/plain\r\n", body).code().get(), 200);
    for _ in 1..10 {
        assert_eq!(publish("", body).code().get(), 200);
    }
    let full = publish("", body);
    assert_eq!((full.code().get(), full.headers().text(HeaderId::RetryAfter).as_deref()), (503, Some("7")));
}
