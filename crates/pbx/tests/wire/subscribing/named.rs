//! Who asks for one call of a user by what names it (RFC 4235 section 3.2).

use super::*;

/// The tag of a From or To.
fn tag(value: &str) -> &str {
    value.rsplit_once(";tag=").unwrap().1
}

/// A call as its Event names it, at the side of this phone: `to-tag` is its own.
fn named(dialog: &Dialog) -> String {
    format!("{};from-tag={}", of_invite(dialog), tag(&dialog.to))
}

/// The same for all that its INVITE makes. A Call-ID is no token, and what would end its quotes is escaped.
fn of_invite(dialog: &Dialog) -> String {
    let call_id = dialog.call_id.replace('\\', "\\\\").replace('"', "\\\"");
    format!("dialog;call-id=\"{call_id}\";to-tag={}", tag(&dialog.from))
}

/// Subscribes: what is told first.
fn watch(watcher: &mut Phone, whom: &str, event: &str) -> DialogInfo {
    let (_, answer) = subscribe(watcher, whom, event);
    assert_eq!(answer.code().get(), 200, "{event}");
    let notify = told(watcher);
    // A NOTIFY says the Event of the SUBSCRIBE.
    assert_eq!(notify.headers().text(HeaderId::Event).unwrap(), event);
    DialogInfo::read(notify.body()).unwrap()
}

/// A call to an extension under this Call-ID.
fn call_by(phone: &mut Phone, number: &str, call_id: &str) -> Dialog {
    let uri = format!("sip:{number}@127.0.0.1");
    let description = Sound::new(Codec::Pcmu).describe();
    let body = Some(("application/sdp", description.as_str()));
    let dialog = Dialog { call_id: call_id.to_owned(), ..phone.dialog(&uri, &uri) };
    let (dialog, challenge) = phone.again(&dialog, "INVITE", &uri, body, &[]);
    let lines = phone.credentials(challenge.headers(), "INVITE", &uri, &description);
    let (mut dialog, first) = phone.again(&dialog, "INVITE", &uri, body, &lines);
    let answer = if first.code().is_final() { first } else { phone.final_response(&dialog.branch) };
    assert_eq!(answer.code().get(), 200, "{number}");
    takes(&mut dialog, &answer);
    phone.ack(&dialog, answer.headers(), false, None);
    dialog
}

#[test]
fn rfc4235_3_2_only_the_call_that_is_named_is_told_and_with_it_the_subscription_ends() {
    for shards in [1, 3] {
        let (running, mut phones) = with_config(pbx::Config { shards, ..config() }, &["1001", "1002", "1003"]);
        let [caller, all, watcher] = &mut phones[..] else { panic!("three phones") };
        subscribe(all, "1001", "dialog");
        assert_eq!(calls(&told(all)), []);
        let mut first = call_by(caller, "600", "a\"quoted\"\\word@phone");
        let mut other = call(caller, "601");
        while calls(&told(all)).len() < 2 {}
        // By all that names it, and by what names the INVITE.
        for event in [named(&first), of_invite(&first)] {
            let info = watch(watcher, "1001", &event);
            let [one] = &info.dialogs[..] else { panic!("{event}: {info:?}") };
            assert_eq!(one.remote.identity.as_deref(), Some("sip:600@127.0.0.1"));
            assert_eq!(one.call_id.as_deref(), Some(&*first.call_id));
            assert_eq!(one.local_tag.as_deref(), Some(tag(&first.from)));
            assert_eq!(one.remote_tag.as_deref(), event.contains("from-tag").then(|| tag(&first.to)));
        }
        // The other side of it is a dialog of the extension, whose own tag is the other one.
        let (seen_by_600, turned) =
            (Dialog { from: first.to.clone(), to: first.from.clone(), ..first.clone() }, named(&first));
        assert_eq!(watch(watcher, "600", &named(&seen_by_600)).dialogs.len(), 1);
        assert_eq!(watch(watcher, "600", &turned).dialogs, []);
        // Nor is it one of the other call, or of another user.
        let mixed = named(&Dialog { to: other.to.clone(), ..first.clone() });
        assert_eq!(watch(watcher, "1001", &mixed).dialogs, []);
        assert_eq!(watch(watcher, "1002", &named(&first)).dialogs, []);
        // The other call goes, of which only who watches all is told.
        caller.hang_up(&mut other);
        while calls(&told(all)).len() > 1 {}
        assert!(watcher.hears_no(&Method::Notify), "shards {shards}");
        caller.hang_up(&mut first);
        while !calls(&told(all)).is_empty() {}
        for number in 0..3 {
            let last = told(watcher);
            assert_eq!((calls(&last), state(&last).as_str()), (vec![], "terminated;reason=noresource"), "{number}");
        }
        // Those that have not been told of any wait for it still.
        assert!(watcher.hears_no(&Method::Notify));
        let until = Instant::now() + Duration::from_secs(5);
        while running.status().unwrap().watchers != 1 + 3 {
            assert!(Instant::now() < until, "{} watch", running.status().unwrap().watchers);
        }
        nothing_left(&running);
    }
}

