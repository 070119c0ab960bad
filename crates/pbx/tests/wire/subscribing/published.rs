//! What becomes of a PUBLISH (RFC 3903 section 6).

use super::*;

/// Section 6 names the steps in their order, and each ends with "skip the remaining steps": of several things that are wrong the first is told.
#[test]
fn rfc3903_6_what_is_wrong_first_is_the_answer() {
    let (_running, server) = start(config());
    let mut bob = phone(server, "1002");
    let mut publish = |whom: &str, lines: &str, body: &str| {
        ask(&mut bob, "PUBLISH", whom, lines, Some(("application/pidf+xml", body))).1
    };
    let (no_document, document) = ("<presence", "<presence entity='sip:1002@x'/>");
    let two_tags = "SIP-If-Match: a\r\nSIP-If-Match: b\r\nExpires: 5\r\n";
    for (code, whom, lines, body) in [
        (404, "1999", format!("Event: weather\r\n{two_tags}"), no_document),
        (404, "600", format!("Event: presence\r\n{two_tags}"), no_document),
        (603, "1001", format!("Event: weather\r\n{two_tags}"), no_document),
        (489, "1002", format!("Event: weather\r\n{two_tags}"), no_document),
        (489, "1002", two_tags.to_owned(), no_document),
        (400, "1002", format!("Event: presence\r\n{two_tags}"), document),
        (412, "1002", "Event: presence\r\nSIP-If-Match: a\r\nExpires: 5\r\n".to_owned(), no_document),
        (423, "1002", "Event: presence\r\nExpires: 5\r\n".to_owned(), no_document),
        (400, "1002", "Event: presence\r\n".to_owned(), no_document),
        (200, "1002", "Event: presence\r\n".to_owned(), document),
    ] {
        let answer = publish(whom, &lines, body);
        assert_eq!(answer.code().get(), code, "{whom} {lines} {body}");
        let least = answer.headers().text(HeaderId::MinExpires).map(|least| least.into_owned());
        assert_eq!(least.as_deref(), (code == 423).then_some("60"), "{lines}");
        assert_eq!(answer.headers().has(HeaderId::AllowEvents), code == 489, "{lines}");
    }
}

#[test]
fn rfc3903_6_record_route_and_contact_of_a_publish_mean_nothing() {
    let (_running, server) = start(config());
    let mut bob = phone(server, "1002");
    // A Contact where nobody is.
    bob.host = "192.0.2.67".to_owned();
    let lines = "Event: presence\r\nRecord-Route: <sip:192.0.2.66;lr>\r\n";
    let pidf = Some(("application/pidf+xml", "<presence entity='sip:1002@x'/>"));
    let published = ask(&mut bob, "PUBLISH", "1002", lines, pidf).1;
    assert_eq!(published.code().get(), 200);
    let refused = ask(&mut bob, "PUBLISH", "1002", &format!("{lines}SIP-If-Match: nothing\r\n"), None).1;
    assert_eq!(refused.code().get(), 412);
    for answer in [published, refused] {
        assert!(!answer.headers().has(HeaderId::RecordRoute) && !answer.headers().has(HeaderId::Contact), "{answer:?}");
    }
}

#[test]
fn rfc3903_6_publications_are_carried_out_in_the_order_in_which_they_come() {
    let (_running, server) = start(config());
    let (mut watcher, mut bob) = (phone(server, "1001"), phone(server, "1002"));
    let uri = "sip:1002@127.0.0.1";
    let document = |note: &str| {
        let tuple = format!("<tuple id='a'><status><basic>open</basic></status><note>{note}</note></tuple>");
        format!("<presence entity='{uri}'>{tuple}</presence>")
    };
    let pidf = "application/pidf+xml";
    let (lines, body) = ("Event: presence\r\nExpires: 300\r\n", document("begin"));
    let published = ask(&mut bob, "PUBLISH", "1002", lines, Some((pidf, &body))).1;
    let tag = published.headers().text(HeaderId::SipEtag).unwrap().into_owned();
    // Both about the same tag, which only the first finds.
    bob.extra = format!("{lines}SIP-If-Match: {tag}\r\n");
    let drafts = ["first", "second"].map(|note| {
        let body = document(note);
        let (_, challenge) = bob.ask_plain("PUBLISH", uri, uri, Some((pidf, &body)), &[]);
        assert_eq!(challenge.code().get(), 401);
        let credentials = bob.credentials(challenge.headers(), "PUBLISH", uri, &body);
        bob.draft("PUBLISH", uri, uri, Some((pidf, &body)), &credentials)
    });
    bob.extra.clear();
    drafts.iter().for_each(|draft| bob.send(draft));
    for (draft, code) in drafts.iter().zip([200, 412]) {
        let branch = draft.split("branch=").nth(1).unwrap().split(';').next().unwrap();
        assert_eq!(bob.response(branch).code().get(), code);
    }
    assert_eq!(subscribe(&mut watcher, "1002", "presence").1.code().get(), 200);
    assert_eq!(presence(&told(&mut watcher)).tuples[0].note.as_deref(), Some("first"));
}

