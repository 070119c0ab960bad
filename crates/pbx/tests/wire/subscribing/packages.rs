//! What the documents of each package tell.

use super::*;

#[test]
fn rfc3856_6_11_2_presence_by_registration_and_by_publication() {
    let (running, server) = start(config());
    let (mut watcher, mut bob) = (phone(server, "1001"), phone(server, "1002"));
    assert_eq!(subscribe(&mut watcher, "1002", "presence").1.code().get(), 200);
    assert_eq!(presence(&told(&mut watcher)).basic(), Some(Basic::Closed));
    bob.register(120);
    assert_eq!(presence(&told(&mut watcher)).basic(), Some(Basic::Open));
    let body = "<presence entity='sip:1002@x'><tuple id='a'><status><basic>closed</basic></status><note>lunch</note></tuple></presence>";
    let pidf = Some(("application/pidf+xml", body));
    let (_, published) = ask(&mut bob, "PUBLISH", "1002", "Event: presence\r\nExpires: 300\r\n", pidf);
    assert_eq!(published.code().get(), 200);
    let tag = published.headers().text(HeaderId::SipEtag).unwrap().into_owned();
    let now = presence(&told(&mut watcher));
    assert_eq!((now.basic(), now.tuples[0].note.as_deref()), (Some(Basic::Closed), Some("lunch")));
    // Another's cannot be published, one that is none is refused, and what was named by an old tag is not there.
    let code =
        |phone: &mut Phone, whom: &str, lines: &str, body| ask(phone, "PUBLISH", whom, lines, body).1.code().get();
    assert_eq!(code(&mut watcher, "1002", "Event: presence\r\n", pidf), 603);
    assert_eq!(code(&mut bob, "1002", "Event: dialog\r\n", pidf), 489);
    assert_eq!(code(&mut bob, "1002", "Event: presence\r\n", Some(("application/pidf+xml", "<presence"))), 400);
    assert_eq!(code(&mut bob, "1002", "Event: presence\r\n", Some(("text/plain", body))), 415);
    assert_eq!(code(&mut bob, "1002", "Event: presence\r\nSIP-If-Match: nothing\r\n", None), 412);
    // Taken back: registered is what is left.
    let lines = format!("Event: presence\r\nSIP-If-Match: {tag}\r\nExpires: 0\r\n");
    assert_eq!(code(&mut bob, "1002", &lines, None), 200);
    assert_eq!(presence(&told(&mut watcher)).basic(), Some(Basic::Open));
    nothing_left(&running);
}

#[test]
fn rfc3842_3_messages_waiting_are_what_was_published() {
    let (_running, mut phones) = with_phones(&["1001"]);
    let user = &mut phones[0];
    assert_eq!(subscribe(user, "1001", "message-summary").1.code().get(), 200);
    assert!(!event::summary::Summary::read(told(user).body()).unwrap().waiting);
    let body = Some(("application/simple-message-summary", "Messages-Waiting: yes\r\nVoice-Message: 2/1 (0/0)\r\n"));
    let answer = ask(user, "PUBLISH", "1001", "Event: message-summary\r\nExpires: 300\r\n", body).1;
    assert_eq!(answer.code().get(), 200);
    let summary = event::summary::Summary::read(told(user).body()).unwrap();
    assert_eq!((summary.waiting, summary.count("voice-message").unwrap().new), (true, 2));
}

#[test]
fn rfc3680_4_devices_come_and_go() {
    let (_running, server) = start(config());
    let mut user = phone(server, "1001");
    subscribe(&mut user, "1001", "reg");
    let read = |notify: &Request| event::registration::RegInfo::read(notify.body()).unwrap().registrations.remove(0);
    assert!(read(&told(&mut user)).contacts.is_empty());
    user.register(120);
    let one = read(&told(&mut user));
    assert_eq!(one.contacts.len(), 1);
    assert!(one.contacts[0].uri.contains(&user.port().to_string()), "{one:?}");
}

#[test]
fn rfc3857_3_who_watches_is_told_to_whom_it_is_about() {
    let (_running, mut phones) = with_phones(&["1001", "1002"]);
    let [alice, bob] = &mut phones[..] else { panic!("two phones") };
    subscribe(bob, "1002", "presence.winfo");
    let read = |notify: &Request| event::watchers::WatcherInfo::read(notify.body()).unwrap().lists.remove(0).watchers;
    assert!(read(&told(bob)).is_empty());
    subscribe(alice, "1002", "presence");
    told(alice);
    let watchers = read(&told(bob));
    assert_eq!((watchers.len(), watchers[0].uri.as_str()), (1, "sip:1001@127.0.0.1"));
}
