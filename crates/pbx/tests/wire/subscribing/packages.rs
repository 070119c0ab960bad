//! What the documents of each package tell.

use super::*;

/// From 0, and one more with each document of a subscription (RFC 4235 section 4.1, RFC 3858 section 3, RFC 4575 section 5.2).
#[test]
fn rfc3680_5_1_the_version_of_each_document_is_one_more() {
    let (running, mut phones) = with_phones(&["1001"]);
    let user = &mut phones[0];
    for (whom, package) in [("1001", "reg"), ("1001", "dialog"), ("1001", "presence.winfo"), ("610", "conference")] {
        let (mut dialog, answer) = subscribe(user, whom, package);
        takes(&mut dialog, &answer);
        for version in 0..3 {
            if version > 0 {
                assert_eq!(refresh(user, &mut dialog, package, "600").code().get(), 200, "{package}");
            }
            let notify = told(user);
            let text = String::from_utf8_lossy(notify.body()).into_owned();
            assert!(text.contains(&format!("version=\"{version}\"")) && text.contains("state=\"full\""), "{text}");
        }
        assert_eq!(refresh(user, &mut dialog, package, "0").code().get(), 200, "{package}");
        told(user);
    }
    nothing_left(&running);
}

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
    // Whose they are is said, and to be told makes none of them old.
    assert_eq!(summary.account.as_deref(), Some("sip:1001@127.0.0.1"));
    let again = ask(user, "SUBSCRIBE", "1001", "Event: message-summary\r\nExpires: 0\r\n", None).1;
    assert_eq!(again.code().get(), 200);
    assert_eq!(event::summary::Summary::read(told(user).body()).unwrap(), summary);
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

/// A device that registers by two flows names one address for both (RFC 5626 section 4.2).
#[test]
fn rfc3680_5_1_each_contact_has_an_id_of_its_own_that_stays() {
    let (running, server) = start(config());
    let mut user = phone(server, "1001");
    user.agent = "Supported: path, outbound\r\n".to_owned();
    for number in [1, 2] {
        user.preference = format!(";+sip.instance=\"<urn:uuid:0>\";reg-id={number}");
        assert_eq!(user.register(120).code().get(), 200);
    }
    let read = |user: &mut Phone| {
        let answer = ask(user, "SUBSCRIBE", "1001", "Event: reg\r\nExpires: 0\r\n", None).1;
        assert_eq!(answer.code().get(), 200);
        let mut all = event::registration::RegInfo::read(told(user).body()).unwrap().registrations.remove(0);
        all.contacts.sort_by(|one, other| one.id.cmp(&other.id));
        all
    };
    let before = read(&mut user);
    let [one, other] = &before.contacts[..] else { panic!("{before:?}") };
    assert!(one.uri == other.uri && one.id != other.id, "{before:?}");
    // Refreshed, it is the same.
    assert_eq!(user.register(120).code().get(), 200);
    let after = read(&mut user);
    let ids = |all: &event::registration::Registration| -> Vec<String> {
        [&all.id].into_iter().chain(all.contacts.iter().map(|one| &one.id)).cloned().collect()
    };
    assert_eq!(ids(&after), ids(&before));
    // At another address it is another.
    user.host = "127.0.0.2".to_owned();
    assert_eq!(user.register(120).code().get(), 200);
    user.host = "127.0.0.1".to_owned();
    let moved = read(&mut user);
    assert_eq!(moved.contacts.iter().filter(|now| before.contacts.iter().any(|one| one.id == now.id)).count(), 1);
    nothing_left(&running);
}

#[test]
fn rfc5628_5_each_contact_has_the_public_address_of_its_instance() {
    let (running, server) = start(config());
    for (name, instance) in [("1001", ";+sip.instance=\"<urn:uuid:0>\""), ("1002", "")] {
        let mut user = phone(server, name);
        user.agent = "Supported: gruu\r\n".to_owned();
        user.preference = instance.to_owned();
        let answer = user.register(120);
        assert_eq!(answer.code().get(), 200);
        let contact = answer.headers().text(HeaderId::Contact).unwrap().into_owned();
        let given = contact.split_once("pub-gruu=\"").and_then(|(_, rest)| rest.split('"').next());
        assert_eq!(given.is_some(), !instance.is_empty(), "{contact}");
        let answer = ask(&mut user, "SUBSCRIBE", name, "Event: reg\r\nExpires: 0\r\n", None).1;
        assert_eq!(answer.code().get(), 200);
        let notify = told(&mut user);
        let one = event::registration::RegInfo::read(notify.body()).unwrap().registrations.remove(0).contacts.remove(0);
        let text = String::from_utf8_lossy(notify.body());
        assert_eq!(one.pub_gruu.as_deref(), given, "{text}");
        assert_eq!(text.contains("urn:ietf:params:xml:ns:gruuinfo"), given.is_some(), "{text}");
        // Temporary ones are told in answers to REGISTER alone.
        assert!(!text.contains("temp-gruu"), "{text}");
    }
    nothing_left(&running);
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

#[test]
fn rfc3858_3_each_watcher_has_an_id_of_its_own_that_stays() {
    let (_running, mut phones) = with_phones(&["1001", "1002", "1003"]);
    let [alice, bob, carol] = &mut phones[..] else { panic!("three phones") };
    let mut watchers = || {
        let answer = ask(bob, "SUBSCRIBE", "1002", "Event: presence.winfo\r\nExpires: 0\r\n", None).1;
        assert_eq!(answer.code().get(), 200);
        let info = event::watchers::WatcherInfo::read(told(bob).body()).unwrap();
        info.lists[0].watchers.iter().map(|one| (one.id.clone(), one.uri.clone())).collect::<Vec<_>>()
    };
    let watches = |who: &mut Phone| {
        assert_eq!(subscribe(who, "1002", "presence").1.code().get(), 200);
        told(who);
    };
    watches(alice);
    let before = watchers();
    assert_eq!(before.len(), 1);
    watches(alice);
    watches(carol);
    let after = watchers();
    let ids: std::collections::BTreeSet<&str> = after.iter().map(|(id, _)| id.as_str()).collect();
    assert!(ids.len() == 3 && after.contains(&before[0]), "{before:?} {after:?}");
    let is_token = |id: &&str| {
        let of_token = |one: char| one.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(one);
        !id.is_empty() && id.chars().all(of_token)
    };
    assert!(ids.iter().all(is_token), "{ids:?}");
}