#[test]
fn rfc3903_14_4_what_is_signed_for_watchers_is_refused_rather_than_changed() {
    let (_running, mut phones) = with_phones(&["1002"]);
    let pidf = "application/pidf+xml";
    let document = |more: &str| {
        let tuple = "<tuple id='a'><status><basic>open</basic></status></tuple>";
        format!("<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:1002@127.0.0.1'>{tuple}{more}</presence>")
    };
    let signature = "<Signature xmlns='http://www.w3.org/2000/09/xmldsig#'><SignedInfo/></Signature>";
    let parts = format!("--x\r\nContent-Type: {pidf}\r\n\r\n{}\r\n--x--\r\n", document(""));
    for (kind, body, code) in [
        (pidf, document(signature), 415),
        ("multipart/signed;boundary=x", parts, 415),
        ("application/pkcs7-mime", "x".to_owned(), 415),
        (pidf, document(""), 200),
    ] {
        let lines = "Event: presence\r\nExpires: 300\r\n";
        let answer = ask(&mut phones[0], "PUBLISH", "1002", lines, Some((kind, &body))).1;
        assert_eq!(answer.code().get(), code, "{kind} {body}");
        let accepted = answer.headers().text(HeaderId::Accept);
        assert_eq!(accepted.as_deref(), (code == 415).then_some(pidf), "{kind} {body}");
    }
}

#[test]
fn cve_xml_of_a_publication_reaches_no_watcher() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let [watcher, bob] = &mut phones[..] else { panic!("two phones") };
    subscribe(watcher, "1002", "presence");
    let before = presence(&told(watcher));
    let bomb = "<!DOCTYPE p [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><presence entity='x'><note>&b;</note></presence>";
    let outside = "<!DOCTYPE p SYSTEM \"file:///etc/passwd\"><presence entity='x'/>";
    let deep = format!("{}{}", "<presence>".repeat(500), "</presence>".repeat(500));
    // Larger than what is read at all.
    let many = format!("<presence>{}</presence>", "<a/>".repeat(4_096));
    let open = "<presence entity='x'><!-- ";
    for (body, code) in [(bomb, 400), (outside, 400), (&deep, 400), (&many, 413), (open, 400), ("hello", 400)] {
        let answer = ask(bob, "PUBLISH", "1002", "Event: presence\r\n", Some(("application/pidf+xml", body))).1;
        assert_eq!(answer.code().get(), code, "{body:.60}");
    }
    let large = format!("<presence><note>{}</note></presence>", "x".repeat(16_384));
    let answer = ask(bob, "PUBLISH", "1002", "Event: presence\r\n", Some(("application/pidf+xml", &large))).1;
    assert_eq!(answer.code().get(), 413);
    let answer = ask(bob, "PUBLISH", "1002", "Event: presence\r\n", Some(("text/plain", "hello"))).1;
    assert_eq!(answer.code().get(), 415);
    assert!(watcher.hears_no(&Method::Notify));
    // What would be told later is what a fetch tells now.
    ask(watcher, "SUBSCRIBE", "1002", "Event: presence\r\nExpires: 0\r\n", None);
    assert_eq!(presence(&told(watcher)), before);
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

/// A quotation mark takes six octets where it is written.
#[test]
fn what_grows_where_it_is_written_is_told_to_who_watches_by_udp() {
    let (_running, server) = start(config());
    let (mut watcher, mut bob) = (phone(server, "1001"), phone(server, "1002"));
    let tuple = "<tuple id='a'><status><basic>open</basic></status><note>here</note></tuple>";
    let body = format!("<presence entity='sip:1002@x'>{tuple}<note>{}</note></presence>", "\"".repeat(16_000));
    let pidf = Some(("application/pidf+xml", body.as_str()));
    let published = ask(&mut bob, "PUBLISH", "1002", "Event: presence\r\nExpires: 300\r\n", pidf).1;
    assert_eq!(published.code().get(), 200);
    assert_eq!(subscribe(&mut watcher, "1002", "presence").1.code().get(), 200);
    let told = presence(&told(&mut watcher));
    assert_eq!((told.tuples[0].note.as_deref(), told.note), (Some("here"), None));
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