/// Each of two devices that ring has a dialog of its own; that of the one that does not answer is over.
#[test]
fn rfc4235_3_2_a_dialog_that_rings_is_told_until_another_device_answers() {
    let (running, mut phones) = with_phones(&["1001", "1002", "1002", "1003"]);
    let [caller, rings, answers, watcher] = &mut phones[..] else { panic!("four phones") };
    subscribe(watcher, "1002", "dialog");
    told(watcher);
    let description = Sound::new(Codec::Pcmu).describe();
    let (mut dialog, invites, early) = std::thread::scope(|scope| {
        let calling = scope.spawn(|| caller.call("1002", Some(&description)));
        let invites = [rings.request(Method::Invite), answers.request(Method::Invite)];
        let early = rings.respond(&invites[0], 180, None);
        let (dialog, ringing) = calling.join().unwrap();
        assert_eq!(ringing.code().get(), 180);
        (dialog, invites, early)
    });
    while calls(&told(watcher)) != [State::Early] {}
    let info = watch(watcher, "1002", &named(&early));
    assert_eq!(info.dialogs.iter().map(|one| one.state).collect::<Vec<_>>(), [State::Early]);
    let mut stands = answers.respond(&invites[1], 200, Some(&description));
    answers.request(Method::Ack);
    let cancel = rings.request(Method::Cancel);
    rings.respond(&cancel, 200, None);
    rings.respond(&invites[0], 487, None);
    rings.request(Method::Ack);
    // Of all calls it is told that one stands, of that dialog that it is over.
    let news = [told(watcher), told(watcher)];
    let last = news.iter().find(|one| state(one).starts_with("terminated")).unwrap();
    assert_eq!((calls(last), state(last).as_str()), (vec![], "terminated;reason=noresource"));
    let one = news.iter().find(|one| state(one).starts_with("active")).unwrap();
    assert_eq!(calls(one), [State::Confirmed]);
    assert_eq!(watch(watcher, "1002", &named(&stands)).dialogs.len(), 1);
    let answer = caller.final_response(&dialog.branch.clone());
    takes(&mut dialog, &answer);
    caller.ack(&dialog, answer.headers(), false, None);
    std::thread::scope(|scope| {
        scope.spawn(|| caller.hung_up());
        answers.hang_up(&mut stands);
    });
    nothing_left(&running);
}

#[test]
fn rfc4235_3_2_what_names_no_dialog_is_400_and_nothing_is_kept() {
    let (running, mut phones) = with_phones(&["1003"]);
    for some in [
        "dialog;call-id=\"a@b\"",
        "dialog;to-tag=1",
        "dialog;from-tag=2",
        "dialog;to-tag=1;from-tag=2",
        "dialog;call-id=\"a@b\";from-tag=2",
        "dialog;call-id=\"\";to-tag=1",
    ] {
        let refused = subscribe(&mut phones[0], "1001", some).1;
        assert_eq!(refused.code().get(), 400, "{some}");
        assert!(refused.reason().contains("call-id"), "{}", refused.reason());
    }
    assert_eq!(running.status().unwrap().watchers, 0);
    // Of another package these are no identifiers.
    assert_eq!(subscribe(&mut phones[0], "1001", "presence;call-id=a").1.code().get(), 200);
}

#[test]
fn what_a_subscription_keeps_has_limits() {
    let (running, mut phones) = with_phones(&["1001"]);
    let user = &mut phones[0];
    let mut code = |uri: &str, event: &str| {
        user.extra = format!("Event: {event}\r\nExpires: 0\r\n");
        let code = user.ask("SUBSCRIBE", uri, uri, None).1.code().get();
        user.extra.clear();
        if code == 200 {
            told(user);
        }
        code
    };
    for (octets, expected) in [(256, 200), (257, 414)] {
        let uri = format!("{:x<octets$}", "sip:1001@");
        assert_eq!((uri.len(), code(&uri, "presence")), (octets, expected));
    }
    for (octets, expected) in [(512, 200), (513, 400)] {
        let call_id = "x".repeat(octets - 6);
        let event = format!("dialog;call-id={call_id};to-tag=one;from-tag=two");
        assert_eq!(code("sip:1001@127.0.0.1", &event), expected, "{octets}");
    }
    nothing_left(&running);
}
